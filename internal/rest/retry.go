package rest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptrace"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// Limiter spaces requests out. A [golang.org/x/time/rate.Limiter] is one.
type Limiter interface {
	Wait(context.Context) error
}

// Attempt is one request as it went, for the caller's metrics and traces.
type Attempt struct {
	Op         string
	N          int
	StatusCode int
	Err        error
	Limited    time.Duration
	Took       time.Duration
	RetryIn    time.Duration
}

const (
	firstBackoff = 500 * time.Millisecond
	maxBackoff   = 10 * time.Second
	// MaxPause is the longest wait a vendor may ask for. What asks for more
	// ends the call, with the wait in its error.
	MaxPause = 5 * time.Minute
)

type attemptsKey struct{}

// WithAttempts bounds the attempts of each call made with the context, for
// flows that keep a pace of their own.
func WithAttempts(ctx context.Context, n int) context.Context {
	return context.WithValue(ctx, attemptsKey{}, n)
}

// Send makes the call, repeats it where that is safe and promising, and returns
// the last answer, whatever its status. Where an error comes with an answer, the
// context ended while that answer's repetition was waited for.
func (c *Client) Send(ctx context.Context, call Call) (*Response, error) {
	r, err := c.prepare(ctx, call)
	if err != nil {
		return nil, err
	}
	return c.send(ctx, r)
}

func (c *Client) send(ctx context.Context, r *request) (*Response, error) {
	unsure := false // an attempt may have taken effect
	for n := 1; ; n++ {
		leave, limited, err := c.limit(ctx, r)
		if err != nil {
			return nil, c.noAnswer(r, unsure, err)
		}
		start := time.Now()
		w := &wire{budget: &c.budget, left: r.attempts - n}
		resp, sent, err := c.try(ctx, r, w)
		if resp != nil && resp.stream != nil {
			resp.stream.leave = leave
		} else {
			leave()
		}
		took := time.Since(start)
		n += w.replays
		wait, again := c.again(ctx, r, n, resp, sent, err)
		if err != nil {
			unsure = unsure || sent
			err = c.noAnswer(r, unsure, err)
		} else {
			resp.Unsure = unsure
			unsure = unsure || c.Unsure != nil && c.Unsure(r.op, resp.StatusCode)
			if resp.StatusCode < 400 {
				c.budget.earn()
			}
		}
		c.report(ctx, r, Attempt{Op: r.op, N: n, Err: err, Limited: limited, Took: took, RetryIn: wait}, resp)
		if !again {
			return resp, err
		}
		if stopped := sleep(ctx, wait); stopped != nil {
			last := err
			if resp != nil {
				last = c.Refused(resp, "")
			}
			return resp, c.stopped(last, stopped, unsure)
		}
	}
}

// limit waits until an attempt may be made. leave gives its slots back.
func (c *Client) limit(ctx context.Context, r *request) (leave func(), limited time.Duration, err error) {
	start := time.Now()
	if l := c.Limits[r.op]; l != nil && r.Link == "" {
		err = l.Wait(ctx)
	}
	if _, deadline := ctx.Deadline(); err != nil && deadline && ctx.Err() == nil {
		// x/time/rate says so in a plain error of its own.
		err = fmt.Errorf("%w before the rate limit allows the request", context.DeadlineExceeded)
	}
	if err == nil {
		leave, err = enter(ctx, r.Slots)
	}
	return leave, time.Since(start), err
}

// again says whether to repeat and after which wait.
func (c *Client) again(ctx context.Context, r *request, n int, resp *Response, sent bool, err error) (time.Duration, bool) {
	if ctx.Err() != nil || n >= r.attempts || errors.Is(err, errReplay) || errors.Is(err, errTooLarge) {
		return 0, false
	}
	wait, asked := backoff(n), false
	switch {
	case err != nil:
		if sent && !r.Idempotent {
			return 0, false // it may have taken effect
		}
	case resp.StatusCode == http.StatusTooManyRequests,
		r.Idempotent && transient(resp.StatusCode):
		if r.Final != nil && r.Final(resp) {
			return 0, false
		}
		if d := c.pause(resp); d > 0 {
			wait, asked = d, true
		}
	default:
		return 0, false
	}
	if asked && wait > MaxPause {
		return 0, false
	}
	if end, ok := ctx.Deadline(); ok && time.Until(end) < wait {
		return 0, false
	}
	if !c.budget.take() {
		return 0, false
	}
	return wait, true
}

