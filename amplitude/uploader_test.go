package amplitude_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iteramp/iteramp/amplitude"
	"github.com/iteramp/iteramp/amplitude/amplitudetest"
)

// results collects what an Uploader says of each event.
type results struct {
	mu   sync.Mutex
	list []amplitude.Result
}

func (r *results) add(res amplitude.Result) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.list = append(r.list, res)
}

// byReason counts, and checks that no event is told of twice.
func (r *results) byReason(t *testing.T) map[amplitude.Reason]int {
	r.mu.Lock()
	defer r.mu.Unlock()
	got := make(map[amplitude.Reason]int)
	seen := make(map[string]bool)
	for _, res := range r.list {
		require.False(t, seen[res.Event.InsertID], "told of twice")
		require.Equal(t, res.Reason == "", res.Err == nil)
		seen[res.Event.InsertID] = true
		got[res.Reason]++
	}
	return got
}

func newUploader(t *testing.T, fake *amplitudetest.Fake, cfg amplitude.UploaderConfig) (*amplitude.Uploader, *results) {
	res := new(results)
	cfg.OnResult = res.add
	up, err := amplitude.NewUploader(newClient(t, fake), cfg)
	require.NoError(t, err)
	return up, res
}

func TestUploaderSendsAfterTheDelay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var fake amplitudetest.Fake
		up, res := newUploader(t, &fake, amplitude.UploaderConfig{})
		require.NoError(t, up.Add(t.Context(), amplitude.Event{UserID: "user-1", EventType: "x"}))
		added := time.Now()
		time.Sleep(999 * time.Millisecond)
		require.NoError(t, up.Add(t.Context(), amplitude.Event{UserID: "user-1", EventType: "y"}))
		synctest.Wait()
		require.Empty(t, fake.Events())
		time.Sleep(time.Millisecond)
		synctest.Wait()
		got := fake.Events()
		require.Len(t, got, 2)
		require.NotEmpty(t, got[0].InsertID)
		require.True(t, got[0].Time.Equal(added), "an empty Time is filled in by Add")
		require.Equal(t, map[amplitude.Reason]int{"": 2}, res.byReason(t))
		require.NoError(t, up.Close(t.Context()))
	})
}

func TestUploaderSendsAFullBatchAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var fake amplitudetest.Fake
		up, _ := newUploader(t, &fake, amplitude.UploaderConfig{MaxDelay: time.Hour})
		for i := range 1000 {
			require.NoError(t, up.Add(t.Context(), amplitude.Event{UserID: "user-1", EventType: "x", EventProperties: map[string]any{"n": i}}))
		}
		synctest.Wait()
		require.Equal(t, upTo(1000), order(&fake))
		require.Len(t, fake.Requests(), 1)
		require.NoError(t, up.Close(t.Context()))
	})
}

func TestUploaderFlushWaitsForWhatWasAdded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var fake amplitudetest.Fake
		up, _ := newUploader(t, &fake, amplitude.UploaderConfig{MaxDelay: time.Hour})
		for _, e := range numbered(50) {
			require.NoError(t, up.Add(t.Context(), e))
		}
		require.NoError(t, up.Flush(t.Context()))
		require.Len(t, fake.Events(), 50)
		require.NoError(t, up.Flush(t.Context()), "nothing to wait for")
		fake.Throttle("user-1")
		require.NoError(t, up.Add(t.Context(), amplitude.Event{UserID: "user-1", EventType: "x"}))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, up.Flush(ctx), context.DeadlineExceeded)
		fake.Release("user-1")
		require.NoError(t, up.Flush(t.Context()))
		require.NoError(t, up.Close(t.Context()))
	})
}

func TestUploaderIsFullAndSaysSo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var fake amplitudetest.Fake
		up, res := newUploader(t, &fake, amplitude.UploaderConfig{MaxEvents: 5, MaxDelay: time.Minute})
		events := numbered(7)
		for _, e := range events[:5] {
			require.NoError(t, up.TryAdd(e))
		}
		require.ErrorIs(t, up.TryAdd(events[5]), amplitude.ErrFull)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, up.Add(ctx, events[5]), context.DeadlineExceeded)
		start := time.Now()
		require.NoError(t, up.Add(t.Context(), events[5]), "waits for room")
		require.Equal(t, 59*time.Second, time.Since(start))
		require.NoError(t, up.Close(t.Context()))
		require.Equal(t, map[amplitude.Reason]int{"": 6}, res.byReason(t))
		require.ErrorIs(t, up.TryAdd(events[6]), amplitude.ErrClosed)
		require.ErrorIs(t, up.Add(t.Context(), events[6]), amplitude.ErrClosed)
		require.NoError(t, up.Close(t.Context()), "closing twice is safe")
	})
}

