package conformance

import (
	"encoding/json"
	"maps"
	"net/url"
	"slices"

	"github.com/getkin/kin-openapi/openapi3"
)

// requestFields are the parameters of a query and the fields of a body, as
// "?limit" and "users[].email".
func requestFields(op string) []string {
	operation := operationOf(op)
	var all []string
	for _, p := range operation.Parameters {
		if p.Value.In == "query" {
			all = append(all, "?"+p.Value.Name)
		}
	}
	if operation.RequestBody != nil {
		all = append(all, contentFields(operation.RequestBody.Value.Content)...)
	}
	return all
}

// replyFields are the fields of a success.
func replyFields(op string) []string {
	success := operationOf(op).Responses.Status(200)
	if success == nil {
		return nil
	}
	return contentFields(success.Value.Content)
}

func contentFields(c openapi3.Content) []string {
	if body := c.Get("application/json"); body != nil {
		return properties(body.Schema.Value, "")
	}
	return nil
}

func properties(s *openapi3.Schema, at string) []string {
	var all []string
	if s.Items != nil {
		all = append(all, properties(s.Items.Value, at+"[]")...)
	}
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		path := name
		if at != "" {
			path = at + "." + name
		}
		all = append(all, path)
		all = append(all, properties(s.Properties[name].Value, path)...)
	}
	return all
}

// unseen are the fields that no exchange has.
func unseen(fields []string, in []exchange, of func(exchange) map[string]bool) []string {
	seen := make(map[string]bool)
	for _, x := range in {
		maps.Copy(seen, of(x))
	}
	return slices.DeleteFunc(fields, func(field string) bool { return seen[field] })
}

func requested(x exchange) map[string]bool {
	found := present(x.body)
	u, _ := url.Parse(x.url) // the client has made it of one
	for name := range u.Query() {
		found["?"+name] = true
	}
	return found
}

func replied(x exchange) map[string]bool {
	if x.status != 200 {
		return nil
	}
	return present(x.reply)
}

// present are the fields of some JSON.
func present(body []byte) map[string]bool {
	found := make(map[string]bool)
	var v any
	if json.Unmarshal(body, &v) == nil {
		mark(v, "", found)
	}
	return found
}

func mark(v any, at string, found map[string]bool) {
	switch v := v.(type) {
	case []any:
		for _, element := range v {
			mark(element, at+"[]", found)
		}
	case map[string]any:
		for name, field := range v {
			path := name
			if at != "" {
				path = at + "." + name
			}
			found[path] = true
			mark(field, path, found)
		}
	}
}
