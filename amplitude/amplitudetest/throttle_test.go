package amplitudetest

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// many is n events of one user.
func many(user string, n int) string {
	event := `{"user_id":"` + user + `","event_type":"x"}`
	return `{"api_key":"test-key","events":[` + strings.Repeat(event+",", n-1) + event + `]}`
}

func TestAnIDOverItsRateIsThrottledUntilTheAverageFalls(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		path        string
		limits      Limits
		under, over int // events in 30 seconds
		threshold   any
	}{
		{pathHTTPV2, Limits{}, 899, 900, 30.0},
		{pathHTTPV2, Limits{EventsPerSecond: 2}, 59, 60, 2.0},
		{pathBatch, Limits{EventsPerSecond: 3}, 89, 90, 3.0},
	} {
		t.Run(fmt.Sprint(test.path, test.threshold), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := Fake{HTTPV2: test.limits, Batch: test.limits}
				status, _ := post(t, &f, test.path, many("u-busy", test.under))
				require.Equal(t, 200, status)
				status, _ = post(t, &f, test.path, many("u-busy", 1+test.over-test.under))
				require.Equal(t, 200, status, "a request does not count against itself")
				status, answer := post(t, &f, test.path, many("u-busy", 1))
				require.Equal(t, 429, status)
				require.Equal(t, "Too many requests for some devices and users", answer["error"])
				require.Equal(t, test.threshold, answer["eps_threshold"])
				require.Equal(t, map[string]any{"u-busy": test.threshold.(float64) + 1}, answer["throttled_users"])
				require.Equal(t, []any{0.0}, answer["throttled_events"])
				status, _ = post(t, &f, test.path, many("u-calm", 1))
				require.Equal(t, 200, status)

				time.Sleep(29 * time.Second)
				status, _ = post(t, &f, test.path, many("u-busy", 1))
				require.Equal(t, 429, status)
				time.Sleep(time.Second)
				status, _ = post(t, &f, test.path, many("u-busy", 1))
				require.Equal(t, 200, status)
			})
		})
	}
}

func TestEachEndpointHasItsOwnRate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := Fake{HTTPV2: Limits{EventsPerSecond: 1}, Batch: Limits{EventsPerSecond: 1}}
		post(t, &f, pathHTTPV2, many("u-busy", 30))
		status, _ := post(t, &f, pathHTTPV2, many("u-busy", 1))
		require.Equal(t, 429, status)
		status, _ = post(t, &f, pathBatch, many("u-busy", 1))
		require.Equal(t, 200, status)
	})
}

func TestWithoutALimitNobodyIsThrottled(t *testing.T) {
	t.Parallel()
	f := Fake{HTTPV2: Limits{EventsPerSecond: -1}, DailyQuota: -1}
	for range 3 {
		status, _ := post(t, &f, pathHTTPV2, many("u-busy", 901))
		require.Equal(t, 200, status)
	}
}

func TestA429NamesUsersAndDevicesAndStoresNothing(t *testing.T) {
	t.Parallel()
	var f Fake
	f.Throttle("u-busy", "d-busy")
	f.ExhaustQuota("u-much")
	events := []string{
		`{"user_id":"u-busy","event_type":"x"}`,
		`{"user_id":"u-calm","event_type":"x"}`,
		`{"user_id":"u-calm","device_id":"d-busy","event_type":"x"}`,
		`{"user_id":"u-much","device_id":"d-calm","event_type":"x"}`,
		`{"user_id":"u-busy","event_type":"x"}`,
	}
	status, answer := send(t, &f, events...)
	require.Equal(t, 429, status)
	require.Equal(t, map[string]any{
		"code": 429.0, "error": "Too many requests for some devices and users", "eps_threshold": 30.0,
		"throttled_users":              map[string]any{"u-busy": 31.0},
		"throttled_devices":            map[string]any{"d-busy": 31.0},
		"exceeded_daily_quota_users":   map[string]any{"u-much": 500_001.0},
		"exceeded_daily_quota_devices": map[string]any{},
		"throttled_events":             []any{0.0, 2.0, 3.0, 4.0},
	}, answer)
	require.Empty(t, f.Events())

	f.Release("u-busy", "d-busy", "u-much")
	status, _ = send(t, &f, events...)
	require.Equal(t, 200, status)
}

func TestTheDailyQuotaComesBackByTheHour(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // a bubble begins at midnight UTC
		f := Fake{DailyQuota: 100}
		post(t, &f, pathHTTPV2, many("u-1001", 60))
		time.Sleep(90 * time.Minute)
		post(t, &f, pathBatch, many("u-1001", 40))
		status, answer := post(t, &f, pathHTTPV2, many("u-1001", 1))
		require.Equal(t, 429, status)
		require.Equal(t, map[string]any{"u-1001": 100.0}, answer["exceeded_daily_quota_users"])
		require.Equal(t, map[string]any{}, answer["throttled_users"])

		time.Sleep(22*time.Hour + 29*time.Minute)
		status, _ = post(t, &f, pathHTTPV2, many("u-1001", 1))
		require.Equal(t, 429, status)
		time.Sleep(time.Minute)
		status, _ = post(t, &f, pathHTTPV2, many("u-1001", 1))
		require.Equal(t, 200, status)
	})
}

func TestASilencedDeviceRefusesTheRequest(t *testing.T) {
	t.Parallel()
	var f Fake
	f.Silence("d-loud")
	events := []string{
		`{"device_id":"d-1001","event_type":"x"}`,
		`{"device_id":"d-loud","event_type":"x"}`,
		`{"device_id":"d-loud","user_id":"u-1001","event_type":"x"}`,
	}
	status, answer := send(t, &f, events...)
	require.Equal(t, 400, status)
	require.Equal(t, map[string]any{
		"code": 400.0, "error": "Events silenced for device_id", "eps_threshold": 30.0,
		"silenced_devices": []any{"d-loud"}, "silenced_events": []any{1.0, 2.0},
		"throttled_devices": map[string]any{}, "throttled_events": []any{}, "exceeded_daily_quota_devices": map[string]any{},
	}, answer)
	require.Empty(t, f.Events())
	status, _ = send(t, &f, events[0])
	require.Equal(t, 200, status)
	f.Release("d-loud")
	status, _ = send(t, &f, events...)
	require.Equal(t, 200, status)
}
