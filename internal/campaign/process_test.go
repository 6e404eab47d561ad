package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/time/rate"

	"github.com/iteramp/iteramp"
	"github.com/iteramp/iteramp/amplitude"
	"github.com/iteramp/iteramp/jetstream"
)

const (
	secret = "campaign-secret-16"
	token  = "test-key:" + secret
)

// order is what a relay in a process of its own is told, by its environment.
type order struct {
	Amplitude string  // its URL
	Dir       string  // of the store
	Uploads   float64 // a second
	KillAt    string  // the step at which the process kills itself, one of steps
	Nth       int64   // time that it comes there
}

const orderVariable = "ITERAMP_TEST_RELAY"

// steps are where a kill may tear a frame's way apart.
var steps = []string{"before it is stored", "stored", "answered", "before it is sent", "taken by Amplitude", "letter stored", "before it is done", "done"}

// serve is a relay on a port of its own, which it prints. /backlog says how many
// frames wait, /goroutines how many of those there are.
func serve(o order) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	store, err := jetstream.Embed(ctx, jetstream.EmbedConfig{Dir: o.Dir, Logger: log})
	if err != nil {
		return err
	}
	k := &killer{at: o.KillAt, after: o.Nth}
	client, err := amplitude.NewClient(amplitude.Config{
		APIKey: "test-key", BaseURL: o.Amplitude, HTTPClient: &http.Client{Timeout: 2 * time.Second, Transport: killingTransport{k}},
		Limits: map[string]amplitude.Limiter{"POST /2/httpapi": rate.NewLimiter(rate.Limit(o.Uploads), 1)}, Logger: log,
	})
	if err != nil {
		return err
	}
	relay, err := iteramp.NewRelay(iteramp.RelayConfig{
		Routes: []iteramp.Route{{Amplitude: client, Secrets: []string{secret}}},
		Queue:  killingQueue{store.Queue(), k}, DeadLetter: killingLetters{store.DeadLetter(), k}, Logger: log,
	})
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /iterable", func(w http.ResponseWriter, r *http.Request) {
		relay.ServeHTTP(w, r)
		_ = http.NewResponseController(w).Flush()
		k.step("answered")
	})
	mux.HandleFunc("GET /backlog", func(w http.ResponseWriter, r *http.Request) {
		frames := int64(0)
		backlog, err := store.Backlog(r.Context())
		for _, b := range backlog {
			frames += b.Frames
		}
		fmt.Fprintln(w, frames, err)
	})
	mux.HandleFunc("GET /goroutines", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, runtime.NumGoroutine())
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	srv := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 15 * time.Second, WriteTimeout: 30 * time.Second}
	ended := make(chan error, 1)
	go func() { ended <- relay.Run(ctx) }()
	closed := make(chan error, 1)
	go func() {
		<-ctx.Done()
		closed <- srv.Shutdown(context.WithoutCancel(ctx))
	}()
	fmt.Println(os.Getpid(), "http://"+l.Addr().String())
	if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return errors.Join(<-closed, <-ended, store.Close())
}

// killer kills its process when it comes to a step for the nth time.
type killer struct {
	at    string
	after int64
	n     atomic.Int64
}

func (k *killer) step(name string) {
	if k.at == name && k.n.Add(1) == k.after {
		fmt.Println("killed:", name)
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}
}

type killingQueue struct {
	iteramp.Queue
	k *killer
}

func (q killingQueue) Put(ctx context.Context, route string, frame []byte) error {
	q.k.step("before it is stored")
	err := q.Queue.Put(ctx, route, frame)
	if err == nil {
		q.k.step("stored")
	}
	return err
}

func (q killingQueue) Take(ctx context.Context, route string) (iteramp.Delivery, error) {
	d, err := q.Queue.Take(ctx, route)
	if err != nil {
		return nil, err
	}
	return killingDelivery{d, q.k}, nil
}

