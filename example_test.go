package iteramp_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"expvar"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/iteramp/iteramp"
	"github.com/iteramp/iteramp/amplitude"
	"github.com/iteramp/iteramp/amplitude/amplitudetest"
	"github.com/iteramp/iteramp/iterable/iterabletest"
	"github.com/iteramp/iteramp/iterable/webhook"
	"github.com/iteramp/iteramp/mapping"
)

// Mount the relay. A real client has Config{APIKey: os.Getenv("AMPLITUDE_API_KEY")}
// where these examples have the settings of a fake, and a server would
// ListenAndServe.
func ExampleNewRelay() {
	var fake amplitudetest.Fake
	client, err1 := amplitude.NewClient(fake.Config())
	relay, err2 := iteramp.NewRelay(iteramp.RelayConfig{Routes: []iteramp.Route{{
		Amplitude: client,
		Secrets:   []string{"0123456789abcdef"}, // Iterable's token is then "test-key:0123456789abcdef"
	}}})
	if err := errors.Join(err1, err2); err != nil {
		fmt.Println(err)
		return
	}
	mux := http.NewServeMux()
	mux.Handle("POST /iterable", relay)
	srv := &http.Server{
		Handler:           mux,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       15 * time.Second,
		WriteTimeout:      30 * time.Second, // more than ReadTimeout and AnswerWithin together
		IdleTimeout:       time.Minute,
	}
	req := iterabletest.WebhookRequest("test-key:0123456789abcdef", iterabletest.Payload(webhook.EmailClick))
	rec := httptest.NewRecorder()
	srv.Handler.ServeHTTP(rec, req)
	fmt.Println(rec.Code, fake.Events()[0].EventType)
	// Output: 200 [Iterable] emailClick
}

// Serve two projects, one of which changes its secret: the new one comes first,
// and the old one goes when OnOutcome has seen 0 only for long enough.
func ExampleRoute() {
	shopFake, appFake := amplitudetest.Fake{APIKey: "shop-key"}, amplitudetest.Fake{APIKey: "app-key"}
	shop, err1 := amplitude.NewClient(shopFake.Config())
	app, err2 := amplitude.NewClient(appFake.Config())
	relay, err3 := iteramp.NewRelay(iteramp.RelayConfig{
		Routes: []iteramp.Route{
			{Name: "shop", Amplitude: shop, Secrets: []string{"new-secret-of-shop", "old-secret-of-shop"}},
			{Name: "app", Amplitude: app, Secrets: []string{"the-secret-of-app"}},
		},
		OnOutcome: func(_ context.Context, o iteramp.RelayOutcome) { fmt.Println(o.Route, o.Fate, o.Secret) },
	})
	if err := errors.Join(err1, err2, err3); err != nil {
		fmt.Println(err)
		return
	}
	for _, token := range []string{"shop-key:old-secret-of-shop", "shop-key:new-secret-of-shop", "app-key:the-secret-of-app"} {
		relay.ServeHTTP(httptest.NewRecorder(), iterabletest.WebhookRequest(token, iterabletest.Payload(webhook.PushOpen)))
	}
	fmt.Println(len(shopFake.Events()), shopFake.Duplicates(), len(appFake.Events()))
	// Output:
	// shop delivered 1
	// shop delivered 0
	// app delivered 0
	// 1 1 1
}

// Rules of your own: rename events, leave some out, drop personal fields. The
// funcs must be pure.
func ExampleRoute_rules() {
	var fake amplitudetest.Fake
	client, err1 := amplitude.NewClient(fake.Config())
	names := map[webhook.Name]string{webhook.EmailClick: "Email Link Clicked"}
	personal := map[string]bool{"city": true, "region": true, "country": true}
	rules := mapping.Rules{
		EventType: func(n webhook.Name) string { return cmp.Or(names[n], mapping.EventType(n)) },
		Keep:      func(e webhook.Event) bool { return !e.IsBot && e.Name != webhook.EmailSendSkip },
		Property: func(key string, value json.RawMessage) (string, json.RawMessage) {
			if personal[key] {
				return "", nil
			}
			return key, value
		},
	}
	const secret = "0123456789abcdef"
	relay, err2 := iteramp.NewRelay(iteramp.RelayConfig{Routes: []iteramp.Route{{Amplitude: client, Secrets: []string{secret}, Rules: rules}}})
	if err := errors.Join(err1, err2); err != nil {
		fmt.Println(err)
		return
	}
	body := []byte(`{"userId": "u-1001", "eventName": "emailClick", "dataFields": {"campaignId": 7, "city": "Lund"}}`)
	relay.ServeHTTP(httptest.NewRecorder(), iterabletest.WebhookRequest("test-key:"+secret, body))
	fmt.Println(fake.Events()[0].EventType, fake.Events()[0].EventProperties)
	// Output: Email Link Clicked map[campaignId:7]
}

