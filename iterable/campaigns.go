package iterable

import (
	"bytes"
	"cmp"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"iter"
	"slices"
	"time"

	"github.com/iteramp/iteramp/internal/rest"
)

// CampaignsService reads campaigns.
//
// Reference: https://api.iterable.com/api/docs#campaigns
type CampaignsService struct{ core *core }

// CampaignState is how far a campaign has come. The set is open.
type CampaignState string

// The states.
const (
	CampaignStateDraft     CampaignState = "Draft"
	CampaignStateReady     CampaignState = "Ready"
	CampaignStateScheduled CampaignState = "Scheduled"
	CampaignStateStarting  CampaignState = "Starting"
	CampaignStateRunning   CampaignState = "Running"
	CampaignStateFinished  CampaignState = "Finished"
	CampaignStateAborted   CampaignState = "Aborted"
	CampaignStateRecurring CampaignState = "Recurring"
	CampaignStateArchived  CampaignState = "Archived"
)

// CampaignType is the kind of a campaign. The set is open.
type CampaignType string

// The kinds: to whole lists, or to one user at a time.
const (
	CampaignTypeBlast     CampaignType = "Blast"
	CampaignTypeTriggered CampaignType = "Triggered"
)

// Campaign is a campaign. What does not apply to it is zero.
type Campaign struct {
	ID                  int64         `json:"id"`
	Name                string        `json:"name"`
	Type                CampaignType  `json:"type,omitzero"`
	State               CampaignState `json:"campaignState"`
	MessageMedium       MessageMedium `json:"messageMedium,omitzero"`
	TemplateID          int64         `json:"templateId,omitzero"`
	RecurringCampaignID int64         `json:"recurringCampaignId,omitzero"` // whose child it is
	WorkflowID          int64         `json:"workflowId,omitzero"`          // the journey that sends it
	ListIDs             []int64       `json:"listIds,omitzero"`
	SuppressionListIDs  []int64       `json:"suppressionListIds,omitzero"`
	Labels              []string      `json:"labels,omitzero"`
	SendSize            int64         `json:"sendSize,omitzero"`
	CreatedAt           time.Time     `json:"createdAt"`
	UpdatedAt           time.Time     `json:"updatedAt"`
	StartAt             time.Time     `json:"startAt,omitzero"`
	EndedAt             time.Time     `json:"endedAt,omitzero"`
	CreatedByUserID     string        `json:"createdByUserId,omitzero"`
	UpdatedByUserID     string        `json:"updatedByUserId,omitzero"`
}

// UnmarshalJSON reads the campaign as Iterable sends it.
func (c *Campaign) UnmarshalJSON(b []byte) error {
	type fields Campaign
	wire := struct {
		*fields
		CreatedAt timestamp `json:"createdAt"`
		UpdatedAt timestamp `json:"updatedAt"`
		StartAt   timestamp `json:"startAt"`
		EndedAt   timestamp `json:"endedAt"`
	}{fields: (*fields)(c)}
	err := json.Unmarshal(b, &wire)
	c.CreatedAt, c.UpdatedAt = time.Time(wire.CreatedAt), time.Time(wire.UpdatedAt)
	c.StartAt, c.EndedAt = time.Time(wire.StartAt), time.Time(wire.EndedAt)
	return err
}

// CampaignListOptions says which campaigns, in which order, and by which pages.
type CampaignListOptions struct {
	Page     int `url:"page"`     // zero means 1, the first
	PageSize int `url:"pageSize"` // zero means 1,000, which is the most
	// Sort is id, name, createdAt, updatedAt or startAt; with a minus before it the
	// order is descending.
	Sort   string          `url:"sort,omitempty"`
	States []CampaignState `url:"campaignState,omitempty"` // none means all
}

// CampaignPage is a part of the campaigns.
type CampaignPage struct {
	Campaigns []Campaign
	Total     int // of all pages; zero if Iterable does not say
	Next      int // the number of the next page; zero after the last
}

// List returns a page of the project's campaigns.
//
// Reference: https://api.iterable.com/api/docs#campaigns_campaigns
func (s *CampaignsService) List(ctx context.Context, opts CampaignListOptions) (CampaignPage, error) {
	return s.page(ctx, rest.Call{Path: "/api/campaigns"}, opts)
}

// All ranges over the project's campaigns from opts.Page on, fetching a page when
// the loop needs one.
func (s *CampaignsService) All(ctx context.Context, opts CampaignListOptions) iter.Seq2[Campaign, error] {
	return campaigns(opts, func(opts CampaignListOptions) (CampaignPage, error) { return s.List(ctx, opts) })
}

// Children returns a page of the campaigns that a recurring campaign has made. One
// that is not recurring is an [Error] with status 400.
//
// Reference: https://api.iterable.com/api/docs#campaigns_child_campaigns
func (s *CampaignsService) Children(ctx context.Context, campaignID int64, opts CampaignListOptions) (CampaignPage, error) {
	return s.page(ctx, rest.Call{Path: "/api/campaigns/recurring/{id}/childCampaigns", Args: []string{id(campaignID)}}, opts)
}

