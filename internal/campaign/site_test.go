package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iteramp/iteramp"
	"github.com/iteramp/iteramp/amplitude"
	"github.com/iteramp/iteramp/amplitude/amplitudetest"
	"github.com/iteramp/iteramp/internal/queuetest"
	"github.com/iteramp/iteramp/iterable/iterabletest"
)

// site is a relay with a queue in memory, its Amplitude and a driver, in virtual
// time.
type site struct {
	fake    amplitudetest.Fake
	queue   queuetest.Queue
	letters queuetest.Letters
	relay   *iteramp.Relay
	ledger  ledger

	hindered bool // some whose answer is lost are throttled or over quota then

	mu       sync.Mutex
	answered map[int]time.Time // when a webhook was taken
	stop     func()            // ends Run and waits for that
	way      func(http.RoundTripper) http.RoundTripper
}

func newSite(t *testing.T) *site {
	return newSiteOn(t, func(to http.RoundTripper) http.RoundTripper { return to })
}

// newSiteOn makes one with something on the way to Amplitude.
func newSiteOn(t *testing.T, way func(http.RoundTripper) http.RoundTripper) *site {
	s := &site{answered: make(map[int]time.Time), stop: func() {}, way: way}
	s.fake.HTTPV2.EventsPerSecond = -1
	s.restart(t)
	t.Cleanup(func() { s.stop() })
	return s
}

// restart ends the relay as an operator would, and runs another one on what it left.
func (s *site) restart(t *testing.T) {
	s.stop()
	s.make(t)
	s.run(t)
}

// make makes the relay. Run is not begun.
func (s *site) make(t *testing.T) {
	s.makeOn(t, &s.queue, &s.letters, s.way)
}

// makeOn makes it with what may fail on the way to the queue, the letters and
// Amplitude.
func (s *site) makeOn(t *testing.T, queue iteramp.Queue, letters iteramp.DeadLetter, way func(http.RoundTripper) http.RoundTripper) {
	cfg := s.fake.Config()
	cfg.Logger, cfg.HTTPClient.Timeout = logs, 30*time.Second
	cfg.HTTPClient.Transport = way(cfg.HTTPClient.Transport)
	client, err := amplitude.NewClient(cfg)
	require.NoError(t, err)
	s.relay, err = iteramp.NewRelay(iteramp.RelayConfig{
		Routes: []iteramp.Route{{Amplitude: client, Secrets: []string{secret}}},
		Queue:  queue, DeadLetter: letters, Logger: logs,
	})
	require.NoError(t, err)
}

func (s *site) run(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	relay := s.relay
	go func() { ended <- relay.Run(ctx) }()
	s.stop = func() {
		cancel()
		require.NoError(t, <-ended)
		s.stop = func() {}
	}
}

// post sends the next webhook.
func (s *site) post() (n int) {
	n = s.ledger.draw()
	s.postAs(n, webhook(n))
	return n
}

// postTogether sends webhooks at the same time. Each is of another user.
func (s *site) postTogether(n int) {
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() { s.post() })
	}
	wg.Wait()
}

// postAs sends a webhook with a number, and notes it if it was taken.
func (s *site) postAs(n int, body []byte) int {
	rec := httptest.NewRecorder()
	s.relay.ServeHTTP(rec, iterabletest.WebhookRequest(token, body))
	if rec.Code == http.StatusOK {
		s.mu.Lock()
		s.answered[n] = time.Now()
		s.mu.Unlock()
		s.ledger.owe(n)
	}
	return rec.Code
}

// settle ends all faults, waits until nothing is left, and judges. A liveness probe
// must arrive too.
func (s *site) settle(t *testing.T) verdict {
	t.Helper()
	s.fake.Intercept(nil)
	return s.settleStill(t)
}

// settleStill leaves the faults of the events themselves.
func (s *site) settleStill(t *testing.T) verdict {
	t.Helper()
	for n := range users {
		s.fake.Release(user(n))
	}
	s.queue.Fail(nil)
	s.letters.Fail(nil)
	time.Sleep(11 * time.Second) // past any shutter, and the gate
	for !acceptable(s.post()) {
	}
	for begun := time.Now(); s.queue.Waiting() > 0 && time.Since(begun) < time.Hour; {
		time.Sleep(100 * time.Millisecond)
	}
	require.Zero(t, s.queue.Waiting(), "frames are left")
	v := judge(&s.ledger, s.fake.Events(), s.letters.List())
	v.clean(t)
	require.Positive(t, v.owed)
	for _, e := range s.fake.Events() {
		require.Empty(t, e.DeviceID, "a device makes a repeat another event")
	}
	return v
}

// acceptable says of a webhook that Amplitude takes its event. As long as it takes no
// event at all, nobody believes that it refuses one for good.
func acceptable(n int) bool { return !unnamed(n) && !refusedByName(n) }

// arrived is when each webhook's event was taken by Amplitude.
func (s *site) arrived() map[int]time.Time {
	at := make(map[int]time.Time)
	for _, e := range s.fake.Events() {
		at[numberOf(e)] = e.Received
	}
	return at
}

// inOrder requires that each user's events came in the order of their numbers.
func (s *site) inOrder(t *testing.T) {
	t.Helper()
	last := make(map[string]int)
	for _, e := range s.fake.Events() {
		n := numberOf(e)
		require.Greater(t, n, last[e.UserID], "the order of a user's events")
		last[e.UserID] = n
	}
}

// sent is an event as a request carries it.
type sent struct {
	UserID     string `json:"user_id"`
	DeviceID   string `json:"device_id"`
	InsertID   string `json:"insert_id"`
	Properties struct {
		MessageID string `json:"messageId"`
	} `json:"event_properties"`
}

// sentIn reads the events of an upload.
func sentIn(r *http.Request) []sent {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil
	}
	return sentInBody(body, r.Header.Get("Content-Encoding"))
}

func sentInBody(body []byte, encoding string) []sent {
	if encoding == "gzip" {
		z, err := gzip.NewReader(bytes.NewReader(body))
		if err != nil {
			return nil
		}
		if body, err = io.ReadAll(z); err != nil {
			return nil
		}
	}
	var req struct{ Events []sent }
	_ = json.Unmarshal(body, &req)
	return req.Events
}

// pick is one of several, by chance.
func pick[T any](rng *rand.Rand, of ...T) T { return of[rng.IntN(len(of))] }

// logs is where everything that is tested logs to: it must name nobody.
var logs = slog.New(slog.NewTextHandler(&watched, &slog.HandlerOptions{Level: slog.LevelDebug}))

// watched is what was logged.
var watched watch

// watch looks for what may stand in no log.
type watch struct {
	mu    sync.Mutex
	lines int
	leaks []string
	tail  []byte

	failedWrites int // lines that tell of one
}

// failures is how often a store has noticed that a write failed.
func (w *watch) failures() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.failedWrites
}

// last is the end of what was logged, for the message of a failure.
func (w *watch) last() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return string(w.tail)
}

// canaries are the keys, secrets, addresses and ids of the campaign.
var canaries = []string{"test-key", "test-secret", "test-api-key", secret, "@example.com", "user-"}

func (w *watch) Write(line []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lines++
	if w.tail = append(w.tail, line...); len(w.tail) > 4000 {
		w.tail = append(w.tail[:0], w.tail[len(w.tail)-2000:]...)
	}
	w.failedWrites += bytes.Count(line, []byte("a write failed"))
	for _, c := range canaries {
		if bytes.Contains(line, []byte(c)) {
			w.leaks = append(w.leaks, string(line))
		}
	}
	return len(line), nil
}
