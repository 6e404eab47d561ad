package iterable

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestHostsByRegion(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		cfg  Config
		want string
	}{
		{Config{}, "https://api.iterable.com/api/lists"},
		{Config{Region: RegionUS, ProjectType: ProjectTypeEmail}, "https://api.iterable.com/api/lists"},
		{Config{Region: RegionEU, ProjectType: ProjectTypeUserID}, "https://api.eu.iterable.com/api/lists"},
		{Config{BaseURL: "https://proxy.example.com/it/"}, "https://proxy.example.com/it/api/lists"},
		{Config{BaseURL: "http://127.0.0.1:8080", ProjectType: ProjectTypeHybrid}, "http://127.0.0.1:8080/api/lists"},
	} {
		var got *http.Request
		tt.cfg.APIKey = testKey
		tt.cfg.HTTPClient = &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			got = r
			return answer(200, `{"lists":[]}`), nil
		})}
		client, err := NewClient(tt.cfg)
		require.NoError(t, err)
		_, err = client.Lists.List(t.Context())
		require.NoError(t, err)
		require.Equal(t, tt.want, got.URL.String())
		require.Equal(t, testKey, got.Header.Get("Api-Key"))
		require.Equal(t, tt.cfg.ProjectType, client.ProjectType())
	}
}

func TestConfigMistakesAreToldAtOnceAndWithoutValues(t *testing.T) {
	t.Parallel()
	_, err := NewClient(Config{
		APIKey: "canary\n", Region: "canary", ProjectType: "canary", BaseURL: "http://canary.example", MaxAttempts: -1,
		Limits: map[string]Limiter{"POST /api/lists/subscribbe": nil, "POST /api/lists": nil},
	})
	for _, want := range []string{
		"Config.APIKey", "Config.Region must be US or EU", "Config.ProjectType must be email, userId or hybrid", "Config.BaseURL must be https",
		"Config.MaxAttempts is negative", `Config.Limits names "POST /api/lists/subscribbe"`,
	} {
		require.ErrorContains(t, err, want)
	}
	require.NotContains(t, err.Error(), "canary")
	_, err = NewClient(Config{})
	require.ErrorContains(t, err, "Config.APIKey is missing")
	_, err = NewClient(Config{APIKey: testKey, Region: RegionEU, ProjectType: ProjectTypeEmail})
	require.ErrorContains(t, err, "Config.ProjectType is email, which the EU data center does not have")
}

func TestDoReachesEndpointsWithoutAMethod(t *testing.T) {
	t.Parallel()
	client, r := newTestClient(t, alike(201, `{"snippetId":7}`))
	type options struct {
		Page int `url:"page"`
	}
	var out struct{ SnippetID int }
	require.NoError(t, client.Do(t.Context(), Request{
		Method: "PUT", Path: "/api/snippets/{identifier}", Args: []string{"a/b"}, Query: options{2}, Body: map[string]any{"content": "<b>"},
	}, &out))
	require.Equal(t, 7, out.SnippetID)
	require.NoError(t, client.Do(t.Context(), Request{Method: "POST", Path: "/api/x", Query: url.Values{"q": {"a b"}}, Body: []byte("raw")}, nil))
	var raw []byte
	require.NoError(t, client.Do(t.Context(), Request{Method: "GET", Path: "/api/x"}, &raw))
	require.JSONEq(t, `{"snippetId":7}`, string(raw))
	require.Equal(t, []sent{
		{"PUT", "/base/api/snippets/a%2Fb?page=2", testKey, `{"content":"<b>"}`},
		{"POST", "/base/api/x?q=a+b", testKey, "raw"},
		{"GET", "/base/api/x", testKey, ""},
	}, r.all())
	for _, args := range [][]string{nil, {""}, {"."}, {".."}, {"a", "b"}} {
		require.Error(t, client.Do(t.Context(), Request{Method: "GET", Path: "/api/snippets/{identifier}", Args: args}, nil), "%q", args)
	}
	require.Len(t, r.all(), 3, "a path that leads elsewhere is not asked for")
}

func TestDoAndItsClientMayBeMissing(t *testing.T) {
	t.Parallel()
	for _, client := range []*Client{nil, {}} {
		require.ErrorContains(t, client.Do(t.Context(), Request{Method: "GET", Path: "/api/x"}, nil), "not made by NewClient")
		require.Empty(t, client.ProjectType())
		require.Equal(t, "iterable.Client", fmt.Sprintf("%+v", client))
	}
}

