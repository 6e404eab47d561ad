package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iteramp/iteramp"
)

// The same webhook comes many times: at once, later, after a restart, with its keys
// in another order.
func TestF06(t *testing.T) {
	eachInBubble(t, "F06", "webhooks that come again", counts{500, 10_000, 100_000}, func(t *testing.T, rng *rand.Rand) {
		s := newSite(t)
		posts, distinct := 0, 0
		for range 1 + rng.IntN(4) {
			n := s.ledger.draw()
			distinct++
			for round := range 1 + rng.IntN(3) {
				var wg sync.WaitGroup
				for range 1 + rng.IntN(17) {
					body := shuffled(t, rng, webhook(n))
					posts++
					wg.Go(func() { s.postAs(n, body) })
				}
				wg.Wait()
				time.Sleep(time.Duration(rng.IntN(3)) * pick(rng, time.Millisecond, time.Second, 40*time.Hour))
				if round > 0 && rng.IntN(2) == 0 {
					s.restart(t)
				}
			}
		}
		v := s.settle(t)
		require.Equal(t, v.owed, v.delivered)
		require.Equal(t, posts-distinct, s.fake.Duplicates(), "Amplitude knows each copy by its insert_id")
	})
}

// shuffled is a webhook with its keys in another order.
func shuffled(t *testing.T, rng *rand.Rand, body []byte) []byte {
	var top map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(body, &top))
	var fields map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(top["dataFields"], &fields))
	top["dataFields"] = object(rng, fields)
	return object(rng, top)
}

func object(rng *rand.Rand, fields map[string]json.RawMessage) []byte {
	keys := make([]string, 0, len(fields))
	for k := range fields {
		keys = append(keys, k)
	}
	rng.Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
	var b bytes.Buffer
	for i, k := range keys {
		fmt.Fprintf(&b, "%c%q:%s", "{,"[min(i, 1)], k, fields[k])
	}
	b.WriteByte('}')
	return b.Bytes()
}

// Amplitude takes events, and the answer is lost on its way.
func TestF07(t *testing.T) {
	eachInBubble(t, "F07", "answers that are lost", counts{500, 10_000, 100_000}, func(t *testing.T, rng *rand.Rand) {
		s := newSite(t)
		lost := 1 + rng.IntN(6)
		for range lost {
			s.fake.LoseNext(pick(rng, 0, 500, 502, 504, 408))
		}
		for range 1 + rng.IntN(30) {
			s.post()
			if rng.IntN(3) == 0 {
				time.Sleep(time.Duration(rng.IntN(2000)) * time.Millisecond)
			}
		}
		v := s.settle(t)
		require.Equal(t, v.owed, v.delivered)
		require.Positive(t, s.fake.Duplicates())
	})
}

// Amplitude is away, for a second or for a month, in all ways.
func TestF08(t *testing.T) {
	// Each asks once in 5 seconds for as long as it lasts: 200 would take minutes.
	eachInBubble(t, "F08", "outages of a second to a month", counts{40, 1_000, 5_000}, func(t *testing.T, rng *rand.Rand) {
		line := &refusing{}
		s := newSiteOn(t, line.over)
		length := time.Duration(math.Exp(rng.Float64()*math.Log(6*3600)) * float64(time.Second))
		kind, retryAfter := pick(rng, "refused", "reset", "503", "500", "502", "403", "hang", "HTML", "429"), ""
		if rng.IntN(10) == 0 { // which takes a probe in 5 minutes only
			length = time.Duration(1+rng.IntN(30*24)) * time.Hour
			kind, retryAfter = pick(rng, "503", "500", "429"), "300"
		}
		line.on.Store(kind == "refused")
		s.fake.Intercept(outage(kind, retryAfter))
		begun := time.Now()
		sends := 1 + rng.IntN(30)
		for range sends {
			s.post()
			time.Sleep(length / time.Duration(sends))
		}
		asked := len(s.fake.Requests()) + int(line.refused.Load())
		require.True(t, asked > 0 || kind == "hang", "%s for %s: nothing was asked", kind, length)
		require.LessOrEqual(t, float64(asked), 12*time.Since(begun).Minutes()+12, "%s for %s", kind, length)
		require.Empty(t, s.fake.Events())

		line.on.Store(false)
		s.fake.Intercept(nil)
		back := time.Now()
		within := 5 * time.Second
		switch {
		case retryAfter != "":
			within = 5*time.Minute + 5*time.Second
		case kind == "429": // a pause of 30 seconds, as Amplitude asks for
			within = 35 * time.Second
		case kind == "hang": // the probe that hangs has to time out
			within = 40 * time.Second
		}
		for len(s.fake.Events()) == 0 && len(s.letters.List()) < sends && time.Since(back) < time.Hour {
			time.Sleep(10 * time.Millisecond)
		}
		require.LessOrEqual(t, time.Since(back), within, "%s for %s", kind, length)
		v := s.settle(t)
		ambiguous := kind != "refused" && kind != "503" && kind != "403" && kind != "429"
		if !ambiguous || length < 6*24*time.Hour {
			require.Zero(t, v.dead, "%s for %s: %v", kind, length, s.letters.Reasons())
		}
		require.Equal(t, v.dead, s.letters.Reasons()[iteramp.ReasonDedupWindow])
	})
}

