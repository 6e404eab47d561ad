package amplitude

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/iteramp/iteramp/internal/rest"
)

// Kinds of failure, for [errors.Is]. It finds them behind a [BatchError] too.
var (
	// ErrUnauthorized is a key that Amplitude does not know: wrong, of the other
	// region, or, under /api, without its secret. Uploads are told so by a 400,
	// the others by a 401.
	ErrUnauthorized = errors.New("amplitude: unauthorized")
	// ErrNotFound is status 404.
	ErrNotFound = errors.New("amplitude: not found")
	// ErrRateLimited is status 429, after the waits it asked for.
	ErrRateLimited = errors.New("amplitude: rate limited")
	// ErrAmbiguous is a call that was cut off and may have taken effect: by a
	// broken connection, the context's end, or an answer that does not say, which
	// is a 408, a 5xx other than 503, or a 200 without the documented body.
	ErrAmbiguous = errors.New("amplitude: the call may have taken effect")
)

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
		return e.StatusCode == http.StatusUnauthorized || e.badKey()
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

// ambiguous are the statuses after which the request may have been executed. Of
// 503 the ingestion APIs say that nothing happened.
func ambiguous(op string, status int) bool {
	if status == http.StatusServiceUnavailable && slices.Contains(operations, op) {
		return false
	}
	return status == http.StatusOK || status == http.StatusRequestTimeout || status >= 500
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
// {"error": "text"}, {"error": {"message": "text"}} and {"message": "text"}.
func messageOf(body []byte) string {
	var reply struct {
		Error   json.RawMessage `json:"error"`
		Message string          `json:"message"`
	}
	if json.Unmarshal(body, &reply) != nil {
		return ""
	}
	var text string
	if json.Unmarshal(reply.Error, &text) == nil && text != "" {
		return text
	}
	var object struct {
		Message string `json:"message"`
	}
	if json.Unmarshal(reply.Error, &object) == nil && object.Message != "" {
		return object.Message
	}
	return reply.Message
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
