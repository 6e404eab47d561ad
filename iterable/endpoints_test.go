package iterable

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// endpoint is an operation as the reference has it.
type endpoint struct {
	op        string
	call      func(context.Context, *Client) (any, error)
	uri, body string // as they go out; the body is JSON
	status    int    // zero means 200
	reply     string
	want      any

	shape  shape
	repeat bool // a repeat cannot harm
}

// shape is what a success looks like.
type shape int

const (
	object_ shape = iota // JSON with some field
	free                 // anything but a page and half of an object
	lines                // text, of which an empty one is whole
	user                 // an object that may be empty: there is no such user
	table                // CSV
	scalar               // a number
)

const (
	success = `{"msg":"","code":"Success","params":null}`
	counted = `{"successCount":1,"failCount":0,"invalidEmails":[],"invalidUserIds":[],"createdFields":["plan"],"filteredOutFields":[],"failedUpdates":{"conflictEmails":[],"notFoundUserIds":[]}}`
	profile = `{"user":{"email":"ann@example.com","userId":"u-1001","dataFields":{"big":9007199254740993,"email":"ann@example.com"}}}`
)

func nothing(err error) (any, error) { return nil, err }

func collect[T any](seq func(func(T, error) bool)) (any, error) {
	var all []T
	for v, err := range seq {
		if err != nil {
			return all, err
		}
		all = append(all, v)
	}
	return all, nil
}

var (
	created = time.Date(2026, 5, 4, 7, 31, 12, 0, time.UTC)
	ann     = User{Email: "ann@example.com", UserID: "u-1001", DataFields: json.RawMessage(`{"big":9007199254740993,"email":"ann@example.com"}`)}
	spring  = Campaign{
		ID: 7001, Name: "Spring", Type: CampaignTypeBlast, State: CampaignStateFinished, MessageMedium: MessageMediumEmail,
		TemplateID: 9001, RecurringCampaignID: 6000, WorkflowID: 12, ListIDs: []int64{42}, SuppressionListIDs: []int64{43},
		Labels: []string{"sale"}, SendSize: 120, CreatedAt: created, UpdatedAt: created, StartAt: created, EndedAt: created,
		CreatedByUserID: "ops@example.com", UpdatedByUserID: "ops@example.com",
	}
)

const springJSON = `{"id":7001,"name":"Spring","type":"Blast","campaignState":"Finished","messageMedium":"Email","templateId":9001,
	"recurringCampaignId":6000,"workflowId":12,"listIds":[42],"suppressionListIds":[43],"labels":["sale"],"sendSize":120,
	"createdAt":1777879872000,"updatedAt":1777879872000,"startAt":1777879872000,"endedAt":"1777879872000",
	"createdByUserId":"ops@example.com","updatedByUserId":"ops@example.com","unknown":{"x":1}}`

