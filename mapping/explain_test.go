package mapping_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iteramp/iteramp/amplitude"
	"github.com/iteramp/iteramp/iterable/iterabletest"
	"github.com/iteramp/iteramp/iterable/webhook"
	"github.com/iteramp/iteramp/mapping"
)

func kept(name, as, value string) mapping.Decision {
	return mapping.Decision{Field: name, As: as, Value: json.RawMessage(value)}
}

func TestExplainSaysWhatBecameOfEachField(t *testing.T) {
	t.Parallel()
	in := parse(t, `{"userId":"u-1","email":"a@b.example","eventName":"inAppOpen","extra":1,"dataFields":{"email":"a@b.example",
		"userId":"u-1","createdAt":"2026-05-05 10:02:00 +00:00","campaignId":"7","device":"iPhone","ip":"::1","inAppBody":"<p>","emailId":"x",
		"labels":[],"deviceInfo":{"platform":"iOS","deviceId":"d","appPackageName":"p"},"url":"u","own":1,"gone":2,"bad":3,"deviceInfo":{}}}`)
	r := mapping.Rules{Property: func(key string, v json.RawMessage) (string, json.RawMessage) {
		switch key {
		case "own":
			return "", nil
		case "gone":
			return key, nil
		case "bad":
			return key, json.RawMessage(`{`)
		}
		return key, v
	}}
	require.Equal(t, []mapping.Decision{
		{Field: "email", Why: "an address, never a property"},
		{Field: "userId", Fills: "user_id"},
		{Field: "createdAt", Fills: "time"},
		kept("campaignId", "campaignId", `7`),
		kept("device", "userAgentDevice", `"iPhone"`),
		{Field: "ip", Why: "class Personal is off"},
		{Field: "inAppBody", Why: "class Content is off"},
		{Field: "emailId", Why: "internal, never sent"},
		{Field: "labels", Why: "empty"},
		{Field: "deviceInfo.platform", Fills: "platform"},
		{Field: "deviceInfo.deviceId", Why: "internal, never sent"},
		kept("deviceInfo.appPackageName", "appPackageName", `"p"`),
		kept("url", "url", `"u"`),
		{Field: "own", Why: "dropped by Property"},
		{Field: "gone", Why: "Property returned nothing"},
		{Field: "bad", Why: "Property returned no JSON"},
		{Field: "deviceInfo", Why: "empty"},
		{Field: "extra", Why: "not in dataFields"},
	}, r.Explain(in))
}

