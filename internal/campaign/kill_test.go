package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iteramp/iteramp/amplitude/amplitudetest"
)

// vendor is an Amplitude that answers by a seeded plan.
type vendor struct {
	fake amplitudetest.Fake
	url  string

	arrivals arrivals

	mu     sync.Mutex
	rng    *rand.Rand
	calm   bool
	deck   []int // kinds of answers to come: in twenty there is each
	heavy  int   // requests to be called too large
	partly int   // answers that named events
	large  int   // answers that the request was too large
}

func newVendor(t *testing.T, seed uint64) *vendor {
	v := &vendor{rng: rand.New(rand.NewPCG(seed, 1))}
	v.fake.HTTPV2.EventsPerSecond = -1
	v.fake.OnEvent = v.arrivals.add
	v.fake.Drop(isDropped)
	v.fake.Intercept(v.answer)
	srv := httptest.NewServer(&v.fake)
	t.Cleanup(srv.Close)
	v.url = srv.URL
	return v
}

// isDropped is for [amplitudetest.Fake.Drop].
func isDropped(e amplitudetest.Event) bool {
	return unnamed(numberOf(e))
}

// answer stands before the fake. Events that are refused by name are so at every
// attempt; the rest is chance.
func (v *vendor) answer(w http.ResponseWriter, r *http.Request) bool {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return true
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	if bad := namedIn(body, r.Header.Get("Content-Encoding")); len(bad) > 0 {
		v.mu.Lock()
		v.partly++
		v.mu.Unlock()
		w.WriteHeader(http.StatusBadRequest)
		_ = json.NewEncoder(w).Encode(map[string]any{"code": 400, "error": "Request missing required field", "events_with_invalid_fields": map[string][]int{"event_type": bad}})
		return true
	}
	if r.ContentLength > 2<<10 && v.tooLarge() { // of one event that would be for good, and so at every attempt
		w.WriteHeader(http.StatusRequestEntityTooLarge)
		return true
	}
	switch chance := v.draw(); {
	case chance == 0:
		v.fake.LoseNext([]int{0, 500, 502, 504}[v.chance(4)%4])
	case chance == 1:
		v.fake.FailNext([]int{0, 500, 503, 429}[v.chance(4)%4])
	case chance == 2:
		busy := user(v.chance(users))
		v.fake.Throttle(busy)
		time.AfterFunc(time.Duration(v.chance(2000))*time.Millisecond, func() { v.fake.Release(busy) })
	case chance >= 5 && chance < 8:
		v.mu.Lock()
		v.heavy++ // the next that is large enough
		v.mu.Unlock()
	case chance == 4:
		time.Sleep(time.Duration(v.chance(300)) * time.Millisecond)
	}
	return false
}

// answers is how often Amplitude answered with a status.
func (v *vendor) answers(status int) (n int) {
	for _, r := range v.fake.Requests() {
		if r.Status == status {
			n++
		}
	}
	return n
}

// draw is the kind of the next answer, 20 when all is calm.
func (v *vendor) draw() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.calm {
		return 20
	}
	if len(v.deck) == 0 {
		v.deck = v.rng.Perm(20)
	}
	kind := v.deck[0]
	v.deck = v.deck[1:]
	return kind
}

func (v *vendor) tooLarge() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.calm || v.heavy == 0 {
		return false
	}
	v.heavy--
	v.large++
	return true
}

// chance is a number below n, or n when all is calm.
func (v *vendor) chance(n int) int {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.calm {
		return n
	}
	return v.rng.IntN(n)
}

// calmDown ends all faults but those of the events themselves.
func (v *vendor) calmDown() {
	v.mu.Lock()
	v.calm = true
	v.mu.Unlock()
	for u := range users {
		v.fake.Release(user(u))
	}
}

// namedIn finds the events of a request that are refused by name.
func namedIn(body []byte, encoding string) (indexes []int) {
	for i, e := range sentInBody(body, encoding) {
		if n := number(e.Properties.MessageID); n >= 0 && named(n) {
			indexes = append(indexes, i)
		}
	}
	return indexes
}

// drive posts webhooks over a number of connections until ctx ends, and notes what
// was answered 200. It returns how long those answers took.
func drive(ctx context.Context, url string, l *ledger, connections int) (took []time.Duration) {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: connections}, Timeout: 10 * time.Second}
	defer client.CloseIdleConnections()
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range connections {
		wg.Go(func() {
			var own []time.Duration
			for ctx.Err() == nil {
				if l.pace != nil && l.pace.Wait(ctx) != nil {
					break
				}
				n, begun := l.draw(), time.Now()
				if post(ctx, client, url, n) {
					l.owe(n)
					own = append(own, time.Since(begun))
				}
			}
			mu.Lock()
			took = append(took, own...)
			mu.Unlock()
		})
	}
	wg.Wait()
	return took
}

