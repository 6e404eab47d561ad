package webhook

import (
	"encoding/json"
	"iter"
	"time"

	"github.com/iteramp/iteramp/internal/jsonscan"
)

// Event is one system webhook. Its fields are those that most events share, in
// the type they should have; everything else is a [Event.Field] or, all of it,
// [Event.Decode]. A field is zero if the webhook does not have it, has null, or
// has something that cannot be read as its type: no event fails over one field.
//
// An Event refers to the bytes it was parsed from.
type Event struct {
	Name Name
	// Email and UserID name the user: those beside eventName, or else those of
	// dataFields. An address that ends in "@placeholder.email" is Iterable's
	// stand-in for a user without one. Webhooks carry a UserID only after
	// Iterable has switched that on for the account.
	Email, UserID string
	// MessageID is of one message to one user. Several events lack it.
	MessageID string
	// CreatedAt is when it happened, in UTC; Iterable counts whole seconds.
	CreatedAt time.Time

	CampaignID, TemplateID, ChannelID, MessageTypeID int64
	WorkflowID                                       int64 // of the journey, which Iterable once called workflow
	ExperimentID                                     int64
	// IsBot says that Iterable took the sender of an open or a click for a
	// scanner. Older events do not say.
	IsBot bool

	body, data []byte
}

// Field returns the value of a key of dataFields exactly as it was sent, or nil
// if there is none. Keys are compared as they are, case included. Of a key that
// occurs twice it is the last.
func (e Event) Field(key string) json.RawMessage {
	var found []byte
	for k, v := range jsonscan.Members(e.data) {
		if string(jsonscan.Text(k)) == key {
			found = v
		}
	}
	return found
}

// Fields ranges over the keys and values of dataFields, in the order in which
// they were sent. A key that was sent twice comes twice.
func (e Event) Fields() iter.Seq2[string, json.RawMessage] {
	return func(yield func(string, json.RawMessage) bool) {
		for k, v := range jsonscan.Members(e.data) {
			if !yield(string(jsonscan.Text(k)), v) {
				return
			}
		}
	}
}

// DataFields returns the dataFields object exactly as it was sent, or nil if
// there is none. It is part of [Event.Body].
func (e Event) DataFields() json.RawMessage { return e.data }

// Decode stores dataFields in the value v points to, by the rules of
// [json.Unmarshal]. It leaves v alone if the event has none.
func (e Event) Decode(v any) error {
	if e.data == nil {
		return nil
	}
	return json.Unmarshal(e.data, v)
}

// Body returns the bytes that were parsed.
func (e Event) Body() []byte { return e.body }
