package conformance

import (
	"context"

	"github.com/iteramp/iteramp/iterable"
	"github.com/iteramp/iteramp/iterable/iterabletest"
)

func emailBased(f *iterabletest.Fake) { f.ProjectType = iterable.ProjectTypeEmail }

var subscribed = iterable.UserUpdateSubscriptionsRequest{
	Email: ann, UserID: "u-ann", EmailListIDs: []int64{list}, UnsubscribedChannelIDs: []int64{71002}, UnsubscribedMessageTypeIDs: []int64{81003},
	SubscribedMessageTypeIDs: []int64{81002}, CampaignID: single, TemplateID: 9001, ValidateChannelAlignment: new(false),
}

// identityUses change who users are and what they are subscribed to.
var identityUses = []use{
	{method: "Users.UpdateEmail", name: minimal, fake: emailBased, call: func(ctx context.Context, c *iterable.Client) error {
		return c.Users.UpdateEmail(ctx, iterable.UserUpdateEmailRequest{CurrentEmail: ann, NewEmail: "new@example.com"})
	}},
	{method: "Users.UpdateEmail", name: full, fake: emailBased, call: func(ctx context.Context, c *iterable.Client) error {
		return c.Users.UpdateEmail(ctx, filled(iterable.UserUpdateEmailRequest{CurrentEmail: ann, CurrentUserID: "u-ann", NewEmail: "new@example.com"}))
	}},
	{method: "Users.UpdateEmail", name: "taken", status: 400, fake: func(f *iterabletest.Fake) { emailBased(f); f.AddUser("new@example.com", nil) },
		call: func(ctx context.Context, c *iterable.Client) error {
			return c.Users.UpdateEmail(ctx, iterable.UserUpdateEmailRequest{CurrentEmail: ann, NewEmail: "new@example.com"})
		}},
	{method: "Users.UpdateEmail", name: "forgotten", status: 409, fake: emailBased, call: func(ctx context.Context, c *iterable.Client) error {
		return c.Users.UpdateEmail(ctx, iterable.UserUpdateEmailRequest{CurrentEmail: gone, NewEmail: "new@example.com"})
	}},

	{method: "Users.Merge", name: minimal, call: func(ctx context.Context, c *iterable.Client) error {
		return c.Users.Merge(ctx, iterable.UserMergeRequest{SourceEmail: ann, DestinationUserID: bobID})
	}},
	{method: "Users.Merge", name: full, call: func(ctx context.Context, c *iterable.Client) error {
		return c.Users.Merge(ctx, filled(iterable.UserMergeRequest{
			SourceEmail: ann, SourceUserID: "u-ann", DestinationEmail: "new@example.com", DestinationUserID: bobID,
			ArrayMerge: []iterable.ArrayMerge{{Field: "tags", DedupeBy: "id"}},
		}))
	}},
	{method: "Users.Merge", name: "unknown", status: 400, call: func(ctx context.Context, c *iterable.Client) error {
		return c.Users.Merge(ctx, iterable.UserMergeRequest{SourceUserID: "nobody", DestinationUserID: bobID})
	}},

	{method: "Users.Forget", name: minimal, call: func(ctx context.Context, c *iterable.Client) error {
		return c.Users.Forget(ctx, iterable.UserForgetRequest{Email: ann})
	}},
	{method: "Users.Forget", name: full, call: func(ctx context.Context, c *iterable.Client) error {
		return c.Users.Forget(ctx, filled(iterable.UserForgetRequest{Email: ann, UserID: "u-ann"}))
	}},
	{method: "Users.Forget", name: "nobody", status: 400, call: func(ctx context.Context, c *iterable.Client) error {
		return c.Users.Forget(ctx, iterable.UserForgetRequest{})
	}},
	{method: "Users.Unforget", name: minimal, call: func(ctx context.Context, c *iterable.Client) error {
		return c.Users.Unforget(ctx, iterable.UserForgetRequest{Email: gone})
	}},
	{method: "Users.Unforget", name: full, call: func(ctx context.Context, c *iterable.Client) error {
		return c.Users.Unforget(ctx, filled(iterable.UserForgetRequest{Email: gone, UserID: "u-gone"}))
	}},
	{method: "Users.Forgotten", name: minimal, call: func(ctx context.Context, c *iterable.Client) error { return drop(c.Users.Forgotten(ctx)) }},
	{method: "Users.Forgotten", name: "in a project without addresses", status: 400,
		fake: func(f *iterabletest.Fake) { f.ProjectType = iterable.ProjectTypeUserID },
		call: func(ctx context.Context, c *iterable.Client) error { return drop(c.Users.Forgotten(ctx)) }},
	{method: "Users.ForgottenUserIDs", name: minimal, fake: func(f *iterabletest.Fake) { f.Forget("u-gone") },
		call: func(ctx context.Context, c *iterable.Client) error { return drop(c.Users.ForgottenUserIDs(ctx)) }},
	{method: "Users.ForgottenUserIDs", name: "in a project without userIds", status: 400, fake: emailBased,
		call: func(ctx context.Context, c *iterable.Client) error { return drop(c.Users.ForgottenUserIDs(ctx)) }},

	{method: "Users.UpdateSubscriptions", name: minimal, call: func(ctx context.Context, c *iterable.Client) error {
		return c.Users.UpdateSubscriptions(ctx, iterable.UserUpdateSubscriptionsRequest{Email: ann})
	}},
	{method: "Users.UpdateSubscriptions", name: full, call: func(ctx context.Context, c *iterable.Client) error {
		return c.Users.UpdateSubscriptions(ctx, filled(subscribed))
	}},
	{method: "Users.UpdateSubscriptions", name: "none of any", call: func(ctx context.Context, c *iterable.Client) error {
		none := []int64{}
		return c.Users.UpdateSubscriptions(ctx, iterable.UserUpdateSubscriptionsRequest{
			UserID: bobID, EmailListIDs: none, UnsubscribedChannelIDs: none, UnsubscribedMessageTypeIDs: none, SubscribedMessageTypeIDs: none,
		})
	}},
	{method: "Users.UpdateSubscriptions", name: "unknown list", status: 400, call: func(ctx context.Context, c *iterable.Client) error {
		return c.Users.UpdateSubscriptions(ctx, iterable.UserUpdateSubscriptionsRequest{Email: ann, EmailListIDs: []int64{7}})
	}},
	{method: "Users.BulkUpdateSubscriptions", name: minimal, call: func(ctx context.Context, c *iterable.Client) error {
		return c.Users.BulkUpdateSubscriptions(ctx, iterable.UserBulkUpdateSubscriptionsRequest{Updates: []iterable.UserUpdateSubscriptionsRequest{{Email: ann}}})
	}},
	{method: "Users.BulkUpdateSubscriptions", name: full, call: func(ctx context.Context, c *iterable.Client) error {
		return c.Users.BulkUpdateSubscriptions(ctx, filled(iterable.UserBulkUpdateSubscriptionsRequest{Updates: []iterable.UserUpdateSubscriptionsRequest{subscribed}}))
	}},
	{method: "Users.BulkUpdateSubscriptions", name: "failures", failed: true, call: func(ctx context.Context, c *iterable.Client) error {
		return c.Users.BulkUpdateSubscriptions(ctx, iterable.UserBulkUpdateSubscriptionsRequest{Updates: []iterable.UserUpdateSubscriptionsRequest{
			{Email: "not an address"}, {UserID: "ends with a blank "}, {Email: ann},
		}})
	}},
}
