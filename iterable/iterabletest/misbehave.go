package iterabletest

import (
	"net/http"
	"slices"
)

// step is what the script has in store for one request.
type step struct {
	status int
	served bool // serve first, then answer status
}

// FailNext answers each of the next requests, of whatever kind, with one of
// the statuses instead of serving it; nothing is written. The body is what
// Iterable has for that status: RateLimitExceeded for a 429, BadApiKey for a
// 401, GenericError for a 500, a page of HTML for a 413, 502 and 504, and so
// on. Status 200 lets its request through, 0 breaks the connection without an
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
// [Fake.FailNext] what was asked for is done, and a client that asks again
// shows what that does.
//
//	fake.LoseNext(0, 502) // one reset, one bad gateway, both after the fact
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
// Iterable never would, read headers, or wait for r.Context() to end. It may
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

// Reason is why a record of a bulk request failed. With Emails or UserIds at
// its end it is the name of a list in failedUpdates.
type Reason string

// The reasons. The last is not of Iterable's making: a record that only
// failCount tells of.
const (
	ReasonConflict    Reason = "conflict"
	ReasonForgotten   Reason = "forgotten"
	ReasonInvalidData Reason = "invalidData"
	ReasonInvalid     Reason = "invalid"
	ReasonNotFound    Reason = "notFound"
	ReasonUnnamed     Reason = ""
)

// Refuse has every write for these e-mail addresses or user ids fail for a
// reason, until [Fake.Release]. A bulk request names them in the list of the
// reason, or only counts them if it is [ReasonUnnamed]; another request is
// refused as a whole. Several reasons for one id put it into several lists.
//
//	fake.Refuse(iterabletest.ReasonForgotten, "u-1")
func (f *Fake) Refuse(reason Reason, ids ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.refusals == nil {
		f.refusals = make(map[string][]Reason)
	}
	for _, id := range ids {
		if key := folded(id); !slices.Contains(f.refusals[key], reason) {
			f.refusals[key] = append(f.refusals[key], reason)
		}
	}
}

// Release undoes [Fake.Refuse] for these ids.
func (f *Fake) Release(ids ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, id := range ids {
		delete(f.refusals, folded(id))
	}
}

func (f *Fake) interceptor() func(http.ResponseWriter, *http.Request) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.intercept
}

// misbehave serves the call, unless the script says otherwise.
func (f *Fake) misbehave(w http.ResponseWriter, c call) {
	f.mu.Lock()
	s := step{status: http.StatusOK}
	if len(f.script) > 0 {
		s, f.script = f.script[0], f.script[1:]
	}
	f.mu.Unlock()
	if s.served || s.status == http.StatusOK {
		answer := f.serve(c)
		if !s.served {
			answer.write(w)
			return
		}
	}
	if s.status == 0 {
		panic(http.ErrAbortHandler)
	}
	c.failure(s.status).write(w)
}

// failure is the documented body of a status that has nothing to do with what
// was asked.
func (c call) failure(status int) reply {
	switch status {
	case http.StatusBadRequest:
		return badParams("Invalid request", nil)
	case http.StatusUnauthorized:
		return c.badKey()
	case http.StatusForbidden:
		return said(status, "Forbidden", "The operation is not allowed for this API key", nil)
	case http.StatusNotFound:
		return said(status, "NotFound", "Not found", nil)
	case http.StatusConflict:
		return said(status, "Conflict", "The request conflicts with the state of the project", nil)
	case http.StatusTooManyRequests:
		return c.exceeded(c.op.documented())
	case http.StatusInternalServerError, http.StatusServiceUnavailable:
		return said(status, "GenericError", "An error occurred. Please try again later. If problem persists, please contact your CSM", nil)
	}
	return page(status)
}
