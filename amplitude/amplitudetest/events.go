package amplitudetest

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"
)

// Event is one ingested event. It holds what the client sent, as Amplitude
// keeps it: strings cut after 1,024 characters, groups past the limits gone.
type Event struct {
	UserID    string // "" if none was sent
	DeviceID  string // "" if none was sent
	EventType string
	InsertID  string
	Time      time.Time // in UTC; the time of the upload if none was sent
	SessionID int64     // -1 if none was sent

	// Numbers are float64, as encoding/json decodes them; JSON has them exact.
	EventProperties map[string]any
	UserProperties  map[string]any // of this event; see [Fake.UserProperties] for the user's
	Groups          map[string][]string

	Price    *float64
	Quantity *int64
	Revenue  *float64

	Received time.Time       // by the clock of the fake
	JSON     json.RawMessage // the whole event, byte for byte as it was sent
}

// Events returns what was ingested, repeats left out, in the order of arrival.
// Property changes without an event of their own ($identify, $groupidentify)
// are not among them; see [Fake.UserProperties] and [Fake.GroupProperties].
// The caller may change what it gets.
func (f *Fake) Events() []Event {
	f.mu.Lock()
	records := f.records
	f.mu.Unlock()
	events := make([]Event, len(records))
	for i, r := range records {
		events[i] = newEvent(r)
	}
	return events
}

func newEvent(r record) Event {
	return Event{
		UserID:          text(r.fields, "user_id"),
		DeviceID:        text(r.fields, "device_id"),
		EventType:       text(r.fields, "event_type"),
		InsertID:        text(r.fields, "insert_id"),
		Time:            r.time(),
		SessionID:       r.sessionID(),
		EventProperties: plain(r.fields["event_properties"]),
		UserProperties:  plain(r.fields["user_properties"]),
		Groups:          groupsOf(r.fields),
		Price:           floatOrNil(r.fields, "price"),
		Quantity:        intOrNil(r.fields, "quantity"),
		Revenue:         floatOrNil(r.fields, "revenue"),
		Received:        r.received,
		JSON:            slices.Clone(r.raw),
	}
}

// time is the client's time of the event.
func (r record) time() time.Time {
	if ms, ok := integer(r.fields, "time"); ok {
		return time.UnixMilli(ms).UTC()
	}
	return r.received.UTC()
}

func (r record) sessionID() int64 {
	if id, ok := integer(r.fields, "session_id"); ok {
		return id
	}
	return -1
}

// The funcs below read a field of an event that has passed validation.

func text(fields map[string]any, name string) string {
	s, _ := fields[name].(string)
	return s
}

func object(fields map[string]any, name string) map[string]any {
	o, _ := fields[name].(map[string]any)
	return o
}

func integer(fields map[string]any, name string) (int64, bool) {
	n, _ := fields[name].(json.Number)
	i, err := n.Int64()
	return i, err == nil
}

func number(fields map[string]any, name string) float64 {
	n, _ := fields[name].(json.Number)
	x, _ := n.Float64()
	return x
}

func floatOrNil(fields map[string]any, name string) *float64 {
	if fields[name] == nil {
		return nil
	}
	return new(number(fields, name))
}

func intOrNil(fields map[string]any, name string) *int64 {
	i, ok := integer(fields, name)
	if !ok {
		return nil
	}
	return &i
}

// namesOf are the names of a group type, of which a client may send one or a
// list.
func namesOf(v any) []string {
	list, ok := v.([]any)
	if !ok {
		list = []any{v}
	}
	names := make([]string, len(list))
	for i, name := range list {
		names[i] = fmt.Sprint(name)
	}
	return names
}

// plain copies an object for a caller, with its numbers as float64.
func plain(v any) map[string]any {
	o, _ := copied(v).(map[string]any)
	return o
}

func copied(v any) any {
	switch v := v.(type) {
	case json.Number:
		x, _ := v.Float64()
		return x
	case map[string]any:
		c := maps.Clone(v)
		for name, value := range c {
			c[name] = copied(value)
		}
		return c
	case []any:
		c := slices.Clone(v)
		for i, value := range c {
			c[i] = copied(value)
		}
		return c
	}
	return v
}
