package iteramp

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/iteramp/iteramp/amplitude"
	"github.com/iteramp/iteramp/internal/rest"
	"github.com/iteramp/iteramp/mapping"
)

const (
	maxGathered = 500     // events of one upload
	maxBytes    = 800_000 // of their webhooks: what one request holds
	maxUploads  = 4       // of one route at a time
	overlap     = 16      // events that are worth a second upload beside the first
)

// route is a Route at work.
type route struct {
	name   string
	client *amplitude.Client
	rules  mapping.Rules
	within time.Duration
	log    *slog.Logger

	gate    rest.Gate // of uploads, without a queue
	uploads gatherer

	queue  Queue
	writes gatherer
	shut   shutter
}

func newRoute(rt Route, cfg RelayConfig) *route {
	r := &route{
		name: cmp.Or(rt.Name, "default"), client: rt.Amplitude, rules: rt.Rules,
		within: cfg.AnswerWithin, log: cfg.Logger, queue: cfg.Queue,
	}
	r.uploads = gatherer{within: cfg.AnswerWithin, maxItems: maxGathered, maxBytes: maxBytes, parallel: maxUploads, overlap: overlap, commit: r.upload}
	r.writes = gatherer{within: cfg.AnswerWithin, maxItems: maxInFrame, maxBytes: maxFrame, parallel: maxWrites, overlap: maxInFrame, commit: r.store}
	return r
}

var errClosed = errors.New("iteramp: amplitude fails, the next try is later")

// deliver uploads the events of one webhook, most likely with those of others, and
// returns the worst fate of them.
func (rt *route) deliver(ctx context.Context, size int, events ...amplitude.Event) (Fate, string, error) {
	probe, wait := rt.gate.TryPass()
	switch {
	case wait > 0:
		return Failed, "closed", errClosed
	case probe:
		g := &gathering{room: &room{events: slices.Clone(events)}, deadline: time.Now().Add(rt.within), done: make(chan struct{})}
		rt.upload(rest.WithAttempts(ctx, 1), g)
		return g.fate(0, len(events))
	}
	g, from := rt.uploads.share(ctx, arrival{events: events, size: size})
	return g.fate(from, from+len(events))
}

// upload sends a gathering and closes its done channel, also if a func of the
// caller's panics on the way. The context's values live on, its end does not.
func (rt *route) upload(ctx context.Context, g *gathering) {
	g.err = errPanic
	defer close(g.done)
	late := time.Until(g.deadline) < rt.within/2
	ctx, cancel := context.WithDeadline(context.WithoutCancel(ctx), g.deadline)
	defer cancel()
	err := rt.client.Events.Upload(ctx, amplitude.EventUploadRequest{Events: g.events, MinIDLength: 1})
	failed, ok := errors.AsType[*amplitude.BatchError](err)
	if ok {
		g.err, g.rejected = nil, failed.Rejected
	} else {
		g.err = err
	}
	if late && errors.Is(err, context.DeadlineExceeded) {
		return // the wait for a turn has used the time up; that says nothing of Amplitude
	}
	rt.watch(ctx, err, failed)
}

// watch opens and closes the gate by what an upload met, and logs the turns.
func (rt *route) watch(ctx context.Context, err error, failed *amplitude.BatchError) {
	if failed != nil {
		switch i := slices.IndexFunc(failed.Rejected, isWhole); {
		case i >= 0:
			err = failed.Rejected[i].Err
		case failed.Accepted > 0 || slices.ContainsFunc(failed.Rejected, isAnswered):
			err = nil
		default:
			return // nothing was asked
		}
	}
	if err == nil {
		if rt.gate.Open() {
			rt.log.LogAttrs(ctx, slog.LevelInfo, "amplitude accepts events again", slog.String("route", rt.name))
		}
	} else if rt.gate.Close(pauseOf(err)) {
		rt.log.LogAttrs(ctx, slog.LevelWarn, "amplitude fails, webhooks are answered 503",
			slog.String("route", rt.name), slog.Any("error", err))
	}
}

// isAnswered tells an event that Amplitude refused from one that was not sent.
func isAnswered(e amplitude.ItemError) bool {
	_, ok := errors.AsType[*amplitude.Error](e.Err)
	return ok
}

// isWhole tells a failure of everything from one of an event or a user.
func isWhole(e amplitude.ItemError) bool {
	return e.Reason == amplitude.ReasonRefused || e.Reason == amplitude.ReasonAmbiguous || e.Reason == amplitude.ReasonUnsent
}

// pauseOf is how long a failure asks to be left alone.
func pauseOf(err error) time.Duration {
	if e, ok := errors.AsType[*amplitude.Error](err); ok {
		return e.RetryAfter
	}
	return 0
}

// fate is the worst fate of the events from one index to another.
func (g *gathering) fate(from, to int) (Fate, string, error) {
	switch {
	case g.err == errPanic:
		return Failed, "panic", g.err
	case g.err != nil:
		return Failed, string(amplitude.ReasonUnsent), g.err
	}
	fate, reason, err := Delivered, "", error(nil)
	i, _ := slices.BinarySearchFunc(g.rejected, from, func(e amplitude.ItemError, index int) int { return cmp.Compare(e.Index, index) })
	for ; i < len(g.rejected) && g.rejected[i].Index < to; i++ {
		switch e := g.rejected[i]; {
		case !e.Reason.Permanent():
			return Failed, string(e.Reason), e.Err
		case fate == Delivered:
			fate, reason, err = Refused, string(e.Reason), e.Err
		}
	}
	return fate, reason, err
}
