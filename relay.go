package iteramp

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/iteramp/iteramp/amplitude"
	"github.com/iteramp/iteramp/internal/hook"
	"github.com/iteramp/iteramp/iterable/webhook"
	"github.com/iteramp/iteramp/mapping"
)

// ErrRunning says that another Run is under way.
var ErrRunning = errors.New("iteramp: Run is under way already")

// Relay takes Iterable's system webhooks and delivers them to Amplitude as
// events. It is an [http.Handler] that stands where
// https://api.amplitude.com/iterable stands in the vendors' own integration, and
// takes the same webhook settings: authentication type Basic, token
// "<amplitude_api_key>:<secret>".
//
// With a [Queue], a webhook is answered when it is stored there, and [Relay.Run]
// delivers it, however long Amplitude is away. Requests that arrive while a write
// is under way share the next one. What has been answered 200 is in the queue, in
// Amplitude or in the [DeadLetter], whatever happens to the process.
//
// Without one, a webhook is answered by the fate of its event. Requests that arrive
// while an upload is under way travel together in the next one. Nothing is kept:
// what was not answered 200 is Iterable's to send again.
//
// Either way it is answered after [RelayConfig.AnswerWithin] at the latest, and an
// event that comes twice is one event in Amplitude, because its insert_id is
// derived from its content.
//
//	200 stored, or delivered; skipped by the rules; or refused by Amplitude for good
//	400 not a system webhook
//	401 405 413 415 wrong credential, method, size, content type
//	503 the queue is full or fails, or, without one, Amplitude is down, slow,
//	    throttles or refuses the key; too many requests
//
// After the queue, or without one Amplitude, has failed as a whole, a route answers
// 503 at once and looks again a second later, of Amplitude five seconds. A 503 asks
// for a pause of 10 seconds.
//
// The server around a Relay needs time limits of its own: until a body has been
// read, nothing else bounds a slow sender. Set ReadHeaderTimeout and ReadTimeout,
// and a WriteTimeout longer than ReadTimeout and AnswerWithin together, or it cuts
// off the answer:
//
//	srv := &http.Server{
//		Handler:           mux,
//		ReadHeaderTimeout: 5 * time.Second,
//		ReadTimeout:       15 * time.Second,
//		WriteTimeout:      30 * time.Second,
//	}
//
// Its Shutdown waits for the answers under way; nothing of the Relay is left then.
//
// A Relay is safe for concurrent use and needs no closing. The zero Relay
// answers 503.
type Relay struct {
	cfg     RelayConfig
	created time.Time
	routes  []*route
	match   func(tokens []string) (*route, int)
	running atomic.Bool
	waiting atomic.Int64
	stats   stats
	oddOne  atomic.Bool // a webhook that is none was logged
	idle    atomic.Bool // that nobody delivers was logged
}

// NewRelay checks cfg and returns a Relay that uses it. All mistakes are in the
// one error, by field and without the value.
func NewRelay(cfg RelayConfig) (*Relay, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	r := &Relay{cfg: cfg, created: time.Now()}
	var tokens []string
	var owners []func() (*route, int)
	for _, rc := range cfg.Routes {
		rt := newRoute(rc, cfg)
		r.routes = append(r.routes, rt)
		for i, secret := range rc.Secrets {
			tokens = append(tokens, rc.Amplitude.APIKey()+":"+secret)
			owners = append(owners, func() (*route, int) { return rt, i })
			if len(secret) < hook.GoodSecret {
				cfg.Logger.Warn("webhook secret is short", "route", rt.name, "index", i, "recommended_bytes", hook.GoodSecret)
			}
		}
	}
	r.cfg.Routes = nil // their secrets are hashed now, and no print of a Relay shows them
	secrets := hook.NewSecrets(tokens...)
	r.match = func(tokens []string) (*route, int) {
		if i := secrets.Match(tokens); i >= 0 {
			return owners[i]()
		}
		return nil, -1
	}
	return r, nil
}

