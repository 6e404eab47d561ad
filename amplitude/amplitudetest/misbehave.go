package amplitudetest

import (
	"net/http"
)

// step is what the script has in store for one request.
type step struct {
	status int
	served bool // ingest first, then answer status
}

// FailNext answers each of the next requests, of whatever kind, with one of
// the statuses instead of serving it; nothing is ingested. Amplitude's
// documented body goes with a 400, 403, 413 or 429 that refuses an upload, and
// names no event: to have some named, break a rule, or use [Fake.Throttle] and
// [Fake.Silence]. A 400, 403, 404 or 429 of a cohort or user search has the
// error object of the cohorts. Any other status has a line of text for a body.
// Status 200 lets its request through, 0 breaks the connection without an
// answer.
//
// It shows how code lives with an outage of some requests:
//
//	fake.FailNext(503, 200, 429) // the first and the third fail
//
// Calls of FailNext and [Fake.LoseNext] add to one script.
func (f *Fake) FailNext(status ...int) { f.next(status, false) }

// LoseNext serves each of the next requests, but has the client see the given
// status instead of the answer; 0 breaks the connection. Unlike after
// [Fake.FailNext] the events are ingested, and a client that sends them again
// shows whether it does so with the same insert_id:
//
//	fake.LoseNext(0, 502) // one reset, one bad gateway, both after the fact
//	...
//	fake.Duplicates()     // as many as were sent twice, none of them counted twice
func (f *Fake) LoseNext(status ...int) { f.next(status, true) }

func (f *Fake) next(status []int, served bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, s := range status {
		f.script = append(f.script, step{s, served})
	}
}

// Intercept has h see every request before the fake does. If h returns true,
// it has answered, and the fake does nothing more; so h may answer what
// Amplitude never would, read headers, or wait for r.Context() to end. It may
// panic with [http.ErrAbortHandler] to break the connection. The body is h's to
// read, the fake has its own copy. A later call replaces h, nil takes it away.
//
//	fake.Intercept(func(w http.ResponseWriter, r *http.Request) bool {
//		fmt.Fprint(w, "<html>Sign in to the guest network</html>")
//		return true
//	})
func (f *Fake) Intercept(h func(w http.ResponseWriter, r *http.Request) bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.intercept = h
}

// Poison makes every upload that holds an event for which is returns true fail
// with a 400 that names none of its events, as an API does that is certain of
// a fault but not of its place. A client has to find the event by halving. The
// func must be pure, it is called for every event of every upload. A later
// call replaces it, nil takes it away.
//
//	fake.Poison(func(e amplitudetest.Event) bool { return e.InsertID == "bad" })
func (f *Fake) Poison(is func(Event) bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.poison = is
}

// Drop leaves out the events for which is returns true: the answer is 200, and
// its events_ingested is smaller than the number sent. It shows whether a
// client takes any 200 for success. The func must be pure. A later call
// replaces it, nil takes it away.
//
//	fake.Drop(func(e amplitudetest.Event) bool { return e.EventType == "Lost" })
func (f *Fake) Drop(is func(Event) bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.drop = is
}

// Silence has uploads with events of these devices refused by the 400 that
// names silenced_devices and silenced_events, until [Fake.Release]. Amplitude
// silences devices by hand; their events are to be given up.
func (f *Fake) Silence(deviceIDs ...string) { f.mark(&f.silenced, deviceIDs) }

// Throttle has uploads with events of these users or devices refused by the
// 429 that names them in throttled_users or throttled_devices, until
// [Fake.Release]. It shows whether one busy id holds up the others.
//
//	fake.Throttle("u-busy")
//	time.AfterFunc(time.Minute, func() { fake.Release("u-busy") })
func (f *Fake) Throttle(ids ...string) { f.mark(&f.throttled, ids) }

// ExhaustQuota has uploads with events of these users or devices refused by
// the 429 that names them in exceeded_daily_quota_users or
// exceeded_daily_quota_devices, until [Fake.Release]. Waiting 30 seconds, as
// for a throttled id, does not help them.
func (f *Fake) ExhaustQuota(ids ...string) { f.mark(&f.exhausted, ids) }

// Release undoes [Fake.Silence], [Fake.Throttle] and [Fake.ExhaustQuota] for
// these ids.
func (f *Fake) Release(ids ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, id := range ids {
		delete(f.silenced, id)
		delete(f.throttled, id)
		delete(f.exhausted, id)
	}
}

func (f *Fake) mark(set *map[string]bool, ids []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if *set == nil {
		*set = make(map[string]bool)
	}
	for _, id := range ids {
		(*set)[id] = true
	}
}

func (f *Fake) interceptor() func(http.ResponseWriter, *http.Request) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.intercept
}

// misbehave serves the request, unless the script says otherwise.
func (f *Fake) misbehave(w http.ResponseWriter, r *http.Request, serve func(http.ResponseWriter)) {
	f.mu.Lock()
	s := step{status: http.StatusOK}
	if len(f.script) > 0 {
		s, f.script = f.script[0], f.script[1:]
	}
	f.mu.Unlock()
	switch {
	case s.served:
		serve(discard{})
	case s.status == http.StatusOK:
		serve(w)
		return
	}
	f.fail(w, r, s.status)
}

func (f *Fake) fail(w http.ResponseWriter, r *http.Request, status int) {
	if status == 0 {
		panic(http.ErrAbortHandler)
	}
	if limits, isUpload := f.limits(r.URL.Path); isUpload {
		if body, ok := documented(status, limits); ok {
			body.write(w)
			return
		}
	}
	if body, ok := scripted(status); ok && needsSecret(r) {
		body.write(w)
		return
	}
	http.Error(w, http.StatusText(status), status)
}

// documented is the body of a refusal that concerns no event in particular.
// Those of 500, 502, 503 and 504 are undefined.
func documented(status int, limits Limits) (reply, bool) {
	switch status {
	case http.StatusBadRequest:
		return refused("Invalid JSON request body"), true
	case http.StatusForbidden: // by Amplitude's firewall
		return reply{Code: status, Error: "Forbidden"}, true
	case http.StatusRequestEntityTooLarge:
		return tooLarge(), true
	case http.StatusTooManyRequests:
		return tooMany(limits), true
	}
	return reply{}, false
}

// discard is the writer of an answer that is lost.
type discard struct{}

func (discard) Header() http.Header         { return make(http.Header) }
func (discard) Write(p []byte) (int, error) { return len(p), nil }
func (discard) WriteHeader(int)             {}
