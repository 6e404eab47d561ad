package conformance

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/iteramp/iteramp/iterable"
	"github.com/iteramp/iteramp/iterable/iterabletest"
)

func update(ctx context.Context, c *iterable.Client, fields any) error {
	return c.Users.Update(ctx, iterable.UserUpdateRequest{UserID: bobID, DataFields: fields})
}

// tooMany are more fields than a project may have.
func tooMany() map[string]any {
	all := make(map[string]any)
	for i := range 1001 {
		all[fmt.Sprint("field", i)] = true
	}
	return all
}

// everybody is a profile with everything that one can have.
func everybody(ctx context.Context, c *iterable.Client) error {
	for _, do := range []call{
		func(ctx context.Context, c *iterable.Client) error {
			return c.Users.Update(ctx, iterable.UserUpdateRequest{Email: ann, UserID: "u-ann", DataFields: profile})
		},
		func(ctx context.Context, c *iterable.Client) error {
			return c.Users.RegisterDeviceToken(ctx, iterable.UserRegisterDeviceTokenRequest{Email: ann, Device: phone})
		},
		func(ctx context.Context, c *iterable.Client) error {
			return c.Users.RegisterBrowserToken(ctx, iterable.UserRegisterBrowserTokenRequest{Email: ann, BrowserToken: "b-1"})
		},
		func(ctx context.Context, c *iterable.Client) error {
			return c.Subscriptions.UnsubscribeByEmail(ctx, iterable.SubscriptionGroupMessageChannel, 71001, ann)
		},
	} {
		if err := do(ctx, c); err != nil {
			return err
		}
	}
	return nil
}