// AllChildren ranges over the campaigns that a recurring campaign has made, as
// [CampaignsService.All] does.
func (s *CampaignsService) AllChildren(ctx context.Context, campaignID int64, opts CampaignListOptions) iter.Seq2[Campaign, error] {
	return campaigns(opts, func(opts CampaignListOptions) (CampaignPage, error) { return s.Children(ctx, campaignID, opts) })
}

// page reads a page. Its number and size are always sent: some projects answer
// with all campaigns without them.
func (s *CampaignsService) page(ctx context.Context, call rest.Call, opts CampaignListOptions) (CampaignPage, error) {
	opts.Page, opts.PageSize = max(1, opts.Page), cmp.Or(opts.PageSize, 1000)
	call.Method, call.Query, call.Idempotent = "GET", opts, true
	resp, err := s.core.send(ctx, call)
	if err != nil {
		return CampaignPage{}, err
	}
	var answer struct {
		Campaigns *[]Campaign     `json:"campaigns"`
		Next      string          `json:"nextPageUrl"`
		Total     json.RawMessage `json:"totalCampaignsCount"`
	}
	if json.Unmarshal(resp.Body, &answer) != nil || answer.Campaigns == nil {
		return CampaignPage{}, newError(resp, otherShape)
	}
	page := CampaignPage{Campaigns: *answer.Campaigns}
	total, _ := number(answer.Total)
	page.Total = int(total)
	if answer.Next != "" {
		page.Next = opts.Page + 1
	}
	return page, nil
}

var errSamePage = errors.New("iterable: a page of campaigns repeats the one before")

// campaigns ranges over pages, until one is the last or, where the page's number
// is not heeded, the same again.
func campaigns(opts CampaignListOptions, list func(CampaignListOptions) (CampaignPage, error)) iter.Seq2[Campaign, error] {
	return func(yield func(Campaign, error) bool) {
		var before []Campaign
		rest.Pages(max(1, opts.Page), func(n int) ([]Campaign, int, error) {
			opts := opts // a copy: two ranges may run at once
			opts.Page = n
			page, err := list(opts)
			if err != nil {
				return nil, 0, err
			}
			if len(before) > 0 && slices.EqualFunc(before, page.Campaigns, func(a, b Campaign) bool { return a.ID == b.ID }) {
				return nil, 0, errSamePage
			}
			before = page.Campaigns
			return page.Campaigns, page.Next, nil
		})(yield)
	}
}

// Get returns a campaign, or an [ErrNotFound].
//
// Reference: https://api.iterable.com/api/docs#campaigns_getCampaign
func (s *CampaignsService) Get(ctx context.Context, campaignID int64) (Campaign, error) {
	resp, err := s.core.send(ctx, rest.Call{
		Method: "GET", Path: "/api/campaigns/{id}", Args: []string{id(campaignID)}, Idempotent: true,
	})
	if err != nil {
		return Campaign{}, err
	}
	var c Campaign
	if json.Unmarshal(resp.Body, &c) != nil || c.ID == 0 {
		return Campaign{}, newError(resp, otherShape)
	}
	return c, nil
}

// CampaignMetricsOptions bounds the time that metrics are of.
type CampaignMetricsOptions struct {
	Start time.Time // zero means the campaign's own
	End   time.Time
}

type metricsQuery struct {
	CampaignIDs []int64   `url:"campaignId"`
	Start       time.Time `url:"startDateTime,omitempty"`
	End         time.Time `url:"endDateTime,omitempty"`
}

// Metrics returns the metrics of campaigns as Iterable has them: rows of text, the
// first with the names of the columns. Names may repeat, and what there is depends
// on the kinds of campaigns. Iterable answers 10 requests a minute.
//
// Reference: https://api.iterable.com/api/docs#campaigns_metrics
func (s *CampaignsService) Metrics(ctx context.Context, campaignIDs []int64, opts CampaignMetricsOptions) ([][]string, error) {
	resp, err := s.core.send(ctx, rest.Call{
		Method: "GET", Path: "/api/campaigns/metrics", Query: metricsQuery{campaignIDs, opts.Start, opts.End},
		Idempotent: true, MaxBody: 64 << 20,
	})
	if err != nil {
		return nil, err
	}
	if isPage(resp.Body) || isObject(resp.Body) {
		return nil, newError(resp, "the body is not CSV")
	}
	r := csv.NewReader(bytes.NewReader(resp.Body))
	r.FieldsPerRecord = -1 // Iterable has answered with a header of its own for no campaigns
	rows, err := r.ReadAll()
	if err != nil {
		return nil, newError(resp, "the body is not CSV")
	}
	return rows, nil
}
