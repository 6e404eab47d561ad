package rest

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/time/rate"
)

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// reply is an answer for a roundTripper. headers are names and values in turn.
func reply(status int, body string, headers ...string) *http.Response {
	h := make(http.Header)
	for i := 0; i < len(headers); i += 2 {
		h.Add(headers[i], headers[i+1])
	}
	return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(body)), ContentLength: -1}
}

var errAmbiguous = errors.New("ambiguous")

type testError struct {
	status  int
	problem string
	after   time.Duration
}

func (e *testError) Error() string { return fmt.Sprintf("%d %s", e.status, e.problem) }

func newTestClient(rt http.RoundTripper) *Client {
	return &Client{
		Name: "test", HTTP: HTTPClient(&http.Client{Transport: rt}), MaxAttempts: 3,
		Refused: func(r *Response, problem string) error {
			return &testError{r.StatusCode, problem, r.RetryAfter}
		},
		Ambiguous: errAmbiguous,
	}
}

var get = Call{Method: "GET", Base: "https://api.example.com/base/", Path: "/things/{id}", Args: []string{"a b/c"}, Idempotent: true}

func TestRequestIsBuiltFromTheReferencesPath(t *testing.T) {
	t.Parallel()
	type options struct {
		Page int `url:"page"`
	}
	var got *http.Request
	var body []byte
	c := newTestClient(roundTripper(func(r *http.Request) (*http.Response, error) {
		got = r
		body, _ = io.ReadAll(r.Body)
		return reply(200, `{"ok":true}`), nil
	}))
	var out struct{ OK bool }
	err := c.Do(t.Context(), Call{
		Method: "POST", Base: "https://api.example.com/base/", Path: "/lists/{listId}/users/{id}", Args: []string{"a/b?c", "50%"},
		Query: options{Page: 2}, Body: map[string]any{"html": "<b>"},
		Auth: func(r *http.Request) { r.Header.Set("Api-Key", "k") },
	}, &out)
	require.NoError(t, err)
	require.True(t, out.OK)
	require.Equal(t, "https://api.example.com/base/lists/a%2Fb%3Fc/users/50%25?page=2", got.URL.String())
	require.Equal(t, "k", got.Header.Get("Api-Key"))
	require.Equal(t, "application/json", got.Header.Get("Content-Type"))
	require.JSONEq(t, `{"html":"<b>"}`, string(body))
	require.NotContains(t, string(body), `\u003c`)
}

func TestFormsGoAsForms(t *testing.T) {
	t.Parallel()
	c := newTestClient(roundTripper(func(r *http.Request) (*http.Response, error) {
		require.NoError(t, r.ParseForm())
		require.Equal(t, "v", r.PostForm.Get("k"))
		return reply(200, "success"), nil
	}))
	var raw []byte
	require.NoError(t, c.Do(t.Context(), Call{Method: "POST", Base: "https://h", Path: "/f", Body: url.Values{"k": {"v"}}}, &raw))
	require.Equal(t, "success", string(raw))
}

func TestPathsThatLeadElsewhereAreRefused(t *testing.T) {
	t.Parallel()
	c := newTestClient(roundTripper(func(*http.Request) (*http.Response, error) {
		t.Error("a request went out")
		return reply(200, "{}"), nil
	}))
	for _, args := range [][]string{{""}, {"."}, {".."}, nil, {"a", "b"}} {
		call := get
		call.Args = args
		require.Error(t, c.Do(t.Context(), call, nil), "%q", args)
	}
	for _, path := range []string{"", "things", ".evil.example/things"} {
		require.Error(t, c.Do(t.Context(), Call{Method: "GET", Base: "https://h", Path: path}, nil), "%q", path)
	}
	require.Error(t, c.Do(t.Context(), Call{Base: "https://h", Path: "/"}, nil), "no method")
}

