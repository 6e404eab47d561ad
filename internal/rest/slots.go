package rest

import (
	"context"
	"sync"
)

// Slots bound the attempts that are under way at once.
type Slots chan struct{}

// NewSlots makes n slots.
func NewSlots(n int) Slots { return make(Slots, n) }

// enter takes one slot of each. leave gives them back, once however often it is
// called. All callers must name the Slots in the same order.
func enter(ctx context.Context, all []Slots) (leave func(), err error) {
	taken := 0
	leave = sync.OnceFunc(func() {
		for _, s := range all[:taken] {
			<-s
		}
	})
	if err := ctx.Err(); err != nil {
		return leave, err
	}
	for _, s := range all {
		select {
		case s <- struct{}{}:
			taken++
		case <-ctx.Done():
			leave()
			return leave, ctx.Err()
		}
	}
	return leave, nil
}
