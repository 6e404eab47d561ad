package main

import (
	"context"
	"log/slog"

	"github.com/nats-io/nats.go"

	"github.com/iteramp/iteramp"
	"github.com/iteramp/iteramp/jetstream"
)

// store is what a service needs of a [jetstream.Store].
type store interface {
	Queue() iteramp.Queue
	DeadLetter() iteramp.DeadLetter
	Backlog(context.Context) ([]jetstream.Backlog, error)
	Letters(context.Context) (jetstream.Letters, error)
	Ready() error
	Close() error
}

// openStore opens the store that the options choose, nil for none. It waits for a
// cluster until ctx ends.
func openStore(ctx context.Context, o options, log *slog.Logger) (store, error) {
	if o.Direct {
		return nil, nil
	}
	log.Info("opening the queue", "mode", o.mode())
	if o.NATS == "" {
		return opened(jetstream.Embed(ctx, jetstream.EmbedConfig{
			Dir: o.Data, MaxBytes: int64(o.MaxBytes), MaxDeadBytes: int64(o.MaxDeadBytes), Logger: log,
		}))
	}
	var opts []nats.Option
	if o.NATSCreds != "" {
		opts = append(opts, nats.UserCredentials(o.NATSCreds))
	}
	return opened(jetstream.Connect(ctx, o.NATS, jetstream.ConnectConfig{
		Replicas: o.Replicas, MaxBytes: int64(o.MaxBytes), MaxDeadBytes: int64(o.MaxDeadBytes), Monitors: o.Monitor, Logger: log,
	}, opts...))
}

// opened keeps a nil *Store from becoming a store that is not nil.
func opened(s *jetstream.Store, err error) (store, error) {
	if err != nil {
		return nil, err
	}
	return s, nil
}

// orphans warns of what waits for routes that are no longer configured: it stays,
// and is never sent elsewhere.
func orphans(ctx context.Context, st store, routes []iteramp.Route, log *slog.Logger) {
	backlog, err := st.Backlog(ctx)
	if err != nil {
		log.Warn("the backlog is unknown", "error", err)
		return
	}
	configured := make(map[string]bool)
	for _, rt := range routes {
		configured[routeName(rt)] = true
	}
	for _, b := range backlog {
		if b.Frames > 0 && !configured[b.Route] {
			log.Warn("webhooks wait for a route that is not configured", "route", b.Route, "frames", b.Frames)
		}
	}
}