// endpoints are all operations with a method of their own. Those with more ways to
// be called have more rows.
var endpoints = []endpoint{
	{op: "GET /api/lists", uri: "/api/lists", repeat: true,
		call:  func(ctx context.Context, c *Client) (any, error) { return c.Lists.List(ctx) },
		reply: `{"lists":[{"id":42,"name":"VIP","description":"d","listType":"Standard","createdAt":1777879872000},{"id":43,"name":"S","listType":"Brand-new","createdAt":1777879872000,"isGlobalSuppressionEnabled":true}]}`,
		want: []List{{ID: 42, Name: "VIP", Description: "d", Type: ListTypeStandard, CreatedAt: created},
			{ID: 43, Name: "S", Type: "Brand-new", CreatedAt: created, GlobalSuppression: new(true)}}},
	{op: "POST /api/lists", uri: "/api/lists", body: `{"name":"VIP","description":"d"}`,
		call: func(ctx context.Context, c *Client) (any, error) {
			return c.Lists.Create(ctx, ListCreateRequest{Name: "VIP", Description: "d"})
		},
		reply: `{"listId":4294967297}`, want: int64(4294967297)},
	{op: "DELETE /api/lists/{listId}", uri: "/api/lists/42", repeat: true,
		call:  func(ctx context.Context, c *Client) (any, error) { return nothing(c.Lists.Delete(ctx, 42)) },
		reply: `{"msg":"List 42 in Project 2158 was successfully deleted.","code":"Success","params":null}`},
	{op: "POST /api/lists/subscribe", uri: "/api/lists/subscribe", repeat: true,
		body: `{"listId":42,"subscribers":[{"userId":"u-1001","dataFields":{"plan":"<gold>"},"preferUserId":true,"mergeNestedObjects":true}],"updateExistingUsersOnly":true}`,
		call: func(ctx context.Context, c *Client) (any, error) {
			return c.Lists.Subscribe(ctx, ListSubscribeRequest{ListID: 42, UpdateExistingUsersOnly: true, Subscribers: []Subscriber{
				{UserID: "u-1001", DataFields: map[string]any{"plan": "<gold>"}, PreferUserID: true, MergeNestedObjects: true},
			}})
		},
		reply: counted, want: BulkResult{CreatedFields: []string{"plan"}}},
	{op: "POST /api/lists/unsubscribe", uri: "/api/lists/unsubscribe", repeat: true,
		body: `{"listId":42,"subscribers":[{"email":"ann@example.com"}],"campaignId":77,"channelUnsubscribe":true}`,
		call: func(ctx context.Context, c *Client) (any, error) {
			return c.Lists.Unsubscribe(ctx, ListUnsubscribeRequest{ListID: 42, CampaignID: 77, ChannelUnsubscribe: true, Subscribers: []Unsubscriber{{Email: "ann@example.com"}}})
		},
		reply: counted, want: BulkResult{CreatedFields: []string{"plan"}}},
	{op: "POST /api/lists/unsubscribe", uri: "/api/lists/unsubscribe", repeat: true,
		body: `{"listId":42,"subscribers":[{"userId":"u-1001"}],"channelUnsubscribe":false}`,
		call: func(ctx context.Context, c *Client) (any, error) {
			return c.Lists.Unsubscribe(ctx, ListUnsubscribeRequest{ListID: 42, Subscribers: []Unsubscriber{{UserID: "u-1001"}}})
		},
		reply: counted, want: BulkResult{CreatedFields: []string{"plan"}}},
	{op: "GET /api/lists/getUsers", uri: "/api/lists/getUsers?listId=42&preferUserId=true", shape: lines, repeat: true,
		call: func(ctx context.Context, c *Client) (any, error) {
			return collect(c.Lists.Members(ctx, 42, ListMembersOptions{PreferUserID: true}))
		},
		reply: "u-1001\r\n\nann@example.com", want: []string{"u-1001", "ann@example.com"}},
	{op: "GET /api/lists/previewUsers", uri: "/api/lists/previewUsers?listId=42&preferUserId=false&size=5000", shape: lines, repeat: true,
		call: func(ctx context.Context, c *Client) (any, error) {
			return collect(c.Lists.Preview(ctx, 42, ListPreviewOptions{Size: 5000}))
		},
		reply: "u-1001\n", want: []string{"u-1001"}},
	{op: "GET /api/lists/{listId}/size", uri: "/api/lists/42/size", shape: scalar, repeat: true,
		call:  func(ctx context.Context, c *Client) (any, error) { return c.Lists.Size(ctx, 42) },
		reply: " 1234567\n", want: 1234567},

	{op: "POST /api/users/update", uri: "/api/users/update", repeat: true,
		body: `{"email":"ann@example.com","userId":"u-1001","dataFields":{"plan":"gold"},"preferUserId":true,"mergeNestedObjects":true,"createNewFields":false}`,
		call: func(ctx context.Context, c *Client) (any, error) {
			return nothing(c.Users.Update(ctx, UserUpdateRequest{
				Email: "ann@example.com", UserID: "u-1001", DataFields: json.RawMessage(`{"plan":"gold"}`),
				PreferUserID: true, MergeNestedObjects: true, CreateNewFields: new(false),
			}))
		},
		reply: success},
	{op: "POST /api/users/update", uri: "/api/users/update", repeat: true, body: `{"userId":"u-1001"}`,
		call: func(ctx context.Context, c *Client) (any, error) {
			return nothing(c.Users.Update(ctx, UserUpdateRequest{UserID: "u-1001", DataFields: map[string]any(nil)}))
		},
		reply: success},
	{op: "POST /api/users/bulkUpdate", uri: "/api/users/bulkUpdate", repeat: true,
		body: `{"users":[{"userId":"u-1001","dataFields":{"plan":"gold"}}],"createNewFields":true}`,
		call: func(ctx context.Context, c *Client) (any, error) {
			return c.Users.BulkUpdate(ctx, UserBulkUpdateRequest{CreateNewFields: new(true), Users: []UserUpdate{{UserID: "u-1001", DataFields: struct {
				Plan string `json:"plan"`
			}{"gold"}}}})
		},
		reply: counted, want: BulkResult{CreatedFields: []string{"plan"}}},
	{op: "POST /api/users/bulkUpdate", uri: "/api/users/bulkUpdate", repeat: true, body: `{"users":[{"userId":"u-1001"}]}`,
		call: func(ctx context.Context, c *Client) (any, error) {
			return c.Users.BulkUpdate(ctx, UserBulkUpdateRequest{Users: []UserUpdate{{UserID: "u-1001", DataFields: json.RawMessage(nil)}}})
		},
		reply: counted, want: BulkResult{CreatedFields: []string{"plan"}}},
	{op: "GET /api/users/byUserId", uri: "/api/users/byUserId?userId=a%26email%3Dv%40x", shape: user, repeat: true,
		call:  func(ctx context.Context, c *Client) (any, error) { return c.Users.Get(ctx, "a&email=v@x") },
		reply: profile, want: ann},
	{op: "GET /api/users/getByEmail", uri: "/api/users/getByEmail?email=50%25off%2Bx%40example.com", shape: user, repeat: true,
		call: func(ctx context.Context, c *Client) (any, error) {
			return c.Users.GetByEmail(ctx, "50%off+x@example.com")
		},
		reply: profile, want: ann},
	{op: "GET /api/users/byUserId/{userId}", uri: "/api/users/byUserId/..%2F..%2Flists%2F42", shape: user, repeat: true,
		call:  func(ctx context.Context, c *Client) (any, error) { return c.Users.GetByPath(ctx, "../../lists/42") },
		reply: profile, want: ann},
	{op: "GET /api/users/{email}", uri: "/api/users/we%3Fird@example.com", shape: user, repeat: true,
		call: func(ctx context.Context, c *Client) (any, error) {
			return c.Users.GetByEmailPath(ctx, "we?ird@example.com")
		},
		reply: profile, want: ann},
	{op: "DELETE /api/users/byUserId/{userId}", uri: "/api/users/byUserId/..%2F..%2Flists%2F42", repeat: true,
		call: func(ctx context.Context, c *Client) (any, error) {
			return nothing(c.Users.Delete(ctx, "../../lists/42"))
		},
		reply: success},
	{op: "DELETE /api/users/{email}", uri: "/api/users/we%3Fird%23%2F50%25@example.com", repeat: true,
		call: func(ctx context.Context, c *Client) (any, error) {
			return nothing(c.Users.DeleteByEmail(ctx, "we?ird#/50%@example.com"))
		},
		reply: success},
	{op: "GET /api/users/getFields", uri: "/api/users/getFields", repeat: true,
		call:  func(ctx context.Context, c *Client) (any, error) { return c.Users.Fields(ctx) },
		reply: `{"fields":{"plan":"string","signupDate":"date"}}`, want: map[string]string{"plan": "string", "signupDate": "date"}},
	{op: "GET /api/users/getSentMessages", repeat: true,
		uri: "/api/users/getSentMessages?campaignIds=7&campaignIds=8&endDateTime=2026-05-05+00%3A00%3A00+%2B02%3A00&excludeBlastCampaigns=true&limit=1000&messageMedium=SMS&startDateTime=2026-05-04+07%3A31%3A12+%2B00%3A00&userId=u-1001",
		call: func(ctx context.Context, c *Client) (any, error) {
			return c.Users.SentMessages(ctx, UserSentMessagesOptions{
				UserID: "u-1001", Limit: 1000, CampaignIDs: []int64{7, 8}, Start: created, MessageMedium: MessageMediumSMS, ExcludeBlastCampaigns: true,
				End: time.Date(2026, 5, 5, 0, 0, 0, 0, time.FixedZone("", 7200)),
			})
		},
		reply: `{"messages":[{"messageId":"m1","campaignId":7,"templateId":9,"createdAt":"2026-05-04 07:31:12 +00:00"}]}`,
		want:  []SentMessage{{MessageID: "m1", CampaignID: 7, TemplateID: 9, CreatedAt: created}}},
	{op: "GET /api/users/getSentMessages", repeat: true, uri: "/api/users/getSentMessages?email=a%2Bb%40example.com",
		call: func(ctx context.Context, c *Client) (any, error) {
			return c.Users.SentMessages(ctx, UserSentMessagesOptions{Email: "a+b@example.com"})
		},
		reply: `{"messages":[]}`, want: []SentMessage{}},
	{op: "POST /api/users/updateEmail", uri: "/api/users/updateEmail", body: `{"currentUserId":"u-1001","newEmail":"new@example.com"}`,
		call: func(ctx context.Context, c *Client) (any, error) {
			return nothing(c.Users.UpdateEmail(ctx, UserUpdateEmailRequest{CurrentUserID: "u-1001", NewEmail: "new@example.com"}))
		},
		reply: success},
	{op: "POST /api/users/merge", uri: "/api/users/merge",
		body: `{"sourceEmail":"a@example.com","destinationUserId":"u-1001","arrayMerge":[{"field":"cars","dedupeBy":"vin"},{"field":"tags"}]}`,
		call: func(ctx context.Context, c *Client) (any, error) {
			return nothing(c.Users.Merge(ctx, UserMergeRequest{
				SourceEmail: "a@example.com", DestinationUserID: "u-1001", ArrayMerge: []ArrayMerge{{"cars", "vin"}, {Field: "tags"}},
			}))
		},
		reply: success},
	{op: "POST /api/users/merge", uri: "/api/users/merge", body: `{"sourceUserId":"u-1","destinationEmail":"a@example.com"}`,
		call: func(ctx context.Context, c *Client) (any, error) {
			return nothing(c.Users.Merge(ctx, UserMergeRequest{SourceUserID: "u-1", DestinationEmail: "a@example.com"}))
		},
		reply: success},
	{op: "POST /api/users/forget", uri: "/api/users/forget", body: `{"userId":"u-1001"}`, repeat: true,
		call: func(ctx context.Context, c *Client) (any, error) {
			return nothing(c.Users.Forget(ctx, UserForgetRequest{UserID: "u-1001"}))
		},
		reply: success},
	{op: "POST /api/users/unforget", uri: "/api/users/unforget", body: `{"email":"ann@example.com"}`, repeat: true,
		call: func(ctx context.Context, c *Client) (any, error) {
			return nothing(c.Users.Unforget(ctx, UserForgetRequest{Email: "ann@example.com"}))
		},
		reply: success},
	{op: "GET /api/users/forgotten", uri: "/api/users/forgotten", repeat: true,
		call:  func(ctx context.Context, c *Client) (any, error) { return c.Users.Forgotten(ctx) },
		reply: `{"hashedEmails":["ab12"]}`, want: []string{"ab12"}},
	{op: "GET /api/users/forgottenUserIds", uri: "/api/users/forgottenUserIds", repeat: true,
		call:  func(ctx context.Context, c *Client) (any, error) { return c.Users.ForgottenUserIDs(ctx) },
		reply: `{"hashedUserIds":["cd34"]}`, want: []string{"cd34"}},
	{op: "POST /api/users/updateSubscriptions", uri: "/api/users/updateSubscriptions", repeat: true,
		body: `{"email":"ann@example.com","emailListIds":[42],"unsubscribedChannelIds":[],"subscribedMessageTypeIds":[1,2],"campaignId":7,"templateId":9,"validateChannelAlignment":false}`,
		call: func(ctx context.Context, c *Client) (any, error) {
			return nothing(c.Users.UpdateSubscriptions(ctx, UserUpdateSubscriptionsRequest{
				Email: "ann@example.com", EmailListIDs: []int64{42}, UnsubscribedChannelIDs: []int64{}, SubscribedMessageTypeIDs: []int64{1, 2},
				CampaignID: 7, TemplateID: 9, ValidateChannelAlignment: new(false),
			}))
		},
		reply: success},
	{op: "POST /api/users/bulkUpdateSubscriptions", uri: "/api/users/bulkUpdateSubscriptions", repeat: true,
		body: `{"updateSubscriptionsRequests":[{"userId":"u-1001","emailListIds":[],"unsubscribedMessageTypeIds":[3]}]}`,
		call: func(ctx context.Context, c *Client) (any, error) {
			return nothing(c.Users.BulkUpdateSubscriptions(ctx, UserBulkUpdateSubscriptionsRequest{Updates: []UserUpdateSubscriptionsRequest{
				{UserID: "u-1001", EmailListIDs: []int64{}, UnsubscribedMessageTypeIDs: []int64{3}},
			}}))
		},
		reply: `{"successCount":1,"failCount":0,"invalidEmails":[],"invalidUserIds":[],"validEmailFailures":[],"validUserIdFailures":[]}`},
	{op: "POST /api/users/registerDeviceToken", uri: "/api/users/registerDeviceToken", repeat: true,
		body: `{"userId":"u-1001","device":{"token":"tok-1","platform":"APNS_SANDBOX","applicationName":"app","dataFields":{"v":1}},"preferUserId":true}`,
		call: func(ctx context.Context, c *Client) (any, error) {
			return nothing(c.Users.RegisterDeviceToken(ctx, UserRegisterDeviceTokenRequest{UserID: "u-1001", PreferUserID: true,
				Device: Device{Token: "tok-1", Platform: DevicePlatformAPNSSandbox, ApplicationName: "app", DataFields: map[string]any{"v": 1}}}))
		},
		reply: success},
	{op: "POST /api/users/disableDevice", uri: "/api/users/disableDevice", body: `{"token":"tok-1","email":"ann@example.com"}`, repeat: true,
		call: func(ctx context.Context, c *Client) (any, error) {
			return nothing(c.Users.DisableDevice(ctx, UserDisableDeviceRequest{Token: "tok-1", Email: "ann@example.com"}))
		},
		reply: success},
	{op: "POST /api/users/registerBrowserToken", uri: "/api/users/registerBrowserToken", body: `{"browserToken":"tok-1","userId":"u-1001"}`, repeat: true,
		call: func(ctx context.Context, c *Client) (any, error) {
			return nothing(c.Users.RegisterBrowserToken(ctx, UserRegisterBrowserTokenRequest{BrowserToken: "tok-1", UserID: "u-1001"}))
		},
		reply: success},
	{op: "POST /api/auth/jwts/invalidate", uri: "/api/auth/jwts/invalidate", body: `{"userId":"u-1001","issuedBefore":1777879872000}`, shape: free, repeat: true,
		call: func(ctx context.Context, c *Client) (any, error) {
			return nothing(c.Users.InvalidateJWTs(ctx, UserInvalidateJWTsRequest{UserID: "u-1001", IssuedBefore: created}))
		}},
	{op: "POST /api/auth/jwts/invalidate", uri: "/api/auth/jwts/invalidate", body: `{"email":"ann@example.com"}`, shape: free, repeat: true, reply: success,
		call: func(ctx context.Context, c *Client) (any, error) {
			return nothing(c.Users.InvalidateJWTs(ctx, UserInvalidateJWTsRequest{Email: "ann@example.com"}))
		}},

	{op: "POST /api/events/track", uri: "/api/events/track", repeat: true,
		body: `{"eventName":"Bought","userId":"u-1001","id":"evt-1","createdAt":1777879872,"dataFields":{"a":"<b>"},"campaignId":7,"templateId":9,"createNewFields":false}`,
		call: func(ctx context.Context, c *Client) (any, error) {
			return c.Events.Track(ctx, Event{Name: "Bought", UserID: "u-1001", ID: "evt-1", CreatedAt: created.Add(999 * time.Millisecond),
				DataFields: map[string]any{"a": "<b>"}, CampaignID: 7, TemplateID: 9, CreateNewFields: new(false)})
		},
		reply: `{"msg":"Event with id: evt-1 tracked.","code":"Success","params":{"id":"evt-1"}}`, want: "evt-1"},
	{op: "POST /api/events/track", uri: "/api/events/track", body: `{"eventName":"Bought","email":"ann@example.com"}`,
		call: func(ctx context.Context, c *Client) (any, error) {
			return c.Events.Track(ctx, Event{Name: "Bought", Email: "ann@example.com", DataFields: map[string]any(nil)})
		},
		reply: success, want: ""},
	{op: "POST /api/events/trackBulk", uri: "/api/events/trackBulk", repeat: true,
		body: `{"events":[{"eventName":"Bought","userId":"u-1001","id":"evt-1","createdAt":1777879872},{"eventName":"Sold","email":"ann@example.com","id":"e-2"}]}`,
		call: func(ctx context.Context, c *Client) (any, error) {
			return c.Events.TrackBulk(ctx, EventTrackBulkRequest{Events: []Event{
				{Name: "Bought", UserID: "u-1001", ID: "evt-1", CreatedAt: created}, {Name: "Sold", Email: "ann@example.com", ID: "e-2"},
			}})
		},
		reply: `{"successCount":2,"failCount":0,"filteredOutFields":["color"],"disallowedEventNames":[]}`, want: BulkResult{FilteredOutFields: []string{"color"}}},
	{op: "POST /api/events/trackBulk", uri: "/api/events/trackBulk",
		body: `{"events":[{"eventName":"Bought","userId":"u-1001","id":"evt-1"},{"eventName":"Sold","userId":"u-1001"}]}`,
		call: func(ctx context.Context, c *Client) (any, error) {
			return c.Events.TrackBulk(ctx, EventTrackBulkRequest{Events: []Event{{Name: "Bought", UserID: "u-1001", ID: "evt-1"}, {Name: "Sold", UserID: "u-1001"}}})
		},
		reply: `{"successCount":2,"failCount":0}`, want: BulkResult{}},
	{op: "GET /api/events/byUserId/{userId}", uri: "/api/events/byUserId/a&b%2Fc?limit=200", repeat: true,
		call: func(ctx context.Context, c *Client) (any, error) {
			return c.Events.List(ctx, "a&b/c", EventListOptions{Limit: 200})
		},
		reply: `{"events":[{"eventName":"Bought","createdAt":"2026-05-04 07:31:12 +00:00","dataFields":{"n":9007199254740993}}]}`,
		want:  []json.RawMessage{json.RawMessage(`{"eventName":"Bought","createdAt":"2026-05-04 07:31:12 +00:00","dataFields":{"n":9007199254740993}}`)}},
	{op: "GET /api/events/{email}", uri: "/api/events/50%25@example.com", repeat: true,
		call: func(ctx context.Context, c *Client) (any, error) {
			return c.Events.ListByEmail(ctx, "50%@example.com", EventListOptions{})
		},
		reply: `{"events":[]}`, want: []json.RawMessage{}},

	{op: "PATCH /api/subscriptions/{subscriptionGroup}/{subscriptionGroupId}/byUserId/{userId}", shape: free, repeat: true,
		uri: "/api/subscriptions/messageType/5/byUserId/u%2F1", reply: success,
		call: func(ctx context.Context, c *Client) (any, error) {
			return nothing(c.Subscriptions.Subscribe(ctx, SubscriptionGroupMessageType, 5, "u/1"))
		}},
	{op: "PATCH /api/subscriptions/{subscriptionGroup}/{subscriptionGroupId}/user/{userEmail}", shape: free, repeat: true,
		uri: "/api/subscriptions/emailList/42/user/ann@example.com", status: 204,
		call: func(ctx context.Context, c *Client) (any, error) {
			return nothing(c.Subscriptions.SubscribeByEmail(ctx, SubscriptionGroupEmailList, 42, "ann@example.com"))
		}},
	{op: "DELETE /api/subscriptions/{subscriptionGroup}/{subscriptionGroupId}/byUserId/{userId}", shape: free, repeat: true,
		uri: "/api/subscriptions/messageChannel/6/byUserId/u-1001", status: 202, reply: `{"msg":"","code":"Accepted","params":null}`,
		call: func(ctx context.Context, c *Client) (any, error) {
			return nothing(c.Subscriptions.Unsubscribe(ctx, SubscriptionGroupMessageChannel, 6, "u-1001"))
		}},
	{op: "DELETE /api/subscriptions/{subscriptionGroup}/{subscriptionGroupId}/user/{userEmail}", shape: free, repeat: true,
		uri: "/api/subscriptions/emailList/42/user/ann@example.com", status: 202,
		call: func(ctx context.Context, c *Client) (any, error) {
			return nothing(c.Subscriptions.UnsubscribeByEmail(ctx, SubscriptionGroupEmailList, 42, "ann@example.com"))
		}},
	{op: "PUT /api/subscriptions/{subscriptionGroup}/{subscriptionGroupId}", shape: free, repeat: true,
		uri: "/api/subscriptions/emailList/42?action=unsubscribe", body: `{"users":["ann@example.com"],"usersByUserId":["u-1001"]}`, status: 202,
		call: func(ctx context.Context, c *Client) (any, error) {
			return nothing(c.Subscriptions.BulkUpdate(ctx, SubscriptionBulkUpdateRequest{
				Group: SubscriptionGroupEmailList, GroupID: 42, Action: SubscriptionActionUnsubscribe, Emails: []string{"ann@example.com"}, UserIDs: []string{"u-1001"},
			}))
		}},
	{op: "POST /api/subscriptions/subscribeToDoubleOptIn", uri: "/api/subscriptions/subscribeToDoubleOptIn", shape: free,
		body: `{"userId":"u-1001","phoneNumber":"+15550100","messageTypeIds":[5],"brandName":"Acme"}`, status: 202, reply: "Accepted",
		call: func(ctx context.Context, c *Client) (any, error) {
			return nothing(c.Subscriptions.DoubleOptIn(ctx, SubscriptionDoubleOptInRequest{UserID: "u-1001", PhoneNumber: "+15550100", MessageTypeIDs: []int64{5}, BrandName: "Acme"}))
		}},

	{op: "GET /api/webhooks", uri: "/api/webhooks", repeat: true,
		call:  func(ctx context.Context, c *Client) (any, error) { return c.Webhooks.List(ctx) },
		reply: `{"webhooks":[{"id":3,"endpoint":"https://relay.example/x","authType":"Basic","enabled":true,"blastSendEnabled":false,"triggeredSendEnabled":true,"channelIds":[1],"messageTypeIds":[2]}]}`,
		want: []Webhook{{ID: 3, Endpoint: "https://relay.example/x", AuthType: WebhookAuthTypeBasic, Enabled: true, TriggeredSendEnabled: true,
			ChannelIDs: []int64{1}, MessageTypeIDs: []int64{2}}}},
	{op: "POST /api/webhooks", uri: "/api/webhooks", repeat: true,
		body: `{"id":3,"endpoint":"https://relay.example/x","authType":"OAuth2","authToken":"the-token","headers":[{"key":"A","value":"value-1"},{"key":"B","value":"value-2"}],"enabled":true,"blastSendEnabled":false,"triggeredSendEnabled":true}`,
		call: func(ctx context.Context, c *Client) (any, error) {
			return c.Webhooks.Update(ctx, WebhookUpdateRequest{ID: 3, Endpoint: "https://relay.example/x", AuthType: WebhookAuthTypeOAuth2, AuthToken: "the-token",
				Headers: map[string]string{"B": "value-2", "A": "value-1"}, Enabled: new(true), BlastSendEnabled: new(false), TriggeredSendEnabled: new(true)})
		},
		reply: `{"id":3,"endpoint":"https://relay.example/x","authType":"OAuth2","enabled":true,"blastSendEnabled":false,"triggeredSendEnabled":true}`,
		want:  Webhook{ID: 3, Endpoint: "https://relay.example/x", AuthType: WebhookAuthTypeOAuth2, Enabled: true, TriggeredSendEnabled: true}},
	{op: "POST /api/webhooks", uri: "/api/webhooks", body: `{"id":3,"headers":[]}`, repeat: true,
		call: func(ctx context.Context, c *Client) (any, error) {
			return c.Webhooks.Update(ctx, WebhookUpdateRequest{ID: 3, Headers: map[string]string{}})
		},
		reply: `{"id":3,"endpoint":"","authType":"NoAuth"}`, want: Webhook{ID: 3, AuthType: WebhookAuthTypeNone}},

	{op: "GET /api/campaigns", repeat: true,
		uri: "/api/campaigns?campaignState=Finished&campaignState=Running&page=2&pageSize=50&sort=-createdAt",
		call: func(ctx context.Context, c *Client) (any, error) {
			return c.Campaigns.List(ctx, CampaignListOptions{Page: 2, PageSize: 50, Sort: "-createdAt", States: []CampaignState{CampaignStateFinished, CampaignStateRunning}})
		},
		reply: `{"campaigns":[` + springJSON + `],"nextPageUrl":"/api/campaigns?page=3&pageSize=50","totalCampaignsCount":101}`,
		want:  CampaignPage{Campaigns: []Campaign{spring}, Total: 101, Next: 3}},
	{op: "GET /api/campaigns", uri: "/api/campaigns?page=1&pageSize=1000", repeat: true,
		call:  func(ctx context.Context, c *Client) (any, error) { return c.Campaigns.List(ctx, CampaignListOptions{}) },
		reply: `{"campaigns":[{"id":1,"createdAt":1,"updatedAt":2,"name":"Old"}]}`,
		want:  CampaignPage{Campaigns: []Campaign{{ID: 1, Name: "Old", CreatedAt: time.UnixMilli(1).UTC(), UpdatedAt: time.UnixMilli(2).UTC()}}}},
	{op: "GET /api/campaigns/{id}", uri: "/api/campaigns/7001", repeat: true,
		call:  func(ctx context.Context, c *Client) (any, error) { return c.Campaigns.Get(ctx, 7001) },
		reply: springJSON, want: spring},
	{op: "GET /api/campaigns/recurring/{id}/childCampaigns", uri: "/api/campaigns/recurring/6000/childCampaigns?page=1&pageSize=1000&sort=id", repeat: true,
		call: func(ctx context.Context, c *Client) (any, error) {
			return c.Campaigns.Children(ctx, 6000, CampaignListOptions{Sort: "id"})
		},
		reply: `{"campaigns":[` + springJSON + `],"totalCampaignsCount":"1"}`, want: CampaignPage{Campaigns: []Campaign{spring}, Total: 1}},
	{op: "GET /api/campaigns/metrics", shape: table, repeat: true,
		uri: "/api/campaigns/metrics?campaignId=7001&campaignId=7002&endDateTime=2026-05-05T00%3A00%3A00Z&startDateTime=2026-05-04T07%3A31%3A12Z",
		call: func(ctx context.Context, c *Client) (any, error) {
			return c.Campaigns.Metrics(ctx, []int64{7001, 7002}, CampaignMetricsOptions{Start: created, End: time.Date(2026, 5, 5, 0, 0, 0, 0, time.UTC)})
		},
		reply: "id,Total Sends,Total Sends\n7001,\"1,200\",3\n", want: [][]string{{"id", "Total Sends", "Total Sends"}, {"7001", "1,200", "3"}}},
	{op: "GET /api/campaigns/metrics", shape: table, repeat: true, uri: "/api/campaigns/metrics?campaignId=7001",
		call: func(ctx context.Context, c *Client) (any, error) {
			return c.Campaigns.Metrics(ctx, []int64{7001}, CampaignMetricsOptions{})
		},
		reply: "\nid, ", want: [][]string{{"id", " "}}},
	{op: "GET /api/messageTypes", uri: "/api/messageTypes", repeat: true,
		call:  func(ctx context.Context, c *Client) (any, error) { return c.MessageTypes.List(ctx) },
		reply: `{"messageTypes":[{"id":5,"name":"News","channelId":6,"createdAt":1777879872000,"updatedAt":1777879872000,"subscriptionPolicy":"OptOut","rateLimitPerMinute":100,"frequencyCap":{"days":1,"messages":2}},{"id":6,"name":"Old","channelId":6}]}`,
		want: []MessageType{{ID: 5, Name: "News", ChannelID: 6, CreatedAt: created, UpdatedAt: created, SubscriptionPolicy: SubscriptionPolicyOptOut,
			RateLimitPerMinute: 100, FrequencyCap: &FrequencyCap{Days: 1, Messages: 2}}, {ID: 6, Name: "Old", ChannelID: 6}}},
	{op: "GET /api/channels", uri: "/api/channels", repeat: true,
		call:  func(ctx context.Context, c *Client) (any, error) { return c.Channels.List(ctx) },
		reply: `{"channels":[{"id":6,"name":"Marketing","channelType":"Marketing","messageMedium":"WhatsApp"}]}`,
		want:  []Channel{{ID: 6, Name: "Marketing", Type: ChannelTypeMarketing, MessageMedium: "WhatsApp"}}},
}

