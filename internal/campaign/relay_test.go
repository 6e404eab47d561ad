package campaign

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
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

// TestMain is the relay that is killed, if the environment says so: where Amplitude
// is, the directory of the store, and how many uploads a second are allowed.
func TestMain(m *testing.M) {
	if at := strings.Fields(os.Getenv("ITERAMP_TEST_RELAY")); len(at) == 3 {
		if err := serve(at[0], at[1], at[2]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// serve is a relay on a port of its own, which it prints. /backlog says how many
// frames wait.
func serve(amplitudeURL, dir, uploads string) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))
	store, err := jetstream.Embed(ctx, jetstream.EmbedConfig{Dir: dir, Logger: log})
	if err != nil {
		return err
	}
	perSecond, err := strconv.ParseFloat(uploads, 64)
	if err != nil {
		return err
	}
	client, err := amplitude.NewClient(amplitude.Config{
		APIKey: "test-key", BaseURL: amplitudeURL, HTTPClient: &http.Client{Timeout: 2 * time.Second},
		Limits: map[string]amplitude.Limiter{"POST /2/httpapi": rate.NewLimiter(rate.Limit(perSecond), 1)},
	})
	if err != nil {
		return err
	}
	relay, err := iteramp.NewRelay(iteramp.RelayConfig{
		Routes: []iteramp.Route{{Amplitude: client, Secrets: []string{secret}}},
		Queue:  store.Queue(), DeadLetter: store.DeadLetter(), Logger: log,
	})
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("POST /iterable", relay)
	mux.HandleFunc("GET /backlog", func(w http.ResponseWriter, r *http.Request) {
		frames := int64(0)
		backlog, err := store.Backlog(r.Context())
		for _, b := range backlog {
			frames += b.Frames
		}
		fmt.Fprintln(w, frames, err)
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	srv := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 15 * time.Second, WriteTimeout: 30 * time.Second}
	ended := make(chan error, 1)
	go func() { ended <- relay.Run(ctx) }()
	go func() {
		<-ctx.Done()
		_ = srv.Shutdown(context.WithoutCancel(ctx))
	}()
	fmt.Println("http://" + l.Addr().String())
	if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return errors.Join(<-ended, store.Close())
}

// process is a running relay.
type process struct {
	cmd *exec.Cmd
	url string
}

// start runs a relay and returns once it accepts webhooks.
func start(t *testing.T, amplitudeURL, dir string) *process {
	t.Helper()
	return startLimited(t, amplitudeURL, dir, 1000)
}

func startLimited(t *testing.T, amplitudeURL, dir string, uploads float64) *process {
	t.Helper()
	p := &process{cmd: exec.Command(os.Args[0])}
	p.cmd.Env = append(os.Environ(), fmt.Sprintf("ITERAMP_TEST_RELAY=%s %s %g", amplitudeURL, dir, uploads), "GOMEMLIMIT=200MiB")
	p.cmd.Stderr = os.Stderr
	out, err := p.cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, p.cmd.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		p.kill()
	}
	require.NoError(t, err, "the relay did not start")
	p.url = strings.TrimSpace(line)
	return p
}

func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}

// stop ends the relay as an operator would.
func (p *process) stop(t *testing.T) {
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
	require.NoError(t, p.cmd.Wait())
}

// drained waits until no frame is left.
func (p *process) drained(t *testing.T, within time.Duration) {
	t.Helper()
	require.Eventually(t, func() bool {
		resp, err := http.Get(p.url + "/backlog")
		if err != nil {
			return false
		}
		defer resp.Body.Close()
		var frames int
		var failure string
		_, err = fmt.Fscan(resp.Body, &frames, &failure)
		return err == nil && frames == 0 && failure == "<nil>"
	}, within, 200*time.Millisecond, "frames are left")
}
