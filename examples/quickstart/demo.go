package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/iteramp/iteramp"
	"github.com/iteramp/iteramp/amplitude"
	"github.com/iteramp/iteramp/amplitude/amplitudetest"
	"github.com/iteramp/iteramp/iterable/iterabletest"
)

const secret = "quickstart-webhook-key"

// result is what became of one webhook.
type result struct {
	file   string
	body   []byte
	status int    // the relay's answer
	text   string // its text, if it refused the webhook
	// outcome is what the relay says of the event, zero if it was none.
	outcome iteramp.RelayOutcome
}

// outcome is what there is to report.
type outcome struct {
	live    bool
	results []result
	rows    []row // what the fake exports; none if live
}

// demo sends every example through a relay: to the Amplitude project of live, or
// if that is nil to a fake.
func demo(ctx context.Context, live *amplitude.Config) (outcome, error) {
	cfg := live
	if cfg == nil {
		fake := &amplitudetest.Fake{APIKey: "quickstart-key", SecretKey: "quickstart-secret"}
		addr, stop, err := serve(fake)
		if err != nil {
			return outcome{}, err
		}
		defer stop()
		cfg = &amplitude.Config{APIKey: fake.APIKey, SecretKey: fake.SecretKey, BaseURL: addr}
	}
	client, err := amplitude.NewClient(*cfg)
	if err != nil {
		return outcome{}, err
	}
	start := time.Now()
	results, err := relayAll(ctx, client)
	if err != nil || live != nil {
		return outcome{live: live != nil, results: results}, err
	}
	rows, err := export(ctx, client, start)
	return outcome{results: results, rows: rows}, err
}

// relayAll starts a relay in front of client and sends it all examples, one
// after another, so that the next outcome is that of the webhook just answered.
func relayAll(ctx context.Context, client *amplitude.Client) ([]result, error) {
	outcomes := make(chan iteramp.RelayOutcome, 1)
	relay, err := iteramp.NewRelay(iteramp.RelayConfig{
		Routes:    []iteramp.Route{{Amplitude: client, Secrets: []string{secret}}},
		OnOutcome: func(_ context.Context, o iteramp.RelayOutcome) { outcomes <- o },
	})
	if err != nil {
		return nil, err
	}
	addr, stop, err := serve(relay)
	if err != nil {
		return nil, err
	}
	defer stop()
	to, err := url.Parse(addr + "/iterable")
	if err != nil {
		return nil, err
	}
	var results []result
	for file, body := range iterabletest.Payloads() {
		req := iterabletest.WebhookRequest(client.APIKey()+":"+secret, body)
		req.URL, req.Host = to, ""
		r := result{file: file, body: body}
		if r.status, r.text, err = send(req.WithContext(ctx)); err != nil {
			return nil, err
		}
		select {
		case r.outcome = <-outcomes: // the relay tells before it answers
		default: // no system webhook, so nothing to tell
		}
		results = append(results, r)
	}
	return results, nil
}

func send(req *http.Request) (status int, text string, err error) {
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, "", fmt.Errorf("reading the relay's answer: %w", err)
	}
	return resp.StatusCode, strings.TrimSpace(string(body)), nil
}

// serve serves h on a free port of this machine.
func serve(h http.Handler) (addr string, stop func(), err error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	srv := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       15 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       60 * time.Second,
	}
	go srv.Serve(ln) // until stop; its error is then http.ErrServerClosed
	return "http://" + ln.Addr().String(), func() { srv.Close() }, nil
}
