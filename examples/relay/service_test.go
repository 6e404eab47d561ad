package main

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iteramp/iteramp"
	"github.com/iteramp/iteramp/amplitude/amplitudetest"
	"github.com/iteramp/iteramp/iterable/iterabletest"
	"github.com/iteramp/iteramp/iterable/webhook"
	"github.com/iteramp/iteramp/jetstream"
)

// program is a whole run of the program.
type program struct {
	log  *logLines
	stop context.CancelFunc // as a signal does
	exit chan int
	base string
}

func launch(t *testing.T, args ...string) *program {
	log, stderr := newLog(t)
	ctx, cancel := context.WithCancel(context.Background())
	p := &program{log: log, stop: cancel, exit: make(chan int, 1)}
	t.Cleanup(cancel)
	go func() {
		var out bytes.Buffer
		p.exit <- run(ctx, append([]string{"-listen", "127.0.0.1:0", "-admin", "127.0.0.1:0"}, args...), &out, stderr, env(nil))
	}()
	p.base = "http://" + log.wait(t, "started")["listen"].(string)
	return p
}

func (p *program) end(t *testing.T) {
	p.stop()
	require.Equal(t, exitStopped, <-p.exit, p.log)
}

func TestWhatIsNotDeliveredIsDeliveredAfterTheNextStart(t *testing.T) {
	t.Parallel()
	var amp amplitudetest.Fake
	var down atomic.Bool
	down.Store(true)
	amp.Intercept(func(w http.ResponseWriter, _ *http.Request) bool {
		if down.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		return down.Load()
	})
	args := []string{"-routes", amplitudeAt(t, &amp), "-data", filepath.Join(t.TempDir(), "queue")}
	p := launch(t, args...)
	users := []string{"user-1", "user-2", "user-3", "user-4", "user-5"}
	for _, user := range users {
		require.Equal(t, http.StatusOK, post(t, p.base, click(user)))
	}
	p.end(t)
	require.Empty(t, amp.Events())

	down.Store(false)
	p = launch(t, args...)
	// What was in hand when it was stopped comes again within a minute at worst.
	require.Eventually(t, func() bool { return len(amp.Events()) == len(users) }, 90*time.Second, 100*time.Millisecond)
	p.end(t)
	require.Zero(t, amp.Duplicates())
	for _, secret := range append(users, testSecret, testKey) {
		require.NotContains(t, p.log.String(), secret)
	}
	started := p.log.wait(t, "started")
	require.Equal(t, []any{"embedded", []any{"shop"}, []any{"/iterable"}}, []any{started["mode"], started["routes"], started["paths"]})
}

func TestADirectRelayAnswersByTheFateOfTheEvent(t *testing.T) {
	t.Parallel()
	var amp amplitudetest.Fake
	p := launch(t, "-direct", "-routes", amplitudeAt(t, &amp))
	require.Equal(t, http.StatusOK, post(t, p.base, click("user-1")))
	require.Len(t, amp.Events(), 1)
	amp.FailNext(503, 503, 503)
	require.Equal(t, http.StatusServiceUnavailable, post(t, p.base, click("user-2")))
	p.end(t)
}

func TestADirectoryInUseIsAFailure(t *testing.T) {
	t.Parallel()
	var amp amplitudetest.Fake
	args := []string{"-routes", amplitudeAt(t, &amp), "-data", t.TempDir()}
	if runtime.GOOS != "windows" {
		require.NoError(t, os.Chmod(args[3], 0o700))
	}
	p := launch(t, args...)
	var out, errs bytes.Buffer
	require.Equal(t, exitFailed, run(t.Context(), append(args, "-listen", "127.0.0.1:0", "-admin", "127.0.0.1:0"), &out, &errs, env(nil)))
	require.Contains(t, errs.String(), jetstream.ErrBusy.Error())
	p.end(t)
}

