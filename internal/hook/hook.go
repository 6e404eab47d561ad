// Package hook checks, reads and answers the requests of a webhook endpoint.
//
// Its answers are fixed short texts: nothing of a request is repeated to the
// sender. A status of 0 means that there is nothing to refuse.
package hook

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
)

// DefaultMaxBody is the size up to which a body is read unless told otherwise.
// The largest webhooks carry a whole message.
const DefaultMaxBody = 1 << 20

// retryAfter is the pause in seconds asked for with 503.
const retryAfter = 10

// Check looks at what can be known before the body is read: method, type,
// encoding and the length that was announced, in this order. It returns the
// status of the refusal.
func Check(r *http.Request, maxBody int64) (status int) {
	switch {
	case r.Method != http.MethodPost:
		return http.StatusMethodNotAllowed
	case !isJSON(r.Header.Get("Content-Type")), !isPlain(r.Header["Content-Encoding"]):
		return http.StatusUnsupportedMediaType
	case r.ContentLength > maxBody:
		return http.StatusRequestEntityTooLarge
	}
	return 0
}

func isJSON(contentType string) bool {
	if contentType == "application/json" {
		return true
	}
	mediaType, _, err := mime.ParseMediaType(contentType)
	return err == nil && mediaType == "application/json"
}

// isPlain refuses every compression: Iterable uses none, and a small body can
// become a very large one.
func isPlain(encodings []string) bool {
	for _, e := range encodings {
		if e != "" && !strings.EqualFold(e, "identity") {
			return false
		}
	}
	return true
}

// Read returns the body in a new slice, or the status of the refusal: a body
// that is too large can never be taken, one that broke off can be sent again.
//
// The slice grows with what arrives, not with what was announced: a thousand
// senders that announce a megabyte and send nothing cost next to nothing.
func Read(w http.ResponseWriter, r *http.Request, maxBody int64) (body []byte, status int) {
	const atOnce = 4 << 10
	size := int64(atOnce)
	if r.ContentLength >= 0 {
		size = min(size, r.ContentLength+1) // one more, to see the end
	}
	body = make([]byte, 0, size)
	in := http.MaxBytesReader(w, r.Body, maxBody)
	for {
		n, err := in.Read(body[len(body):cap(body)])
		body = body[:len(body)+n]
		switch {
		case err == io.EOF:
			return body, 0
		case err != nil:
			return nil, readStatus(err)
		case len(body) == cap(body):
			body = append(body, 0)[:len(body)]
		}
	}
}

func readStatus(err error) int {
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return http.StatusRequestEntityTooLarge
	}
	return http.StatusServiceUnavailable
}

// Refuse answers with a status and a text, or with the status' own text if it
// is "".
func Refuse(w http.ResponseWriter, status int, text string) {
	if text == "" {
		text = texts[status]
	}
	h := w.Header()
	switch status {
	case http.StatusMethodNotAllowed:
		h.Set("Allow", http.MethodPost)
	case http.StatusUnauthorized:
		h.Set("WWW-Authenticate", `Basic realm="webhook"`)
	case http.StatusServiceUnavailable:
		h.Set("Retry-After", strconv.Itoa(retryAfter))
	}
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	io.WriteString(w, text+"\n") // an error means that the sender has gone
}

var texts = map[int]string{
	http.StatusBadRequest:            "not a system webhook",
	http.StatusUnauthorized:          "wrong or missing credential",
	http.StatusMethodNotAllowed:      "send POST",
	http.StatusRequestEntityTooLarge: "too large",
	http.StatusUnsupportedMediaType:  "send application/json, uncompressed",
	http.StatusServiceUnavailable:    "not now, try again",
}
