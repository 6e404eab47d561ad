package iterable

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/iteramp/iteramp/internal/rest"
)

const (
	trackPath     = "/api/events/track"
	trackBulkPath = "/api/events/trackBulk"
)

// EventsService tracks custom events and reads a user's events.
//
// Nothing says which of two events arrives first if one goes by Track and one by
// TrackBulk: use one of them for events whose order matters.
//
// Reference: https://api.iterable.com/api/docs#events
type EventsService struct{ core *core }

// Event is something a user did. One of Email and UserID says who.
type Event struct {
	Name   string `json:"eventName"`
	Email  string `json:"email,omitzero"`
	UserID string `json:"userId,omitzero"`
	// ID makes a repeat harmless: a second event with it takes the place of the
	// first. It is at most 512 bytes long.
	ID string `json:"id,omitzero"`
	// CreatedAt is when it happened, to the second. Zero means when Iterable
	// receives it.
	CreatedAt time.Time `json:"createdAt,omitzero"`
	// DataFields are the event's fields, a map, a struct, or a json.RawMessage,
	// which is sent as it is.
	DataFields any   `json:"dataFields,omitempty"`
	CampaignID int64 `json:"campaignId,omitzero"` // what to attribute it to, if anything
	TemplateID int64 `json:"templateId,omitzero"`
	// CreateNewFields says whether fields that the project does not know join it
	// or are dropped. Nil leaves it to the project's setting.
	CreateNewFields *bool `json:"createNewFields,omitzero"`
}

// MarshalJSON encodes the event as Iterable takes it, with its time in seconds.
func (e Event) MarshalJSON() ([]byte, error) {
	type fields Event
	wire := struct {
		fields
		CreatedAt *int64 `json:"createdAt,omitzero"`
	}{fields: fields(e)}
	if !e.CreatedAt.IsZero() {
		wire.CreatedAt = new(e.CreatedAt.Unix())
	}
	wire.fields.DataFields = object(e.DataFields)
	return encode(wire)
}

// Track tracks an event and returns its id. An event whose name the project has
// blocked is an [ErrDisallowed], one of a user who does not exist, or not yet, may
// be an [ErrNotFound].
//
// It is safe to repeat if the event has an ID, and only then repeated after it was
// cut off.
//
// Reference: https://api.iterable.com/api/docs#events_track
func (s *EventsService) Track(ctx context.Context, e Event) (eventID string, err error) {
	resp, r, err := s.core.envelope(ctx, rest.Call{
		Method: "POST", Path: trackPath, Body: e, Idempotent: e.ID != "",
		Private: hide(e.Email, e.UserID, e.ID),
	})
	if err != nil {
		return "", err
	}
	if strings.Contains(r.message(), disallowedText) {
		return "", withKind(resp, ErrDisallowed, disallowedEvent)
	}
	_ = json.Unmarshal(r.Params["id"], &eventID) // older answers have none
	return cmp.Or(eventID, e.ID), nil
}

// EventTrackBulkRequest is many events.
type EventTrackBulkRequest struct {
	Events []Event // any number
}

// TrackBulk tracks many events. It sends at most 1,000 events and 3.5 MB in a
// request, one after another. A request is safe to repeat, and repeated after it
// was cut off, only if each of its events has an ID.
//
// The error is nil if all were accepted, else a [*BatchError] with those that were
// not. Iterable names users, not events: of a user it names all events in the
// request count as rejected, so send again only events with an ID.
//
// Reference: https://api.iterable.com/api/docs#events_trackBulk
func (s *EventsService) TrackBulk(ctx context.Context, req EventTrackBulkRequest) (BulkResult, error) {
	records := make([]record, len(req.Events))
	for i, e := range req.Events {
		records[i] = record{email: e.Email, userID: e.UserID, name: e.Name, id: e.ID, body: e}
	}
	b := bulk{core: s.core, path: trackBulkPath, idempotent: allHaveID, request: func(events []json.RawMessage) any {
		return struct {
			Events []json.RawMessage `json:"events"`
		}{events}
	}}
	return b.run(ctx, records)
}

func allHaveID(part []item) bool {
	return !slices.ContainsFunc(part, func(it item) bool { return it.id == "" })
}

// EventListOptions bounds a list of events.
type EventListOptions struct {
	Limit int `url:"limit,omitempty"` // zero means 30; at most 200
}

// List returns the newest events of a user, each as Iterable has it: custom events
// have an eventName, a createdAt and their dataFields, those of Iterable an
// eventType and their own fields. There are no further pages.
//
// Reference: https://api.iterable.com/api/docs#events_User_events_by_userId
func (s *EventsService) List(ctx context.Context, userID string, opts EventListOptions) ([]json.RawMessage, error) {
	return s.list(ctx, "/api/events/byUserId/{userId}", userID, opts)
}

// ListByEmail is [EventsService.List] by e-mail address.
//
// Reference: https://api.iterable.com/api/docs#events_User_events
func (s *EventsService) ListByEmail(ctx context.Context, email string, opts EventListOptions) ([]json.RawMessage, error) {
	return s.list(ctx, "/api/events/{email}", email, opts)
}

func (s *EventsService) list(ctx context.Context, path, user string, opts EventListOptions) ([]json.RawMessage, error) {
	var events []json.RawMessage
	err := s.core.field(ctx, rest.Call{
		Method: "GET", Path: path, Args: []string{user}, Query: opts, Idempotent: true,
	}, "events", &events)
	return events, err
}
