// Relay takes Iterable's system webhooks and delivers them to Amplitude, as a service
// to deploy. It stands where https://api.amplitude.com/iterable stands in the vendors'
// own integration, at a path of that name. To try it:
//
//	export RELAY_AMPLITUDE_KEY=... RELAY_SECRET=... # the two halves of the webhook's token
//	go run ./examples/relay
//
// Each webhook is answered when it is on disk, in NATS JetStream inside this process,
// and delivered from there however long Amplitude is away. With -nats the queue is a
// cluster that several relays share; with -direct there is none, and each webhook is
// answered by its event's fate. Put something in front of it that ends TLS, or give it
// -tls-cert and -tls-key. With -routes it serves several projects; routes.example.json
// shows all that can be said of them. -check tries the settings without sending an
// event. relay.service is a unit for systemd.
//
// # The admin listener
//
// It is for people and programs of the same machine. It asks for no credential, so it
// listens on a loopback address unless -admin-public is given, and there it refuses
// what comes from web pages.
//
//	GET    /metrics                            for Prometheus, names begin with iteramp_relay_
//	GET    /healthz                            200 while the process lives
//	GET    /readyz                             200 if a webhook sent now would be taken, else 503
//	GET    /deadletters?route=&reason=&limit=  the dead letters, oldest first, a line of JSON each;
//	                                           body=1 adds the webhook, which is personal data
//	GET    /deadletters/{route}/{id}           one of them; body=1 likewise
//	POST   /deadletters/{route}/{id}/replay    sends it again; it is gone once Amplitude has it
//	POST   /deadletters/replay?route=&reason=  sends all that match again, until one fails for a
//	                                           reason that is not its own; those of reason
//	                                           dedup_window, which may count twice, only by name
//	DELETE /deadletters/{route}/{id}           deletes it for good
//	POST   /deadletters/purge                  deletes all letters of a user, for a privacy
//	                                           request: {"user":"id or e-mail address"}
//
// # Signals
//
// At SIGTERM or an interrupt it says so at /readyz, takes no more connections, answers
// the requests it has, and stops delivering: what is not delivered stays in the queue
// for the next start. All that takes -stop-within at most, after which it exits with 1.
// A second signal ends it at once; what was answered 200 is safe even then.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
)

// The exit codes.
const (
	exitStopped = 0
	exitFailed  = 1
	exitUsage   = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr, os.Getenv))
}

// run is main without the process: tests call it.
func run(ctx context.Context, args []string, stdout, stderr io.Writer, getenv func(string) string) int {
	opts, err := parse(args, stdout, getenv)
	if errors.Is(err, errHelp) {
		return exitStopped
	}
	if opts.Version {
		fmt.Fprintln(stdout, version())
		return exitStopped
	}
	log := slog.New(slog.NewJSONHandler(stderr, &slog.HandlerOptions{Level: opts.LogLevel}))
	var specs []routeSpec
	if err == nil {
		specs, err = opts.routes(getenv, log)
	}
	if err == nil && opts.Check {
		return check(ctx, opts, specs, stdout)
	}
	var cfg serviceConfig
	if err == nil {
		cfg, err = newServiceConfig(opts, specs, log)
	}
	if err != nil {
		fmt.Fprintf(stderr, "relay: %v\nrelay -h shows how to use it\n", err)
		return exitUsage
	}
	if err := cfg.serve(ctx); err != nil {
		log.Error("stopped", "error", err)
		return exitFailed
	}
	log.Info("stopped")
	return exitStopped
}
