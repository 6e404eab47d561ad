package mapping

import (
	"bytes"
	"encoding/json"
	"strings"
	"sync"
	"time"

	"github.com/iteramp/iteramp/amplitude"
	"github.com/iteramp/iteramp/iterable/webhook"
)

// Rules say what becomes of a webhook. The zero value does what the vendors'
// own integration does: "[Iterable] " in front of every event's name, userId as
// the user, nothing without a userId, and no personal data or message texts.
//
// The funcs must be pure and safe for concurrent use; nil means the default.
type Rules struct {
	// Keep returns false for an event that shall not be sent ([ErrFiltered]).
	Keep func(webhook.Event) bool
	// UserID names Amplitude's user; "" means that there is none
	// ([ErrNoUserID]). The default is [UserID], [UserIDOrEmail] the other
	// ready-made one.
	UserID func(webhook.Event) string
	// EventType names Amplitude's event; "" means that the event shall not be
	// sent ([ErrFiltered]). The default is [EventType], [Label] the other
	// ready-made one.
	EventType func(webhook.Name) string
	// Classes are the kinds of fields that become event properties. Zero means
	// Campaign | Detail.
	Classes Class
	// Property has the last word on each event property: it returns the name
	// and the value to send, or "" to drop it. The value is valid JSON and must
	// not be modified; one that is returned and is not JSON is dropped.
	Property func(key string, value json.RawMessage) (string, json.RawMessage)
	// CutQuery cuts the query off every URL: it may hold addresses or tokens.
	CutQuery bool
	// ClientData sends IP address and User-Agent of clicks that people made, so
	// that Amplitude derives place and device from them. Without it they are
	// never sent: those of opens and of scanners would spoil the user's profile.
	ClientData bool
	// Subscriptions switches [Rules.Identify] on.
	Subscriptions bool
	// Namespace tells several Iterable projects apart that feed one Amplitude
	// project. It is part of every insert_id: decide once.
	Namespace string
}

// Skip is the reason for which an event or a member is not sent: an error to
// compare with and a label to count by. Printing it gives the sentence, "mapping:
// no user id", because it is an error; string(skip) gives the label, "no_user_id".
// What is skipped is nobody's failure, and mapping it again would change nothing.
type Skip string

// The reasons to skip.
const (
	ErrNoUserID      Skip = "no_user_id"      // nobody to attribute it to
	ErrRefusedUserID Skip = "refused_user_id" // a placeholder such as "null" or "0", which Amplitude refuses
	ErrInvalidUserID Skip = "invalid_user_id" // one that Iterable would refuse
	ErrEmail         Skip = "email_address"   // an address where a user id is wanted
	ErrFiltered      Skip = "filtered"        // the rules do not want it
)

// Error returns the reason in words.
func (s Skip) Error() string { return "mapping: " + strings.ReplaceAll(string(s), "_", " ") }

// Event maps a webhook to Amplitude's event, or returns a [Skip] and no event.
// Received is the time for an event that has none of its own.
//
// EventProperties is a [json.RawMessage] with one object, or nil if no field
// became a property. It shares no memory with the webhook.
//
// The event has no device id: Amplitude recognises a repeat by insert_id and
// device id together. Some user ids are shorter than the five characters that
// Amplitude asks for by default: upload with a MinIDLength of 1.
func (r Rules) Event(e webhook.Event, received time.Time) (amplitude.Event, error) {
	eventType, user, err := r.check(e)
	if err != nil {
		return amplitude.Event{}, err
	}
	buf := buffers.Get().(*[]byte)
	p := r.properties(e, (*buf)[:0], nil)
	out := r.fields(e, user, received, p.platform)
	out.EventType, out.InsertID = eventType, r.insertID(e, &p.identity)
	if len(p.json) > 0 {
		out.EventProperties = json.RawMessage(bytes.Clone(p.json))
	}
	if *buf = p.json; cap(p.json) <= maxBuffer {
		buffers.Put(buf)
	}
	return out, nil
}

// Check returns the [Skip] that Event would return, or nil, and makes no event.
func (r Rules) Check(e webhook.Event) error {
	_, _, err := r.check(e)
	return err
}

func (r Rules) check(e webhook.Event) (eventType, user string, err error) {
	if r.Keep != nil && !r.Keep(e) {
		return "", "", ErrFiltered
	}
	if eventType = r.eventType(e.Name); eventType == "" {
		return "", "", ErrFiltered
	}
	user, err = r.user(e)
	return eventType, user, err
}

// fields returns an event with what a webhook's fields can become besides
// properties. Explain reports on the same.
func (r Rules) fields(e webhook.Event, user string, received time.Time, platform string) amplitude.Event {
	out := amplitude.Event{UserID: user, Time: eventTime(e, received), Platform: platform}
	if r.ClientData && clickedByPerson(e) {
		out.IP, out.UserAgent = text(e.Field("ip")), text(e.Field("userAgent"))
	}
	return out
}

// buffers are where properties are put together, so that an event holds no more
// than its own. One that a large webhook made large is not kept.
var buffers = sync.Pool{New: func() any { return new(make([]byte, 0, 2<<10)) }}

const maxBuffer = 64 << 10

func (r Rules) eventType(n webhook.Name) string {
	if r.EventType == nil {
		return EventType(n)
	}
	return r.EventType(n)
}

func (r Rules) user(e webhook.Event) (string, error) {
	name := r.UserID
	if name == nil {
		name = UserID
	}
	switch user := name(e); {
	case user == "":
		return "", ErrNoUserID
	case refused(user):
		return "", ErrRefusedUserID
	default:
		return user, nil
	}
}

func eventTime(e webhook.Event, received time.Time) time.Time {
	if e.CreatedAt.IsZero() {
		return received
	}
	return e.CreatedAt
}

// clickedByPerson is true of clicks that neither a scanner nor a mail proxy
// made, as far as Iterable can tell.
func clickedByPerson(e webhook.Event) bool {
	switch e.Name {
	case webhook.EmailClick, webhook.HostedUnsubscribeClick, webhook.SMSClick, webhook.WhatsAppClick:
		return !e.IsBot && text(e.Field("proxySource")) == ""
	}
	return false
}