func TestDoRepeatsWhatIsSafe(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		req  Request
		want int
	}{
		{Request{Method: "GET"}, 2}, {Request{Method: "POST"}, 1}, {Request{Method: "POST", Idempotent: true}, 2},
	} {
		synctest.Test(t, func(t *testing.T) {
			client, r := newTestClient(t, alike(503, ""), attempts(2))
			tt.req.Path = "/api/x"
			require.ErrorIs(t, client.Do(t.Context(), tt.req, nil), ErrAmbiguous)
			require.Len(t, r.all(), tt.want)
		})
	}
}

// Promise C7: no request leaves for a host that is not configured.
func TestNoRedirectIsFollowed(t *testing.T) {
	t.Parallel()
	for _, status := range []int{301, 302, 303, 307, 308} {
		for _, to := range []string{
			"https://stranger.example/x", "https://sub.iterable.example/x", "http://iterable.example/base/api/lists", "https://127.0.0.1/",
			"http://169.254.169.254/latest", "file:///etc/passwd", "/base/api/lists", "https://user:pass@iterable.example/", "",
		} {
			var hosts []string
			client, _ := newTestClient(t, alike(status, "", "Location", to), func(cfg *Config) {
				inner := cfg.HTTPClient.Transport
				cfg.HTTPClient.CheckRedirect = func(*http.Request, []*http.Request) error { return nil }
				cfg.HTTPClient.Transport = roundTripper(func(r *http.Request) (*http.Response, error) {
					hosts = append(hosts, r.Method+" "+r.URL.Host)
					return inner.RoundTrip(r)
				})
			})
			_, err := client.Lists.List(t.Context())
			refusal, ok := errors.AsType[*Error](err)
			require.True(t, ok)
			require.Equal(t, status, refusal.StatusCode)
			err = client.Users.Update(t.Context(), UserUpdateRequest{UserID: "u-1"})
			require.Error(t, err)
			require.NotErrorIs(t, err, ErrAmbiguous)
			for _, err := range collectErrors(client.Lists.Members(t.Context(), 42, ListMembersOptions{})) {
				require.Error(t, err)
			}
			require.Equal(t, []string{"GET iterable.example", "POST iterable.example", "GET iterable.example"}, hosts)
		}
	}
}

func collectErrors[T any](seq func(func(T, error) bool)) (errs []error) {
	for _, err := range seq {
		errs = append(errs, err)
	}
	return errs
}

func TestA429IsWaitedForAsItSays(t *testing.T) {
	t.Parallel()
	const second = time.Second
	for _, tt := range []struct {
		name, params string
		headers      []string
		min, max     time.Duration
		tries        int
	}{
		{"a number", `{"rateLimitLimit":500,"rateLimitRemaining":0,"rateLimitReset":7}`, nil, 7 * second, 7 * second, 2},
		{"a fraction", `{"rateLimitReset":0.25}`, nil, second / 4, second / 4, 2},
		{"quoted", `{"rateLimitReset":"7"}`, nil, 7 * second, 7 * second, 2},
		{"the header first", `{"rateLimitReset":7}`, []string{"Retry-After", "2"}, 2 * second, 2 * second, 2},
		{"zero is our own backoff", `{"rateLimitReset":0}`, nil, 1, second / 2, 2},
		{"negative likewise", `{"rateLimitReset":-3}`, nil, 1, second / 2, 2},
		{"words likewise", `{"rateLimitReset":"soon"}`, nil, 1, second / 2, 2},
		{"no number likewise", `{"rateLimitReset":"NaN"}`, nil, 1, second / 2, 2},
		{"no end likewise", `{"rateLimitReset":"Inf"}`, nil, 1, second / 2, 2},
		{"none likewise", `{}`, nil, 1, second / 2, 2},
		{"null likewise", `null`, nil, 1, second / 2, 2},
		{"a list likewise", `[1]`, nil, 1, second / 2, 2},
		{"five minutes", `{"rateLimitReset":300}`, nil, 300 * second, 300 * second, 2},
		{"a day is not waited for", `{"rateLimitReset":86400}`, nil, 0, 0, 1},
		{"nor for ever", `{"rateLimitReset":1e300}`, nil, 0, 0, 1},
		{"without a body that can be read", `{`, nil, 1, second / 2, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				n := 0
				client, r := newTestClient(t, func(sent) *http.Response {
					if n++; n == 1 {
						return answer(429, `{"msg":"Exceeded rate limit of 500.0 per second ","code":"RateLimitExceeded","params":`+tt.params+`}`, tt.headers...)
					}
					return answer(200, success)
				}, attempts(3))
				start := time.Now()
				err := client.Users.Update(t.Context(), UserUpdateRequest{UserID: "u-1001"})
				took := time.Since(start)
				require.GreaterOrEqual(t, took, tt.min)
				require.LessOrEqual(t, took, tt.max)
				require.Len(t, r.all(), tt.tries)
				if tt.tries == 2 {
					require.NoError(t, err)
					return
				}
				require.ErrorIs(t, err, ErrRateLimited)
				refusal, _ := errors.AsType[*Error](err)
				require.Greater(t, refusal.RetryAfter, 5*time.Minute)
			})
		})
	}
}

