package iterabletest

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestUpdateSubscriptionsReplacesWhatIsSent(t *testing.T) {
	t.Parallel()
	f := byUserID()
	gold, silver := f.AddList("Gold", "a"), f.AddList("Silver")
	accepted(t, f, "/api/users/updateSubscriptions", fmt.Sprintf(
		`{"userId":"a","emailListIds":[%d],"unsubscribedChannelIds":[71001],"unsubscribedMessageTypeIds":[81001,81003],"campaignId":7}`, silver))
	require.Empty(t, f.Members(gold))
	require.Equal(t, []string{"a"}, f.Members(silver))
	require.Equal(t, []int64{71001}, f.User("a").DataFields["unsubscribedChannelIds"])
	require.Len(t, f.Events("a"), 2)
	accepted(t, f, "/api/users/updateSubscriptions", `{"userId":"a","emailListIds":null,"unsubscribedChannelIds":[]}`)
	require.Equal(t, []string{"a"}, f.Members(silver), "null is not empty")
	require.NotContains(t, f.User("a").DataFields, "unsubscribedChannelIds")
	require.Equal(t, []int64{81001, 81003}, f.User("a").DataFields["unsubscribedMessageTypeIds"])

	requireRefused(t, post(t, f, "/api/users/updateSubscriptions", `{"userId":"a","emailListIds":[42]}`), http.StatusBadRequest, "BadParams")
	requireRefused(t, post(t, f, "/api/users/updateSubscriptions", `{"userId":"a","subscribedMessageTypeIds":[81002]}`), http.StatusBadRequest, "BadParams")
	requireRefused(t, post(t, f, "/api/users/updateSubscriptions", `{"email":"foo@"}`), http.StatusBadRequest, "InvalidEmailAddressError")
}

func TestOptInsNeedAChannelThatIsSubscribed(t *testing.T) {
	t.Parallel()
	f := &Fake{OptInMessageTypes: true}
	body := `{"email":"a@example.com","subscribedMessageTypeIds":[81002],"unsubscribedChannelIds":[71001]%s}`
	requireRefused(t, post(t, f, "/api/users/updateSubscriptions", fmt.Sprintf(body, ``)), http.StatusBadRequest, "BadParams")
	accepted(t, f, "/api/users/updateSubscriptions", fmt.Sprintf(body, `,"validateChannelAlignment":false`))
	require.Equal(t, []int64{81002}, f.User("a@example.com").DataFields["subscribedMessageTypeIds"])
}

func TestBulkUpdateSubscriptionsReportsPerRecord(t *testing.T) {
	t.Parallel()
	var f Fake
	got := accepted(t, &f, "/api/users/bulkUpdateSubscriptions",
		`{"updateSubscriptionsRequests":[{"email":"a@example.com","unsubscribedChannelIds":[71001]},{"email":"bad"},{"userId":"u-1"}]}`)
	require.Equal(t, map[string]any{
		"successCount": 1.0, "failCount": 2.0, "invalidEmails": []any{"bad"}, "invalidUserIds": []any{"u-1"},
		"validEmailFailures": []any{}, "validUserIdFailures": []any{},
	}, got.json)
	require.Equal(t, []int64{71001}, f.User("a@example.com").DataFields["unsubscribedChannelIds"])
}

func TestGroupsAreSubscribedToAndLeft(t *testing.T) {
	t.Parallel()
	f := hybrid()
	list := f.AddList("Gold")
	for _, test := range []struct {
		group, field string
		after        any
		left         any
	}{
		{fmt.Sprintf("emailList/%d", list), "userListIds", []int64{list}, nil},
		{"messageType/81002", "subscribedMessageTypeIds", []int64{81002}, nil},
		{"MESSAGETYPE/81001", "unsubscribedMessageTypeIds", nil, []int64{81001}},
		{"messageChannel/71001", "unsubscribedChannelIds", nil, []int64{71001}},
	} {
		path := "/api/subscriptions/" + test.group
		for _, who := range []string{"/user/a%2Bb@example.com", "/byUserId/u%2F1"} {
			id := map[string]string{"/user/a%2Bb@example.com": "a+b@example.com", "/byUserId/u%2F1": "u/1"}[who]
			got := ask(t, f, http.MethodPatch, path+who, "")
			requireRefused(t, got, http.StatusAccepted, "Success")
			require.Equal(t, test.after, f.User(id).DataFields[test.field], path)
			require.Equal(t, http.StatusAccepted, ask(t, f, http.MethodDelete, path+who, "").status)
			require.Equal(t, test.left, f.User(id).DataFields[test.field], path)
		}
		body := `{"users":["a+b@example.com"],"usersByUserId":["u/1","u-2"]}`
		require.Equal(t, http.StatusAccepted, ask(t, f, http.MethodPut, path+"?action=subscribe", body).status)
		require.Equal(t, test.after, f.User("u-2").DataFields[test.field])
		require.Equal(t, http.StatusAccepted, ask(t, f, http.MethodPut, path+"?action=unsubscribe", body).status)
		require.Equal(t, test.left, f.User("u-2").DataFields[test.field])
	}
	require.Len(t, f.Events("u-2"), 2, "of the list")
	requireRefused(t, ask(t, f, http.MethodPut, "/api/subscriptions/messageType/81002?action=x", `{}`), http.StatusBadRequest, "BadParams")
	for _, group := range []string{"emailList/42", "messageType/42", "messageChannel/42", "other/1", "emailList/x"} {
		requireRefused(t, ask(t, f, http.MethodPatch, "/api/subscriptions/"+group+"/byUserId/u-1", ""), http.StatusNotFound, "NotFound")
	}
	requireRefused(t, ask(t, f, http.MethodPut, "/api/subscriptions/messageType/81002?action=subscribe", `{"users":["bad"]}`), http.StatusBadRequest, "InvalidEmailAddressError")
}

func TestSubscriptionsMayBeDisabled(t *testing.T) {
	t.Parallel()
	f := &Fake{NoSubscriptions: true}
	requireRefused(t, ask(t, f, http.MethodPatch, "/api/subscriptions/messageType/81002/user/a@example.com", ""), http.StatusNotFound, "NotFound")
	requireRefused(t, post(t, f, "/api/subscriptions/subscribeToDoubleOptIn", `{"messageTypeIds":[81002]}`), http.StatusNotFound, "NotFound")
}

func TestDoubleOptInHasAnswersOfItsOwn(t *testing.T) {
	t.Parallel()
	var f Fake
	got := post(t, &f, "/api/subscriptions/subscribeToDoubleOptIn", `{"phoneNumber":"+15550100","messageTypeIds":[81002]}`)
	require.Equal(t, http.StatusAccepted, got.status)
	require.Nil(t, got.json)
	for _, body := range []string{`{`, `{"phoneNumber":"+15550100","messageTypeIds":[1]}`, `{"messageTypeIds":[81002]}`} {
		got = post(t, &f, "/api/subscriptions/subscribeToDoubleOptIn", body)
		require.Equal(t, http.StatusBadRequest, got.status)
		require.Contains(t, got.json, "message", body)
		require.Contains(t, got.json, "error")
	}
}
