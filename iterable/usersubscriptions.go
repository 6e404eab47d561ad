package iterable

import (
	"context"
	"encoding/json"

	"github.com/iteramp/iteramp/internal/rest"
)

// UserUpdateSubscriptionsRequest replaces what a user is subscribed to. Of each list
// of ids, nil keeps what there is, and an empty one that is not nil clears it.
type UserUpdateSubscriptionsRequest struct {
	Email  string `json:"email,omitzero"` // one of the two
	UserID string `json:"userId,omitzero"`

	EmailListIDs               []int64 `json:"emailListIds,omitzero"` // membership of static lists
	UnsubscribedChannelIDs     []int64 `json:"unsubscribedChannelIds,omitzero"`
	UnsubscribedMessageTypeIDs []int64 `json:"unsubscribedMessageTypeIds,omitzero"`
	// SubscribedMessageTypeIDs are refused unless Iterable has enabled message
	// types with opt-in for the project.
	SubscribedMessageTypeIDs []int64 `json:"subscribedMessageTypeIds,omitzero"`

	CampaignID int64 `json:"campaignId,omitzero"` // what to attribute it to, if anything
	TemplateID int64 `json:"templateId,omitzero"`
	// ValidateChannelAlignment refuses subscriptions to message types whose channel
	// the user is unsubscribed from. Nil means true.
	ValidateChannelAlignment *bool `json:"validateChannelAlignment,omitzero"`
}

// UpdateSubscriptions replaces what a user is subscribed to, and creates the user in
// e-mail based projects. It is safe to repeat.
//
// Reference: https://api.iterable.com/api/docs#users_updateSubscriptions
func (s *UsersService) UpdateSubscriptions(ctx context.Context, req UserUpdateSubscriptionsRequest) error {
	return s.core.write(ctx, rest.Call{
		Method: "POST", Path: "/api/users/updateSubscriptions", Body: req, Idempotent: true,
		Private: hide(req.Email, req.UserID),
	})
}

// UserBulkUpdateSubscriptionsRequest replaces what many users are subscribed to.
type UserBulkUpdateSubscriptionsRequest struct {
	Updates []UserUpdateSubscriptionsRequest // any number
}

// BulkUpdateSubscriptions does for many users what
// [UsersService.UpdateSubscriptions] does for one. It sends at most 1,000 of them in
// a request, one after another, and is safe to repeat.
//
// The error is nil if all were accepted, else a [*BatchError]. There [ReasonFailed]
// is a user whom Iterable failed to write.
//
// Reference: https://api.iterable.com/api/docs#users_bulkUpdateSubscriptions
func (s *UsersService) BulkUpdateSubscriptions(ctx context.Context, req UserBulkUpdateSubscriptionsRequest) error {
	records := make([]record, len(req.Updates))
	for i, u := range req.Updates {
		records[i] = record{email: u.Email, userID: u.UserID, body: u}
	}
	b := bulk{core: s.core, path: "/api/users/bulkUpdateSubscriptions", idempotent: always, request: func(updates []json.RawMessage) any {
		return struct {
			Updates []json.RawMessage `json:"updateSubscriptionsRequests"`
		}{updates}
	}}
	_, err := b.run(ctx, records)
	return err
}
