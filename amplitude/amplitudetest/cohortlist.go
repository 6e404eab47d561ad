package amplitudetest

import (
	"encoding/json"
	"net/http"
	"time"
)

// listed is a cohort as the list has it. Every documented key is there, with
// null for what the fake has not.
//
// Source: https://amplitude.com/docs/apis/analytics/behavioral-cohorts
type listed struct {
	AppID             int             `json:"appId"`
	ID                string          `json:"id"`
	Name              string          `json:"name"`
	Description       *string         `json:"description"`
	Definition        json.RawMessage `json:"definition"`
	Type              string          `json:"type"`
	Size              *int            `json:"size"`
	Owners            []string        `json:"owners"`
	Viewers           []string        `json:"viewers"`
	Published         bool            `json:"published"`
	Archived          bool            `json:"archived"`
	Hidden            bool            `json:"hidden"`
	Finished          bool            `json:"finished"`
	LastMod           int64           `json:"lastMod"`
	CreatedAt         int64           `json:"createdAt"`
	LastComputed      *int64          `json:"lastComputed"`
	LastViewed        *int64          `json:"last_viewed"`
	Metadata          []string        `json:"metadata"`
	ViewCount         *int            `json:"view_count"`
	Popularity        *int            `json:"popularity"`
	ChartID           *string         `json:"chart_id"`
	EditID            *string         `json:"edit_id"`
	LocationID        *string         `json:"location_id"`
	IsPredictive      bool            `json:"is_predictive"`
	IsOfficialContent bool            `json:"is_official_content"`
	ShortcutIDs       []string        `json:"shortcut_ids"`
	SyncMetadata      []listedSync    `json:"syncMetadata,omitzero"`
}

type listedSync struct {
	Target         string         `json:"target"`
	Frequency      string         `json:"frequency"`
	LastSuccessful *string        `json:"last_successful"`
	LastFailure    *string        `json:"last_failure"`
	Params         map[string]any `json:"params"`
}

// listCohorts answers GET /api/3/cohorts with the cohorts that are
// discoverable.
func (f *Fake) listCohorts(c *call, w http.ResponseWriter) {
	withSyncs := c.r.URL.Query().Get("includeSyncInfo") == "true"
	writeJSON(w, http.StatusOK, map[string]any{"cohorts": f.discoverable(withSyncs)})
}

func (f *Fake) discoverable(withSyncs bool) []listed {
	f.mu.Lock()
	defer f.mu.Unlock()
	list := []listed{}
	for _, cohort := range f.cohorts {
		if !cohort.Private {
			list = append(list, cohort.listed(withSyncs))
		}
	}
	return list
}

func (c *cohort) listed(withSyncs bool) listed {
	l := listed{
		AppID:        projectID,
		ID:           c.ID,
		Name:         c.Name,
		Definition:   c.Definition,
		Type:         c.Type,
		Size:         new(len(c.members)),
		Owners:       append([]string{}, c.Owners...),
		Viewers:      append([]string{}, c.Viewers...),
		Published:    !c.Private,
		Archived:     c.Archived,
		Hidden:       c.Hidden,
		Finished:     true,
		LastMod:      c.LastMod.Unix(),
		CreatedAt:    c.Created.Unix(),
		LastComputed: new(c.LastComputed.Unix()),
		ShortcutIDs:  []string{},
	}
	if c.Description != "" {
		l.Description = new(c.Description)
	}
	if c.NoSize {
		l.Size = nil
	}
	if c.NoLastComputed {
		l.LastComputed = nil
	}
	if withSyncs {
		l.SyncMetadata = listedSyncs(c.Syncs)
	}
	return l
}

func listedSyncs(syncs []SyncInfo) []listedSync {
	list := make([]listedSync, len(syncs))
	for i, s := range syncs {
		list[i] = listedSync{s.Target, s.Frequency, syncTime(s.LastSuccessful), syncTime(s.LastFailure), orEmpty(s.Params)}
	}
	return list
}

// syncTime is written as in Amplitude's sample, in whatever zone it is.
func syncTime(t time.Time) *string {
	if t.IsZero() {
		return nil
	}
	return new(t.Format("2006-01-02T15:04:05.000000-07:00"))
}