func post(ctx context.Context, client *http.Client, url string, n int) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/iterable", bytes.NewReader(webhook(n)))
	if err != nil {
		return false
	}
	req.Header.Set("Authorization", token)
	req.Header.Set("Content-Type", "application/json")
	resp, err := client.Do(req)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode == http.StatusOK
}

// A relay is killed, under load and while Amplitude answers anything: half of the
// times at a random instant, else at each step of a webhook's way.
func TestF01(t *testing.T) {
	// 50 at the first tier would take two minutes more.
	whole(t, "F01", "kill -9", counts{32, 1_000, 5_000}, func(t *testing.T, rng *rand.Rand, n int) {
		v := newVendor(t, rng.Uint64())
		dir, l := storeDir(t), new(ledger)
		hit := make(map[string]int)
		for i := range n {
			o := order{Amplitude: v.url, Dir: dir}
			if i%2 == 0 {
				o.KillAt, o.Nth = steps[i/2%len(steps)], 1+rng.Int64N(8)
			}
			if o.KillAt == "letter stored" {
				o.Nth = 1 // of few
			}
			limit := time.Duration(1+rng.IntN(800)) * time.Millisecond
			if o.KillAt != "" {
				limit = 20 * time.Second
			}
			p := start(t, o)
			ctx, cancel := context.WithCancel(t.Context())
			go func() {
				select {
				case step := <-p.killed:
					hit[step]++
				case <-time.After(limit):
				}
				p.kill()
				cancel()
			}()
			drive(ctx, p.url, l, 16)
		}
		finish(t, v, dir, l)
		t.Logf("%d events came twice, %d answers named events, killed at %v", v.fake.Duplicates(), v.partly, hit)
		require.Positive(t, v.fake.Duplicates(), "no kill came between delivery and its end")
		require.Positive(t, v.partly)
		require.Positive(t, v.large)
		require.Positive(t, v.answers(http.StatusTooManyRequests))
		for i := range min(len(steps), n/2) {
			require.Positive(t, hit[steps[i]], "no kill when it was: %s", steps[i])
		}
	})
}

// A relay is killed when a user's frames have been open for long, so that those before
// and behind them were purged meanwhile.
func TestF01Purge(t *testing.T) {
	each(t, "F01p", "kill -9 behind a purge", counts{1, 20, 200}, func(t *testing.T, rng *rand.Rand) {
		v := newVendor(t, rng.Uint64())
		v.calmDown()
		dir, l := storeDir(t), new(ledger)
		busy := rng.IntN(users)
		v.fake.Throttle(user(busy))
		p := start(t, order{Amplitude: v.url, Dir: dir})
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		drive(ctx, p.url, l, 8)
		<-time.After(22 * time.Second) // the store looks for what is done every ten
		held := p.frames()
		p.kill()
		require.Greater(t, l.count(), 50)
		require.Positive(t, held, "nothing was open")
		finish(t, v, dir, l)
	})
}

func storeDir(t *testing.T) string {
	dir := t.TempDir()
	require.NoError(t, os.Chmod(dir, 0o700))
	return dir
}

// finish ends all faults, sends more, waits until nothing is left, and judges.
func finish(t *testing.T, v *vendor, dir string, l *ledger) verdict {
	t.Helper()
	v.calmDown()
	p := start(t, order{Amplitude: v.url, Dir: dir})
	for range 100 { // it serves
		n := l.draw()
		if post(t.Context(), http.DefaultClient, p.url, n) {
			l.owe(n)
		}
	}
	p.drained(t, 6*time.Minute) // what was in hand comes again after a minute or two
	p.stop(t)
	letters, left := lettersIn(t, dir)
	if left > 0 { // of a webhook that was answered 503, because storing it took too long
		p = start(t, order{Amplitude: v.url, Dir: dir})
		p.drained(t, 6*time.Minute)
		p.stop(t)
		letters, left = lettersIn(t, dir)
	}
	require.Zero(t, left, "frames are left")
	got := v.arrivals.judge(l, letters)
	got.clean(t)
	require.GreaterOrEqual(t, l.count(), 100, "it did not serve")
	return got
}
