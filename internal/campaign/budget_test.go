package main

import (
	"context"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iteramp/iteramp/iterable"
	"github.com/iteramp/iteramp/iterable/iterabletest"
)

// A part of all requests fails. What a client repeats is a tenth of what succeeds
// and ten more, not a multiple of the load of those who fail anyway.
func TestF08Budget(t *testing.T) {
	eachInBubble(t, "F08c", "calls that fail, and their repetitions", counts{40, 1_000, 10_000}, func(t *testing.T, rng *rand.Rand) {
		var fake iterabletest.Fake
		fake.ProjectType = iterable.ProjectTypeUserID
		var lock sync.Mutex
		failing := pick(rng, 1, 5, 10, 50, 90, 100)
		var asked atomic.Int64
		fake.Intercept(func(w http.ResponseWriter, _ *http.Request) bool {
			asked.Add(1)
			lock.Lock()
			defer lock.Unlock()
			if rng.IntN(100) < failing {
				w.WriteHeader(http.StatusServiceUnavailable)
				return true
			}
			return false
		})
		cfg := fake.Config()
		cfg.Logger = logs
		cfg.Limits = map[string]iterable.Limiter{"GET /api/lists": nil}
		client, err := iterable.NewClient(cfg)
		require.NoError(t, err)
		const calls = 1000
		var worked atomic.Int64
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				for range calls / 10 {
					if _, err := client.Lists.List(t.Context()); err == nil {
						worked.Add(1)
					}
				}
			})
		}
		wg.Wait()
		require.LessOrEqual(t, asked.Load(), calls+worked.Load()/10+10, "%d %% fail", failing)
		require.Less(t, worked.Load(), int64(calls)+1)

		// A pause ends with the context, and pauses are not all the same.
		fake.Intercept(nil)
		var pauses []time.Duration
		for range 20 {
			other, err := iterable.NewClient(cfg)
			require.NoError(t, err)
			var times []time.Time
			fake.Intercept(func(w http.ResponseWriter, _ *http.Request) bool {
				times = append(times, time.Now())
				w.WriteHeader(http.StatusServiceUnavailable)
				return true
			})
			within := time.Duration(1+rng.IntN(3000)) * time.Millisecond
			ctx, cancel := context.WithTimeout(t.Context(), within)
			begun := time.Now()
			_, err = other.Lists.List(ctx)
			cancel()
			require.Error(t, err)
			require.LessOrEqual(t, time.Since(begun), within+50*time.Millisecond)
			cancelled, stop := context.WithCancel(t.Context())
			time.AfterFunc(within/4, stop)
			begun = time.Now()
			_, _ = other.Lists.List(cancelled)
			stop()
			require.LessOrEqual(t, time.Since(begun), within/4+50*time.Millisecond, "a pause outlives its context")
			times = nil
			_, _ = other.Lists.List(t.Context())
			if len(times) > 1 {
				pauses = append(pauses, times[1].Sub(times[0]))
			}
			synctest.Wait()
		}
		different := slices.Compact(slices.Sorted(slices.Values(pauses)))
		require.Greater(t, len(different), 10, "clients repeat at the same moment")
	})
}