func TestWhatIsRepeated(t *testing.T) {
	t.Parallel()
	broken := errors.New("connection reset")
	for _, tt := range []struct {
		name       string
		status     int
		err        error
		idempotent bool
		want       int
	}{
		{"429 of any call", 429, nil, false, 3},
		{"503 of a safe call", 503, nil, true, 3},
		{"503 of another call", 503, nil, false, 1},
		{"408 of a safe call", 408, nil, true, 3},
		{"a broken connection of a safe call", 0, broken, true, 3},
		{"a broken connection of another call", 0, broken, false, 1},
		{"400", 400, nil, true, 1},
		{"401", 401, nil, true, 1},
		{"404", 404, nil, true, 1},
		{"a redirect", 302, nil, true, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				n := 0
				c := newTestClient(roundTripper(func(*http.Request) (*http.Response, error) {
					n++
					if tt.err != nil {
						return nil, tt.err
					}
					return reply(tt.status, "", "Location", "https://elsewhere.example"), nil
				}))
				err := c.Do(t.Context(), Call{Method: "POST", Base: "https://h", Path: "/p", Body: []byte("{}"), Idempotent: tt.idempotent}, nil)
				require.Error(t, err)
				require.Equal(t, tt.want, n)
				require.Equal(t, tt.err != nil, errors.Is(err, errAmbiguous), "a cut off call may have taken effect")
			})
		})
	}
}

func TestWhatWasNeverSentIsRepeatedAndNotAmbiguous(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	base := "http://" + l.Addr().String()
	l.Close()
	c := newTestClient(http.DefaultTransport.(*http.Transport).Clone())
	c.MaxAttempts = 1
	call := Call{Method: "POST", Base: base, Path: "/p", Body: []byte("{}")}
	err = c.Do(t.Context(), call, nil)
	require.Error(t, err)
	require.NotErrorIs(t, err, errAmbiguous)
	_, again := c.again(t.Context(), &request{Call: call, attempts: 2}, 1, nil, false, err)
	require.True(t, again)
	op, ok := errors.AsType[*net.OpError](err)
	require.True(t, ok)
	require.Equal(t, "dial", op.Op)
}

func TestRetryWaitsAsTold(t *testing.T) {
	t.Parallel()
	now := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC) // synctest's epoch
	date := func(d time.Duration) string { return now.Add(d).Format(http.TimeFormat) }
	for _, tt := range []struct {
		name    string
		headers []string
		min     time.Duration
		max     time.Duration
		tries   int
	}{
		{"seconds", []string{"Retry-After", "7"}, 7 * time.Second, 7 * time.Second, 2},
		{"a date", []string{"Retry-After", date(90 * time.Second)}, 90 * time.Second, 90 * time.Second, 2},
		{"a date by the server's clock", []string{"Retry-After", date(time.Hour + time.Minute), "Date", date(time.Hour)}, time.Minute, time.Minute, 2},
		{"zero is our own backoff", []string{"Retry-After", "0"}, 1, firstBackoff, 2},
		{"a past date likewise", []string{"Retry-After", date(-time.Hour)}, 1, firstBackoff, 2},
		{"negative likewise", []string{"Retry-After", "-1"}, 1, firstBackoff, 2},
		{"words likewise", []string{"Retry-After", "soon"}, 1, firstBackoff, 2},
		{"none likewise", nil, 1, firstBackoff, 2},
		{"a day is not waited for", []string{"Retry-After", "86400"}, 0, 0, 1},
		{"55 years neither", []string{"Retry-After", "99999999999999999"}, 0, 0, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				n := 0
				c := newTestClient(roundTripper(func(*http.Request) (*http.Response, error) {
					if n++; n == 1 {
						return reply(429, "", tt.headers...), nil
					}
					return reply(200, "{}"), nil
				}))
				start := time.Now()
				err := c.Do(t.Context(), get, nil)
				took := time.Since(start)
				require.Equal(t, tt.tries, n)
				require.GreaterOrEqual(t, took, tt.min)
				require.LessOrEqual(t, took, tt.max)
				if tt.tries == 1 {
					refused, ok := errors.AsType[*testError](err)
					require.True(t, ok)
					require.Greater(t, refused.after, MaxPause)
					return
				}
				require.NoError(t, err)
			})
		})
	}
}

