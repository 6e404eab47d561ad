package conformance

import (
	"context"

	"github.com/iteramp/iteramp/iterable"
)

// raw posts a body that the client's methods never send, for what the fake answers.
func raw(path, body string) call {
	return func(ctx context.Context, c *iterable.Client) error {
		return c.Do(ctx, iterable.Request{Method: "POST", Path: path, Body: []byte(body)}, nil)
	}
}

var rawUses = []use{
	{method: "Lists.Subscribe", name: "nobody", call: raw("/api/lists/subscribe", `{"listId":5000000001,"subscribers":[]}`)},
	{method: "Lists.Unsubscribe", name: "nobody", call: raw("/api/lists/unsubscribe", `{"listId":5000000001,"subscribers":[]}`)},
	{method: "Users.BulkUpdate", name: "nobody", status: 400, call: raw("/api/users/bulkUpdate", `{"users":[]}`)},
	{method: "Users.Update", name: "half a body", status: 400, broken: true, call: raw("/api/users/update", `{"userId":`)},
	{method: "Users.Update", name: "by no identifier", status: 400, call: raw("/api/users/update", `{}`)},
	{method: "Events.Track", name: "no name", status: 400, broken: true, call: raw("/api/events/track", `{"userId":"u-1001"}`)},
	{method: "Events.TrackBulk", name: "nothing", call: raw("/api/events/trackBulk", `{"events":[]}`)},
	{method: "Events.TrackBulk", name: "one of the wrong form", status: 400, broken: true,
		call: raw("/api/events/trackBulk", `{"events":[{"eventName":"a","userId":"u-1001"},{"eventName":null}]}`)},
	{method: "Users.BulkUpdateSubscriptions", name: "nobody",
		call: raw("/api/users/bulkUpdateSubscriptions", `{"updateSubscriptionsRequests":[]}`)},
	{method: "Webhooks.Update", name: "an address without https", status: 400, call: raw("/api/webhooks", `{"id":61001,"endpoint":"http://a.example.com"}`)},
	{method: "Subscriptions.DoubleOptIn", name: "half a body", status: 400, broken: true,
		call: raw("/api/subscriptions/subscribeToDoubleOptIn", `{"messageTypeIds":`)},
	{method: "Subscriptions.DoubleOptIn", name: "of nobody", status: 400, fake: texts,
		call: raw("/api/subscriptions/subscribeToDoubleOptIn", `{"messageTypeIds":[82001]}`)},
}
