package iterable

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/iteramp/iteramp/internal/rest"
)

// Kinds of failure, for [errors.Is]. It finds them behind a [BatchError] too.
var (
	// ErrUnauthorized is a key that Iterable does not know, has disabled, or does
	// not allow the endpoint: status 401 or 403. A key of the other data center is
	// unknown.
	ErrUnauthorized = errors.New("iterable: unauthorized")
	// ErrNotFound is a user, list or other object that does not exist. Iterable
	// says so by a 404, by a 400 or by an empty 200. A feature that is not
	// enabled for the project is not found either.
	ErrNotFound = errors.New("iterable: not found")
	// ErrConflict is status 409: an identifier belongs to another user, or the
	// object is in use.
	ErrConflict = errors.New("iterable: conflict")
	// ErrForgotten is a user forgotten by privacy request, to whom nothing may be
	// written any more.
	ErrForgotten = errors.New("iterable: the user is forgotten")
	// ErrDisallowed is an event whose name the project has blocked. Iterable
	// answers 200 and drops it.
	ErrDisallowed = errors.New("iterable: the event name is disallowed")
	// ErrRateLimited is status 429, after the waits it asked for.
	ErrRateLimited = errors.New("iterable: rate limited")
	// ErrAmbiguous is a call that was cut off and may have taken effect: by a
	// broken connection, the context's end, or an answer that does not say, which
	// is a 408, a 5xx, or a success without the documented body.
	ErrAmbiguous = errors.New("iterable: the call may have taken effect")
)

// Code is Iterable's own word for the outcome of a call. The set is open.
type Code string

// The codes. Success also comes with refusals: the status decides.
const (
	CodeSuccess                      Code = "Success"
	CodeBadAPIKey                    Code = "BadApiKey"
	CodeBadAuthorizationHeader       Code = "BadAuthorizationHeader"
	CodeBadJSONBody                  Code = "BadJsonBody"
	CodeBadParams                    Code = "BadParams"
	CodeBatchTooLarge                Code = "BatchTooLarge"
	CodeDatabaseError                Code = "DatabaseError"
	CodeEmailAlreadyExists           Code = "EmailAlreadyExists"
	CodeExternalKeyConflict          Code = "ExternalKeyConflict"
	CodeForbidden                    Code = "Forbidden"
	CodeForbiddenParamsError         Code = "ForbiddenParamsError"
	CodeForgottenUserError           Code = "ForgottenUserError"
	CodeGenericError                 Code = "GenericError"
	CodeInvalidEmailAddressError     Code = "InvalidEmailAddressError"
	CodeInvalidJWTPayload            Code = "InvalidJwtPayload"
	CodeInvalidUserIDError           Code = "InvalidUserIdError"
	CodeJWTUserIdentifiersMismatched Code = "JwtUserIdentifiersMismatched"
	CodeNotFound                     Code = "NotFound"
	CodeQueueEmailError              Code = "QueueEmailError"
	CodeRateLimitExceeded            Code = "RateLimitExceeded"
	CodeRequestFieldsTypesMismatched Code = "RequestFieldsTypesMismatched"
	CodeUnauthorized                 Code = "Unauthorized"
	CodeUniqueFieldsLimitExceeded    Code = "UniqueFieldsLimitExceeded"
	CodeUnknownEmailError            Code = "UnknownEmailError"
	CodeUnknownUserIDError           Code = "UnknownUserIdError"
	CodeUserIDAlreadyExists          Code = "UserIdAlreadyExists"
)

// Error is an answer that refused the request, or one that was not the
// documented success. It is always a pointer, so that a caller reads it with
// errors.AsType[*iterable.Error](err).
type Error struct {
	StatusCode int
	Op         string        // "GET /api/lists/{listId}/size", never a full path or a query
	Code       Code          // "" if the answer has none
	Message    string        // Iterable's own, without keys, addresses and ids; else the status text
	RetryAfter time.Duration // as the answer has it, in its header or its params
	// Params is what Iterable adds, by name: the fields of a type mismatch, the
	// limit that was hit. Numbers may be quoted, and values may be the caller's
	// data, so neither the text nor the JSON of an Error has it.
	Params map[string]json.RawMessage `json:"-"`

	// kind is what Iterable says in words or lists. Nil leaves it to the status and
	// the code.
	kind error
}

// Error says which call was refused, with what.
func (e *Error) Error() string {
	if e.Code != "" && e.Code != CodeSuccess {
		return fmt.Sprintf("iterable: %s: %d %s: %s", e.Op, e.StatusCode, e.Code, e.Message)
	}
	return fmt.Sprintf("iterable: %s: %d: %s", e.Op, e.StatusCode, e.Message)
}