// each runs a test for each row.
func each(t *testing.T, test func(*testing.T, endpoint)) {
	t.Parallel()
	for i, e := range endpoints {
		t.Run(fmt.Sprintf("%d %s", i, e.op), func(t *testing.T) {
			t.Parallel()
			test(t, e)
		})
	}
}

func (e endpoint) method() string { return e.op[:strings.Index(e.op, " ")] }

func (e endpoint) ok() int {
	if e.status == 0 {
		return http.StatusOK
	}
	return e.status
}

func TestRequestsAndRepliesAreAsDocumented(t *testing.T) {
	each(t, func(t *testing.T, e endpoint) {
		var op string
		client, r := newTestClient(t, alike(e.ok(), e.reply), func(cfg *Config) {
			cfg.OnAttempt = func(_ context.Context, a Attempt) { op = a.Op }
		})
		got, err := e.call(t.Context(), client)
		require.NoError(t, err)
		require.Equal(t, e.want, got)
		require.Len(t, r.sent, 1)
		require.Equal(t, sent{e.method(), "/base" + e.uri, testKey, r.sent[0].body}, r.sent[0])
		require.Equal(t, e.op, op)
		if e.body == "" {
			require.Empty(t, r.sent[0].body)
			return
		}
		require.JSONEq(t, e.body, r.sent[0].body)
		require.NotContains(t, r.sent[0].body, `\u003c`)
	})
}

