package iterabletest_test

import (
	"context"
	"fmt"
	"net/http/httptest"

	"github.com/iteramp/iteramp/iterable/iterabletest"
	"github.com/iteramp/iteramp/iterable/webhook"
)

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
