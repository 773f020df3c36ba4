package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"

	"github.com/holdfast-registry/holdfast/registry"
)

// tokenHeader carries the fencing token of a write.
const tokenHeader = "Fencing-Token"

// maxContent bounds what is read of a request.
const maxContent = 1 << 20

// store is a resource outside the registry: it keeps one text for each process,
// and takes it from the current owner only. PUT /PROCESS writes, with the
// fencing token in a header, and GET /PROCESS reads.
type store struct {
	fences registry.Fences

	mu    sync.Mutex
	texts map[string]text
}

// text is what is kept for a process. Its token is the greatest that was let
// through; a store that lasts keeps it with the content, in one write.
type text struct {
	content string
	token   uint64
}

func newStore(fences registry.Fences) *store {
	return &store{fences: fences, texts: make(map[string]text)}
}

func (s *store) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	process := r.URL.Path[1:]
	if r.Method != http.MethodPut {
		io.WriteString(w, s.read(process).content)
		return
	}
	content, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxContent))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	token, err := strconv.ParseUint(r.Header.Get(tokenHeader), 10, 64)
	if err != nil {
		http.Error(w, "a write needs the header "+tokenHeader, http.StatusBadRequest)
		return
	}
	if err := s.write(r.Context(), process, text{string(content), token}); err != nil {
		say("store", "refused %q: %v", content, err)
		http.Error(w, err.Error(), http.StatusConflict)
		return
	}
	say("store", "took %q under fencing token %d", content, token)
	w.WriteHeader(http.StatusNoContent)
}

func (s *store) read(process string) text {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.texts[process]
}

// write takes a text if its token is the current one. The cluster is asked,
// since only it knows of an owner that has not written here yet. Its answer may
// be old once it is here, so the greatest token is remembered too: behind a
// write of its successor an owner gets nothing through.
func (s *store) write(ctx context.Context, process string, wanted text) error {
	status, err := s.fences.CheckFence(ctx, process, wanted.token)
	if err != nil {
		return fmt.Errorf("whether fencing token %d is current is not known: %w", wanted.token, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if greatest := s.texts[process].token; wanted.token < greatest {
		return fmt.Errorf("fencing token %d is smaller than %d, which has written already", wanted.token, greatest)
	}
	if !status.Current {
		return fmt.Errorf("fencing token %d is not the current one, which is %d", wanted.token, status.FencingToken)
	}
	s.texts[process] = wanted
	return nil
}
