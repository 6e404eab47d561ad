package iterabletest

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestRatesAreOffUnlessAskedFor(t *testing.T) {
	t.Parallel()
	var f Fake
	for range 50 {
		require.Equal(t, http.StatusOK, get(t, &f, "/api/users/getFields").status)
	}
}

func TestTheDocumentedRatesHold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &Fake{RateLimits: true}
		list := "/api/lists/getUsers?listId=5000000001"
		f.AddList("Gold")
		for range 5 {
			require.Equal(t, http.StatusOK, get(t, f, list).status)
			time.Sleep(time.Second)
		}
		got := get(t, f, list)
		requireRefused(t, got, http.StatusTooManyRequests, "RateLimitExceeded")
		require.Equal(t, "Exceeded rate limit of 5.0 per minute for endpoint: /api/lists/getUsers, project: 2158 ", got.json["msg"])
		require.Equal(t, map[string]any{}, got.json["params"])
		require.Empty(t, got.header.Get("Retry-After"))
		time.Sleep(55*time.Second - time.Nanosecond)
		require.Equal(t, http.StatusTooManyRequests, get(t, f, list).status)
		time.Sleep(time.Nanosecond)
		require.Equal(t, http.StatusOK, get(t, f, list).status)
		require.Equal(t, http.StatusTooManyRequests, get(t, f, list).status)
		require.Equal(t, http.StatusOK, get(t, f, "/api/lists/5000000001/size").status, "each operation counts for itself")
	})
}

func TestABucketTellsWhenToComeAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &Fake{ProjectType: "userId", RateLimits: true}
		for range 5 {
			accepted(t, f, "/api/users/bulkUpdate", `{"users":[{"userId":"a"}]}`)
		}
		got := post(t, f, "/api/users/bulkUpdate", `{"users":[{"userId":"b"}]}`)
		requireRefused(t, got, http.StatusTooManyRequests, "RateLimitExceeded")
		require.Equal(t, map[string]any{"rateLimitLimit": 5.0, "rateLimitRemaining": 0.0, "rateLimitReset": 1.0}, got.json["params"])
		require.Empty(t, f.User("b").UserID)
		time.Sleep(time.Second)
		accepted(t, f, "/api/users/bulkUpdate", `{"users":[{"userId":"b"}]}`)
	})
}

func TestRatesCanBeSetByOperation(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &Fake{RateLimits: true, Rates: map[string]Rate{
			"GET /api/channels":        {Requests: 2, Per: time.Hour},
			"GET /api/users/getFields": {},
		}}
		for range 4 {
			require.Equal(t, http.StatusOK, get(t, f, "/api/users/getFields").status)
		}
		require.Equal(t, http.StatusOK, get(t, f, "/api/channels").status)
		time.Sleep(30 * time.Minute)
		require.Equal(t, http.StatusOK, get(t, f, "/api/channels").status)
		require.Equal(t, http.StatusTooManyRequests, get(t, f, "/api/channels").status)
		time.Sleep(30 * time.Minute)
		require.Equal(t, http.StatusOK, get(t, f, "/api/channels").status)
		require.Equal(t, http.StatusTooManyRequests, get(t, f, "/api/channels").status)
	})
}

func TestForgettingHasADailyLimitToo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &Fake{RateLimits: true}
		for range 1000 {
			require.NotEqual(t, http.StatusTooManyRequests, post(t, f, "/api/users/unforget", `{"email":"a@example.com"}`).status)
			time.Sleep(time.Second)
		}
		require.Equal(t, http.StatusTooManyRequests, post(t, f, "/api/users/unforget", `{"email":"a@example.com"}`).status)
		time.Sleep(24 * time.Hour)
		accepted(t, f, "/api/users/unforget", `{"email":"a@example.com"}`)
	})
}

func TestTheTimesOfRequestsShowTheRateUsed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const op, rate = "GET /api/channels", 10
		f := &Fake{Rates: map[string]Rate{op: {Requests: rate}}}
		for range 100 {
			require.Equal(t, http.StatusOK, get(t, f, "/api/channels").status)
			time.Sleep(time.Second / rate)
		}
		requests := f.Requests()
		require.Len(t, requests, 100)
		for i, r := range requests[rate:] {
			require.Equal(t, op, r.Op)
			require.GreaterOrEqual(t, r.Time.Sub(requests[i].Time), time.Second)
		}
	})
}
