package webhook_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/iteramp/iteramp/iterable/iterabletest"
	"github.com/iteramp/iteramp/iterable/webhook"
)

func parse(t testing.TB, body string) webhook.Event {
	t.Helper()
	e, err := webhook.Parse([]byte(body))
	require.NoError(t, err, "%.200s", body)
	return e
}

func TestParseReadsWhatMostEventsShare(t *testing.T) {
	t.Parallel()
	body := iterabletest.Payload(webhook.EmailClick)
	e, err := webhook.Parse(body)
	require.NoError(t, err)
	require.Equal(t, webhook.EmailClick, e.Name)
	require.Equal(t, "ada.lindqvist@example.com", e.Email)
	require.Equal(t, "usr-48213", e.UserID)
	require.Equal(t, "5b1f0c6e2d9a4f7788c1a3e5d7f90b24", e.MessageID)
	require.Equal(t, time.Date(2026, 5, 4, 9, 15, 40, 0, time.UTC), e.CreatedAt)
	require.Equal(t, []int64{412077, 583310, 30511, 44120, 0, 0},
		[]int64{e.CampaignID, e.TemplateID, e.ChannelID, e.MessageTypeID, e.WorkflowID, e.ExperimentID})
	require.False(t, e.IsBot)
	require.Equal(t, body, e.Body())
	require.JSONEq(t, `["restock"]`, string(e.Field("labels")))
	require.Nil(t, e.Field("Labels"), "keys are compared as they are")
	require.Nil(t, e.Field("eventName"), "that is none of dataFields")
}

func TestParseRefusesByName(t *testing.T) {
	t.Parallel()
	deep := func(n int) string {
		return `{"eventName":"x","dataFields":{"a":` + strings.Repeat("[", n-2) + strings.Repeat("]", n-2) + `}}`
	}
	for body, want := range map[string]error{
		``: webhook.ErrSyntax, ` `: webhook.ErrSyntax, `null`: webhook.ErrSyntax, `[]`: webhook.ErrSyntax,
		`"eventName"`: webhook.ErrSyntax, `{`: webhook.ErrSyntax, `{"eventName":"x"`: webhook.ErrSyntax,
		`{"eventName":"x"}}`: webhook.ErrSyntax, `{"eventName":"x"} {}`: webhook.ErrSyntax,
		`{"eventName":"x"},`: webhook.ErrSyntax, `[{"eventName":"x"}]`: webhook.ErrSyntax,
		"\uFEFF" + `{"eventName":"x"}`:            webhook.ErrSyntax,
		`{"eventName":"x"}` + "\x00":              webhook.ErrSyntax,
		"{\"eventName\":\"x\xff\"}":               webhook.ErrSyntax,
		"{\"eventName\":\"x\",\"\xc3\":1}":        webhook.ErrSyntax,
		"{\"eventName\":\"x\",\"a\":\"\x00\"}":    webhook.ErrSyntax,
		`{"eventName":"x","dataFields":{"a":01}}`: webhook.ErrSyntax,
		`{"eventName":"x","dataFields":{"a":}}`:   webhook.ErrSyntax,
		`{"eventName":"x","dataFields":}`:         webhook.ErrSyntax,
		`{"eventName":"x","dataFields":"`:         webhook.ErrSyntax,
		deep(10_001):                              webhook.ErrSyntax,
		deep(20_000):                              webhook.ErrSyntax,

		`{}`: webhook.ErrNoName, `{"eventName":null}`: webhook.ErrNoName, `{"eventName":""}`: webhook.ErrNoName,
		`{"eventName":7}`: webhook.ErrNoName, `{"eventName":["x"]}`: webhook.ErrNoName, `{"eventname":"x"}`: webhook.ErrNoName,
		`{"dataFields":{"eventName":"x"}}`:    webhook.ErrNoName,
		`{"eventName":"x","eventName":null}`:  webhook.ErrNoName,
		`{"eventName":null,"dataFields":"x"}`: webhook.ErrNoName,

		`{"eventName":"x","dataFields":"oops"}`:            webhook.ErrDataFields,
		`{"eventName":"x","dataFields":[]}`:                webhook.ErrDataFields,
		`{"eventName":"x","dataFields":0}`:                 webhook.ErrDataFields,
		`{"eventName":"x","dataFields":{},"dataFields":1}`: webhook.ErrDataFields,
	} {
		e, err := webhook.Parse([]byte(body))
		require.ErrorIs(t, err, want, "%.100q", body)
		require.Zero(t, e)
	}
	for _, n := range []int{3, 100, 10_000} {
		parse(t, deep(n))
	}
}