func TestAWaitPastTheDeadlineIsNotBegun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newTestClient(roundTripper(func(*http.Request) (*http.Response, error) {
			return reply(429, "", "Retry-After", "30"), nil
		}))
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		start := time.Now()
		err := c.Do(ctx, get, nil)
		require.Zero(t, time.Since(start))
		_, ok := errors.AsType[*testError](err)
		require.True(t, ok, "the refusal itself comes back")
	})
}

type stuckLimiter struct{}

func (stuckLimiter) Wait(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }

type stuckBody struct{ ctx context.Context }

func (b stuckBody) Read([]byte) (int, error) { <-b.ctx.Done(); return 0, b.ctx.Err() }
func (stuckBody) Close() error               { return nil }

func TestEveryWaitEndsWithTheContext(t *testing.T) {
	t.Parallel()
	for name, set := range map[string]func(c *Client) roundTripper{
		"the limiter": func(c *Client) roundTripper {
			c.Limits = map[string]Limiter{get.Op(): stuckLimiter{}}
			return nil
		},
		"the answer": func(*Client) roundTripper {
			return func(r *http.Request) (*http.Response, error) { <-r.Context().Done(); return nil, r.Context().Err() }
		},
		"the body": func(*Client) roundTripper {
			return func(r *http.Request) (*http.Response, error) {
				resp := reply(200, "")
				resp.Body = stuckBody{r.Context()}
				return resp, nil
			}
		},
		"the backoff": func(*Client) roundTripper {
			return func(*http.Request) (*http.Response, error) { return reply(429, "", "Retry-After", "60"), nil }
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := newTestClient(nil)
				if rt := set(c); rt != nil {
					c.HTTP = HTTPClient(&http.Client{Transport: rt})
				}
				ctx, cancel := context.WithCancel(t.Context())
				time.AfterFunc(time.Second, cancel)
				start := time.Now()
				err := c.Do(ctx, get, nil)
				require.ErrorIs(t, err, context.Canceled)
				require.Equal(t, time.Second, time.Since(start))
			})
		})
	}
}

func TestTheLimiterSpacesRequestsOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newTestClient(roundTripper(func(*http.Request) (*http.Response, error) { return reply(200, "{}"), nil }))
		c.Limits = map[string]Limiter{get.Op(): rate.NewLimiter(rate.Every(time.Second), 1)}
		var limited time.Duration
		c.OnAttempt = func(_ context.Context, a Attempt) { limited += a.Limited }
		start := time.Now()
		for range 4 {
			require.NoError(t, c.Do(t.Context(), get, nil))
		}
		require.Equal(t, 3*time.Second, time.Since(start))
		require.Equal(t, 3*time.Second, limited)

		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		require.ErrorIs(t, c.Do(ctx, get, nil), context.DeadlineExceeded, "x/time/rate says this in a text only")
	})
}

func TestAnOutageCostsTenRepeats(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		down, requests := true, 0
		c := newTestClient(roundTripper(func(*http.Request) (*http.Response, error) {
			requests++
			if down {
				return reply(500, ""), nil
			}
			return reply(200, "{}"), nil
		}))
		for range 100 {
			require.Error(t, c.Do(t.Context(), get, nil))
		}
		require.Equal(t, 110, requests)
		down = false
		for range 20 {
			require.NoError(t, c.Do(t.Context(), get, nil))
		}
		down, requests = true, 0
		for range 100 {
			require.Error(t, c.Do(t.Context(), get, nil))
		}
		require.Equal(t, 102, requests, "20 successes earn two repeats")
	})
}

