package mapping

import (
	"github.com/iteramp/iteramp/internal/jsonscan"
	"github.com/iteramp/iteramp/iterable/webhook"
)

// Decision says what became of one field of a webhook.
type Decision struct {
	Field string // its key in dataFields; "deviceInfo.platform" for a part of that object
	As    string // the event property it became, or "" if it became none
	Why   string // why not, in a few fixed words
}

// Explain says what [Rules.Event] does with every field of e, in their order,
// whether or not the event as a whole is skipped. It is for previews.
func (r Rules) Explain(e webhook.Event) []Decision {
	var all []Decision
	r.properties(e, nil, func(d Decision) { all = append(all, d) })
	for key := range jsonscan.Members(e.Body()) {
		switch k := string(jsonscan.Text(key)); k {
		case "eventName", "email", "userId", "dataFields":
		default:
			all = append(all, Decision{Field: k, Why: "not in dataFields"})
		}
	}
	return all
}

// consumedAs says which field of the event a field stands for.
func consumedAs(key []byte) string {
	switch string(key) {
	case "createdAt":
		return "sent as time"
	case "userId":
		return "sent as user_id"
	}
	return "names the user"
}

func className(c Class) string {
	switch c {
	case Campaign:
		return "class Campaign"
	case Personal:
		return "class Personal"
	case Content:
		return "class Content"
	}
	return "class Detail"
}
