package main

import (
	"bytes"
	_ "embed"
	"html/template"
	"net/http"
	"slices"

	"github.com/iteramp/iteramp"
	"github.com/iteramp/iteramp/amplitude/amplitudetest"
	"github.com/iteramp/iteramp/iterable/iterabletest"
)

//go:embed page.html
var pageHTML string

var pageTemplate = template.Must(template.New("page").Parse(pageHTML))

// view is what the page shows.
type view struct {
	Stats      iteramp.RelayStats
	Skipped    map[string]int64      // Stats.Skipped by label; a Skip itself prints as an error
	Outcomes   []seen                // newest first
	Ingested   int                   // events in all
	Duplicates int                   // events that Amplitude ignored as repeats
	Events     []amplitudetest.Event // the last ones, newest first
	Cohorts    []amplitudetest.Cohort
	Lists      []iterabletest.List
	Users      int // at Iterable
}

func (box *sandbox) page(w http.ResponseWriter, r *http.Request) {
	events := box.amplitude.Events()
	last := events[max(0, len(events)-kept):]
	slices.Reverse(last)
	stats := box.relay.Stats()
	skipped := make(map[string]int64)
	for skip, n := range stats.Skipped {
		skipped[string(skip)] = n
	}
	var b bytes.Buffer // so that a failure is not half a page
	err := pageTemplate.Execute(&b, view{
		Stats:      stats,
		Skipped:    skipped,
		Outcomes:   box.recent.newestFirst(),
		Ingested:   len(events),
		Duplicates: box.amplitude.Duplicates(),
		Events:     last,
		Cohorts:    box.amplitude.Cohorts(),
		Lists:      box.iterable.Lists(),
		Users:      len(box.iterable.Users()),
	})
	if err != nil {
		box.logger.ErrorContext(r.Context(), "page", "error", err)
		http.Error(w, "the page failed, see the log", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = b.WriteTo(w) // fails only if the reader has gone
}
