package iterabletest

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func device(user, token string) string {
	return fmt.Sprintf(`{%s,"device":{"token":"%s","applicationName":"app","platform":"GCM","dataFields":{"os":"x"}}}`, user, token)
}

func TestDevicesAreRegisteredAndDisabled(t *testing.T) {
	t.Parallel()
	f := byUserID()
	for _, user := range []string{"a", "b"} {
		accepted(t, f, "/api/users/registerDeviceToken", device(`"userId":"`+user+`"`, "t-1"))
		accepted(t, f, "/api/users/registerDeviceToken", device(`"userId":"`+user+`"`, "t-1"))
	}
	devices := func(id string) []any { return f.User(id).DataFields["devices"].([]any) }
	require.Equal(t, []any{map[string]any{"token": "t-1", "applicationName": "app", "platform": "GCM", "os": "x", "endpointEnabled": true}}, devices("a"))
	accepted(t, f, "/api/users/disableDevice", `{"userId":"a","token":"t-1"}`)
	require.Equal(t, false, devices("a")[0].(map[string]any)["endpointEnabled"])
	require.Equal(t, true, devices("b")[0].(map[string]any)["endpointEnabled"])
	accepted(t, f, "/api/users/disableDevice", `{"token":"t-1"}`)
	require.Equal(t, false, devices("b")[0].(map[string]any)["endpointEnabled"])

	requireRefused(t, post(t, f, "/api/users/registerDeviceToken", device(`"userId":"a"`, "")), http.StatusInternalServerError, "GenericError")
	requireRefused(t, post(t, new(Fake), "/api/users/registerDeviceToken", device(`"userId":"a"`, "t")), http.StatusBadRequest, "UnknownUserIdError")
	accepted(t, new(Fake), "/api/users/registerDeviceToken", device(`"userId":"a","preferUserId":true`, "t"))
}

func TestAProfileHas500Tokens(t *testing.T) {
	t.Parallel()
	f := byUserID()
	for i := range maxTokens {
		accepted(t, f, "/api/users/registerDeviceToken", device(`"userId":"a"`, fmt.Sprint("t-", i)))
		accepted(t, f, "/api/users/registerBrowserToken", fmt.Sprintf(`{"userId":"a","browserToken":"b-%d"}`, i))
	}
	requireRefused(t, post(t, f, "/api/users/registerDeviceToken", device(`"userId":"a"`, "another")), http.StatusBadRequest, "BadParams")
	requireRefused(t, post(t, f, "/api/users/registerBrowserToken", `{"userId":"a","browserToken":"another"}`), http.StatusBadRequest, "BadParams")
	accepted(t, f, "/api/users/registerDeviceToken", device(`"userId":"a"`, "t-0"))
	accepted(t, f, "/api/users/registerBrowserToken", `{"userId":"a","browserToken":"b-0"}`)
	requireRefused(t, post(t, f, "/api/users/registerBrowserToken", `{"browserToken":"b"}`), http.StatusBadRequest, "BadParams")
}

func TestSentMessagesAreFiltered(t *testing.T) {
	t.Parallel()
	var f Fake
	start := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	for i := range 12 {
		f.AddSentMessage("a@example.com", SentMessage{
			MessageID: fmt.Sprint("m-", i), CampaignID: int64(i % 3), TemplateID: 5, CreatedAt: start.Add(time.Duration(i) * time.Hour), Blast: i%2 == 0,
		})
	}
	f.AddSentMessage("a@example.com", SentMessage{MessageID: "push", CreatedAt: start, Medium: "Push"})
	for query, want := range map[string]int{
		"":                          10,
		"&limit=1000":               13,
		"&limit=1000&campaignIds=1": 4,
		"&limit=1000&campaignIds=1&campaignIds=2&excludeBlastCampaigns=true": 8,
		"&limit=1000&excludeBlastCampaigns=true":                             7,
		"&limit=1000&messageMedium=Push":                                     1,
		"&startDateTime=2026-03-01+10:00:00+%2B00:00":                        2,
		"&endDateTime=2026-03-01+02:00:00+%2B01:00":                          2,
	} {
		require.Len(t, get(t, &f, "/api/users/getSentMessages?email=a@example.com"+query).json["messages"], want, query)
	}
	first := get(t, &f, "/api/users/getSentMessages?email=a@example.com").json["messages"].([]any)[0]
	require.Equal(t, map[string]any{"messageId": "m-11", "campaignId": 2.0, "templateId": 5.0, "createdAt": "2026-03-01 11:00:00 +00:00"}, first)
	require.Equal(t, []any{}, get(t, &f, "/api/users/getSentMessages?email=b@example.com").json["messages"])
	for _, query := range []string{"", "email=a@example.com&limit=0", "email=a@example.com&messageMedium=Fax", "email=a@example.com&startDateTime=x"} {
		requireRefused(t, get(t, &f, "/api/users/getSentMessages?"+query), http.StatusBadRequest, "BadParams")
	}
}
