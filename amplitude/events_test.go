package amplitude_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iteramp/iteramp/amplitude"
	"github.com/iteramp/iteramp/amplitude/amplitudetest"
)

// numbered makes n events of as many users, each with a number to know it by.
func numbered(n int) []amplitude.Event {
	events := make([]amplitude.Event, n)
	for i := range events {
		events[i] = amplitude.Event{
			UserID: fmt.Sprintf("user-%d", i), EventType: "Numbered", InsertID: fmt.Sprintf("id-%d", i),
			EventProperties: map[string]any{"n": i},
		}
	}
	return events
}

func newClient(t testing.TB, fake *amplitudetest.Fake, change ...func(*amplitude.Config)) *amplitude.Client {
	cfg := fake.Config()
	for _, c := range change {
		c(&cfg)
	}
	client, err := amplitude.NewClient(cfg)
	require.NoError(t, err)
	return client
}

func order(fake *amplitudetest.Fake) []int {
	var got []int
	for _, e := range fake.Events() {
		got = append(got, int(e.EventProperties["n"].(float64)))
	}
	return got
}

func upTo(n int) []int {
	list := make([]int, n)
	for i := range list {
		list[i] = i
	}
	return list
}

// fates checks that err accounts for all n events and returns the reasons by
// index.
func fates(t testing.TB, err error, n int) map[int]amplitude.Reason {
	failed, ok := errors.AsType[*amplitude.BatchError](err)
	require.True(t, ok, "%v", err)
	require.Equal(t, n, failed.Accepted+len(failed.Rejected))
	got := make(map[int]amplitude.Reason)
	last := -1
	for _, r := range failed.Rejected {
		require.Greater(t, r.Index, last, "indexes rise")
		require.Less(t, r.Index, n)
		require.Error(t, r.Err)
		last = r.Index
		got[r.Index] = r.Reason
	}
	return got
}

func TestUploadSplitsByCountAndKeepsOrder(t *testing.T) {
	t.Parallel()
	var fake amplitudetest.Fake
	client := newClient(t, &fake)
	require.NoError(t, client.Events.Upload(t.Context(), amplitude.EventUploadRequest{Events: numbered(2500)}))
	require.Equal(t, upTo(2500), order(&fake))
	require.Len(t, fake.Requests(), 3)
}

func TestUploadSplitsByBytes(t *testing.T) {
	t.Parallel()
	var fake amplitudetest.Fake
	var largest int
	client := newClient(t, &fake, func(cfg *amplitude.Config) { cfg.DisableCompression = true })
	events := numbered(18)
	for i := range events {
		events[i].EventProperties = map[string]any{"n": i, "pad": strings.Repeat("x", 100_000)}
	}
	require.NoError(t, client.Events.Upload(t.Context(), amplitude.EventUploadRequest{Events: events}))
	require.Equal(t, upTo(18), order(&fake))
	for _, r := range fake.Requests() {
		largest = max(largest, r.Bytes)
	}
	require.LessOrEqual(t, largest, 900_000)
	require.Greater(t, largest, 800_000)
	require.Len(t, fake.Requests(), 3)
}

func TestUploadBatchUsesTheBatchAPI(t *testing.T) {
	t.Parallel()
	var fake amplitudetest.Fake
	client := newClient(t, &fake)
	require.NoError(t, client.Events.UploadBatch(t.Context(), amplitude.EventUploadRequest{Events: numbered(4_500)}))
	got := order(&fake)
	slices.Sort(got)
	require.Equal(t, upTo(4_500), got)
	for _, r := range fake.Requests() {
		require.Equal(t, "/batch", r.Path)
	}
	require.Len(t, fake.Requests(), 5)
}

func TestSmallBodiesAreNotCompressed(t *testing.T) {
	t.Parallel()
	var fake amplitudetest.Fake
	var encodings []string
	fake.Intercept(func(_ http.ResponseWriter, r *http.Request) bool {
		encodings = append(encodings, r.Header.Get("Content-Encoding"))
		return false
	})
	client := newClient(t, &fake)
	plain := newClient(t, &fake, func(cfg *amplitude.Config) { cfg.DisableCompression = true })
	require.NoError(t, client.Events.Upload(t.Context(), amplitude.EventUploadRequest{Events: numbered(1)}))
	require.NoError(t, client.Events.Upload(t.Context(), amplitude.EventUploadRequest{Events: numbered(100)}))
	require.NoError(t, plain.Events.Upload(t.Context(), amplitude.EventUploadRequest{Events: numbered(100)}))
	require.Equal(t, []string{"", "gzip", ""}, encodings)
}

