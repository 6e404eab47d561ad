package amplitudetest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/iteramp/iteramp/amplitude"
	"github.com/iteramp/iteramp/amplitude/amplitudetest"
)

// signUp is code to be tested: it takes the client it sends with.
func signUp(ctx context.Context, client *amplitude.Client, user string) error {
	return client.Events.Upload(ctx, amplitude.EventUploadRequest{Events: []amplitude.Event{{
		UserID:          user,
		EventType:       "Signed Up",
		InsertID:        "sign-up-" + user,
		EventProperties: map[string]any{"plan": "trial"},
		UserProperties:  map[string]any{"plan": "trial"},
	}}})
}

// Test your own code: hand it a client of the fake, then look at what Amplitude
// would have.
func Example() {
	var fake amplitudetest.Fake
	client, err := amplitude.NewClient(fake.Config())
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(signUp(context.Background(), client, "u-1001"))

	e := fake.Events()[0]
	fmt.Println(e.UserID, e.EventType, e.EventProperties["plan"])
	fmt.Println(fake.UserProperties("u-1001"))
	// Output:
	// <nil>
	// u-1001 Signed Up trial
	// map[plan:trial]
}

// A throttled user holds up neither the test nor, one hopes, the others. With
// MaxAttempts 1 the client does not wait; in a testing/synctest bubble it could.
func ExampleFake_Throttle() {
	var fake amplitudetest.Fake
	fake.Throttle("u-busy")
	config := fake.Config()
	config.MaxAttempts = 1
	client, _ := amplitude.NewClient(config)

	err := client.Events.Upload(context.Background(), amplitude.EventUploadRequest{Events: []amplitude.Event{
		{UserID: "u-busy", EventType: "Clicked"},
		{UserID: "u-calm", EventType: "Clicked"},
	}})
	if failed, ok := errors.AsType[*amplitude.BatchError](err); ok {
		fmt.Println(failed.Accepted, "accepted,", failed.Rejected[0].Reason, failed.Rejected[0].Index)
	}

	fake.Release("u-busy")
	fmt.Println(signUp(context.Background(), client, "u-busy"))
	// Output:
	// 1 accepted, throttled 0
	// <nil>
}

// A gateway says 502 although the events have arrived. They are sent again, and
// the insert_id keeps them from counting twice.
func ExampleFake_LoseNext() {
	var fake amplitudetest.Fake
	fake.LoseNext(http.StatusBadGateway)
	client, _ := amplitude.NewClient(fake.Config())

	fmt.Println(signUp(context.Background(), client, "u-1001"))
	fmt.Println(len(fake.Requests()), "requests,", len(fake.Events()), "event,", fake.Duplicates(), "duplicate")
	// Output:
	// <nil>
	// 2 requests, 1 event, 1 duplicate
}

// The next request fails, the one after is served.
func ExampleFake_FailNext() {
	var fake amplitudetest.Fake
	fake.FailNext(http.StatusForbidden)
	client, _ := amplitude.NewClient(fake.Config())

	fmt.Println(signUp(context.Background(), client, "u-1001") == nil, len(fake.Events()))
	fmt.Println(signUp(context.Background(), client, "u-1001") == nil, len(fake.Events()))
	// Output:
	// false 0
	// true 1
}

// One event of a batch is refused without being named.
func ExampleFake_Poison() {
	var fake amplitudetest.Fake
	fake.Poison(func(e amplitudetest.Event) bool { return e.EventType == "Odd" })
	client, _ := amplitude.NewClient(fake.Config())

	err := client.Events.Upload(context.Background(), amplitude.EventUploadRequest{Events: []amplitude.Event{
		{UserID: "u-1001", EventType: "Even"},
		{UserID: "u-1002", EventType: "Odd"},
		{UserID: "u-1003", EventType: "Even"},
	}})
	if failed, ok := errors.AsType[*amplitude.BatchError](err); ok {
		fmt.Println(failed.Accepted, "accepted, refused:", failed.Rejected[0].Index)
	}
	// Output: 2 accepted, refused: 1
}

// A program in any language can be pointed at a port.
func Example_port() {
	var fake amplitudetest.Fake
	srv := httptest.NewServer(&fake)
	defer srv.Close()

	resp, err := http.Post(srv.URL+"/2/httpapi", "application/json",
		strings.NewReader(`{"api_key": "test-key", "events": [{"user_id": "u-1001"}]}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer resp.Body.Close()
	answer, _ := io.ReadAll(resp.Body)
	fmt.Printf("%d %s", resp.StatusCode, answer)
	// Output: 400 {"code":400,"error":"Request missing required field","events_with_missing_fields":{"event_type":[0]}}
}
