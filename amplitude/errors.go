package amplitude

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/iteramp/iteramp/internal/rest"
)

// Kinds of failure, for [errors.Is]. It finds them behind a [BatchError] too.
var (
	// ErrUnauthorized is a key that Amplitude does not know: wrong, of the other
	// region (look at [Config.Region] first), or, under /api, without its secret.
	// Uploads are told so by a 400, the APIs under /api answer 401 or 403.
	ErrUnauthorized = errors.New("amplitude: unauthorized")
	// ErrNotFound is status 404.
	ErrNotFound = errors.New("amplitude: not found")
	// ErrRateLimited is status 429, after the waits it asked for.
	ErrRateLimited = errors.New("amplitude: rate limited")
	// ErrAmbiguous is a call that was cut off and may have taken effect: by a
	// broken connection, the context's end, or an answer that does not say, which
	// is a 408, a 5xx (of uploads of events not 503), or a 2xx without the
	// documented body.
	ErrAmbiguous = errors.New("amplitude: the call may have taken effect")
	// ErrCohortFailed is a download that Amplitude has given up: request it anew.
	ErrCohortFailed = errors.New("amplitude: the cohort's download has failed")
	// ErrCohortFile is a file that came whole and is not the members of a cohort:
	// empty, a web page, without the column user_id, or damaged.
	ErrCohortFile = errors.New("amplitude: not a cohort's file")
	// ErrCutOff is a stream that ended before its end: read it again.
	ErrCutOff = errors.New("amplitude: the answer was cut off")
)

// kindOf is an error that is of a kind too, without saying so.
type kindOf struct {
	kind error
	error
}

func (e kindOf) Unwrap() []error { return []error{e.kind, e.error} }

// Error is an answer that refused the request, or one that was not the
// documented success. It is always a pointer, so that a caller reads it with
// errors.AsType[*amplitude.Error](err).
type Error struct {
	StatusCode int
	Op         string        // "POST /2/httpapi", never a full path or a query
	Message    string        // Amplitude's own, without keys, addresses and ids; else the status text
	RetryAfter time.Duration // as the answer has it; after a 429 without one, the 30 seconds of Amplitude's pages
}

// Error says which call was refused, with what.
func (e *Error) Error() string {
	return fmt.Sprintf("amplitude: %s: %d: %s", e.Op, e.StatusCode, e.Message)
}

// Is matches the kinds of failure by status.
func (e *Error) Is(kind error) bool {
	switch kind {
	case ErrUnauthorized:
		return e.StatusCode == http.StatusUnauthorized || e.badKey() || e.forbidden()
	case ErrNotFound:
		return e.StatusCode == http.StatusNotFound
	case ErrRateLimited:
		return e.StatusCode == http.StatusTooManyRequests
	case ErrAmbiguous:
		return ambiguous(e.Op, e.StatusCode)
	}
	return false
}

// badKey finds the refused key of the ingestion hosts, which say 400.
func (e *Error) badKey() bool {
	return e.StatusCode == http.StatusBadRequest && strings.HasPrefix(e.Message, "Invalid API key")
}

// forbidden finds the refused key of the APIs under /api, where it is observed to
// be a 403. An ingestion host says 403 of its firewall, the file storage of a link.
func (e *Error) forbidden() bool {
	return e.StatusCode == http.StatusForbidden && strings.Contains(e.Op, " /api/")
}

// ambiguous are the statuses after which the request may have been executed. Of
// 503 the ingestion APIs say that nothing happened.
func ambiguous(op string, status int) bool {
	if status == http.StatusServiceUnavailable && (op == httpV2.op() || op == batchUpload.op()) {
		return false
	}
	return status/100 == 2 || status == http.StatusRequestTimeout || status >= 500
}

// newError makes the error of an answer, with Amplitude's own message unless
// there is a better one. The status decides: a body may be HTML, empty or cut
// short.
func newError(resp *rest.Response, message string) *Error {
	if message == "" {
		message = resp.Clean(messageOf(resp.Body))
	}
	if message == "" {
		message = http.StatusText(resp.StatusCode)
	}
	return &Error{StatusCode: resp.StatusCode, Op: resp.Op, Message: message, RetryAfter: cmp.Or(resp.RetryAfter, pause(resp))}
}

// messageOf reads the forms in which Amplitude's APIs explain a refusal:
// {"error": "text"}, {"error": {"message": "text"}} or with error in the place of
// message, and {"message": "text"}. What stands beside it may hold ids.
func messageOf(body []byte) string {
	var reply struct {
		Error   json.RawMessage `json:"error"`
		Message string          `json:"message"`
	}
	if json.Unmarshal(body, &reply) != nil {
		return ""
	}
	var line string
	if json.Unmarshal(reply.Error, &line) == nil && line != "" {
		return line
	}
	var object struct {
		Message text `json:"message"`
		Error   text `json:"error"`
	}
	_ = json.Unmarshal(reply.Error, &object) // no object: no message
	return cmp.Or(string(object.Message), string(object.Error), reply.Message)
}

// throttlePause is the wait that Amplitude's pages ask for after a 429, which
// carries no Retry-After. The Batch page speaks of 15 seconds; 30 serve both.
//
// Reference: https://amplitude.com/docs/apis/analytics/http-v2
const throttlePause = 30 * time.Second

func pause(resp *rest.Response) time.Duration {
	if resp.StatusCode == http.StatusTooManyRequests {
		return throttlePause
	}
	return 0
}
