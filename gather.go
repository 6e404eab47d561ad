package iteramp

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/iteramp/iteramp/amplitude"
	"github.com/iteramp/iteramp/internal/rest"
	"github.com/iteramp/iteramp/mapping"
)

const (
	maxGathered = 500                   // events of one upload
	maxBytes    = 800_000               // of their webhooks: what one request holds
	maxUploads  = 4                     // of one route at a time
	overlap     = 16                    // events that are worth a second upload beside the first
	patience    = 10 * time.Millisecond // with uploads under way before another is begun
)

// route is a Route at work. Concurrent requests share its uploads without a
// goroutine of its own: the first request of a gathering leads it.
type route struct {
	name   string
	client *amplitude.Client
	rules  mapping.Rules
	within time.Duration
	log    *slog.Logger
	gate   rest.Gate

	mu      sync.Mutex
	uploads int               // under way
	queue   []*gathering      // not yet under way; only the last one grows
	spare   []amplitude.Event // room of a gathering that is over
}

// gathering is the events of several requests that travel together.
type gathering struct {
	events   []amplitude.Event
	bytes    int
	deadline time.Time
	lead     chan struct{} // closed when the leader shall upload
	done     chan struct{} // closed when the fates are known

	err      error // of the upload as a whole
	rejected []amplitude.ItemError
}

func newRoute(rt Route, cfg RelayConfig) *route {
	return &route{
		name: cmp.Or(rt.Name, "default"), client: rt.Amplitude, rules: rt.Rules,
		within: cfg.AnswerWithin, log: cfg.Logger,
	}
}

var errClosed = errors.New("iteramp: amplitude fails, the next try is later")

// deliver uploads the events of one webhook of a size, most likely with those of
// others, and returns the worst fate of them.
func (rt *route) deliver(ctx context.Context, size int, events ...amplitude.Event) (Fate, string, error) {
	probe, wait := rt.gate.TryPass()
	switch {
	case wait > 0:
		return Failed, "closed", errClosed
	case probe:
		g := &gathering{events: slices.Clone(events), deadline: time.Now().Add(rt.within), done: make(chan struct{})}
		rt.upload(rest.WithAttempts(ctx, 1), g)
		return g.fate(0, len(events))
	}
	g, from, leads := rt.join(size, events)
	if leads {
		rt.leadUpload(ctx, g)
	}
	<-g.done
	return g.fate(from, from+len(events))
}

// join adds events to the gathering that is open, or opens one.
func (rt *route) join(size int, events []amplitude.Event) (g *gathering, from int, leads bool) {
	rt.mu.Lock()
	defer rt.mu.Unlock()
	if n := len(rt.queue); n > 0 && rt.queue[n-1].fits(size, len(events)) {
		g = rt.queue[n-1]
		from = len(g.events)
		g.events = append(g.events, events...)
		g.bytes += size
		if len(g.events) >= overlap && rt.uploads < 2 || len(g.events) >= maxGathered && rt.uploads < maxUploads {
			rt.start(g)
		}
		return g, from, false
	}
	g = &gathering{
		events:   append(rt.spare, events...),
		bytes:    size,
		deadline: time.Now().Add(rt.within),
		lead:     make(chan struct{}),
		done:     make(chan struct{}),
	}
	rt.spare = nil
	rt.queue = append(rt.queue, g)
	if rt.uploads == 0 {
		rt.start(g)
	}
	return g, 0, true
}

func (g *gathering) fits(size, events int) bool {
	return len(g.events)+events <= maxGathered && g.bytes+size <= maxBytes
}

// start takes a gathering out of the queue and tells its leader. rt.mu is held.
func (rt *route) start(g *gathering) {
	i := slices.Index(rt.queue, g)
	rt.queue = slices.Delete(rt.queue, i, i+1)
	rt.uploads++
	close(g.lead)
}

// leadUpload waits for the gathering's turn: that no upload is under way, or one
// and there is enough for a second, that those under way take long, or that the
// gathering is full. Whoever leads stays
// to the end, even if its own client has gone.
func (rt *route) leadUpload(ctx context.Context, g *gathering) {
	t := time.NewTimer(patience)
	defer t.Stop()
	for {
		select {
		case <-g.lead:
			defer rt.next(g)
			rt.upload(ctx, g)
			return
		case <-t.C:
		}
		if rt.giveUp(g) {
			return
		}
		t.Reset(min(patience, max(0, time.Until(g.deadline))))
	}
}

// giveUp is called when a gathering has waited long. It goes ahead beside the
// uploads under way, if there may be one more, or fails if its time is up.
func (rt *route) giveUp(g *gathering) bool {
	rt.mu.Lock()
	defer rt.mu.Unlock()
	i := slices.Index(rt.queue, g)
	switch {
	case i < 0: // it has been started
	case rt.uploads < maxUploads:
		rt.start(g)
	case time.Until(g.deadline) <= 0:
		rt.queue = slices.Delete(rt.queue, i, i+1)
		g.err = context.DeadlineExceeded
		close(g.done)
		return true
	}
	return false
}

// next hands the turn on, and the room of a gathering that is over: those who
// wait for it look at its fates only.
func (rt *route) next(g *gathering) {
	clear(g.events)
	rt.mu.Lock()
	defer rt.mu.Unlock()
	rt.uploads--
	rt.spare = g.events[:0]
	if len(rt.queue) > 0 {
		rt.start(rt.queue[0])
	}
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
