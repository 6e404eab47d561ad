package iterable

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// pages answers with n campaigns, two a page.
func pages(t *testing.T, n int) func(sent) *http.Response {
	return func(s sent) *http.Response {
		u, err := url.Parse(s.uri)
		require.NoError(t, err)
		page, err := strconv.Atoi(u.Query().Get("page"))
		require.NoError(t, err)
		var list []string
		for id := 2*page - 1; id <= min(2*page, n); id++ {
			list = append(list, fmt.Sprintf(`{"id":%d}`, id))
		}
		next := ""
		if 2*page < n {
			next = fmt.Sprintf(`,"nextPageUrl":"/api/campaigns?page=%d"`, page+1)
		}
		return answer(200, `{"campaigns":[`+strings.Join(list, ",")+`]`+next+`}`)
	}
}

func ids(t *testing.T, seq func(func(Campaign, error) bool)) (all []int64) {
	for c, err := range seq {
		require.NoError(t, err)
		all = append(all, c.ID)
	}
	return all
}

func TestAllCampaignsAreRangedOver(t *testing.T) {
	t.Parallel()
	for n, want := range map[int][]int64{0: nil, 1: {1}, 2: {1, 2}, 3: {1, 2, 3}, 5: {1, 2, 3, 4, 5}} {
		client, r := newTestClient(t, pages(t, n))
		seq := client.Campaigns.All(t.Context(), CampaignListOptions{PageSize: 2})
		require.Empty(t, r.all(), "no request before the loop")
		require.Equal(t, want, ids(t, seq))
		require.Equal(t, want, ids(t, seq), "it may be ranged over twice")
		require.Equal(t, want, ids(t, client.Campaigns.AllChildren(t.Context(), 7, CampaignListOptions{PageSize: 2})))
		require.Len(t, r.all(), 3*max(1, (n+1)/2))
	}
	client, r := newTestClient(t, pages(t, 5))
	require.Equal(t, []int64{3, 4, 5}, ids(t, client.Campaigns.All(t.Context(), CampaignListOptions{Page: 2})))
	for range client.Campaigns.All(t.Context(), CampaignListOptions{}) {
		break
	}
	require.Len(t, r.all(), 3, "no page after the loop was left")
}

func TestARangeOverCampaignsEndsInItsError(t *testing.T) {
	t.Parallel()
	n := 0
	client, _ := newTestClient(t, func(s sent) *http.Response {
		if n++; n == 2 {
			return answer(401, "")
		}
		return pages(t, 5)(s)
	})
	errs := collectErrors(client.Campaigns.All(t.Context(), CampaignListOptions{}))
	require.Len(t, errs, 3)
	require.ErrorIs(t, errs[2], ErrUnauthorized)
}

func TestAPageThatRepeatsEndsTheRange(t *testing.T) {
	t.Parallel()
	client, r := newTestClient(t, alike(200, `{"campaigns":[{"id":1},{"id":2}],"nextPageUrl":"/api/campaigns?page=2"}`))
	errs := collectErrors(client.Campaigns.All(t.Context(), CampaignListOptions{}))
	require.Len(t, errs, 3)
	require.ErrorContains(t, errs[2], "repeats")
	require.Len(t, r.all(), 2)
	client, r = newTestClient(t, alike(200, `{"campaigns":[],"nextPageUrl":"/api/campaigns?page=2"}`))
	require.Empty(t, collectErrors(client.Campaigns.All(t.Context(), CampaignListOptions{})))
	require.Len(t, r.all(), 1)
}

func TestMetricsThatAreNoCSVAreAnError(t *testing.T) {
	t.Parallel()
	for _, body := range []string{"a,\"b\nc", `{"msg":"x","code":"Success"}`, "<html>"} {
		client, _ := newTestClient(t, alike(200, body))
		_, err := client.Campaigns.Metrics(t.Context(), []int64{1}, CampaignMetricsOptions{})
		require.ErrorContains(t, err, "the body is not CSV", "%q", body)
	}
}
