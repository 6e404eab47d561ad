package jetstream

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/iteramp/iteramp"
)

// headerRoom is what a message's headers may take besides the frame: those of the
// letter too that it may become.
const headerRoom = 2 << 10

// queue is a Store as an [iteramp.Queue].
type queue struct{ s *Store }

var legalRoute = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

func checkRoute(name string) error {
	if !legalRoute.MatchString(name) {
		return errors.New("jetstream: the route's name must be up to 64 letters, digits, - and _")
	}
	return nil
}

func (q queue) Put(ctx context.Context, route string, frame []byte) error {
	if err := checkRoute(route); err != nil {
		return err
	}
	e, done, err := q.s.begin()
	if err != nil {
		return err
	}
	defer done()
	if int64(len(frame)) > e.nc.MaxPayload()-headerRoom {
		return iteramp.ErrFrameTooLarge
	}
	r := e.route(route)
	last := q.s.marks.get(route).Last
	ack, err := q.s.publish(ctx, e, &nats.Msg{Subject: r.subject, Data: frame}, &r.stored, func(ctx context.Context) error {
		err := q.s.prepare(ctx, r)
		last = q.s.marks.get(route).Last
		return err
	})
	if err == nil && !ack.Duplicate {
		q.s.report(ctx, route, q.s.marks.stored(route, last, ack.Sequence))
		err = q.s.readable(ctx, r, ack.Sequence, frame)
	}
	return err
}

// readable makes sure that a frame can be read again, if others could not: the
// server writes on behind damage, and may find nothing of that.
func (s *Store) readable(ctx context.Context, r *route, seq uint64, frame []byte) error {
	if s.marks.get(r.name).Missing == 0 {
		return nil
	}
	stream, err := r.engine.js.Stream(ctx, r.stream)
	if err != nil {
		return err
	}
	m, err := stream.GetMsg(ctx, seq)
	if err == nil && !bytes.Equal(m.Data, frame) {
		err = errors.New("it is another one")
	}
	if err != nil {
		return fmt.Errorf("jetstream: a frame that was stored behind damage cannot be read: %w", err)
	}
	return nil
}

func (q queue) Take(ctx context.Context, route string) (iteramp.Delivery, error) {
	if err := checkRoute(route); err != nil {
		return nil, err
	}
	for {
		e, err := q.s.await(ctx)
		if err != nil {
			return nil, err
		}
		r := e.route(route)
		d, err := r.take(ctx, q.s.ctx, func(ctx context.Context) error { return q.s.prepareToTake(ctx, r) })
		switch {
		case err == nil:
			return d, nil
		case errors.Is(err, errGone) && q.s.ctx.Err() != nil:
			return nil, ErrClosed
		case !errors.Is(err, errGone):
			return nil, err
		}
	}
}

const resendAfter = 250 * time.Millisecond

// publish writes a message, again and again until it is stored or refused or ctx
// ends. The id lets the server recognise what it had. The client copies the bytes
// before the call returns. prepare makes sure that the stream is there.
func (s *Store) publish(ctx context.Context, e *engine, m *nats.Msg, stored *once, prepare func(context.Context) error) (*jetstream.PubAck, error) {
	if m.Header == nil {
		m.Header = make(nats.Header)
	}
	m.Header.Set(jetstream.MsgIDHeader, rand.Text())
	for {
		began := time.Now()
		ack, err := e.attempt(ctx, m, prepare)
		err = s.wrote(e, began, err)
		if err == nil || !mayHeal(err) || ctx.Err() != nil {
			return ack, err
		}
		if errors.Is(err, jetstream.ErrNoStreamResponse) {
			stored.again() // somebody may have deleted the stream
		}
		select {
		case <-time.After(resendAfter):
		case <-ctx.Done():
			return nil, err
		case <-e.gone:
			return nil, fmt.Errorf("%w: %w", ErrNotReady, err)
		}
	}
}

// attempt writes a message once.
func (e *engine) attempt(ctx context.Context, m *nats.Msg, prepare func(context.Context) error) (*jetstream.PubAck, error) {
	ctx, cancel := context.WithTimeout(ctx, e.set.try)
	defer cancel()
	if err := prepare(ctx); err != nil {
		return nil, err
	}
	return e.js.PublishMsg(ctx, m)
}

// mayHeal tells whether trying the same again may succeed. What has no answer may:
// a cluster takes seconds to agree on a leader.
func mayHeal(err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, nats.ErrTimeout) || errors.Is(err, nats.ErrNoResponders) ||
		errors.Is(err, jetstream.ErrNoStreamResponse) || errors.Is(err, jetstream.ErrJetStreamNotEnabled)
}

// storeFailed is the server's code of a write that failed, whatever the reason:
// only the description tells a full stream from a broken one.
const storeFailed jetstream.ErrorCode = 10077

// verdict names what a failed write means.
func verdict(err error) error {
	answer, ok := errors.AsType[*jetstream.APIError](err)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, nats.ErrMaxPayload):
		return iteramp.ErrFrameTooLarge
	case ok && answer.ErrorCode == storeFailed && strings.Contains(answer.Description, "maximum bytes"):
		return iteramp.ErrQueueFull
	}
	return fmt.Errorf("jetstream: writing: %w", err)
}
