package rest

import (
	"context"
	"sync"
	"time"
)

// probeEvery is the pace of requests to a vendor that refuses all of them: 12 a
// minute, and the first after its return at most 5 seconds late.
const probeEvery = 5 * time.Second

// Gate keeps senders polite while a vendor is down or refuses everything. Open,
// the zero value, it lets all pass. Closed, it lets one pass now and then, to
// see whether the vendor is back.
type Gate struct {
	mu     sync.Mutex
	opened chan struct{} // nil while open; closed when the gate opens
	next   time.Time
}

// Pass waits until a request may go. probe says that the gate is closed: the
// request is to make one attempt only.
func (g *Gate) Pass(ctx context.Context) (probe bool, err error) {
	for {
		wait, opened := g.try()
		if wait == 0 {
			return opened != nil, ctx.Err()
		}
		t := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			t.Stop()
			return false, ctx.Err()
		case <-opened:
		case <-t.C:
		}
		t.Stop()
	}
}

// TryPass is Pass for those who cannot wait: with a wait, the request must not
// go.
func (g *Gate) TryPass() (probe bool, wait time.Duration) {
	wait, opened := g.try()
	return opened != nil, wait
}

// Closed is how long nothing will pass. It claims nothing.
func (g *Gate) Closed() time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.opened == nil {
		return 0
	}
	return max(0, time.Until(g.next))
}

// try claims the right to pass if there is one.
func (g *Gate) try() (wait time.Duration, opened chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.opened == nil {
		return 0, nil
	}
	now := time.Now()
	if wait := g.next.Sub(now); wait > 0 {
		return wait, g.opened
	}
	g.next = now.Add(probeEvery)
	return 0, g.opened
}

// Close lets nothing pass for a while, at least 5 seconds and at most MaxPause.
// turned says that the gate was open.
func (g *Gate) Close(pause time.Duration) (turned bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if turned = g.opened == nil; turned {
		g.opened = make(chan struct{})
	}
	next := time.Now().Add(min(max(pause, probeEvery), MaxPause))
	if next.After(g.next) {
		g.next = next
	}
	return turned
}

// Open lets everything pass again. turned says that the gate was closed.
func (g *Gate) Open() (turned bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if turned = g.opened != nil; turned {
		close(g.opened)
		g.opened = nil
	}
	return turned
}
