package iterabletest

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestABodyOfTheWrongFormIsRefusedByPath(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		path, body string
		params     map[string]any
	}{
		{"/api/users/bulkUpdate", `{"users":[{"userId":"a"},{"userId":"b","preferUserId":"yes"}]}`, map[string]any{"obj.users[1].preferUserId": "Boolean value expected"}},
		{"/api/users/update", `{"userId":1}`, map[string]any{"obj.userId": "String value expected"}},
		{"/api/users/update", `{"userId":"a","dataFields":[]}`, map[string]any{"obj.dataFields": "Object value expected"}},
		{"/api/users/bulkUpdate", `{"users":{}}`, map[string]any{"obj.users": "Array value expected"}},
		{"/api/users/bulkUpdate", `{"users":[null]}`, map[string]any{"obj.users[0]": "Object value expected"}},
		{"/api/users/bulkUpdate", `{"users":null}`, map[string]any{"obj.users": "Required value is missing"}},
		{"/api/lists/subscribe", `{}`, map[string]any{"obj.listId": "Required value is missing", "obj.subscribers": "Required value is missing"}},
		{"/api/lists/subscribe", `{"listId":"1","subscribers":[]}`, map[string]any{"obj.listId": "Integer value expected"}},
		{"/api/lists/unsubscribe", `{"listId":1.5,"subscribers":[],"campaignId":true}`, map[string]any{"obj.listId": "Integer value expected", "obj.campaignId": "Integer value expected"}},
		{"/api/events/trackBulk", `{"events":[{"eventName":null}]}`, map[string]any{"obj.events[0].eventName": "Required value is missing"}},
		{"/api/events/track", `{"eventName":"x","createdAt":"2026-01-01"}`, map[string]any{"obj.createdAt": "Integer value expected"}},
		{"/api/users/registerDeviceToken", `{"device":{"token":"t","applicationName":"a","platform":"ios"}}`, map[string]any{"obj.device.platform": "Enum value expected"}},
		{"/api/lists", `[]`, map[string]any{"obj": "Object value expected"}},
		{"/api/lists", `null`, map[string]any{"obj": "Object value expected"}},
		{"/api/lists", ``, map[string]any{}},
		{"/api/lists", `{"name":"x"} {}`, map[string]any{}},
		{"/api/lists", `{"name":`, map[string]any{}},
	} {
		var f Fake
		got := post(t, &f, test.path, test.body)
		requireRefused(t, got, http.StatusBadRequest, "BadJsonBody")
		require.Equal(t, test.params, got.json["params"], test.body)
		require.Empty(t, f.Users())
		require.Empty(t, f.Lists())
	}
}

func TestOneBadRecordRefusesTheWholeRequest(t *testing.T) {
	t.Parallel()
	f := byUserID()
	list := f.AddList("Gold")
	requireRefused(t, post(t, f, "/api/lists/subscribe", subscribeBody(list, `{"userId":"a"},{"userId":2}`)), http.StatusBadRequest, "BadJsonBody")
	require.Empty(t, f.Members(list))
}

func TestUnknownFieldsAndNullsAreNoFault(t *testing.T) {
	t.Parallel()
	f := byUserID()
	accepted(t, f, "/api/users/update", `{"userId":"a","email":null,"data_fields":{"x":1},"preferUserId":null,"dataFields":null}`)
	require.NotContains(t, f.User("a").DataFields, "x")
}

func TestABodyMayBeSoLarge(t *testing.T) {
	t.Parallel()
	f := &Fake{MaxBytes: 100}
	body := `{"name":"` + strings.Repeat("x", 89) + `"}`
	require.Len(t, body, 100)
	accepted(t, f, "/api/lists", body)
	requireRefused(t, post(t, f, "/api/lists", body+" "), http.StatusBadRequest, "BatchTooLarge")
	require.Len(t, f.Lists(), 1)
	requireRefused(t, post(t, new(Fake), "/api/lists", `{"name":"`+strings.Repeat("x", 4_000_000)+`"}`), http.StatusBadRequest, "BatchTooLarge")
}
