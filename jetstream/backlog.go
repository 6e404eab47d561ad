package jetstream

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// Backlog is what waits of one route. Missing counts what was noticed since the
// directory was made, of a cluster since this Store was connected; some of the
// frames may have been done.
type Backlog struct {
	Route   string
	Frames  int64     // not done yet: waiting and taken
	Taken   int64     // of them, handed out
	Bytes   int64     // on disk; done frames stay up to 10 s
	Limit   int64     // of Bytes
	Oldest  time.Time // when the oldest frame not done was stored; zero if there is none
	Missing int64     // frames the store has lost: gaps in its sequence
}

// Letters is how much room the dead letters take.
type Letters struct{ Count, Bytes, Limit int64 }

// Backlog tells of every route that has a stream, also of those that no relay has
// any more, by name.
func (s *Store) Backlog(ctx context.Context) ([]Backlog, error) {
	e, err := s.current()
	if err != nil {
		return nil, err
	}
	var all []Backlog
	names := e.js.StreamNames(ctx, jetstream.WithStreamListSubject(routeSubject+"*"))
	for name := range names.Name() {
		route, ours := strings.CutPrefix(name, routePrefix)
		if !ours {
			continue
		}
		b, err := s.backlogOf(ctx, e, route)
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("jetstream: looking at the queue: %w", err)
		}
		all = append(all, b)
	}
	if err := names.Err(); err != nil {
		return nil, fmt.Errorf("jetstream: listing the queues: %w", err)
	}
	slices.SortFunc(all, func(a, b Backlog) int { return cmp.Compare(a.Route, b.Route) })
	return all, nil
}

func (s *Store) backlogOf(ctx context.Context, e *engine, route string) (Backlog, error) {
	p, err := e.position(ctx, route)
	if err != nil {
		return Backlog{}, err
	}
	b := Backlog{Route: route, Frames: int64(p.state.Msgs), Bytes: int64(p.state.Bytes), Limit: p.config.MaxBytes}
	m := s.marks.get(route)
	b.Missing = m.Missing
	if m.Last == 0 { // of a route that this process does not use
		b.Missing = int64(p.state.NumDeleted)
	}
	if p.consumer != nil {
		b.Taken = int64(p.consumer.NumAckPending)
		b.Frames = int64(p.consumer.NumPending) + b.Taken
	}
	if b.Frames > 0 {
		b.Oldest, err = p.oldest(ctx, route)
	}
	return b, err
}

// oldest is when the first frame above the floor was stored.
func (p position) oldest(ctx context.Context, route string) (time.Time, error) {
	if p.state.FirstSeq > p.floor {
		return p.state.FirstTime, nil
	}
	m, err := p.stream.GetMsg(ctx, p.floor+1, jetstream.WithGetMsgSubject(routeSubject+route))
	if errors.Is(err, jetstream.ErrMsgNotFound) { // it was done meanwhile
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, err
	}
	return m.Time, nil
}

// Letters tells of the dead letters of all routes together.
func (s *Store) Letters(ctx context.Context) (Letters, error) {
	e, err := s.current()
	if err != nil {
		return Letters{}, err
	}
	stream, err := e.js.Stream(ctx, deadStream)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return Letters{Limit: s.set.maxDeadBytes}, nil
	}
	if err != nil {
		return Letters{}, fmt.Errorf("jetstream: looking at the dead letters: %w", err)
	}
	info := stream.CachedInfo()
	return Letters{Count: int64(info.State.Msgs), Bytes: int64(info.State.Bytes), Limit: info.Config.MaxBytes}, nil
}