func TestEveryOperationWithALimitIsTested(t *testing.T) {
	t.Parallel()
	tested := make(map[string]bool)
	for _, e := range endpoints {
		tested[e.op] = true
	}
	require.Equal(t, slices.Sorted(maps.Keys(rates)), slices.Sorted(maps.Keys(tested)))
	users := slices.DeleteFunc(slices.Sorted(maps.Keys(tested)), func(op string) bool {
		return !strings.Contains(op, "/api/users/") && !strings.Contains(op, "/api/auth/")
	})
	require.Len(t, users, 22, "the operations that the reference has under users")
}

// nulls has each field that an answer must have, without its value.
const nulls = `{"code":null,"lists":null,"listId":null,"successCount":null,"failCount":null,"user":null,"fields":null,"messages":null,"hashedEmails":null,
	"hashedUserIds":null,"events":null,"webhooks":null,"campaigns":null,"messageTypes":null,"channels":null,"id":null}`

// Promise C8: a success is the documented one or an error.
func TestNoOtherBodyIsASuccess(t *testing.T) {
	each(t, func(t *testing.T, e endpoint) {
		page := "<!DOCTYPE html>\n<html><body>Sign in</body></html>"
		for body, fine := range map[string]bool{
			page:                     false,
			"\n" + page:              false,
			e.reply[:len(e.reply)/2]: e.shape == free && !strings.HasPrefix(e.reply, "{") || e.shape == lines || e.shape == table || e.shape == scalar,
			"":                       e.shape == free || e.shape == lines || e.shape == table,
			"null":                   e.shape == free || e.shape == lines || e.shape == table,
			"[]":                     e.shape == free || e.shape == lines || e.shape == table,
			"{}":                     e.shape == free || e.shape == lines,
			nulls:                    e.shape == free || e.shape == lines,
			`{"msg":"","params":{}}`: e.shape == free || e.shape == lines,
		} {
			for _, contentType := range []string{"application/json", "text/plain", "text/html"} {
				client, _ := newTestClient(t, alike(200, body, "Content-Type", contentType))
				_, err := e.call(t.Context(), client)
				if fine && (e.shape != lines || contentType != "text/html") {
					require.NoError(t, err, "%q", body)
					continue
				}
				require.Error(t, err, "%q as %s", body, contentType)
				absent := e.shape == user && strings.HasPrefix(body, "{") && json.Valid([]byte(body))
				require.Equal(t, absent, errors.Is(err, ErrNotFound), "%q", body)
				require.Equal(t, !absent && e.shape != lines, errors.Is(err, ErrAmbiguous), "%q", body)
			}
		}
	})
}