func TestExplainClaimsNoFieldThatIsNotSent(t *testing.T) {
	t.Parallel()
	const at = `"createdAt":"2026-05-05 10:02:00 +00:00"`
	email := mapping.Rules{UserID: mapping.UserIDOrEmail}
	client := mapping.Rules{ClientData: true}
	personal := mapping.Rules{ClientData: true, Classes: mapping.Personal}
	for name, tt := range map[string]struct {
		rules mapping.Rules
		body  string
		want  []mapping.Decision
	}{
		"nothing of it is as it looks": {mapping.Rules{},
			`{"eventName":"pushOpen","userId":"u-1","dataFields":{"createdAt":"rubbish","userId":"u-2","deviceInfo":{"platform":"iOS"}}}`,
			[]mapping.Decision{
				{Field: "createdAt", Why: "not readable as a time"},
				{Field: "userId", Why: "not the user_id sent"},
				{Field: "deviceInfo.platform", Why: "not sent with this event"},
			}},
		"of equal keys the last": {mapping.Rules{},
			`{"eventName":"inAppOpen","dataFields":{"createdAt":1777879872,` + at + `,"userId":"u-1","userId":2,"deviceInfo":{"platform":"iOS"},"deviceInfo.platform":"Web","deviceInfo":{"platform":7}}}`,
			[]mapping.Decision{
				{Field: "createdAt", Why: "a later createdAt counts"},
				{Field: "createdAt", Fills: "time"},
				{Field: "userId", Why: "not the user_id sent"},
				{Field: "userId", Fills: "user_id"},
				{Field: "deviceInfo.platform", Why: "a later platform counts"},
				{Field: "deviceInfo.platform", Fills: "platform"},
				{Field: "deviceInfo.platform", Why: "no text"},
			}},
		"an address that is the user": {email, `{"eventName":"pushOpen","dataFields":{"email":" Ada@B.example"}}`,
			[]mapping.Decision{{Field: "email", Fills: "user_id"}}},
		"an address beside a user id": {email, `{"eventName":"pushOpen","userId":"u-1","dataFields":{"email":"a@b.example"}}`,
			[]mapping.Decision{{Field: "email", Why: "an address, never a property"}}},
		"another address is the user": {email, `{"eventName":"pushOpen","email":"c@b.example","dataFields":{"email":"a@b.example"}}`,
			[]mapping.Decision{{Field: "email", Why: "an address, never a property"}}},
		"a user id of one's own": {mapping.Rules{UserID: func(webhook.Event) string { return "x" }}, `{"eventName":"pushOpen","dataFields":{"email":"a@b.example","userId":"u-1"}}`,
			[]mapping.Decision{{Field: "email", Why: "an address, never a property"}, {Field: "userId", Why: "not the user_id sent"}}},
		"a user id that is refused": {mapping.Rules{}, `{"eventName":"pushOpen","dataFields":{"userId":"0"}}`,
			[]mapping.Decision{{Field: "userId", Why: "not the user_id sent"}}},
		"a click by a person": {client, `{"eventName":"smsClick","userId":"u","dataFields":{"ip":"::2","ip":"::1","userAgent":"M"}}`,
			[]mapping.Decision{{Field: "ip", Why: "class Personal is off"}, {Field: "ip", Fills: "ip"}, {Field: "userAgent", Fills: "user_agent"}}},
		"a click by a machine": {client, `{"eventName":"smsClick","userId":"u","dataFields":{"ip":"::1","isBot":true}}`,
			[]mapping.Decision{{Field: "ip", Why: "class Personal is off"}, kept("isBot", "isBot", `true`)}},
		"both a property and a field": {personal, `{"eventName":"smsClick","userId":"u","dataFields":{"ip":"::1"}}`,
			[]mapping.Decision{{Field: "ip", As: "ip", Value: json.RawMessage(`"::1"`), Fills: "ip"}}},
		"a profile": {mapping.Rules{}, `{"eventName":"emailSubscribe","userId":"u","dataFields":{"plan":"gold"}}`,
			[]mapping.Decision{{Field: "plan", Why: "part of the user's profile"}}},
	} {
		require.Equal(t, tt.want, tt.rules.Explain(parse(t, tt.body)), name)
	}
}

// Whether a field becomes a property depends on nothing that stands before or
// behind it.
func TestEqualKeysAreDecidedOneByOne(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		`{"a":1,"a":null}`:                       `{"a":1}`,
		`{"a":null,"a":1}`:                       `{"a":1}`,
		`{"a":1,"a":[],"\u0061":2,"a":null}`:     `{"a":1,"\u0061":2}`,
		`{"campaignId":7,"campaignId":null}`:     `{"campaignId":7}`,
		`{"a":null,"a":{}}`:                      ``,
		`{"device":"x","device":null}`:           `{"userAgentDevice":"x"}`,
		`{"deviceInfo":{"m":1},"deviceInfo":{}}`: `{"deviceInfo":{"m":1}}`,
	} {
		require.Equal(t, want, properties(t, mapping.Rules{}, webhook.EmailSend, in))
		e := parse(t, `{"userId":"u-1","eventName":"emailSend","dataFields":`+in+`}`)
		explained(t, mapping.Rules{}, e)
	}
}

