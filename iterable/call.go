package iterable

import (
	"context"
	"encoding/json"
	"net/http"
	"reflect"
	"slices"
	"strconv"

	"github.com/iteramp/iteramp/internal/rest"
)

// send makes a call. Its success is status 200, or one that the call names.
func (c *core) send(ctx context.Context, call rest.Call) (*rest.Response, error) {
	if c == nil {
		return nil, errNoClient
	}
	resp, err := c.rest.Send(ctx, c.complete(call))
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK && !slices.Contains(call.Status, resp.StatusCode) {
		return nil, newError(resp, "")
	}
	return resp, nil
}

// field makes a call that answers with an object, and decodes into out the field
// that the object always has. An object without it is not the documented one: a
// project without lists answers with an empty list of them.
func (c *core) field(ctx context.Context, call rest.Call, name string, out any) error {
	resp, err := c.send(ctx, call)
	if err != nil {
		return err
	}
	var fields map[string]json.RawMessage
	if json.Unmarshal(resp.Body, &fields) != nil || !present(fields[name]) || json.Unmarshal(fields[name], out) != nil {
		return newError(resp, otherShape)
	}
	return nil
}

func present(raw json.RawMessage) bool { return len(raw) > 0 && string(raw) != "null" }

// write makes a call that answers with Iterable's envelope.
func (c *core) write(ctx context.Context, call rest.Call) error {
	_, _, err := c.envelope(ctx, call)
	return err
}

// envelope makes a call that answers with Iterable's envelope, and returns both
// the answer and that.
func (c *core) envelope(ctx context.Context, call rest.Call) (*rest.Response, reply, error) {
	resp, err := c.send(ctx, call)
	if err != nil {
		return nil, reply{}, err
	}
	r := parseReply(resp.Body)
	if r.Code == "" {
		return nil, reply{}, newError(resp, otherShape)
	}
	return resp, r, nil
}

// take makes a call whose success may come with any body or none, but for a web
// page or JSON that was cut short.
func (c *core) take(ctx context.Context, call rest.Call) error {
	call.Status = successes
	resp, err := c.send(ctx, call)
	switch {
	case err != nil:
		return err
	case isPage(resp.Body):
		return newError(resp, webPage)
	case isObject(resp.Body) && !json.Valid(resp.Body):
		return newError(resp, otherShape)
	}
	return nil
}

// hide keeps values of a request out of the text of its errors.
func hide(values ...string) func() []string { return func() []string { return values } }

// id is how a path has an id.
func id(n int64) string { return strconv.FormatInt(n, 10) }

// object is what stands for an object in a request: absent rather than null.
func object(v any) any {
	switch rv := reflect.ValueOf(v); rv.Kind() {
	case reflect.Map, reflect.Slice, reflect.Pointer:
		if rv.IsNil() {
			return nil
		}
	}
	return v
}
