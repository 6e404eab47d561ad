package iterable

import (
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

const testKey = "canary-api-key"

// sent is a request as it went out.
type sent struct {
	method, uri string // of the address, what follows the host
	key         string
	body        string
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// recorder is an Iterable that remembers what it was sent.
type recorder struct {
	mu   sync.Mutex
	sent []sent
}

func (r *recorder) all() []sent {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]sent(nil), r.sent...)
}

// newTestClient returns a client of an Iterable that answers by the func. It has no
// rate limits but what a change brings.
func newTestClient(t testing.TB, answer func(sent) *http.Response, change ...func(*Config)) (*Client, *recorder) {
	t.Helper()
	r := new(recorder)
	cfg := Config{
		APIKey: testKey, BaseURL: "https://iterable.example/base/", MaxAttempts: 1, Limits: make(map[string]Limiter),
		HTTPClient: &http.Client{Transport: roundTripper(func(req *http.Request) (*http.Response, error) {
			if err := req.Context().Err(); err != nil {
				return nil, err
			}
			body, err := io.ReadAll(req.Body)
			if err != nil {
				return nil, err
			}
			s := sent{req.Method, req.URL.RequestURI(), req.Header.Get("Api-Key"), string(body)}
			r.mu.Lock()
			r.sent = append(r.sent, s)
			r.mu.Unlock()
			return answer(s), nil
		})},
	}
	for op := range rates {
		cfg.Limits[op] = nil
	}
	for _, f := range change {
		f(&cfg)
	}
	client, err := NewClient(cfg)
	require.NoError(t, err)
	return client, r
}

// reply is an answer whose length is told. headers are names and values in turn.
func answer(status int, body string, headers ...string) *http.Response {
	h := make(http.Header)
	for i := 0; i < len(headers); i += 2 {
		h.Set(headers[i], headers[i+1])
	}
	return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body))}
}

// always answers each request alike.
func alike(status int, body string, headers ...string) func(sent) *http.Response {
	return func(sent) *http.Response { return answer(status, body, headers...) }
}

func attempts(n int) func(*Config) { return func(cfg *Config) { cfg.MaxAttempts = n } }