func TestRefusalsAreErrorsOfAKind(t *testing.T) {
	each(t, func(t *testing.T, e endpoint) {
		for _, tt := range []struct {
			status int
			body   string
			kind   error
			code   Code
		}{
			{401, `{"msg":"Invalid API key","code":"BadApiKey","params":{"ip":"192.0.2.1"}}`, ErrUnauthorized, CodeBadAPIKey},
			{401, `{"msg":"Invalid API key","code":"Success","params":null}`, ErrUnauthorized, CodeSuccess},
			{403, `{"msg":"no","code":"Forbidden","params":null}`, ErrUnauthorized, CodeForbidden},
			{404, `{"error":"NotFound","message":"none","code":"error.catalogs.notFound","data":{"args":[]}}`, ErrNotFound, "error.catalogs.notFound"},
			{404, "<html>no route</html>", ErrNotFound, ""},
			{429, "Too Many Requests", ErrRateLimited, ""},
			{409, `{"msg":"x","code":"Conflict"}`, ErrConflict, "Conflict"},
			{400, `{"msg":"x","code":"ForgottenUserError"}`, ErrForgotten, CodeForgottenUserError},
			{409, `{"msg":"x","code":"ForgottenUserError"}`, ErrForgotten, CodeForgottenUserError},
			{500, `{"msg":"x","code":"GenericError"}`, ErrAmbiguous, CodeGenericError},
			{502, "<html>bad gateway</html>", ErrAmbiguous, ""},
			{408, "", ErrAmbiguous, ""},
			{302, "", nil, ""},
		} {
			client, r := newTestClient(t, alike(tt.status, tt.body, "Location", "https://elsewhere.example/"))
			_, err := e.call(t.Context(), client)
			require.Error(t, err)
			if tt.kind != nil {
				require.ErrorIs(t, err, tt.kind)
			}
			refusal, ok := errors.AsType[*Error](err)
			require.True(t, ok)
			require.Equal(t, tt.status, refusal.StatusCode)
			require.Equal(t, tt.code, refusal.Code)
			require.Equal(t, e.op, refusal.Op)
			require.NotEmpty(t, refusal.Message)
			for _, s := range r.all() {
				require.True(t, strings.HasPrefix(s.uri, "/base/api/"), "no redirect is followed")
			}
		}
	})
}

