package conformance

import (
	"context"

	"github.com/iteramp/iteramp/iterable"
	"github.com/iteramp/iteramp/iterable/iterabletest"
)

var event = iterable.Event{
	Name: "purchase", Email: ann, UserID: "u-ann", ID: "e-1", CreatedAt: past, DataFields: map[string]any{"total": 12.5},
	CampaignID: single, TemplateID: 9001, CreateNewFields: new(true),
}

var eventUses = []use{
	{method: "Events.Track", name: minimal, call: func(ctx context.Context, c *iterable.Client) error {
		return drop(c.Events.Track(ctx, iterable.Event{Name: "purchase", UserID: bobID}))
	}},
	{method: "Events.Track", name: full, call: func(ctx context.Context, c *iterable.Client) error { return drop(c.Events.Track(ctx, filled(event))) }},
	{method: "Events.Track", name: "disallowed", failed: true, call: func(ctx context.Context, c *iterable.Client) error {
		return drop(c.Events.Track(ctx, iterable.Event{Name: "blocked", UserID: bobID}))
	}},
	{method: "Events.Track", name: "unknown", status: 400, call: func(ctx context.Context, c *iterable.Client) error {
		return drop(c.Events.Track(ctx, iterable.Event{Name: "purchase", UserID: "nobody"}))
	}},
	{method: "Events.TrackBulk", name: minimal, call: func(ctx context.Context, c *iterable.Client) error {
		return drop(c.Events.TrackBulk(ctx, iterable.EventTrackBulkRequest{Events: []iterable.Event{{Name: "purchase", UserID: bobID}}}))
	}},
	{method: "Events.TrackBulk", name: full, call: func(ctx context.Context, c *iterable.Client) error {
		return drop(c.Events.TrackBulk(ctx, filled(iterable.EventTrackBulkRequest{Events: []iterable.Event{event}})))
	}},
	{method: "Events.TrackBulk", name: "every failure", failed: true, fake: everyReason, call: func(ctx context.Context, c *iterable.Client) error {
		req := iterable.EventTrackBulkRequest{Events: []iterable.Event{{Name: "blocked", UserID: bobID}, {Name: "purchase", Email: gone}}}
		for _, u := range refusedUsers {
			req.Events = append(req.Events, iterable.Event{Name: "purchase", Email: u.Email, UserID: u.UserID})
		}
		return drop(c.Events.TrackBulk(ctx, req))
	}},
	{method: "Events.TrackBulk", name: "fields filtered out", fake: func(f *iterabletest.Fake) { f.DropNewFields = true },
		call: func(ctx context.Context, c *iterable.Client) error {
			e := event
			e.CreateNewFields = nil
			return drop(c.Events.TrackBulk(ctx, iterable.EventTrackBulkRequest{Events: []iterable.Event{e}}))
		}},
	{method: "Events.List", name: minimal, call: func(ctx context.Context, c *iterable.Client) error {
		return drop(c.Events.List(ctx, bobID, iterable.EventListOptions{}))
	}},
	{method: "Events.List", name: full, call: func(ctx context.Context, c *iterable.Client) error {
		return drop(c.Events.List(ctx, bobID, filled(iterable.EventListOptions{Limit: 200})))
	}},
	{method: "Events.List", name: "too many", status: 400, broken: true, call: func(ctx context.Context, c *iterable.Client) error {
		return drop(c.Events.List(ctx, bobID, iterable.EventListOptions{Limit: 201}))
	}},
	{method: "Events.ListByEmail", name: minimal, call: func(ctx context.Context, c *iterable.Client) error {
		return drop(c.Events.ListByEmail(ctx, ann, iterable.EventListOptions{}))
	}},
	{method: "Events.ListByEmail", name: "one tracked and one of a list", call: func(ctx context.Context, c *iterable.Client) error {
		if err := c.Users.UpdateSubscriptions(ctx, subscribed); err != nil {
			return err
		}
		if _, err := c.Events.Track(ctx, event); err != nil {
			return err
		}
		return drop(c.Events.ListByEmail(ctx, ann, iterable.EventListOptions{}))
	}},
	{method: "Events.ListByEmail", name: full, call: func(ctx context.Context, c *iterable.Client) error {
		return drop(c.Events.ListByEmail(ctx, ann, filled(iterable.EventListOptions{Limit: 1})))
	}},
	{method: "Events.ListByEmail", name: "malformed", status: 400, call: func(ctx context.Context, c *iterable.Client) error {
		return drop(c.Events.ListByEmail(ctx, "not an address", iterable.EventListOptions{}))
	}},
}
