package iterabletest

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestAnEventIsTrackedAndRead(t *testing.T) {
	t.Parallel()
	f := &Fake{ProjectType: "userId", Now: func() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }}
	f.AddUser("u-1", nil)
	got := accepted(t, f, "/api/events/track", `{"userId":"u-1","eventName":"bought","id":"e-1","createdAt":1735689600,"dataFields":{"sum":1.50},"campaignId":7,"templateId":8}`)
	require.Equal(t, map[string]any{"id": "e-1"}, got.json["params"])
	require.Contains(t, got.json["msg"], "e-1")
	require.Equal(t, `{"events":[{"campaignId":7,"createdAt":"2025-01-01 00:00:00 +00:00","dataFields":{"sum":1.50},"eventName":"bought",`+
		`"eventUpdatedAt":"2026-03-01 12:00:00 +00:00","id":"e-1","itblInternal":{"documentCreatedAt":"2025-01-01 00:00:00 +00:00",`+
		`"documentUpdatedAt":"2026-03-01 12:00:00 +00:00"},"templateId":8,"userId":"u-1"}]}`+"\n", get(t, f, "/api/events/byUserId/u-1").text)
	require.Equal(t, []Event{{
		ID: "e-1", Name: "bought", UserID: "u-1", CreatedAt: time.Unix(1735689600, 0), CampaignID: 7, TemplateID: 8, DataFields: map[string]any{"sum": 1.5},
	}}, f.Events("u-1"))
}

func TestAnIdMakesARepeatAnUpdate(t *testing.T) {
	t.Parallel()
	f := byUserID()
	f.AddUser("u-1", nil)
	for _, body := range []string{`{"userId":"u-1","eventName":"x","id":"e-1","dataFields":{"n":1}}`, `{"userId":"u-1","eventName":"x","id":"e-1","dataFields":{"n":2}}`} {
		accepted(t, f, "/api/events/track", body)
		accepted(t, f, "/api/events/trackBulk", `{"events":[`+body+`]}`)
	}
	require.Len(t, f.Events("u-1"), 1)
	require.EqualValues(t, 2, f.Events("u-1")[0].DataFields["n"])
	accepted(t, f, "/api/events/track", `{"userId":"u-1","eventName":"x"}`)
	accepted(t, f, "/api/events/track", `{"userId":"u-1","eventName":"x"}`)
	require.Len(t, f.Events("u-1"), 3, "without an id each is another")
}

func TestEventsAreReadNewestFirst(t *testing.T) {
	t.Parallel()
	f := byUserID()
	f.AddUser("u-1", nil)
	for i := range 40 {
		at := int64(1735689600 + i)
		if i%2 == 0 {
			at *= 1000 // both are taken
		}
		accepted(t, f, "/api/events/track", fmt.Sprintf(`{"userId":"u-1","eventName":"x%d","createdAt":%d}`, i, at))
	}
	events := func(query string) []any { return get(t, f, "/api/events/byUserId/u-1"+query).json["events"].([]any) }
	require.Len(t, events(""), 30)
	require.Len(t, events("?limit=200"), 40)
	require.Len(t, events("?limit=1"), 1)
	require.Equal(t, "x39", events("")[0].(map[string]any)["eventName"])
	require.Equal(t, "x10", events("")[29].(map[string]any)["eventName"])
	for _, limit := range []string{"0", "201", "x"} {
		requireRefused(t, get(t, f, "/api/events/byUserId/u-1?limit="+limit), http.StatusBadRequest, "BadParams")
	}
	require.Equal(t, []any{}, get(t, f, "/api/events/nobody@example.com").json["events"])
	requireRefused(t, get(t, f, "/api/events/foo@"), http.StatusBadRequest, "InvalidEmailAddressError")
}