// refusing is a network on which nobody listens, while that is on.
type refusing struct {
	on      atomic.Bool
	refused atomic.Int64
	to      http.RoundTripper
}

func (r *refusing) over(to http.RoundTripper) http.RoundTripper {
	r.to = to
	return r
}

func (r *refusing) RoundTrip(req *http.Request) (*http.Response, error) {
	if !r.on.Load() {
		return r.to.RoundTrip(req)
	}
	r.refused.Add(1)
	if trace := httptrace.ContextClientTrace(req.Context()); trace != nil && trace.GetConn != nil {
		trace.GetConn(req.URL.Host)
	}
	req.Body.Close()
	return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
}

// outage answers for an Amplitude that is away.
func outage(kind, retryAfter string) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool {
		if retryAfter != "" {
			w.Header().Set("Retry-After", retryAfter)
		}
		switch kind {
		case "reset":
			panic(http.ErrAbortHandler)
		case "hang":
			<-r.Context().Done()
			panic(http.ErrAbortHandler)
		case "HTML":
			w.Header().Set("Content-Type", "text/html")
			fmt.Fprint(w, "<html><body>Sign in to the guest network</body></html>")
		case "403":
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprint(w, "<html>403</html>")
		default:
			status := 0
			fmt.Sscan(kind, &status)
			w.WriteHeader(status)
		}
		return true
	}
}

// Amplitude answers 429 to everything, and says of Retry-After anything.
func TestF09(t *testing.T) {
	eachInBubble(t, "F09", "429 with any Retry-After", counts{200, 2_000, 10_000}, func(t *testing.T, rng *rand.Rand) {
		s := newSite(t)
		value := pick(rng, "", "0", "1", "30", "86400", "99999999", "-1", "1e9", "soon", "past", "future", "two", "\x00")
		body := pick(rng, "", "<html>slow down</html>", `{"code":429}`, `{"error":"Too many requests for some devices and users","eps_threshold":30}`, "null", "[]")
		s.fake.Intercept(func(w http.ResponseWriter, _ *http.Request) bool {
			switch value {
			case "":
			case "past":
				w.Header().Set("Retry-After", time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat))
			case "future":
				w.Header().Set("Retry-After", time.Now().AddDate(10, 0, 0).UTC().Format(http.TimeFormat))
			case "two":
				w.Header()["Retry-After"] = []string{"1", "100"}
			default:
				w.Header().Set("Retry-After", value)
			}
			w.WriteHeader(http.StatusTooManyRequests)
			fmt.Fprint(w, body)
			return true
		})
		begun := time.Now()
		for range 1 + rng.IntN(20) {
			s.post()
			time.Sleep(time.Duration(rng.IntN(60)) * time.Second)
		}
		require.LessOrEqual(t, float64(len(s.fake.Requests())), 12*time.Since(begun).Minutes()+12, "Retry-After %q", value)
		s.fake.Intercept(nil)
		back := time.Now()
		for len(s.fake.Events()) == 0 && time.Since(back) < time.Hour {
			time.Sleep(10 * time.Millisecond)
		}
		require.LessOrEqual(t, time.Since(back), 5*time.Minute+5*time.Second, "Retry-After %q", value)
		v := s.settle(t)
		require.Equal(t, v.owed, v.delivered)
	})
}