// Outcomes as metrics. Route, Name of known events, Fate and Reason come from
// small sets.
func ExampleRelayOutcome() {
	var fake amplitudetest.Fake
	client, err1 := amplitude.NewClient(fake.Config())
	webhooks := new(expvar.Map) // or a counter of yours with these labels
	const secret = "0123456789abcdef"
	relay, err2 := iteramp.NewRelay(iteramp.RelayConfig{
		Routes: []iteramp.Route{{Amplitude: client, Secrets: []string{secret}}},
		OnOutcome: func(_ context.Context, o iteramp.RelayOutcome) {
			name := o.Name
			if !name.Known() {
				name = "other" // names come from outside: there may be any number
			}
			webhooks.Add(fmt.Sprintf("%s/%s/%s/%s", o.Route, name, o.Fate, o.Reason), 1)
		},
	})
	if err := errors.Join(err1, err2); err != nil {
		fmt.Println(err)
		return
	}
	for _, body := range [][]byte{iterabletest.Payload(webhook.SMSClick), iterabletest.Payload(webhook.InAppRecall)} {
		relay.ServeHTTP(httptest.NewRecorder(), iterabletest.WebhookRequest("test-key:"+secret, body))
	}
	fmt.Println(webhooks)
	// Output: {"default/inAppRecall/skipped/no_user_id": 1, "default/smsClick/delivered/": 1}
}

// Test your own code against both fakes: what would Iterable be answered, and
// what would Amplitude have? No socket, no account, no goroutine left behind.
func ExampleRelay_ServeHTTP() {
	var fake amplitudetest.Fake
	config := fake.Config()
	config.MaxAttempts = 1 // a failure shows at once
	client, err1 := amplitude.NewClient(config)
	const secret = "0123456789abcdef"
	relay, err2 := iteramp.NewRelay(iteramp.RelayConfig{Routes: []iteramp.Route{{Amplitude: client, Secrets: []string{secret}}}})
	if err := errors.Join(err1, err2); err != nil {
		fmt.Println(err)
		return
	}
	send := func(token string) (status int) {
		rec := httptest.NewRecorder()
		relay.ServeHTTP(rec, iterabletest.WebhookRequest(token, iterabletest.Payload(webhook.EmailOpen)))
		return rec.Code
	}
	fmt.Println("wrong secret:", send("test-key:abcdef0123456789"))
	fmt.Println("delivered:", send("test-key:"+secret), fake.Events()[0].EventType)
	fake.FailNext(http.StatusServiceUnavailable)
	fmt.Println("outage:", send("test-key:"+secret))
	// Output:
	// wrong secret: 401
	// delivered: 200 [Iterable] emailOpen
	// outage: 503
}

// Readiness: the relay says so while Amplitude fails.
func ExampleRelay_Ready() {
	var fake amplitudetest.Fake
	config := fake.Config()
	config.MaxAttempts = 1
	client, err1 := amplitude.NewClient(config)
	const secret = "0123456789abcdef"
	relay, err2 := iteramp.NewRelay(iteramp.RelayConfig{Routes: []iteramp.Route{{Amplitude: client, Secrets: []string{secret}}}})
	if err := errors.Join(err1, err2); err != nil {
		fmt.Println(err)
		return
	}
	ready := func(w http.ResponseWriter, _ *http.Request) {
		if err := relay.Ready(); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
		}
	}
	probe := func() (status int) {
		rec := httptest.NewRecorder()
		ready(rec, httptest.NewRequest("GET", "/ready", nil))
		return rec.Code
	}
	fmt.Println(probe())
	fake.FailNext(http.StatusServiceUnavailable)
	relay.ServeHTTP(httptest.NewRecorder(), iterabletest.WebhookRequest("test-key:"+secret, iterabletest.Payload(webhook.EmailOpen)))
	fmt.Println(probe())
	// Output:
	// 200
	// 503
}

// Requests that are no webhook of yours have no outcome: a wrong token in
// Iterable's settings shows here only.
func ExampleRelay_Stats() {
	var fake amplitudetest.Fake
	client, err1 := amplitude.NewClient(fake.Config())
	relay, err2 := iteramp.NewRelay(iteramp.RelayConfig{Routes: []iteramp.Route{{Amplitude: client, Secrets: []string{"0123456789abcdef"}}}})
	if err := errors.Join(err1, err2); err != nil {
		fmt.Println(err)
		return
	}
	for _, token := range []string{"test-key:0123456789abcdef", "test-key:abcdef0123456789"} {
		relay.ServeHTTP(httptest.NewRecorder(), iterabletest.WebhookRequest(token, iterabletest.Payload(webhook.EmailOpen)))
	}
	stats := relay.Stats()
	fmt.Println(stats.Answers, stats.Delivered)
	// Output: map[200:1 401:1] 1
}