func TestOneAttemptWhereTheFlowSaysSo(t *testing.T) {
	t.Parallel()
	n := 0
	c := newTestClient(roundTripper(func(*http.Request) (*http.Response, error) { n++; return reply(500, ""), nil }))
	require.Error(t, c.Do(WithAttempts(t.Context(), 1), get, nil))
	require.Equal(t, 1, n)
}

func TestSuccessIsTheDocumentedOneOnly(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		status int
		body   string
		ok     bool
	}{
		{"documented", 200, `{"a":1}`, true},
		{"another 2xx", 202, `{"a":1}`, false},
		{"HTML", 200, "<html>", false},
		{"empty", 200, "", false},
		{"cut short", 200, `{"a":`, false},
		{"too large", 200, `{"a":"` + strings.Repeat("x", maxBody) + `"}`, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := newTestClient(roundTripper(func(*http.Request) (*http.Response, error) { return reply(tt.status, tt.body), nil }))
			var out map[string]any
			err := c.Do(t.Context(), get, &out)
			require.Equal(t, tt.ok, err == nil, "%v", err)
		})
	}
}

// endless is a body without end that counts what was read of it.
type endless struct{ n atomic.Int64 }

func (e *endless) Read(p []byte) (int, error) {
	e.n.Add(int64(len(p)))
	return len(p), nil
}
func (*endless) Close() error { return nil }

func TestAHugeRefusalIsReadInPart(t *testing.T) { // not parallel: it counts what is allocated
	body := new(endless)
	c := newTestClient(roundTripper(func(*http.Request) (*http.Response, error) {
		resp := reply(400, "")
		resp.Body = body
		return resp, nil
	}))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	err := c.Do(t.Context(), get, nil)
	runtime.ReadMemStats(&after)
	require.Error(t, err)
	require.LessOrEqual(t, after.TotalAlloc-before.TotalAlloc, uint64(2<<20))
	require.LessOrEqual(t, body.n.Load(), int64(2<<20))
}

func TestABodyCutShortIsNoAnswer(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		io.WriteString(w, "{}")
	}))
	defer srv.Close()
	c := newTestClient(nil)
	c.HTTP, c.MaxAttempts = HTTPClient(srv.Client()), 1
	err := c.Do(t.Context(), Call{Method: "POST", Base: srv.URL, Path: "/p", Body: []byte("{}")}, nil)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.ErrorIs(t, err, errAmbiguous)
}

func TestNoTextShowsWhatIsPrivate(t *testing.T) {
	t.Parallel()
	const key, id, mail = "sk-canary-key", "user-canary-77", "canary@example.com"
	var log bytes.Buffer
	c := newTestClient(roundTripper(func(r *http.Request) (*http.Response, error) {
		return nil, &url.Error{Op: "Get", URL: r.URL.String(), Err: fmt.Errorf("bad %s for %s and %s at https://s3.example/f?X-Sig=canary\r\nInjected: 1", key, id, mail)}
	}))
	c.Secrets = []string{key, ""}
	c.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	c.MaxAttempts = 1
	var seen Attempt
	c.OnAttempt = func(_ context.Context, a Attempt) { seen = a }
	err := c.Do(t.Context(), Call{Method: "GET", Base: "https://h", Path: "/u/{id}", Args: []string{id}, Query: url.Values{"email": {mail}}}, nil)
	require.Error(t, err)
	for _, text := range []string{err.Error(), fmt.Sprintf("%+v", seen), log.String()} {
		require.NotContains(t, text, "canary")
		require.NotContains(t, text, "\r")
	}
	require.Equal(t, "GET /u/{id}", seen.Op)
}

func TestForeignTextIsCutToSize(t *testing.T) {
	t.Parallel()
	require.LessOrEqual(t, len(scrub(strings.Repeat("é", 1<<20), nil)), maxText)
}