func TestParseAbsorbsDriftOfTypes(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		body string
		want func(e webhook.Event) bool
	}{
		"ids in quotes": {`{"eventName":"x","dataFields":{"campaignId":"412077","workflowId":"77121","experimentId":"9004"}}`, func(e webhook.Event) bool {
			return e.CampaignID == 412077 && e.WorkflowID == 77121 && e.ExperimentID == 9004
		}},
		"ids that are none": {`{"eventName":"x","dataFields":{"campaignId":"","templateId":{},"channelId":1.5,"messageTypeId":true,"workflowId":-1,"experimentId":"+7"}}`, func(e webhook.Event) bool {
			return e.CampaignID+e.TemplateID+e.ChannelID+e.MessageTypeID+e.WorkflowID+e.ExperimentID == 0
		}},
		"an id of 20 digits": {`{"eventName":"x","dataFields":{"campaignId":12345678901234567890}}`, func(e webhook.Event) bool {
			return e.CampaignID == 0 && string(e.Field("campaignId")) == "12345678901234567890"
		}},
		"the largest id":             {`{"eventName":"x","dataFields":{"campaignId":9223372036854775807}}`, func(e webhook.Event) bool { return e.CampaignID == 9223372036854775807 }},
		"a user id that is a number": {`{"eventName":"x","userId":4821377}`, func(e webhook.Event) bool { return e.UserID == "4821377" }},
		"a user id that is long":     {`{"eventName":"x","userId":12345678901234567890}`, func(e webhook.Event) bool { return e.UserID == "12345678901234567890" }},
		"a user id that is none":     {`{"eventName":"x","userId":true}`, func(e webhook.Event) bool { return e.UserID == "" }},
		"a user id inside":           {`{"eventName":"x","userId":null,"dataFields":{"userId":"u-1"}}`, func(e webhook.Event) bool { return e.UserID == "u-1" }},
		"an empty user id outside":   {`{"eventName":"x","userId":"","dataFields":{"userId":7}}`, func(e webhook.Event) bool { return e.UserID == "7" }},
		"two user ids":               {`{"eventName":"x","dataFields":{"userId":"in"},"userId":"out"}`, func(e webhook.Event) bool { return e.UserID == "out" }},
		"an e-mail inside":           {`{"eventName":"x","dataFields":{"email":"a@b.example"}}`, func(e webhook.Event) bool { return e.Email == "a@b.example" }},
		"two e-mails":                {`{"dataFields":{"email":"in@b.example"},"email":"out@b.example","eventName":"x"}`, func(e webhook.Event) bool { return e.Email == "out@b.example" }},
		"an e-mail that is none":     {`{"eventName":"x","email":7,"dataFields":{"email":{}}}`, func(e webhook.Event) bool { return e.Email == "" }},
		"a bot":                      {`{"eventName":"x","dataFields":{"isBot":true}}`, func(e webhook.Event) bool { return e.IsBot }},
		"not surely a bot":           {`{"eventName":"x","dataFields":{"isBot":null}}`, func(e webhook.Event) bool { return !e.IsBot }},
		"no dataFields":              {`{"eventName":"x","dataFields":null}`, func(e webhook.Event) bool { return e.DataFields() == nil && e.Field("a") == nil }},
		"of equal keys the last": {`{"eventName":"x","userId":"u-1","dataFields":{"campaignId":1,"campaign\u0049d":2},"userId":"u-2"}`, func(e webhook.Event) bool {
			return e.UserID == "u-2" && e.CampaignID == 2 && string(e.Field("campaignId")) == "2"
		}},
		"of two dataFields the last": {`{"eventName":"x","dataFields":{"campaignId":1,"messageId":"m"},"dataFields":{"templateId":2}}`, func(e webhook.Event) bool { return e.CampaignID == 0 && e.MessageID == "" && e.TemplateID == 2 }},
		"keys in another case":       {`{"eventName":"x","UserId":"u-1","dataFields":{"CampaignId":1}}`, func(e webhook.Event) bool { return e.UserID == "" && e.CampaignID == 0 }},
		"half a surrogate pair":      {`{"eventName":"x","userId":"u\ud83d"}`, func(e webhook.Event) bool { return e.UserID == "u\uFFFD" && utf8.ValidString(e.UserID) }},
		"white space around":         {" \r\n\t{\"eventName\" : \"x\" , \"userId\" : \"u-1\" }\n", func(e webhook.Event) bool { return e.UserID == "u-1" }},
	} {
		require.True(t, tt.want(parse(t, tt.body)), name)
	}
}

