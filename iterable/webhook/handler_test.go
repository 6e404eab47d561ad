package webhook_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/iteramp/iteramp/iterable/iterabletest"
	"github.com/iteramp/iteramp/iterable/webhook"
)

const secret = "0123456789abcdef"

func newHandler(t testing.TB, fn func(context.Context, webhook.Event) error) *webhook.Handler {
	t.Helper()
	h, err := webhook.NewHandler(webhook.HandlerConfig{Secrets: []string{secret}, MaxBody: 2 << 10}, fn)
	require.NoError(t, err)
	return h
}

func serve(h http.Handler, r *http.Request) *httptest.ResponseRecorder {
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	return rec
}

func TestHandlerHandsTheEventOver(t *testing.T) {
	t.Parallel()
	var got webhook.Event
	h := newHandler(t, func(_ context.Context, e webhook.Event) error { got = e; return nil })
	body := iterabletest.Payload(webhook.EmailClick)
	rec := serve(h, iterabletest.WebhookRequest(secret, body))
	require.Equal(t, http.StatusOK, rec.Code)
	require.Empty(t, rec.Body.String())
	require.Equal(t, webhook.EmailClick, got.Name)
	require.Equal(t, body, got.Body())
}

func TestHandlerEventsDoNotShareABuffer(t *testing.T) {
	t.Parallel()
	var kept []webhook.Event
	h := newHandler(t, func(_ context.Context, e webhook.Event) error { kept = append(kept, e); return nil })
	for i := range 100 {
		body := fmt.Sprintf(`{"eventName":"x","dataFields":{"n":%d}}`, i)
		require.Equal(t, http.StatusOK, serve(h, iterabletest.WebhookRequest(secret, []byte(body))).Code)
	}
	for i, e := range kept {
		require.Equal(t, fmt.Sprint(i), string(e.Field("n")))
	}
}

func TestHandlerRefusals(t *testing.T) {
	t.Parallel()
	big := []byte(`{"eventName":"x","dataFields":{"a":"` + strings.Repeat("a", 3<<10) + `"}}`)
	for name, tt := range map[string]struct {
		change func(*http.Request)
		body   []byte
		status int
		text   string
	}{
		"GET":                    {func(r *http.Request) { r.Method = "GET" }, nil, 405, "send POST"},
		"HEAD":                   {func(r *http.Request) { r.Method = "HEAD" }, nil, 405, "send POST"},
		"no type":                {func(r *http.Request) { r.Header.Del("Content-Type") }, nil, 415, "send application/json, uncompressed"},
		"a form":                 {func(r *http.Request) { r.Header.Set("Content-Type", "application/x-www-form-urlencoded") }, nil, 415, "send application/json, uncompressed"},
		"almost JSON":            {func(r *http.Request) { r.Header.Set("Content-Type", "application/jsonl") }, nil, 415, "send application/json, uncompressed"},
		"gzip":                   {func(r *http.Request) { r.Header.Set("Content-Encoding", "gzip") }, nil, 415, "send application/json, uncompressed"},
		"gzip after identity":    {func(r *http.Request) { r.Header["Content-Encoding"] = []string{"identity", "br"} }, nil, 415, "send application/json, uncompressed"},
		"too large":              {nil, big, 413, "too large"},
		"too large, unannounced": {func(r *http.Request) { r.ContentLength = -1 }, big, 413, "too large"},
		"no credential":          {func(r *http.Request) { r.Header.Del("Authorization") }, nil, 401, "wrong or missing credential"},
		"a wrong one":            {func(r *http.Request) { r.Header.Set("Authorization", secret+"x") }, nil, 401, "wrong or missing credential"},
		"cut off":                {func(r *http.Request) { r.Body = io.NopCloser(iotest.ErrReader(io.ErrUnexpectedEOF)) }, nil, 503, "not now, try again"},
		"not JSON":               {nil, []byte(`{"eventName":`), 400, webhook.ErrSyntax.Error()},
		"empty":                  {nil, []byte{}, 400, webhook.ErrSyntax.Error()},
		"no name":                {nil, []byte(`{"campaignId":7}`), 400, webhook.ErrNoName.Error()},
		"odd dataFields":         {nil, []byte(`{"eventName":"x","dataFields":"secret-text"}`), 400, webhook.ErrDataFields.Error()},

		"method before type":      {func(r *http.Request) { r.Method = "PUT"; r.Header.Del("Content-Type") }, nil, 405, "send POST"},
		"type before size":        {func(r *http.Request) { r.Header.Del("Content-Type") }, big, 415, "send application/json, uncompressed"},
		"size before credential":  {func(r *http.Request) { r.Header.Del("Authorization") }, big, 413, "too large"},
		"credential before parse": {func(r *http.Request) { r.Header.Del("Authorization") }, []byte(`{`), 401, "wrong or missing credential"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHandler(t, func(context.Context, webhook.Event) error { t.Error("called"); return nil })
			if tt.body == nil {
				tt.body = iterabletest.Payload(webhook.EmailClick)
			}
			r := iterabletest.WebhookRequest(secret, tt.body)
			if tt.change != nil {
				tt.change(r)
			}
			rec := serve(h, r)
			require.Equal(t, tt.status, rec.Code)
			require.Equal(t, tt.text+"\n", rec.Body.String())
			require.Equal(t, "text/plain; charset=utf-8", rec.Header().Get("Content-Type"))
			require.Empty(t, rec.Header().Get("Server"))
			require.Equal(t, tt.status == 405, rec.Header().Get("Allow") == "POST")
			require.Equal(t, tt.status == 503, rec.Header().Get("Retry-After") != "")
		})
	}
}