func TestUploaderRefusesWhatCannotBeSent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var fake amplitudetest.Fake
		up, res := newUploader(t, &fake, amplitude.UploaderConfig{MaxEvents: 1})
		for range 3 { // no slot is lost by it
			require.ErrorContains(t, up.Add(t.Context(), amplitude.Event{UserID: "user-1"}), "event_type is missing")
			require.ErrorContains(t, up.Add(t.Context(), amplitude.Event{UserID: "user-1", EventType: "x", EventProperties: 1}), "event_properties")
		}
		require.NoError(t, up.Add(t.Context(), amplitude.Event{UserID: "user-1", EventType: "x"}))
		require.NoError(t, up.Close(t.Context()))
		require.Equal(t, map[amplitude.Reason]int{"": 1}, res.byReason(t))
	})
}

func TestUploaderOutlastsAnOutagePolitely(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]func(w http.ResponseWriter, r *http.Request){
		"503":                 func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) },
		"403":                 func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(403) },
		"401":                 func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(401) },
		"200 of a login page": func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<html>") },
		"302":                 func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(302) },
		"broken connections":  func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var fake amplitudetest.Fake
				fake.Intercept(func(w http.ResponseWriter, r *http.Request) bool { answer(w, r); return true })
				up, res := newUploader(t, &fake, amplitude.UploaderConfig{})
				for _, e := range numbered(40) {
					require.NoError(t, up.Add(t.Context(), e))
				}
				time.Sleep(time.Minute)
				synctest.Wait()
				first := len(fake.Requests())
				require.LessOrEqual(t, first, 12+10+4, "a probe every 5 seconds, the retry budget, and those under way")
				time.Sleep(time.Hour)
				synctest.Wait()
				require.LessOrEqual(t, len(fake.Requests())-first, 12*60)
				require.GreaterOrEqual(t, len(fake.Requests())-first, 700)
				require.Empty(t, res.byReason(t))

				fake.Intercept(nil)
				start := time.Now()
				for len(fake.Events()) == 0 {
					time.Sleep(time.Millisecond)
				}
				require.LessOrEqual(t, time.Since(start), 5*time.Second)
				require.NoError(t, up.Close(t.Context()))
				require.Equal(t, map[amplitude.Reason]int{"": 40}, res.byReason(t))
				require.Len(t, fake.Events(), 40)
			})
		})
	}
}

func TestUploaderObeysA429(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var fake amplitudetest.Fake
		fake.Intercept(func(w http.ResponseWriter, _ *http.Request) bool { w.WriteHeader(429); return true })
		up, _ := newUploader(t, &fake, amplitude.UploaderConfig{})
		for _, e := range numbered(100) {
			require.NoError(t, up.Add(t.Context(), e))
		}
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		require.LessOrEqual(t, len(fake.Requests()), 20+12)
		fake.Intercept(nil)
		require.NoError(t, up.Close(t.Context()))
		require.Len(t, fake.Events(), 100)
	})
}

func TestUploaderKeepsAThrottledUserApart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var fake amplitudetest.Fake
		fake.Throttle("busy-user")
		up, res := newUploader(t, &fake, amplitude.UploaderConfig{})
		others := 0
		var busy int
		for i := range 600 { // a minute
			e := amplitude.Event{UserID: fmt.Sprintf("user-%d", i%7), EventType: "x", EventProperties: map[string]any{"n": i}}
			if i%10 == 0 {
				e.UserID = "busy-user"
				busy++
			} else {
				others++
			}
			require.NoError(t, up.Add(t.Context(), e))
			time.Sleep(100 * time.Millisecond)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		require.Len(t, fake.Events(), others, "within 2 seconds all others are delivered")
		refused := 0
		for _, r := range fake.Requests() {
			if r.Status == 429 {
				refused++
			}
		}
		require.LessOrEqual(t, refused, 4, "two requests a minute for a throttled user")

		fake.Release("busy-user")
		require.NoError(t, up.Close(t.Context()))
		require.Equal(t, map[amplitude.Reason]int{"": 600}, res.byReason(t))
		var got []int
		for _, e := range fake.Events() {
			if e.UserID == "busy-user" {
				got = append(got, int(e.EventProperties["n"].(float64)))
			}
		}
		require.Len(t, got, busy)
		require.True(t, slices.IsSorted(got))
	})
}

