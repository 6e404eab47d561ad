package amplitudetest

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"time"
)

// dedupWindow is how long Amplitude remembers an insert_id. The fake counts it
// from the first arrival: a repeat does not make it longer.
const dedupWindow = 7 * 24 * time.Hour

// dedupKey is what two copies of an event have in common. An absent device id
// is a value like any other: the one that Amplitude derives from the user id
// comes later.
//
// Source: https://amplitude.com/docs/apis/analytics/http-v2#event-deduplication.
// The page of the Batch API names the insert_id alone.
type dedupKey struct{ insertID, deviceID string }

// record is one ingested event with what Amplitude adds to it.
type record struct {
	number     int64          // from 1
	fields     map[string]any // as sent, strings cut
	raw        json.RawMessage
	received   time.Time
	clientTime time.Time // of the request, zero if not sent
	remote     string

	amplitudeID  int64
	userID       string // the one it is attributed to, "" for an anonymous event
	created      time.Time
	startVersion string
	paying       bool
	properties   map[string]any // of the user after this event; never changed, only replaced
	groups       map[string][]string
	groupProps   map[string]map[string]any
}

// judge decides about an upload as a whole: a refused one leaves no trace.
func (f *Fake) judge(up upload) reply {
	if up.refusal != nil {
		return *up.refusal
	}
	if refusal := f.validate(up); refusal != nil {
		return *refusal
	}
	for i, e := range up.events {
		up.events[i] = clip(e, "").(map[string]any)
	}
	poisoned, dropped := f.inspect(up)
	if poisoned {
		return refused("Invalid field values on some events")
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if refusal := f.refuseSilenced(up); refusal != nil {
		return *refusal
	}
	if refusal := f.refuseThrottled(up); refusal != nil {
		return *refusal
	}
	ingested := 0
	for i, e := range up.events {
		if !dropped[i] {
			f.ingest(up, e, up.raw[i])
			ingested++
		}
	}
	// Repeats are counted in: they are recognised behind the endpoint that
	// answers, and a client that repeats itself must not take that for a loss.
	return accepted(ingested, up.size, up.now)
}

// inspect calls the test's own funcs, without the lock.
func (f *Fake) inspect(up upload) (poisoned bool, dropped map[int]bool) {
	f.mu.Lock()
	poison, drop := f.poison, f.drop
	f.mu.Unlock()
	if poison == nil && drop == nil {
		return false, nil
	}
	dropped = make(map[int]bool)
	for i, fields := range up.events {
		e := newEvent(record{fields: fields, raw: up.raw[i], received: up.now})
		poisoned = poisoned || poison != nil && poison(e)
		dropped[i] = drop != nil && drop(e)
	}
	return poisoned, dropped
}

func (f *Fake) ingest(up upload, fields map[string]any, raw json.RawMessage) {
	f.count(up, fields)
	if f.isRepeat(fields, up.now) {
		f.duplicates++
		return
	}
	p := f.people.find(text(fields, "user_id"), text(fields, "device_id"), up.now)
	properties := p.update(fields)
	groups := groupsOf(fields)
	switch text(fields, "event_type") {
	case "$groupidentify":
		f.updateGroups(groups, object(fields, "group_properties"))
		return // as $identify
	case "$identify":
		return // changes properties and is no event: neither counted nor exported
	case "$exposure":
		fields["event_type"] = "[Experiment] Exposure"
	}
	p.startVersion = cmp.Or(p.startVersion, text(fields, "app_version"))
	p.paying = p.paying || number(fields, "revenue") > 0 || number(fields, "price") > 0
	rec := record{
		number:       int64(len(f.records) + 1),
		fields:       fields,
		raw:          raw,
		received:     up.now,
		clientTime:   up.clientTime,
		remote:       up.remote,
		amplitudeID:  p.amplitudeID,
		userID:       p.userID,
		created:      p.created,
		startVersion: p.startVersion,
		paying:       p.paying,
		properties:   properties,
		groups:       groups,
		groupProps:   f.groupProperties(groups),
	}
	if f.OnEvent != nil {
		f.OnEvent(newEvent(rec))
		return
	}
	f.records = append(f.records, rec)
}

func (f *Fake) isRepeat(fields map[string]any, now time.Time) bool {
	key := dedupKey{text(fields, "insert_id"), text(fields, "device_id")}
	if key.insertID == "" {
		return false
	}
	if first, ok := f.seen[key]; ok && now.Sub(first) < dedupWindow {
		return true
	}
	if f.seen == nil {
		f.seen = make(map[dedupKey]time.Time)
	}
	f.seen[key] = now
	return false
}

// Duplicates returns how many events were accepted and then ignored because
// they repeated the insert_id and device_id of one received in the 7 days
// before.
func (f *Fake) Duplicates() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.duplicates
}

// maxString is how many characters of a string Amplitude keeps.
const maxString = 1024

// clip copies v with its strings cut. The user agent is taken whole, because
// Amplitude parses it.
func clip(v any, field string) any {
	switch v := v.(type) {
	case string:
		if field == "user_agent" {
			return v
		}
		n := 0
		for i := range v {
			if n++; n > maxString {
				return v[:i]
			}
		}
		return v
	case map[string]any:
		clipped := make(map[string]any, len(v))
		for name, value := range v {
			clipped[name] = clip(value, name)
		}
		return clipped
	case []any:
		clipped := make([]any, len(v))
		for i, value := range v {
			clipped[i] = clip(value, "")
		}
		return clipped
	}
	return v
}

const (
	maxGroupTypes = 5
	maxGroups     = 10 // of all types together
)

// groupsOf returns the groups that Amplitude tracks of an event. Which ones it
// leaves out of too many it does not say; the fake keeps the first by the
// alphabet.
func groupsOf(fields map[string]any) map[string][]string {
	sent := object(fields, "groups")
	if len(sent) == 0 {
		return nil
	}
	types := slices.Sorted(maps.Keys(sent))
	groups, left := make(map[string][]string), maxGroups
	for _, groupType := range types[:min(len(types), maxGroupTypes)] {
		names := namesOf(sent[groupType])
		names = names[:min(len(names), left)]
		if left -= len(names); len(names) > 0 {
			groups[groupType] = names
		}
	}
	return groups
}
