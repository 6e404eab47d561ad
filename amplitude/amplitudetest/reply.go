package amplitudetest

import (
	"encoding/json"
	"net/http"
	"time"
)

// reply is the union of what /2/httpapi and /batch answer. A nil map or slice
// is left out, an empty one is sent: Amplitude shows its 429 with empty maps
// and its 400 without.
type reply struct {
	Code  int    `json:"code"`
	Error string `json:"error,omitzero"`

	EventsIngested   *int  `json:"events_ingested,omitzero"`
	PayloadSizeBytes int   `json:"payload_size_bytes,omitzero"`
	ServerUploadTime int64 `json:"server_upload_time,omitzero"`

	MissingField     string           `json:"missing_field,omitzero"`
	MissingFields    map[string][]int `json:"events_with_missing_fields,omitzero"`
	InvalidFields    map[string][]int `json:"events_with_invalid_fields,omitzero"`
	InvalidIDLengths map[string][]int `json:"events_with_invalid_id_lengths,omitzero"`

	EPSThreshold     int            `json:"eps_threshold,omitzero"`
	SilencedDevices  []string       `json:"silenced_devices,omitzero"`
	SilencedEvents   []int          `json:"silenced_events,omitzero"`
	ThrottledUsers   map[string]int `json:"throttled_users,omitzero"`
	ThrottledDevices map[string]int `json:"throttled_devices,omitzero"`
	ThrottledEvents  []int          `json:"throttled_events,omitzero"`
	QuotaUsers       map[string]int `json:"exceeded_daily_quota_users,omitzero"`
	QuotaDevices     map[string]int `json:"exceeded_daily_quota_devices,omitzero"`
}

func accepted(ingested, size int, now time.Time) reply {
	return reply{
		Code:             http.StatusOK,
		EventsIngested:   &ingested,
		PayloadSizeBytes: size,
		ServerUploadTime: now.UnixMilli(),
	}
}

func refused(text string) reply {
	return reply{Code: http.StatusBadRequest, Error: text}
}

func missing(field string) reply {
	r := refused("Request missing required field")
	r.MissingField = field
	return r
}

func tooLarge() reply {
	return reply{Code: http.StatusRequestEntityTooLarge, Error: "Payload too large"}
}

// tooMany is a 429 in which nobody is named yet.
func tooMany(limits Limits) reply {
	return reply{
		Code:             http.StatusTooManyRequests,
		Error:            "Too many requests for some devices and users",
		EPSThreshold:     max(0, limits.EventsPerSecond),
		ThrottledUsers:   map[string]int{},
		ThrottledDevices: map[string]int{},
		ThrottledEvents:  []int{},
	}
}

func (r reply) write(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(r.Code)
	_ = json.NewEncoder(w).Encode(r) // the client is gone if it fails
}