var userUses = []use{
	{method: "Users.Update", name: minimal, call: func(ctx context.Context, c *iterable.Client) error { return update(ctx, c, nil) }},
	{method: "Users.Update", name: full, call: func(ctx context.Context, c *iterable.Client) error {
		return c.Users.Update(ctx, filled(iterable.UserUpdateRequest{
			Email: ann, UserID: "u-ann", DataFields: profile, PreferUserID: true, MergeNestedObjects: true, CreateNewFields: new(false),
		}))
	}},
	{method: "Users.Update", name: "a malformed address", status: 400, call: func(ctx context.Context, c *iterable.Client) error {
		return c.Users.Update(ctx, iterable.UserUpdateRequest{Email: "not an address"})
	}},
	{method: "Users.Update", name: "a malformed userId", status: 400, call: func(ctx context.Context, c *iterable.Client) error {
		return c.Users.Update(ctx, iterable.UserUpdateRequest{UserID: "ends with a blank "})
	}},
	{method: "Users.Update", name: "forgotten", status: 409, call: func(ctx context.Context, c *iterable.Client) error {
		return c.Users.Update(ctx, iterable.UserUpdateRequest{Email: gone})
	}},
	{method: "Users.Update", name: "of two users", status: 409, call: func(ctx context.Context, c *iterable.Client) error {
		return c.Users.Update(ctx, iterable.UserUpdateRequest{Email: ann, UserID: bobID})
	}},
	{method: "Users.Update", name: "a field of another type", status: 400, call: func(ctx context.Context, c *iterable.Client) error {
		return update(ctx, c, map[string]any{"visits": "three"})
	}},
	{method: "Users.Update", name: "too many fields", status: 400, call: func(ctx context.Context, c *iterable.Client) error { return update(ctx, c, tooMany()) }},
	{method: "Users.Update", name: "fields that are no object", status: 400, broken: true, call: func(ctx context.Context, c *iterable.Client) error {
		return update(ctx, c, json.RawMessage(`"text"`))
	}},
	{method: "Users.Update", name: "past the rate", status: 429, call: func(ctx context.Context, c *iterable.Client) error {
		_ = update(ctx, c, nil)
		return update(ctx, c, nil)
	}, fake: func(f *iterabletest.Fake) {
		f.Rates = map[string]iterabletest.Rate{"POST /api/users/update": {Requests: 1}}
	}},
	{method: "Users.Update", name: "too large", status: 400, fake: func(f *iterabletest.Fake) { f.MaxBytes = 10 },
		call: func(ctx context.Context, c *iterable.Client) error { return update(ctx, c, profile) }},

	{method: "Users.BulkUpdate", name: minimal, call: func(ctx context.Context, c *iterable.Client) error {
		return drop(c.Users.BulkUpdate(ctx, iterable.UserBulkUpdateRequest{Users: []iterable.UserUpdate{{UserID: bobID}}}))
	}},
	{method: "Users.BulkUpdate", name: full, call: func(ctx context.Context, c *iterable.Client) error {
		return drop(c.Users.BulkUpdate(ctx, filled(iterable.UserBulkUpdateRequest{
			Users:           []iterable.UserUpdate{{Email: ann, UserID: "u-ann", DataFields: profile, PreferUserID: true, MergeNestedObjects: true}},
			CreateNewFields: new(true),
		})))
	}},
	{method: "Users.BulkUpdate", name: "every failure", failed: true, fake: everyReason, call: func(ctx context.Context, c *iterable.Client) error {
		return drop(c.Users.BulkUpdate(ctx, iterable.UserBulkUpdateRequest{Users: refusedUsers}))
	}},
	{method: "Users.BulkUpdate", name: "fields filtered out", fake: func(f *iterabletest.Fake) { f.DropNewFields = true },
		call: func(ctx context.Context, c *iterable.Client) error {
			return drop(c.Users.BulkUpdate(ctx, iterable.UserBulkUpdateRequest{Users: []iterable.UserUpdate{{UserID: bobID, DataFields: profile}}}))
		}},

	{method: "Users.Get", name: minimal, call: func(ctx context.Context, c *iterable.Client) error { return drop(c.Users.Get(ctx, bobID)) }},
	{method: "Users.Get", name: "unknown", failed: true, call: func(ctx context.Context, c *iterable.Client) error { return drop(c.Users.Get(ctx, "nobody")) }},
	{method: "Users.GetByEmail", name: minimal, call: func(ctx context.Context, c *iterable.Client) error { return drop(c.Users.GetByEmail(ctx, ann)) }},
	{method: "Users.GetByEmail", name: "with everything", call: func(ctx context.Context, c *iterable.Client) error {
		if err := everybody(ctx, c); err != nil {
			return err
		}
		return drop(c.Users.GetByEmail(ctx, ann))
	}},
	{method: "Users.GetByEmail", name: "malformed", status: 400, call: func(ctx context.Context, c *iterable.Client) error {
		return drop(c.Users.GetByEmail(ctx, "not an address"))
	}},
	{method: "Users.GetByPath", name: minimal, call: func(ctx context.Context, c *iterable.Client) error { return drop(c.Users.GetByPath(ctx, bobID)) }},
	{method: "Users.GetByPath", name: "a userId with what a path has", failed: true, call: func(ctx context.Context, c *iterable.Client) error {
		return drop(c.Users.GetByPath(ctx, "a/b?c#d%2e e"))
	}},
	{method: "Users.GetByEmailPath", name: minimal, call: func(ctx context.Context, c *iterable.Client) error { return drop(c.Users.GetByEmailPath(ctx, ann)) }},
	{method: "Users.GetByEmailPath", name: "unknown", failed: true, call: func(ctx context.Context, c *iterable.Client) error {
		return drop(c.Users.GetByEmailPath(ctx, "a+b@example.com"))
	}},
	{method: "Users.Delete", name: minimal, call: func(ctx context.Context, c *iterable.Client) error { return c.Users.Delete(ctx, bobID) }},
	{method: "Users.Delete", name: "unknown", status: 400, call: func(ctx context.Context, c *iterable.Client) error { return c.Users.Delete(ctx, "nobody") }},
	{method: "Users.DeleteByEmail", name: minimal, call: func(ctx context.Context, c *iterable.Client) error { return c.Users.DeleteByEmail(ctx, ann) }},
	{method: "Users.Fields", name: minimal, call: func(ctx context.Context, c *iterable.Client) error { return drop(c.Users.Fields(ctx)) }},

	{method: "Users.SentMessages", name: minimal, call: func(ctx context.Context, c *iterable.Client) error {
		return drop(c.Users.SentMessages(ctx, iterable.UserSentMessagesOptions{Email: ann}))
	}},
	{method: "Users.SentMessages", name: full, call: func(ctx context.Context, c *iterable.Client) error {
		return drop(c.Users.SentMessages(ctx, filled(iterable.UserSentMessagesOptions{
			Email: ann, UserID: "u-ann", Limit: 5, CampaignIDs: []int64{single, child}, Start: past, End: past, MessageMedium: iterable.MessageMediumEmail,
			ExcludeBlastCampaigns: true,
		})))
	}},
	{method: "Users.SentMessages", name: "of nobody", status: 400, call: func(ctx context.Context, c *iterable.Client) error {
		return drop(c.Users.SentMessages(ctx, iterable.UserSentMessagesOptions{}))
	}},
}
