package amplitude

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"time"
)

// otherShape is what is wrong with a success that is not the documented one.
const otherShape = "the body is not the documented JSON"

// decode reads an object. A field of another type than documented is left out and
// does not cost the others.
func decode(body []byte, out any) bool {
	if t := bytes.TrimLeft(body, " \t\r\n"); len(t) == 0 || t[0] != '{' {
		return false
	}
	err := json.Unmarshal(body, out)
	_, odd := errors.AsType[*json.UnmarshalTypeError](err)
	return err == nil || odd
}

// wireCohort is a Cohort as Amplitude sends it.
type wireCohort struct {
	ID          string          `json:"id"`
	AppID       integer         `json:"appId"`
	Name        string          `json:"name"`
	Description string          `json:"description"`
	Definition  json.RawMessage `json:"definition"`
	Type        string          `json:"type"`
	Size        integer         `json:"size"`
	Owners      []string        `json:"owners"`
	Viewers     []string        `json:"viewers"`

	Published         bool `json:"published"`
	Archived          bool `json:"archived"`
	Hidden            bool `json:"hidden"`
	Finished          bool `json:"finished"`
	IsPredictive      bool `json:"is_predictive"`
	IsOfficialContent bool `json:"is_official_content"`

	CreatedAt    instant `json:"createdAt"`
	LastMod      instant `json:"lastMod"`
	LastComputed instant `json:"lastComputed"`
	LastViewed   instant `json:"last_viewed"`

	Metadata     json.RawMessage `json:"metadata"`
	ViewCount    integer         `json:"view_count"`
	Popularity   integer         `json:"popularity"`
	ChartID      string          `json:"chart_id"`
	EditID       string          `json:"edit_id"`
	LocationID   string          `json:"location_id"`
	ShortcutIDs  []string        `json:"shortcut_ids"`
	SyncMetadata []wireSyncInfo  `json:"syncMetadata"`
}

type wireSyncInfo struct {
	Target         string          `json:"target"`
	Frequency      string          `json:"frequency"`
	LastSuccessful instant         `json:"last_successful"`
	LastFailure    instant         `json:"last_failure"`
	Params         json.RawMessage `json:"params"`
}

func (w *wireCohort) cohort() Cohort {
	c := Cohort{
		ID: w.ID, AppID: w.AppID.n, Name: w.Name, Description: w.Description,
		Definition: notNull(w.Definition), Type: w.Type, Owners: w.Owners, Viewers: w.Viewers,
		Published: w.Published, Archived: w.Archived, Hidden: w.Hidden, Finished: w.Finished,
		IsPredictive: w.IsPredictive, IsOfficialContent: w.IsOfficialContent,
		CreatedAt: w.CreatedAt.Time, LastMod: w.LastMod.Time, LastComputed: w.LastComputed.Time, LastViewed: w.LastViewed.Time,
		Metadata: notNull(w.Metadata), ViewCount: int(w.ViewCount.n), Popularity: int(w.Popularity.n),
		ChartID: w.ChartID, EditID: w.EditID, LocationID: w.LocationID, ShortcutIDs: w.ShortcutIDs,
	}
	if w.Size.valid {
		c.Size = new(int(w.Size.n))
	}
	for _, s := range w.SyncMetadata {
		c.SyncMetadata = append(c.SyncMetadata, CohortSyncInfo{
			s.Target, s.Frequency, s.LastSuccessful.Time, s.LastFailure.Time, notNull(s.Params),
		})
	}
	return c
}

func notNull(raw json.RawMessage) json.RawMessage {
	if string(raw) == "null" {
		return nil
	}
	return raw
}

// integer is a whole number, in quotes or not.
type integer struct {
	n     int64
	valid bool
}

func (v *integer) UnmarshalJSON(b []byte) error {
	n, err := strconv.ParseInt(strings.Trim(string(b), `"`), 10, 64)
	*v = integer{n, err == nil}
	return nil
}

// instant is a time in Unix seconds, in quotes or not, or a text in the form of
// RFC 3339. Anything else is zero.
type instant struct{ time.Time }

func (v *instant) UnmarshalJSON(b []byte) error {
	text := strings.Trim(string(b), `"`)
	v.Time = time.Time{}
	if seconds, err := strconv.ParseFloat(text, 64); err == nil && seconds > 0 && seconds < 1<<40 {
		v.Time = time.Unix(int64(seconds), 0).UTC()
	} else if t, err := time.Parse(time.RFC3339, text); err == nil {
		v.Time = t
	}
	return nil
}

// idList is a list of ids, in quotes or not.
type idList []string

func (v *idList) UnmarshalJSON(b []byte) error {
	var list []json.RawMessage
	_ = json.Unmarshal(b, &list) // no list: none
	*v = nil
	for _, raw := range list {
		id := string(raw)
		_ = json.Unmarshal(raw, &id) // a number stays as it is
		*v = append(*v, id)
	}
	return nil
}
