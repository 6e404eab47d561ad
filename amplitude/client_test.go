package amplitude_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iteramp/iteramp/amplitude"
	"github.com/iteramp/iteramp/amplitude/amplitudetest"
)

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func answerWith(status int, body string) *http.Response {
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body))}
}

func TestHostsByRegion(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		cfg    amplitude.Config
		upload string
		api    string
	}{
		{amplitude.Config{}, "https://api2.amplitude.com/2/httpapi", "https://amplitude.com/api/3/cohorts"},
		{amplitude.Config{Region: amplitude.RegionUS}, "https://api2.amplitude.com/2/httpapi", "https://amplitude.com/api/3/cohorts"},
		{amplitude.Config{Region: amplitude.RegionEU}, "https://api.eu.amplitude.com/2/httpapi", "https://analytics.eu.amplitude.com/api/3/cohorts"},
		{amplitude.Config{BaseURL: "https://proxy.example.com/amp/"}, "https://proxy.example.com/amp/2/httpapi", "https://proxy.example.com/amp/api/3/cohorts"},
	} {
		var got []string
		tt.cfg.APIKey = "key"
		tt.cfg.HTTPClient = &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			got = append(got, r.URL.String())
			return answerWith(200, `{"events_ingested":1}`), nil
		})}
		client, err := amplitude.NewClient(tt.cfg)
		require.NoError(t, err)
		require.NoError(t, client.Events.Upload(t.Context(), amplitude.EventUploadRequest{Events: numbered(1)}))
		require.NoError(t, client.Do(t.Context(), amplitude.Request{Method: "GET", Path: "/api/3/cohorts"}, nil))
		require.Equal(t, []string{tt.upload, tt.api}, got)
	}
}

func TestUploadBodyIsAsDocumented(t *testing.T) {
	t.Parallel()
	var got *http.Request
	var body []byte
	client, err := amplitude.NewClient(amplitude.Config{
		APIKey: "the-key",
		HTTPClient: &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			got = r
			body, _ = io.ReadAll(r.Body)
			return answerWith(200, `{"code":200,"events_ingested":2}`), nil
		})},
	})
	require.NoError(t, err)
	err = client.Events.Upload(t.Context(), amplitude.EventUploadRequest{MinIDLength: 1, Events: []amplitude.Event{
		{UserID: "1", EventType: "a", InsertID: "i-1"}, {UserID: "2", EventType: "b", InsertID: "i-2"},
	}})
	require.NoError(t, err)
	require.Equal(t, "POST", got.Method)
	require.Equal(t, "application/json", got.Header.Get("Content-Type"))
	require.Empty(t, got.Header.Get("Authorization"))
	require.JSONEq(t, `{"api_key":"the-key","options":{"min_id_length":1},"events":[
		{"user_id":"1","event_type":"a","insert_id":"i-1"},{"user_id":"2","event_type":"b","insert_id":"i-2"}]}`, string(body))
}

func TestDoReachesEndpointsWithoutAMethod(t *testing.T) {
	t.Parallel()
	var got *http.Request
	var body []byte
	client, err := amplitude.NewClient(amplitude.Config{
		APIKey: "the-key", SecretKey: "the-secret",
		HTTPClient: &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			got = r
			body, _ = io.ReadAll(r.Body)
			return answerWith(200, `{"data":{"id":7}}`), nil
		})},
	})
	require.NoError(t, err)
	type options struct {
		Category string `url:"category"`
	}
	var out struct{ Data struct{ ID int } }
	err = client.Do(t.Context(), amplitude.Request{
		Method: "PUT", Path: "/api/3/annotations/{id}", Args: []string{"a/b"}, Query: options{"releases"}, Body: map[string]any{"label": "v2"},
	}, &out)
	require.NoError(t, err)
	require.Equal(t, 7, out.Data.ID)
	require.Equal(t, "https://amplitude.com/api/3/annotations/a%2Fb?category=releases", got.URL.String())
	user, password, _ := got.BasicAuth()
	require.Equal(t, "the-key:the-secret", user+":"+password)
	require.JSONEq(t, `{"label":"v2"}`, string(body))

	err = client.Do(t.Context(), amplitude.Request{Method: "POST", Path: "/identify", Body: url.Values{"api_key": {client.APIKey()}}}, nil)
	require.NoError(t, err)
	require.Equal(t, "https://api2.amplitude.com/identify", got.URL.String())
	require.Empty(t, got.Header.Get("Authorization"), "ingestion takes the key from the body")
	require.Equal(t, "api_key=the-key", string(body))
}

