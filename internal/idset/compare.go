package idset

import (
	"context"
	"errors"
	"hash/maphash"
	"math"
	"sync"
)

// A Change is the state of an id before and after. 0 stands for absent.
type Change struct {
	Old, New byte
}

// workers is how many partitions are prepared at once.
const workers = 2

var errTooLarge = errors.New("idset: these sets are too large to be compared")

// Compare compares the old set with the new one. The old one is a list of
// layers: an id has the state that the last layer with this id gives it. No
// layers, and a new set that is nil, are empty sets, so that all ids of some
// layers are compared with nothing.
//
// It returns how many distinct ids had which change. Visit is called once for
// every distinct id whose change is wanted; want nil stands for all. Ids that
// did not change are changes too, and counting them is much cheaper than
// visiting them. Want should depend on its argument alone.
//
// Both funcs are called on the caller's goroutine while the next partition is
// prepared on another. The order has no meaning but is the same for the same
// files. The id is only valid until visit returns.
//
// An error of visit ends the comparison. A file may turn out as damaged after
// ids have been visited, so nothing should be done for good before Compare has
// returned without error. When the context is done, Compare returns its cause.
func Compare(ctx context.Context, old []*Set, new *Set, want func(Change) bool, visit func(id []byte, c Change) error) (map[Change]int, error) {
	c := comparison{old: old, new: new, seed: maphash.MakeSeed(), want: want, visit: visit, counts: make(map[Change]int)}
	if !c.measure() {
		return nil, errTooLarge
	}
	if err := c.run(ctx); err != nil {
		return nil, err
	}
	return c.counts, nil
}

type comparison struct {
	old           []*Set
	new           *Set
	seed          maphash.Seed
	size, records int // of the largest partition
	want          func(Change) bool
	visit         func([]byte, Change) error
	counts        map[Change]int
}

// measure reports whether every partition can be kept in a table.
func (c *comparison) measure() bool {
	for part := range partitions {
		var size int64
		for _, s := range c.sets() {
			size += int64(s.parts[part].size)
		}
		if size > math.MaxInt32 {
			return false
		}
		c.size = max(c.size, int(size))
		c.records = max(c.records, c.recordsOf(part))
	}
	return true
}

func (c *comparison) sets() []*Set {
	if c.new == nil {
		return c.old
	}
	return append(c.old[:len(c.old):len(c.old)], c.new)
}

func (c *comparison) recordsOf(part int) (n int) {
	for _, s := range c.sets() {
		n += s.parts[part].records
	}
	return n
}

// run visits the partitions in order. Worker n prepares every second one,
// beginning with n, and waits until it has been visited.
func (c *comparison) run(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer stop()
	var ready [workers]chan *table
	for n := range ready {
		ready[n] = make(chan *table)
		wg.Go(func() { c.work(ctx, n, ready[n]) })
	}
	for part := range partitions {
		turn := ready[part%workers]
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case t := <-turn:
			if err := c.visitAll(ctx, t); err != nil {
				return err
			}
			turn <- nil // the worker waits for it
		}
	}
	return nil
}

func (c *comparison) work(ctx context.Context, first int, ready chan *table) {
	t := newTable(c.size, c.records, c.seed)
	for part := first; part < partitions; part += workers {
		t.err = c.fill(ctx, t, part)
		select {
		case <-ctx.Done():
			return
		case ready <- t:
		}
		select {
		case <-ctx.Done():
			return
		case <-ready:
		}
	}
}

func (c *comparison) fill(ctx context.Context, t *table, part int) error {
	t.reset(c.recordsOf(part))
	for _, s := range c.old {
		if err := t.add(ctx, s, part, before); err != nil {
			return err
		}
	}
	if c.new == nil {
		return nil
	}
	return t.add(ctx, c.new, part, after)
}

// visitAll counts the changes of a partition and visits those wanted. Most ids
// have the same change as the one before, so both are looked up when it differs.
func (c *comparison) visitAll(ctx context.Context, t *table) error {
	if t.err != nil {
		return t.err
	}
	var last Change // which no id has
	run, wanted := 0, false
	for i := range t.entries {
		e := &t.entries[i]
		if change := (Change{e.states[before], e.states[after]}); change != last {
			c.count(last, run)
			last, run, wanted = change, 0, c.want == nil || c.want(change)
		}
		run++
		if !wanted {
			continue
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := c.visit(t.id(e), last); err != nil {
			return err
		}
	}
	c.count(last, run)
	return nil
}

func (c *comparison) count(change Change, n int) {
	if n > 0 {
		c.counts[change] += n
	}
}