func TestUploaderBoundsAThrottledUser(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var fake amplitudetest.Fake
		fake.Throttle("busy-user")
		up, res := newUploader(t, &fake, amplitude.UploaderConfig{MaxEvents: 40, MaxDelay: 10 * time.Millisecond})
		for range 100 {
			require.NoError(t, up.Add(t.Context(), amplitude.Event{UserID: "busy-user", EventType: "x"}))
			time.Sleep(20 * time.Millisecond)
		}
		synctest.Wait()
		require.Equal(t, map[amplitude.Reason]int{amplitude.ReasonThrottled: 90}, res.byReason(t))
		fake.Release("busy-user")
		require.NoError(t, up.Close(t.Context()))
		require.Len(t, fake.Events(), 10)
	})
}

func TestUploaderCloseHandsBackWhatIsLeft(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var fake amplitudetest.Fake
		fake.Throttle("user-7")
		up, res := newUploader(t, &fake, amplitude.UploaderConfig{})
		events := numbered(20)
		for _, e := range events[:10] {
			require.NoError(t, up.Add(t.Context(), e))
		}
		time.Sleep(2 * time.Second)
		hang := make(chan struct{})
		fake.Intercept(func(_ http.ResponseWriter, r *http.Request) bool { <-r.Context().Done(); close(hang); return true })
		require.NoError(t, up.Add(t.Context(), events[10]))
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		start := time.Now()
		require.ErrorIs(t, up.Close(ctx), context.DeadlineExceeded)
		require.Equal(t, 3*time.Second, time.Since(start))
		<-hang
		require.Equal(t, map[amplitude.Reason]int{"": 9, amplitude.ReasonThrottled: 1, amplitude.ReasonAmbiguous: 1}, res.byReason(t))
	})
}

func TestUploaderDeliversWhatACloseDuringAFailureFinds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var fake amplitudetest.Fake
		up, res := newUploader(t, &fake, amplitude.UploaderConfig{})
		for _, e := range numbered(1000) {
			require.NoError(t, up.Add(t.Context(), e))
		}
		fake.FailNext(503, 503, 503, 503)
		require.NoError(t, up.Close(t.Context()))
		require.Len(t, fake.Events(), 1000)
		require.Equal(t, map[amplitude.Reason]int{"": 1000}, res.byReason(t))
	})
}

func TestUploaderGivesUpWhatIsNobodyElsesFault(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var fake amplitudetest.Fake
		fake.ExhaustQuota("user-3")
		fake.Drop(func(e amplitudetest.Event) bool { return e.UserID == "user-5" })
		up, res := newUploader(t, &fake, amplitude.UploaderConfig{Batch: true})
		for _, e := range numbered(100) {
			require.NoError(t, up.Add(t.Context(), e))
		}
		require.NoError(t, up.Close(t.Context()))
		require.Equal(t, map[amplitude.Reason]int{"": 98, amplitude.ReasonQuota: 1, amplitude.ReasonInvalid: 1}, res.byReason(t))
	})
}

// Sent again after Amplitude's window an event that may be stored would count
// twice.
func TestUploaderNeverRepeatsPastTheDedupWindow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var fake amplitudetest.Fake
		up, res := newUploader(t, &fake, amplitude.UploaderConfig{})
		fake.LoseNext(502)
		var asked atomic.Int64
		fake.Intercept(func(w http.ResponseWriter, _ *http.Request) bool {
			if asked.Add(1) == 1 {
				return false
			}
			w.Header().Set("Retry-After", "300")
			w.WriteHeader(503)
			return true
		})
		require.NoError(t, up.Add(t.Context(), numbered(1)[0]))
		time.Sleep(7 * 24 * time.Hour)
		synctest.Wait()
		require.Equal(t, map[amplitude.Reason]int{amplitude.ReasonAmbiguous: 1}, res.byReason(t))
		requests := len(fake.Requests())
		time.Sleep(time.Hour)
		require.Len(t, fake.Requests(), requests)
		require.NoError(t, up.Close(t.Context()))
	})
}

