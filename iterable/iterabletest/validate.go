package iterabletest

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strconv"
)

// kind checks a value of a body. What is wrong goes into the faults under the
// path of the value, such as obj.users[1].preferUserId.
type kind func(path string, v any, x faults)

type faults map[string]string

// field is a field of an object. Null is the same as absent; fields that the
// reference does not have are ignored.
type field struct {
	kind     kind
	required bool
}

type fields map[string]field

func object(of fields) kind {
	return func(path string, v any, x faults) {
		o, ok := v.(map[string]any)
		if !ok {
			x[path] = "Object value expected"
			return
		}
		for name, f := range of {
			if value := o[name]; value != nil {
				f.kind(path+"."+name, value, x)
			} else if f.required {
				x[path+"."+name] = "Required value is missing"
			}
		}
	}
}

func list(of kind) kind {
	return func(path string, v any, x faults) {
		values, ok := v.([]any)
		if !ok {
			x[path] = "Array value expected"
			return
		}
		for i, value := range values {
			of(path+"["+strconv.Itoa(i)+"]", value, x)
		}
	}
}

func oneOf(values ...string) kind {
	return func(path string, v any, x faults) {
		if s, ok := v.(string); !ok || !slices.Contains(values, s) {
			x[path] = "Enum value expected"
		}
	}
}

func text(path string, v any, x faults) {
	if _, ok := v.(string); !ok {
		x[path] = "String value expected"
	}
}

func boolean(path string, v any, x faults) {
	if _, ok := v.(bool); !ok {
		x[path] = "Boolean value expected"
	}
}

func integer(path string, v any, x faults) {
	if !isInteger(v) {
		x[path] = "Integer value expected"
	}
}

func isInteger(v any) bool {
	n, ok := v.(json.Number)
	_, err := strconv.ParseInt(string(n), 10, 64)
	return ok && err == nil
}

// open is an object that may hold anything.
var open = object(nil)

// read takes the body of an operation that has one.
func (c *call) read(body []byte, whole bool) {
	if c.op == nil || c.op.body == nil {
		return
	}
	sent, refused, ok := c.decode(body, whole)
	if c.sent = sent; !ok {
		c.unread = &refused
	}
}

// decode returns the body, or the 400 that refuses it: one bad record refuses
// the whole request.
func (c *call) decode(body []byte, whole bool) (map[string]any, reply, bool) {
	if !whole {
		return nil, said(http.StatusBadRequest, "BatchTooLarge", "The request body is too large", nil), false
	}
	v, err := parse(body)
	if err != nil && c.op.otherErrors {
		return nil, otherError("error.json", "Invalid JSON body"), false
	}
	if err != nil {
		return nil, said(http.StatusBadRequest, "BadJsonBody", "Invalid JSON body", map[string]any{}), false
	}
	sent, _ := v.(map[string]any)
	x := make(faults)
	if c.op.body("obj", v, x); len(x) > 0 {
		return sent, said(http.StatusBadRequest, "BadJsonBody", "The JSON body does not have the expected form", x), false
	}
	return sent, reply{}, true
}

// records is how many users or events a bulk request has.
func (c *call) records() int {
	n := 0
	for _, name := range []string{"users", "usersByUserId", "subscribers", "events", "updateSubscriptionsRequests"} {
		n += len(elementsOf(c.sent, name))
	}
	return n
}

// parse takes one JSON value, with numbers as they are written.
func parse(body []byte) (v any, err error) {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	if err = d.Decode(&v); err != nil {
		return nil, err
	}
	if _, err = d.Token(); err != io.EOF {
		return nil, io.ErrUnexpectedEOF
	}
	return v, nil
}

// The readers of a checked body. A field that is absent has the zero value.

func textOf(o map[string]any, name string) string { s, _ := o[name].(string); return s }
func flag(o map[string]any, name string) bool     { b, _ := o[name].(bool); return b }

func number(o map[string]any, name string) int64 {
	n, _ := o[name].(json.Number)
	i, _ := n.Int64()
	return i
}

func objectOf(o map[string]any, name string) map[string]any {
	v, _ := o[name].(map[string]any)
	return v
}

// objects are the elements of a list of objects.
func objects(o map[string]any, name string) []map[string]any {
	values, _ := o[name].([]any)
	all := make([]map[string]any, len(values))
	for i, v := range values {
		all[i], _ = v.(map[string]any)
	}
	return all
}

// numbers are the elements of a list of integers; false if there is no list.
func numbers(o map[string]any, name string) ([]int64, bool) {
	values, ok := o[name].([]any)
	all := make([]int64, 0, len(values))
	for _, v := range values {
		n, _ := v.(json.Number)
		if i, err := n.Int64(); err == nil {
			all = append(all, i)
		}
	}
	return all, ok
}
