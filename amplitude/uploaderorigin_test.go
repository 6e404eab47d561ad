package amplitude_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iteramp/iteramp/amplitude"
	"github.com/iteramp/iteramp/amplitude/amplitudetest"
)

// tagged collects what an Uploader says of events by their tags. Those without one
// must have come back themselves.
func tagged(t *testing.T, fake *amplitudetest.Fake, cfg amplitude.UploaderConfig) (*amplitude.Uploader, func() map[any]amplitude.Result) {
	up, res := newUploader(t, fake, cfg)
	return up, func() map[any]amplitude.Result {
		res.mu.Lock()
		defer res.mu.Unlock()
		got := make(map[any]amplitude.Result)
		for _, r := range res.list {
			if r.Tag == nil {
				require.NotEmpty(t, r.Event.UserID)
				continue
			}
			require.NotContains(t, got, r.Tag, "told of twice")
			got[r.Tag] = r
		}
		return got
	}
}

func TestUploaderHandsTheTagBackInsteadOfTheEvent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var fake amplitudetest.Fake
		fake.FailNext(503)
		up, results := tagged(t, &fake, amplitude.UploaderConfig{})
		for i, e := range numbered(10) {
			if i%2 == 0 {
				require.NoError(t, up.AddFrom(t.Context(), e, amplitude.Origin{Tag: i}))
			} else {
				require.NoError(t, up.Add(t.Context(), e))
			}
			if i == 8 {
				break
			}
		}
		require.NoError(t, up.Flush(t.Context()))
		res := closed(t, up, results)
		require.Len(t, res, 5)
		require.Len(t, fake.Events(), 9)
		for i := 0; i <= 8; i += 2 {
			require.Empty(t, res[i].Event.UserID)
			require.GreaterOrEqual(t, res[i].Attempts, 1)
		}
	})
}

// closed closes the Uploader and returns all results.
func closed(t *testing.T, up *amplitude.Uploader, results func() map[any]amplitude.Result) map[any]amplitude.Result {
	require.NoError(t, up.Close(t.Context()))
	return results()
}

// An event of a store may have been sent before, by a process that has died. The
// time for a repeat runs from then.
func TestUploaderSendsNothingBlindlyAfterTheDedupWindow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const window = 6*24*time.Hour + 12*time.Hour
		var fake amplitudetest.Fake
		up, results := tagged(t, &fake, amplitude.UploaderConfig{})
		for tag, since := range map[string]time.Time{
			"never sent":    {},
			"within":        time.Now().Add(-window + time.Minute),
			"past":          time.Now().Add(-window - time.Minute),
			"long past":     time.Now().Add(-30 * 24 * time.Hour),
			"in the future": time.Now().Add(time.Hour),
		} {
			e := amplitude.Event{UserID: "user-" + tag, EventType: "x"}
			require.NoError(t, up.AddFrom(t.Context(), e, amplitude.Origin{Tag: tag, SentSince: since}))
		}
		for tag, r := range closed(t, up, results) {
			if tag == "past" || tag == "long past" {
				require.ErrorIs(t, r.Err, amplitude.ErrDedupWindow, tag)
				require.Equal(t, amplitude.ReasonAmbiguous, r.Reason)
				require.Zero(t, r.Attempts)
			} else {
				require.NoError(t, r.Err, tag)
			}
		}
		require.Len(t, fake.Events(), 3)
	})
}

// While the gate is closed only one event is sent now and then: the others wait,
// and may be too old when it opens.
func TestUploaderForgetsNoAttemptOverALongOutage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var fake amplitudetest.Fake
		up, results := tagged(t, &fake, amplitude.UploaderConfig{})
		fake.LoseNext(502) // stored, and nobody knows
		fake.FailNext(503, 503, 503)
		for i := range 100 {
			require.NoError(t, up.AddFrom(t.Context(), amplitude.Event{UserID: "user-1", EventType: "x"}, amplitude.Origin{Tag: i}))
		}
		time.Sleep(4 * time.Second) // until the next try is a probe
		fake.Intercept(func(w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Set("Retry-After", "300")
			w.WriteHeader(503)
			return true
		})
		time.Sleep(6*24*time.Hour + 13*time.Hour)
		fake.Intercept(nil)
		res := closed(t, up, results)
		require.Len(t, res, 100)
		for _, r := range res {
			require.ErrorIs(t, r.Err, amplitude.ErrDedupWindow)
		}
	})
}

