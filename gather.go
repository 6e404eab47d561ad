package iteramp

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/iteramp/iteramp/amplitude"
)

const patience = 10 * time.Millisecond // with commits under way before another is begun

// gatherer lets concurrent requests of a route share commits, which are uploads or
// writes to the queue, without a goroutine of its own: the first request of a
// gathering leads it. Gathering costs no time: it lasts while another commit is
// under way.
type gatherer struct {
	within   time.Duration
	maxItems int
	maxBytes int
	parallel int // commits at a time
	overlap  int // items that are worth a second commit beside the first
	// commit ends a gathering and closes its done channel.
	commit func(ctx context.Context, g *gathering)

	mu      sync.Mutex
	commits int          // under way
	queue   []*gathering // not yet under way; only the last one grows
	spare   *room        // of a gathering that is over
}

// room is what the arrivals of a gathering lie in.
type room struct {
	events []amplitude.Event // to be uploaded
	frame  []byte            // or to be stored
}

// arrival is what one request adds.
type arrival struct {
	size   int // in bytes
	events []amplitude.Event
	record record // if there are no events
}

// gathering is the arrivals of several requests that travel together.
type gathering struct {
	*room
	items    int
	bytes    int
	deadline time.Time
	lead     chan struct{} // closed when the leader shall commit
	done     chan struct{} // closed when the fates are known

	err      error // of the commit as a whole
	rejected []amplitude.ItemError
}

func (g *gathering) add(e arrival) {
	g.items += max(1, len(e.events))
	g.bytes += e.size
	if e.events != nil {
		g.events = append(g.events, e.events...)
	} else {
		g.frame = appendRecord(g.frame, e.record)
	}
}

// share commits an arrival with those of others, and returns when its fate is known.
// from is the index of its first event.
func (q *gatherer) share(ctx context.Context, e arrival) (g *gathering, from int) {
	g, from, leads := q.join(e)
	if leads {
		q.leadCommit(ctx, g)
	}
	<-g.done
	return g, from
}

// join adds an arrival to the gathering that is open, or opens one.
func (q *gatherer) join(e arrival) (g *gathering, from int, leads bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if n := len(q.queue); n > 0 && q.fits(q.queue[n-1], e) {
		g = q.queue[n-1]
		from = len(g.events)
		g.add(e)
		if g.items >= q.overlap && q.commits < min(2, q.parallel) || g.items >= q.maxItems && q.commits < q.parallel {
			q.start(g)
		}
		return g, from, false
	}
	g = &gathering{room: q.spare, deadline: time.Now().Add(q.within), lead: make(chan struct{}), done: make(chan struct{})}
	if q.spare = nil; g.room == nil {
		g.room = new(room)
	}
	g.add(e)
	q.queue = append(q.queue, g)
	if q.commits == 0 {
		q.start(g)
	}
	return g, 0, true
}

func (q *gatherer) fits(g *gathering, e arrival) bool {
	return g.items+max(1, len(e.events)) <= q.maxItems && g.bytes+e.size <= q.maxBytes
}

// start takes a gathering out of the queue and tells its leader. q.mu is held.
func (q *gatherer) start(g *gathering) {
	i := slices.Index(q.queue, g)
	q.queue = slices.Delete(q.queue, i, i+1)
	q.commits++
	close(g.lead)
}

// leadCommit waits for the gathering's turn: that no commit is under way, or one
// and there is enough for a second, that those under way take long, or that the
// gathering is full. Whoever leads stays to the end, even if its own client has
// gone.
func (q *gatherer) leadCommit(ctx context.Context, g *gathering) {
	t := time.NewTimer(patience)
	defer t.Stop()
	for {
		select {
		case <-g.lead:
			defer q.next(g)
			q.commit(ctx, g)
			return
		case <-t.C:
		}
		if q.giveUp(g) {
			return
		}
		t.Reset(min(patience, max(0, time.Until(g.deadline))))
	}
}

// giveUp is called when a gathering has waited long. It goes ahead beside the
// commits under way, if there may be one more, or fails if its time is up.
func (q *gatherer) giveUp(g *gathering) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	i := slices.Index(q.queue, g)
	switch {
	case i < 0: // it has been started
	case q.commits < q.parallel:
		q.start(g)
	case time.Until(g.deadline) <= 0:
		q.queue = slices.Delete(q.queue, i, i+1)
		g.err = context.DeadlineExceeded
		close(g.done)
		return true
	}
	return false
}

// next hands the turn on, and the room of a gathering that is over: those who
// wait for it look at its fates only.
func (q *gatherer) next(g *gathering) {
	clear(g.events)
	q.mu.Lock()
	defer q.mu.Unlock()
	q.commits--
	g.events, g.frame = g.events[:0], g.frame[:0]
	if cap(g.frame) <= 2*maxFrame { // one that a large webhook made large is not kept
		q.spare = g.room
	}
	if len(q.queue) > 0 {
		q.start(q.queue[0])
	}
}

// shrink keeps later gatherings below half of a size that was too large. An arrival
// alone always goes.
func (q *gatherer) shrink(size int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.maxBytes = min(q.maxBytes, size/2)
}
