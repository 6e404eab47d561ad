package webhook_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/iteramp/iteramp/iterable/iterabletest"
	"github.com/iteramp/iteramp/iterable/webhook"
)

// Mount an endpoint. The func decides the answer: nil is 200, an error 503.
func ExampleNewHandler() {
	h, err := webhook.NewHandler(webhook.HandlerConfig{
		Secrets: []string{"new-secret-0123456789", "old-secret-0123456789"}, // while they are being changed
	}, func(_ context.Context, e webhook.Event) error {
		if e.Name == webhook.EmailClick && !e.IsBot {
			fmt.Println(e.UserID, "clicked", string(e.Field("url")))
		}
		return nil
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	mux := http.NewServeMux()
	mux.Handle("POST /iterable", h)

	rec := httptest.NewRecorder()
	mux.ServeHTTP(rec, iterabletest.WebhookRequest("old-secret-0123456789", iterabletest.Payload(webhook.EmailClick)))
	fmt.Println(rec.Code)
	// Output:
	// usr-48213 clicked "https://shop.example.com/kettle?utm_source=mail&c=1"
	// 200
}

// Parse a body that arrived by other means.
func ExampleParse() {
	e, err := webhook.Parse([]byte(`{
		"email": "ada@example.com", "userId": 4821377, "eventName": "emailUnsubscribe",
		"dataFields": {"campaignId": "412077", "createdAt": "2026-05-04 09:15:40 +00:00", "loyaltyPoints": 12345678901234567890}
	}`))
	if err != nil {
		fmt.Println(err) // ErrSyntax, ErrNoName or ErrDataFields
		return
	}
	fmt.Println(e.Name == webhook.EmailUnSubscribe, e.UserID, e.CampaignID, e.CreatedAt)
	fmt.Println(string(e.Field("loyaltyPoints")))
	// Output:
	// true 4821377 412077 2026-05-04 09:15:40 +0000 UTC
	// 12345678901234567890
}

// Decode dataFields into an own struct.
func ExampleEvent_Decode() {
	e, err := webhook.Parse(iterabletest.Payload(webhook.SMSBounce))
	if err != nil {
		fmt.Println(err)
		return
	}
	var bounce struct {
		SMSProviderResponse struct {
			Code    int    `json:"code"`
			Message string `json:"message"`
		} `json:"smsProviderResponse"`
	}
	if err := e.Decode(&bounce); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(bounce.SMSProviderResponse.Code, bounce.SMSProviderResponse.Message)
	// Output: 21614 The number is not reachable
}

// Range over every field, documented or not.
func ExampleEvent_Fields() {
	e, err := webhook.Parse(iterabletest.Payload(webhook.InAppRecall))
	if err != nil {
		fmt.Println(err)
		return
	}
	for key, value := range e.Fields() {
		fmt.Println(key, string(value))
	}
	// Output:
	// createdAt "2026-05-06 09:00:00 +00:00"
	// campaignId 412990
	// campaignName "App welcome"
	// total 1842
}

// Check the credential in a framework that has no http.Request.
func ExampleMatch() {
	secrets := []string{"new-secret-0123456789", "old-secret-0123456789"}
	switch webhook.Match("Basic old-secret-0123456789", secrets...) {
	case -1:
		fmt.Println("answer 401")
	case 0:
		fmt.Println("the new secret")
	default:
		fmt.Println("an old secret: the change is not over")
	}
	// Output: an old secret: the change is not over
}

// Look into the token, here for the part before the colon.
func ExampleTokens() {
	for _, token := range webhook.Tokens("Basic c2hvcDpzZWNyZXQ=") {
		fmt.Println(token)
	}
	// Output:
	// Basic c2hvcDpzZWNyZXQ=
	// c2hvcDpzZWNyZXQ=
	// shop:secret
}