func TestWhatCannotBeSentIsRejectedUnsent(t *testing.T) {
	t.Parallel()
	var fake amplitudetest.Fake
	client := newClient(t, &fake)
	events := numbered(9)
	events[1].EventType = ""
	events[2].UserID = ""
	events[3].UserID = "UNKNOWN"
	events[4].EventProperties = map[string]any{"x": math.Inf(1)}
	events[5].UserID = "abcd"
	events[6].EventProperties = json.RawMessage(`[]`)
	events[7].UserID = strings.Repeat("x", 1025)
	err := client.Events.Upload(t.Context(), amplitude.EventUploadRequest{Events: events})
	want := make(map[int]amplitude.Reason)
	for i := 1; i <= 7; i++ {
		want[i] = amplitude.ReasonInvalid
	}
	require.Equal(t, want, fates(t, err, 9))
	require.Equal(t, []int{0, 8}, order(&fake))
	require.Len(t, fake.Requests(), 1)
	require.ErrorContains(t, err, "7 of 9 events were not accepted, first: event 1: invalid: event_type is missing")
}

func TestShortIDsAreLegalWhereTheRequestSaysSo(t *testing.T) {
	t.Parallel()
	var fake amplitudetest.Fake
	client := newClient(t, &fake)
	err := client.Events.Upload(t.Context(), amplitude.EventUploadRequest{
		Events: []amplitude.Event{{UserID: "7", EventType: "x"}}, MinIDLength: 1,
	})
	require.NoError(t, err)
	require.Equal(t, "7", fake.Events()[0].UserID)
}

func TestAMissingInsertIDIsFilledInForGood(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var fake amplitudetest.Fake
		client := newClient(t, &fake)
		events := []amplitude.Event{{UserID: "user-1", EventType: "x"}, {UserID: "user-2", EventType: "x"}}
		fake.LoseNext(502, 0, 502)
		require.Error(t, client.Events.Upload(t.Context(), amplitude.EventUploadRequest{Events: events}))
		require.NotEmpty(t, events[0].InsertID)
		require.NotEqual(t, events[0].InsertID, events[1].InsertID)
		require.NoError(t, client.Events.Upload(t.Context(), amplitude.EventUploadRequest{Events: events}))
		require.Len(t, fake.Events(), 2)
		require.Equal(t, 6, fake.Duplicates())
	})
}

func TestNamedEventsAreCutOutAndTheRestIsSent(t *testing.T) {
	t.Parallel()
	for _, first := range []bool{false, true} {
		t.Run(fmt.Sprintf("first index only %v", first), func(t *testing.T) {
			t.Parallel()
			fake := amplitudetest.Fake{FirstIndexOnly: first}
			client := newClient(t, &fake)
			events := numbered(300)
			deep := strings.Repeat(`{"a":`, 50) + "1" + strings.Repeat("}", 50) // past the 40 levels
			for _, i := range []int{0, 7, 299} {
				events[i].EventProperties = json.RawMessage(deep)
			}
			err := client.Events.Upload(t.Context(), amplitude.EventUploadRequest{Events: events})
			require.Equal(t, map[int]amplitude.Reason{0: amplitude.ReasonInvalid, 7: amplitude.ReasonInvalid, 299: amplitude.ReasonInvalid}, fates(t, err, 300))
			require.Len(t, fake.Events(), 297)
			if first {
				require.Len(t, fake.Requests(), 4)
			} else {
				require.Len(t, fake.Requests(), 2)
			}
		})
	}
}

// Promise A7: k unnamed poison events in a request of n cost at most
// 2k*ceil(log2 n)+1 further requests, and are found exactly.
func TestUnnamedPoisonIsFoundByHalving(t *testing.T) {
	t.Parallel()
	for seed := range uint64(10) {
		rng := rand.New(rand.NewPCG(seed, 1))
		n := 30 + rng.IntN(200)
		k := 1 + rng.IntN(5)
		poison := make(map[string]bool)
		want := make(map[int]amplitude.Reason)
		for range k {
			i := rng.IntN(n)
			poison[fmt.Sprintf("id-%d", i)] = true
			want[i] = amplitude.ReasonInvalid
		}
		var fake amplitudetest.Fake
		fake.Poison(func(e amplitudetest.Event) bool { return poison[e.InsertID] })
		client := newClient(t, &fake)
		err := client.Events.Upload(t.Context(), amplitude.EventUploadRequest{Events: numbered(n)})
		require.Equal(t, want, fates(t, err, n), "seed %d", seed)
		bound := 2*len(want)*int(math.Ceil(math.Log2(float64(n)))) + 1
		require.LessOrEqual(t, len(fake.Requests())-1, bound, "seed %d: n %d, k %d", seed, n, len(want))
	}
}