func TestUploaderGivesThrottledUsersUpAfterATime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var fake amplitudetest.Fake
		fake.Throttle("busy-user")
		up, results := tagged(t, &fake, amplitude.UploaderConfig{MaxThrottle: 5 * time.Minute})
		add := func(tag string) {
			require.NoError(t, up.AddFrom(t.Context(), amplitude.Event{UserID: "busy-user", EventType: "x"}, amplitude.Origin{Tag: tag}))
		}
		add("first")
		time.Sleep(4 * time.Minute)
		add("second")
		require.Empty(t, results())
		time.Sleep(2 * time.Minute)
		require.Len(t, results(), 1)
		require.Equal(t, amplitude.ReasonThrottled, results()["first"].Reason)
		fake.Release("busy-user")
		require.NoError(t, closed(t, up, results)["second"].Err)
	})
}

// Its owner would keep what is given up, and Amplitude has it.
func TestUploaderGivesNothingUpThatMayBeStored(t *testing.T) {
	for name, before := range map[string]func(*amplitudetest.Fake) (sentSince time.Time){
		"an answer was lost": func(fake *amplitudetest.Fake) time.Time {
			fake.LoseNext(500, 500, 500, 500) // one for each of those that send
			return time.Time{}
		},
		"a process died": func(*amplitudetest.Fake) time.Time { return time.Now() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var fake amplitudetest.Fake
				from := amplitude.Origin{SentSince: before(&fake)}
				up, results := tagged(t, &fake, amplitude.UploaderConfig{MaxEvents: 20, MaxThrottle: 5 * time.Minute})
				events := numbered(12) // more than a quarter of the room, and than half of it
				refuse := func() {
					for i := range events {
						if i < 11 {
							fake.Throttle(events[i].UserID)
						} else {
							fake.ExhaustQuota(events[i].UserID)
						}
					}
				}
				if !from.SentSince.IsZero() {
					refuse()
				}
				for i := range events {
					if i < 8 {
						events[i].UserID = events[0].UserID
					}
					from.Tag = i
					require.NoError(t, up.AddFrom(t.Context(), events[i], from))
				}
				time.Sleep(time.Second) // what came in is sent now
				synctest.Wait()
				refuse() // before it is repeated
				late := amplitude.Origin{Tag: "late"}
				require.NoError(t, up.AddFrom(t.Context(), amplitude.Event{UserID: events[0].UserID, EventType: "x"}, late))
				time.Sleep(time.Hour)
				require.Len(t, results(), 1)
				require.Equal(t, amplitude.ReasonThrottled, results()["late"].Reason)
				for i := range events {
					fake.Release(events[i].UserID)
				}
				for tag, res := range closed(t, up, results) {
					if tag != "late" {
						require.NoError(t, res.Err, "%v", tag)
					}
				}
				require.Len(t, fake.Events(), len(events))
			})
		})
	}
}

// The first event is refused alone, and the next one, sent to see whether anything is
// accepted, finds that the user is throttled or over quota.
func TestUploaderKeepsOrderWhenASuspectsUserHasToWait(t *testing.T) {
	for name, refuse := range map[string]func(*amplitudetest.Fake, ...string){
		"throttled":  (*amplitudetest.Fake).Throttle,
		"over quota": (*amplitudetest.Fake).ExhaustQuota,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var fake amplitudetest.Fake
				refuse(&fake, "busy-user")
				var requests atomic.Int32
				fake.Intercept(func(w http.ResponseWriter, _ *http.Request) bool {
					if requests.Add(1) > 2 {
						return false
					}
					w.WriteHeader(http.StatusRequestEntityTooLarge)
					return true
				})
				up, results := tagged(t, &fake, amplitude.UploaderConfig{})
				for _, id := range []string{"first", "second"} {
					e := amplitude.Event{UserID: "busy-user", EventType: "x", InsertID: id}
					require.NoError(t, up.AddFrom(t.Context(), e, amplitude.Origin{Tag: id, SentSince: time.Now()}))
				}
				time.Sleep(2 * time.Second)
				require.EqualValues(t, 3, requests.Load())
				fake.Release("busy-user")
				time.Sleep(time.Minute)
				closed(t, up, results)
				require.Len(t, fake.Events(), 2)
				require.Equal(t, "first", fake.Events()[0].InsertID)
			})
		})
	}
}

