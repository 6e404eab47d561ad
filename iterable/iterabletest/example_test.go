package iterabletest_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/iteramp/iteramp/iterable"
	"github.com/iteramp/iteramp/iterable/iterabletest"
	"github.com/iteramp/iteramp/iterable/webhook"
)

// signUp is code to be tested: it takes the client it sends with.
func signUp(ctx context.Context, client *iterable.Client, user string) error {
	return client.Users.Update(ctx, iterable.UserUpdateRequest{UserID: user, DataFields: map[string]any{"plan": "trial"}})
}

// Test your own code: hand it a client of the fake, then look at what Iterable
// would have.
func Example() {
	fake := iterabletest.Fake{ProjectType: iterable.ProjectTypeUserID}
	client, err := iterable.NewClient(fake.Config())
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(signUp(context.Background(), client, "u-1001"))
	fmt.Println(fake.User("u-1001").DataFields["plan"])
	// Output:
	// <nil>
	// trial
}

// See what becomes of a user whom Iterable refuses.
func ExampleFake_Refuse() {
	fake := iterabletest.Fake{ProjectType: iterable.ProjectTypeUserID}
	fake.Refuse(iterabletest.ReasonForgotten, "u-2")
	list := fake.AddList("Gold")
	client, _ := iterable.NewClient(fake.Config())

	_, err := client.Lists.Subscribe(context.Background(), iterable.ListSubscribeRequest{
		ListID: list, Subscribers: []iterable.Subscriber{{UserID: "u-1"}, {UserID: "u-2"}},
	})
	if failed, ok := errors.AsType[*iterable.BatchError](err); ok {
		fmt.Println(failed.Accepted, "accepted,", failed.Rejected[0].Index, failed.Rejected[0].Reason)
	}
	fmt.Println(fake.Members(list))
	// Output:
	// 1 accepted, 1 forgotten
	// [u-1]
}

// A program in any language can use the fake through a port.
func ExampleFake_ServeHTTP() {
	fake := iterabletest.Fake{ProjectType: iterable.ProjectTypeUserID}
	list := fake.AddList("Gold")
	server := httptest.NewServer(&fake)
	defer server.Close()

	body := fmt.Sprintf(`{"listId":%d,"subscribers":[{"userId":"u-1"}]}`, list)
	req, _ := http.NewRequest(http.MethodPost, server.URL+"/api/lists/subscribe", strings.NewReader(body))
	req.Header.Set("Api-Key", "test-api-key")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		fmt.Println(err)
		return
	}
	_ = resp.Body.Close()
	fmt.Println(resp.Status, fake.Members(list))
	// Output: 200 OK [u-1]
}

// Test an own endpoint with the request that Iterable would send.
func ExampleWebhookRequest() {
	const secret = "0123456789abcdef"
	endpoint, err := webhook.NewHandler(webhook.HandlerConfig{Secrets: []string{secret}},
		func(_ context.Context, e webhook.Event) error {
			fmt.Println(e.Name, "by", e.UserID)
			return nil
		})
	if err != nil {
		fmt.Println(err)
		return
	}
	rec := httptest.NewRecorder()
	endpoint.ServeHTTP(rec, iterabletest.WebhookRequest(secret, iterabletest.Payload(webhook.PushOpen)))
	fmt.Println(rec.Code)
	// Output:
	// pushOpen by usr-50977
	// 200
}

// Run own code over everything that Iterable is known to send.
func ExamplePayloads() {
	parsed, refused := 0, 0
	for _, body := range iterabletest.Payloads() {
		if _, err := webhook.Parse(body); err != nil {
			refused++
			continue
		}
		parsed++
	}
	fmt.Println(parsed, "system webhooks,", refused, "others")
	// Output: 95 system webhooks, 3 others
}