// Run delivers what the queue holds, of every route, until ctx ends. It returns
// nil once what it had in hand is settled or back in the queue: uploads under way
// are given 10 seconds. A Run while another is under way is [ErrRunning]; of several
// processes that share a queue each may run.
//
// While Amplitude fails Run asks again every 5 seconds, without an end, and the
// frames wait. A failure of the queue itself is logged and waited out likewise.
//
// Without a queue there is nothing to deliver in the background: Run only waits
// for ctx, so that a service may stop everything with one context.
func (r *Relay) Run(ctx context.Context) error {
	if r.match == nil {
		return errNoRelay
	}
	if !r.running.CompareAndSwap(false, true) {
		return ErrRunning
	}
	defer r.running.Store(false)
	if r.cfg.Queue == nil {
		<-ctx.Done()
		return nil
	}
	var wg sync.WaitGroup
	for _, rt := range r.routes {
		c, err := newCourier(ctx, r, rt)
		if err != nil {
			return err // of a client that NewRelay has checked: never
		}
		wg.Go(func() { c.run(ctx) })
	}
	wg.Wait()
	return nil
}

// Ready returns nil if a webhook sent now would be taken: for readiness probes.
// A relay with several routes is ready as long as one of them is. It asks nobody
// and costs nothing. While Amplitude fails it is nil again each time a webhook
// may find out whether Amplitude is back.
func (r *Relay) Ready() error {
	if r.match == nil {
		return errNoRelay
	}
	if r.waiting.Load() >= int64(r.cfg.MaxWaiting) {
		return errors.New("iteramp: too many requests wait")
	}
	var errs []error
	for _, rt := range r.routes {
		if wait := rt.gate.Closed(); wait > 0 {
			errs = append(errs, fmt.Errorf("iteramp: route %s: amplitude fails, next try in %s", rt.name, wait.Round(time.Second)))
		}
		if rt.shut.closed() {
			errs = append(errs, fmt.Errorf("iteramp: route %s: the queue fails or is full", rt.name))
		}
	}
	if len(errs) == len(r.routes) {
		return errors.Join(errs...)
	}
	return nil
}

var errNoRelay = errors.New("iteramp: the Relay was not made by NewRelay")

// ServeHTTP answers one webhook, on any path. It refuses other methods than POST
// itself.
func (r *Relay) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if r.match == nil {
		hook.Refuse(w, http.StatusServiceUnavailable, "")
		return
	}
	status, text := r.take(w, req)
	r.stats.answered(status)
	if status == http.StatusOK {
		w.WriteHeader(status)
		return
	}
	hook.Refuse(w, status, text)
}

// take does everything but answer.
func (r *Relay) take(w http.ResponseWriter, req *http.Request) (status int, text string) {
	if r.waiting.Add(1) > int64(r.cfg.MaxWaiting) {
		r.waiting.Add(-1)
		return http.StatusServiceUnavailable, ""
	}
	defer r.waiting.Add(-1)
	start := time.Now()
	if status = hook.Check(req, r.cfg.MaxBody); status != 0 {
		return status, ""
	}
	rt, secret := r.match(webhook.Tokens(req.Header.Get("Authorization")))
	if rt == nil {
		return http.StatusUnauthorized, ""
	}
	if rt.shut.closed() {
		return http.StatusServiceUnavailable, "" // before the body is read
	}
	body, status := hook.Read(w, req, r.cfg.MaxBody)
	if status != 0 {
		return status, ""
	}
	event, err := webhook.Parse(body)
	if err != nil {
		if r.oddOne.CompareAndSwap(false, true) {
			r.cfg.Logger.LogAttrs(req.Context(), slog.LevelWarn, "a request is no system webhook; further ones are only counted",
				slog.String("route", rt.name), slog.Any("error", err))
		}
		return http.StatusBadRequest, err.Error()
	}
	o := RelayOutcome{Route: rt.name, Name: event.Name, Secret: secret}
	if rt.queue != nil {
		status = r.enqueue(req.Context(), rt, &o, event, start)
	} else {
		status = r.settle(req.Context(), rt, &o, event, start)
	}
	if status != 0 {
		return status, ""
	}
	o.Took = time.Since(start)
	if !r.conclude(req.Context(), o) || o.Fate == Failed {
		return http.StatusServiceUnavailable, ""
	}
	return http.StatusOK, ""
}