func TestASocketInUseIsAFailureAndLeavesNothingOpen(t *testing.T) {
	t.Parallel()
	var amp amplitudetest.Fake
	r := start(t, &amp)
	for _, flag := range []string{"-listen", "-admin"} {
		var out, errs bytes.Buffer
		args := []string{"-routes", amplitudeAt(t, &amp), "-data", t.TempDir(), "-listen", "127.0.0.1:0", "-admin", "127.0.0.1:0"}
		require.Equal(t, exitFailed, run(t.Context(), append(args, flag, r.public.Addr().String()), &out, &errs, env(nil)))
		require.Contains(t, errs.String(), flag+": ")
		require.NotContains(t, errs.String(), `"started"`)
	}
}

func TestAStopAnswersWhatHasComeAndThenClosesTheStore(t *testing.T) {
	t.Parallel()
	var amp amplitudetest.Fake
	arrived, goOn := make(chan struct{}), make(chan struct{})
	amp.Intercept(func(http.ResponseWriter, *http.Request) bool {
		close(arrived)
		<-goOn
		return false
	})
	// Without a queue a webhook is under way until Amplitude has answered.
	cfg := configured(t, nil, "-direct", "-routes", amplitudeAt(t, &amp))
	s, err := cfg.start(t.Context(), nil)
	require.NoError(t, err)
	release := sync.OnceFunc(func() { close(goOn) })
	t.Cleanup(release)
	closed := newMemoryStore()
	s.store = closed
	ctx, cancel := context.WithCancel(t.Context())
	stopped := make(chan error, 1)
	go func() { stopped <- s.wait(ctx) }()

	status := make(chan int, 1)
	go func() { status <- post(t, "http://"+s.public.Addr().String(), click("user-1")) }()
	<-arrived
	admin := "http://" + s.admin.Addr().String()
	code, _ := ask(t, "GET", admin+"/readyz", "")
	require.Equal(t, http.StatusOK, code)
	cancel()
	require.Eventually(t, func() bool {
		code, text := ask(t, "GET", admin+"/readyz", "")
		return code == http.StatusServiceUnavailable && text == "stopping\n"
	}, 10*time.Second, time.Millisecond)
	code, _ = ask(t, "GET", admin+"/healthz", "")
	require.Equal(t, http.StatusOK, code, "it lives")
	require.False(t, closed.isClosed())
	select {
	case err := <-stopped:
		require.Fail(t, "stopped with a request under way", "%v", err)
	default:
	}
	release()
	require.Equal(t, http.StatusOK, <-status)
	require.NoError(t, <-stopped)
	require.True(t, closed.isClosed())
	require.Len(t, amp.Events(), 1)
}

func TestAStopWaitsForWhatIsBeingDelivered(t *testing.T) {
	t.Parallel()
	var amp amplitudetest.Fake
	arrived, goOn := make(chan struct{}), make(chan struct{})
	amp.Intercept(func(http.ResponseWriter, *http.Request) bool {
		close(arrived)
		<-goOn
		return false
	})
	st := newMemoryStore()
	s, err := configured(t, nil, "-routes", amplitudeAt(t, &amp)).start(t.Context(), st)
	require.NoError(t, err)
	release := sync.OnceFunc(func() { close(goOn) })
	t.Cleanup(release)
	require.Equal(t, http.StatusOK, post(t, "http://"+s.public.Addr().String(), click("user-1")))
	<-arrived
	ctx, cancel := context.WithCancel(t.Context())
	stopped := make(chan error, 1)
	go func() { stopped <- s.wait(ctx) }()
	cancel()
	require.Eventually(t, func() bool {
		c, err := net.Dial("tcp", s.public.Addr().String())
		if err == nil {
			c.Close()
		}
		return err != nil
	}, 10*time.Second, time.Millisecond, "nothing more is taken")
	code, _ := ask(t, "GET", "http://"+s.admin.Addr().String()+"/healthz", "")
	require.Equal(t, http.StatusOK, code)
	release()
	require.NoError(t, <-stopped)
	require.Len(t, amp.Events(), 1)
	require.True(t, st.isClosed())
	require.False(t, st.late, "the store is closed last")
}