func TestPoisonAtBothEndsIsNoOutage(t *testing.T) {
	t.Parallel()
	var fake amplitudetest.Fake
	fake.Poison(func(e amplitudetest.Event) bool { return e.InsertID == "id-0" || e.InsertID == "id-99" })
	client := newClient(t, &fake)
	err := client.Events.Upload(t.Context(), amplitude.EventUploadRequest{Events: numbered(100)})
	require.Equal(t, map[int]amplitude.Reason{0: amplitude.ReasonInvalid, 99: amplitude.ReasonInvalid}, fates(t, err, 100))
}

func TestHalvingKeepsTheOrderOfEachUser(t *testing.T) {
	t.Parallel()
	for range 20 {
		var fake amplitudetest.Fake
		fake.Poison(func(e amplitudetest.Event) bool { return e.InsertID == "id-0" })
		client := newClient(t, &fake)
		events := numbered(40)
		for i := range events {
			events[i].UserID = fmt.Sprintf("user-%d", i%3)
		}
		err := client.Events.Upload(t.Context(), amplitude.EventUploadRequest{Events: events})
		require.Equal(t, map[int]amplitude.Reason{0: amplitude.ReasonInvalid}, fates(t, err, 40))
		last := make(map[string]int)
		for _, e := range fake.Events() {
			n := int(e.EventProperties["n"].(float64))
			require.Greater(t, n, last[e.UserID]-1)
			last[e.UserID] = n
		}
	}
}

func TestAnAPIThatRefusesEveryEventIsSoonLeftAlone(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		status, requests int
		body             string
		reason           amplitude.Reason
	}{
		"400 in Amplitude's form": {400, 11, `{"code":400,"error":"Invalid event JSON"}`, amplitude.ReasonRefused},
		"400 of a proxy":          {400, 1, "<html>", amplitude.ReasonRefused},
		"413":                     {413, 11, "", amplitude.ReasonRefused},
		"403":                     {403, 1, `{"code":403,"error":"Forbidden"}`, amplitude.ReasonRefused},
		"401":                     {401, 1, "", amplitude.ReasonRefused},
		"a redirect":              {302, 1, "", amplitude.ReasonRefused},
		"200 of somebody else":    {200, 1, "<html>Sign in</html>", amplitude.ReasonAmbiguous},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var fake amplitudetest.Fake
			fake.Intercept(func(w http.ResponseWriter, _ *http.Request) bool {
				w.Header().Set("Location", "https://elsewhere.example/")
				w.WriteHeader(tt.status)
				w.Write([]byte(tt.body))
				return true
			})
			client := newClient(t, &fake)
			err := client.Events.Upload(t.Context(), amplitude.EventUploadRequest{Events: numbered(250)})
			got := fates(t, err, 250)
			require.Len(t, got, 250)
			require.Equal(t, tt.reason, got[0])
			for _, r := range got {
				require.False(t, r.Permanent(), "nobody's own fault")
			}
			require.LessOrEqual(t, len(fake.Requests()), tt.requests)
		})
	}
}

func TestTooLargeIsHalvedAndRemembered(t *testing.T) {
	t.Parallel()
	fake := amplitudetest.Fake{HTTPV2: amplitudetest.Limits{MaxEvents: 10}}
	client := newClient(t, &fake)
	require.NoError(t, client.Events.Upload(t.Context(), amplitude.EventUploadRequest{Events: numbered(200)}))
	require.Equal(t, upTo(200), order(&fake))
	first := len(fake.Requests())
	require.Less(t, first, 45)
	require.NoError(t, client.Events.Upload(t.Context(), amplitude.EventUploadRequest{Events: numbered(200)}))
	refused := 0
	for _, r := range fake.Requests()[first:] {
		if r.Status == http.StatusRequestEntityTooLarge {
			refused++
		}
	}
	require.LessOrEqual(t, refused, 4, "the next upload is cut small at once, and probes for more now and then")
}