// Promise A8: per user, events arrive in the order they were added, whatever the
// answers.
func TestUploaderKeepsOrderUnderRandomAnswers(t *testing.T) {
	t.Parallel()
	seeds := uint64(20)
	if testing.Short() {
		seeds = 4
	}
	for seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				const users, each = 50, 40
				rng := &lockedRand{r: rand.New(rand.NewPCG(seed, 3))}
				var fake amplitudetest.Fake
				fake.Intercept(func(w http.ResponseWriter, r *http.Request) bool {
					body, _ := io.ReadAll(r.Body)
					if bytes.Count(body, []byte(`"event_type"`)) < 2 || rng.IntN(3) > 0 {
						return false
					}
					w.WriteHeader(http.StatusRequestEntityTooLarge) // of several events, which are then halved
					return true
				})
				res := new(results)
				client := newClient(t, &fake, func(cfg *amplitude.Config) { cfg.DisableCompression = true })
				up, err := amplitude.NewUploader(client, amplitude.UploaderConfig{MaxDelay: 50 * time.Millisecond, OnResult: res.add})
				require.NoError(t, err)
				for n := range each {
					for range 3 {
						fake.FailNext([]int{200, 200, 200, 429, 500, 503, 0}[rng.IntN(7)])
					}
					throttled := fmt.Sprintf("user-%d", rng.IntN(users))
					fake.Throttle(throttled)
					time.AfterFunc(time.Duration(rng.IntN(90))*time.Second, func() { fake.Release(throttled) })
					for u := range users {
						require.NoError(t, up.Add(t.Context(), amplitude.Event{
							UserID: fmt.Sprintf("user-%d", u), EventType: "x", EventProperties: map[string]any{"n": n},
						}))
					}
					time.Sleep(time.Duration(rng.IntN(10)) * time.Second)
				}
				require.NoError(t, up.Close(t.Context()))
				require.Equal(t, map[amplitude.Reason]int{"": users * each}, res.byReason(t))
				next := make(map[string]int)
				for _, e := range fake.Events() {
					require.Equal(t, next[e.UserID], int(e.EventProperties["n"].(float64)), "order of %s", e.UserID)
					next[e.UserID]++
				}
				told := make(map[string]int)
				for _, r := range res.list {
					require.Equal(t, told[r.Event.UserID], r.Event.EventProperties.(map[string]any)["n"])
					told[r.Event.UserID]++
				}
			})
		})
	}
}

func TestUploaderCountsEveryEventWhileManyAddAndClose(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var fake amplitudetest.Fake
		up, res := newUploader(t, &fake, amplitude.UploaderConfig{MaxEvents: 100})
		var wg sync.WaitGroup
		var mu sync.Mutex
		taken := 0
		for g := range 20 {
			wg.Go(func() {
				for i := range 100 {
					err := up.Add(t.Context(), amplitude.Event{UserID: fmt.Sprintf("user-%d", g), EventType: "x", EventProperties: map[string]any{"n": i}})
					if errors.Is(err, amplitude.ErrClosed) {
						return
					}
					require.NoError(t, err)
					mu.Lock()
					taken++
					mu.Unlock()
				}
			})
		}
		time.Sleep(3 * time.Second)
		for range 3 {
			wg.Go(func() { require.NoError(t, up.Close(context.Background())) })
		}
		wg.Wait()
		require.Equal(t, taken, res.byReason(t)[""])
		require.Len(t, fake.Events(), taken)
	})
}

// lockedRand is for the test and the fake at once.
type lockedRand struct {
	mu sync.Mutex
	r  *rand.Rand
}

func (l *lockedRand) IntN(n int) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.r.IntN(n)
}

func TestUploaderKeepsOrderWhenAHalfIsThrottled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var fake amplitudetest.Fake
		fake.Throttle("user-a")
		time.AfterFunc(10*time.Second, func() { fake.Release("user-a") })
		fake.FailNext(413)
		up, res := newUploader(t, &fake, amplitude.UploaderConfig{})
		for i := range 4 {
			require.NoError(t, up.Add(t.Context(), amplitude.Event{UserID: "user-a", EventType: "x", EventProperties: map[string]any{"n": i}}))
		}
		require.NoError(t, up.Close(t.Context()))
		require.Equal(t, upTo(4), order(&fake))
		require.Equal(t, map[amplitude.Reason]int{"": 4}, res.byReason(t))
	})
}