func TestCompressionFromASizeOn(t *testing.T) {
	t.Parallel()
	var encoding string
	var body []byte
	c := newTestClient(roundTripper(func(r *http.Request) (*http.Response, error) {
		encoding = r.Header.Get("Content-Encoding")
		body, _ = io.ReadAll(r.Body)
		return reply(200, "{}"), nil
	}))
	c.GzipFrom = 100
	small, large := bytes.Repeat([]byte("x"), 99), bytes.Repeat([]byte("x"), 100)
	require.NoError(t, c.Do(t.Context(), Call{Method: "POST", Base: "https://h", Path: "/p", Body: small}, nil))
	require.Empty(t, encoding)
	require.NoError(t, c.Do(t.Context(), Call{Method: "POST", Base: "https://h", Path: "/p", Body: large}, nil))
	require.Equal(t, "gzip", encoding)
	zr, err := gzip.NewReader(bytes.NewReader(body))
	require.NoError(t, err)
	plain, err := io.ReadAll(zr)
	require.NoError(t, err)
	require.Equal(t, large, plain)
}

func TestNoRedirectIsFollowed(t *testing.T) {
	t.Parallel()
	stranger := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the stranger was asked") }))
	defer stranger.Close()
	for _, status := range []int{301, 302, 303, 307, 308} {
		srv := httptest.NewServer(http.RedirectHandler(stranger.URL, status))
		c := newTestClient(nil)
		c.HTTP = HTTPClient(srv.Client())
		err := c.Do(t.Context(), Call{Method: "POST", Base: srv.URL, Path: "/p", Body: []byte("secret"), Idempotent: true}, nil)
		refused, ok := errors.AsType[*testError](err)
		require.True(t, ok)
		require.Equal(t, status, refused.status)
		srv.Close()
	}
}

func TestAWrappedDefaultTransportIsUsed(t *testing.T) { // not parallel: it changes a global
	old := http.DefaultTransport
	t.Cleanup(func() { http.DefaultTransport = old })
	http.DefaultTransport = roundTripper(func(*http.Request) (*http.Response, error) { return reply(200, "{}"), nil })
	c := newTestClient(nil)
	c.HTTP = HTTPClient(nil)
	require.NoError(t, c.Do(t.Context(), get, nil))
}

func TestTheHeadOfAnAnswerIsBounded(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Long", strings.Repeat("x", 1<<20))
	}))
	defer srv.Close()
	c := newTestClient(nil)
	c.HTTP = HTTPClient(nil)
	err := c.Do(t.Context(), Call{Method: "GET", Base: srv.URL, Path: "/p"}, nil)
	require.ErrorContains(t, err, "headers exceeded")
	c.HTTP.CloseIdleConnections()
}

func TestOverlappingSecretsLeaveNothingBehind(t *testing.T) {
	t.Parallel()
	text := scrub("Invalid API key: apikey12345canary for user-10-annabel", []string{"12345", "user-10", "user-10-annabel", "apikey12345canary"})
	require.Equal(t, "Invalid API key: [removed] for [removed]", text)
}

func TestTheCallersClientIsNotChanged(t *testing.T) {
	t.Parallel()
	mine := &http.Client{Timeout: time.Minute}
	c := HTTPClient(mine)
	require.Nil(t, mine.CheckRedirect)
	require.Equal(t, time.Minute, c.Timeout)
}

func TestBaseURLs(t *testing.T) {
	t.Parallel()
	for base, ok := range map[string]bool{
		"https://api.example.com": true, "https://proxy.example.com/amplitude": true, "http://127.0.0.1:8080": true,
		"http://localhost": true, "http://[::1]:1": true,
		"http://api.example.com": false, "ftp://x": false, "/path": false, "": false, "https://": false,
		"https://user:pw@h": false, "https://h?q=1": false, "https://h#f": false, "http://10.0.0.1": false, "://": false, "https://h?": false, "https://h#": false, "https://:443": false,
	} {
		err := CheckBaseURL(base)
		require.Equal(t, ok, err == nil, "%q: %v", base, err)
		if err != nil {
			require.NotContains(t, err.Error(), "pw")
		}
	}
}