// Some users are throttled, some have used up their quota. The others do not
// notice.
func TestF10(t *testing.T) {
	var again atomic.Int64
	// 100 at the first tier would take two minutes.
	eachInBubble(t, "F10", "users throttled and over quota", counts{40, 1_000, 5_000}, func(t *testing.T, rng *rand.Rand) {
		s := newSite(t)
		slow, spent := make(map[string]bool), make(map[string]bool)
		for u := range users {
			switch {
			case rng.IntN(100) < 1+rng.IntN(50):
				slow[user(u)] = true
				s.fake.Throttle(user(u))
			case rng.IntN(10) == 0:
				spent[user(u)] = true
				s.fake.ExhaustQuota(user(u))
			}
		}
		var mu sync.Mutex
		asked := make(map[string]int)
		s.fake.Intercept(func(_ http.ResponseWriter, r *http.Request) bool {
			seen := make(map[string]bool)
			for _, e := range sentIn(r) {
				if slow[e.UserID] && !seen[e.UserID] {
					seen[e.UserID] = true
					mu.Lock()
					asked[e.UserID]++
					mu.Unlock()
				}
			}
			return false
		})
		s.queue.Slow = time.Millisecond // so that webhooks share frames
		begun := time.Now()
		for range 100 {
			s.postTogether(1 + rng.IntN(6))
			time.Sleep(time.Duration(rng.IntN(800)) * time.Millisecond)
		}
		time.Sleep(3 * time.Second)
		minutes := time.Since(begun).Minutes()
		at := s.arrived()
		for n, posted := range s.answered {
			if slow[user(n)] || spent[user(n)] {
				continue
			}
			require.NotZero(t, at[n], "%s is neither throttled nor over quota", user(n))
			require.LessOrEqual(t, at[n].Sub(posted), 2*time.Second, "%s", user(n))
		}
		mu.Lock()
		for u, n := range asked {
			// Once more for each time that it shared a request with others.
			require.LessOrEqual(t, float64(n), 2*minutes+3, "%s was sent too often", u)
		}
		mu.Unlock()
		for u := range spent {
			require.NotContains(t, slow, u)
		}
		// What is a letter stays one, though its frame comes again for another's sake
		// and Amplitude would take it now.
		s.stop()
		for n := range users {
			s.fake.Release(user(n))
		}
		given := s.letters.Reasons()["quota"]
		again.Add(int64(min(given, s.queue.Waiting())))
		s.restart(t)
		v := s.settle(t)
		require.GreaterOrEqual(t, s.letters.Reasons()["quota"], given)
		s.inOrder(t)
		require.Equal(t, v.dead, s.letters.Reasons()["quota"]+s.letters.Reasons()["throttled"])
	})
	if *tier != "" && *times == 0 {
		require.Positive(t, again.Load(), "no frame with a letter came again")
	}
}

// Each answer that Amplitude or what stands before it can give.
func TestF11(t *testing.T) {
	var shapes sync.Map
	// 5,000 at the first tier would take minutes, and 100,000 at the second a quarter of
	// its hour.
	eachInBubble(t, "F11", "answers of every shape", counts{1_000, 50_000, 1_000_000}, func(t *testing.T, rng *rand.Rand) {
		s := newSite(t)
		odd := 1 + rng.IntN(8)
		var answered atomic.Int64
		var lock sync.Mutex
		s.fake.Intercept(func(w http.ResponseWriter, r *http.Request) bool {
			if answered.Add(1) > int64(odd) {
				return false
			}
			lock.Lock()
			a := randomAnswer(rng, len(sentIn(r)))
			lock.Unlock()
			shapes.Store(a.status, true)
			a.write(w)
			return true
		})
		count := 1 + rng.IntN(40)
		for range count {
			s.post()
		}
		time.Sleep(10 * time.Minute)
		v := s.settle(t)
		require.LessOrEqual(t, len(s.fake.Requests()), odd+4*count+8, "requests for %d events and %d odd answers", count, odd)
		require.Equal(t, v.owed, v.delivered+v.dead)
	})
	if *tier != "" && *times == 0 {
		_, partial := shapes.Load(400)
		_, keyed := shapes.Load(429)
		require.True(t, partial && keyed, "no 400 or 429 was answered")
	}
}

// answer is what a server says.
type answer struct {
	status int
	header map[string]string
	body   string
	abort  bool // in the middle
}

func (a answer) write(w http.ResponseWriter) {
	for k, v := range a.header {
		w.Header().Set(k, v)
	}
	w.WriteHeader(a.status)
	_, _ = io.WriteString(w, a.body)
	if a.abort {
		panic(http.ErrAbortHandler)
	}
}

