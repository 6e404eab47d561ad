package iterable

import (
	"context"
	"net/url"
	"slices"

	"github.com/iteramp/iteramp/internal/rest"
)

const groupPath = "/api/subscriptions/{subscriptionGroup}/{subscriptionGroupId}"

// SubscriptionsService subscribes users to static lists, message types and channels.
// Iterable has to enable it for a project; until then each call is an [ErrNotFound].
//
// A success means that Iterable has taken the call. An e-mail address and a userId
// that are in each other's way are an [ErrConflict]. In e-mail based projects a user
// who does not exist is created.
//
// Reference: https://api.iterable.com/api/docs#subscriptions
type SubscriptionsService struct{ core *core }

// SubscriptionGroup is what a user subscribes to.
type SubscriptionGroup string

// The groups. The id that goes with each is that of a list, a message type or a
// channel.
const (
	SubscriptionGroupEmailList      SubscriptionGroup = "emailList"
	SubscriptionGroupMessageType    SubscriptionGroup = "messageType"
	SubscriptionGroupMessageChannel SubscriptionGroup = "messageChannel"
)

// Subscribe subscribes the user with the userId. It is safe to repeat.
//
// Reference: https://api.iterable.com/api/docs#subscriptions_subscribeSingleUserByUserId
func (s *SubscriptionsService) Subscribe(ctx context.Context, group SubscriptionGroup, groupID int64, userID string) error {
	return s.one(ctx, "PATCH", groupPath+"/byUserId/{userId}", group, groupID, userID)
}

// SubscribeByEmail subscribes the user with the e-mail address. It is safe to
// repeat.
//
// Reference: https://api.iterable.com/api/docs#subscriptions_subscribeSingleUser
func (s *SubscriptionsService) SubscribeByEmail(ctx context.Context, group SubscriptionGroup, groupID int64, email string) error {
	return s.one(ctx, "PATCH", groupPath+"/user/{userEmail}", group, groupID, email)
}

// Unsubscribe unsubscribes the user with the userId. It is safe to repeat.
//
// Reference: https://api.iterable.com/api/docs#subscriptions_unsubscribeSingleUserByUserId
func (s *SubscriptionsService) Unsubscribe(ctx context.Context, group SubscriptionGroup, groupID int64, userID string) error {
	return s.one(ctx, "DELETE", groupPath+"/byUserId/{userId}", group, groupID, userID)
}

// UnsubscribeByEmail unsubscribes the user with the e-mail address. It is safe to
// repeat.
//
// Reference: https://api.iterable.com/api/docs#subscriptions_unsubscribeSingleUser
func (s *SubscriptionsService) UnsubscribeByEmail(ctx context.Context, group SubscriptionGroup, groupID int64, email string) error {
	return s.one(ctx, "DELETE", groupPath+"/user/{userEmail}", group, groupID, email)
}

func (s *SubscriptionsService) one(ctx context.Context, method, path string, group SubscriptionGroup, groupID int64, user string) error {
	return s.core.take(ctx, rest.Call{
		Method: method, Path: path, Args: []string{string(group), id(groupID), user}, Idempotent: true,
	})
}

// SubscriptionAction is what to do with users' subscriptions.
type SubscriptionAction string

// The actions.
const (
	SubscriptionActionSubscribe   SubscriptionAction = "subscribe"
	SubscriptionActionUnsubscribe SubscriptionAction = "unsubscribe"
)

// SubscriptionBulkUpdateRequest subscribes or unsubscribes many users. Both kinds of
// identifiers may be mixed.
type SubscriptionBulkUpdateRequest struct {
	Group   SubscriptionGroup
	GroupID int64
	Action  SubscriptionAction
	Emails  []string
	UserIDs []string
}

// BulkUpdate subscribes or unsubscribes many users in one request. Iterable states
// no greatest number of them and does not say what becomes of each. It is safe to
// repeat.
//
// Reference: https://api.iterable.com/api/docs#subscriptions_Bulk_subscription_action
func (s *SubscriptionsService) BulkUpdate(ctx context.Context, req SubscriptionBulkUpdateRequest) error {
	return s.core.take(ctx, rest.Call{
		Method: "PUT", Path: groupPath, Args: []string{string(req.Group), id(req.GroupID)},
		Query: url.Values{"action": {string(req.Action)}},
		Body: struct {
			Emails  []string `json:"users,omitzero"`
			UserIDs []string `json:"usersByUserId,omitzero"`
		}{req.Emails, req.UserIDs},
		Idempotent: true,
		Private:    func() []string { return slices.Concat(req.Emails, req.UserIDs) },
	})
}

// SubscriptionDoubleOptInRequest asks a user to confirm a subscription by SMS.
type SubscriptionDoubleOptInRequest struct {
	Email          string  `json:"email,omitzero"`
	UserID         string  `json:"userId,omitzero"`
	PhoneNumber    string  `json:"phoneNumber,omitzero"`
	MessageTypeIDs []int64 `json:"messageTypeIds"` // of SMS, with double opt-in
	BrandName      string  `json:"brandName,omitzero"`
}

// DoubleOptIn sends the user a message that asks for the confirmation. A second call
// would send a second, so it is not repeated after it was cut off.
//
// Reference: https://api.iterable.com/api/docs#subscriptions_subscribeSingleUserToDoubleOptIn
func (s *SubscriptionsService) DoubleOptIn(ctx context.Context, req SubscriptionDoubleOptInRequest) error {
	return s.core.take(ctx, rest.Call{
		Method: "POST", Path: "/api/subscriptions/subscribeToDoubleOptIn", Body: req,
		Private: hide(req.Email, req.UserID, req.PhoneNumber),
	})
}