func TestAnEventTooLargeAloneIsGivenUp(t *testing.T) {
	t.Parallel()
	fake := amplitudetest.Fake{HTTPV2: amplitudetest.Limits{MaxBytes: 5_000}}
	client := newClient(t, &fake)
	events := numbered(20)
	events[3].EventProperties = map[string]any{"n": 3, "pad": strings.Repeat("x", 10_000)}
	err := client.Events.Upload(t.Context(), amplitude.EventUploadRequest{Events: events})
	require.Equal(t, map[int]amplitude.Reason{3: amplitude.ReasonTooLarge}, fates(t, err, 20))
}

func TestAThrottledUserWaitsAndTheOthersDoNot(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var fake amplitudetest.Fake
		client := newClient(t, &fake)
		events := numbered(1500)
		for _, i := range []int{5, 6, 1200} {
			events[i].UserID = "busy-user"
		}
		fake.Throttle("busy-user")
		var others time.Duration
		start := time.Now()
		time.AfterFunc(20*time.Second, func() {
			others = time.Since(start)
			require.Len(t, fake.Events(), 1497)
			fake.Release("busy-user")
		})
		require.NoError(t, client.Events.Upload(t.Context(), amplitude.EventUploadRequest{Events: events}))
		require.Equal(t, 20*time.Second, others)
		require.Equal(t, 30*time.Second, time.Since(start))
		got := order(&fake)
		require.Equal(t, []int{5, 6, 1200}, got[1497:], "in their order, after the pause")
	})
}

func TestAUserThrottledForGoodIsReported(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var fake amplitudetest.Fake
		fake.Throttle("user-3")
		client := newClient(t, &fake)
		start := time.Now()
		err := client.Events.Upload(t.Context(), amplitude.EventUploadRequest{Events: numbered(10)})
		require.Equal(t, map[int]amplitude.Reason{3: amplitude.ReasonThrottled}, fates(t, err, 10))
		require.ErrorIs(t, err, amplitude.ErrRateLimited)
		require.Equal(t, time.Minute, time.Since(start))
	})
}

func TestThrottlingIsNotWaitedForPastTheDeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var fake amplitudetest.Fake
		fake.Throttle("user-3")
		client := newClient(t, &fake)
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		start := time.Now()
		err := client.Events.Upload(ctx, amplitude.EventUploadRequest{Events: numbered(10)})
		require.Equal(t, map[int]amplitude.Reason{3: amplitude.ReasonThrottled}, fates(t, err, 10))
		require.Zero(t, time.Since(start))
	})
}

func TestAContextThatEndsInThePauseShowsThrough(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var fake amplitudetest.Fake
		fake.Throttle("user-3")
		client := newClient(t, &fake)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		err := client.Events.Upload(ctx, amplitude.EventUploadRequest{Events: numbered(10)})
		require.ErrorIs(t, err, context.Canceled)
		require.ErrorIs(t, err, amplitude.ErrRateLimited)
		require.Equal(t, map[int]amplitude.Reason{3: amplitude.ReasonThrottled}, fates(t, err, 10))
	})
}

func TestManyMistakesHaveFewCauses(t *testing.T) {
	if testing.Short() {
		t.Skip("a matter of volume")
	}
	t.Parallel()
	var fake amplitudetest.Fake
	client := newClient(t, &fake)
	err := client.Events.UploadBatch(t.Context(), amplitude.EventUploadRequest{Events: make([]amplitude.Event, 250_000)})
	failed, ok := errors.AsType[*amplitude.BatchError](err)
	require.True(t, ok)
	require.Len(t, failed.Rejected, 250_000)
	require.Len(t, failed.Unwrap(), 1)
}

func TestQuotaIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var fake amplitudetest.Fake
		fake.ExhaustQuota("user-3")
		client := newClient(t, &fake)
		start := time.Now()
		err := client.Events.UploadBatch(t.Context(), amplitude.EventUploadRequest{Events: numbered(10)})
		require.Equal(t, map[int]amplitude.Reason{3: amplitude.ReasonQuota}, fates(t, err, 10))
		require.Zero(t, time.Since(start))
		require.Len(t, fake.Events(), 9)
	})
}

func TestASilencedDeviceIsGivenUp(t *testing.T) {
	t.Parallel()
	var fake amplitudetest.Fake
	fake.Silence("device-9")
	client := newClient(t, &fake)
	events := numbered(5)
	events[2].DeviceID = "device-9"
	err := client.Events.Upload(t.Context(), amplitude.EventUploadRequest{Events: events})
	require.Equal(t, map[int]amplitude.Reason{2: amplitude.ReasonSilenced}, fates(t, err, 5))
}

