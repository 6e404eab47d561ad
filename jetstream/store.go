package jetstream

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/iteramp/iteramp"
)

// Errors of a Store, for [errors.Is]. Those of its Queue and DeadLetter are
// [iteramp.ErrQueueFull], [iteramp.ErrFrameTooLarge] and [iteramp.ErrNoLetter] besides.
var (
	// ErrBusy says that another process, or another Store of this one, has the
	// directory.
	ErrBusy = errors.New("jetstream: the directory is in use")
	// ErrClosed says that the Store has been closed.
	ErrClosed = errors.New("jetstream: the store is closed")
	// ErrNotReady says that the store takes nothing at present: it is opened anew
	// after a failed write, or not connected. It comes back by itself.
	ErrNotReady = errors.New("jetstream: the store takes nothing at present")
)

const (
	defaultMaxBytes     = 10 << 30
	defaultMaxDeadBytes = 1 << 30
	closeWithin         = 5 * time.Second // for what is under way
)

// Store keeps the frames and dead letters of relays in NATS JetStream. It is safe
// for concurrent use. Close it after the relays that use it.
type Store struct {
	set   settings
	log   *slog.Logger
	marks *marks
	// reopen opens the engine anew; nil if it is not ours to open.
	reopen  func(ctx context.Context) (*engine, error)
	release func() error

	underWay sync.WaitGroup // writes
	tasks    sync.WaitGroup // goroutines
	ctx      context.Context
	stop     context.CancelFunc // ends the tasks, and waiting Takes
	finished chan struct{}      // closed when Close has ended
	closeErr error

	mu      sync.Mutex
	engine  *engine       // nil while it is opened anew
	changed chan struct{} // closed when engine is set
	closed  bool
	failing time.Time // since when writes get no answer; zero if they do

	untended bool // the last time failed; of the task alone
}

// settings are what the streams and consumers are made with.
type settings struct {
	replicas     int
	maxBytes     int64
	maxDeadBytes int64
	tuning
}

// tuning is what only tests change.
type tuning struct {
	ackWait   time.Duration // until a frame that nobody works on is handed out again
	pinnedTTL time.Duration // until another process may take a silent one's place
	keepEvery time.Duration // what is held is kept from being handed out again
	tendEvery time.Duration // done frames are purged, damage is looked for
	try       time.Duration // of one attempt to write
}

func defaultTuning() tuning {
	return tuning{
		ackWait:   time.Minute,
		pinnedTTL: 15 * time.Second,
		keepEvery: 5 * time.Second,
		tendEvery: 10 * time.Second,
		try:       2 * time.Second,
	}
}

// newStore makes a Store on an engine that is open.
func newStore(e *engine, set settings, log *slog.Logger, m *marks) *Store {
	s := &Store{set: set, log: log, marks: m, engine: e, changed: make(chan struct{}), finished: make(chan struct{})}
	s.ctx, s.stop = context.WithCancel(context.Background())
	return s
}

func (s *Store) start() {
	s.tasks.Go(func() { s.every(s.set.keepEvery, (*engine).keep) })
	s.tasks.Go(func() { s.every(s.set.tendEvery, s.tend) })
}

// Queue is where a relay's frames wait. Each route has a stream of its own, made
// when the route is first used.
func (s *Store) Queue() iteramp.Queue { return queue{s} }

// DeadLetter keeps what could not be delivered, in one stream for all routes.
func (s *Store) DeadLetter() iteramp.DeadLetter { return deadLetter{s} }

// Ready tells whether the store takes writes, as far as is known: it asks nobody.
// A store that is full is ready.
func (s *Store) Ready() error {
	_, err := s.current()
	return err
}

// current is the engine in use, or why there is none.
func (s *Store) current() (*engine, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return nil, ErrClosed
	case s.engine == nil, !s.engine.nc.IsConnected():
		return nil, ErrNotReady
	}
	return s.engine, nil
}

// begin is current for what Close has to wait for: call done after it.
func (s *Store) begin() (e *engine, done func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, nil, ErrClosed
	}
	if s.engine == nil {
		return nil, nil, ErrNotReady
	}
	s.underWay.Add(1)
	return s.engine, s.underWay.Done, nil
}

// await is current for those who wait: until there is an engine, or ctx ends.
func (s *Store) await(ctx context.Context) (*engine, error) {
	for {
		s.mu.Lock()
		e, changed, closed := s.engine, s.changed, s.closed
		s.mu.Unlock()
		if closed {
			return nil, ErrClosed
		}
		if e != nil {
			return e, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-s.ctx.Done():
			return nil, ErrClosed
		}
	}
}

// every calls f at intervals until the store is closed, while there is an engine.
func (s *Store) every(interval time.Duration, f func(*engine, context.Context)) {
	t := time.NewTicker(interval)
	defer t.Stop()
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-t.C:
		}
		if e, err := s.current(); err == nil {
			f(e, s.ctx)
		}
	}
}

// Close waits a moment for writes under way, gives back what was taken in advance,
// and ends the connection, of Embed the server too. Frames that were taken and are
// not done come again. Closing twice is harmless.
func (s *Store) Close() error {
	s.mu.Lock()
	first := !s.closed
	s.closed = true
	s.mu.Unlock()
	if !first {
		<-s.finished
		return s.closeErr
	}
	defer close(s.finished)
	s.stop()
	s.tasks.Wait()
	waitFor(&s.underWay, closeWithin)
	s.mu.Lock()
	e := s.engine
	s.engine = nil
	s.mu.Unlock()
	if e != nil {
		e.close()
	}
	s.marks.save()
	if s.release != nil {
		s.closeErr = s.release()
	}
	return s.closeErr
}

func waitFor(wg *sync.WaitGroup, within time.Duration) {
	over := make(chan struct{})
	go func() {
		wg.Wait()
		close(over)
	}()
	select {
	case <-over:
	case <-time.After(within):
	}
}