func TestUploaderIsPoliteToWhoRefusesEachEvent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var fake amplitudetest.Fake
		fake.Intercept(func(w http.ResponseWriter, _ *http.Request) bool {
			w.WriteHeader(400)
			io.WriteString(w, `{"code":400,"error":"Request blocked by policy"}`)
			return true
		})
		up, res := newUploader(t, &fake, amplitude.UploaderConfig{})
		for _, e := range numbered(200) {
			require.NoError(t, up.Add(t.Context(), e))
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		before := len(fake.Requests())
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		require.LessOrEqual(t, len(fake.Requests())-before, 120)
		fake.Intercept(nil)
		require.NoError(t, up.Close(t.Context()))
		require.Equal(t, map[amplitude.Reason]int{"": 200}, res.byReason(t))
	})
}

func TestUploaderSurvivesAPanickingMarshaler(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var fake amplitudetest.Fake
		up, _ := newUploader(t, &fake, amplitude.UploaderConfig{MaxEvents: 2})
		for range 5 {
			require.Panics(t, func() {
				_ = up.TryAdd(amplitude.Event{UserID: "user-1", EventType: "x", EventProperties: panicking{}})
			})
		}
		require.NoError(t, up.TryAdd(numbered(1)[0]))
		require.NoError(t, up.Close(t.Context()))
		require.Len(t, fake.Events(), 1)
	})
}

type panicking struct{}

func (panicking) MarshalJSON() ([]byte, error) { panic("boom") }

// What Add took is told of, whenever Close comes and however little time it has.
func TestUploaderTellsOfEachEventItTook(t *testing.T) {
	t.Parallel()
	for range 50 {
		var fake amplitudetest.Fake
		up, res := newUploader(t, &fake, amplitude.UploaderConfig{MaxDelay: time.Hour})
		var wg sync.WaitGroup
		var taken atomic.Int64
		for g := range 4 {
			wg.Go(func() {
				for i := 0; ; i++ {
					err := up.Add(t.Context(), amplitude.Event{UserID: fmt.Sprintf("user-%d", g), EventType: "x", InsertID: fmt.Sprint(g, " ", i)})
					if err != nil {
						require.ErrorIs(t, err, amplitude.ErrClosed)
						return
					}
					taken.Add(1)
				}
			})
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_ = up.Close(ctx)
		wg.Wait()
		told := 0
		for _, n := range res.byReason(t) {
			told += n
		}
		require.EqualValues(t, taken.Load(), told)
	}
}

func TestUploaderServesOthersWhileALaneDrains(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var fake amplitudetest.Fake
		fake.HTTPV2.EventsPerSecond = -1
		fake.Intercept(func(_ http.ResponseWriter, r *http.Request) bool {
			select {
			case <-time.After(500 * time.Millisecond):
			case <-r.Context().Done():
			}
			return false
		})
		fake.Throttle("busy-user")
		var mu sync.Mutex
		var worst time.Duration
		up, err := amplitude.NewUploader(newClient(t, &fake), amplitude.UploaderConfig{MaxEvents: 40_000, OnResult: func(r amplitude.Result) {
			if r.Event.UserID != "busy-user" {
				mu.Lock()
				defer mu.Unlock()
				worst = max(worst, time.Since(r.Event.Time))
			}
		}})
		require.NoError(t, err)
		for range 4000 {
			require.NoError(t, up.Add(t.Context(), amplitude.Event{UserID: "busy-user", EventType: "x"}))
		}
		time.Sleep(10 * time.Second)
		fake.Release("busy-user")
		for range 40 {
			time.Sleep(time.Second)
			for _, e := range numbered(8) { // some of them of the busy user's shard
				e.InsertID = ""
				require.NoError(t, up.Add(t.Context(), e))
			}
		}
		require.NoError(t, up.Close(t.Context()))
		require.LessOrEqual(t, worst, 3*time.Second)
	})
}

func TestUploaderConfigMistakesAreToldAtOnce(t *testing.T) {
	t.Parallel()
	_, err := amplitude.NewUploader(nil, amplitude.UploaderConfig{MaxEvents: -1, MaxDelay: -1, MinIDLength: -1})
	for _, want := range []string{"Client", "MaxEvents", "MaxDelay", "MinIDLength"} {
		require.ErrorContains(t, err, want)
	}
}