type killingDelivery struct {
	iteramp.Delivery
	k *killer
}

func (d killingDelivery) Done(ctx context.Context) error {
	d.k.step("before it is done")
	err := d.Delivery.Done(ctx)
	d.k.step("done")
	return err
}

type killingLetters struct {
	iteramp.DeadLetter
	k *killer
}

func (l killingLetters) Put(ctx context.Context, letter iteramp.Letter) error {
	err := l.DeadLetter.Put(ctx, letter)
	l.k.step("letter stored")
	return err
}

type killingTransport struct{ k *killer }

func (t killingTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	t.k.step("before it is sent")
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err == nil && resp.StatusCode == http.StatusOK {
		t.k.step("taken by Amplitude")
	}
	return resp, err
}

// process is a running relay.
type process struct {
	cmd    *exec.Cmd
	pid    int // of the relay, which may be the child of cmd
	url    string
	killed chan string // the step at which it killed itself, or "" when its output ends
}

// start runs a relay and returns once it accepts webhooks.
func start(t *testing.T, o order, wrapper ...string) *process {
	t.Helper()
	p := tryStart(t, o, wrapper...)
	require.NotNil(t, p, "the relay did not start: %s", watched.last())
	return p
}

// tryStart returns nil if the relay ended before it accepted webhooks.
func tryStart(t *testing.T, o order, wrapper ...string) *process {
	t.Helper()
	o.Uploads, o.Nth = cmp.Or(o.Uploads, 1000), cmp.Or(o.Nth, 1)
	raw, err := json.Marshal(o)
	require.NoError(t, err)
	args := append(wrapper, os.Args[0])
	p := &process{cmd: exec.Command(args[0], args[1:]...), killed: make(chan string, 1)}
	p.cmd.Env = append(os.Environ(), orderVariable+"="+string(raw), "GOMEMLIMIT=200MiB")
	p.cmd.Stderr = &watched
	out, err := p.cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, p.cmd.Start())
	t.Cleanup(p.kill)
	lines := bufio.NewReader(out)
	line, err := lines.ReadString('\n')
	if err != nil {
		_ = p.cmd.Wait()
		return nil
	}
	_, err = fmt.Sscan(line, &p.pid, &p.url)
	require.NoError(t, err)
	go func() {
		line, _ := lines.ReadString('\n')
		p.killed <- strings.TrimSpace(strings.TrimPrefix(line, "killed:"))
	}()
	return p
}

func (p *process) kill() {
	if p.cmd.ProcessState == nil {
		_ = p.signal(syscall.SIGKILL)
		_ = p.cmd.Wait()
	}
}

func (p *process) signal(s syscall.Signal) error {
	if p.pid == 0 { // it did not get so far
		return p.cmd.Process.Kill()
	}
	return syscall.Kill(p.pid, s)
}

// stop ends the relay as an operator would.
func (p *process) stop(t *testing.T) {
	t.Helper()
	require.NoError(t, p.signal(syscall.SIGTERM))
	require.NoError(t, p.cmd.Wait(), "%s", watched.last())
}

// frames is how many frames wait, -1 if the relay does not say.
func (p *process) frames() int {
	resp, err := http.Get(p.url + "/backlog")
	if err != nil {
		return -1
	}
	defer resp.Body.Close()
	var frames int
	var failure string
	if _, err := fmt.Fscan(resp.Body, &frames, &failure); err != nil || failure != "<nil>" {
		return -1
	}
	return frames
}

// drained waits until no frame is left, for as long as they become fewer within a time.
func (p *process) drained(t *testing.T, within time.Duration) {
	t.Helper()
	least, since := math.MaxInt, time.Now()
	for least > 0 {
		<-time.After(200 * time.Millisecond)
		if n := p.frames(); n >= 0 && n < least {
			least, since = n, time.Now()
		}
		require.Less(t, time.Since(since), within, "%d frames are left", least)
	}
}
