package iterable

import (
	"context"
	"sync"
	"time"
)

// window lets at most size pass in any time of that length. Unlike a
// [rate.Limiter] it does so for those who come all at once as well.
type window struct {
	size int
	per  time.Duration

	mu     sync.Mutex
	passed []time.Time // the last ones, a ring
	next   int         // the oldest of them
}

func (w *window) Wait(ctx context.Context) error {
	for {
		wait := w.try(time.Now())
		if wait == 0 {
			return ctx.Err()
		}
		if end, ok := ctx.Deadline(); ok && time.Until(end) < wait {
			return context.DeadlineExceeded
		}
		t := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			t.Stop()
			return ctx.Err()
		case <-t.C:
		}
	}
}

// try takes a place, or says when there may be one.
func (w *window) try(now time.Time) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.passed) < w.size {
		w.passed = append(w.passed, now)
		return 0
	}
	if wait := w.passed[w.next].Add(w.per).Sub(now); wait >= 0 {
		return wait + 1 // a nanosecond past the end of its window
	}
	w.passed[w.next] = now
	w.next = (w.next + 1) % w.size
	return 0
}
