package amplitude

import (
	"bytes"
	"cmp"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/iteramp/iteramp/internal/rest"
)

// answer is the union of what /2/httpapi and /batch answer with. Each field
// survives the others' being odd.
//
// Reference: https://amplitude.com/docs/apis/analytics/http-v2
type answer struct {
	EventsIngested  number       `json:"events_ingested"`
	Error           text         `json:"error"`
	MissingField    text         `json:"missing_field"`
	MissingFields   fieldIndexes `json:"events_with_missing_fields"`
	InvalidFields   fieldIndexes `json:"events_with_invalid_fields"`
	InvalidLengths  fieldIndexes `json:"events_with_invalid_id_lengths"`
	SilencedEvents  indexes      `json:"silenced_events"`
	SilencedDevices ids          `json:"silenced_devices"`

	ThrottledEvents  indexes `json:"throttled_events"`
	ThrottledUsers   ids     `json:"throttled_users"`
	ThrottledDevices ids     `json:"throttled_devices"`
	QuotaUsers       ids     `json:"exceeded_daily_quota_users"`
	QuotaDevices     ids     `json:"exceeded_daily_quota_devices"`
}

// verdict is what an answer says of one event, the zero value nothing.
type verdict struct {
	reason  Reason
	message string
}

// parseAnswer reads a body. ok is false unless it is a JSON object.
func parseAnswer(body []byte) (a answer, ok bool) {
	if t := bytes.TrimLeft(body, " \t\r\n"); len(t) == 0 || t[0] != '{' {
		return a, false
	}
	return a, json.Unmarshal(body, &a) == nil
}

// verdicts gives each event of a request what a 400 or a 429 says of it by name,
// and whether it says anything of any. Indexes outside the request are ignored.
func (a *answer) verdicts(items []item) (named []verdict, any bool) {
	named = make([]verdict, len(items))
	set := func(i int, reason Reason, message string) {
		if i >= 0 && i < len(named) && named[i].reason == "" {
			named[i], any = verdict{reason, message}, true
		}
	}
	for _, group := range []struct {
		fields  fieldIndexes
		problem string
	}{
		{a.MissingFields, "is missing"},
		{a.InvalidFields, "is invalid"},
		{a.InvalidLengths, "has an invalid length"},
	} {
		for _, field := range slices.Sorted(maps.Keys(group.fields)) {
			for _, i := range group.fields[field] {
				set(i, ReasonInvalid, fieldName(field)+" "+group.problem)
			}
		}
	}
	for _, i := range a.SilencedEvents {
		set(i, ReasonSilenced, "the device is silenced")
	}
	for i, it := range items {
		switch {
		case a.SilencedDevices.has(it.device):
			set(i, ReasonSilenced, "the device is silenced")
		case a.QuotaUsers.has(it.user), a.QuotaDevices.has(it.device):
			set(i, ReasonQuota, "the daily quota is used up")
		case a.ThrottledUsers.has(it.user), a.ThrottledDevices.has(it.device):
			set(i, ReasonThrottled, tooMany)
		}
	}
	for _, i := range a.ThrottledEvents {
		set(i, ReasonThrottled, tooMany)
	}
	if any {
		spreadThrottling(named, items)
	}
	return named, any
}

const tooMany = "too many events of this user or device"

// spreadThrottling holds back the other events of a throttled user too: they
// would be throttled alike, or overtake.
func spreadThrottling(named []verdict, items []item) {
	throttled := make(map[string]bool)
	for i, it := range items {
		if named[i].reason == ReasonThrottled {
			throttled[it.key()] = true
		}
	}
	for i, it := range items {
		if named[i].reason == "" && throttled[it.key()] {
			named[i] = verdict{ReasonThrottled, tooMany}
		}
	}
}

// fieldName lets through what looks like a field of the event and nothing that
// could hold a value.
func fieldName(name string) string {
	for _, r := range name {
		if !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_$", r) {
			return "a field"
		}
	}
	return cmp.Or(name, "a field")
}

// outcome is what came of one request.
type outcome struct {
	kind   outcomeKind
	named  []verdict // of a named outcome, one for each event of the request
	reason Reason    // of an event that stands alone, or of all
	err    error
	unsure bool // some of the events may be stored although they were not accepted
}

type outcomeKind int

