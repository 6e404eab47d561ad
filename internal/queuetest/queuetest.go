// Package queuetest is a queue and dead letters in memory, for tests in virtual time.
package queuetest

import (
	"bytes"
	"cmp"
	"context"
	"iter"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/iteramp/iteramp"
)

// Queue is an [iteramp.Queue] that forgets with the process and otherwise keeps the
// contract: what is neither done nor extended for a minute comes again. Its fields
// are set before it is used.
type Queue struct {
	Slow  time.Duration // of each Put
	Limit int           // frames; 0 means none

	// How often each was called.
	Puts, Done, Retried atomic.Int64

	mu      sync.Mutex
	frames  map[string][]*frame
	changed chan struct{}
	err     error // of Put and Take
}

type frame struct {
	q     *Queue
	bytes []byte
	taken int
	due   time.Time // when it may be handed out
}

const handOutAgain = time.Minute

func (q *Queue) Put(ctx context.Context, route string, b []byte) error {
	if q.Slow > 0 {
		select {
		case <-time.After(q.Slow):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.Puts.Add(1)
	switch {
	case q.err != nil:
		return q.err
	case q.Limit > 0 && q.waiting() >= q.Limit:
		return iteramp.ErrQueueFull
	}
	if q.frames == nil {
		q.frames = make(map[string][]*frame)
	}
	q.frames[route] = append(q.frames[route], &frame{q: q, bytes: bytes.Clone(b)})
	q.wake()
	return nil
}

func (q *Queue) wake() {
	if q.changed != nil {
		close(q.changed)
		q.changed = nil
	}
}

func (q *Queue) waiting() (n int) {
	for _, frames := range q.frames {
		n += len(frames)
	}
	return n
}

// Waiting is how many frames are not done.
func (q *Queue) Waiting() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.waiting()
}

// Fail has Put and Take fail until it is called with nil.
func (q *Queue) Fail(err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.err = err
	q.wake()
}

func (q *Queue) Take(ctx context.Context, route string) (iteramp.Delivery, error) {
	for {
		f, wait, changed, err := q.next(route)
		if f != nil || err != nil {
			return f, err
		}
		t := time.NewTimer(wait)
		select {
		case <-changed:
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return nil, ctx.Err()
		}
		t.Stop()
	}
}

func (q *Queue) next(route string) (d iteramp.Delivery, wait time.Duration, changed chan struct{}, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.err != nil {
		return nil, 0, nil, q.err
	}
	wait = time.Hour
	for _, f := range q.frames[route] {
		if left := time.Until(f.due); left > 0 {
			wait = min(wait, left)
			continue
		}
		f.taken++
		f.due = time.Now().Add(handOutAgain)
		return &delivery{f, f.taken}, 0, nil, nil
	}
	if q.changed == nil {
		q.changed = make(chan struct{})
	}
	return nil, wait, q.changed, nil
}

type delivery struct {
	f     *frame
	taken int
}

func (d *delivery) Frame() []byte { return d.f.bytes }
func (d *delivery) Taken() int    { return d.taken }

func (d *delivery) Done(context.Context) error {
	q := d.f.q
	q.mu.Lock()
	defer q.mu.Unlock()
	q.Done.Add(1)
	for route, frames := range q.frames {
		q.frames[route] = slices.DeleteFunc(frames, func(f *frame) bool { return f == d.f })
	}
	return nil
}

func (d *delivery) Retry(_ context.Context, after time.Duration) error {
	q := d.f.q
	q.mu.Lock()
	defer q.mu.Unlock()
	q.Retried.Add(1)
	d.f.due = time.Now().Add(after)
	q.wake()
	return nil
}

func (d *delivery) Extend(context.Context) error {
	d.f.q.mu.Lock()
	defer d.f.q.mu.Unlock()
	d.f.due = time.Now().Add(handOutAgain)
	return nil
}

// Letters is an [iteramp.DeadLetter].
type Letters struct {
	Puts atomic.Int64 // how often Put was called

	mu      sync.Mutex
	letters map[[2]string]iteramp.Letter
	err     error
}

// Fail has Put and Delete fail until it is called with nil.
func (m *Letters) Fail(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.err = err
}

func (m *Letters) Put(_ context.Context, l iteramp.Letter) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.Puts.Add(1)
	if m.err != nil {
		return m.err
	}
	if m.letters == nil {
		m.letters = make(map[[2]string]iteramp.Letter)
	}
	l.Webhook = bytes.Clone(l.Webhook)
	m.letters[[2]string{l.Route, l.ID}] = l
	return nil
}

func (m *Letters) Get(_ context.Context, route, id string) (iteramp.Letter, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	l, ok := m.letters[[2]string{route, id}]
	if !ok {
		return l, iteramp.ErrNoLetter
	}
	return l, nil
}

// List has the oldest letter first.
func (m *Letters) List() []iteramp.Letter {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.SortedFunc(maps.Values(m.letters), func(a, b iteramp.Letter) int { return cmp.Or(a.Last.Compare(b.Last), cmp.Compare(a.ID, b.ID)) })
}

func (m *Letters) All(context.Context) iter.Seq2[iteramp.Letter, error] {
	return func(yield func(iteramp.Letter, error) bool) {
		for _, l := range m.List() {
			if !yield(l, nil) {
				return
			}
		}
	}
}

func (m *Letters) Delete(_ context.Context, route, id string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err != nil {
		return m.err
	}
	delete(m.letters, [2]string{route, id})
	return nil
}

// Reasons counts the letters.
func (m *Letters) Reasons() map[string]int {
	got := make(map[string]int)
	for _, l := range m.List() {
		got[l.Reason]++
	}
	return got
}
