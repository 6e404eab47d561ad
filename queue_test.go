package iteramp_test

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"iter"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/iteramp/iteramp"
)

// memoryQueue is a Queue that forgets with the process and otherwise keeps the
// contract: what is neither done nor extended for a minute comes again.
type memoryQueue struct {
	mu      sync.Mutex
	frames  map[string][]*memoryFrame
	changed chan struct{}
	err     error         // of Put and Take
	slow    time.Duration // of each Put
	limit   int           // frames; 0 means none

	puts, done, retried atomic.Int64
}

type memoryFrame struct {
	q     *memoryQueue
	bytes []byte
	taken int
	due   time.Time // when it may be handed out
}

const handOutAgain = time.Minute

func (q *memoryQueue) Put(ctx context.Context, route string, frame []byte) error {
	if q.slow > 0 {
		select {
		case <-time.After(q.slow):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.puts.Add(1)
	switch {
	case q.err != nil:
		return q.err
	case q.limit > 0 && q.waiting() >= q.limit:
		return iteramp.ErrQueueFull
	}
	if q.frames == nil {
		q.frames = make(map[string][]*memoryFrame)
	}
	q.frames[route] = append(q.frames[route], &memoryFrame{q: q, bytes: bytes.Clone(frame)})
	q.wake()
	return nil
}

func (q *memoryQueue) wake() {
	if q.changed != nil {
		close(q.changed)
		q.changed = nil
	}
}

func (q *memoryQueue) waiting() (n int) {
	for _, frames := range q.frames {
		n += len(frames)
	}
	return n
}

func (q *memoryQueue) Waiting() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.waiting()
}

func (q *memoryQueue) fail(err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.err = err
	q.wake()
}

func (q *memoryQueue) Take(ctx context.Context, route string) (iteramp.Delivery, error) {
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

func (q *memoryQueue) next(route string) (d iteramp.Delivery, wait time.Duration, changed chan struct{}, err error) {
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
		return &memoryDelivery{f, f.taken}, 0, nil, nil
	}
	if q.changed == nil {
		q.changed = make(chan struct{})
	}
	return nil, wait, q.changed, nil
}

type memoryDelivery struct {
	f     *memoryFrame
	taken int
}

func (d *memoryDelivery) Frame() []byte { return d.f.bytes }
func (d *memoryDelivery) Taken() int    { return d.taken }

func (d *memoryDelivery) Done(context.Context) error {
	q := d.f.q
	q.mu.Lock()
	defer q.mu.Unlock()
	q.done.Add(1)
	for route, frames := range q.frames {
		q.frames[route] = slices.DeleteFunc(frames, func(f *memoryFrame) bool { return f == d.f })
	}
	return nil
}

func (d *memoryDelivery) Retry(_ context.Context, after time.Duration) error {
	q := d.f.q
	q.mu.Lock()
	defer q.mu.Unlock()
	q.retried.Add(1)
	d.f.due = time.Now().Add(after)
	q.wake()
	return nil
}

func (d *memoryDelivery) Extend(context.Context) error {
	d.f.q.mu.Lock()
	defer d.f.q.mu.Unlock()
	d.f.due = time.Now().Add(handOutAgain)
	return nil
}

// memoryLetters is a DeadLetter.
type memoryLetters struct {
	mu      sync.Mutex
	letters map[[2]string]iteramp.Letter
	err     error
	puts    atomic.Int64
}

func (m *memoryLetters) fail(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.err = err
}

func (m *memoryLetters) Put(_ context.Context, l iteramp.Letter) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.puts.Add(1)
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

func (m *memoryLetters) Get(_ context.Context, route, id string) (iteramp.Letter, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	l, ok := m.letters[[2]string{route, id}]
	if !ok {
		return l, iteramp.ErrNoLetter
	}
	return l, nil
}

func (m *memoryLetters) list() []iteramp.Letter {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.SortedFunc(maps.Values(m.letters), func(a, b iteramp.Letter) int { return cmp.Or(a.Last.Compare(b.Last), cmp.Compare(a.ID, b.ID)) })
}

func (m *memoryLetters) All(context.Context) iter.Seq2[iteramp.Letter, error] {
	return func(yield func(iteramp.Letter, error) bool) {
		for _, l := range m.list() {
			if !yield(l, nil) {
				return
			}
		}
	}
}

func (m *memoryLetters) Delete(_ context.Context, route, id string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err != nil {
		return m.err
	}
	delete(m.letters, [2]string{route, id})
	return nil
}

// reasons counts the letters.
func (m *memoryLetters) reasons() map[string]int {
	got := make(map[string]int)
	for _, l := range m.list() {
		got[l.Reason]++
	}
	return got
}

var errDisk = errors.New("the disk is gone")
