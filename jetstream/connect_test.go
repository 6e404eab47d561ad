package jetstream

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"
)

func TestConnectChecksThatServersSyncAlways(t *testing.T) {
	if testing.Short() {
		t.Skip("starts processes")
	}
	t.Parallel()
	c := startOne(t, true)
	_, err := Connect(t.Context(), c.urls(), ConnectConfig{Replicas: 1, Monitors: c.monitors()})
	require.ErrorContains(t, err, "Monitors[0]: the server must be set to sync_interval: always")

	var logged bytes.Buffer
	s, err := Connect(t.Context(), c.urls(), ConnectConfig{Replicas: 1, Logger: slog.New(slog.NewTextHandler(&logged, nil))})
	require.NoError(t, err)
	require.NoError(t, s.Close())
	require.Contains(t, logged.String(), "nobody has checked that the NATS servers sync every write")

	s, err = Connect(t.Context(), c.urls(), ConnectConfig{Replicas: 3})
	require.NoError(t, err)
	defer s.Close()
	require.Error(t, s.Queue().Put(t.Context(), "r", []byte("a")), "one server keeps no three replicas")
}

func TestMonitorsAreRead(t *testing.T) {
	t.Parallel()
	good := map[string]string{"/varz": `{"version":"2.14.9"}`, "/jsz": `{"config":{"sync_always":true}}`}
	require.NoError(t, checkMonitors(t.Context(), []string{monitorOf(t, good) + "/"}, slog.New(slog.DiscardHandler)))
	for want, bad := range map[string]map[string]string{
		`version is "2.13.4" and must be 2.14.0`: {"/varz": `{"version":"2.13.4"}`},
		`version is ""`:                          {"/varz": `{}`},
		"no answer of a NATS server's":           {"/varz": `<html>`},
		"sync_interval: always":                  {"/jsz": `{"config":{}}`},
		"without JetStream":                      {"/jsz": `{"disabled":true}`},
		"status 404":                             {"/jsz": ""},
	} {
		answers := map[string]string{"/varz": good["/varz"], "/jsz": good["/jsz"]}
		for path, body := range bad {
			answers[path] = body
		}
		err := checkMonitors(t.Context(), []string{monitorOf(t, good), monitorOf(t, answers)}, slog.New(slog.DiscardHandler))
		require.ErrorContains(t, err, "Monitors[1]: ")
		require.ErrorContains(t, err, want)
	}
	for _, secret := range []string{"http://user:hunter2@127.0.0.1:1", "http://user:hunter2@\x7f", "hunter2"} {
		err := checkMonitors(t.Context(), []string{secret}, slog.New(slog.DiscardHandler))
		require.ErrorIs(t, err, errMonitor)
		require.NotContains(t, err.Error(), "hunter2")
	}
}

func monitorOf(t *testing.T, answers map[string]string) string {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body := answers[r.URL.Path]
		if body == "" {
			http.NotFound(w, r)
			return
		}
		fmt.Fprint(w, body)
	}))
	t.Cleanup(srv.Close)
	return srv.URL
}

func TestOldServersAreRefused(t *testing.T) {
	t.Parallel()
	for _, good := range []string{"2.14.0", "2.14.9", "2.15.2", "2.16.0-preview.1", "3.0.0"} {
		require.NoError(t, checkVersion(good))
	}
	for _, bad := range []string{"", "2", "2.9.25", "2.13.99", "1.99.0", "new"} {
		require.ErrorContains(t, checkVersion(bad), fmt.Sprintf("%q", bad))
	}
}

func TestConnectWaitsNoLongerThanItsContext(t *testing.T) {
	t.Parallel()
	ports := freePorts(t, 1)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	began := time.Now()
	_, err := Connect(ctx, fmt.Sprintf("nats://user:hunter2@127.0.0.1:%d", ports[0]), ConnectConfig{})
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.NotContains(t, err.Error(), "hunter2")
	require.Less(t, time.Since(began), 3*time.Second)
	for _, bad := range []string{"nats://user:hun/ter2@x:y", "nats://user:hunter2@\x7f:1"} {
		_, err = Connect(ctx, bad, ConnectConfig{})
		require.Error(t, err)
		require.NotContains(t, err.Error(), "hun")
	}
	_, err = Connect(t.Context(), "", ConnectConfig{Replicas: -1})
	require.ErrorContains(t, err, "Replicas")
}

// The options that must hold come after the caller's.
func TestOptionsOfTheCallerCannotEndReconnecting(t *testing.T) {
	if testing.Short() {
		t.Skip("starts processes")
	}
	t.Parallel()
	c := startOne(t, false)
	s, err := Connect(t.Context(), c.urls(), ConnectConfig{Replicas: 1}, nats.MaxReconnects(0), nats.ReconnectWait(50*time.Millisecond))
	require.NoError(t, err)
	defer s.Close()
	put(t, s, "r", "a")
	c.kill(0)
	require.Eventually(t, func() bool { return s.Ready() != nil }, 5*time.Second, 10*time.Millisecond)
	require.ErrorIs(t, s.Ready(), ErrNotReady)
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	require.Error(t, s.Queue().Put(ctx, "r", []byte("b")))
	c.start(t, 0)
	require.Eventually(t, func() bool { return s.Ready() == nil }, 10*time.Second, 10*time.Millisecond)
	put(t, s, "r", "c")
	require.Equal(t, "a", string(take(t, s, "r").Frame()))
}
