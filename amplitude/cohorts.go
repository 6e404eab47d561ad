package amplitude

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/iteramp/iteramp/internal/rest"
)

// CohortsService reads and writes behavioral cohorts. It needs
// [Config.SecretKey]; without it each call is an [ErrUnauthorized] and nothing is
// sent.
//
// Reference: https://amplitude.com/docs/apis/analytics/behavioral-cohorts
type CohortsService struct{ core *core }

const (
	pathCohorts       = "/api/3/cohorts"
	pathCohortUsage   = "/api/3/cohorts/usage"
	pathCohortUpload  = "/api/3/cohorts/upload"
	pathCohortMembers = "/api/3/cohorts/membership"
	pathCohortRequest = "/api/5/cohorts/request/{cohort_id}"
	pathCohortStatus  = "/api/5/cohorts/request-status/{request_id}"
	pathCohortFile    = "/api/5/cohorts/request/{request_id}/file"
)

// Cohort is a cohort as the list has it. What Amplitude leaves out or has null for
// is zero.
type Cohort struct {
	ID          string // also in the address of the cohort's page
	AppID       int64  // the project
	Name        string
	Description string
	Definition  json.RawMessage // Amplitude's own affair
	Type        string          // such as redshift, computed, or manual_upload
	Size        *int            // nil if Amplitude does not say; it may be old
	Owners      []string        // login addresses
	Viewers     []string        // login addresses

	Published         bool // others can find it
	Archived          bool
	Hidden            bool
	Finished          bool
	IsPredictive      bool
	IsOfficialContent bool

	CreatedAt    time.Time // times are in whole seconds
	LastMod      time.Time
	LastComputed time.Time // when its members were found last
	LastViewed   time.Time

	Metadata    json.RawMessage // of funnel and microscope cohorts
	ViewCount   int
	Popularity  int
	ChartID     string // of a cohort made from a chart
	EditID      string
	LocationID  string
	ShortcutIDs []string

	// SyncMetadata are the destinations that Amplitude keeps equal to the cohort,
	// with [CohortListOptions.IncludeSyncInfo] alone. One-time and disabled syncs
	// are not there.
	SyncMetadata []CohortSyncInfo
}

// CohortSyncInfo is a destination of a cohort.
type CohortSyncInfo struct {
	Target         string    // such as braze
	Frequency      string    // minute, hourly or daily
	LastSuccessful time.Time // zero if never
	LastFailure    time.Time // zero if never
	Params         json.RawMessage
}

// CohortListOptions says what the list tells of each cohort.
type CohortListOptions struct {
	IncludeSyncInfo bool `url:"includeSyncInfo,omitempty"` // projects may need to be enabled for it
}

// List returns the cohorts of the project that can be found by others. The API
// does not page, and costs nothing of the downloads of a month.
func (s *CohortsService) List(ctx context.Context, opts CohortListOptions) ([]Cohort, error) {
	resp, err := s.core.send(ctx, rest.Call{
		Method: "GET", Path: pathCohorts, Query: opts, Idempotent: true, MaxBody: 64 << 20,
	})
	if err != nil {
		return nil, err
	}
	var list struct {
		Cohorts []wireCohort `json:"cohorts"`
	}
	if !decode(resp.Body, &list) || list.Cohorts == nil {
		return nil, newError(resp, otherShape)
	}
	cohorts := make([]Cohort, len(list.Cohorts))
	for i := range list.Cohorts {
		if cohorts[i] = list.Cohorts[i].cohort(); cohorts[i].ID == "" {
			return nil, newError(resp, otherShape)
		}
	}
	return cohorts, nil
}

// CohortUsage is what is used of the downloads of a month.
type CohortUsage struct {
	Limit    int // usually 500
	Used     int
	ResetsAt time.Time // zero if Amplitude's text cannot be read
}

// Usage returns how many cohorts were requested this month, by all programs of the
// project. Not every project can tell: it is [ErrNotFound] then.
func (s *CohortsService) Usage(ctx context.Context) (CohortUsage, error) {
	resp, err := s.core.send(ctx, rest.Call{Method: "GET", Path: pathCohortUsage, Idempotent: true})
	if err != nil {
		return CohortUsage{}, err
	}
	var body struct {
		Download struct {
			Limit    number  `json:"limit"`
			Usage    number  `json:"usage"`
			ResetsAt instant `json:"resets_at"`
		} `json:"rest_download"`
	}
	d := &body.Download
	if !decode(resp.Body, &body) || !d.Limit.valid || !d.Usage.valid {
		return CohortUsage{}, newError(resp, otherShape)
	}
	return CohortUsage{Limit: d.Limit.n, Used: d.Usage.n, ResetsAt: d.ResetsAt.Time}, nil
}

// errNoSecret is found before anything is sent.
var errNoSecret = kindOf{ErrUnauthorized, errors.New("amplitude: Config.SecretKey is missing")}

// call makes a call of an API under /api.
func (c *core) call(call rest.Call) (rest.Call, error) {
	switch {
	case c == nil:
		return call, errNoClient
	case c.keys.secret == "":
		return call, errNoSecret
	}
	call.Base, call.Auth, call.Plain = c.analytics, c.basic, true
	return call, nil
}

// send makes a call of an API under /api. Its success is status 200, or one that
// the call names.
func (c *core) send(ctx context.Context, call rest.Call) (*rest.Response, error) {
	call, err := c.call(call)
	if err != nil {
		return nil, err
	}
	resp, err := c.rest.Send(ctx, call)
	if err != nil {
		return nil, err
	}
	if !call.Success(resp.StatusCode) {
		return nil, newError(resp, "")
	}
	return resp, nil
}