func TestDoTellsTheKindOfRefusal(t *testing.T) {
	t.Parallel()
	var fake amplitudetest.Fake
	client := newClient(t, &fake, func(cfg *amplitude.Config) { cfg.MaxAttempts = 1 })
	for status, kind := range map[int]error{401: amplitude.ErrUnauthorized, 404: amplitude.ErrNotFound, 429: amplitude.ErrRateLimited, 502: amplitude.ErrAmbiguous} {
		fake.FailNext(status)
		err := client.Do(t.Context(), amplitude.Request{Method: "POST", Path: "/api/2/release"}, nil)
		require.ErrorIs(t, err, kind)
	}
	fake.FailNext(0)
	require.ErrorIs(t, client.Do(t.Context(), amplitude.Request{Method: "POST", Path: "/api/2/release"}, nil), amplitude.ErrAmbiguous)
}

func TestConfigMistakesAreToldAtOnceAndWithoutValues(t *testing.T) {
	t.Parallel()
	_, err := amplitude.NewClient(amplitude.Config{
		APIKey: "canary\n", SecretKey: " canary", Region: "canary", BaseURL: "http://canary.example", MaxAttempts: -1,
		Limits: map[string]amplitude.Limiter{"POST /bach": nil},
	})
	for _, want := range []string{
		"Config.APIKey", "Config.SecretKey begins or ends", "Config.Region must be US or EU", "Config.BaseURL must be https",
		"Config.MaxAttempts is negative", `Config.Limits names "POST /bach"`,
	} {
		require.ErrorContains(t, err, want)
	}
	require.NotContains(t, err.Error(), "canary")
	_, err = amplitude.NewClient(amplitude.Config{})
	require.ErrorContains(t, err, "Config.APIKey is missing")
}

type countingLimiter struct{ n int }

func (l *countingLimiter) Wait(context.Context) error { l.n++; return nil }

func TestTheCallersLimiterIsAsked(t *testing.T) {
	t.Parallel()
	var fake amplitudetest.Fake
	limiter := new(countingLimiter)
	client := newClient(t, &fake, func(cfg *amplitude.Config) {
		cfg.Limits = map[string]amplitude.Limiter{"POST /batch": limiter}
	})
	require.NoError(t, client.Events.UploadBatch(t.Context(), amplitude.EventUploadRequest{Events: numbered(10)}))
	require.NoError(t, client.Events.Upload(t.Context(), amplitude.EventUploadRequest{Events: numbered(10)}))
	require.Equal(t, 1, limiter.n)
}

// Promise C6: whatever is printed, marshalled or logged.
func TestNothingShowsKeysAddressesAndIDs(t *testing.T) {
	t.Parallel()
	const key, secretKey, id = "canary-api-key", "canary-secret-key", "canary-user@example.com"
	var log bytes.Buffer
	var fake amplitudetest.Fake
	fake.Intercept(func(w http.ResponseWriter, r *http.Request) bool {
		w.WriteHeader(403)
		fmt.Fprintf(w, `{"error":"no %s, not with %s by %s"}`, key, secretKey, id)
		return true
	})
	var attempts []amplitude.Attempt
	client := newClient(t, &fake, func(cfg *amplitude.Config) {
		cfg.APIKey, cfg.SecretKey = key, secretKey
		cfg.Logger = slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		cfg.OnAttempt = func(_ context.Context, a amplitude.Attempt) { attempts = append(attempts, a) }
	})
	err := client.Events.Upload(t.Context(), amplitude.EventUploadRequest{Events: []amplitude.Event{{UserID: id, EventType: "x"}}})
	require.ErrorContains(t, err, "no [removed], not with [removed] by [removed]")
	marshalled, _ := json.Marshal(client)
	for _, text := range []string{
		err.Error(), fmt.Sprintf("%+v %#v", err, err), fmt.Sprintf("%+v", attempts), log.String(),
		fmt.Sprintf("%v %+v %#v %+v", client, client, *client, client.Events), string(marshalled),
	} {
		require.NotContains(t, text, "canary")
	}
	require.NotEmpty(t, log.String())
}
