package rest

import (
	"context"
	"sync"
)

// Keyed lets one holder at a time in for each key. The zero value is ready.
type Keyed[K comparable] struct {
	mu    sync.Mutex
	taken map[K]chan struct{} // closed when its holder leaves
}

// Enter waits for the key and returns the way out.
func (k *Keyed[K]) Enter(ctx context.Context, key K) (leave func(), err error) {
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

func (k *Keyed[K]) take(key K) (before, mine chan struct{}) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if before = k.taken[key]; before != nil {
		return before, nil
	}
	if k.taken == nil {
		k.taken = make(map[K]chan struct{})
	}
	mine = make(chan struct{})
	k.taken[key] = mine
	return nil, mine
}

func (k *Keyed[K]) release(key K, mine chan struct{}) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.taken, key)
	close(mine)
}

// Len is the number of keys that are taken.
func (k *Keyed[K]) Len() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.taken)
}
