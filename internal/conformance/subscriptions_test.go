package conformance

import (
	"context"

	"github.com/iteramp/iteramp/iterable"
	"github.com/iteramp/iteramp/iterable/iterabletest"
)

const (
	groupList    = iterable.SubscriptionGroupEmailList
	groupType    = iterable.SubscriptionGroupMessageType
	groupChannel = iterable.SubscriptionGroupMessageChannel
)

var texts = func(f *iterabletest.Fake) {
	f.MessageTypes = []iterabletest.MessageType{{ID: 82001, Name: "SMS", ChannelID: 71001, SubscriptionPolicy: "OptIn"}}
}

var subscriptionUses = []use{
	{method: "Subscriptions.Subscribe", name: minimal, status: 202, call: func(ctx context.Context, c *iterable.Client) error {
		return c.Subscriptions.Subscribe(ctx, groupList, list, bobID)
	}},
	{method: "Subscriptions.Subscribe", name: "unknown type", status: 404, call: func(ctx context.Context, c *iterable.Client) error {
		return c.Subscriptions.Subscribe(ctx, groupType, 7, bobID)
	}},
	{method: "Subscriptions.Subscribe", name: "not enabled", status: 404, fake: func(f *iterabletest.Fake) { f.NoSubscriptions = true },
		call: func(ctx context.Context, c *iterable.Client) error {
			return c.Subscriptions.Subscribe(ctx, groupList, list, bobID)
		}},
	{method: "Subscriptions.SubscribeByEmail", name: minimal, status: 202, call: func(ctx context.Context, c *iterable.Client) error {
		return c.Subscriptions.SubscribeByEmail(ctx, groupType, 81002, ann)
	}},
	{method: "Subscriptions.SubscribeByEmail", name: "forgotten", status: 409, call: func(ctx context.Context, c *iterable.Client) error {
		return c.Subscriptions.SubscribeByEmail(ctx, groupType, 81002, gone)
	}},
	{method: "Subscriptions.Unsubscribe", name: minimal, status: 202, call: func(ctx context.Context, c *iterable.Client) error {
		return c.Subscriptions.Unsubscribe(ctx, groupChannel, 71001, bobID)
	}},
	{method: "Subscriptions.UnsubscribeByEmail", name: minimal, status: 202, call: func(ctx context.Context, c *iterable.Client) error {
		return c.Subscriptions.UnsubscribeByEmail(ctx, groupList, list, ann)
	}},
	{method: "Subscriptions.UnsubscribeByEmail", name: "malformed", status: 400, call: func(ctx context.Context, c *iterable.Client) error {
		return c.Subscriptions.UnsubscribeByEmail(ctx, groupList, list, "not an address")
	}},

	{method: "Subscriptions.BulkUpdate", name: minimal, status: 202, call: func(ctx context.Context, c *iterable.Client) error {
		return c.Subscriptions.BulkUpdate(ctx, iterable.SubscriptionBulkUpdateRequest{
			Group: groupList, GroupID: list, Action: iterable.SubscriptionActionSubscribe, UserIDs: []string{bobID},
		})
	}},
	{method: "Subscriptions.BulkUpdate", name: full, status: 202, call: func(ctx context.Context, c *iterable.Client) error {
		return c.Subscriptions.BulkUpdate(ctx, filled(iterable.SubscriptionBulkUpdateRequest{
			Group: groupChannel, GroupID: 71001, Action: iterable.SubscriptionActionUnsubscribe, Emails: []string{ann}, UserIDs: []string{bobID},
		}))
	}},
	{method: "Subscriptions.BulkUpdate", name: "no action", status: 400, call: func(ctx context.Context, c *iterable.Client) error {
		return c.Subscriptions.BulkUpdate(ctx, iterable.SubscriptionBulkUpdateRequest{Group: groupList, GroupID: list})
	}},

	{method: "Subscriptions.DoubleOptIn", name: minimal, status: 202, fake: texts, call: func(ctx context.Context, c *iterable.Client) error {
		return c.Subscriptions.DoubleOptIn(ctx, iterable.SubscriptionDoubleOptInRequest{UserID: bobID, MessageTypeIDs: []int64{82001}})
	}},
	{method: "Subscriptions.DoubleOptIn", name: full, status: 202, fake: texts, call: func(ctx context.Context, c *iterable.Client) error {
		return c.Subscriptions.DoubleOptIn(ctx, filled(iterable.SubscriptionDoubleOptInRequest{
			Email: ann, UserID: "u-ann", PhoneNumber: "+15005550006", MessageTypeIDs: []int64{82001}, BrandName: "Example",
		}))
	}},
	{method: "Subscriptions.DoubleOptIn", name: "unknown type", status: 400, call: func(ctx context.Context, c *iterable.Client) error {
		return c.Subscriptions.DoubleOptIn(ctx, iterable.SubscriptionDoubleOptInRequest{UserID: bobID, MessageTypeIDs: []int64{7}})
	}},
}