// Promise C5: what may have taken effect is repeated only if that cannot harm.
func TestOnlyWhatIsSafeIsRepeated(t *testing.T) {
	each(t, func(t *testing.T, e endpoint) {
		synctest.Test(t, func(t *testing.T) {
			for _, status := range []int{0, 503, 429} {
				n := 0
				client, r := newTestClient(t, func(sent) *http.Response {
					if n++; n == 1 {
						return answer(status, "")
					}
					return answer(e.ok(), e.reply)
				}, attempts(2), func(cfg *Config) {
					inner := cfg.HTTPClient.Transport
					cfg.HTTPClient.Transport = roundTripper(func(r *http.Request) (*http.Response, error) {
						resp, err := inner.RoundTrip(r)
						if err == nil && resp.StatusCode == 0 {
							return nil, errors.New("connection reset by peer")
						}
						return resp, err
					})
				})
				_, err := e.call(t.Context(), client)
				if e.repeat || status == 429 {
					require.NoError(t, err, "%d", status)
					require.Len(t, r.all(), 2)
					continue
				}
				require.ErrorIs(t, err, ErrAmbiguous, "%d", status)
				require.Len(t, r.all(), 1)
			}
		})
	})
}

func TestAClientThatWasNotMadeIsAnError(t *testing.T) {
	each(t, func(t *testing.T, e endpoint) {
		_, err := e.call(t.Context(), new(Client))
		require.ErrorContains(t, err, "not made by NewClient")
	})
}