// randomAnswer is any answer but one that says that n events were taken, or more.
func randomAnswer(rng *rand.Rand, n int) answer {
	a := answer{status: pick(rng, 200, 200, 200, 201, 204, 301, 302, 307, 400, 400, 400, 400, 401, 403, 404, 408, 409, 413, 413, 418, 429, 429, 429, 429, 451, 500, 501, 502, 503, 504, 520, 599), header: map[string]string{}}
	if rng.IntN(4) == 0 {
		a.header["Content-Type"] = pick(rng, "text/html", "application/json; charset=utf-16", "text/plain", "image/png", "\x00")
	}
	if rng.IntN(6) == 0 {
		a.header["Retry-After"] = pick(rng, "0", "1", "60", "-5", "never", "1e30")
	}
	if a.status/100 == 3 {
		a.header["Location"] = "https://stranger.example/"
	}
	if a.status == 204 {
		return a
	}
	switch rng.IntN(14) {
	case 0:
	case 1:
		a.body = pick(rng, "null", "[]", "{}", "0", `"ok"`, "true", "{", "[[[[", "\xff\xfe{}", "\ufeff{}", "{}{}")
	case 2:
		a.body = "<html><head><title>502 Bad Gateway</title></head></html>"
	case 3:
		a.body = `{"code":` + pick(rng, "200", "400", "-1", "1e400", `"200"`, "null") + `,"events_ingested":` + pick(rng, "-1", fmt.Sprint(n-1), "null", `"1"`, "1e99") + `}`
	case 4:
		a.body = string(bytes.Repeat([]byte(`{"a":`), 1+rng.IntN(20_000)))
	case 5:
		a.body = `{"code":400,"error":"` + string(bytes.Repeat([]byte("e"), 1+rng.IntN(100_000))) + `"}`
	case 6:
		a.abort, a.body = true, `{"code":200,"events_`
	default:
		a.body = namesOf(rng, n)
	}
	return a
}

// namesOf is a refusal that names events and users, rightly or not.
func namesOf(rng *rand.Rand, n int) string {
	index := func() any {
		switch rng.IntN(8) {
		case 0:
			return -1 - rng.IntN(5)
		case 1:
			return n + rng.IntN(5)
		case 2:
			return json.Number("99999999999999999999")
		case 3:
			return "0"
		case 4:
			return nil
		}
		return rng.IntN(max(n, 1))
	}
	list := func() (l []any) {
		for range rng.IntN(5) {
			l = append(l, index())
		}
		return l
	}
	names := func() map[string]any {
		m := make(map[string]any)
		for range rng.IntN(4) {
			m[pick(rng, user(rng.IntN(users)), "nobody", "")] = pick[any](rng, 31, -1, "31", nil, 1e300)
		}
		return m
	}
	answer := map[string]any{"code": pick[any](rng, 400, 429, "400", nil), "error": pick[any](rng, "Invalid field values on some events", "Request missing required field", "missing_event", 7, nil)}
	for _, key := range []string{"events_with_invalid_fields", "events_with_missing_fields", "events_with_invalid_id_lengths"} {
		switch rng.IntN(6) {
		case 0:
			answer[key] = map[string]any{pick(rng, "time", "event_type", "user_id"): list()}
		case 1:
			answer[key] = list()
		}
	}
	for _, key := range []string{"silenced_events", "throttled_events"} {
		if rng.IntN(4) == 0 {
			answer[key] = list()
		}
	}
	for _, key := range []string{"throttled_users", "throttled_devices", "exceeded_daily_quota_users", "exceeded_daily_quota_devices"} {
		if rng.IntN(5) == 0 {
			answer[key] = names()
		}
	}
	if rng.IntN(10) == 0 {
		answer["missing_field"] = pick[any](rng, "api_key", "event_type", nil, 3)
	}
	b, _ := json.Marshal(answer)
	if rng.IntN(12) == 0 {
		b = b[:rng.IntN(len(b))]
	}
	return string(b)
}

// The order of each user is kept, whatever becomes of the requests.
func TestF12(t *testing.T) {
	eachInBubble(t, "F12", "order under random answers", counts{20, 300, 1_000}, func(t *testing.T, rng *rand.Rand) {
		s := newSite(t)
		var lock sync.Mutex
		var kinds [5]int
		s.fake.Intercept(func(w http.ResponseWriter, _ *http.Request) bool {
			lock.Lock()
			kind := rng.IntN(5)
			u, pause := user(rng.IntN(users)), time.Duration(rng.IntN(40))*time.Second
			kinds[kind]++
			lock.Unlock()
			switch kind {
			case 0:
				w.WriteHeader(500)
				return true
			case 1:
				panic(http.ErrAbortHandler)
			case 2:
				s.fake.Throttle(u)
				time.AfterFunc(pause, func() { s.fake.Release(u) })
			case 3:
				w.WriteHeader(http.StatusRequestEntityTooLarge)
				return true
			}
			return false
		})
		for range 40 {
			var wg sync.WaitGroup
			for range users {
				wg.Go(func() { s.post() })
			}
			wg.Wait()
			time.Sleep(time.Duration(rng.IntN(1000)) * time.Millisecond)
		}
		time.Sleep(time.Minute)
		s.settle(t)
		s.inOrder(t)
		lock.Lock()
		defer lock.Unlock()
		require.NotContains(t, kinds, 0, "a kind of answer was not given")
	})
}

