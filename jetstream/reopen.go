package jetstream

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/iteramp/iteramp"
)

// wrote judges a write that began at a time. After a failed one, a stream takes
// nothing more until its server is opened anew, although space may have returned,
// and answers nothing. A slow disk is no failed write: opening a large store anew
// would take longer than waiting for it.
func (s *Store) wrote(e *engine, began time.Time, err error) error {
	err = verdict(err)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.reopen == nil || e != s.engine || s.closed {
		return err
	}
	switch {
	case err == nil, errors.Is(err, iteramp.ErrQueueFull):
		s.failing = time.Time{}
	case errors.Is(err, iteramp.ErrFrameTooLarge), errors.Is(err, context.Canceled): // tell nothing
	case !errors.Is(err, context.DeadlineExceeded):
		if broken(err) {
			s.abandon(e, err)
		}
	case e.writeFailed():
		s.abandon(e, err)
	case s.failing.IsZero():
		s.failing = began
	case time.Since(s.failing) >= silentFor:
		s.abandon(e, err)
	}
	return err
}

// broken tells an answer that says that the store is. That a stream cannot be made
// says nothing of the others.
func broken(err error) bool {
	answer, ok := errors.AsType[*jetstream.APIError](err)
	return ok && answer.ErrorCode == storeFailed ||
		errors.Is(err, jetstream.ErrNoStreamResponse) || errors.Is(err, jetstream.ErrJetStreamNotEnabled) ||
		errors.Is(err, nats.ErrConnectionClosed)
}

// abandon has the server opened anew. s.mu is held.
func (s *Store) abandon(e *engine, why error) {
	s.engine, s.failing = nil, time.Time{}
	s.log.Error("a write failed: the store takes nothing until it has been opened anew", "error", why)
	s.tasks.Go(func() { s.openAnew(e) })
}

const (
	silentFor  = 30 * time.Second // without an answer to any write
	firstPause = time.Second
	lastPause  = 10 * time.Second
)

// openAnew closes an engine and opens another, however long it takes.
func (s *Store) openAnew(old *engine) {
	old.close()
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		e, err := s.reopen(s.ctx)
		if err == nil {
			s.use(e)
			return
		}
		if s.ctx.Err() == nil {
			s.log.LogAttrs(s.ctx, slog.LevelError, "the store cannot be opened", slog.Duration("next_try", pause), slog.Any("error", err))
		}
		select {
		case <-time.After(pause):
		case <-s.ctx.Done():
			return
		}
	}
}

func (s *Store) use(e *engine) {
	s.mu.Lock()
	s.engine = e
	close(s.changed)
	s.changed = make(chan struct{})
	s.mu.Unlock()
	s.log.Info("the store is open again")
}
