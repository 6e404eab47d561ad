package amplitude_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"golang.org/x/time/rate"

	"github.com/iteramp/iteramp/amplitude"
	"github.com/iteramp/iteramp/amplitude/amplitudetest"
)

// Send events. A real client has Config{APIKey: os.Getenv("AMPLITUDE_API_KEY")}
// where these examples have the settings of a fake.
func ExampleEventsService_Upload() {
	var fake amplitudetest.Fake
	client, err := amplitude.NewClient(fake.Config())
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	err = client.Events.Upload(ctx, amplitude.EventUploadRequest{Events: []amplitude.Event{{
		UserID:          "u-1001",
		EventType:       "Signed Up",
		Time:            time.Now(),
		InsertID:        "signed-up-u-1001", // sent twice it counts once; random if left out
		EventProperties: map[string]any{"plan": "trial"},
	}}})
	fmt.Println(err)
	fmt.Println(fake.Events()[0].EventType)
	// Output:
	// <nil>
	// Signed Up
}

// A field that is zero is not sent. Where zero says something, the field is a
// pointer: new makes one of a value.
func ExampleEvent_zero() {
	sent, err := json.Marshal(amplitude.Event{
		UserID:    "u-1001",
		EventType: "Sample Ordered",
		Price:     new(0.0),
		Quantity:  new(int64(2)),
	})
	fmt.Println(string(sent), err)
	// Output: {"user_id":"u-1001","event_type":"Sample Ordered","price":0,"quantity":2} <nil>
}

// Properties are a map, a struct of your own, or JSON that you have already.
func ExampleEvent_properties() {
	type order struct {
		ID    int64 `json:"order_id"`
		Items int   `json:"items,omitzero"`
	}
	for _, properties := range []any{
		map[string]any{"order_id": 7, "gift": true},
		order{ID: 7},
		json.RawMessage(`{"order_id":12345678901234567890}`), // all digits are kept
	} {
		sent, err := json.Marshal(amplitude.Event{UserID: "u-1001", EventType: "Ordered", EventProperties: properties})
		fmt.Println(string(sent), err)
	}
	// Output:
	// {"user_id":"u-1001","event_type":"Ordered","event_properties":{"gift":true,"order_id":7}} <nil>
	// {"user_id":"u-1001","event_type":"Ordered","event_properties":{"order_id":7}} <nil>
	// {"user_id":"u-1001","event_type":"Ordered","event_properties":{"order_id":12345678901234567890}} <nil>
}

// Change a user's properties without an event.
func ExampleOperations() {
	var fake amplitudetest.Fake
	client, err := amplitude.NewClient(fake.Config())
	if err != nil {
		fmt.Println(err)
		return
	}
	err = client.Events.Upload(context.Background(), amplitude.EventUploadRequest{Events: []amplitude.Event{{
		UserID:    "u-1001",
		EventType: "$identify",
		UserProperties: amplitude.Operations{
			Set:     map[string]any{"plan": "gold"},
			SetOnce: map[string]any{"first_plan": "trial"},
			Add:     map[string]any{"orders": 1},
			Unset:   []string{"coupon"},
		},
	}}})
	fmt.Println(err, fake.UserProperties("u-1001"))
	// Output: <nil> map[first_plan:trial orders:1 plan:gold]
}

// Handle a partial failure: give up what cannot succeed, keep the rest for later.
func ExampleBatchError() {
	var fake amplitudetest.Fake
	fake.Throttle("u-busy")
	config := fake.Config()
	config.MaxAttempts = 1 // else the busy user's events are tried again for a minute
	client, err := amplitude.NewClient(config)
	if err != nil {
		fmt.Println(err)
		return
	}
	events := []amplitude.Event{{UserID: "u-1001", EventType: "Clicked"}, {UserID: "u-1002"}, {UserID: "u-busy", EventType: "Clicked"}}
	err = client.Events.Upload(context.Background(), amplitude.EventUploadRequest{Events: events})
	var again []amplitude.Event
	if failed, ok := errors.AsType[*amplitude.BatchError](err); ok {
		for _, r := range failed.Rejected {
			if r.Reason.Permanent() {
				fmt.Println("given up:", r)
				continue
			}
			again = append(again, events[r.Index]) // its InsertID makes the repeat harmless
		}
	}
	fake.Release("u-busy") // some time later
	fmt.Println(client.Events.Upload(context.Background(), amplitude.EventUploadRequest{Events: again}), len(fake.Events()))
	// Output:
	// given up: event 1: invalid: event_type is missing
	// <nil> 2
}

// Tell a bad key, which somebody has to mend, from the fault of an event.
func ExampleError() {
	var fake amplitudetest.Fake
	config := fake.Config()
	config.APIKey = "key-of-the-other-region"
	client, err := amplitude.NewClient(config)
	if err != nil {
		fmt.Println(err)
		return
	}
	err = client.Events.Upload(context.Background(), amplitude.EventUploadRequest{
		Events: []amplitude.Event{{UserID: "u-1001", EventType: "Clicked"}},
	})
	if errors.Is(err, amplitude.ErrUnauthorized) {
		fmt.Println("check APIKey and Region; no event is lost yet")
	}
	if refusal, ok := errors.AsType[*amplitude.Error](err); ok {
		fmt.Println(refusal.Op, refusal.StatusCode)
	}
	if failed, ok := errors.AsType[*amplitude.BatchError](err); ok {
		fmt.Println(failed.Rejected[0].Reason, failed.Rejected[0].Reason.Permanent())
	}
	// Output:
	// check APIKey and Region; no event is lost yet
	// POST /2/httpapi 400
	// refused false
}

