package main

import (
	"context"
	"time"

	"github.com/holdfast-registry/holdfast/client"
	"github.com/holdfast-registry/holdfast/registry"
)

// dialClient opens a client for one command. It gives up trying when the
// command's time is over anyway.
func dialClient(addrs []string, timeout time.Duration, options ...client.Option) (server, error) {
	return client.Dial(addrs, append([]client.Option{client.WithRetryTimeout(timeout)}, options...)...)
}

// collect reads a whole list. An empty one is [] as JSON, and not null.
func collect[T any](ctx context.Context, list func(context.Context, registry.PageRequest) (registry.Page[T], error)) ([]T, error) {
	items, err := registry.Collect(ctx, list)
	if items == nil {
		items = []T{}
	}
	return items, err
}
