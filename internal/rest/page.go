package rest

import "iter"

// Pages ranges over the items of a numbered list, from page first on, fetching a
// page when the loop needs one. fetch returns the items of page n and the number
// of the next page, zero after the last. A page that does not lead on ends the
// range: one that names itself would never.
func Pages[T any](first int, fetch func(n int) (items []T, next int, err error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for n := first; ; {
			items, next, err := fetch(n)
			if err != nil {
				var none T
				yield(none, err)
				return
			}
			for _, item := range items {
				if !yield(item, nil) {
					return
				}
			}
			if next <= n || len(items) == 0 {
				return
			}
			n = next
		}
	}
}