func TestA429OfAnOperationCountedByTheMinuteIsLeftAloneForOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := 0
		client, _ := newTestClient(t, func(sent) *http.Response {
			if n++; n == 1 {
				return answer(429, "Too Many Requests")
			}
			return answer(200, "7")
		}, attempts(2))
		start := time.Now()
		size, err := client.Lists.Size(t.Context(), 42)
		require.NoError(t, err)
		require.Equal(t, 7, size)
		require.Equal(t, time.Minute, time.Since(start))
	})
}

// A client of lists takes a 429 in its stride: the other records are not touched.
func TestABulkCallOutlivesA429(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := 0
		client, r := newTestClient(t, func(s sent) *http.Response {
			if n++; n == 1 {
				return answer(429, "", "Retry-After", "1")
			}
			return takes(s)
		}, attempts(3))
		start := time.Now()
		_, err := client.Lists.Subscribe(t.Context(), ListSubscribeRequest{ListID: 42, Subscribers: subscribers(10)})
		require.NoError(t, err)
		require.Equal(t, time.Second, time.Since(start))
		require.Len(t, r.all(), 2)
	})
}

// Promise C6: whatever is printed, marshalled or logged.
func TestNothingShowsKeysAddressesAndIDs(t *testing.T) {
	t.Parallel()
	const id, address = "canary-user", "canary@example.com"
	var log bytes.Buffer
	var attempted []Attempt
	cfg := Config{}
	client, _ := newTestClient(t, func(s sent) *http.Response {
		return answer(400, fmt.Sprintf(`{"code":"BadJsonBody","params":{"key":%q},"msg":"Invalid JSON body: %s Headers: Api-Key: %s, Host"}`,
			testKey, id+" "+address, testKey))
	}, func(c *Config) {
		c.Logger = slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		c.OnAttempt = func(_ context.Context, a Attempt) { attempted = append(attempted, a) }
		cfg = *c
	})
	err := client.Users.Update(t.Context(), UserUpdateRequest{UserID: id, Email: address})
	require.ErrorContains(t, err, "Invalid JSON body: [removed] [removed] Headers: Api-Key: [removed]")
	hook := WebhookUpdateRequest{ID: 3, Endpoint: "https://canary.example", AuthToken: "canary", Headers: map[string]string{"canary": "canary"}}
	slog.New(slog.NewJSONHandler(&log, nil)).Error("all", "cfg", cfg, "err", err, "hook", hook, "client", client)
	texts := []string{log.String()}
	for _, v := range []any{
		err, attempted, client, *client, client.Lists, client.Users, cfg, &cfg, struct{ Config Config }{cfg}, hook, &hook, []WebhookUpdateRequest{hook},
	} {
		marshalled, _ := json.Marshal(v)
		texts = append(texts, string(marshalled), fmt.Sprintf("%v %+v %#v %s %q %d %x %t", v, v, v, v, v, v, v, v))
	}
	for _, text := range texts {
		require.NotContains(t, text, "canary")
	}
	require.Contains(t, texts[0], "giving up")
	require.Contains(t, fmt.Sprintf("%+v %+v", cfg, hook), "iterable.Config{Region: US} iterable.WebhookUpdateRequest{ID: 3}")
}
