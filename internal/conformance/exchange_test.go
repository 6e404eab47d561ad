package conformance

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"

	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
)

// exchange is a request of the client and the fake's answer to it.
type exchange struct {
	method, url string
	header      http.Header
	body        []byte

	status int
	answer http.Header
	reply  []byte

	op  string // as the client names it
	use use
}

func (x exchange) request() *http.Request {
	r, err := http.NewRequest(x.method, x.url, bytes.NewReader(x.body))
	if err != nil {
		panic(err) // the client has made one of it
	}
	r.Header = x.header.Clone()
	return r
}

// wire carries requests to the fake and remembers them.
type wire struct {
	fake http.RoundTripper
	seen []exchange
}

func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	x := exchange{method: r.Method, url: r.URL.String(), header: r.Header.Clone()}
	if r.Body != nil {
		x.body, _ = io.ReadAll(r.Body) // from memory
		r = r.Clone(r.Context())
		r.Body = io.NopCloser(bytes.NewReader(x.body))
	}
	resp, err := w.fake.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	x.status, x.answer = resp.StatusCode, resp.Header.Clone()
	if x.reply, err = io.ReadAll(resp.Body); err != nil {
		return nil, err
	}
	resp.Body = io.NopCloser(bytes.NewReader(x.reply))
	w.seen = append(w.seen, x)
	return resp, nil
}

// options make the validator look at all there is.
var options = &openapi3filter.Options{
	MultiError:                        true,
	IncludeResponseStatus:             true,
	RejectWhenRequestBodyNotSpecified: true,
	SkipSettingDefaults:               true,
	AuthenticationFunc:                hasKey,
}

// hasKey wants the key where the document has it; whether it is the right one is
// the fake's business.
func hasKey(_ context.Context, in *openapi3filter.AuthenticationInput) error {
	s := in.SecurityScheme
	if s.Type != "apiKey" || s.In != "header" || in.RequestValidationInput.Request.Header.Get(s.Name) == "" {
		return errors.New("there is no key")
	}
	return nil
}

// check holds an exchange against the document: its route, and both sides.
func (d *document) check(x exchange) error {
	return errors.Join(d.checkRequest(x), d.checkReply(x))
}

func (d *document) checkRequest(x exchange) error {
	in, err := d.input(x)
	if err != nil {
		return err
	}
	if op := opOf(in.Route); op != x.op {
		return fmt.Errorf("the client calls it %q, the document %q", x.op, op)
	}
	return errors.Join(undeclared(in), openapi3filter.ValidateRequest(context.Background(), in))
}

func (d *document) checkReply(x exchange) error {
	in, err := d.input(x)
	if err != nil {
		return err
	}
	return openapi3filter.ValidateResponse(context.Background(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: in, Status: x.status, Header: x.answer,
		Body: io.NopCloser(bytes.NewReader(x.reply)), Options: options,
	})
}

func (d *document) input(x exchange) (*openapi3filter.RequestValidationInput, error) {
	r := x.request()
	route, args, err := d.router.FindRoute(r)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", x.method, r.URL.Path, err)
	}
	return &openapi3filter.RequestValidationInput{Request: r, PathParams: args, Route: route, Options: options}, nil
}

func opOf(route *routers.Route) string { return route.Method + " " + route.Path }

// undeclared finds parameters of the query that the document does not have, which
// the validator lets pass.
func undeclared(in *openapi3filter.RequestValidationInput) error {
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(in.Request.URL.Query())) {
		if in.Route.Operation.Parameters.GetByInAndName("query", name) == nil {
			errs = append(errs, fmt.Errorf("the document has no parameter %q", name))
		}
	}
	return errors.Join(errs...)
}
