package cluster

import (
	"context"
	"fmt"
	"io"
	"log/slog"

	"github.com/hashicorp/go-hclog"
)

// RaftLogger hands raft's log lines to slog.
func RaftLogger(logger *slog.Logger) hclog.Logger {
	out := hclog.NewInterceptLogger(&hclog.LoggerOptions{Name: "raft", Level: hclog.Off, Output: io.Discard})
	out.RegisterSink(slogSink{logger.With("component", "raft")})
	return out
}

// closedStream is what raft's transport says when a peer, or this node, closes
// a connection in an orderly way.
const closedStream = "failed to decode incoming command"

type slogSink struct{ logger *slog.Logger }

// Accept implements hclog.SinkAdapter.
func (s slogSink) Accept(_ string, level hclog.Level, msg string, args ...any) {
	at := slog.LevelInfo
	switch level {
	case hclog.Trace, hclog.Debug:
		at = slog.LevelDebug
	case hclog.Warn:
		at = slog.LevelWarn
	case hclog.Error:
		// What raft calls an error, such as a peer that is down, is part of
		// its life: what needs somebody to act, the watchdogs say.
		at = slog.LevelWarn
	}
	if msg == closedStream {
		at = slog.LevelDebug
	}
	for i := range args {
		// hclog formats such a value only when it prints it.
		if f, ok := args[i].(hclog.Format); ok && len(f) > 0 {
			if text, ok := f[0].(string); ok {
				args[i] = fmt.Sprintf(text, f[1:]...)
			}
		}
	}
	s.logger.Log(context.Background(), at, msg, args...)
}
