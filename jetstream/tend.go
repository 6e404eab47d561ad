package jetstream

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

const (
	tendWithin = 5 * time.Second // one route
	doubtFor   = 3 * time.Second // that a cluster may take to agree
	maxOrphans = 512             // frames that nobody has while a route is purged
)

// position is where a route's stream and its consumer are.
type position struct {
	stream    jetstream.Stream
	state     jetstream.StreamState
	config    jetstream.StreamConfig
	consumer  *jetstream.ConsumerInfo // nil if there is none
	delivered uint64
	floor     uint64 // up to this one everything is done
}

// position asks for the consumer first: what it has delivered is in the stream.
func (e *engine) position(ctx context.Context, route string) (position, error) {
	var p position
	consumer, err := e.js.Consumer(ctx, routePrefix+route, consumerName)
	switch {
	case err == nil:
		p.consumer = consumer.CachedInfo()
		p.delivered, p.floor = p.consumer.Delivered.Stream, p.consumer.AckFloor.Stream
	case !errors.Is(err, jetstream.ErrConsumerNotFound):
		return p, err
	}
	if p.stream, err = e.js.Stream(ctx, routePrefix+route); err == nil {
		info := p.stream.CachedInfo()
		p.state, p.config = info.State, info.Config
	}
	return p, err
}

// behind tells that frames lie behind the consumer which it would skip, and which
// would be purged: the stream's end was lost, and has gone on from further back.
func (p position) behind(m mark) bool {
	return max(p.delivered, p.floor) > p.state.LastSeq || m.Cut > 0 && p.delivered >= m.Cut
}

// tend looks after the routes that this process uses.
func (s *Store) tend(e *engine, ctx context.Context) {
	var errs []error
	for _, r := range e.inUse() {
		ctx, cancel := context.WithTimeout(ctx, tendWithin)
		if err := s.tendRoute(ctx, r); err != nil {
			errs = append(errs, fmt.Errorf("route %s: %w", r.name, err))
		}
		cancel()
	}
	s.marks.save()
	err := errors.Join(errs...)
	if err != nil && !s.untended && ctx.Err() == nil {
		s.log.LogAttrs(ctx, slog.LevelWarn, "frames that are done cannot be removed for now", slog.Any("error", err))
	}
	s.untended = err != nil
}

// tendRoute purges what is done, and looks for damage. Never above the consumer's
// floor, which alone says what is done; and not while a process's frames wait to be
// handed out to the next one: a purge makes the server forget to, for a minute.
func (s *Store) tendRoute(ctx context.Context, r *route) error {
	if !r.stored.isDone() {
		return nil
	}
	m, held := s.marks.get(r.name), r.held()
	p, err := r.engine.position(ctx, r.name)
	if err != nil {
		return err
	}
	if p.behind(m) {
		r.engine.retire(r)
		return s.check(ctx, r)
	}
	if m.Cut > 0 { // the consumer has not been there yet
		s.marks.past(r.name)
	}
	s.compare(ctx, r.name, m, p)
	if err := s.unreadable(ctx, r, p); err != nil {
		return err
	}
	if p.consumer == nil || p.floor < p.state.FirstSeq || p.state.Msgs == 0 {
		return nil
	}
	if p.consumer.NumAckPending-held > maxOrphans {
		return nil
	}
	s.marks.save() // of the floor, before what is below it goes
	return p.stream.Purge(ctx, jetstream.WithPurgeSequence(p.floor+1))
}

// check looks at a route before it is used: frames that are put after damage must
// not be skipped.
func (s *Store) check(ctx context.Context, r *route) error {
	m := s.marks.get(r.name)
	p, err := r.engine.position(ctx, r.name)
	for until := time.Now().Add(doubtFor); err == nil && s.set.replicas > 1 && p.behind(mark{}) && time.Now().Before(until); {
		select { // the leaders of stream and consumer may be one step apart
		case <-time.After(doubtFor / 6):
		case <-ctx.Done():
			return ctx.Err()
		}
		p, err = r.engine.position(ctx, r.name)
	}
	if err == nil && p.behind(m) {
		m.Last = max(m.Last, p.delivered)
		p, err = s.rewind(ctx, r, p)
	}
	if err != nil && s.reopen == nil {
		return nil // a cluster without a leader for a moment: tend looks again
	}
	if err != nil {
		return fmt.Errorf("jetstream: looking at the queue: %w", err)
	}
	s.compare(ctx, r.name, m, p)
	r.startAt(max(p.delivered, p.state.FirstSeq-min(1, p.state.FirstSeq)))
	return nil
}

// rewind puts a consumer back to the stream's first frame.
func (s *Store) rewind(ctx context.Context, r *route, p position) (position, error) {
	s.log.LogAttrs(ctx, slog.LevelError, "the queue's end was lost: what is there is delivered anew, from the first frame",
		slog.String("route", r.name), slog.Uint64("delivered", p.delivered), slog.Uint64("last", p.state.LastSeq))
	if err := r.engine.js.DeleteConsumer(ctx, r.stream, consumerName); err != nil && !errors.Is(err, jetstream.ErrConsumerNotFound) {
		return p, err
	}
	if err := r.engine.ensureConsumer(ctx, r.stream); err != nil {
		return p, err
	}
	s.marks.past(r.name)
	return r.engine.position(ctx, r.name)
}

// compare counts and reports the frames that the store has lost since it was last
// looked at, was being what was known before this look. Purging goes by the floor
// alone, so any other gap is damage.
func (s *Store) compare(ctx context.Context, route string, was mark, p position) {
	now, more := s.marks.look(route, was, p)
	s.report(ctx, route, more)
	first := p.state.FirstSeq
	if s.marks.kept() && was.Last > 0 && first > was.Floor+1 { // others may purge a cluster's
		s.lose(ctx, route, span{was.Floor + 1, first - 1})
	}
	if n := p.state.NumDeleted; n > 0 && int64(n) != now.Lost.count(span{first, p.state.LastSeq}) {
		s.loseGaps(ctx, route, p, now.Floor)
	}
}

// loseGaps counts the gaps between the first frame and the last. Up to the floor
// there may be gaps: a purge that was killed leaves some.
func (s *Store) loseGaps(ctx context.Context, route string, p position, floor uint64) {
	info, err := p.stream.Info(ctx, jetstream.WithDeletedDetails(true))
	if err != nil {
		return // it is looked at again
	}
	var gaps []span
	for _, seq := range info.State.Deleted {
		if seq <= floor {
			continue
		}
		if n := len(gaps); n > 0 && gaps[n-1].To+1 == seq {
			gaps[n-1].To = seq
			continue
		}
		gaps = append(gaps, span{seq, seq})
	}
	s.lose(ctx, route, gaps...)
}

// lose counts frames that are lost, each once.
func (s *Store) lose(ctx context.Context, route string, lost ...span) {
	s.report(ctx, route, s.marks.lose(route, lost))
}

func (s *Store) report(ctx context.Context, route string, more int64) {
	if more > 0 {
		s.log.LogAttrs(ctx, slog.LevelError, "the queue is damaged: frames are missing",
			slog.String("route", route), slog.Int64("frames", more))
	}
}
