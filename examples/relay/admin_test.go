package main

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iteramp/iteramp/amplitude/amplitudetest"
)

func TestWebPagesReachNothingOfTheAdmin(t *testing.T) {
	t.Parallel()
	var amp amplitudetest.Fake
	r := start(t, &amp)
	for _, c := range []struct {
		method string
		header []string
		want   int
	}{
		{"GET", nil, 200},
		{"GET", []string{"Host", "localhost:8081"}, 200},
		{"GET", []string{"Host", "localhost"}, 200},
		{"GET", []string{"Host", "127.0.0.1"}, 200},
		{"GET", []string{"Host", "[::1]:8081"}, 200},
		{"GET", []string{"Host", "[::1]"}, 200},
		{"GET", []string{"Host", "evil.example.com"}, 403},
		{"GET", []string{"Host", "evil.example.com:8081"}, 403},
		{"GET", []string{"Host", "127.0.0.1.example.com"}, 403},
		{"GET", []string{"Host", "192.0.2.1:8081"}, 403},
		{"GET", []string{"Origin", "https://evil.example.com"}, 403},
		{"GET", []string{"Origin", "null"}, 403},
		{"GET", []string{"Origin", r.adminURL}, 403},
		{"DELETE", []string{"Sec-Fetch-Site", "cross-site"}, 403},
		{"DELETE", []string{"Host", "evil.example.com"}, 403},
	} {
		r.store.bury("invalid", "user-1")
		path := "/deadletters/shop/id-user-1"
		got, _ := ask(t, c.method, r.adminURL+path, "", c.header...)
		require.Equal(t, c.want, got, "%s %v", c.method, c.header)
		require.Equal(t, []string{"id-user-1"}, r.store.ids())
	}
}

func TestAPublicAdminTakesAnyHostAndNoOrigin(t *testing.T) {
	t.Parallel()
	s := &service{}
	s.cfg.opts.Admin = "0.0.0.0:8081"
	ok := s.guard(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	for header, want := range map[string]int{"": 200, "https://evil.example.com": 403} {
		req, err := http.NewRequest(http.MethodGet, "http://relay.internal:8081/metrics", nil)
		require.NoError(t, err)
		if header != "" {
			req.Header.Set("Origin", header)
		}
		require.Equal(t, want, serveOnce(ok, req))
	}
}

func TestADirectRelayHasNoDeadLetters(t *testing.T) {
	t.Parallel()
	var amp amplitudetest.Fake
	s, err := configured(t, nil, "-direct", "-routes", amplitudeAt(t, &amp)).start(t.Context(), nil)
	require.NoError(t, err)
	admin := "http://" + s.admin.Addr().String()
	code, text := ask(t, "GET", admin+"/deadletters", "")
	require.Equal(t, http.StatusNotFound, code)
	require.JSONEq(t, `{"error":"there are no dead letters without a queue"}`, text)
	code, text = ask(t, "GET", admin+"/metrics", "")
	require.Equal(t, http.StatusOK, code)
	require.NotContains(t, text, "backlog")
	s.stop(errStop)
	require.NoError(t, s.wait(t.Context()))
}