// Obey a 429 in code that must not wait itself, such as a job that can be put
// back. With more attempts the client waits.
func ExampleError_rateLimited() {
	var fake amplitudetest.Fake
	fake.FailNext(http.StatusTooManyRequests)
	config := fake.Config()
	config.MaxAttempts = 1
	client, err := amplitude.NewClient(config)
	if err != nil {
		fmt.Println(err)
		return
	}
	err = client.Events.Upload(context.Background(), amplitude.EventUploadRequest{
		Events: []amplitude.Event{{UserID: "u-1001", EventType: "Clicked"}},
	})
	if errors.Is(err, amplitude.ErrRateLimited) {
		refusal, _ := errors.AsType[*amplitude.Error](err)
		fmt.Println("again in", refusal.RetryAfter)
	}
	// Output: again in 30s
}

// Upload in bulk: any number of events, in as many requests as it takes.
func ExampleEventsService_UploadBatch() {
	var fake amplitudetest.Fake
	client, err := amplitude.NewClient(fake.Config())
	if err != nil {
		fmt.Println(err)
		return
	}
	var events []amplitude.Event
	for i := range 2500 {
		events = append(events, amplitude.Event{
			UserID:    fmt.Sprintf("user-%d", i),
			EventType: "Imported",
			InsertID:  fmt.Sprintf("import-7-%d", i), // run again, the import counts once
		})
	}
	err = client.Events.UploadBatch(context.Background(), amplitude.EventUploadRequest{Events: events})
	fmt.Println(err, len(fake.Events()), "events in", len(fake.Requests()), "requests")
	// Output: <nil> 2500 events in 3 requests
}

// Send in the background, and learn what became of each event.
func ExampleUploader() {
	var fake amplitudetest.Fake
	client, err := amplitude.NewClient(fake.Config())
	if err != nil {
		fmt.Println(err)
		return
	}
	up, err := amplitude.NewUploader(client, amplitude.UploaderConfig{OnResult: func(r amplitude.Result) {
		fmt.Println(r.Event.UserID, r.Event.EventType, r.Reason, r.Err)
	}})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, id := range []string{"u-1001", "u-1002"} {
		if err := up.TryAdd(amplitude.Event{UserID: id, EventType: "Bought", Revenue: new(12.5)}); err != nil {
			fmt.Println("dropped:", err) // ErrFull, ErrClosed, or what is wrong with the event
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	fmt.Println("closed", up.Close(ctx))
	// Unordered output:
	// u-1001 Bought  <nil>
	// u-1002 Bought  <nil>
	// closed <nil>
}

// Two clients share what a machine may send: 10 requests at once, then one a
// minute. A request may hold many events.
func ExampleLimiter() {
	limiter := rate.NewLimiter(rate.Every(time.Minute), 10)
	var shop, app amplitudetest.Fake
	for _, fake := range []*amplitudetest.Fake{&shop, &app} {
		config := fake.Config()
		config.Limits = map[string]amplitude.Limiter{"POST /2/httpapi": limiter, "POST /batch": limiter}
		client, err := amplitude.NewClient(config)
		if err != nil {
			fmt.Println(err)
			return
		}
		err = client.Events.Upload(context.Background(), amplitude.EventUploadRequest{
			Events: []amplitude.Event{{UserID: "u-1001", EventType: "Clicked"}},
		})
		fmt.Println(err)
	}
	fmt.Printf("%.0f more at once\n", limiter.Tokens())
	// Output:
	// <nil>
	// <nil>
	// 8 more at once
}

// Measure every request. Op and StatusCode are fit for labels.
func ExampleAttempt() {
	var fake amplitudetest.Fake
	config := fake.Config()
	config.OnAttempt = func(_ context.Context, a amplitude.Attempt) {
		fmt.Println(a.Op, a.StatusCode, a.N, a.Took < time.Minute, a.RetryIn)
	}
	client, err := amplitude.NewClient(config)
	if err != nil {
		fmt.Println(err)
		return
	}
	req := amplitude.EventUploadRequest{Events: []amplitude.Event{{UserID: "u-1001", EventType: "Clicked"}}}
	fmt.Println(client.Events.Upload(context.Background(), req))
	fake.FailNext(http.StatusForbidden)
	fmt.Println(client.Events.Upload(context.Background(), req) != nil)
	// Output:
	// POST /2/httpapi 200 1 true 0s
	// <nil>
	// POST /2/httpapi 403 1 true 0s
	// true
}

// Call an endpoint that has no method, here one that the fake does not serve
// either. The braces keep the id out of errors and of [Attempt.Op].
func ExampleClient_Do() {
	var fake amplitudetest.Fake
	fake.Intercept(func(w http.ResponseWriter, r *http.Request) bool {
		io.WriteString(w, `{"data": {"id": 160, "label": "Version 2"}}`)
		return true
	})
	client, err := amplitude.NewClient(fake.Config()) // with a SecretKey, for the APIs under /api
	if err != nil {
		fmt.Println(err)
		return
	}
	var reply struct {
		Data struct{ Label string }
	}
	err = client.Do(context.Background(), amplitude.Request{
		Method: http.MethodGet,
		Path:   "/api/3/annotations/{id}",
		Args:   []string{"160"},
	}, &reply)
	fmt.Println(reply.Data.Label, err)
	// Output: Version 2 <nil>
}
