// Package rest is the one place of the module that talks HTTP: it builds
// requests, sends them under a limiter, repeats what may be repeated, and reads
// what comes back within bounds.
//
// It knows no vendor. The packages above it bring hosts, credentials and error
// types, and describe each endpoint as a [Call] literal.
package rest

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/go-querystring/query"
)

// Client sends calls to one vendor. All fields are set before first use.
type Client struct {
	Name        string // the vendor's, in front of transport errors
	HTTP        *http.Client
	MaxAttempts int
	Limits      map[string]Limiter // by Call.Op
	Log         *slog.Logger
	OnAttempt   func(context.Context, Attempt)
	GzipFrom    int      // bodies of this many bytes and more are compressed; zero means none
	Secrets     []string // are cut out of every text that leaves the package

	// Pause is the wait the vendor has written down for a response without
	// Retry-After, zero where it has not.
	Pause func(*Response) time.Duration
	// Refused makes the vendor's error of a response that is no success.
	// problem is "" if the status alone says so.
	Refused func(resp *Response, problem string) error
	// Ambiguous is the vendor's kind of error for a call that was cut off and
	// may have taken effect, Unsure the statuses of which that is true.
	Ambiguous error
	Unsure    func(op string, status int) bool

	budget budget
}

// Call describes one request.
type Call struct {
	Method string
	Base   string   // scheme, host and path prefix
	Path   string   // as the vendor's reference prints it: "/api/lists/{listId}/size"
	Args   []string // what stands in for the braces, in order; escaped here
	// Link is an address out of an answer and stands for Base, Args and Query.
	// The request carries no credentials and waits for no limiter.
	Link  string
	Query any // url.Values, or a struct for go-querystring
	Body  any // []byte is sent as it is, url.Values as a form, all else as JSON
	Auth  func(*http.Request)

	// Idempotent says that a second execution cannot harm, so that a call cut
	// off half-way may be repeated.
	Idempotent bool
	// Plain keeps the body uncompressed, for endpoints that are not known to take
	// another.
	Plain bool
	// Slots are taken for each attempt, after the wait for the limiter, until its
	// answer has been read.
	Slots []Slots
	// Status are the documented successes, none means 200.
	Status []int
	// MaxBody bounds a success's body, zero means 8 MiB.
	MaxBody int
	// Final stops the repetition of a response whose status alone would be
	// repeated.
	Final func(*Response) bool
	// Private lists what of the request must not show up in an error's text.
	Private func() []string
}

// Op names the call without any value of it, fit for a label.
func (c Call) Op() string { return c.Method + " " + c.Path }

// Response is an answer whose body has been read.
type Response struct {
	Op         string
	StatusCode int
	Header     http.Header
	Body       []byte        // of a refusal, 1 MiB at most
	RetryAfter time.Duration // as the header has it; zero if absent or unreadable
	Unsure     bool          // an attempt before this answer may have taken effect

	hidden  func() []string
	secrets []string
	stream  *Stream // what is left to read of a success
}

// Clean makes a text that came from outside fit to be shown: short, on one
// line, without credentials, addresses and values of the request.
func (r *Response) Clean(text string) string {
	secrets := r.secrets
	if r.hidden != nil {
		secrets = slices.Concat(r.hidden(), secrets)
	}
	return scrub(text, secrets)
}

// Do sends the call and decodes the documented success into out: nil reads
// nothing, a *[]byte takes the body as it is, all else is decoded as JSON. Any
// other answer is an error.
func (c *Client) Do(ctx context.Context, call Call, out any) error {
	resp, err := c.Send(ctx, call)
	if err != nil {
		return err
	}
	if !call.Success(resp.StatusCode) {
		return c.Refused(resp, "")
	}
	switch out := out.(type) {
	case nil:
		return nil
	case *[]byte:
		*out = resp.Body
		return nil
	default:
		if json.Unmarshal(resp.Body, out) != nil {
			return c.Refused(resp, "the body is not the documented JSON")
		}
		return nil
	}
}

// Success says whether a status is one of the documented successes.
func (c Call) Success(status int) bool {
	if len(c.Status) == 0 {
		return status == http.StatusOK
	}
	return slices.Contains(c.Status, status)
}

// request is a call made ready: encoded once, sent as often as needed.
type request struct {
	Call
	op       string
	url      string
	header   http.Header
	body     []byte
	attempts int
	stream   bool // the body of a success is not read here
}

func (c *Client) prepare(ctx context.Context, call Call) (*request, error) {
	r := &request{Call: call, op: call.Op(), header: make(http.Header), attempts: c.MaxAttempts}
	if n, ok := ctx.Value(attemptsKey{}).(int); ok {
		r.attempts = min(n, r.attempts)
	}
	var err error
	if call.Method == "" {
		err = errors.New("the method is missing")
	} else if r.url, err = call.url(); err == nil {
		err = r.encode(call.Body)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %s: %w", c.Name, r.op, err)
	}
	if c.GzipFrom > 0 && len(r.body) >= c.GzipFrom && !call.Plain {
		r.body = compress(r.body)
		r.header.Set("Content-Encoding", "gzip")
	}
	r.header.Set("Accept", "application/json, text/plain, */*")
	// Bodies are bounded as they are read, so none may grow on the way.
	r.header.Set("Accept-Encoding", "identity")
	return r, nil
}

