package mapping

import (
	"encoding/json"
	"time"

	"github.com/iteramp/iteramp/amplitude"
	"github.com/iteramp/iteramp/internal/jsonscan"
	"github.com/iteramp/iteramp/iterable/webhook"
)

// Decision says what became of one field of a webhook. It became an event
// property, or filled a field of Amplitude's event, or both, or Why says why
// neither. Value tells a property whose name is "" from none.
type Decision struct {
	Field string          // its key in dataFields; "deviceInfo.platform" for a part of that object
	As    string          // the event property it became, or "" if it became none
	Value json.RawMessage // the property's value as it is sent, or nil if it became none
	Fills string          // the field of Amplitude's event that has its value: "user_id", "time", "platform", "ip", "user_agent"; or ""
	Why   string          // why it is not sent, in a few fixed words; "" if it is
}

// Explain says what [Rules.Event] does with every field of e, in their order,
// whether or not the event as a whole is skipped. It is for previews.
//
// Those that became a property are the members of EventProperties, one by one.
func (r Rules) Explain(e webhook.Event) []Decision {
	var all []Decision
	var values [][]byte
	p := r.properties(e, nil, func(d Decision, value []byte) {
		all, values = append(all, d), append(values, value)
	})
	user, _ := r.user(e) // without one no field can be it
	sent := r.fields(e, user, time.Time{}, p.platform)
	for i := range all {
		d := &all[i]
		if d.Fills = fills(d.Field, values[i], e, sent); d.Fills != "" {
			d.Why = ""
		}
	}
	for key := range jsonscan.Members(e.Body()) {
		switch k := string(jsonscan.Text(key)); k {
		case "eventName", "email", "userId", "dataFields":
		default:
			all = append(all, Decision{Field: k, Why: "not in dataFields"})
		}
	}
	return all
}

// fills returns which field of the event that is sent has the value of a field
// of e. It compares what was read with what is sent, because a value can be
// unreadable, overruled by one beside eventName or by a later equal key, or not
// be what the rules take.
func fills(field string, value []byte, e webhook.Event, sent amplitude.Event) string {
	switch field {
	case "userId":
		if sent.UserID != "" && sent.UserID == e.UserID && sent.UserID == alone(field, value).UserID {
			return "user_id"
		}
	case "email":
		if sent.UserID != "" && sent.UserID != e.UserID {
			if in := alone(field, value); sent.UserID == in.Email || sent.UserID == UserIDOrEmail(in) {
				return "user_id"
			}
		}
	case "createdAt":
		if !sent.Time.IsZero() && sent.Time.Equal(alone(field, value).CreatedAt) {
			return "time"
		}
	case "deviceInfo.platform":
		if sent.Platform != "" && value[0] == '"' && sent.Platform == text(value) {
			return "platform"
		}
	case "ip":
		if sent.IP != "" && sent.IP == text(value) {
			return "ip"
		}
	case "userAgent":
		if sent.UserAgent != "" && sent.UserAgent == text(value) {
			return "user_agent"
		}
	}
	return ""
}

// alone reads a field the way it is read in a webhook.
func alone(field string, value []byte) webhook.Event {
	body := append([]byte(`{"eventName":"-","dataFields":{"`), field...)
	body = append(append(append(body, `":`...), value...), "}}"...)
	e, err := webhook.Parse(body)
	if err != nil {
		return webhook.Event{} // it was part of a webhook, so this does not happen
	}
	return e
}

// notConsumed says why a field that can fill one of the event's did not.
func notConsumed(key, value []byte) string {
	switch string(key) {
	case "createdAt":
		if alone("createdAt", value).CreatedAt.IsZero() {
			return "not readable as a time"
		}
		return "a later createdAt counts"
	case "userId":
		return "not the user_id sent"
	}
	return "an address, never a property"
}

func isOff(c Class) string {
	switch c {
	case Campaign:
		return "class Campaign is off"
	case Personal:
		return "class Personal is off"
	case Content:
		return "class Content is off"
	}
	return "class Detail is off"
}