// transient are the statuses after which a repetition may succeed, but the
// first execution may have taken effect.
func transient(status int) bool {
	return status == http.StatusRequestTimeout || status >= 500
}

func (c *Client) pause(resp *Response) time.Duration {
	if resp.RetryAfter > 0 {
		return resp.RetryAfter
	}
	if c.Pause == nil {
		return 0
	}
	return c.Pause(resp)
}

// backoff is full jitter under a doubling ceiling.
func backoff(n int) time.Duration {
	ceiling := min(maxBackoff, firstBackoff<<min(n-1, 10))
	return rand.N(ceiling) + 1
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

func (c *Client) report(ctx context.Context, r *request, a Attempt, resp *Response) {
	if resp != nil {
		a.StatusCode = resp.StatusCode
	}
	if c.OnAttempt != nil {
		c.OnAttempt(ctx, a)
	}
	if c.Log == nil || (a.Err == nil && a.StatusCode < 400) {
		return
	}
	level, msg := slog.LevelWarn, "giving up"
	if a.RetryIn > 0 {
		level, msg = slog.LevelDebug, "retrying"
	}
	c.Log.LogAttrs(ctx, level, msg, slog.String("api", c.Name), slog.String("op", r.op), slog.Int("attempt", a.N),
		slog.Int("status", a.StatusCode), slog.Duration("wait", a.RetryIn), slog.Any("error", a.Err))
}

// retryAfter reads both forms of the header. A date counts from the response's
// own Date, so that a wrong clock here does not matter. What cannot be read, is
// zero or has passed gives zero, that is our own backoff.
func retryAfter(h http.Header, now time.Time) time.Duration {
	v := h.Get("Retry-After")
	if v == "" {
		return 0
	}
	if s, err := strconv.ParseInt(v, 10, 64); err == nil {
		const century = 100 * 365 * 24 * 3600
		return time.Duration(max(0, min(s, century))) * time.Second
	}
	at, err := http.ParseTime(v)
	if err != nil {
		return 0
	}
	if date, err := http.ParseTime(h.Get("Date")); err == nil {
		now = date
	}
	return max(0, at.Sub(now))
}

// budget bounds what repetition may add: ten repeats in hand, a tenth of one
// back for each success. An outage then costs ten repeats, not a multiple of
// all calls. The zero value is full.
type budget struct {
	mu    sync.Mutex
	spent int // in tenths of a repeat
}

func (b *budget) take() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.spent+10 > 100 {
		return false
	}
	b.spent += 10
	return true
}

func (b *budget) earn() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.spent = max(0, b.spent-1)
}

var errReplay = errors.New("the connection broke and no repetition is left")

// wire watches one attempt on its way out. net/http repeats some requests by
// itself, over HTTP/2 up to six times. Each of those counts as an attempt and is
// charged to the budget; when either is used up there is none.
type wire struct {
	budget *budget
	left   int // attempts that may follow this one

	replays          int
	asked, got, sent atomic.Bool
}

func (w *wire) replay() bool {
	if w.left == 0 || !w.budget.take() {
		return false
	}
	w.left--
	w.replays++
	return true
}

// guard refuses the body that net/http asks for when it wants to send a request
// once more.
func (w *wire) guard(getBody func() (io.ReadCloser, error)) func() (io.ReadCloser, error) {
	return func() (io.ReadCloser, error) {
		if w.sent.Load() && !w.replay() {
			return nil, errReplay
		}
		return getBody()
	}
}

// watch notes how far the request has come. One without a body is repeated
// without asking: it can only be stopped when it looks for a connection again.
func (w *wire) watch(ctx context.Context, stop context.CancelCauseFunc, bodyless bool) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn: func(string) {
			w.asked.Store(true)
			if bodyless && w.sent.Load() && !w.replay() {
				stop(errReplay)
			}
		},
		GotConn:      func(httptrace.GotConnInfo) { w.got.Store(true) },
		WroteHeaders: func() { w.sent.Store(true) },
	})
}

// mayHaveLeft is false only if a connection was asked for and never had. A
// transport that does not trace leaves it open.
func (w *wire) mayHaveLeft() bool { return !w.asked.Load() || w.got.Load() }