func TestHandlerTakesWhatIsHarmless(t *testing.T) {
	t.Parallel()
	h := newHandler(t, func(context.Context, webhook.Event) error { return nil })
	for name, change := range map[string]func(*http.Request){
		"charset":   func(r *http.Request) { r.Header.Set("Content-Type", "Application/JSON; charset=UTF-8") },
		"identity":  func(r *http.Request) { r.Header.Set("Content-Encoding", "Identity") },
		"no length": func(r *http.Request) { r.ContentLength = -1 },
		"slowly":    func(r *http.Request) { r.Body = io.NopCloser(iotest.OneByteReader(r.Body)) },
		"any path":  func(r *http.Request) { r.URL.Path, r.URL.RawQuery = "/%%/x y", "campaign={{campaignName}}&;" },
	} {
		r := iterabletest.WebhookRequest(secret, iterabletest.Payload(webhook.EmailClick))
		change(r)
		require.Equal(t, http.StatusOK, serve(h, r).Code, name)
	}
}

func TestHandlerDoesNotReadWithoutCredential(t *testing.T) {
	t.Parallel()
	h := newHandler(t, func(context.Context, webhook.Event) error { return nil })
	r := iterabletest.WebhookRequest("wrong-wrong-wrong", nil)
	r.Body, r.ContentLength = io.NopCloser(iotest.ErrReader(errors.New("read"))), 100
	require.Equal(t, http.StatusUnauthorized, serve(h, r).Code)
}

func TestHandlerAnswers503ToErrorsAndPanics(t *testing.T) {
	t.Parallel()
	var logged bytes.Buffer
	for name, fn := range map[string]func(context.Context, webhook.Event) error{
		"error":       func(_ context.Context, e webhook.Event) error { return errors.New("lost " + e.Email) },
		"panic":       func(_ context.Context, e webhook.Event) error { panic("oops " + e.Email) },
		"nil panic":   func(context.Context, webhook.Event) error { panic(nil) },
		"abort":       func(context.Context, webhook.Event) error { panic(http.ErrAbortHandler) },
		"dereference": func(context.Context, webhook.Event) error { var p *int; *p = 1; return nil },
	} {
		h, err := webhook.NewHandler(webhook.HandlerConfig{
			Secrets: []string{secret},
			Logger:  slog.New(slog.NewTextHandler(&logged, nil)),
		}, fn)
		require.NoError(t, err)
		rec := serve(h, iterabletest.WebhookRequest(secret, iterabletest.Payload(webhook.EmailClick)))
		require.Equal(t, http.StatusServiceUnavailable, rec.Code, name)
		require.Equal(t, "10", rec.Header().Get("Retry-After"))
		require.Equal(t, "not now, try again\n", rec.Body.String())
	}
	require.Contains(t, logged.String(), "type=runtime.errorString", "the nil pointer")
	require.Contains(t, logged.String(), "type=string")
	require.Contains(t, logged.String(), "handler_test.go", "the stack")
	require.NotContains(t, logged.String(), "ada.lindqvist", "no value")
}

func TestZeroHandlerAnswers503(t *testing.T) {
	t.Parallel()
	require.Equal(t, http.StatusServiceUnavailable, serve(new(webhook.Handler), iterabletest.WebhookRequest(secret, nil)).Code)
}

func TestNewHandlerNamesEveryMistake(t *testing.T) {
	t.Parallel()
	fn := func(context.Context, webhook.Event) error { return nil }
	_, err := webhook.NewHandler(webhook.HandlerConfig{
		Secrets: []string{"", "short77", "long enough, this", "with\nnewline", "with\x7fdelete", " with a space"},
		MaxBody: -1,
	}, nil)
	require.EqualError(t, err, strings.Join([]string{
		"webhook: Secrets[0] is empty",
		"webhook: Secrets[1] is shorter than 8 bytes",
		"webhook: Secrets[3] holds a newline or another control character",
		"webhook: Secrets[4] holds a newline or another control character",
		"webhook: Secrets[5] begins or ends with white space",
		"webhook: MaxBody is negative",
		"webhook: the func is nil",
	}, "\n"))
	_, err = webhook.NewHandler(webhook.HandlerConfig{}, fn)
	require.EqualError(t, err, "webhook: Secrets is empty: anyone could send events")

	var logged bytes.Buffer
	_, err = webhook.NewHandler(webhook.HandlerConfig{
		Secrets: []string{secret, "guess-me"},
		Logger:  slog.New(slog.NewTextHandler(&logged, nil)),
	}, fn)
	require.NoError(t, err)
	require.Contains(t, logged.String(), "field=Secrets[1]")
	require.NotContains(t, logged.String(), "Secrets[0]")
	require.NotContains(t, logged.String(), "guess-me")
}