func TestAnEventThatVanishesIsNotCalledDelivered(t *testing.T) {
	t.Parallel()
	var fake amplitudetest.Fake
	fake.Drop(func(e amplitudetest.Event) bool { return e.InsertID == "id-4" })
	client := newClient(t, &fake)
	err := client.Events.Upload(t.Context(), amplitude.EventUploadRequest{Events: numbered(10)})
	require.Equal(t, map[int]amplitude.Reason{4: amplitude.ReasonInvalid}, fates(t, err, 10))
	require.Len(t, fake.Events(), 9)
}

func TestABare429IsWaitedForExactly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var fake amplitudetest.Fake
		fake.FailNext(429)
		client := newClient(t, &fake)
		start := time.Now()
		require.NoError(t, client.Events.Upload(t.Context(), amplitude.EventUploadRequest{Events: numbered(3)}))
		require.Equal(t, 30*time.Second, time.Since(start))
	})
}

func TestAnOutageStopsTheUpload(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		fail   int
		first  amplitude.Reason
		second amplitude.Reason
	}{
		{"503", 503, amplitude.ReasonRefused, amplitude.ReasonUnsent},
		{"500", 500, amplitude.ReasonAmbiguous, amplitude.ReasonUnsent},
		{"broken connections", 0, amplitude.ReasonAmbiguous, amplitude.ReasonUnsent},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var fake amplitudetest.Fake
				fake.FailNext(200, tt.fail, tt.fail, tt.fail)
				client := newClient(t, &fake)
				err := client.Events.Upload(t.Context(), amplitude.EventUploadRequest{Events: numbered(5000)})
				got := fates(t, err, 5000)
				require.Equal(t, upTo(1000), order(&fake))
				require.Len(t, got, 4000)
				require.Equal(t, tt.first, got[1000])
				require.Equal(t, tt.second, got[2000])
				require.Len(t, fake.Requests(), 4)
			})
		})
	}
}

func TestAnAmbiguousAttemptIsNotForgotten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var fake amplitudetest.Fake
		fake.LoseNext(502)
		fake.FailNext(503, 503)
		client := newClient(t, &fake)
		err := client.Events.Upload(t.Context(), amplitude.EventUploadRequest{Events: numbered(1)})
		require.Equal(t, map[int]amplitude.Reason{0: amplitude.ReasonAmbiguous}, fates(t, err, 1))
		require.Len(t, fake.Events(), 1)
	})
}

func TestWhatACountThatIsTooSmallLeavesOpenStaysOpen(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var fake amplitudetest.Fake
		fake.Drop(func(e amplitudetest.Event) bool { return e.InsertID == "id-0" })
		n := 0
		fake.Intercept(func(w http.ResponseWriter, _ *http.Request) bool {
			if n++; n == 1 {
				return false // stores nine events and says so
			}
			w.WriteHeader(403)
			return true
		})
		client := newClient(t, &fake)
		err := client.Events.Upload(t.Context(), amplitude.EventUploadRequest{Events: numbered(10)})
		for i, reason := range fates(t, err, 10) {
			require.Equal(t, amplitude.ReasonAmbiguous, reason, "event %d may be stored", i)
		}
		require.Len(t, fake.Events(), 9)
	})
}

func TestNoServerMeansUnsent(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(nil)
	srv.Close()
	client, err := amplitude.NewClient(amplitude.Config{APIKey: "key", BaseURL: srv.URL, MaxAttempts: 1})
	require.NoError(t, err)
	err = client.Events.Upload(t.Context(), amplitude.EventUploadRequest{Events: numbered(2)})
	require.Equal(t, map[int]amplitude.Reason{0: amplitude.ReasonUnsent, 1: amplitude.ReasonUnsent}, fates(t, err, 2))
}

func TestAnEndedContextShowsThrough(t *testing.T) {
	t.Parallel()
	var fake amplitudetest.Fake
	client := newClient(t, &fake)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := client.Events.Upload(ctx, amplitude.EventUploadRequest{Events: numbered(2)})
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, map[int]amplitude.Reason{0: amplitude.ReasonUnsent, 1: amplitude.ReasonUnsent}, fates(t, err, 2))
	require.Empty(t, fake.Requests())
}