// conclude logs, tells of and counts what became of a webhook. false means that the
// caller's func panicked.
func (r *Relay) conclude(ctx context.Context, o RelayOutcome) (ok bool) {
	if o.Fate == Refused {
		r.cfg.Logger.LogAttrs(ctx, slog.LevelWarn, "an event is refused for good", slog.String("route", o.Route),
			slog.String("event", string(o.Name)), slog.String("insert_id", o.InsertID), slog.String("reason", o.Reason), slog.Any("error", o.Err))
	}
	if ok = r.observe(ctx, o); !ok && r.cfg.Queue == nil {
		o.Fate = Failed // it is answered so
	}
	r.stats.settled(o)
	return ok
}

// settle maps and delivers an event, and fills in what became of it. A panic, of a
// rule of the caller's say, is a failure; it must not reach net/http, which would
// break the connection and so answer nothing.
func (r *Relay) settle(ctx context.Context, rt *route, o *RelayOutcome, e webhook.Event, received time.Time) (status int) {
	defer func() {
		if r.recovered(ctx, recover()) {
			o.Fate, o.Reason, o.Err = Failed, ReasonPanic, errPanic
		}
	}()
	events, err := rt.mapped(e, received)
	if skip, ok := errors.AsType[mapping.Skip](err); ok {
		o.Fate, o.Reason, o.Err = Skipped, string(skip), err
		return 0
	}
	o.InsertID = events[0].InsertID
	o.Fate, o.Reason, o.Err = rt.deliver(ctx, len(e.Body()), events...)
	if o.Fate == Refused && r.cfg.DeadLetter != nil {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), r.cfg.AnswerWithin)
		defer cancel()
		l := newLetter(*o, 1, received, e.Body())
		if err := r.cfg.DeadLetter.Put(ctx, l); err != nil {
			o.Fate, o.Reason, o.Err = Failed, "dead_letter", err
		}
	}
	return 0
}

// mapped returns the events of a webhook: its own and perhaps a change of the
// user's properties.
func (rt *route) mapped(e webhook.Event, received time.Time) ([]amplitude.Event, error) {
	event, err := rt.rules.Event(e, received)
	if err != nil {
		return nil, err
	}
	if identify, ok := rt.rules.Identify(e, received); ok {
		return []amplitude.Event{event, identify}, nil
	}
	return []amplitude.Event{event}, nil
}

var errPanic = errors.New("iteramp: panic")

// observe tells the caller. false means that it panicked.
func (r *Relay) observe(ctx context.Context, o RelayOutcome) (ok bool) {
	if r.cfg.OnOutcome == nil {
		return true
	}
	defer func() { ok = !r.recovered(ctx, recover()) }()
	r.cfg.OnOutcome(ctx, o)
	return true
}

// recovered logs a panic by its type: its value may hold the event.
func (r *Relay) recovered(ctx context.Context, v any) bool {
	if v == nil {
		return false
	}
	r.cfg.Logger.LogAttrs(ctx, slog.LevelError, "panic", slog.String("type", fmt.Sprintf("%T", v)), slog.String("stack", string(debug.Stack())))
	return true
}

// Stats counts what the Relay has done so far. The caller may change what it gets.
func (r *Relay) Stats() RelayStats {
	s := r.stats.snapshot()
	s.Running = r.running.Load()
	return s
}

func (cfg RelayConfig) withDefaults() RelayConfig {
	cfg.AnswerWithin = cmp.Or(cfg.AnswerWithin, 5*time.Second)
	cfg.MaxBody = cmp.Or(cfg.MaxBody, hook.DefaultMaxBody)
	cfg.MaxWaiting = cmp.Or(cfg.MaxWaiting, 10_000)
	cfg.Logger = cmp.Or(cfg.Logger, slog.New(slog.DiscardHandler))
	return cfg
}
