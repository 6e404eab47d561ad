package idset

import (
	"bytes"
	"context"
	"hash/maphash"
	"math/bits"
)

// A table holds one partition of all sets of a comparison: the bytes as they
// are in the files and, for each distinct id, where it is and its states. It is
// made once, for the largest partition, and filled again and again.
type table struct {
	data    []byte
	entries []entry  // in the order in which the ids first appear
	slots   []uint64 // open addressing: half of the hash, and the index of the entry + 1
	seed    maphash.Seed
	err     error
}

type entry struct {
	at     uint32 // place of the id in the data, its length first
	states [2]byte
}

// The sides of a comparison.
const (
	before = iota
	after
)

// checkEvery is after how many records the context is asked: a fraction of a
// millisecond.
const checkEvery = 4096

// newTable makes a table for partitions of these sizes.
func newTable(size, records int, seed maphash.Seed) *table {
	return &table{
		data:    make([]byte, 0, size),
		entries: make([]entry, 0, records),
		slots:   make([]uint64, slotsFor(records)),
		seed:    seed,
	}
}

// slotsFor leaves a quarter of the slots empty even if all ids are distinct.
func slotsFor(records int) int {
	return 1 << bits.Len(uint(records+records/3+1))
}

// reset empties the table for a partition with this many records.
func (t *table) reset(records int) {
	t.data, t.entries = t.data[:0], t.entries[:0]
	t.slots = t.slots[:slotsFor(records)]
	clear(t.slots)
}

// add reads the partition of a set, whose states are those of this side.
func (t *table) add(ctx context.Context, s *Set, part, side int) error {
	at := len(t.data)
	data, err := s.load(ctx, part, t.data)
	if err != nil {
		return err
	}
	t.data = data
	for n := range s.parts[part].records {
		if n%checkEvery == 0 && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		state, id, next := record(data, at)
		if next == 0 {
			return damaged("a record")
		}
		t.entry(id, at+1).states[side] = state
		at = next
	}
	if at != len(data) {
		return damaged("more records than were counted")
	}
	return nil
}

// entry returns the entry of an id, which is in the data at this place with its
// length before it. It is a new entry if the id is new.
func (t *table) entry(id []byte, at int) *entry {
	hash := maphash.Bytes(t.seed, id)
	key := t.data[at : at+recordHead-1+len(id)]
	mask := uint64(len(t.slots) - 1)
	for i := hash & mask; ; i = (i + 1) & mask {
		slot := t.slots[i]
		if slot == 0 {
			t.entries = append(t.entries, entry{at: uint32(at)})
			t.slots[i] = hash&^(1<<32-1) | uint64(len(t.entries))
			return &t.entries[len(t.entries)-1]
		}
		if slot>>32 == hash>>32 && t.begins(&t.entries[uint32(slot)-1], key) {
			return &t.entries[uint32(slot)-1]
		}
	}
}

// begins reports whether the length and the id of an entry are those of key. As
// the length comes first, no other id can begin with them.
func (t *table) begins(e *entry, key []byte) bool {
	return bytes.HasPrefix(t.data[e.at:], key)
}

func (t *table) id(e *entry) []byte {
	_, id, _ := record(t.data, int(e.at)-1)
	return id
}