func TestExplainAgreesWithEvent(t *testing.T) {
	t.Parallel()
	own := func(key string, v json.RawMessage) (string, json.RawMessage) {
		switch {
		case len(key)%5 == 0:
			return "", v
		case len(key)%7 == 0:
			return "\xff\"" + key, json.RawMessage(` [1, "` + key + `"] `)
		}
		return key, v
	}
	hostile := []string{
		`{"eventName":"inAppOpen","userId":"u","dataFields":{"deviceInfo":{"platform":"iOS","a":[1 ],"\ud83d":null,"appPackageName":"p"},"deviceInfo":[],"deviceInfo.platform":null,"deviceInfo.x":1}}`,
		`{"eventName":"smsClick","userId":1e400,"dataFields":{"\u0061":1,"a":2,"a":null,"":3,"\ude00":{},"ip":{"a":1},"userAgent":7,"ip":null}}`,
		`{"eventName":"emailClick","email":"a@b.example","dataFields":{"url":"https://a.example/?q","email":"A@b.example ","userId":["x"],"createdAt":1e3,"transactionalData":" {\"a\": 1} ","device":1,"device":2}}`,
		`{"eventName":"x","userId":"[\"x\"]","dataFields":{"userId":["x"],"createdAt":{},"email":null}}`,
		`{"eventName":"emailSubscribe","userId":"u","dataFields":{"deviceInfo":{"platform":"iOS"},"deviceInfo.platform":"iOS"},"dataFields":{"plan":1}}`,
		`{"eventName":"x","userId":"u"}`,
		`{"eventName":"x","userId":"u","dataFields":{"a":` + string(bytes.Repeat([]byte("["), 60)) + string(bytes.Repeat([]byte("]"), 60)) + `,"b":"` + string(bytes.Repeat([]byte("é"), 1100)) + `"}}`,
	}
	for _, body := range iterabletest.Payloads() {
		hostile = append(hostile, string(body))
	}
	for _, body := range hostile {
		e, err := webhook.Parse([]byte(body))
		if err != nil {
			continue
		}
		for _, r := range []mapping.Rules{
			{}, {Property: own, ClientData: true}, {Classes: everything, ClientData: true, CutQuery: true, UserID: mapping.UserIDOrEmail},
		} {
			explained(t, r, e)
		}
	}
}

// explained fails the test if Explain and Event disagree about e.
func explained(t *testing.T, r mapping.Rules, e webhook.Event) {
	t.Helper()
	out, err := r.Event(e, received)
	if err != nil {
		return
	}
	type member struct{ name, value string }
	var said []member
	filled := make(map[string]bool)
	for _, d := range r.Explain(e) {
		require.Equal(t, d.Value == nil && d.Fills == "", d.Why != "", "%+v", d)
		filled[d.Fills] = true
		if d.Value != nil {
			said = append(said, member{d.As, string(d.Value)})
		} else {
			require.Empty(t, d.As)
		}
	}
	var sent []member
	for name, value := range members(t, out) {
		sent = append(sent, member{name, value})
	}
	require.Equal(t, sent, said)
	require.Equal(t, !e.CreatedAt.IsZero(), filled["time"])
	require.Equal(t, out.Platform != "", filled["platform"])
	require.Equal(t, out.IP != "", filled["ip"])
	require.Equal(t, out.UserAgent != "", filled["user_agent"])
}

// members ranges over the event properties as encoding/json reads them.
func members(t *testing.T, e amplitude.Event) func(yield func(name, value string) bool) {
	return func(yield func(name, value string) bool) {
		dec := json.NewDecoder(bytes.NewReader([]byte(propertiesOf(t, e))))
		if _, err := dec.Token(); err != nil {
			return // no properties
		}
		for dec.More() {
			name, err := dec.Token()
			require.NoError(t, err)
			var value json.RawMessage
			require.NoError(t, dec.Decode(&value))
			if !yield(name.(string), string(value)) {
				return
			}
		}
	}
}
