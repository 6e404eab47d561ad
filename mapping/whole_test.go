package mapping_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iteramp/iteramp/mapping"
)

// Whole events, written by hand from the rules.
var wholeEvents = map[string]string{
	"emailClick": `{
 "user_id": "usr-48213",
 "event_type": "[Iterable] emailClick",
 "time": 1777886140000,
 "insert_id": "itbl1-3a1e1b131e39163ae1d6fe7d2c0b385f0234b2aa",
 "event_properties": {
  "campaignId": 412077,
  "campaignName": "Spring restock",
  "templateId": 583310,
  "templateName": "Restock v3",
  "channelId": 30511,
  "messageTypeId": 44120,
  "labels": [
   "restock"
  ],
  "messageId": "5b1f0c6e2d9a4f7788c1a3e5d7f90b24",
  "userAgentDevice": "Mac",
  "city": "Gothenburg",
  "region": "Västra Götaland",
  "country": "Sweden",
  "timeZone": "Europe/Stockholm",
  "isBot": false,
  "emailSubject": "Back in stock: the blue kettle",
  "url": "https://shop.example.com/kettle?utm_source=mail&c=1",
  "linkUrl": "https://shop.example.com/kettle?utm_source=mail&c=1",
  "linkId": "2205519774",
  "canonicalUrlId": "2205519774",
  "contentId": 611004,
  "hrefIndex": 3
 }
}`,
	"emailSubscribe-custom-profile-fields": `{
 "user_id": "usr-61340",
 "event_type": "[Iterable] emailSubscribe",
 "time": 1777975380000,
 "insert_id": "itbl1-9ffeb782edb47496ed67c61add1ee80f8d82b0f2",
 "event_properties": {
  "profileUpdatedAt": "2026-05-05 10:03:00 +00:00",
  "signupSource": "ListAPI",
  "emailListIds": [
   3301945,
   3301946
  ]
 }
}`,
	"pushOpen": `{
 "user_id": "usr-50977",
 "event_type": "[Iterable] pushOpen",
 "time": 1778072640000,
 "insert_id": "itbl1-9e60a4ce1d0dff696af8526d1302698a5c782352",
 "event_properties": {
  "campaignId": 413010,
  "campaignName": "Shipped",
  "templateId": 584200,
  "templateName": "Shipped push",
  "channelId": 30513,
  "messageTypeId": 44130,
  "workflowId": 77120,
  "workflowName": "Checkout",
  "appAlreadyRunning": false,
  "sound": "",
  "contentAvailable": false
 }
}`,
	"inAppClick": `{
 "user_id": "usr-48213",
 "event_type": "[Iterable] inAppClick",
 "time": 1778054530000,
 "insert_id": "itbl1-df97540b82bd95a5b0d1c50c2810d91e272528ef",
 "platform": "iOS",
 "event_properties": {
  "campaignId": 412990,
  "templateId": 584020,
  "messageId": "kQ2v9ZrT5bXw0LmN8sYh3JdG7pFc1AeU6iOoRtBq4",
  "appPackageName": "com.example.shop",
  "messageContext": {
   "saveToInbox": true,
   "silentInbox": false,
   "trigger": "immediate",
   "location": "inbox"
  },
  "inboxSessionId": "0b9f3d52-6f0c-4c76-8f43-17a4a0c5b9d2",
  "clickedUrl": "https://shop.example.com/new"
 }
}`,
	"smsBounce": `{
 "user_id": "usr-48213",
 "event_type": "[Iterable] smsBounce",
 "time": 1778076004000,
 "insert_id": "itbl1-78e08c69ced8b73b978fd2d344a825bcc0903c75",
 "event_properties": {
  "campaignId": 413200,
  "campaignName": "Delivery SMS",
  "templateId": 584400,
  "templateName": "Delivery SMS",
  "channelId": 30512,
  "messageTypeId": 44140,
  "smsProviderResponse": {
   "status": 400,
   "message": "The number is not reachable",
   "code": 21614,
   "more_info": "https://provider.example/errors/21614"
  },
  "fromPhoneNumberId": 311
 }
}`,
}

func TestWholeEvents(t *testing.T) {
	t.Parallel()
	for name, want := range wholeEvents {
		got, err := mapping.Rules{}.Event(payload(t, name), received)
		require.NoError(t, err)
		b, err := json.Marshal(got)
		require.NoError(t, err)
		require.JSONEq(t, want, string(b), name)
	}
}

func TestWholeIdentify(t *testing.T) {
	t.Parallel()
	got, ok := mapping.Rules{Subscriptions: true}.Identify(payload(t, "emailUnSubscribe-listapi"), received)
	require.True(t, ok)
	b, err := json.Marshal(got)
	require.NoError(t, err)
	require.JSONEq(t, `{"user_id":"usr-50977","event_type":"$identify","time":1777983660000,
 "insert_id":"itbl1-325b0759f6adac7ec8de9ea7d2cf4210c61ca92c-id",
 "user_properties":{"$remove":{"iterable_list_ids":["3301945"]},
  "$set":{"iterable_last_unsub_source":"ListAPI","iterable_subscription_changed_at":"2026-05-05T12:21:00"}}}`, string(b))
}
