package iterable_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/time/rate"

	"github.com/iteramp/iteramp/iterable"
	"github.com/iteramp/iteramp/iterable/iterabletest"
)

// BenchmarkRate sends for three seconds what a documented limit allows, from
// several goroutines and over a socket, to a fake that refuses what is beyond:
// refused must stay 0. The floor, at the same time, is a bare limiter of that rate:
// on a machine that stands still now and then, it loses the time as well.
func BenchmarkRate(b *testing.B) {
	fake := iterabletest.Fake{RateLimits: true, ProjectType: iterable.ProjectTypeUserID}
	srv := httptest.NewServer(&fake)
	defer srv.Close()
	const perSecond, lasting = 100, 3 * time.Second // GET /api/lists
	var served, refused, bare int
	for b.Loop() {
		client, err := iterable.NewClient(iterable.Config{APIKey: "test-api-key", BaseURL: srv.URL, MaxAttempts: 1})
		require.NoError(b, err)
		before := len(fake.Requests())
		ctx, cancel := context.WithTimeout(b.Context(), lasting)
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for ctx.Err() == nil {
					client.Lists.List(ctx)
				}
			})
		}
		limiter := rate.NewLimiter(perSecond, 1)
		for limiter.Wait(ctx) == nil {
			bare++
		}
		wg.Wait()
		cancel()
		for _, r := range fake.Requests()[before:] {
			if r.Status == http.StatusTooManyRequests {
				refused++
			} else {
				served++
			}
		}
	}
	allowed := float64(b.N) * perSecond * lasting.Seconds()
	b.ReportMetric(float64(served)/allowed, "used")
	b.ReportMetric(float64(bare)/allowed, "used-by-floor")
	b.ReportMetric(float64(served)/float64(bare), "x-floor")
	b.ReportMetric(float64(refused), "refused")
	b.ReportMetric(0, "ns/op")
}
