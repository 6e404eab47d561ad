package main

import (
	"context"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/iteramp/iteramp"
	"github.com/iteramp/iteramp/amplitude"
	"github.com/iteramp/iteramp/amplitude/amplitudetest"
)

// sandbox is a fake Amplitude and a relay that delivers into it.
type sandbox struct {
	fake   amplitudetest.Fake
	relay  *iteramp.Relay
	logger *slog.Logger
	recent recent
}

func newSandbox(opts options, logger *slog.Logger) (*sandbox, error) {
	box := &sandbox{logger: logger}
	box.fake.APIKey, box.fake.SecretKey = opts.apiKey, opts.secretKey
	client, err := amplitude.NewClient(box.fake.Config())
	if err != nil {
		return nil, err
	}
	box.relay, err = iteramp.NewRelay(iteramp.RelayConfig{
		Routes:    []iteramp.Route{{Amplitude: client, Secrets: []string{opts.secret}}},
		Logger:    logger,
		OnOutcome: box.note,
	})
	return box, err
}

// handler serves the relay, and the page beside it.
func (box *sandbox) handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/iterable", box.relay)
	mux.HandleFunc("GET /{$}", box.page)
	return mux
}

// note logs and remembers what became of a webhook: its name and its fate, and
// nothing of the person.
func (box *sandbox) note(ctx context.Context, o iteramp.RelayOutcome) {
	box.logger.LogAttrs(ctx, slog.LevelInfo, "webhook",
		slog.String("name", string(o.Name)), slog.String("fate", string(o.Fate)),
		slog.String("reason", o.Reason), slog.String("insert_id", o.InsertID), slog.Duration("took", o.Took))
	box.recent.add(seen{time.Now(), o})
}

// seen is an outcome and when it came.
type seen struct {
	Time time.Time
	iteramp.RelayOutcome
}

// kept is how many outcomes and events the page shows.
const kept = 50

// recent is the last outcomes. The zero value is ready.
type recent struct {
	mu  sync.Mutex
	all []seen
}

func (r *recent) add(s seen) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, s)
	r.all = r.all[max(0, len(r.all)-kept):]
}

// newestFirst returns a copy.
func (r *recent) newestFirst() []seen {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := slices.Clone(r.all)
	slices.Reverse(all)
	return all
}
