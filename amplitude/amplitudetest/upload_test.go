package amplitudetest

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func zipped(t *testing.T, body string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, err := z.Write([]byte(body))
	require.NoError(t, err)
	require.NoError(t, z.Close())
	return b.Bytes()
}

// uploadAs posts a body with a content encoding and returns the status.
func uploadAs(t *testing.T, f *Fake, path, encoding string, body []byte) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://amplitudetest.invalid"+path, bytes.NewReader(body))
	require.NoError(t, err)
	req.Header.Set("Content-Encoding", encoding)
	resp, err := client(f).Do(req)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	return resp.StatusCode
}

func batch(n int) string {
	events := make([]string, n)
	for i := range events {
		events[i] = fmt.Sprintf(`{"user_id":"user-%d","event_type":"x","insert_id":"i-%d"}`, i, i)
	}
	return `{"api_key":"test-key","events":[` + strings.Join(events, ",") + `]}`
}

func TestCompressedUploadsAreReadAndMeasuredInFull(t *testing.T) {
	t.Parallel()
	f := Fake{HTTPV2: Limits{MaxBytes: 5000}}
	small, large := zipped(t, batch(50)), zipped(t, batch(200))
	require.Less(t, len(large), 5000)
	require.Equal(t, 200, uploadAs(t, &f, pathHTTPV2, "gzip", small))
	require.Equal(t, 413, uploadAs(t, &f, pathHTTPV2, "GZIP", large))
	require.Equal(t, 400, uploadAs(t, &f, pathHTTPV2, "gzip", []byte(batch(1))), "not compressed at all")
	require.Equal(t, 400, uploadAs(t, &f, pathHTTPV2, "gzip", small[:len(small)-9]), "cut off")
	require.Equal(t, 400, uploadAs(t, &f, pathHTTPV2, "", small), "not declared")
	require.Len(t, f.Events(), 50)

	log := f.Requests()[0]
	require.Equal(t, len(small), log.Bytes)
	require.Equal(t, 50, log.Events)
}

func TestABombIsNotUnpacked(t *testing.T) { // not parallel: it measures memory
	var f Fake
	bomb := zipped(t, strings.Repeat(" ", 8<<20))
	f.HTTPV2.MaxBytes = 64 << 10
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	require.Equal(t, 413, uploadAs(t, &f, pathHTTPV2, "gzip", bomb))
	runtime.ReadMemStats(&after)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(2<<20))
}

func TestTheLimitsAreTheDocumentedOnes(t *testing.T) {
	t.Parallel()
	var f Fake
	v2, _ := f.limits(pathHTTPV2)
	require.Equal(t, Limits{MaxBytes: 1_000_000, MaxEvents: 2000, EventsPerSecond: 30}, v2)
	batch, _ := f.limits(pathBatch)
	require.Equal(t, Limits{MaxBytes: 20_000_000, MaxEvents: 2000, EventsPerSecond: 1000}, batch)
}

func TestARequestOverItsLimitsIsTooLarge(t *testing.T) {
	t.Parallel()
	for _, path := range []string{pathHTTPV2, pathBatch} {
		for _, test := range []struct {
			name   string
			limits Limits
			want   int
		}{
			{"as many bytes as allowed", Limits{MaxBytes: len(batch(10))}, 200},
			{"a byte more", Limits{MaxBytes: len(batch(10)) - 1}, 413},
			{"many bytes more", Limits{MaxBytes: 1}, 413},
			{"as many events as allowed", Limits{MaxEvents: 10}, 200},
			{"an event more", Limits{MaxEvents: 9}, 413},
			{"no limit", Limits{MaxEvents: -1, MaxBytes: -1}, 200},
		} {
			t.Run(path+" "+test.name, func(t *testing.T) {
				t.Parallel()
				f := Fake{HTTPV2: test.limits, Batch: test.limits}
				status, answer := post(t, &f, path, batch(10))
				require.Equal(t, test.want, status)
				if test.want == 413 {
					require.Equal(t, map[string]any{"code": 413.0, "error": "Payload too large"}, answer)
					require.Empty(t, f.Events())
				} else {
					require.EqualValues(t, len(batch(10)), answer["payload_size_bytes"])
				}
			})
		}
	}
}

func TestWhatTheVendorsOtherSDKsSendIsAccepted(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, contentType, body string }{
		{"Go", "application/json", `{"api_key":"test-key","events":[{"event_type":"x","user_id":"u-1001","time":1767225600123,"library":"amplitude-go/1.3.1","plan":{},"groups":{"org":["acme"]}}]}`},
		{"Python", "application/json; charset=UTF-8", `{"api_key": "test-key", "events": [{"event_type": "x", "user_id": "u-1001", "ingestion_metadata": {"source_name": "s"}}]}`},
		{"Node", "application/json", `{"api_key":"test-key","events":[{"event_type":"x","user_id":"u-1001","event_id":0,"session_id":-1}],"options":{},"client_upload_time":"2026-01-01T00:00:00.123Z","request_metadata":{"sdk":{"metrics":{}}}}`},
		{"a browser's beacon", "text/plain;charset=UTF-8", `{"api_key":"test-key","events":[{"event_type":"x","device_id":"d-1001","user_id":null,"ip":"$remote"}]}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var f Fake
			resp, err := client(&f).Post("https://amplitudetest.invalid/2/httpapi", test.contentType, strings.NewReader(test.body))
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
			require.Equal(t, 200, resp.StatusCode)
			require.Equal(t, "application/json", resp.Header.Get("Content-Type"))
			require.Len(t, f.Events(), 1)
		})
	}
}

func TestOnlyKnownEndpointsAnswer(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		method, path string
		want         int
	}{
		{http.MethodPost, "/", 404},
		{http.MethodPost, "/httpapi", 404},
		{http.MethodPost, "/batch/", 404},
		{http.MethodGet, "/batch", 405},
		{http.MethodPut, "/2/httpapi", 405},
		{http.MethodPost, "/api/2/export", 405},
	} {
		t.Run(test.method+" "+test.path, func(t *testing.T) {
			t.Parallel()
			var f Fake
			req, err := http.NewRequestWithContext(t.Context(), test.method, "https://amplitudetest.invalid"+test.path, nil)
			require.NoError(t, err)
			resp, err := client(&f).Do(req)
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
			require.Equal(t, test.want, resp.StatusCode)
		})
	}
}
