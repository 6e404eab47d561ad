package mapping

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"github.com/iteramp/iteramp/internal/jsonscan"
	"github.com/iteramp/iteramp/iterable/webhook"
)

// properties collects the event properties of one event.
type properties struct {
	rules    Rules
	event    webhook.Event
	classes  Class
	json     []byte // the object so far, without its end; nothing if there is no property
	platform string
	explain  func(d Decision, value []byte) // of a field with that value; nil unless someone wants to know

	identity                        identity // noted on the way
	userAgentDevice, appPackageName lookup
}

// lookup remembers whether the event has a field: asking costs a walk, and a
// sender can repeat the key that makes us ask.
type lookup struct{ asked, found bool }

// properties walks dataFields once and appends those that pass to buf, as the
// bytes they are.
func (r Rules) properties(e webhook.Event, buf []byte, explain func(Decision, []byte)) properties {
	p := properties{rules: r, event: e, classes: r.Classes, json: buf, explain: explain}
	if p.classes == 0 {
		p.classes = Campaign | Detail
	}
	p.classes &= Campaign | Detail | Personal | Content
	p.identity.family = familyOf(e)
	for raw, value := range jsonscan.Members(e.DataFields()) {
		key := jsonscan.Text(raw)
		p.identity.note(key, value)
		p.field(raw, key, value)
	}
	if len(p.json) > 0 {
		p.json = append(p.json, '}')
	}
	return p
}

// field decides about one field. Raw is its key as it was sent, in quotes.
func (p *properties) field(raw, key, value []byte) {
	class := classOf(key)
	switch {
	case class == consumed:
		p.consumed(key, value)
	case class == internal:
		p.dropped(key, value, "internal, never sent")
	case class&(Detail|device) != 0 && p.event.Name == webhook.EmailSubscribe && !subscribeDetail(key):
		p.dropped(key, value, "part of the user's profile")
	case class == device:
		p.device(raw, key, value)
	case class&p.classes == 0:
		p.dropped(key, value, isOff(class))
	case string(key) == "device":
		p.renamed(key, "userAgentDevice", &p.userAgentDevice, value)
	default:
		p.property(key, raw, key, value)
	}
}

// consumed only explains: these fields were read by Parse.
func (p *properties) consumed(key, value []byte) {
	if p.explain != nil {
		p.dropped(key, value, notConsumed(key, value))
	}
}

// device takes deviceInfo apart, or one part of it that came as
// "deviceInfo.platform".
func (p *properties) device(raw, key, value []byte) {
	if part, ok := bytes.CutPrefix(key, []byte("deviceInfo.")); ok {
		if !p.devicePart(key, part, value) {
			p.detail(key, raw, key, value)
		}
		return
	}
	if value[0] != '{' || empty(value) {
		p.detail(key, raw, key, value)
		return
	}
	var rest []byte
	for rawPart, v := range jsonscan.Members(value) {
		part := jsonscan.Text(rawPart)
		if p.devicePart(append([]byte("deviceInfo."), part...), part, v) {
			continue
		}
		if rest == nil {
			rest = append(rest, '{')
		} else {
			rest = append(rest, ',')
		}
		rest = append(append(append(rest, rawPart...), ':'), v...)
	}
	if rest != nil {
		p.detail(key, raw, key, append(rest, '}'))
	}
}

// devicePart deals with the parts of deviceInfo that are known.
func (p *properties) devicePart(field, part, value []byte) bool {
	switch string(part) {
	case "platform":
		why := "not sent with this event"
		if hasPlatform(p.event.Name) {
			if why = "no text"; value[0] == '"' {
				p.platform, why = text(value), "a later platform counts"
			}
		}
		p.dropped(field, value, why)
	case "deviceId":
		p.dropped(field, value, "internal, never sent")
	case "appPackageName":
		p.renamed(field, "appPackageName", &p.appPackageName, value)
	default:
		return false
	}
	return true
}

// hasPlatform reports whether the platform in deviceInfo is the one on which
// the event happened.
func hasPlatform(n webhook.Name) bool {
	for _, medium := range []string{"inApp", "embedded", "inbox"} {
		if strings.HasPrefix(string(n), medium) {
			return true
		}
	}
	return false
}

// renamed writes a property under another name, unless the event has a field of
// that name.
func (p *properties) renamed(field []byte, name string, taken *lookup, value []byte) {
	if !taken.asked {
		*taken = lookup{true, !empty(p.event.Field(name))}
	}
	if taken.found {
		p.dropped(field, value, "there is a "+name)
		return
	}
	p.detail(field, jsonscan.AppendString(nil, name), []byte(name), value)
}

// detail is property for a field whose class was not looked at yet.
func (p *properties) detail(field, raw, key, value []byte) {
	if p.classes&Detail == 0 {
		p.dropped(field, value, isOff(Detail))
		return
	}
	p.property(field, raw, key, value)
}

// property applies the rules for values and the caller's own, and writes what
// is left. It looks at one field at a time: of equal keys each becomes a
// property or does not as if it were alone. So a null is none wherever it
// stands, and takes back no value that came before it: what is carried does not
// depend on the order, and nothing has to be remembered of a key that Iterable
// never sends twice.
func (p *properties) property(field, raw, key, value []byte) {
	sent := typed(key, value)
	if empty(sent) {
		p.dropped(field, value, "empty")
		return
	}
	sent = limited(key, sent, p.rules.CutQuery)
	if p.rules.Property != nil {
		var why string
		if raw, sent, why = p.own(raw, key, sent); why != "" {
			p.dropped(field, value, why)
			return
		}
	}
	if p.explain != nil {
		p.explain(Decision{Field: string(field), As: string(jsonscan.Text(raw)), Value: bytes.Clone(sent)}, value)
	}
	p.write(raw, sent)
}

// own asks the caller's func, and trusts it with nothing that could spoil the
// upload.
func (p *properties) own(raw, key, value []byte) (newRaw, newValue []byte, why string) {
	name, changed := p.rules.Property(string(key), value)
	if name == "" {
		return nil, nil, "dropped by Property"
	}
	if name != string(key) {
		raw = jsonscan.AppendString(nil, name)
	}
	changed = bytes.TrimSpace(changed)
	switch {
	case empty(changed):
		return nil, nil, "Property returned nothing"
	case bytes.Equal(changed, value):
		return raw, value, ""
	case !utf8.Valid(changed) || !jsonscan.Valid(changed):
		return nil, nil, "Property returned no JSON"
	}
	return raw, limited(key, changed, false), ""
}

func (p *properties) write(raw, value []byte) {
	if len(p.json) == 0 {
		p.json = append(p.json, '{')
	} else {
		p.json = append(p.json, ',')
	}
	p.json = append(p.json, raw...)
	p.json = append(p.json, ':')
	p.json = append(p.json, value...)
}

func (p *properties) dropped(field, value []byte, why string) {
	if p.explain != nil {
		p.explain(Decision{Field: string(field), Why: why}, value)
	}
}
