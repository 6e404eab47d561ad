package iterable

import (
	"context"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// most is the largest number of times within any span of the length.
func most(times []time.Time, per time.Duration) int {
	n, first := 0, 0
	for i, at := range times {
		for !times[first].Add(per).After(at) {
			first++
		}
		n = max(n, i-first+1)
	}
	return n
}

func TestEachOperationKeepsItsDocumentedRateAndUsesIt(t *testing.T) {
	t.Parallel()
	for op, a := range rates {
		t.Run(op, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				if a.requests == 0 {
					a = unstated
				}
				limiter := limiters(nil)[op]
				time.Sleep(time.Hour) // nothing gathers meanwhile
				var times []time.Time
				start := time.Now()
				for range a.requests + a.requests/10 + 10 {
					require.NoError(t, limiter.Wait(t.Context()))
					times = append(times, time.Now())
				}
				took := time.Since(start)
				require.LessOrEqual(t, most(times, a.per), a.requests)
				used := float64(len(times)-1) / took.Seconds() / (float64(a.requests) / a.per.Seconds())
				require.GreaterOrEqual(t, used, 0.98)
			})
		})
	}
}

func TestTheDailyLimitHoldsForThoseWhoComeAllAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const day = 24 * time.Hour
		for _, op := range []string{"POST /api/users/forget", "POST /api/users/unforget"} {
			limiter := limiters(nil)[op]
			var times []time.Time
			start := time.Now()
			for range 3000 {
				require.NoError(t, limiter.Wait(t.Context()))
				times = append(times, time.Now())
			}
			require.LessOrEqual(t, most(times, day), 1000)
			require.LessOrEqual(t, most(times, time.Second), 3)
			first := 0
			for _, at := range times {
				if at.Sub(start) < day {
					first++
				}
			}
			require.GreaterOrEqual(t, first, 980)
			require.Less(t, times[979].Sub(start), 6*time.Minute, "and not spread over the day")
			require.Less(t, times[2939].Sub(start), 2*day+time.Hour)
		}
	})
}

func TestADailyLimitCountsFromEachCall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const day = 24 * time.Hour
		w := &window{size: 2, per: day}
		start := time.Now()
		for _, pass := range []struct{ come, want time.Duration }{
			{0, 0}, {time.Hour, time.Hour}, {day - time.Minute, day + 1}, {day + time.Minute, day + time.Hour + 1}, {9 * day, 9 * day}, {9 * day, 9 * day}, {9 * day, 10*day + 1},
		} {
			time.Sleep(time.Until(start.Add(pass.come)))
			require.NoError(t, w.Wait(t.Context()))
			require.Equal(t, pass.want, time.Since(start))
		}
	})
}

func TestADailyLimitIsNotWaitedForPastTheDeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client, r := newTestClient(t, alike(200, success), func(cfg *Config) { delete(cfg.Limits, "POST /api/users/forget") })
		forget := func(ctx context.Context) error { return client.Users.Forget(ctx, UserForgetRequest{UserID: "u-1001"}) }
		for range 990 {
			require.NoError(t, forget(t.Context()))
		}
		start := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		require.ErrorIs(t, forget(ctx), context.DeadlineExceeded)
		require.Zero(t, time.Since(start))

		ctx, cancel = context.WithCancel(t.Context())
		time.AfterFunc(time.Minute, cancel)
		require.ErrorIs(t, forget(ctx), context.Canceled)
		require.Equal(t, time.Minute, time.Since(start))
		require.Len(t, r.all(), 990)
		require.NoError(t, forget(t.Context()), "no place was lost to those who gave up")
	})
}

func TestRequestsOfAClientKeepTheRate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var times []time.Time
		client, _ := newTestClient(t, func(sent) *http.Response {
			times = append(times, time.Now())
			return answer(200, "7")
		}, func(cfg *Config) { cfg.Limits = nil })
		for range 16 {
			_, err := client.Lists.Size(t.Context(), 42)
			require.NoError(t, err)
		}
		require.Equal(t, 5, most(times, time.Minute))
		start := time.Now()
		require.NoError(t, client.Do(t.Context(), Request{Method: "GET", Path: "/api/lists/{listId}/size", Args: []string{"7"}}, nil))
		require.Greater(t, time.Since(start), 12*time.Second, "the operation's limit holds whoever calls it")
	})
}

type countingLimiter struct{ n int }

func (l *countingLimiter) Wait(context.Context) error { l.n++; return nil }

func TestTheCallersLimiterIsAskedForEachRequest(t *testing.T) {
	t.Parallel()
	limiter := new(countingLimiter)
	client, _ := newTestClient(t, takes, func(cfg *Config) { cfg.Limits["POST /api/lists/subscribe"] = limiter })
	_, err := client.Lists.Subscribe(t.Context(), ListSubscribeRequest{ListID: 42, Subscribers: subscribers(2500)})
	require.NoError(t, err)
	require.Equal(t, 3, limiter.n)
}
