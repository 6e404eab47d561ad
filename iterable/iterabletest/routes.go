package iterabletest

import (
	"net/http"
	"net/url"
	"strings"
	"time"
)

// projectID is told in errors, as Iterable does.
const projectID = 2158

// operation is one of Iterable's, by its method and path in the reference.
type operation struct {
	method, path string
	rates        []Rate
	bucket       bool // its 429 tells when to come again
	body         kind // nil if it has none
	otherErrors  bool // of the second form, for what is no JSON
	handle       func(*Fake, call) reply
}

func (o *operation) name() string {
	if o == nil {
		return ""
	}
	return o.method + " " + o.path
}

// operations are matched in their order: a literal path comes before one with
// parameters that would take it too.
//
// Rates: https://support.iterable.com/hc/en-us/articles/360045714132
var operations = []*operation{
	{method: "GET", path: "/api/lists", rates: perSecond(100), handle: (*Fake).getLists},
	{method: "POST", path: "/api/lists", body: listShape, handle: (*Fake).createList},
	{method: "POST", path: "/api/lists/subscribe", body: subscribeShape, handle: (*Fake).subscribe},
	{method: "POST", path: "/api/lists/unsubscribe", body: unsubscribeShape, handle: (*Fake).unsubscribe},
	{method: "GET", path: "/api/lists/getUsers", rates: perMinute(5), handle: (*Fake).getListUsers},
	{method: "GET", path: "/api/lists/previewUsers", rates: perMinute(5), handle: (*Fake).previewListUsers},
	{method: "GET", path: "/api/lists/{listId}/size", rates: perMinute(5), handle: (*Fake).listSize},
	{method: "DELETE", path: "/api/lists/{listId}", handle: (*Fake).deleteList},

	{method: "POST", path: "/api/users/update", rates: perSecond(500), bucket: true, body: userShape, handle: (*Fake).updateUser},
	{method: "POST", path: "/api/users/bulkUpdate", rates: perSecond(5), bucket: true, body: usersShape, handle: (*Fake).bulkUpdate},
	{method: "POST", path: "/api/users/updateEmail", body: updateEmailShape, handle: (*Fake).updateEmail},
	{method: "POST", path: "/api/users/merge", rates: perSecond(50), body: mergeShape, handle: (*Fake).mergeUsers},
	{method: "POST", path: "/api/users/forget", rates: perDay(), body: identityShape, handle: (*Fake).forget},
	{method: "POST", path: "/api/users/unforget", rates: perDay(), body: identityShape, handle: (*Fake).unforget},
	{method: "GET", path: "/api/users/forgotten", rates: perSecond(3), handle: (*Fake).forgottenEmails},
	{method: "GET", path: "/api/users/forgottenUserIds", rates: perSecond(3), handle: (*Fake).forgottenUserIDs},
	{method: "GET", path: "/api/users/getFields", rates: perSecond(3), handle: (*Fake).getFields},
	{method: "GET", path: "/api/users/getSentMessages", rates: perSecond(3), handle: (*Fake).getSentMessages},
	{method: "GET", path: "/api/users/getByEmail", rates: perSecond(100), handle: (*Fake).getByEmail},
	{method: "GET", path: "/api/users/byUserId", rates: perSecond(100), handle: (*Fake).getByUserID},
	{method: "GET", path: "/api/users/byUserId/{userId}", rates: perSecond(100), handle: (*Fake).getByUserID},
	{method: "DELETE", path: "/api/users/byUserId/{userId}", rates: perSecond(100), handle: (*Fake).deleteByUserID},
	{method: "GET", path: "/api/users/{email}", rates: perSecond(100), handle: (*Fake).getByEmail},
	{method: "DELETE", path: "/api/users/{email}", rates: perSecond(100), handle: (*Fake).deleteByEmail},
	{method: "POST", path: "/api/users/updateSubscriptions", body: preferencesShape, handle: (*Fake).updateSubscriptions},
	{method: "POST", path: "/api/users/bulkUpdateSubscriptions", body: bulkPreferencesShape, handle: (*Fake).bulkUpdateSubscriptions},
	{method: "POST", path: "/api/users/registerDeviceToken", rates: perSecond(500), body: deviceShape, handle: (*Fake).registerDeviceToken},
	{method: "POST", path: "/api/users/disableDevice", body: disableShape, handle: (*Fake).disableDevice},
	{method: "POST", path: "/api/users/registerBrowserToken", body: browserShape, handle: (*Fake).registerBrowserToken},
	{method: "POST", path: "/api/auth/jwts/invalidate", body: jwtShape, handle: (*Fake).invalidateJWTs},

	{method: "POST", path: "/api/events/track", rates: perSecond(2000), body: trackShape, handle: (*Fake).track},
	{method: "POST", path: "/api/events/trackBulk", rates: perSecond(10), body: trackBulkShape, handle: (*Fake).trackBulk},
	{method: "GET", path: "/api/events/{email}", rates: perSecond(100), handle: (*Fake).eventsByEmail},
	{method: "GET", path: "/api/events/byUserId/{userId}", rates: perSecond(100), handle: (*Fake).eventsByUserID},

	{method: "POST", path: "/api/subscriptions/subscribeToDoubleOptIn", body: doubleOptInShape, otherErrors: true, handle: (*Fake).doubleOptIn},
	{method: "PUT", path: groupPath, body: actionShape, handle: (*Fake).subscriptionAction},
	{method: "PATCH", path: groupPath + "/user/{userEmail}", handle: (*Fake).subscriptionByEmail},
	{method: "DELETE", path: groupPath + "/user/{userEmail}", handle: (*Fake).subscriptionByEmail},
	{method: "PATCH", path: groupPath + "/byUserId/{userId}", handle: (*Fake).subscriptionByUserID},
	{method: "DELETE", path: groupPath + "/byUserId/{userId}", handle: (*Fake).subscriptionByUserID},

	{method: "GET", path: "/api/webhooks", handle: (*Fake).getWebhooks},
	{method: "POST", path: "/api/webhooks", body: webhookShape, handle: (*Fake).updateWebhook},

	{method: "GET", path: "/api/campaigns", rates: perSecond(100), handle: (*Fake).getCampaigns},
	{method: "GET", path: "/api/campaigns/metrics", rates: perMinute(10), handle: (*Fake).campaignMetrics},
	{method: "GET", path: "/api/campaigns/{id}", rates: perSecond(100), handle: (*Fake).getCampaign},
	{method: "GET", path: "/api/campaigns/recurring/{id}/childCampaigns", rates: perSecond(100), handle: (*Fake).childCampaigns},
	{method: "GET", path: "/api/messageTypes", rates: perSecond(100), handle: (*Fake).getMessageTypes},
	{method: "GET", path: "/api/channels", rates: perSecond(100), handle: (*Fake).getChannels},
}

