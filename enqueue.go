package iteramp

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/iteramp/iteramp/iterable/webhook"
	"github.com/iteramp/iteramp/mapping"
)

const (
	// maxWrites are under way at a time of one route. A second one is begun for a
	// frame that is full: smaller ones gather while the first is written.
	maxWrites = 4
	// shutFor is how long a route takes nothing after its queue has failed.
	shutFor = time.Second
	// idleAfter is how long a process may take webhooks for others to deliver
	// before that is remarked upon.
	idleAfter = time.Minute
)

// shutter is closed for a moment after a failure. The zero value is open. It goes by
// the monotonic clock: the other one may be set back by an hour.
type shutter struct {
	until  atomic.Pointer[time.Time]
	failed atomic.Bool // the last write did
}

func (s *shutter) closed() bool {
	until := s.until.Load()
	return until != nil && time.Until(*until) > 0
}

func (s *shutter) shut() { s.until.Store(new(time.Now().Add(shutFor))) }

// enqueue stores a webhook that the rules do not skip. Its outcome comes later: it
// is answered with the status. A status of 0 says that the outcome is known now.
func (r *Relay) enqueue(ctx context.Context, rt *route, o *RelayOutcome, e webhook.Event, received time.Time) (status int) {
	defer func() {
		if r.recovered(ctx, recover()) {
			o.Fate, o.Reason, o.Err, status = Failed, ReasonPanic, errPanic, 0
		}
	}()
	if err := rt.rules.Check(e); err != nil {
		skip, _ := errors.AsType[mapping.Skip](err)
		o.Fate, o.Reason, o.Err = Skipped, string(skip), err
		return 0
	}
	rec := record{received: received, secret: o.Secret, body: e.Body()}
	g, _ := rt.writes.share(ctx, arrival{size: len(rec.body) + recordHead, record: rec})
	switch {
	case g.err == nil:
		r.stats.accepted()
		r.remark(ctx)
		return http.StatusOK
	case errors.Is(g.err, ErrFrameTooLarge) && g.items == 1:
		return http.StatusRequestEntityTooLarge
	}
	o.Fate, o.Reason, o.Err = Failed, queueReason(g.err), g.err
	return 0
}

func queueReason(err error) string {
	switch {
	case errors.Is(err, ErrQueueFull):
		return "queue_full"
	case err == errPanic:
		return ReasonPanic
	}
	return "queue"
}

// remark says once that nobody delivers in this process, which may be on purpose.
func (r *Relay) remark(ctx context.Context) {
	if r.running.Load() || time.Since(r.created) < idleAfter || !r.idle.CompareAndSwap(false, true) {
		return
	}
	r.cfg.Logger.LogAttrs(ctx, slog.LevelWarn, "webhooks are queued and nobody delivers them in this process: call Run here or elsewhere")
}

// store writes a gathering to the queue as one frame, and closes its done channel,
// also if the queue panics. The context's values live on, its end does not.
func (rt *route) store(ctx context.Context, g *gathering) {
	g.err = errPanic
	defer close(g.done)
	ctx, cancel := context.WithDeadline(context.WithoutCancel(ctx), g.deadline)
	defer cancel()
	g.err = rt.queue.Put(ctx, rt.name, g.frame)
	switch {
	case g.err == nil:
		if rt.shut.failed.CompareAndSwap(true, false) {
			rt.log.LogAttrs(ctx, slog.LevelInfo, "the queue takes webhooks again", slog.String("route", rt.name))
		}
	case errors.Is(g.err, ErrFrameTooLarge):
		rt.writes.shrink(len(g.frame))
	default:
		rt.shut.shut()
		if rt.shut.failed.CompareAndSwap(false, true) {
			rt.log.LogAttrs(ctx, slog.LevelError, "the queue takes no webhooks, they are answered 503",
				slog.String("route", rt.name), slog.Any("error", g.err))
		}
	}
}