func TestAStopThatTakesTooLongIsAFailure(t *testing.T) {
	t.Parallel()
	var amp amplitudetest.Fake
	arrived := make(chan struct{})
	amp.Intercept(func(_ http.ResponseWriter, r *http.Request) bool {
		close(arrived)
		<-r.Context().Done()
		return true
	})
	s, err := configured(t, nil, "-direct", "-routes", amplitudeAt(t, &amp), "-stop-within", "50ms", "-answer-within", "500ms").start(t.Context(), nil)
	require.NoError(t, err)
	broken := make(chan error, 1)
	go func() {
		req := iterabletest.WebhookRequest(testToken, click("user-1"))
		req.URL.Scheme, req.URL.Host = "http", s.public.Addr().String()
		resp, err := http.DefaultClient.Do(req)
		if err == nil {
			resp.Body.Close()
		}
		broken <- err
	}()
	<-arrived
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorContains(t, s.wait(ctx), "not stopped in time")
	require.Error(t, <-broken, "not answered, so that it is sent again")
}

func TestAServerThatFailsStopsTheService(t *testing.T) {
	t.Parallel()
	var amp amplitudetest.Fake
	st := newMemoryStore()
	s, err := configured(t, nil, "-routes", amplitudeAt(t, &amp)).start(t.Context(), st)
	require.NoError(t, err)
	require.NoError(t, s.public.socket.(*limited).Listener.Close())
	require.Error(t, s.wait(t.Context()))
	require.True(t, st.isClosed())
}

func TestReadyIsTheRelaysAndTheStores(t *testing.T) {
	t.Parallel()
	var amp amplitudetest.Fake
	r := start(t, &amp)
	code, text := ask(t, "GET", r.adminURL+"/readyz", "")
	require.Equal(t, []any{http.StatusOK, "ok\n"}, []any{code, text})
	r.store.fail(errors.New("the disk is gone"))
	code, text = ask(t, "GET", r.adminURL+"/readyz", "")
	require.Equal(t, []any{http.StatusServiceUnavailable, "the disk is gone\n"}, []any{code, text})
	require.Equal(t, http.StatusServiceUnavailable, post(t, r.base, click("user-1")))
	r.store.fail(nil)
	code, text = ask(t, "GET", r.adminURL+"/readyz", "")
	require.Equal(t, http.StatusServiceUnavailable, code, "the relay looks again in a second")
	require.Contains(t, text, "the queue fails or is full")
}

func TestWebhooksOfARouteThatIsGoneAreReportedAndKept(t *testing.T) {
	t.Parallel()
	var amp amplitudetest.Fake
	log, stderr := newLog(t)
	st := newMemoryStore()
	st.backlog = []jetstream.Backlog{{Route: "old", Frames: 3}, {Route: "older"}, {Route: "shop", Frames: 1}}
	s, err := configured(t, stderr, "-routes", amplitudeAt(t, &amp)).start(t.Context(), st)
	require.NoError(t, err)
	line := log.wait(t, "webhooks wait for a route that is not configured")
	require.Equal(t, []any{"old", 3.0}, []any{line["route"], line["frames"]})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.NoError(t, s.wait(ctx))
	require.NotContains(t, log.String(), "older")
}

func TestEveryKindOfWebhookIsDeliveredOrCounted(t *testing.T) {
	t.Parallel()
	var amp amplitudetest.Fake
	r := start(t, &amp)
	for _, c := range []struct {
		body   []byte
		status int
	}{
		{iterabletest.Payload(webhook.EmailClick), 200},
		{iterabletest.Payload(webhook.InAppRecall), 200}, // of nobody
		{[]byte(`{}`), 400},
		{[]byte(`no JSON`), 400},
	} {
		require.Equal(t, c.status, post(t, r.base, c.body))
	}
	require.Eventually(t, func() bool { return r.relay.Stats().Delivered == 1 }, 10*time.Second, time.Millisecond)
	require.Equal(t, map[int]int64{200: 2, 400: 2}, r.relay.Stats().Answers)
	require.Len(t, amp.Events(), 1)
	require.Equal(t, iteramp.ErrRunning, r.relay.Run(t.Context()))
}
