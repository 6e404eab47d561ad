package rest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

var download = Call{Method: "GET", Base: "https://api.example.com", Path: "/files/{id}", Args: []string{"f-1"}, Idempotent: true}

func TestAStreamIsReadAsItComes(t *testing.T) {
	t.Parallel()
	r, w := io.Pipe()
	c := newTestClient(roundTripper(func(*http.Request) (*http.Response, error) {
		resp := reply(200, "")
		resp.Body, resp.TransferEncoding = r, []string{"chunked"}
		return resp, nil
	}))
	s, err := c.Stream(t.Context(), download)
	require.NoError(t, err)
	go func() {
		io.WriteString(w, "first ")
		io.WriteString(w, "second")
		w.Close()
	}()
	all, err := io.ReadAll(s)
	require.NoError(t, err)
	require.Equal(t, "first second", string(all))
	require.NoError(t, s.Close())
}

func TestAStreamOutlivesTheClientsTimeout(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, "a")
		w.(http.Flusher).Flush()
		time.Sleep(60 * time.Millisecond) // is the server's slowness, waits for nothing
		io.WriteString(w, "b")
	}))
	defer srv.Close()
	c := newTestClient(nil)
	c.HTTP = HTTPClient(&http.Client{Timeout: 30 * time.Millisecond})
	call := download
	call.Base = srv.URL
	s, err := c.Stream(t.Context(), call)
	require.NoError(t, err)
	defer s.Close()
	all, err := io.ReadAll(s)
	require.NoError(t, err)
	require.Equal(t, "ab", string(all))
}

func TestAStreamIsRepeatedUpToItsFirstByte(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := 0
		c := newTestClient(roundTripper(func(*http.Request) (*http.Response, error) {
			if n++; n == 1 {
				return reply(503, "busy", "Retry-After", "7"), nil
			}
			return lengthy(200, "whole"), nil
		}))
		start := time.Now()
		s, err := c.Stream(t.Context(), download)
		require.NoError(t, err)
		defer s.Close()
		require.Equal(t, 7*time.Second, time.Since(start))
	})
}

func TestARefusedStreamIsTheVendorsError(t *testing.T) {
	t.Parallel()
	c := newTestClient(roundTripper(func(*http.Request) (*http.Response, error) { return reply(404, "no"), nil }))
	_, err := c.Stream(t.Context(), download)
	refused, ok := errors.AsType[*testError](err)
	require.True(t, ok)
	require.Equal(t, 404, refused.status)
}

func lengthy(status int, body string) *http.Response {
	resp := reply(status, body)
	resp.ContentLength = int64(len(body))
	return resp
}

// A server that speaks by hand, for answers that net/http would not give.
func rawServer(t *testing.T, answer string) string {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			conn.Read(make([]byte, 4096))
			io.WriteString(conn, answer)
			conn.Close()
		}
	}()
	return "http://" + ln.Addr().String()
}

func TestAStreamThatWasCutIsAnError(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]string{
		"short of its length":  "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
		"chunks without end":   "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
		"ended by the closing": "HTTP/1.1 200 OK\r\n\r\nhalf",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newTestClient(http.DefaultTransport)
			call := download
			call.Base = rawServer(t, answer)
			s, err := c.Stream(t.Context(), call)
			require.NoError(t, err)
			defer s.Close()
			_, err = io.ReadAll(s)
			require.Error(t, err)
			require.Contains(t, err.Error(), "test: GET /files/{id}: ")
			_, again := s.Read(make([]byte, 1))
			require.Equal(t, err, again, "the end stays the end")
		})
	}
}

func TestAStreamEndsWithItsContext(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}))
	defer srv.Close()
	ctx, cancel := context.WithCancel(t.Context())
	c := newTestClient(http.DefaultTransport)
	call := download
	call.Base = srv.URL
	s, err := c.Stream(ctx, call)
	require.NoError(t, err)
	defer s.Close()
	cancel()
	_, err = s.Read(make([]byte, 1))
	require.ErrorIs(t, err, context.Canceled)
}

func TestALinkIsFetchedWithoutCredentialsAndOverHTTPSOnly(t *testing.T) {
	t.Parallel()
	for link, ok := range map[string]bool{
		"https://bucket.example.net/file.csv?X-Signature=s3cr3t": true,
		"http://bucket.example.net/file.csv":                     false,
		"http://127.0.0.1/file.csv":                              false,
		"https://user:pw@bucket.example.net/file.csv":            false,
		"file:///etc/passwd":                                     false,
		"//bucket.example.net/file.csv":                          false,
		"/file.csv":                                              false,
		"":                                                       false,
		"https://":                                               false,
		"%":                                                      false,
	} {
		var got *http.Request
		c := newTestClient(roundTripper(func(r *http.Request) (*http.Response, error) {
			got = r
			return lengthy(200, "csv"), nil
		}))
		c.Limits = map[string]Limiter{download.Op(): neverLimiter{}}
		call := download
		call.Link, call.Args = link, nil
		call.Auth = func(r *http.Request) { r.Header.Set("Authorization", "Basic k") }
		s, err := c.Stream(t.Context(), call)
		if !ok {
			require.Error(t, err, link)
			require.Nil(t, got, link)
			continue
		}
		require.NoError(t, err, link)
		s.Close()
		require.Equal(t, link, got.URL.String())
		require.Empty(t, got.Header.Get("Authorization"))
	}
}

func TestALinkMayBeHTTPWhereTheBaseIs(t *testing.T) {
	t.Parallel()
	require.NoError(t, CheckLink("http://127.0.0.1:8080/f", "http://localhost:8080"))
	require.Error(t, CheckLink("http://169.254.169.254/f", "http://localhost:8080"))
	require.Error(t, CheckLink("http://127.0.0.1:8080/f", "https://amplitude.com"))
}

type neverLimiter struct{}

func (neverLimiter) Wait(context.Context) error { return errors.New("no") }

func TestPages(t *testing.T) {
	t.Parallel()
	var fetched []int
	pages := Pages(1, func(n int) ([]string, int, error) {
		fetched = append(fetched, n)
		if n == 4 {
			return nil, 0, errors.New("gone")
		}
		return []string{fmt.Sprint("a", n), fmt.Sprint("b", n)}, n + 1, nil
	})
	require.Empty(t, fetched, "nothing is fetched before the range")
	for item := range pages {
		if item == "b2" {
			break
		}
	}
	require.Equal(t, []int{1, 2}, fetched)
	var all []string
	var last error
	for item, err := range pages {
		all, last = append(all, item), err
	}
	require.EqualError(t, last, "gone")
	require.Equal(t, "a1 b1 a2 b2 a3 b3 ", strings.Join(all, " "))
	loops := 0
	for range Pages(3, func(n int) ([]int, int, error) { loops++; return []int{n}, n, nil }) {
	}
	require.Equal(t, 1, loops, "a page that names itself as the next is the last")
}