func TestTrackBulkReportsPerRecord(t *testing.T) {
	t.Parallel()
	f := &Fake{ProjectType: "hybrid", DisallowedEvents: []string{"spam"}}
	f.AddUser("a@example.com", nil)
	f.Forget("gone@example.com")
	got := accepted(t, f, "/api/events/trackBulk", `{"events":[
		{"email":"a@example.com","eventName":"x","dataFields":{"n":1}},
		{"email":"gone@example.com","eventName":"x"},{"email":"bad","eventName":"x"},{"userId":"","eventName":"x"},
		{"email":"new@example.com","eventName":"x"},{"userId":"new","eventName":"x"},
		{"email":"a@example.com","eventName":"spam"},{"email":"a@example.com","eventName":"spam"},
		{"email":"a@example.com","eventName":"x","createNewFields":false,"dataFields":{"m":1}}]}`)
	require.EqualValues(t, 2, got.json["successCount"])
	require.EqualValues(t, 7, got.json["failCount"])
	require.Equal(t, map[string]any{
		"forgottenEmails": []any{"gone@example.com"}, "invalidEmails": []any{"bad"}, "invalidUserIds": []any{""},
		"notFoundEmails": []any{"new@example.com"}, "notFoundUserIds": []any{"new"},
	}, failed(got))
	require.Len(t, got.json["failedUpdates"], 6)
	require.Equal(t, []any{"", "new"}, got.json["invalidUserIds"])
	require.Equal(t, []any{"spam"}, got.json["disallowedEventNames"])
	require.Equal(t, []any{"n"}, got.json["createdFields"])
	require.Equal(t, []any{"m"}, got.json["filteredOutFields"])
	require.Len(t, f.Users(), 1, "no user is created")
	got = accepted(t, f, "/api/events/trackBulk", `{"events":[]}`)
	require.EqualValues(t, 0, got.json["successCount"])
}

func TestADisallowedEventIsASuccess(t *testing.T) {
	t.Parallel()
	f := &Fake{DisallowedEvents: []string{"spam"}}
	f.AddUser("a@example.com", nil)
	got := accepted(t, f, "/api/events/track", `{"email":"a@example.com","eventName":"spam"}`)
	require.Contains(t, got.json["msg"], "is disallowed from tracking")
	require.Empty(t, f.Events("a@example.com"))
}

func TestTrackRefusesWhatItCannotStore(t *testing.T) {
	t.Parallel()
	var f Fake
	f.AddUser("a@example.com", nil)
	requireRefused(t, post(t, &f, "/api/events/track", `{"email":"new@example.com","eventName":"x"}`), http.StatusBadRequest, "UnknownEmailError")
	requireRefused(t, post(t, &f, "/api/events/track", `{"userId":"new","eventName":"x"}`), http.StatusBadRequest, "UnknownUserIdError")
	requireRefused(t, post(t, &f, "/api/events/track", fmt.Sprintf(`{"email":"a@example.com","eventName":"x","id":"%0513d"}`, 1)), http.StatusBadRequest, "BadParams")
	accepted(t, &f, "/api/events/track", `{"email":"a@example.com","eventName":"x","dataFields":{"n":1}}`)
	accepted(t, &f, "/api/events/track", `{"email":"a@example.com","eventName":"y","dataFields":{"n":"1"}}`)
	requireRefused(t, post(t, &f, "/api/events/trackBulk", `{"events":[{"email":"a@example.com","eventName":"z","dataFields":{"n":1}},{"email":"a@example.com","eventName":"x","dataFields":{"n":"1"}}]}`),
		http.StatusBadRequest, "RequestFieldsTypesMismatched")
	require.Len(t, f.Events("a@example.com"), 2)
	accepted(t, &f, "/api/events/track", `{"email":"a@example.com","eventName":"z","dataFields":{"n":"the refused request left no type"}}`)
}

func TestTheEventsOfADeletedUserAreGone(t *testing.T) {
	t.Parallel()
	f := byUserID()
	for range 2 {
		f.AddUser("u-1", nil)
		accepted(t, f, "/api/events/track", `{"userId":"u-1","eventName":"x","id":"e-1"}`)
		require.Len(t, f.Events("u-1"), 1)
		require.Equal(t, http.StatusOK, ask(t, f, http.MethodDelete, "/api/users/byUserId/u-1", "").status)
	}
}
