package client

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/holdfast-registry/holdfast/registry"
	"github.com/holdfast-registry/holdfast/transport/pb"
	"github.com/holdfast-registry/holdfast/transport/wire"
)

// pages are the rows of a made up list; the second page is empty, which must
// not end a walk.
var pages = [][]string{{"a", "b"}, {}, {"c"}}

// servePages answers list calls with the pages. It fails the call for a page
// when told to.
func servePages(failAt int) answerFunc {
	return func(_ context.Context, request proto.Message) (proto.Message, registry.AnswerInfo, error) {
		at := 0
		if token := request.(interface{ GetPage() *pb.PageRequest }).GetPage().GetToken(); token != "" {
			at, _ = strconv.Atoi(token)
		}
		if at == failAt {
			return nil, registry.AnswerInfo{}, failure(registry.CodeNotFound)
		}
		next := ""
		if at+1 < len(pages) {
			next = strconv.Itoa(at + 1)
		}
		var records []registry.ProcessRecord
		var events []registry.ProcessEvent
		for i, id := range pages[at] {
			records = append(records, registry.ProcessRecord{ID: id})
			events = append(events, registry.ProcessEvent{ProcessID: id, Sequence: uint64(i)})
		}
		switch r := request.(type) {
		case *pb.ListProcessesRequest:
			if r.GetFilter().GetStatus() != pb.StatusFilter_STATUS_FILTER_ANY {
				return nil, registry.AnswerInfo{}, fmt.Errorf("the filter was lost: %v", r)
			}
			return &pb.ListProcessesResponse{Records: wire.RecordsToPB(records), NextPageToken: next}, registry.AnswerInfo{}, nil
		case *pb.ListNonTerminalRequest:
			return &pb.ListNonTerminalResponse{Records: wire.RecordsToPB(records), NextPageToken: next}, registry.AnswerInfo{}, nil
		case *pb.EventsAfterRequest:
			if r.GetProcessId() != "p" || r.GetAfterSequence() != 7 {
				return nil, registry.AnswerInfo{}, fmt.Errorf("the arguments were lost: %v", r)
			}
			return &pb.EventsAfterResponse{Events: wire.EventsToPB(events), NextPageToken: next}, registry.AnswerInfo{}, nil
		default:
			panic(request)
		}
	}
}

// walk returns the ids that a walk gives, and the error that ended it.
func walk[T any](seq iter.Seq2[T, error], id func(T) string) (ids []string, err error) {
	for item, failed := range seq {
		if failed != nil {
			return ids, failed
		}
		ids = append(ids, id(item))
	}
	return ids, nil
}

func TestIterators(t *testing.T) {
	walks := map[string]func(context.Context, *Client) ([]string, error){
		"AllProcesses": func(ctx context.Context, c *Client) ([]string, error) {
			return walk(c.AllProcesses(ctx, registry.ProcessListFilter{Status: registry.StatusAny}), recordID)
		},
		"AllNonTerminal": func(ctx context.Context, c *Client) ([]string, error) {
			return walk(c.AllNonTerminal(ctx), recordID)
		},
		"AllEvents": func(ctx context.Context, c *Client) ([]string, error) {
			return walk(c.AllEvents(ctx, "p", 7), func(e registry.ProcessEvent) string { return e.ProcessID })
		},
	}
	for name, walk := range walks {
		t.Run(name+"ReadsEveryPage", func(t *testing.T) {
			node := newFakeNode(t, servePages(-1))
			ids, err := walk(t.Context(), mustDial(t, []string{node.addr}))
			if err != nil || !slices.Equal(ids, []string{"a", "b", "c"}) {
				t.Fatalf("%q, %v", ids, err)
			}
			mustHave(t, []*fakeNode{node}, len(pages))
		})
		t.Run(name+"EndsWithAnError", func(t *testing.T) {
			node := newFakeNode(t, servePages(1))
			ids, err := walk(t.Context(), mustDial(t, []string{node.addr}))
			mustBe(t, err, registry.CodeNotFound)
			if !slices.Equal(ids, []string{"a", "b"}) {
				t.Fatalf("%q before the error", ids)
			}
		})
	}
	t.Run("StopsWhereTheCallerStops", func(t *testing.T) {
		node := newFakeNode(t, servePages(-1))
		for range mustDial(t, []string{node.addr}).AllNonTerminal(t.Context()) {
			break
		}
		mustHave(t, []*fakeNode{node}, 1)
	})
}

func recordID(record registry.ProcessRecord) string { return record.ID }