// What was refused is sent again once it can be taken: twice, while the store fails
// in between.
func TestF15(t *testing.T) {
	eachInBubble(t, "F15", "dead letters that are replayed", counts{20, 200, 1_000}, func(t *testing.T, rng *rand.Rand) {
		s := newSite(t)
		unnamed := rng.IntN(2) == 0 // Amplitude does not say which event it is that spoils the request
		s.fake.Intercept(func(w http.ResponseWriter, r *http.Request) bool {
			var bad []int
			for i, e := range sentIn(r) {
				if number(e.Properties.MessageID)%3 == 0 {
					bad = append(bad, i)
				}
			}
			if len(bad) == 0 {
				return false
			}
			w.WriteHeader(http.StatusBadRequest)
			answer := map[string]any{"code": 400, "error": "Invalid event"}
			if !unnamed {
				answer["events_with_invalid_fields"] = map[string][]int{"time": bad}
			}
			_ = json.NewEncoder(w).Encode(answer)
			return true
		})
		count := 30 + rng.IntN(300)
		for range count {
			s.post()
		}
		time.Sleep(10 * time.Minute) // a search has to be made for those without a name
		letters := s.letters.List()
		require.NotEmpty(t, letters)
		require.Len(t, letters, count/3)
		for _, l := range letters {
			require.Equal(t, 400, l.Status)
			require.Positive(t, l.Attempts)
			if !unnamed {
				require.Equal(t, 1, l.Attempts, "named at the first attempt")
			}
			require.False(t, l.First.After(l.Last))
		}
		require.Error(t, s.relay.Replay(t.Context(), letters[0]), "it is refused still")
		require.Len(t, s.letters.List(), count/3)

		s.fake.Intercept(nil)
		if rng.IntN(2) == 0 {
			s.restart(t)
		}
		for i, l := range letters {
			full := rng.IntN(4) == 0
			if full {
				s.letters.Fail(fmt.Errorf("the disk is full"))
			}
			if rng.IntN(5) == 0 {
				s.fake.LoseNext(pick(rng, 0, 502))
			}
			err := s.relay.Replay(t.Context(), l)
			s.letters.Fail(nil)
			if full {
				require.Error(t, err, "letter %d", i)
				require.NoError(t, s.relay.Replay(t.Context(), l))
			}
			if rng.IntN(3) == 0 {
				require.NoError(t, s.relay.Replay(t.Context(), l), "twice")
			}
			_ = err
		}
		for _, l := range s.letters.List() { // whose answer was lost
			require.NoError(t, s.relay.Replay(t.Context(), l))
		}
		v := s.settle(t)
		require.Zero(t, v.dead)
		require.Equal(t, v.owed, v.delivered)
	})
}

// A process took frames and died. Within Amplitude's seven days they are sent
// again, after them they are letters.
func TestF20(t *testing.T) {
	eachInBubble(t, "F20", "time passes between two attempts", counts{200, 2_000, 10_000}, func(t *testing.T, rng *rand.Rand) {
		s := newSite(t)
		s.stop()
		s.make(t)
		old := 1 + rng.IntN(20)
		for range old {
			s.post()
		}
		dead := rng.IntN(2) == 0
		if dead {
			for range s.queue.Waiting() {
				_, err := s.queue.Take(t.Context(), "default")
				require.NoError(t, err)
			}
		}
		wait := pick(rng, time.Duration(rng.IntN(14*24))*time.Hour, 6*24*time.Hour+12*time.Hour+time.Duration(rng.IntN(20)-10)*time.Minute)
		time.Sleep(wait)
		s.run(t)
		v := s.settle(t)
		switch {
		case dead && wait > 6*24*time.Hour+12*time.Hour:
			require.Equal(t, old, s.letters.Reasons()[iteramp.ReasonDedupWindow])
		case !dead || wait < 6*24*time.Hour+12*time.Hour-time.Minute:
			require.Zero(t, v.dead, "after %s", wait)
		}
	})
}
