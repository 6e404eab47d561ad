package amplitude

import (
	"encoding/json"
	"time"
)

// Event is one event as Amplitude's HTTP V2 and Batch APIs take it. The json
// tags are the vendor's names.
//
// Only EventType and one of UserID and DeviceID are required. A field that is
// zero is left out of the request; fields in which zero says something (a
// price of 0, a latitude on the equator) are pointers, filled with new:
//
//	amplitude.Event{UserID: "u-1001", EventType: "Order Refunded", Price: new(0.0)}
//
// Reference: https://amplitude.com/docs/apis/analytics/http-v2
type Event struct {
	// UserID is at most 1,024 characters, and at least 5 unless
	// [EventUploadRequest.MinIDLength] says otherwise. Values such as
	// "null", "unknown" or "0" are refused by Amplitude.
	UserID string `json:"user_id,omitzero"`
	// DeviceID may be left out if UserID is given; Amplitude then derives one
	// from it.
	DeviceID  string `json:"device_id,omitzero"`
	EventType string `json:"event_type"`
	// Time is sent as milliseconds since the epoch. Zero means the time at
	// which Amplitude receives the event.
	Time time.Time `json:"time,omitzero"`
	// InsertID is what Amplitude recognises a repeat by: an event whose
	// InsertID and DeviceID it has seen in the last 7 days is ignored.
	InsertID string `json:"insert_id,omitzero"`
	// EventID tells events of one user and time apart; an increasing counter.
	EventID *int64 `json:"event_id,omitzero"`
	// SessionID is the start of the session in milliseconds since the epoch.
	// Nil and -1 mean that the event belongs to none.
	SessionID *int64 `json:"session_id,omitzero"`

	// EventProperties encodes to a JSON object: a map, a struct, or a
	// [json.RawMessage], which is sent byte for byte. What does not is not sent:
	// the event is [ReasonInvalid], the others go. Amplitude takes 40
	// levels of nesting and cuts strings after 1,024 characters.
	EventProperties any `json:"event_properties,omitzero"`
	// UserProperties is either plain properties, as EventProperties, or
	// [Operations]. They apply to the user from now on, never to the past.
	UserProperties any `json:"user_properties,omitzero"`
	// Groups maps a group type to a group name, a string or a []string. At
	// most 5 types and 10 names; needs Amplitude's Accounts add-on.
	Groups map[string]any `json:"groups,omitzero"`
	// GroupProperties, plain or [Operations], is read for the event type
	// "$groupidentify" only.
	GroupProperties any `json:"group_properties,omitzero"`
	// SkipUserPropertiesSync leaves the stored user properties untouched and
	// unread: the event carries the ones sent with it. For backfills.
	SkipUserPropertiesSync bool `json:"$skip_user_properties_sync,omitzero"`

	AppVersion         string `json:"app_version,omitzero"`
	VersionName        string `json:"version_name,omitzero"`
	Platform           string `json:"platform,omitzero"`
	OSName             string `json:"os_name,omitzero"`
	OSVersion          string `json:"os_version,omitzero"`
	DeviceBrand        string `json:"device_brand,omitzero"`
	DeviceManufacturer string `json:"device_manufacturer,omitzero"`
	DeviceModel        string `json:"device_model,omitzero"`
	Carrier            string `json:"carrier,omitzero"`
	// UserAgent is the whole User-Agent header; Amplitude takes device and
	// system from it.
	UserAgent string `json:"user_agent,omitzero"`
	Language  string `json:"language,omitzero"`

	// IP gives the place if none is set. "$remote" stands for the address the
	// request came from.
	IP string `json:"ip,omitzero"`
	// Country, Region, City and DMA belong together: set all four or none.
	Country     string   `json:"country,omitzero"`
	Region      string   `json:"region,omitzero"`
	City        string   `json:"city,omitzero"`
	DMA         string   `json:"dma,omitzero"`
	LocationLat *float64 `json:"location_lat,omitzero"`
	LocationLng *float64 `json:"location_lng,omitzero"`

	// An event with a Price, a Quantity or a Revenue is a revenue event.
	// Price times Quantity wins over Revenue; negative means a refund.
	Price       *float64 `json:"price,omitzero"`
	Quantity    *int64   `json:"quantity,omitzero"` // nil means 1
	Revenue     *float64 `json:"revenue,omitzero"`
	ProductID   string   `json:"productId,omitzero"`
	RevenueType string   `json:"revenueType,omitzero"`
	Currency    string   `json:"currency,omitzero"` // ISO 4217, "EUR"
	Receipt     string   `json:"receipt,omitzero"`
	ReceiptSig  string   `json:"receiptSig,omitzero"`

	IDFA            string `json:"idfa,omitzero"`
	IDFV            string `json:"idfv,omitzero"`
	ADID            string `json:"adid,omitzero"`
	AndroidID       string `json:"android_id,omitzero"`
	AndroidAppSetID string `json:"android_app_set_id,omitzero"`

	Plan              *Plan              `json:"plan,omitzero"`
	IngestionMetadata *IngestionMetadata `json:"ingestion_metadata,omitzero"`
	// PartnerID is assigned by Amplitude to event ingestion partners.
	PartnerID string `json:"partner_id,omitzero"`
	// Library names the sender as "name/version".
	Library string `json:"library,omitzero"`
}