func TestNothingIsSentOnceTheContextHasEnded(t *testing.T) {
	each(t, func(t *testing.T, e endpoint) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		client, r := newTestClient(t, alike(e.ok(), e.reply))
		_, err := e.call(ctx, client)
		require.ErrorIs(t, err, context.Canceled)
		require.NotErrorIs(t, err, ErrAmbiguous)
		require.Empty(t, r.all())
	})
}

// Promise C6: an answer that repeats the request shows nothing of it.
func TestNoErrorRepeatsTheRequest(t *testing.T) {
	each(t, func(t *testing.T, e endpoint) {
		secrets := []string{testKey, "u-1001", "ann@example.com", "new@example.com", "a@example.com", "tok-1", "evt-1", "the-token", "value-1", "value-2", "+15550100"}
		echo := strings.Join(append(secrets, e.uri), " ")
		client, r := newTestClient(t, alike(422, fmt.Sprintf(`{"msg":%q,"code":"BadJsonBody"}`, echo)))
		_, err := e.call(t.Context(), client)
		require.Error(t, err)
		for _, s := range secrets {
			if s != testKey && !strings.Contains(s, "@") && !strings.Contains(r.sent[0].body+r.sent[0].uri, s) {
				continue // not of this request
			}
			require.NotContains(t, fmt.Sprintf("%v %+v %#v", err, err, err), s)
			marshalled, _ := json.Marshal(err)
			require.NotContains(t, string(marshalled), s)
		}
	})
}