// Is matches the kinds of failure, by status, by code and, where Iterable has
// neither, by its words.
func (e *Error) Is(kind error) bool {
	if e.kind == kind && kind != nil {
		return true
	}
	switch kind {
	case ErrUnauthorized:
		return e.StatusCode == http.StatusUnauthorized || e.StatusCode == http.StatusForbidden
	case ErrNotFound:
		return e.notFound()
	case ErrConflict:
		return e.StatusCode == http.StatusConflict
	case ErrForgotten:
		return e.Code == CodeForgottenUserError
	case ErrRateLimited:
		return e.StatusCode == http.StatusTooManyRequests
	case ErrAmbiguous:
		return ambiguous(e.StatusCode) && e.kind == nil && !e.notFound()
	}
	return false
}

// disallowedText is in the message of a success that is none.
const disallowedText = "is disallowed from tracking"

// notFoundTexts are in the messages of refusals of what does not exist, which
// come with status 400 and a code that says something else.
var notFoundTexts = []string{"invalidListId", "Invalid email list id", "No user with that id exists", "noUserWithIdExists"}

// Messages of our own, for answers with status 200.
const (
	noUser          = "no such user"
	disallowedEvent = "the name of the event is disallowed"
	otherShape      = "the body is not the documented JSON"
	webPage         = "the body is a web page"
)

func (e *Error) notFound() bool {
	switch e.Code {
	case CodeUnknownEmailError, CodeUnknownUserIDError, "error.users.noUserWithIdExists":
		return true
	}
	return e.kind == ErrNotFound || e.StatusCode == http.StatusNotFound
}

// ambiguous are the statuses after which the request may have been executed.
func ambiguous(status int) bool {
	return status < 300 || status == http.StatusRequestTimeout || status >= 500
}

// newError makes the error of an answer, with Iterable's own message unless there
// is a better one. The status decides: a body may be HTML, text, empty or cut
// short.
func newError(resp *rest.Response, problem string) *Error {
	r := parseReply(resp.Body)
	e := &Error{
		StatusCode: resp.StatusCode, Op: resp.Op, Code: r.Code,
		Message:    cmp.Or(problem, resp.Clean(r.message()), http.StatusText(resp.StatusCode)),
		RetryAfter: cmp.Or(resp.RetryAfter, pause(resp)), Params: r.Params,
	}
	// Cleaned, the message may have lost the words.
	if slices.ContainsFunc(notFoundTexts, func(s string) bool { return strings.Contains(r.message(), s) }) {
		e.kind = ErrNotFound
	}
	return e
}

// withKind makes the error of an answer whose body says what it is.
func withKind(resp *rest.Response, kind error, message string) *Error {
	e := newError(resp, message)
	e.kind = kind
	return e
}

// reply is the envelope of most writes and most refusals, and the other form in
// which some refusals come.
type reply struct {
	Code   Code                       `json:"code"`
	Msg    string                     `json:"msg"`
	Params map[string]json.RawMessage `json:"params"`

	Message string `json:"message"`
	Err     string `json:"error"`
}

// message is never the whole of a reply: an old one has held the request with its
// headers, which the caller cleans.
func (r reply) message() string { return cmp.Or(r.Msg, r.Message, r.Err) }

// maxMessage bounds a text that is no JSON, before it is cleaned and cut to less.
const maxMessage = 4 << 10

// parseReply reads each field for itself: one of an unexpected type does not cost
// the others. Text that is no JSON is the message.
func parseReply(body []byte) reply {
	var fields map[string]json.RawMessage
	if json.Unmarshal(body, &fields) != nil {
		if isPage(body) {
			return reply{} // of a gateway
		}
		return reply{Msg: string(body[:min(len(body), maxMessage)])}
	}
	var r reply
	_ = json.Unmarshal(fields["code"], &r.Code)
	_ = json.Unmarshal(fields["msg"], &r.Msg)
	_ = json.Unmarshal(fields["params"], &r.Params)
	_ = json.Unmarshal(fields["message"], &r.Message)
	_ = json.Unmarshal(fields["error"], &r.Err)
	return r
}

// isPage tells a page of HTML, whatever its content type.
func isPage(body []byte) bool { return bytes.HasPrefix(bytes.TrimSpace(body), []byte("<")) }

// isObject tells JSON, whole or cut, from text.
func isObject(body []byte) bool { return bytes.HasPrefix(bytes.TrimSpace(body), []byte("{")) }

// number reads a number that may be quoted.
func number(raw json.RawMessage) (float64, bool) {
	n, err := strconv.ParseFloat(strings.Trim(string(raw), `"`), 64)
	return n, err == nil && !math.IsNaN(n) && !math.IsInf(n, 0)
}

// pause is the wait a 429 asks for in its params: seconds until a request can
// succeed. Where it has none, an operation counted by the minute is left alone for
// one.
//
// Reference: https://api.iterable.com/api/docs#users_bulkUpdateUser
func pause(resp *rest.Response) time.Duration {
	if resp.StatusCode != http.StatusTooManyRequests {
		return 0
	}
	if s, ok := number(parseReply(resp.Body).Params["rateLimitReset"]); ok && s > 0 {
		return time.Duration(min(s, 1e9) * float64(time.Second))
	}
	if rates[resp.Op].per == time.Minute {
		return time.Minute
	}
	return 0
}