func TestAWrongKeyIsUnauthorized(t *testing.T) {
	t.Parallel()
	var fake amplitudetest.Fake
	client := newClient(t, &fake, func(cfg *amplitude.Config) { cfg.APIKey = "canary-key" })
	err := client.Events.Upload(t.Context(), amplitude.EventUploadRequest{Events: numbered(2)})
	require.ErrorIs(t, err, amplitude.ErrUnauthorized)
	require.NotContains(t, err.Error(), "canary")
	require.Equal(t, amplitude.ReasonRefused, fates(t, err, 2)[0])
}

// Splitting never loses, repeats or reorders, whatever the sizes and faults.
func TestEveryEventHasOneFate(t *testing.T) {
	t.Parallel()
	for seed := range uint64(16) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				rng := rand.New(rand.NewPCG(seed, 2))
				fake := amplitudetest.Fake{
					HTTPV2:         amplitudetest.Limits{MaxEvents: 50 + rng.IntN(1000), MaxBytes: 20_000 + rng.IntN(100_000)},
					FirstIndexOnly: rng.IntN(2) == 0,
				}
				for range 20 {
					switch rng.IntN(6) {
					case 0:
						fake.FailNext([]int{500, 502, 503, 429, 408, 0}[rng.IntN(6)])
					case 1:
						fake.LoseNext([]int{500, 502, 504, 0}[rng.IntN(4)])
					default:
						fake.FailNext(200)
					}
				}
				bad := make(map[int]bool)
				events := numbered(100 + rng.IntN(600))
				for i := range events {
					events[i].EventProperties = map[string]any{"n": i, "pad": strings.Repeat("x", rng.IntN(300))}
				}
				for range rng.IntN(4) {
					bad[rng.IntN(len(events))] = true
				}
				fake.Drop(func(e amplitudetest.Event) bool { return bad[int(e.EventProperties["n"].(float64))] })
				fake.Throttle("user-11")
				time.AfterFunc(45*time.Second, func() { fake.Release("user-11") })

				client := newClient(t, &fake)
				err := client.Events.Upload(t.Context(), amplitude.EventUploadRequest{Events: events})
				rejected := map[int]amplitude.Reason{}
				if err != nil {
					rejected = fates(t, err, len(events))
				}
				stored := make(map[int]bool)
				for _, n := range order(&fake) {
					require.False(t, stored[n])
					stored[n] = true
				}
				for i := range events {
					reason := rejected[i]
					switch {
					case reason == "":
						require.True(t, stored[i], "event %d was said to be accepted", i)
					case reason != amplitude.ReasonAmbiguous && reason != amplitude.ReasonRefused && reason != amplitude.ReasonUnsent:
						require.False(t, stored[i], "event %d: %s", i, reason)
					}
					require.Equal(t, bad[i] && reason.Permanent(), reason.Permanent(), "event %d: %s", i, reason)
				}
			})
		})
	}
}

func TestAttemptsAreReported(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var fake amplitudetest.Fake
		fake.FailNext(429)
		var mu sync.Mutex
		var got []amplitude.Attempt
		client := newClient(t, &fake, func(cfg *amplitude.Config) {
			cfg.OnAttempt = func(_ context.Context, a amplitude.Attempt) {
				mu.Lock()
				defer mu.Unlock()
				got = append(got, a)
			}
		})
		require.NoError(t, client.Events.Upload(t.Context(), amplitude.EventUploadRequest{Events: numbered(3)}))
		require.Len(t, got, 2)
		require.Equal(t, amplitude.Attempt{Op: "POST /2/httpapi", N: 1, StatusCode: 429, RetryIn: 30 * time.Second}, got[0])
		require.Equal(t, amplitude.Attempt{Op: "POST /2/httpapi", N: 2, StatusCode: 200}, got[1])
	})
}

func TestTheZeroValuesErr(t *testing.T) {
	t.Parallel()
	var client amplitude.Client
	require.Error(t, client.Events.Upload(t.Context(), amplitude.EventUploadRequest{Events: numbered(1)}))
	require.Error(t, client.Do(t.Context(), amplitude.Request{}, nil))
	require.Empty(t, client.APIKey())
	var up amplitude.Uploader
	require.Error(t, up.Add(t.Context(), numbered(1)[0]))
	require.Error(t, up.TryAdd(numbered(1)[0]))
	require.NoError(t, up.Flush(t.Context()))
	require.NoError(t, up.Close(t.Context()))
}
