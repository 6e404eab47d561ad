package iterable

import (
	"context"
	"sync"
)

// keyed lets one holder at a time in for each key. The zero value is ready.
type keyed struct {
	mu    sync.Mutex
	taken map[int64]chan struct{} // closed when its holder leaves
}

// enter waits for the key and returns the way out.
func (k *keyed) enter(ctx context.Context, key int64) (leave func(), err error) {
	for {
		before, mine := k.take(key)
		if mine != nil {
			return func() { k.release(key, mine) }, nil
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-before:
		}
	}
}

func (k *keyed) take(key int64) (before, mine chan struct{}) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if before = k.taken[key]; before != nil {
		return before, nil
	}
	if k.taken == nil {
		k.taken = make(map[int64]chan struct{})
	}
	mine = make(chan struct{})
	k.taken[key] = mine
	return nil, mine
}

func (k *keyed) release(key int64, mine chan struct{}) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.taken, key)
	close(mine)
}
