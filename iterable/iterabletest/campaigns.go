package iterabletest

import (
	"bytes"
	"cmp"
	"encoding/csv"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Campaign is a campaign of the project. A zero field has a default.
type Campaign struct {
	ID                  int64
	Name                string
	State               string // zero means Running
	Type                string // Blast or Triggered; zero means Triggered
	Medium              string // zero means Email
	TemplateID          int64
	RecurringCampaignID int64 // of which it is a child
	ListIDs             []int64
	Labels              []string
	CreatedAt           time.Time // zero means now
	UpdatedAt           time.Time // zero means CreatedAt
	StartAt             time.Time // zero means that it has not begun
	// Metrics are numbers by the name of their column.
	Metrics map[string]string
}

// campaigns are all there are, in the order they were added in.
type campaigns []Campaign

// AddCampaign adds a campaign and returns its id, a new one if it has none.
func (f *Fake) AddCampaign(c Campaign) int64 {
	now := f.now()
	defer f.lock()()
	if c.ID == 0 {
		c.ID = int64(51001 + len(f.campaigns))
	}
	if c.CreatedAt.IsZero() {
		c.CreatedAt = now
	}
	if c.UpdatedAt.IsZero() {
		c.UpdatedAt = c.CreatedAt
	}
	c.State, c.Type, c.Medium = cmp.Or(c.State, "Running"), cmp.Or(c.Type, "Triggered"), cmp.Or(c.Medium, "Email")
	f.campaigns = append(f.campaigns, c)
	return c.ID
}

func (c Campaign) details() map[string]any {
	all := map[string]any{
		"id": c.ID, "name": c.Name, "campaignState": c.State, "type": c.Type, "messageMedium": c.Medium,
		"createdAt": c.CreatedAt.UnixMilli(), "updatedAt": c.UpdatedAt.UnixMilli(),
		"createdByUserId": "admin@example.com", "updatedByUserId": "admin@example.com",
		"listIds": append([]int64{}, c.ListIDs...), "labels": append([]string{}, c.Labels...), "suppressionListIds": []int64{},
	}
	if c.TemplateID != 0 {
		all["templateId"] = c.TemplateID
	}
	if c.RecurringCampaignID != 0 {
		all["recurringCampaignId"] = c.RecurringCampaignID
	}
	if !c.StartAt.IsZero() {
		all["startAt"] = c.StartAt.UnixMilli()
	}
	return all
}

func (all campaigns) find(id string) (Campaign, bool) {
	i := slices.IndexFunc(all, func(c Campaign) bool { return strconv.FormatInt(c.ID, 10) == id })
	if i < 0 {
		return Campaign{}, false
	}
	return all[i], true
}

// getCampaigns is GET /api/campaigns.
func (f *Fake) getCampaigns(c call) reply { return c.pageOf(slices.Clone(f.campaigns)) }

// getCampaign is GET /api/campaigns/{id}.
func (f *Fake) getCampaign(c call) reply {
	if _, err := strconv.ParseInt(c.args[0], 10, 64); err != nil {
		return badParams("Invalid campaign id", nil)
	}
	campaign, found := f.campaigns.find(c.args[0])
	if !found {
		return said(http.StatusNotFound, "NotFound", "Campaign not found", nil)
	}
	return ok(campaign.details())
}

// childCampaigns is GET /api/campaigns/recurring/{id}/childCampaigns. A
// campaign is a recurring one by its state, or by having children.
func (f *Fake) childCampaigns(c call) reply {
	children := slices.DeleteFunc(slices.Clone(f.campaigns), func(child Campaign) bool {
		return strconv.FormatInt(child.RecurringCampaignID, 10) != c.args[0]
	})
	parent, found := f.campaigns.find(c.args[0])
	if !found || parent.State != "Recurring" && len(children) == 0 {
		return badParams(fmt.Sprintf("Campaign %s is not a recurring campaign", c.args[0]), nil)
	}
	return c.pageOf(children)
}

// campaignOrders are what campaigns can be sorted by.
var campaignOrders = map[string]func(a, b Campaign) int{
	"id":        func(a, b Campaign) int { return cmp.Compare(a.ID, b.ID) },
	"name":      func(a, b Campaign) int { return cmp.Compare(a.Name, b.Name) },
	"createdAt": func(a, b Campaign) int { return a.CreatedAt.Compare(b.CreatedAt) },
	"updatedAt": func(a, b Campaign) int { return a.UpdatedAt.Compare(b.UpdatedAt) },
	"startAt":   func(a, b Campaign) int { return a.StartAt.Compare(b.StartAt) },
}

// pageOf answers one page of campaigns. The fake always pages; some projects
// give everything at once if no page is asked for, which is deprecated.
//
// Source: https://api.iterable.com/api/docs#campaigns_campaigns
func (c call) pageOf(all []Campaign) reply {
	order, descending := strings.CutPrefix(cmp.Or(c.query.Get("sort"), "id"), "-")
	compare := campaignOrders[order]
	if compare == nil {
		return badParams("sort is unknown", nil)
	}
	page, err1 := strconv.Atoi(cmp.Or(c.query.Get("page"), "1"))
	size, err2 := strconv.Atoi(cmp.Or(c.query.Get("pageSize"), "20"))
	if err1 != nil || err2 != nil || page < 1 || size < 1 || size > 1000 {
		return badParams("page must be at least 1 and pageSize between 1 and 1000", nil)
	}
	if states := c.query["campaignState"]; len(states) > 0 {
		all = slices.DeleteFunc(all, func(x Campaign) bool { return !slices.Contains(states, x.State) })
	}
	slices.SortStableFunc(all, compare)
	if descending {
		slices.Reverse(all)
	}
	from := min(page-1, len(all)) * size // no overflow: size is small
	from = min(from, len(all))
	end := min(from+size, len(all))
	details := make([]map[string]any, 0, end-from)
	for _, x := range all[from:end] {
		details = append(details, x.details())
	}
	answer := map[string]any{"campaigns": details, "totalCampaignsCount": len(all)}
	if end < len(all) {
		answer["nextPageUrl"] = c.pageURL(page + 1)
	}
	if page > 1 {
		answer["previousPageUrl"] = c.pageURL(page - 1)
	}
	return ok(answer)
}

func (c call) pageURL(page int) string {
	q := url.Values(maps.Clone(c.query))
	q.Set("page", strconv.Itoa(page))
	return "https://" + c.host + c.path + "?" + q.Encode()
}

// campaignMetrics is GET /api/campaigns/metrics: CSV. For campaigns that there
// are not, the answer has no row.
func (f *Fake) campaignMetrics(c call) reply {
	ids := c.query["campaignId"]
	if len(ids) == 0 {
		return badParams("campaignId is required", nil)
	}
	var found []Campaign
	columns := make(map[string]bool)
	for _, id := range ids {
		if x, ok := f.campaigns.find(id); ok {
			found = append(found, x)
			for name := range x.Metrics {
				columns[name] = true
			}
		}
	}
	names := slices.Sorted(maps.Keys(columns))
	if len(found) == 0 {
		return reply{status: http.StatusOK, text: "id, \n"}
	}
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	_ = w.Write(append([]string{"id"}, names...)) // to memory
	for _, x := range found {
		row := []string{strconv.FormatInt(x.ID, 10)}
		for _, name := range names {
			row = append(row, cmp.Or(x.Metrics[name], "0"))
		}
		_ = w.Write(row)
	}
	w.Flush()
	return reply{status: http.StatusOK, text: b.String()}
}
