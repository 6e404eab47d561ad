package memory

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func get(ctx context.Context, h http.HandlerFunc) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://memory.invalid/a%2Fb?c=d", nil)
	if err != nil {
		return nil, err
	}
	return (&http.Client{Transport: Transport{h}}).Do(req)
}

func TestAHandlerSeesARequestAsBehindASocket(t *testing.T) {
	t.Parallel()
	resp, err := get(t.Context(), func(w http.ResponseWriter, r *http.Request) {
		require.Equal(t, "/a%2Fb?c=d", r.RequestURI)
		require.Equal(t, "/a/b", r.URL.Path)
		require.Empty(t, r.URL.Host)
		require.Equal(t, "memory.invalid", r.Host)
		require.NotEmpty(t, r.RemoteAddr)
		require.NotNil(t, r.Body)
		w.Header().Set("X-Before", "1")
		w.WriteHeader(http.StatusAccepted)
		w.WriteHeader(http.StatusTeapot)
		w.Header().Set("X-After", "1")
	})
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, "202 Accepted", resp.Status)
	require.Equal(t, "1", resp.Header.Get("X-Before"))
	require.Empty(t, resp.Header.Get("X-After"), "too late")
}

func TestABrokenAnswerEndsInAnError(t *testing.T) {
	t.Parallel()
	for name, h := range map[string]http.HandlerFunc{
		"aborted": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = fmt.Fprint(w, "half")
			panic(http.ErrAbortHandler)
		},
		"shorter than said": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "8")
			_, _ = fmt.Fprint(w, "half")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			resp, err := get(t.Context(), h)
			require.NoError(t, err)
			defer resp.Body.Close()
			body, err := io.ReadAll(resp.Body)
			require.Equal(t, "half", string(body))
			require.ErrorIs(t, err, io.ErrUnexpectedEOF)
		})
	}
	_, err := get(t.Context(), func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.PanicsWithValue(t, "mine", func() {
		_, _ = get(t.Context(), func(http.ResponseWriter, *http.Request) { panic("mine") })
	})
}

func TestAContextEndsARequest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		start := time.Now()
		_, err := get(ctx, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, time.Minute, time.Since(start))
		_, err = get(ctx, func(http.ResponseWriter, *http.Request) { t.Error("served after the end") })
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
}
