package iterabletest

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// schema is the type of every field there is: the one of the first value that
// was written, for ever. A field within an object has a name with dots.
//
// Source: https://support.iterable.com/hc/en-us/articles/208183076
type schema map[string]string

// The schemas of profiles and of events hold so many fields.
const (
	maxUserFields  = 1000
	maxEventFields = 8000
)

// profileFields are those that every project has.
func profileFields() schema {
	return schema{
		"email": "string", "userId": "string", "phoneNumber": "string", "locale": "string", "timeZone": "string", "ip": "string",
		"signupDate": "date", "signupSource": "string", "profileUpdatedAt": "date",
		"emailListIds": "long", "userListIds": "long", "unsubscribedChannelIds": "long",
		"unsubscribedMessageTypeIds": "long", "subscribedMessageTypeIds": "long",
	}
}

// managed are fields of a profile that only Iterable writes. What it does with
// one that is sent is not documented; the fake takes no notice.
var managed = []string{
	"itblInternal", "itblUserId", "itblDS", "profileUpdatedAt", "signupDate", "signupSource", "receivedSMSDisclaimer", "devices",
}

// change is what the fields of one request would do to a schema.
type change struct {
	schema   schema
	category string // in the errors: "user", or the name of an event
	limit    int
	allow    bool // new fields are taken

	added    schema
	filtered map[string]bool
	errors   map[string]mismatch
}

// mismatch is one of the errors in a RequestFieldsTypesMismatched.
type mismatch struct {
	IncomingTypes  []string `json:"incomingTypes"`
	ExpectedType   string   `json:"expectedType"`
	Category       string   `json:"category"`
	OffendingValue any      `json:"offendingValue"`
	Type           string   `json:"_type"`
}

// take looks at the fields of one record and leaves out the ones that the
// project does not take. Those are told by their name at the top level.
func (c *change) take(record map[string]any) {
	for name, v := range record {
		if !c.allow && !c.knows(name) {
			if c.filtered == nil {
				c.filtered = make(map[string]bool)
			}
			c.filtered[name] = true
			delete(record, name)
			continue
		}
		c.field(name, v)
	}
}

func (c *change) knows(name string) bool {
	if c.schema[name] != "" || c.added[name] != "" {
		return true
	}
	for known := range c.schema {
		if strings.HasPrefix(known, name+".") {
			return true
		}
	}
	return false
}

func (c *change) field(name string, v any) {
	types := typesOf(name, v)
	if len(types) == 0 {
		return
	}
	expected := c.schema[name]
	if expected == "" {
		expected = c.added[name]
	}
	switch {
	case expected == "":
		if c.added == nil {
			c.added = make(schema)
		}
		c.added[name] = types[0]
	case !slices.Contains(types, expected):
		if c.errors == nil {
			c.errors = make(map[string]mismatch)
		}
		c.errors[name] = mismatch{types, expected, c.category, v, "UnexpectedType"}
		return
	}
	c.within(name, v, types[0])
}

// within looks at the fields of an object, or of the objects of an array.
func (c *change) within(name string, v any, kind string) {
	if kind != "object" && kind != "nested" {
		return
	}
	elements, isArray := v.([]any)
	if !isArray {
		elements = []any{v}
	}
	for _, element := range elements {
		o, _ := element.(map[string]any)
		for inner, value := range o {
			c.field(name+"."+inner, value)
		}
	}
}

// commit adds the new fields to the schema, or returns the 400 that refuses
// the whole request.
func (c *change) commit() (reply, bool) {
	refused, ok := c.verdict()
	if ok {
		c.apply()
	}
	return refused, ok
}

func (c *change) apply() { maps.Copy(c.schema, c.added) }

func (c *change) verdict() (reply, bool) {
	if len(c.errors) > 0 {
		return c.mismatched(), false
	}
	if total := len(c.schema) + len(c.added); len(c.added) > 0 && total > c.limit {
		return said(http.StatusBadRequest, "UniqueFieldsLimitExceeded", "The project has too many unique fields", map[string]any{
			"limit": c.limit, "requestedTotal": total, "newFields": slices.Sorted(maps.Keys(c.added)),
		}), false
	}
	return reply{}, true
}

func (c *change) mismatched() reply {
	errors := make(map[string]mismatch, len(c.errors))
	var msg string
	for _, name := range slices.Sorted(maps.Keys(c.errors)) {
		x := c.errors[name]
		errors["iterabletest:::"+name] = x
		msg += fmt.Sprintf(" Field '%s' already exists for type '%s' and has a data type of '%s' but possible types '%s' in the request.",
			name, x.Category, x.ExpectedType, strings.Join(x.IncomingTypes, ", "))
	}
	msg = fmt.Sprintf("Project %d: The request does not have the same data types as the data previously submitted.", projectID) + msg
	return said(http.StatusBadRequest, "RequestFieldsTypesMismatched", msg, map[string]any{"validationErrors": errors})
}

// report is the part of a bulk answer that tells of fields.
func (c *change) report() map[string]any {
	return map[string]any{
		"createdFields":     orEmpty(slices.Sorted(maps.Keys(c.added))),
		"filteredOutFields": orEmpty(slices.Sorted(maps.Keys(c.filtered))),
	}
}

// typesOf are the types that a field may have to take a value, the one that a
// new field gets first; none for a value that says nothing.
func typesOf(name string, v any) []string {
	switch v := v.(type) {
	case string:
		if isDate(v) {
			return []string{"date", "string", "keyword"}
		}
		return []string{"string", "keyword"}
	case json.Number:
		if isInteger(v) {
			return []string{"long", "double"}
		}
		return []string{"double"}
	case bool:
		return []string{"boolean"}
	case map[string]any:
		if strings.HasSuffix(name, geoSuffix) {
			return []string{"geo_location"}
		}
		return []string{"object"}
	case []any:
		return typesOfArray(name, v)
	}
	return nil
}

// typesOfArray are those of its first element, and for objects nested.
func typesOfArray(name string, values []any) []string {
	for _, v := range values {
		if _, isObject := v.(map[string]any); isObject {
			return []string{"nested"}
		}
		if types := typesOf(name, v); len(types) > 0 {
			return types
		}
	}
	return nil
}

var dateLayouts = []string{
	time.DateOnly, time.DateTime, "2006-01-02 15:04:05 -07:00", "2006-01-02T15:04:05.000Z07:00", "2006-01-02T15:04:05.000-0700",
}

func isDate(s string) bool {
	if len(s) < len(time.DateOnly) || s[4] != '-' || s[7] != '-' {
		return false
	}
	return slices.ContainsFunc(dateLayouts, func(layout string) bool {
		_, err := time.Parse(layout, s)
		return err == nil
	})
}

const (
	geoSuffix = "_geo_location"
	maxText   = 32_000 // characters
)

// valid is false for what makes dataFields invalid whatever the schema says: a
// text that is too long, or a place without lat and lon.
func valid(name string, v any) bool {
	switch v := v.(type) {
	case string:
		return len(v) <= maxText || utf8.RuneCountInString(v) <= maxText
	case []any:
		return !slices.ContainsFunc(v, func(v any) bool { return !valid(name, v) })
	case map[string]any:
		if _, isNumber := v["lat"].(json.Number); strings.HasSuffix(name, geoSuffix) && !isNumber {
			return false
		}
		if _, isNumber := v["lon"].(json.Number); strings.HasSuffix(name, geoSuffix) && !isNumber {
			return false
		}
		for inner, value := range v {
			if !valid(inner, value) {
				return false
			}
		}
	}
	return true
}
