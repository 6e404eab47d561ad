package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/iteramp/iteramp"
	"github.com/iteramp/iteramp/amplitude"
	"github.com/iteramp/iteramp/amplitude/amplitudetest"
	"github.com/iteramp/iteramp/iterable/iterabletest"
	"github.com/iteramp/iteramp/jetstream"
)

// relayEnv makes this program the relay that durable kills: the address of its
// Amplitude and the directory of its queue.
const relayEnv = "QUICKSTART_RELAY"

// durable shows what a relay with a queue loses when it is killed: nothing.
func durable(ctx context.Context, w io.Writer) (code int, err error) {
	var down atomic.Bool
	fake := &amplitudetest.Fake{APIKey: "quickstart-key", SecretKey: "quickstart-secret"}
	fake.Intercept(func(w http.ResponseWriter, r *http.Request) bool {
		if down.Load() && r.Method == http.MethodPost {
			w.WriteHeader(http.StatusServiceUnavailable)
			return true
		}
		return false
	})
	addr, stop, err := serve(fake)
	if err != nil {
		return 1, err
	}
	defer stop()
	dir, err := os.MkdirTemp("", "quickstart-")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(dir)

	down.Store(true)
	started := time.Now()
	first, err := startRelay(ctx, addr, dir)
	if err != nil {
		return 1, err
	}
	accepted, refused, err := first.sendAll(ctx)
	first.kill()
	if err != nil {
		return 1, err
	}
	fmt.Fprintf(w, "Amplitude is down. A relay with a queue on this disk got %d Iterable webhooks:\n%d answered 200, after a synced write; %d answered 400, no system webhooks.\n",
		accepted+refused, accepted, refused)
	fmt.Fprintf(w, "Amplitude has %d events.\n\nThe relay is killed (SIGKILL), Amplitude comes back, the relay is started again.\n", len(fake.Events()))
	fmt.Fprint(w, "What the killed one had in hand is handed out again after a minute: please wait.\n")

	down.Store(false)
	second, err := startRelay(ctx, addr, dir)
	if err != nil {
		return 1, err
	}
	defer second.kill()
	for len(fake.Events()) < expected.events && time.Since(started) < 3*time.Minute && ctx.Err() == nil {
		time.Sleep(100 * time.Millisecond)
	}
	if ctx.Err() != nil {
		return 1, ctx.Err()
	}
	return reportDurable(w, accepted, refused, len(fake.Events()), fake.Duplicates()), nil
}

// reportDurable compares what arrived with what must have.
func reportDurable(w io.Writer, accepted, refused, events, duplicates int) int {
	fmt.Fprintf(w, "\nAmplitude has %d events; %d came again and were recognised by their insert_id.\n", events, duplicates)
	if events != expected.events || refused != expected.refused || accepted != expected.events+expected.repeats+expected.skipped {
		fmt.Fprintf(w, "NOT as expected: %v\n", expected)
		return 1
	}
	fmt.Fprintf(w, "%d answered 200 = %d events + %d sent twice + %d skipped: nothing is lost.\n",
		accepted, events, expected.repeats, expected.skipped)
	return 0
}

// relayProcess is a relay in a process of its own.
type relayProcess struct {
	cmd *exec.Cmd
	url string
}

func startRelay(ctx context.Context, amplitudeURL, dir string) (*relayProcess, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p := &relayProcess{cmd: exec.CommandContext(ctx, self)}
	p.cmd.Env = append(os.Environ(), relayEnv+"="+amplitudeURL+" "+dir)
	p.cmd.Stderr = os.Stderr
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		p.kill()
		return nil, errors.New("the relay did not start")
	}
	p.url = strings.TrimSpace(line)
	return p, nil
}

func (p *relayProcess) kill() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}

// sendAll sends the examples and counts the answers.
func (p *relayProcess) sendAll(ctx context.Context) (accepted, refused int, err error) {
	to, err := url.Parse(p.url + "/iterable")
	if err != nil {
		return 0, 0, err
	}
	for file, body := range iterabletest.Payloads() {
		req := iterabletest.WebhookRequest("quickstart-key:"+secret, body)
		req.URL, req.Host = to, ""
		status, _, err := send(req.WithContext(ctx))
		switch {
		case err != nil:
			return 0, 0, err
		case status == http.StatusOK:
			accepted++
		case status == http.StatusBadRequest:
			refused++
		default:
			return 0, 0, fmt.Errorf("%s was answered %d", file, status)
		}
	}
	return accepted, refused, nil
}

// serveRelay is the process that is killed. It prints its address.
func serveRelay(ctx context.Context, amplitudeURL, dir string, stdout io.Writer) error {
	client, err := amplitude.NewClient(amplitude.Config{APIKey: "quickstart-key", BaseURL: amplitudeURL})
	if err != nil {
		return err
	}
	store, err := jetstream.Embed(ctx, jetstream.EmbedConfig{Dir: filepath.Join(dir, "queue")})
	if err != nil {
		return err
	}
	relay, err := iteramp.NewRelay(iteramp.RelayConfig{
		Routes: []iteramp.Route{{Amplitude: client, Secrets: []string{secret}}},
		Queue:  store.Queue(), DeadLetter: store.DeadLetter(),
	})
	if err != nil {
		return err
	}
	addr, stop, err := serve(relay)
	if err != nil {
		return err
	}
	fmt.Fprintln(stdout, addr)
	err = relay.Run(ctx)
	stop()
	return errors.Join(err, store.Close())
}