// Half of the room is for those whom nobody throttles, however many users are.
func TestUploaderKeepsRoomForOthers(t *testing.T) {
	if testing.Short() {
		t.Skip("a matter of volume")
	}
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var fake amplitudetest.Fake
		for i := range 20 {
			fake.Throttle(fmt.Sprintf("busy-%d", i))
		}
		up, results := tagged(t, &fake, amplitude.UploaderConfig{MaxEvents: 400})
		for i := range 2000 {
			e := amplitude.Event{UserID: fmt.Sprintf("busy-%d", i/2%20), EventType: "x"}
			if i%2 == 0 {
				e.UserID = fmt.Sprintf("quiet-%d", i%7)
			}
			start := time.Now()
			require.NoError(t, up.AddFrom(t.Context(), e, amplitude.Origin{Tag: i}))
			require.Less(t, time.Since(start), 2*time.Second)
			time.Sleep(10 * time.Millisecond)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		require.Len(t, fake.Events(), 1000)
		require.Len(t, results(), 2000-200, "half of 400 wait")
		for i := range 20 {
			fake.Release(fmt.Sprintf("busy-%d", i))
		}
		require.Len(t, closed(t, up, results), 2000)
		require.Len(t, fake.Events(), 1200)
	})
}

func TestUploaderTellsWhenAmplitudeFailsAndIsBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var fake amplitudetest.Fake
		var logged bytes.Buffer
		cfg := fake.Config()
		cfg.Logger = slog.New(slog.NewTextHandler(&logged, nil))
		client, err := amplitude.NewClient(cfg)
		require.NoError(t, err)
		up, err := amplitude.NewUploader(client, amplitude.UploaderConfig{OnResult: func(amplitude.Result) {}})
		require.NoError(t, err)
		fake.Intercept(func(w http.ResponseWriter, _ *http.Request) bool { w.WriteHeader(503); return true })
		require.NoError(t, up.Add(t.Context(), numbered(1)[0]))
		time.Sleep(time.Hour)
		fake.Intercept(nil)
		require.NoError(t, up.Close(t.Context()))
		require.Equal(t, 1, bytes.Count(logged.Bytes(), []byte("events wait")))
		require.Equal(t, 1, bytes.Count(logged.Bytes(), []byte("accepts events again")))
	})
}

// Events that Amplitude drops without naming them are believed to be bad once others
// are accepted. After an outage such events are the first of every shard.
func TestUploaderIsNotHeldUpByEventsThatNobodyBelieves(t *testing.T) {
	t.Parallel()
	for seed := range 5 {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var fake amplitudetest.Fake
				fake.Drop(func(e amplitudetest.Event) bool { return e.EventType == "bad" })
				fake.Intercept(func(w http.ResponseWriter, _ *http.Request) bool { w.WriteHeader(503); return true })
				up, results := tagged(t, &fake, amplitude.UploaderConfig{})
				add := func(tag int, kind string) {
					e := amplitude.Event{UserID: fmt.Sprintf("%s-user-%d", kind, tag), EventType: kind}
					require.NoError(t, up.AddFrom(t.Context(), e, amplitude.Origin{Tag: tag}))
				}
				for i := range 60 {
					add(i, "bad")
				}
				time.Sleep(time.Minute)
				for i := range 60 { // they come after the outage has begun
					add(100+i, "good")
				}
				time.Sleep(time.Minute)
				fake.Intercept(nil)
				time.Sleep(15 * time.Minute)
				require.Len(t, fake.Events(), 60)
				for tag, r := range closed(t, up, results) {
					require.Equal(t, tag.(int) < 100, r.Reason == amplitude.ReasonInvalid, tag)
				}
				require.Len(t, results(), 120)
			})
		})
	}
}
