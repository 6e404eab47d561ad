package iterabletest

import (
	"net/http"
	"slices"
	"time"
)

// Request is one request as it came over the wire.
type Request struct {
	Time    time.Time // when it came, by the clock of the fake
	Method  string
	Path    string // without the query
	Op      string // the operation, such as "GET /api/lists/{listId}/size"; "" if there is none
	Status  int    // what was answered; 0 if the connection was broken instead
	Records int    // how many users or events a bulk request carried, 0 if it could not be read
	Bytes   int    // size of the body, cut where it was found to be too large
}

// Requests returns the requests answered so far, refused and repeated ones
// too, in the order of the answers. It is there to count what a client costs,
// retries, splits and storms, and to see by the times how much of a rate it
// uses.
func (f *Fake) Requests() []Request {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.requests)
}

// logged writes the entry of a request before the first byte of its answer: a
// client that has the answer finds the request in the log.
type logged struct {
	http.ResponseWriter
	fake     *Fake
	entry    Request
	written  bool
	finished bool // false while the handler runs, and for good if it panics
}

func (l *logged) WriteHeader(status int) {
	l.log(status)
	l.ResponseWriter.WriteHeader(status)
}

func (l *logged) Write(p []byte) (int, error) {
	l.log(http.StatusOK)
	return l.ResponseWriter.Write(p)
}

// Unwrap lets [http.ResponseController] reach the real writer.
func (l *logged) Unwrap() http.ResponseWriter { return l.ResponseWriter }

func (l *logged) log(status int) {
	if l.written || status < http.StatusOK { // an informational status is not the answer
		return
	}
	l.written = true
	l.entry.Status = status
	l.append()
}

// end logs what was answered without a word: an empty 200, or nothing if the
// handler panicked to break the connection.
func (l *logged) end() {
	if l.written {
		return
	}
	if l.finished {
		l.entry.Status = http.StatusOK
	}
	l.append()
}

func (l *logged) append() {
	l.fake.mu.Lock()
	defer l.fake.mu.Unlock()
	l.fake.requests = append(l.fake.requests, l.entry)
}
