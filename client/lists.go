package client

import (
	"context"
	"iter"

	"github.com/holdfast-registry/holdfast/registry"
)

// pageOf turns the answer of a list call into a page.
func pageOf[M, T any](rows []*M, nextToken string, err error, convert func([]*M, string) (registry.Page[T], error)) (registry.Page[T], error) {
	return converted(rows, err, func(rows []*M) (registry.Page[T], error) { return convert(rows, nextToken) })
}

// AllProcesses walks all records that match the filter, by id ascending, and
// reads page after page as it goes. The zero filter hides terminal records. A
// page is one consistent read, the whole walk is not; a record that matched
// throughout comes exactly once. An error ends the walk.
func (c *Client) AllProcesses(ctx context.Context, filter registry.ProcessListFilter) iter.Seq2[registry.ProcessRecord, error] {
	return registry.Each(ctx, func(ctx context.Context, page registry.PageRequest) (registry.Page[registry.ProcessRecord], error) {
		return c.ListProcesses(ctx, filter, page)
	})
}

// AllNonTerminal walks all running records, like AllProcesses.
func (c *Client) AllNonTerminal(ctx context.Context) iter.Seq2[registry.ProcessRecord, error] {
	return registry.Each(ctx, c.ListNonTerminal)
}

// AllEvents walks the events of a process with a sequence greater than after,
// ascending, like AllProcesses. It ends with the last event stored and does not
// wait for more. Errors: NotFound.
func (c *Client) AllEvents(ctx context.Context, processID string, after uint64) iter.Seq2[registry.ProcessEvent, error] {
	return registry.Each(ctx, func(ctx context.Context, page registry.PageRequest) (registry.Page[registry.ProcessEvent], error) {
		return c.EventsAfter(ctx, processID, after, page)
	})
}
