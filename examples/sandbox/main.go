// Sandbox serves a fake Amplitude, and a relay that delivers into it, for
// programs in any language: go run ./examples/sandbox
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"syscall"
)

const usage = `Sandbox serves a fake Amplitude, and a relay for Iterable's webhooks that
delivers into it, until interrupted. Programs in any language can use both as
they would use Amplitude and this relay; nothing leaves this machine.

usage: sandbox [flags]

  -amplitude ADDR              where the fake Amplitude listens
                               (default 127.0.0.1:18001; port 0 takes a free one)
  -relay ADDR                  where the relay listens, at /iterable; at / is a
                               page that shows what happens (default 127.0.0.1:18003)
  -amplitude-api-key KEY       of the fake's project (default sandbox-key)
  -amplitude-secret-key KEY    of the fake's project (default sandbox-secret)
  -iterable-auth-key KEY       what follows the colon in the webhooks' token
                               (default sandbox-webhook-key)
  -h                           print this

The fake serves POST /2/httpapi, POST /batch and GET /api/2/export, with the
limits and error bodies of Amplitude's reference. It keeps events in memory.

exit codes: 0 interrupted, 1 failed, 2 wrong flags
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second interrupt ends the process at once
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run is main without the process: tests call it.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	opts, err := parse(args)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Fprint(stdout, usage)
		return 0
	}
	logger := slog.New(slog.NewTextHandler(stderr, nil))
	var box *sandbox
	if err == nil {
		box, err = newSandbox(opts, logger)
	}
	if err != nil {
		fmt.Fprintf(stderr, "sandbox: %v\nsandbox -h shows how to use it\n", err)
		return 2
	}
	if err := start(ctx, opts, box, stdout); err != nil {
		logger.Error("stopped", "error", err)
		return 1
	}
	logger.Info("stopped")
	return 0
}

type options struct {
	amplitude, relay          string // addresses
	apiKey, secretKey, secret string
}

func parse(args []string) (options, error) {
	var opts options
	fs := flag.NewFlagSet("sandbox", flag.ContinueOnError)
	fs.SetOutput(io.Discard) // run prints the error
	fs.StringVar(&opts.amplitude, "amplitude", "127.0.0.1:18001", "")
	fs.StringVar(&opts.relay, "relay", "127.0.0.1:18003", "")
	fs.StringVar(&opts.apiKey, "amplitude-api-key", "sandbox-key", "")
	fs.StringVar(&opts.secretKey, "amplitude-secret-key", "sandbox-secret", "")
	fs.StringVar(&opts.secret, "iterable-auth-key", "sandbox-webhook-key", "")
	if err := fs.Parse(args); err != nil {
		return opts, err
	}
	switch {
	case fs.NArg() > 0:
		return opts, fmt.Errorf("%q is no flag", fs.Arg(0))
	case opts.apiKey == "" || opts.secretKey == "":
		return opts, errors.New("the keys of Amplitude may not be empty") // the fake would take its own
	}
	return opts, nil
}

// start listens on both addresses, says so, and serves until ctx ends.
func start(ctx context.Context, opts options, box *sandbox, stdout io.Writer) error {
	amplitude, err := net.Listen("tcp", opts.amplitude)
	if err != nil {
		return err
	}
	defer amplitude.Close() // for the case that the other address is taken
	relay, err := net.Listen("tcp", opts.relay)
	if err != nil {
		return err
	}
	opts.amplitude, opts.relay = amplitude.Addr().String(), relay.Addr().String()
	if err := welcome(stdout, opts); err != nil {
		relay.Close()
		return err
	}
	return serve(ctx, site{relay, box.handler()}, site{amplitude, &box.fake})
}