// url fills the braces of the path. A part that is empty, "." or ".." would
// reach another endpoint and is refused.
func (c Call) url() (string, error) {
	if c.Link != "" {
		return c.Link, CheckLink(c.Link, c.Base)
	}
	if !strings.HasPrefix(c.Path, "/") {
		return "", errors.New("the path must begin with a slash") // or it would go on with the host
	}
	var b strings.Builder
	b.WriteString(strings.TrimSuffix(c.Base, "/"))
	rest, args := c.Path, c.Args
	for {
		before, after, found := strings.Cut(rest, "{")
		b.WriteString(before)
		if !found {
			break
		}
		name, tail, closed := strings.Cut(after, "}")
		if !closed || len(args) == 0 {
			return "", fmt.Errorf("no value for {%s}", name)
		}
		if args[0] == "" || args[0] == "." || args[0] == ".." {
			return "", fmt.Errorf("{%s} is empty or a dot path", name)
		}
		b.WriteString(url.PathEscape(args[0]))
		rest, args = tail, args[1:]
	}
	if len(args) > 0 {
		return "", errors.New("more values than the path takes")
	}
	values, err := queryValues(c.Query)
	if err != nil {
		return "", err
	}
	if len(values) > 0 {
		b.WriteString("?" + values.Encode())
	}
	return b.String(), nil
}

func queryValues(q any) (url.Values, error) {
	switch q := q.(type) {
	case nil:
		return nil, nil
	case url.Values:
		return q, nil
	default:
		return query.Values(q)
	}
}

func (r *request) encode(body any) error {
	switch body := body.(type) {
	case nil:
		return nil
	case []byte:
		r.body = body
	case url.Values:
		r.body = []byte(body.Encode())
		r.header.Set("Content-Type", "application/x-www-form-urlencoded")
		return nil
	default:
		var buf bytes.Buffer
		enc := json.NewEncoder(&buf)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(body); err != nil {
			return err
		}
		r.body = bytes.TrimSuffix(buf.Bytes(), []byte("\n"))
	}
	r.header.Set("Content-Type", "application/json")
	return nil
}

var gzipWriters = sync.Pool{New: func() any {
	w, _ := gzip.NewWriterLevel(nil, gzip.BestSpeed) // the level is valid
	return w
}}

func compress(body []byte) []byte {
	var buf bytes.Buffer
	buf.Grow(len(body) / 4)
	w := gzipWriters.Get().(*gzip.Writer)
	defer gzipWriters.Put(w)
	w.Reset(&buf)
	w.Write(body) // a bytes.Buffer takes everything
	w.Close()
	return buf.Bytes()
}

const (
	maxBody  = 8 << 20
	maxError = 1 << 20 // an Amplitude 429 names up to 2,000 ids
)

// try makes one attempt. sent is false only if the request provably never left.
func (c *Client) try(ctx context.Context, r *request, w *wire) (resp *Response, sent bool, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer func() {
		if resp == nil || resp.stream == nil {
			cancel(nil)
		}
	}()
	req, err := http.NewRequestWithContext(w.watch(ctx, cancel, r.body == nil), r.Method, r.url, bytes.NewReader(r.body))
	if err != nil {
		return nil, false, errors.New("the address is not a URL")
	}
	if r.body != nil {
		req.GetBody = w.guard(req.GetBody)
	}
	for name, values := range r.header {
		req.Header[name] = values
	}
	if r.Auth != nil && r.Link == "" {
		r.Auth(req)
	}
	client := c.HTTP
	if r.stream {
		client = withoutTimeout(client)
	}
	answer, err := client.Do(req)
	if err != nil {
		return nil, w.mayHaveLeft(), cause(ctx, err)
	}
	if r.stream && r.Success(answer.StatusCode) {
		resp = c.response(r, answer)
		resp.stream = newStream(ctx, cancel, c, r, answer)
		return resp, true, nil
	}
	defer answer.Body.Close()
	limit := maxError
	if answer.StatusCode < 300 {
		limit = maxBody
		if r.MaxBody > 0 {
			limit = r.MaxBody
		}
	}
	resp = c.response(r, answer)
	resp.Body, err = readUpTo(answer.Body, limit)
	switch {
	case errors.Is(err, errTooLarge) && answer.StatusCode >= 300:
		return resp, true, nil // what was read says enough
	case err != nil:
		return nil, true, cause(ctx, err)
	}
	return resp, true, nil
}

func (c *Client) response(r *request, answer *http.Response) *Response {
	return &Response{
		Op:         r.op,
		StatusCode: answer.StatusCode,
		Header:     answer.Header,
		RetryAfter: retryAfter(answer.Header, time.Now()),
		hidden:     r.hidden,
		secrets:    c.Secrets,
	}
}

// hidden lists the values of the request that no text may repeat.
func (r *request) hidden() []string {
	if r.Private == nil {
		return r.Args
	}
	return slices.Concat(r.Private(), r.Args)
}

// cause drops what net/http wraps around an error: url.Error prints the whole
// address with its query.
func cause(ctx context.Context, err error) error {
	if own := context.Cause(ctx); errors.Is(own, errReplay) {
		return own
	}
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	return err
}

var errTooLarge = errors.New("the body is larger than expected")

// readUpTo reads at most limit bytes, into room that grows eightfold: doubling
// would allocate a multiple of a large body. io.ReadFull would hide whether it
// met the end of the body or a body cut short.
func readUpTo(r io.Reader, limit int) ([]byte, error) {
	body := make([]byte, 0, min(1<<10, limit+1))
	for {
		n, err := r.Read(body[len(body):cap(body)])
		body = body[:len(body)+n]
		switch {
		case len(body) > limit:
			return body[:limit], errTooLarge
		case err == io.EOF:
			return body, nil
		case err != nil:
			return nil, err
		case len(body) == cap(body):
			body = append(make([]byte, 0, min(8*cap(body), limit+1)), body...)
		}
	}
}
