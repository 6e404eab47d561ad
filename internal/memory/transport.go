// Package memory brings HTTP requests to a handler without a socket, for the
// vendors' fakes.
package memory

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
)

// Transport brings requests to a handler without a socket, in the goroutine of
// the caller: nothing is left running and nothing waits outside of a
// testing/synctest bubble.
type Transport struct{ Handler http.Handler }

// RoundTrip serves req and returns the answer. A handler that waits has to
// watch its request's context, as one behind a socket has; if the context has
// ended by the time it returns, the client does not see its answer.
func (t Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Body != nil {
		defer req.Body.Close()
	}
	ctx := req.Context()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	w := &answer{header: make(http.Header)}
	broken := w.serve(t.Handler, served(req))
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if broken && w.status == 0 {
		return nil, fmt.Errorf("memory: connection broken: %w", io.ErrUnexpectedEOF)
	}
	return w.response(req, broken), nil
}

// served is req as a server would have received it.
func served(req *http.Request) *http.Request {
	r := req.Clone(context.WithValue(req.Context(), schemeKey{}, req.URL.Scheme))
	r.Host = cmp.Or(req.Host, req.URL.Host)
	r.URL = &url.URL{Path: req.URL.Path, RawPath: req.URL.RawPath, RawQuery: req.URL.RawQuery}
	r.RequestURI = r.URL.RequestURI()
	r.RemoteAddr = "192.0.2.1:1234" // of the block that is kept for documentation
	if r.Body == nil {
		r.Body = http.NoBody
	}
	return r
}

// answer is the http.ResponseWriter of one round trip.
type answer struct {
	header http.Header
	sent   http.Header // as it was when the status was written
	status int
	body   bytes.Buffer
}

func (a *answer) Header() http.Header { return a.header }

func (a *answer) WriteHeader(status int) {
	if a.status == 0 && status >= http.StatusOK {
		a.status, a.sent = status, a.header.Clone()
	}
}

func (a *answer) Write(p []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	return a.body.Write(p)
}

// Flush makes the status final, as it does behind a socket.
func (a *answer) Flush() { a.WriteHeader(http.StatusOK) }

// serve reports whether the handler broke the connection.
func (a *answer) serve(h http.Handler, r *http.Request) (broken bool) {
	defer func() {
		if p := recover(); p == http.ErrAbortHandler { // the only panic with a meaning
			broken = true
		} else if p != nil {
			panic(p)
		}
	}()
	h.ServeHTTP(a, r)
	a.WriteHeader(http.StatusOK)
	return false
}

func (a *answer) response(req *http.Request, broken bool) *http.Response {
	body, length := io.Reader(&a.body), int64(a.body.Len())
	if said, err := strconv.ParseInt(a.sent.Get("Content-Length"), 10, 64); err == nil {
		broken = broken || said > length
		length = said
	} else if broken {
		length = -1
	}
	if broken {
		body = io.MultiReader(body, cut{})
	}
	return &http.Response{
		Status:        fmt.Sprintf("%d %s", a.status, http.StatusText(a.status)),
		StatusCode:    a.status,
		Proto:         "HTTP/1.1",
		ProtoMajor:    1,
		ProtoMinor:    1,
		Header:        a.sent,
		Body:          io.NopCloser(body),
		ContentLength: length,
		Request:       req,
	}
}

// cut is where the body of a broken connection ends.
type cut struct{}

func (cut) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// schemeKey is for the scheme of a request that came without a socket: such a
// request has no TLS, whatever its URL says.
type schemeKey struct{}

// Scheme is that of the URL a request was sent to.
func Scheme(r *http.Request) string {
	if s, ok := r.Context().Value(schemeKey{}).(string); ok {
		return s
	}
	if r.TLS != nil {
		return "https"
	}
	return "http"
}
