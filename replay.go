package iteramp

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/iteramp/iteramp/amplitude"
	"github.com/iteramp/iteramp/iterable/webhook"
	"github.com/iteramp/iteramp/mapping"
)

// newLetter makes the letter of a webhook that is given up.
func newLetter(o RelayOutcome, attempts int, received time.Time, body []byte) Letter {
	l := Letter{ID: o.InsertID, Route: o.Route, Reason: o.Reason, Attempts: attempts, First: received, Last: time.Now(), Webhook: body}
	if e, ok := errors.AsType[*amplitude.Error](o.Err); ok {
		l.Status = e.StatusCode
	}
	return l
}

// Replay sends a letter once more, through the route's rules as they are now, and
// deletes it when Amplitude has it or the rules skip it. If that fails the letter
// stays, with what was found out this time, and the error says why. Replaying again
// is harmless within Amplitude's 7 days; a letter with [ReasonDedupWindow] may
// count twice, which is why it is a letter.
//
// It does not go through the queue, and OnOutcome is not told.
func (r *Relay) Replay(ctx context.Context, l Letter) error {
	if r.cfg.DeadLetter == nil {
		return errors.New("iteramp: Replay without a DeadLetter")
	}
	rt := r.route(l.Route)
	if rt == nil {
		return fmt.Errorf("iteramp: there is no route %q", l.Route)
	}
	events, err := r.eventsOf(ctx, rt, l)
	if err != nil {
		return err
	}
	err = rt.client.Events.Upload(ctx, amplitude.EventUploadRequest{Events: events, MinIDLength: 1})
	if err == nil {
		return r.cfg.DeadLetter.Delete(ctx, l.Route, l.ID)
	}
	if failed, ok := errors.AsType[*amplitude.BatchError](err); ok {
		l.note(failed.Rejected[0])
		if again := r.cfg.DeadLetter.Put(ctx, l); again != nil {
			return fmt.Errorf("%w (the letter was not updated: %w)", err, again)
		}
	}
	return err
}

func (r *Relay) route(name string) *route {
	for _, rt := range r.routes {
		if rt.name == name {
			return rt
		}
	}
	return nil
}

// eventsOf are the events of a letter; none if the rules skip it.
func (r *Relay) eventsOf(ctx context.Context, rt *route, l Letter) (events []amplitude.Event, err error) {
	records := []record{{received: l.First, body: l.Webhook}}
	if l.Reason == ReasonFrame {
		if records, err = readFrame(l.Webhook); err != nil {
			return nil, err
		}
	}
	defer func() {
		if r.recovered(ctx, recover()) {
			err = errPanic
		}
	}()
	for _, rec := range records {
		e, err := webhook.Parse(rec.body)
		if err != nil {
			return nil, err
		}
		own, err := rt.mapped(e, rec.received)
		if _, ok := errors.AsType[mapping.Skip](err); ok {
			continue
		}
		events = append(events, own...)
	}
	return events, nil
}

// note records a replay that failed. A frame stays one: that is how it is read.
func (l *Letter) note(e amplitude.ItemError) {
	l.Attempts++
	l.Last = time.Now()
	if l.Reason != ReasonFrame {
		l.Reason = string(e.Reason)
	}
	if answer, ok := errors.AsType[*amplitude.Error](e.Err); ok {
		l.Status = cmp.Or(answer.StatusCode, l.Status)
	}
}
