package main

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/iteramp/iteramp"
	"github.com/iteramp/iteramp/amplitude"
	"github.com/iteramp/iteramp/amplitude/amplitudetest"
	"github.com/iteramp/iteramp/iterable"
	"github.com/iteramp/iteramp/iterable/iterabletest"
)

// sandbox is both vendors and the relay between them.
type sandbox struct {
	amplitude amplitudetest.Fake
	iterable  iterabletest.Fake
	relay     *iteramp.Relay
	logger    *slog.Logger
	recent    recent
	list      int64 // one that is there from the start
}

func newSandbox(ctx context.Context, opts options, logger *slog.Logger) (*sandbox, error) {
	box := &sandbox{logger: logger}
	box.amplitude.APIKey, box.amplitude.SecretKey = opts.apiKey, opts.secretKey
	box.iterable.APIKey, box.iterable.ProjectType = opts.iterableKey, opts.projectType
	client, err1 := amplitude.NewClient(box.amplitude.Config())
	it, err2 := iterable.NewClient(box.iterable.Config())
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	if err := box.seed(ctx, it); err != nil {
		return nil, err
	}
	var err error
	box.relay, err = iteramp.NewRelay(iteramp.RelayConfig{
		Routes:    []iteramp.Route{{Amplitude: client, Secrets: []string{opts.secret}}},
		Logger:    logger,
		OnOutcome: box.note,
	})
	return box, err
}

// seed has something to look at: of the cohort Regulars, Iterable knows one, who is
// on a list there that was made by hand, and all of Lapsed.
func (box *sandbox) seed(ctx context.Context, it *iterable.Client) error {
	regulars := []amplitudetest.Member{{UserID: "ada-1001"}, {UserID: "ben-1002"}, {UserID: "cleo-1003"}, {}}
	box.amplitude.AddCohort(amplitudetest.Cohort{ID: cohortID, Name: "Regulars", Members: regulars})
	box.amplitude.AddCohort(amplitudetest.Cohort{Name: "Lapsed", Members: []amplitudetest.Member{{UserID: "dora-1004"}}})
	for _, known := range []iterable.UserUpdateRequest{
		{Email: "ada@example.com", UserID: "ada-1001", DataFields: map[string]any{"plan": "gold"}},
		{Email: "dora@example.com", UserID: "dora-1004", DataFields: map[string]any{"plan": "free"}},
	} {
		if err := it.Users.Update(ctx, known); err != nil {
			return err
		}
	}
	box.list = box.iterable.AddList("Made by hand", "ada-1001", "dora-1004")
	box.iterable.AddWebhook(iterabletest.Webhook{Endpoint: "https://relay.example.com/iterable", AuthType: "Basic", Enabled: true})
	return nil
}

// cohortID is that of the cohort that the welcome text syncs.
const cohortID = "regulars"

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