const (
	accepted outcomeKind = iota
	named                // some events are named, the others were not stored
	unnamed              // an event or more are at fault, none is named
	whole                // the fault is not the events'
)

// judge turns an answer, or the lack of one, into an outcome. The status
// decides; the body is believed only where it has the documented shape.
func judge(resp *rest.Response, err error, items []item) outcome {
	if resp == nil {
		return outcome{kind: whole, reason: reasonOf(err), err: err}
	}
	o := judgeResponse(resp, items)
	o.unsure = o.kind != accepted && (resp.Unsure || resp.StatusCode == http.StatusOK)
	if o.kind == whole && err != nil {
		o.err = err // the answer, and the context's end
	}
	return o
}

func judgeResponse(resp *rest.Response, items []item) outcome {
	a, ok := parseAnswer(resp.Body)
	switch status := resp.StatusCode; {
	case status == http.StatusOK && ok && a.EventsIngested.valid:
		if a.EventsIngested.n < len(items) {
			return outcome{kind: unnamed, reason: ReasonInvalid, err: newError(resp, "fewer events were ingested than sent")}
		}
		return outcome{kind: accepted}
	case status < 300:
		return outcome{kind: whole, reason: ReasonAmbiguous, err: newError(resp, "the body is not the documented JSON")}
	case status == http.StatusRequestEntityTooLarge:
		return outcome{kind: unnamed, reason: ReasonTooLarge, err: newError(resp, "")}
	case status == http.StatusBadRequest && ok, status == http.StatusTooManyRequests && ok:
		verdicts, any := a.verdicts(items)
		if any {
			return outcome{kind: named, named: verdicts, err: newError(resp, "")}
		}
		if status == http.StatusBadRequest && !a.wholeRequest() {
			return outcome{kind: unnamed, reason: ReasonInvalid, err: newError(resp, "")}
		}
	case ambiguous(resp.Op, status):
		return outcome{kind: whole, reason: ReasonAmbiguous, err: newError(resp, "")}
	}
	return outcome{kind: whole, reason: ReasonRefused, err: newError(resp, "")}
}

// wholeRequest tells a 400 for the request itself from one for its events.
func (a *answer) wholeRequest() bool {
	if a.MissingField != "" || a.Error == "" {
		return true
	}
	for _, prefix := range []string{"Invalid API key", "Invalid request path", "Missing request body"} {
		if strings.HasPrefix(string(a.Error), prefix) {
			return true
		}
	}
	return false
}

// keyed says that a 429 is about some users or devices: the others may go on, so
// the request as it is must not be repeated.
func keyed(resp *rest.Response) bool {
	a, ok := parseAnswer(resp.Body)
	return ok && resp.StatusCode == http.StatusTooManyRequests &&
		len(a.ThrottledEvents)+len(a.ThrottledUsers)+len(a.ThrottledDevices)+len(a.QuotaUsers)+len(a.QuotaDevices)+
			len(a.SilencedEvents)+len(a.SilencedDevices) > 0
}

// The types below take what they can read and leave the rest, so that a field
// of another type than documented does not cost the others.

type number struct {
	n     int
	valid bool
}

func (v *number) UnmarshalJSON(b []byte) error {
	v.valid = string(b) != "null" && json.Unmarshal(b, &v.n) == nil
	return nil
}

type text string

func (v *text) UnmarshalJSON(b []byte) error {
	var s string
	json.Unmarshal(b, &s)
	*v = text(s)
	return nil
}

type indexes []int

func (v *indexes) UnmarshalJSON(b []byte) error {
	var list []number
	json.Unmarshal(b, &list)
	for _, n := range list {
		if n.valid {
			*v = append(*v, n.n)
		}
	}
	return nil
}

type fieldIndexes map[string]indexes

func (v *fieldIndexes) UnmarshalJSON(b []byte) error {
	var m map[string]indexes
	json.Unmarshal(b, &m)
	*v = m
	return nil
}

// ids is the key set of an object, or a list of strings.
type ids map[string]bool

func (v *ids) UnmarshalJSON(b []byte) error {
	var object map[string]json.RawMessage
	var list []text
	json.Unmarshal(b, &object)
	json.Unmarshal(b, &list)
	*v = make(ids)
	for id := range object {
		(*v)[id] = true
	}
	for _, id := range list {
		(*v)[string(id)] = true
	}
	return nil
}

func (v ids) has(id string) bool { return id != "" && v[id] }
