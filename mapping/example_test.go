package mapping_test

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/iteramp/iteramp/iterable/iterabletest"
	"github.com/iteramp/iteramp/iterable/webhook"
	"github.com/iteramp/iteramp/mapping"
)

// Map one webhook as the vendors' integration does.
func ExampleRules_Event() {
	in, err := webhook.Parse(iterabletest.Payload(webhook.InAppClick))
	if err != nil {
		fmt.Println(err)
		return
	}
	out, err := mapping.Rules{}.Event(in, time.Now())
	if err != nil {
		fmt.Println("skipped:", err)
		return
	}
	fmt.Println(out.UserID, out.EventType, out.Platform, out.Time)
	fmt.Println(out.InsertID)
	// Output:
	// usr-48213 [Iterable] inAppClick iOS 2026-05-06 08:02:10 +0000 UTC
	// itbl1-df97540b82bd95a5b0d1c50c2810d91e272528ef
}

// Rename, filter, and drop what your company must not send.
func ExampleRules() {
	names := map[webhook.Name]string{webhook.EmailClick: "Email Link Clicked"}
	rules := mapping.Rules{
		UserID:    mapping.UserIDOrEmail,
		EventType: func(n webhook.Name) string { return cmp.Or(names[n], mapping.EventType(n)) },
		Keep:      func(e webhook.Event) bool { return !e.IsBot && e.Name != webhook.EmailSendSkip },
		Property: func(key string, value json.RawMessage) (string, json.RawMessage) {
			switch key {
			case "city", "region", "country":
				return "", nil
			case "url":
				return "link", value
			}
			return key, value
		},
		CutQuery: true,
	}
	in, err := webhook.Parse([]byte(`{"email": "Ada@Example.com", "eventName": "emailClick",
		"dataFields": {"url": "https://shop.example.com/kettle?token=1", "city": "Gothenburg", "isBot": false}}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	out, err := rules.Event(in, time.Now())
	if err != nil {
		fmt.Println("skipped:", err)
		return
	}
	fmt.Printf("%s: %s %s\n", out.UserID, out.EventType, out.EventProperties)
	// Output: ada@example.com: Email Link Clicked {"link":"https://shop.example.com/kettle","isBot":false}
}

// Count what is not sent, by reason.
func ExampleSkip() {
	skipped := make(map[mapping.Skip]int)
	for _, body := range iterabletest.Payloads() {
		in, err := webhook.Parse(body)
		if err != nil {
			continue
		}
		_, err = mapping.Rules{}.Event(in, time.Now())
		if skip, ok := errors.AsType[mapping.Skip](err); ok {
			skipped[skip]++
		}
	}
	fmt.Println(skipped[mapping.ErrNoUserID], skipped[mapping.ErrRefusedUserID], skipped[mapping.ErrFiltered])
	fmt.Println(string(mapping.ErrNoUserID)) // the label
	// Output:
	// 7 1 0
	// no_user_id
}

// Preview what rules do with each field.
func ExampleRules_Explain() {
	in, err := webhook.Parse(iterabletest.Payload(webhook.EmailBounce))
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, d := range (mapping.Rules{}).Explain(in) {
		switch {
		case strings.Contains(d.Field, "Id"):
		case d.Why != "":
			fmt.Println(d.Field, "is not sent:", d.Why)
		case d.Fills != "":
			fmt.Println(d.Field, "is sent as", d.Fills)
		default:
			fmt.Printf("%s is property %s: %s\n", d.Field, d.As, d.Value)
		}
	}
	// Output:
	// email is not sent: an address, never a property
	// createdAt is sent as time
	// campaignName is property campaignName: "Spring restock"
	// templateName is property templateName: "Restock v3"
	// workflowName is not sent: empty
	// labels is not sent: empty
	// locale is not sent: empty
	// emailSubject is property emailSubject: "Back in stock: the blue kettle"
	// recipientState is property recipientState: "HardBounce"
}

// Name events as Iterable's settings do.
func ExampleLabel() {
	rules := mapping.Rules{EventType: mapping.Label}
	in, err := webhook.Parse(iterabletest.Payload(webhook.HostedUnsubscribeClick))
	if err != nil {
		fmt.Println(err)
		return
	}
	out, err := rules.Event(in, time.Now())
	fmt.Println(out.EventType, err)
	// Output: [Iterable] Hosted Unsubscribe Click <nil>
}

// Keep a user's subscriptions as user properties.
func ExampleRules_Identify() {
	rules := mapping.Rules{Subscriptions: true}
	in, err := webhook.Parse(iterabletest.Payload(webhook.EmailSubscribe))
	if err != nil {
		fmt.Println(err)
		return
	}
	if out, ok := rules.Identify(in, time.Now()); ok {
		operations, err := json.Marshal(out.UserProperties)
		fmt.Println(out.UserID, string(operations), err)
	}
	// Output: usr-61340 {"$postInsert":{"iterable_list_ids":["3301945"]},"$set":{"iterable_last_signup_source":"WebForm","iterable_subscription_changed_at":"2026-05-05T10:00:00"}} <nil>
}
