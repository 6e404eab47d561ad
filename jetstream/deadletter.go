package jetstream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"regexp"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/iteramp/iteramp"
)

// deadLetter is a Store as an [iteramp.DeadLetter].
type deadLetter struct{ s *Store }

// letterHeader holds all of a letter but the webhook, which is the message's body as
// it came: so a letter fits where its frame did.
const letterHeader = "Iteramp-Letter"

type letterV1 struct {
	Version  int       `json:"version"`
	ID       string    `json:"id"`
	Route    string    `json:"route"`
	Reason   string    `json:"reason"`
	Status   int       `json:"status,omitzero"`
	Attempts int       `json:"attempts,omitzero"`
	First    time.Time `json:"first,omitzero"`
	Last     time.Time `json:"last,omitzero"`
}

func encodeLetter(l iteramp.Letter) (nats.Header, error) {
	b, err := json.Marshal(letterV1{1, l.ID, l.Route, l.Reason, l.Status, l.Attempts, l.First, l.Last})
	return nats.Header{letterHeader: {string(b)}}, err
}

// decodeLetter reads a letter. One that is damaged, or of a later version, is a
// letter all the same, with its bytes: nobody could get past it otherwise.
func decodeLetter(m *jetstream.RawStreamMsg) iteramp.Letter {
	var l letterV1
	if err := json.Unmarshal([]byte(m.Header.Get(letterHeader)), &l); err != nil || l.Version != 1 {
		route, id, _ := strings.Cut(strings.TrimPrefix(m.Subject, deadSubject), ".")
		return iteramp.Letter{ID: id, Route: route, Reason: iteramp.ReasonFrame, Last: m.Time, Webhook: m.Data}
	}
	return iteramp.Letter{
		ID: l.ID, Route: l.Route, Reason: l.Reason, Status: l.Status, Attempts: l.Attempts,
		First: l.First, Last: l.Last, Webhook: m.Data,
	}
}

var legalID = regexp.MustCompile(`^[A-Za-z0-9_-]{1,256}$`)

func letterSubject(route, id string) (string, error) {
	if err := checkRoute(route); err != nil {
		return "", err
	}
	if !legalID.MatchString(id) {
		return "", errors.New("jetstream: the letter's ID must be up to 256 letters, digits, - and _")
	}
	return deadSubject + route + "." + id, nil
}

func (e *engine) deadLetters(ctx context.Context) error {
	return e.dead.do(ctx, func(ctx context.Context) error { return e.ensureStream(ctx, e.set.deadLetterStream()) })
}

func (d deadLetter) Put(ctx context.Context, l iteramp.Letter) error {
	subject, err := letterSubject(l.Route, l.ID)
	if err != nil {
		return err
	}
	header, err := encodeLetter(l)
	if err != nil {
		return fmt.Errorf("jetstream: encoding a dead letter: %w", err)
	}
	e, done, err := d.s.begin()
	if err != nil {
		return err
	}
	defer done()
	_, err = d.s.publish(ctx, e, &nats.Msg{Subject: subject, Header: header, Data: l.Webhook}, &e.dead, e.deadLetters)
	return err
}

func (d deadLetter) Get(ctx context.Context, route, id string) (iteramp.Letter, error) {
	m, _, err := d.find(ctx, route, id)
	if err != nil {
		return iteramp.Letter{}, err
	}
	return decodeLetter(m), nil
}

// find looks a letter up by its subject.
func (d deadLetter) find(ctx context.Context, route, id string) (*jetstream.RawStreamMsg, jetstream.Stream, error) {
	subject, err := letterSubject(route, id)
	if err != nil {
		return nil, nil, err
	}
	stream, err := d.stream(ctx)
	if err != nil {
		return nil, nil, err
	}
	m, err := stream.GetLastMsgForSubject(ctx, subject)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return nil, nil, iteramp.ErrNoLetter
	}
	if err != nil {
		return nil, nil, fmt.Errorf("jetstream: reading a dead letter: %w", err)
	}
	return m, stream, nil
}

func (d deadLetter) stream(ctx context.Context) (jetstream.Stream, error) {
	e, err := d.s.current()
	if err != nil {
		return nil, err
	}
	if err := e.deadLetters(ctx); err != nil {
		return nil, err
	}
	stream, err := e.js.Stream(ctx, deadStream)
	if err != nil {
		return nil, fmt.Errorf("jetstream: the dead letters: %w", err)
	}
	return stream, nil
}

func (d deadLetter) Delete(ctx context.Context, route, id string) error {
	m, stream, err := d.find(ctx, route, id)
	if errors.Is(err, iteramp.ErrNoLetter) {
		return nil
	}
	if err != nil {
		return err
	}
	err = stream.SecureDeleteMsg(ctx, m.Sequence)
	if err != nil && !errors.Is(err, jetstream.ErrMsgNotFound) {
		return fmt.Errorf("jetstream: deleting a dead letter: %w", err)
	}
	return nil
}

func (d deadLetter) All(ctx context.Context) iter.Seq2[iteramp.Letter, error] {
	return func(yield func(iteramp.Letter, error) bool) {
		stream, err := d.stream(ctx)
		if err != nil {
			yield(iteramp.Letter{}, err)
			return
		}
		last := stream.CachedInfo().State.LastSeq
		for next := stream.CachedInfo().State.FirstSeq; next <= last; {
			m, err := stream.GetMsg(ctx, next, jetstream.WithGetMsgSubject(deadSubject+">"))
			if errors.Is(err, jetstream.ErrMsgNotFound) || err == nil && m.Sequence > last {
				return
			}
			if err != nil {
				yield(iteramp.Letter{}, fmt.Errorf("jetstream: reading dead letters: %w", err))
				return
			}
			if !yield(decodeLetter(m), nil) {
				return
			}
			next = m.Sequence + 1
		}
	}
}
