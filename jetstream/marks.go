package jetstream

import (
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"sync"
)

const marksName = "marks.json"

// mark is how far a route's stream was known to go. After damage a stream may end
// earlier than it did, or begin later, and says nothing of it.
type mark struct {
	Last    uint64 `json:"last"`    // sequence of the last frame
	Floor   uint64 `json:"floor"`   // up to this one frames may have been purged
	Missing int64  `json:"missing"` // frames lost so far
	Lost    spans  `json:"lost"`    // those that were counted, but for the end's
	// Cut is where the stream was seen to go on from, further back than it was. A
	// consumer past it would skip frames. 0: nothing of the kind is known.
	Cut uint64 `json:"cut,omitzero"`
}

// marks are the marks of all routes. Those of an embedded server are kept in a file.
type marks struct {
	root *os.Root // nil if they are not kept
	log  *slog.Logger

	mu    sync.Mutex
	of    map[string]mark
	dirty bool
}

func newMarks(root *os.Root, log *slog.Logger) *marks {
	m := &marks{root: root, log: log, of: make(map[string]mark)}
	if root == nil {
		return m
	}
	b, err := root.ReadFile(marksName)
	if errors.Is(err, os.ErrNotExist) {
		return m
	}
	if err == nil {
		err = json.Unmarshal(b, &m.of)
	}
	if err != nil { // no reason not to start: they only tell of damage
		log.Warn("what was known of the queue cannot be read: damage of before may not be noticed", "error", err)
		m.of = make(map[string]mark)
	}
	return m
}

func (m *marks) kept() bool { return m.root != nil }

func (m *marks) get(route string) mark {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.of[route]
}

// look notes where a route's stream is, was being its mark before that was asked.
// It returns how many frames the stream's end has lost, whose sequences are used
// again.
func (m *marks) look(route string, was mark, p position) (now mark, more int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now = m.of[route]
	last := p.state.LastSeq
	m.dirty = m.dirty || last != now.Last || p.floor > now.Floor
	now.Floor = max(now.Floor, p.floor)
	if was.Last > last {
		more = max(0, int64(was.Last)-int64(max(last, was.Floor)))
		now.Missing += more
		now.Floor, now.Lost = min(now.Floor, last), now.Lost.upTo(last)
	}
	if was.Last > last && now.Last <= was.Last {
		now.Last = last
	}
	now.Last = max(now.Last, last)
	m.of[route] = now
	return now, more
}

// stored notes a frame that was written, last being the mark's when the writing
// began. The same sequence for a second frame says that the stream's end was lost
// while it was open. more is how many frames.
func (m *marks) stored(route string, last, sequence uint64) (more int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.of[route]
	m.dirty = true
	if sequence > last || sequence > now.Last {
		now.Last = max(now.Last, sequence)
		m.of[route] = now
		return 0
	}
	more = int64(now.Last - sequence + 1)
	now.Missing += more
	now.Last = sequence
	if now.Cut == 0 || sequence < now.Cut {
		now.Cut = sequence
	}
	m.of[route] = now
	return more
}

// lose counts frames that are lost, each once, and returns how many are new.
func (m *marks) lose(route string, lost []span) (more int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.of[route]
	for _, s := range lost {
		var fresh int64
		now.Lost, fresh = now.Lost.add(s)
		more += fresh
	}
	if more > 0 {
		now.Missing += more
		m.of[route], m.dirty = now, true
	}
	return more
}

// past forgets a cut that does no harm any more.
func (m *marks) past(route string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.of[route]
	now.Cut = 0
	m.of[route], m.dirty = now, true
}

// save writes the marks down, if they have changed.
func (m *marks) save() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.root == nil || !m.dirty {
		return
	}
	b, err := json.Marshal(m.of)
	if err == nil {
		err = replaceFile(m.root, marksName, b)
	}
	if err != nil {
		m.log.Warn("what is known of the queue cannot be kept", "error", err)
		return
	}
	m.dirty = false
}

func replaceFile(root *os.Root, name string, b []byte) error {
	f, err := root.OpenFile(name+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return root.Rename(name+".new", name)
}