func TestDefaultMaxBodyIsOneMebibyte(t *testing.T) {
	t.Parallel()
	h, err := webhook.NewHandler(webhook.HandlerConfig{Secrets: []string{secret}}, func(context.Context, webhook.Event) error { return nil })
	require.NoError(t, err)
	for extra, status := range map[int]int{0: 200, 1: 413} {
		const frame = `{"eventName":"x","a":""}`
		body := []byte(strings.Replace(frame, `""`, `"`+strings.Repeat("a", 1<<20-len(frame)+extra)+`"`, 1))
		require.Equal(t, status, serve(h, iterabletest.WebhookRequest(secret, body)).Code)
	}
}

func TestConfigAndHandlerPrintNoSecret(t *testing.T) {
	t.Parallel()
	cfg := webhook.HandlerConfig{Secrets: []string{secret}}
	h, err := webhook.NewHandler(cfg, func(context.Context, webhook.Event) error { return nil })
	require.NoError(t, err)
	var out bytes.Buffer
	for _, v := range []any{cfg, &cfg, h, *h, []webhook.HandlerConfig{cfg}, struct{ C webhook.HandlerConfig }{cfg}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
		json.NewEncoder(&out).Encode(v)
		slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "v", v)
		slog.New(slog.NewTextHandler(&out, nil)).Info("x", "v", v)
	}
	require.NotContains(t, out.String(), secret)
	require.NotContains(t, strings.ToLower(out.String()), fmt.Sprintf("%x", secret))
}

func TestTokensOfAHeader(t *testing.T) {
	t.Parallel()
	b64 := base64.StdEncoding.EncodeToString
	for header, want := range map[string][]string{
		"":                             nil,
		"  ":                           nil,
		"tok":                          {"tok"},
		" tok ":                        {"tok"},
		"key:tok":                      {"key:tok"},
		"OAuth2 tok":                   {"OAuth2 tok", "tok"},
		"bearer  tok":                  {"bearer  tok", "tok"},
		"TOKEN tok":                    {"TOKEN tok", "tok"},
		"Digest tok":                   {"Digest tok"},
		"Basic":                        {"Basic"},
		"Basic tok!":                   {"Basic tok!", "tok!"},
		"Basic " + b64([]byte("a:bc")): {"Basic YTpiYw==", "YTpiYw==", "a:bc"},
		"basic YTpiYw":                 {"basic YTpiYw", "YTpiYw", "a:bc"},
		"Basic -_-_":                   {"Basic -_-_", "-_-_", "\xfb\xff\xbf"},
		"Basic +/+/":                   {"Basic +/+/", "+/+/", "\xfb\xff\xbf"},
		"Bearer YTpiYw==":              {"Bearer YTpiYw==", "YTpiYw=="},
		"Basic ==":                     {"Basic ==", "=="},
	} {
		require.Equal(t, want, webhook.Tokens(header), "%q", header)
	}
}

func TestMatchFindsTheSecret(t *testing.T) {
	t.Parallel()
	secrets := []string{"new-secret-1", "old-secret-1", "new-secret-1", ""}
	for header, want := range map[string]int{
		"new-secret-1": 0, "old-secret-1": 1, "Basic old-secret-1": 1, "OAuth2 new-secret-1": 0, "Bearer old-secret-1": 1,
		"Basic " + base64.StdEncoding.EncodeToString([]byte("old-secret-1")):    1,
		"Basic " + base64.RawURLEncoding.EncodeToString([]byte("old-secret-1")): 1,
		"": -1, " ": -1, "Basic ": -1, "Basic ==": -1, "new-secret-": -1, "NEW-SECRET-1": -1, "Basic new-secret-1 x": -1,
	} {
		require.Equal(t, want, webhook.Match(header, secrets...), "%q", header)
	}
	require.Equal(t, -1, webhook.Match("anything"))
}

func FuzzHandler(f *testing.F) {
	for _, body := range iterabletest.Payloads() {
		f.Add("POST", "application/json", "", secret, body)
	}
	f.Add("GET", "text/plain; x=\"", "gzip", "Basic ====", []byte("\x00"))
	f.Fuzz(func(t *testing.T, method, contentType, encoding, authorization string, body []byte) {
		called := false
		h := newHandler(t, func(context.Context, webhook.Event) error { called = true; return nil })
		r := iterabletest.WebhookRequest("", body)
		r.Method = method
		r.Header.Set("Content-Type", contentType)
		r.Header.Set("Content-Encoding", encoding)
		r.Header.Set("Authorization", authorization)
		rec := serve(h, r)
		require.Contains(t, []int{200, 400, 401, 405, 413, 415}, rec.Code)
		require.Equal(t, rec.Code == 200, called)
		if called {
			require.Equal(t, 0, webhook.Match(authorization, secret))
		}
	})
}
