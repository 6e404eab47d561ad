package iterabletest

import (
	"fmt"
	"net/http"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCampaignsArePaged(t *testing.T) {
	t.Parallel()
	var f Fake
	for i := range 45 {
		f.AddCampaign(Campaign{Name: fmt.Sprint("c-", i), State: []string{"Running", "Draft"}[i%2]})
	}
	next, seen := "/api/campaigns", 0
	for next != "" {
		got := get(t, &f, next)
		require.EqualValues(t, 45, got.json["totalCampaignsCount"])
		seen += len(got.json["campaigns"].([]any))
		next, _ = got.json["nextPageUrl"].(string)
		u, err := url.Parse(next)
		require.NoError(t, err)
		next = u.RequestURI()
		if u.Path == "" {
			next = ""
		}
	}
	require.Equal(t, 45, seen)
	first := func(query string) string {
		return get(t, &f, "/api/campaigns?"+query).json["campaigns"].([]any)[0].(map[string]any)["name"].(string)
	}
	require.Equal(t, "c-0", first(""))
	require.Equal(t, "c-44", first("sort=-id"))
	require.Equal(t, "c-9", first("sort=-name"))
	require.Equal(t, "c-1", first("campaignState=Draft"))
	require.Equal(t, "c-0", first("campaignState=Draft&campaignState=Running"))
	require.Contains(t, get(t, &f, "/api/campaigns?page=2").json, "previousPageUrl")
	require.Equal(t, []any{}, get(t, &f, "/api/campaigns?page=9223372036854775807").json["campaigns"])
	for _, query := range []string{"page=0", "page=x", "pageSize=0", "pageSize=1001", "sort=size"} {
		requireRefused(t, get(t, &f, "/api/campaigns?"+query), http.StatusBadRequest, "BadParams")
	}
}

func TestACampaignIsReadByItsId(t *testing.T) {
	t.Parallel()
	var f Fake
	id := f.AddCampaign(Campaign{Name: "Weekly", State: "Recurring", TemplateID: 5})
	child := f.AddCampaign(Campaign{Name: "Week 1", RecurringCampaignID: id})
	got := get(t, &f, fmt.Sprintf("/api/campaigns/%d", id))
	require.Equal(t, "Weekly", got.json["name"])
	require.EqualValues(t, 5, got.json["templateId"])
	require.Greater(t, got.json["createdAt"], 1.7e12, "milliseconds")
	got = get(t, &f, fmt.Sprintf("/api/campaigns/recurring/%d/childCampaigns", id))
	require.Len(t, got.json["campaigns"], 1)
	requireRefused(t, get(t, &f, "/api/campaigns/1"), http.StatusNotFound, "NotFound")
	requireRefused(t, get(t, &f, "/api/campaigns/x"), http.StatusBadRequest, "BadParams")
	got = get(t, &f, fmt.Sprintf("/api/campaigns/recurring/%d/childCampaigns", child))
	requireRefused(t, got, http.StatusBadRequest, "BadParams")
	require.Equal(t, fmt.Sprintf("Campaign %d is not a recurring campaign", child), got.json["msg"])
}

func TestMetricsAreCSV(t *testing.T) {
	t.Parallel()
	var f Fake
	a := f.AddCampaign(Campaign{Metrics: map[string]string{"Total Email Sends": "16", "Revenue": "1.5"}})
	b := f.AddCampaign(Campaign{})
	got := get(t, &f, fmt.Sprintf("/api/campaigns/metrics?campaignId=%d&campaignId=%d&campaignId=1", a, b))
	require.Equal(t, "text/plain; charset=utf-8", got.header.Get("Content-Type"))
	require.Equal(t, fmt.Sprintf("id,Revenue,Total Email Sends\n%d,1.5,16\n%d,0,0\n", a, b), got.text)
	require.Equal(t, "id, \n", get(t, &f, "/api/campaigns/metrics?campaignId=1").text)
	requireRefused(t, get(t, &f, "/api/campaigns/metrics"), http.StatusBadRequest, "BadParams")
}

func TestANewProjectHasChannelsAndMessageTypes(t *testing.T) {
	t.Parallel()
	var f Fake
	require.Len(t, get(t, &f, "/api/channels").json["channels"], 2)
	require.Len(t, get(t, &f, "/api/messageTypes").json["messageTypes"], 3)
	f = Fake{Channels: []Channel{}, MessageTypes: []MessageType{}}
	require.Equal(t, []any{}, get(t, &f, "/api/channels").json["channels"])
	require.Equal(t, []any{}, get(t, &f, "/api/messageTypes").json["messageTypes"])
}