const groupPath = "/api/subscriptions/{subscriptionGroup}/{subscriptionGroupId}"

// call is one request to an operation.
type call struct {
	now        time.Time
	op         *operation
	args       []string // the path's parameters, in their order
	query      url.Values
	key        string
	host, path string
	sent       map[string]any // the body, decoded
	unread     *reply         // the answer to a body that cannot be read
}

// route finds the operation of a path and its parameters, which may hold an
// escaped slash.
func route(method, escapedPath string) (*operation, []string) {
	parts := strings.Split(escapedPath, "/")
	for _, op := range operations {
		if op.method != method {
			continue
		}
		if args, ok := match(strings.Split(op.path, "/"), parts); ok {
			return op, args
		}
	}
	return nil, nil
}

func match(pattern, parts []string) (args []string, ok bool) {
	if len(pattern) != len(parts) {
		return nil, false
	}
	for i, p := range pattern {
		if !strings.HasPrefix(p, "{") {
			if p != parts[i] {
				return nil, false
			}
			continue
		}
		arg, err := url.PathUnescape(parts[i])
		if err != nil || arg == "" {
			return nil, false
		}
		args = append(args, arg)
	}
	return args, true
}

// endpoint is what a 429 calls the operation.
func (c call) endpoint() string {
	if c.op != nil {
		return c.op.path
	}
	return c.path
}

// serve answers a call. What it returns holds nothing that changes later: it
// is written after the lock is given back.
func (f *Fake) serve(c call) reply {
	if c.op == nil {
		return page(http.StatusNotFound)
	}
	if refused, ok := f.admit(c); !ok {
		return refused
	}
	if c.unread != nil {
		return *c.unread
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.settle(c.now)
	return c.op.handle(f, c)
}

// admit checks the key, then the rate.
func (f *Fake) admit(c call) (reply, bool) {
	if c.key != f.apiKey() {
		return c.badKey(), false
	}
	if f.NoSubscriptions && strings.HasPrefix(c.op.path, "/api/subscriptions/") {
		return said(http.StatusNotFound, "NotFound", "Subscriptions are not enabled for this project", nil), false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if rate, wait := f.throttle(c); wait > 0 {
		return c.exceeded(rate, wait), false
	}
	return reply{}, true
}

// badKey is the answer to a key that is missing, unknown or of another
// project. The address is of the block that is kept for documentation.
func (c call) badKey() reply {
	params := map[string]any{"ip": "192.0.2.1", "endpoint": c.path}
	return said(http.StatusUnauthorized, "BadApiKey", "Invalid API key", params)
}
