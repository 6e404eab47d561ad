package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"math"
	"net/http"
	"regexp"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/iteramp/iteramp"
	"github.com/iteramp/iteramp/amplitude"
)

// letters serves the dead letters to people.
type letters struct {
	log   *slog.Logger
	relay *iteramp.Relay
	store iteramp.DeadLetter // nil in direct mode
}

// shown is a letter as it is shown. The webhook is personal data, and there only
// when it was asked for.
type shown struct {
	ID       string          `json:"id"`
	Route    string          `json:"route"`
	Reason   string          `json:"reason"`
	Status   int             `json:"status,omitzero"`
	Attempts int             `json:"attempts"`
	First    time.Time       `json:"first"`
	Last     time.Time       `json:"last"`
	Bytes    int             `json:"bytes"`
	Webhook  json.RawMessage `json:"webhook,omitzero"`
	Base64   []byte          `json:"webhook_base64,omitzero"` // of what is no JSON
}

func show(l iteramp.Letter, body bool) shown {
	s := shown{
		ID: l.ID, Route: l.Route, Reason: l.Reason, Status: l.Status, Attempts: l.Attempts,
		First: l.First, Last: l.Last, Bytes: len(l.Webhook),
	}
	switch {
	case !body:
	case utf8.Valid(l.Webhook) && json.Valid(l.Webhook):
		s.Webhook = l.Webhook
	default:
		s.Base64 = l.Webhook
	}
	return s
}

// filter is what a query asks for.
type filter struct {
	route, reason string
	limit         int
	body          bool
}

func newFilter(r *http.Request) (filter, error) {
	q := r.URL.Query()
	f := filter{route: q.Get("route"), reason: q.Get("reason"), limit: math.MaxInt}
	var err1, err2 error
	f.body, err1 = strconv.ParseBool(cmp.Or(q.Get("body"), "0"))
	if text := q.Get("limit"); text != "" {
		f.limit, err2 = strconv.Atoi(text)
	}
	for name := range q { // a filter misspelt would choose everything
		switch name {
		case "route", "reason", "limit", "body":
		default:
			return f, wrong{http.StatusBadRequest, "only route, reason, limit and body may be asked for"}
		}
	}
	if err1 != nil || err2 != nil || f.limit < 1 {
		return f, wrong{http.StatusBadRequest, "limit must be a number, and body 0 or 1"}
	}
	return f, nil
}

func (f filter) matches(l iteramp.Letter) bool {
	return (f.route == "" || f.route == l.Route) && (f.reason == "" || f.reason == l.Reason)
}

// list is GET /deadletters: a line of JSON for each letter. One that cannot be read
// is a line with an error.
func (s letters) list(w http.ResponseWriter, r *http.Request) error {
	f, err := newFilter(r)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/jsonl")
	out := json.NewEncoder(w)
	out.SetEscapeHTML(false)
	lines := 0
	for l, err := range s.store.All(r.Context()) {
		var line any = show(l, f.body)
		if err != nil {
			line = map[string]string{"error": err.Error()}
		} else if !f.matches(l) {
			continue
		}
		if out.Encode(line) != nil {
			return nil // the caller has gone
		}
		if lines++; lines == f.limit {
			return nil
		}
	}
	return nil
}

var legal = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

// named is the letter that a path names.
func (s letters) named(r *http.Request) (iteramp.Letter, error) {
	route, id := r.PathValue("route"), r.PathValue("id")
	if !legal.MatchString(route) || !legal.MatchString(id) {
		return iteramp.Letter{}, iteramp.ErrNoLetter
	}
	return s.store.Get(r.Context(), route, id)
}

// get is GET /deadletters/{route}/{id}.
func (s letters) get(w http.ResponseWriter, r *http.Request) error {
	f, err := newFilter(r)
	if err != nil {
		return err
	}
	l, err := s.named(r)
	if err != nil {
		return err
	}
	answer(w, http.StatusOK, show(l, f.body))
	return nil
}

// delete is DELETE /deadletters/{route}/{id}.
func (s letters) delete(w http.ResponseWriter, r *http.Request) error {
	l, err := s.named(r)
	if err != nil {
		return err
	}
	if err := s.store.Delete(r.Context(), l.Route, l.ID); err != nil {
		return err
	}
	s.log.Info("a dead letter was deleted", "route", l.Route, "insert_id", l.ID)
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// replay is POST /deadletters/{route}/{id}/replay.
func (s letters) replay(w http.ResponseWriter, r *http.Request) error {
	l, err := s.named(r)
	if err != nil {
		return err
	}
	if err := s.relay.Replay(r.Context(), l); err != nil {
		return wrong{http.StatusBadGateway, err.Error()}
	}
	answer(w, http.StatusOK, replayed{Replayed: 1})
	return nil
}

// replayed is what became of letters that were sent again.
type replayed struct {
	Replayed int    `json:"replayed"`
	Failed   int    `json:"failed"`            // they stay
	Unread   int    `json:"unread"`            // they stay
	Stopped  string `json:"stopped,omitempty"` // why the rest was not tried
}

// replayAll is POST /deadletters/replay.
func (s letters) replayAll(w http.ResponseWriter, r *http.Request) error {
	f, err := newFilter(r)
	if err != nil {
		return err
	}
	var done replayed
	for l, err := range s.store.All(r.Context()) {
		switch {
		case err != nil:
			done.Unread++
			continue
		case !f.matches(l), l.Reason == iteramp.ReasonDedupWindow && f.reason == "":
			continue
		}
		err := s.relay.Replay(r.Context(), l)
		if err == nil {
			done.Replayed++
		} else if done.Failed++; !itsOwn(err) || r.Context().Err() != nil {
			done.Stopped = err.Error()
			break
		}
		if done.Replayed+done.Failed == f.limit {
			break
		}
	}
	s.log.Info("dead letters were replayed", "replayed", done.Replayed, "failed", done.Failed, "unread", done.Unread)
	status := http.StatusOK
	if done.Stopped != "" {
		status = http.StatusBadGateway
	}
	answer(w, status, done)
	return nil
}

// itsOwn says that a failure is the letter's own, so that others may fare better.
func itsOwn(err error) bool {
	failed, ok := errors.AsType[*amplitude.BatchError](err)
	if !ok {
		return !errors.Is(err, context.Canceled)
	}
	for _, item := range failed.Rejected {
		switch item.Reason {
		case amplitude.ReasonRefused, amplitude.ReasonAmbiguous, amplitude.ReasonUnsent:
			return false
		}
	}
	return true
}

const maxPurgeBody = 4 << 10

// purge is POST /deadletters/purge. The user is in the body, because addresses are
// logged by what stands in between.
func (s letters) purge(w http.ResponseWriter, r *http.Request) error {
	var req struct {
		User string `json:"user"`
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxPurgeBody))
	if err != nil || strict(body, &req) != nil || req.User == "" {
		return wrong{http.StatusBadRequest, `want {"user":"id or e-mail address"}`}
	}
	purged, unread, err := iteramp.PurgeLetters(r.Context(), s.store, req.User)
	s.log.Info("dead letters of a user were deleted", "purged", purged, "unread", unread)
	if err != nil {
		return err
	}
	answer(w, http.StatusOK, map[string]int{"purged": purged, "unread": unread})
	return nil
}