func TestCreatedAtInEveryForm(t *testing.T) {
	t.Parallel()
	want := time.Date(2026, 5, 4, 7, 31, 12, 0, time.UTC)
	for raw, ms := range map[string]int{
		`"2026-05-04 07:31:12 +00:00"`: 0, `"2026-05-04 09:31:12 +02:00"`: 0, `"2026-05-04 02:01:12 -05:30"`: 0,
		`"2026-05-04 09:31:12 +0200"`: 0, `"2026-05-04 07:31:12"`: 0, `"2026-05-04T07:31:12"`: 0, `"2026-05-04 07:31:12Z"`: 0,
		`"2026-05-04T07:31:12Z"`: 0, `"2026-05-04T07:31:12.000Z"`: 0, `"2026-05-04T07:31:12.5+00:00"`: 500, `"2026-05-04T09:31:12.125+0200"`: 125,
		`"2026-05-04T07:31:12.134105.000Z"`: 134, `"2026-05-04 07:31:12.134105.000 +00:00"`: 134, `"2026-05-04\u002007:31:12 \u002b00:00"`: 0,
		`1777879872`: 0, `1777879872000`: 0, `1777879872134`: 134, `1.777879872e9`: 0, `1777879872.134`: 134, `1777879872000.0`: 0,
	} {
		e := parse(t, `{"eventName":"x","dataFields":{"createdAt":`+raw+`}}`)
		require.Equal(t, want.Add(time.Duration(ms)*time.Millisecond), e.CreatedAt.Truncate(time.Millisecond), raw)
		require.Equal(t, time.UTC, e.CreatedAt.Location(), raw)
	}
	for _, raw := range []string{
		`null`, `""`, `"soon"`, `"2026-05-04"`, `"2026-13-04 07:31:12 +00:00"`, `"2026-02-30 07:31:12 +00:00"`, `"2026-05-04 25:31:12 +00:00"`,
		`"2026-05-04 07:31:12 +00:00 and more"`, `"2026/05/04 07:31:12 +00:00"`, `"` + strings.Repeat("2", 5000) + `"`,
		`true`, `{}`, `[]`, `-1`, `1e400`, `99999999999999999999`, `"1777879872"`,
	} {
		require.True(t, parse(t, `{"eventName":"x","dataFields":{"createdAt":`+raw+`}}`).CreatedAt.IsZero(), raw)
	}
}

func TestNamesInEverySpelling(t *testing.T) {
	t.Parallel()
	for wire, want := range map[string]webhook.Name{
		"emailClick": webhook.EmailClick, "EMAILCLICK": webhook.EmailClick, "emailclick": webhook.EmailClick,
		"emailUnSubscribe": webhook.EmailUnSubscribe, "emailUnsubscribe": webhook.EmailUnSubscribe,
		"blastSend": webhook.EmailSend, "triggeredSend": webhook.EmailSend, "TriggeredSend": webhook.EmailSend,
		"inAppConsume": webhook.InAppDelete, "hostedunsubscribeclick": webhook.HostedUnsubscribeClick,
		"rcsClick": "rcsClick", "RCSclick": "RCSclick", " emailClick": " emailClick", "ema\\u0069lClick": webhook.EmailClick,
		strings.Repeat("x", 500): webhook.Name(strings.Repeat("x", 500)),
	} {
		e := parse(t, `{"eventName":"`+wire+`"}`)
		require.Equal(t, want, e.Name)
		require.Equal(t, want != "rcsClick" && !strings.HasPrefix(string(want), "x") && want != "RCSclick" && want != " emailClick", e.Name.Known(), wire)
	}
	require.False(t, webhook.Name("").Known())
	require.False(t, webhook.Name("blastSend").Known(), "an alias is no name")
}

