// Sandbox serves a fake Amplitude, a fake Iterable and a relay between them, for
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
	"net/http"
	"os"
	"os/signal"
	"syscall"

	"github.com/iteramp/iteramp/iterable"
)

const usage = `Sandbox serves a fake Amplitude, a fake Iterable, and a relay for Iterable's
webhooks that delivers into the first, until interrupted. Programs in any
language can use them as they would use the vendors and this relay; nothing
leaves this machine.

usage: sandbox [flags]

  -amplitude ADDR              where the fake Amplitude listens
                               (default 127.0.0.1:18001; port 0 takes a free one)
  -iterable ADDR               where the fake Iterable listens
                               (default 127.0.0.1:18002)
  -relay ADDR                  where the relay listens, at /iterable; at / is a
                               page that shows what happens (default 127.0.0.1:18003)
  -amplitude-api-key KEY       of the fake's project (default sandbox-key)
  -amplitude-secret-key KEY    of the fake's project (default sandbox-secret)
  -iterable-api-key KEY        of the other fake's project
                               (default sandbox-iterable-key)
  -iterable-project-type TYPE  email, userId or hybrid (default email)
  -iterable-auth-key KEY       what follows the colon in the webhooks' token
                               (default sandbox-webhook-key)
  -h                           print this

Amplitude serves event uploads, the export and cohorts, Iterable lists, users,
events, subscriptions, webhooks and campaigns, with the limits and error bodies
of their references. A few users, a list and two cohorts are there from the
start. All is kept in memory.

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
		box, err = newSandbox(ctx, opts, logger)
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
	amplitude, iterable, relay string // addresses
	apiKey, secretKey, secret  string
	iterableKey                string
	projectType                iterable.ProjectType
}

func parse(args []string) (options, error) {
	var opts options
	fs := flag.NewFlagSet("sandbox", flag.ContinueOnError)
	fs.SetOutput(io.Discard) // run prints the error
	fs.StringVar(&opts.amplitude, "amplitude", "127.0.0.1:18001", "")
	fs.StringVar(&opts.iterable, "iterable", "127.0.0.1:18002", "")
	fs.StringVar(&opts.relay, "relay", "127.0.0.1:18003", "")
	fs.StringVar(&opts.apiKey, "amplitude-api-key", "sandbox-key", "")
	fs.StringVar(&opts.secretKey, "amplitude-secret-key", "sandbox-secret", "")
	fs.StringVar(&opts.iterableKey, "iterable-api-key", "sandbox-iterable-key", "")
	fs.StringVar((*string)(&opts.projectType), "iterable-project-type", "email", "")
	fs.StringVar(&opts.secret, "iterable-auth-key", "sandbox-webhook-key", "")
	if err := fs.Parse(args); err != nil {
		return opts, err
	}
	switch {
	case fs.NArg() > 0:
		return opts, fmt.Errorf("%q is no flag", fs.Arg(0))
	case opts.apiKey == "" || opts.secretKey == "" || opts.iterableKey == "":
		return opts, errors.New("the keys of the vendors may not be empty") // the fakes would take their own
	}
	return opts, nil
}

// start listens on all addresses, says so, and serves until ctx ends.
func start(ctx context.Context, opts options, box *sandbox, stdout io.Writer) error {
	var sites []site
	for _, s := range []struct {
		addr    *string
		handler http.Handler
	}{{&opts.amplitude, &box.amplitude}, {&opts.iterable, &box.iterable}, {&opts.relay, box.handler()}} {
		listener, err := net.Listen("tcp", *s.addr)
		if err != nil {
			return err
		}
		defer listener.Close() // for the case that another address is taken
		*s.addr = listener.Addr().String()
		sites = append(sites, site{listener, s.handler})
	}
	if err := welcome(stdout, opts, box.list); err != nil {
		return err
	}
	return serve(ctx, sites...)
}
