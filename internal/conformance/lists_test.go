package conformance

import (
	"context"

	"github.com/iteramp/iteramp/iterable"
	"github.com/iteramp/iteramp/iterable/iterabletest"
)

var profile = map[string]any{"plan": "platinum", "born": "1990-02-03", "score": 1.5, "address": map[string]any{"city": "Oslo"}}

// everyReason are subscribers that fail for each reason there is.
func everyReason(f *iterabletest.Fake) {
	for reason, id := range map[iterabletest.Reason]string{
		iterabletest.ReasonConflict: "c", iterabletest.ReasonForgotten: "f", iterabletest.ReasonInvalidData: "d",
		iterabletest.ReasonInvalid: "i", iterabletest.ReasonNotFound: "n",
	} {
		f.Refuse(reason, id, id+"@example.com")
	}
}

var refusedUsers = []iterable.UserUpdate{
	{UserID: "c"}, {UserID: "f"}, {UserID: "d"}, {UserID: "i"}, {UserID: "n"}, {Email: "c@example.com"}, {Email: "f@example.com"},
	{Email: "d@example.com"}, {Email: "i@example.com"}, {Email: "n@example.com"}, {Email: "not an address"}, {UserID: bobID},
}

func allSubscribe(ctx context.Context, c *iterable.Client) error {
	return drop(c.Lists.Subscribe(ctx, iterable.ListSubscribeRequest{ListID: list, Subscribers: refusedUsers}))
}

var listUses = []use{
	{method: "Lists.List", name: minimal, call: func(ctx context.Context, c *iterable.Client) error { return drop(c.Lists.List(ctx)) }},
	{method: "Lists.List", name: "a list with a description", call: func(ctx context.Context, c *iterable.Client) error {
		if _, err := c.Lists.Create(ctx, filled(iterable.ListCreateRequest{Name: "New", Description: "of May"})); err != nil {
			return err
		}
		return drop(c.Lists.List(ctx))
	}},
	{method: "Lists.Create", name: minimal, call: func(ctx context.Context, c *iterable.Client) error {
		return drop(c.Lists.Create(ctx, iterable.ListCreateRequest{Name: "New"}))
	}},
	{method: "Lists.Create", name: full, call: func(ctx context.Context, c *iterable.Client) error {
		return drop(c.Lists.Create(ctx, filled(iterable.ListCreateRequest{Name: "New", Description: "of May"})))
	}},
	{method: "Lists.Delete", name: minimal, call: func(ctx context.Context, c *iterable.Client) error { return c.Lists.Delete(ctx, list) }},
	{method: "Lists.Delete", name: "unknown", status: 400, call: func(ctx context.Context, c *iterable.Client) error { return c.Lists.Delete(ctx, 7) }},
	{method: "Lists.Delete", name: "in use", status: 409, fake: func(f *iterabletest.Fake) { f.LockList(list, true) },
		call: func(ctx context.Context, c *iterable.Client) error { return c.Lists.Delete(ctx, list) }},

	{method: "Lists.Subscribe", name: minimal, call: func(ctx context.Context, c *iterable.Client) error {
		return drop(c.Lists.Subscribe(ctx, iterable.ListSubscribeRequest{ListID: list, Subscribers: []iterable.Subscriber{{UserID: "u-2"}}}))
	}},
	{method: "Lists.Subscribe", name: full, call: func(ctx context.Context, c *iterable.Client) error {
		return drop(c.Lists.Subscribe(ctx, filled(iterable.ListSubscribeRequest{
			ListID: list, UpdateExistingUsersOnly: true,
			Subscribers: []iterable.Subscriber{{Email: ann, UserID: "u-ann", DataFields: profile, PreferUserID: true, MergeNestedObjects: true}},
		})))
	}},
	{method: "Lists.Subscribe", name: "every failure", failed: true, fake: everyReason, call: allSubscribe},
	{method: "Lists.Subscribe", name: "every failure, as old answers have it", failed: true, call: allSubscribe,
		fake: func(f *iterabletest.Fake) { everyReason(f); f.OldReplies = true }},
	{method: "Lists.Subscribe", name: "unknown list", status: 400, call: func(ctx context.Context, c *iterable.Client) error {
		return drop(c.Lists.Subscribe(ctx, iterable.ListSubscribeRequest{ListID: 7, Subscribers: []iterable.Subscriber{{UserID: "u-2"}}}))
	}},

	{method: "Lists.Unsubscribe", name: minimal, call: func(ctx context.Context, c *iterable.Client) error {
		return drop(c.Lists.Unsubscribe(ctx, iterable.ListUnsubscribeRequest{ListID: list, Subscribers: []iterable.Unsubscriber{{UserID: bobID}}}))
	}},
	{method: "Lists.Unsubscribe", name: full, call: func(ctx context.Context, c *iterable.Client) error {
		return drop(c.Lists.Unsubscribe(ctx, filled(iterable.ListUnsubscribeRequest{
			ListID: list, CampaignID: single, ChannelUnsubscribe: true, Subscribers: []iterable.Unsubscriber{{Email: ann, UserID: "u-ann"}},
		})))
	}},
	{method: "Lists.Unsubscribe", name: "failures", failed: true, call: func(ctx context.Context, c *iterable.Client) error {
		return drop(c.Lists.Unsubscribe(ctx, iterable.ListUnsubscribeRequest{ListID: list, Subscribers: []iterable.Unsubscriber{{UserID: "nobody"}, {Email: gone}}}))
	}},

	{method: "Lists.Members", name: minimal, call: func(ctx context.Context, c *iterable.Client) error {
		return drain(c.Lists.Members(ctx, list, iterable.ListMembersOptions{}))
	}},
	{method: "Lists.Members", name: full, call: func(ctx context.Context, c *iterable.Client) error {
		return drain(c.Lists.Members(ctx, list, filled(iterable.ListMembersOptions{PreferUserID: true})))
	}},
	{method: "Lists.Members", name: "unknown", status: 400, call: func(ctx context.Context, c *iterable.Client) error {
		return drain(c.Lists.Members(ctx, 7, iterable.ListMembersOptions{}))
	}},
	{method: "Lists.Preview", name: minimal, call: func(ctx context.Context, c *iterable.Client) error {
		return drain(c.Lists.Preview(ctx, list, iterable.ListPreviewOptions{}))
	}},
	{method: "Lists.Preview", name: full, call: func(ctx context.Context, c *iterable.Client) error {
		return drain(c.Lists.Preview(ctx, list, filled(iterable.ListPreviewOptions{PreferUserID: true, Size: 5})))
	}},
	{method: "Lists.Preview", name: "too many", status: 400, call: func(ctx context.Context, c *iterable.Client) error {
		return drain(c.Lists.Preview(ctx, list, iterable.ListPreviewOptions{Size: 5001}))
	}},
	{method: "Lists.Size", name: minimal, call: func(ctx context.Context, c *iterable.Client) error { return drop(c.Lists.Size(ctx, list)) }},
	{method: "Lists.Size", name: "unknown", status: 400, call: func(ctx context.Context, c *iterable.Client) error { return drop(c.Lists.Size(ctx, 7)) }},
}