func TestEveryFieldIsKept(t *testing.T) {
	t.Parallel()
	for name, body := range iterabletest.Payloads() {
		e, err := webhook.Parse(body)
		if err != nil {
			continue
		}
		var want struct{ DataFields map[string]json.RawMessage }
		require.NoError(t, json.Unmarshal(body, &want))
		got := maps.Collect(e.Fields())
		require.Equal(t, slices.Sorted(maps.Keys(want.DataFields)), slices.Sorted(maps.Keys(got)), name)
		for k, v := range want.DataFields {
			require.Equal(t, string(v), string(got[k]), name)
			require.Equal(t, string(v), string(e.Field(k)), name)
		}
	}
}

func TestFieldsComeInTheirOrderAndCanBeLeft(t *testing.T) {
	t.Parallel()
	e := parse(t, `{"eventName":"x","dataFields":{"b":1,"a":2,"b":3,"A":4}}`)
	var got []string
	for k, v := range e.Fields() {
		got = append(got, k+string(v))
	}
	require.Equal(t, []string{"b1", "a2", "b3", "A4"}, got)
	for range e.Fields() {
		break
	}
}

func TestAppendingToAFieldDoesNotTouchTheBody(t *testing.T) {
	t.Parallel()
	body := `{"eventName":"x","dataFields":{"a":1,"b":2}}`
	e := parse(t, body)
	_ = append(e.Field("a"), "oops"...)
	_ = append(e.DataFields(), "oops"...)
	require.Equal(t, body, string(e.Body()))
}

func TestDecodeIntoAnOwnStruct(t *testing.T) {
	t.Parallel()
	var own struct {
		Score json.Number `json:"score"`
		Kept  string      `json:"kept"`
	}
	own.Kept = "as it was"
	require.NoError(t, parse(t, `{"eventName":"x","dataFields":{"score":12345678901234567890}}`).Decode(&own))
	require.Equal(t, json.Number("12345678901234567890"), own.Score)
	require.NoError(t, parse(t, `{"eventName":"x"}`).Decode(&own))
	require.Equal(t, "as it was", own.Kept)
	require.Error(t, parse(t, `{"eventName":"x","dataFields":{"kept":1}}`).Decode(&own))
	require.NoError(t, webhook.Event{}.Decode(&own))
}

func TestParseAllocatesItsThreeTexts(t *testing.T) { // not parallel: it counts the process's allocations
	body := iterabletest.Payload(webhook.EmailClick)
	require.Equal(t, 3.0, testing.AllocsPerRun(100, func() { webhook.Parse(body) }), "email, user id, message id")
}

func FuzzParse(f *testing.F) {
	for _, body := range iterabletest.Payloads() {
		f.Add(body)
	}
	f.Add([]byte(`{"eventName":"\ud83d","dataFields":{"createdAt":1e400,"campaignId":"` + strings.Repeat("9", 40) + `"},"dataFields":null}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		e, err := webhook.Parse(body)
		var object map[string]json.RawMessage
		isObject := utf8.Valid(body) && json.Unmarshal(body, &object) == nil && object != nil
		if !isObject {
			require.ErrorIs(t, err, webhook.ErrSyntax)
			return
		}
		var name string
		if json.Unmarshal(object["eventName"], &name) != nil || name == "" {
			require.ErrorIs(t, err, webhook.ErrNoName)
			return
		}
		data := object["dataFields"]
		if d := string(data); d != "" && d != "null" && d[0] != '{' {
			require.ErrorIs(t, err, webhook.ErrDataFields)
			return
		}
		require.NoError(t, err)
		if !e.Name.Known() {
			require.Equal(t, name, string(e.Name))
		}
		var fields map[string]json.RawMessage
		json.Unmarshal(data, &fields)
		for k, v := range fields {
			require.Equal(t, string(v), string(e.Field(k)))
		}
		for k := range e.Fields() {
			require.Contains(t, fields, k)
		}
	})
}
