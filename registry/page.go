package registry

import (
	"context"
	"iter"
)

// The bounds of one page. A page also ends at MaxPageBytes or after
// MaxPageExamined rows looked at, so it may be short or even empty: only a
// missing NextToken ends a list. Spec A15.
const (
	DefaultPageSize = 500
	MaxPageSize     = 5000
	MaxPageBytes    = 1 << 20
	MaxPageExamined = 10_000
)

// PageRequest asks for one page of a list. The zero value asks for the first
// page with DefaultPageSize rows.
type PageRequest struct {
	// Size is the most rows wanted, at most MaxPageSize; 0 is the default.
	Size int
	// Token is the NextToken of the page before. It is opaque.
	Token string
}

// Page is one consistent read of a part of a list. A row that matched
// throughout appears exactly once over all pages; the whole list is not one
// snapshot.
type Page[T any] struct {
	Items []T
	// NextToken asks for what follows; empty at the end of the list.
	NextToken string
}

// Each walks a whole list, reading page after page as it goes:
//
//	for record, err := range registry.Each(ctx, func(ctx context.Context, p registry.PageRequest) (registry.Page[registry.ProcessRecord], error) {
//		return r.ListProcesses(ctx, filter, p)
//	}) { … }
//
// It stops after the first error, which it yields with a zero item.
func Each[T any](ctx context.Context, list func(context.Context, PageRequest) (Page[T], error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var request PageRequest
		for {
			page, err := list(ctx, request)
			if err != nil {
				var zero T
				yield(zero, err)
				return
			}
			for _, item := range page.Items {
				if !yield(item, nil) {
					return
				}
			}
			if page.NextToken == "" {
				return
			}
			request.Token = page.NextToken
		}
	}
}

// Collect reads a whole list into memory.
func Collect[T any](ctx context.Context, list func(context.Context, PageRequest) (Page[T], error)) ([]T, error) {
	var items []T
	for item, err := range Each(ctx, list) {
		if err != nil {
			return nil, err
		}
		items = append(items, item)
	}
	return items, nil
}
