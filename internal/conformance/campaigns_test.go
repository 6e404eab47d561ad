package conformance

import (
	"context"

	"github.com/iteramp/iteramp/iterable"
)

var firstPage = iterable.CampaignListOptions{
	Page: 2, PageSize: 1, Sort: "-createdAt",
	States: []iterable.CampaignState{iterable.CampaignStateRunning, iterable.CampaignStateRecurring, iterable.CampaignStateFinished},
}

var campaignUses = []use{
	{method: "Campaigns.List", name: minimal, call: func(ctx context.Context, c *iterable.Client) error {
		return drop(c.Campaigns.List(ctx, iterable.CampaignListOptions{}))
	}},
	{method: "Campaigns.List", name: full, call: func(ctx context.Context, c *iterable.Client) error {
		return drop(c.Campaigns.List(ctx, filled(firstPage)))
	}},
	{method: "Campaigns.List", name: "an unknown order", status: 400, call: func(ctx context.Context, c *iterable.Client) error {
		return drop(c.Campaigns.List(ctx, iterable.CampaignListOptions{Sort: "size"}))
	}},
	{method: "Campaigns.All", name: minimal, call: func(ctx context.Context, c *iterable.Client) error {
		return drain(c.Campaigns.All(ctx, iterable.CampaignListOptions{PageSize: 1}))
	}},
	{method: "Campaigns.Children", name: minimal, call: func(ctx context.Context, c *iterable.Client) error {
		return drop(c.Campaigns.Children(ctx, parent, iterable.CampaignListOptions{}))
	}},
	{method: "Campaigns.Children", name: full, call: func(ctx context.Context, c *iterable.Client) error {
		return drop(c.Campaigns.Children(ctx, parent, filled(firstPage)))
	}},
	{method: "Campaigns.Children", name: "not recurring", status: 400, call: func(ctx context.Context, c *iterable.Client) error {
		return drop(c.Campaigns.Children(ctx, single, iterable.CampaignListOptions{}))
	}},
	{method: "Campaigns.AllChildren", name: minimal, call: func(ctx context.Context, c *iterable.Client) error {
		return drain(c.Campaigns.AllChildren(ctx, parent, iterable.CampaignListOptions{}))
	}},
	{method: "Campaigns.Get", name: minimal, call: func(ctx context.Context, c *iterable.Client) error { return drop(c.Campaigns.Get(ctx, single)) }},
	{method: "Campaigns.Get", name: "unknown", status: 404, call: func(ctx context.Context, c *iterable.Client) error { return drop(c.Campaigns.Get(ctx, 7)) }},
	{method: "Campaigns.Metrics", name: minimal, call: func(ctx context.Context, c *iterable.Client) error {
		return drop(c.Campaigns.Metrics(ctx, []int64{single}, iterable.CampaignMetricsOptions{}))
	}},
	{method: "Campaigns.Metrics", name: full, call: func(ctx context.Context, c *iterable.Client) error {
		return drop(c.Campaigns.Metrics(ctx, []int64{single, child}, filled(iterable.CampaignMetricsOptions{Start: past, End: past.AddDate(0, 1, 0)})))
	}},
	{method: "Campaigns.Metrics", name: "of none", status: 400, broken: true, call: func(ctx context.Context, c *iterable.Client) error {
		return drop(c.Campaigns.Metrics(ctx, nil, iterable.CampaignMetricsOptions{}))
	}},
	{method: "MessageTypes.List", name: minimal, call: func(ctx context.Context, c *iterable.Client) error { return drop(c.MessageTypes.List(ctx)) }},
	{method: "Channels.List", name: minimal, call: func(ctx context.Context, c *iterable.Client) error { return drop(c.Channels.List(ctx)) }},
}

var webhookUses = []use{
	{method: "Webhooks.List", name: minimal, call: func(ctx context.Context, c *iterable.Client) error { return drop(c.Webhooks.List(ctx)) }},
	{method: "Webhooks.Update", name: minimal, call: func(ctx context.Context, c *iterable.Client) error {
		return drop(c.Webhooks.Update(ctx, iterable.WebhookUpdateRequest{ID: hook}))
	}},
	{method: "Webhooks.Update", name: full, call: func(ctx context.Context, c *iterable.Client) error {
		return drop(c.Webhooks.Update(ctx, filled(iterable.WebhookUpdateRequest{
			ID: hook, Endpoint: "https://new.example.com", AuthType: iterable.WebhookAuthTypeBasic, AuthToken: "secret",
			Headers: map[string]string{"X-Team": "a"}, Enabled: new(true), BlastSendEnabled: new(false), TriggeredSendEnabled: new(true),
		})))
	}},
	{method: "Webhooks.Update", name: "unknown", status: 400, call: func(ctx context.Context, c *iterable.Client) error {
		return drop(c.Webhooks.Update(ctx, iterable.WebhookUpdateRequest{ID: 7}))
	}},
}