// Plan is the tracking plan an event follows.
type Plan struct {
	Branch  string `json:"branch,omitzero"`
	Source  string `json:"source,omitzero"`
	Version string `json:"version,omitzero"`
}

// IngestionMetadata names the tool that produced an event. All of Amplitude's
// own SDKs send it; no page of its reference lists it.
type IngestionMetadata struct {
	SourceName    string `json:"source_name,omitzero"`
	SourceVersion string `json:"source_version,omitzero"`
}

// Operations changes user or group properties instead of setting them. A
// property may stand in one operation only. Amplitude applies them in the
// order ClearAll, Unset, Set, SetOnce, Add, Append, Prepend, PreInsert,
// PostInsert, Remove.
//
//	amplitude.Event{UserID: "u-1001", EventType: "$identify", UserProperties: amplitude.Operations{
//		Set: map[string]any{"plan": "gold"},
//		Add: map[string]any{"orders": 1},
//	}}
type Operations struct {
	ClearAll   bool           // removes all properties; sent as "$clearAll": "-"
	Unset      []string       // removes these properties
	Set        map[string]any // sets the value
	SetOnce    map[string]any // sets the value if there never was one
	Add        map[string]any // adds to a number
	Append     map[string]any // appends to a list
	Prepend    map[string]any // puts in front of a list
	PreInsert  map[string]any // puts in front what the list does not hold yet
	PostInsert map[string]any // appends what the list does not hold yet
	Remove     map[string]any // takes the values out of the list
}

// MarshalJSON encodes o with Amplitude's operator names.
func (o Operations) MarshalJSON() ([]byte, error) {
	m := make(map[string]any)
	if o.ClearAll {
		m["$clearAll"] = "-"
	}
	if len(o.Unset) > 0 {
		unset := make(map[string]any, len(o.Unset))
		for _, name := range o.Unset {
			unset[name] = "-"
		}
		m["$unset"] = unset
	}
	for _, op := range []struct {
		name   string
		values map[string]any
	}{
		{"$set", o.Set},
		{"$setOnce", o.SetOnce},
		{"$add", o.Add},
		{"$append", o.Append},
		{"$prepend", o.Prepend},
		{"$preInsert", o.PreInsert},
		{"$postInsert", o.PostInsert},
		{"$remove", o.Remove},
	} {
		if len(op.values) > 0 {
			m[op.name] = op.values
		}
	}
	return json.Marshal(m)
}
