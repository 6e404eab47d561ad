package iterabletest

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestUpdateEmailIsForEmailBasedProjects(t *testing.T) {
	t.Parallel()
	var f Fake
	accepted(t, &f, "/api/users/update", `{"userId":"anon","preferUserId":true}`)
	f.AddUser("taken@example.com", nil)
	f.Forget("gone@example.com")
	for body, code := range map[string]string{
		`{"currentUserId":"anon","newEmail":"taken@example.com"}`:          "EmailAlreadyExists",
		`{"currentUserId":"anon","newEmail":"foo@"}`:                       "InvalidEmailAddressError",
		`{"currentUserId":"nobody","newEmail":"new@example.com"}`:          "UnknownUserIdError",
		`{"currentEmail":"nobody@example.com","newEmail":"n@example.com"}`: "UnknownEmailError",
		`{"newEmail":"n@example.com"}`:                                     "BadParams",
	} {
		requireRefused(t, post(t, &f, "/api/users/updateEmail", body), http.StatusBadRequest, code)
	}
	requireRefused(t, post(t, &f, "/api/users/updateEmail", `{"currentUserId":"anon","newEmail":"gone@example.com"}`), http.StatusConflict, "ForgottenUserError")
	accepted(t, &f, "/api/users/updateEmail", `{"currentUserId":"anon","newEmail":"Real@example.com"}`)
	require.Equal(t, "real@example.com", f.User("anon").Email)
	requireRefused(t, post(t, hybrid(), "/api/users/updateEmail", `{"currentEmail":"a@example.com","newEmail":"b@example.com"}`), http.StatusBadRequest, "BadParams")
}

func TestMergeKeepsTheDestination(t *testing.T) {
	t.Parallel()
	f := hybrid()
	f.AddUser("from", map[string]any{"a": 1, "b": 1, "tags": []string{"x", "y"}, "orders": []map[string]any{{"id": 1}, {"id": 2}}})
	f.AddUser("to", map[string]any{"b": 2, "tags": []string{"y", "z"}, "orders": []map[string]any{{"id": 2, "n": 1}}})
	list := f.AddList("Gold", "from")
	accepted(t, f, "/api/events/track", `{"userId":"from","eventName":"x","id":"e-1"}`)
	accepted(t, f, "/api/users/merge", `{"sourceUserId":"from","destinationUserId":"to","arrayMerge":[{"field":"tags"},{"field":"orders","dedupeBy":"id"}]}`)
	require.Len(t, f.Users(), 1)
	fields := f.User("to").DataFields
	require.EqualValues(t, 1, fields["a"])
	require.EqualValues(t, 2, fields["b"])
	require.Equal(t, []any{"y", "z", "x"}, fields["tags"])
	require.Equal(t, []any{map[string]any{"id": 2.0, "n": 1.0}, map[string]any{"id": 1.0}}, fields["orders"])
	require.Equal(t, []string{"to"}, f.Members(list))
	require.Len(t, f.Events("to"), 1)
	accepted(t, f, "/api/events/track", `{"userId":"to","eventName":"y","id":"e-1"}`)
	require.Len(t, f.Events("to"), 1, "the event is still found by its id")

	requireRefused(t, post(t, f, "/api/users/merge", `{"sourceUserId":"from","destinationUserId":"to"}`), http.StatusBadRequest, "UnknownUserIdError")
	accepted(t, f, "/api/users/merge", `{"sourceUserId":"to","destinationUserId":"other"}`)
	require.Equal(t, "other", f.User("other").UserID, "the source gets the identity of an unknown destination")
	require.Empty(t, f.User("to").UserID)
}

func TestForgottenUsersStayAway(t *testing.T) {
	t.Parallel()
	f := hybrid()
	f.AddUser("a@example.com", nil)
	f.AddUser("u-1", nil)
	list := f.AddList("Gold", "u-1")
	accepted(t, f, "/api/users/forget", `{"email":"A@example.com"}`)
	accepted(t, f, "/api/users/forget", `{"userId":"u-1"}`)
	accepted(t, f, "/api/users/forget", `{"userId":"u-1"}`)
	got := post(t, f, "/api/users/forget", `{"userId":"nobody"}`)
	requireRefused(t, got, http.StatusBadRequest, "GenericError")
	require.Equal(t, "User does not exist", got.json["msg"])
	require.Empty(t, f.Users())
	require.Empty(t, f.Members(list))

	requireRefused(t, post(t, f, "/api/users/update", `{"userId":"u-1"}`), http.StatusConflict, "ForgottenUserError")
	requireRefused(t, post(t, f, "/api/events/track", `{"userId":"u-1","eventName":"x"}`), http.StatusBadRequest, "ForgottenUserError")
	require.Equal(t, map[string]any{"forgottenUserIds": []any{"u-1"}}, failed(accepted(t, f, "/api/events/trackBulk", `{"events":[{"userId":"u-1","eventName":"x"}]}`)))
	require.Len(t, get(t, f, "/api/users/forgotten").json["hashedEmails"], 1)
	require.Equal(t, hashes(map[string]bool{"u-1": true})[0], get(t, f, "/api/users/forgottenUserIds").json["hashedUserIds"].([]any)[0])

	accepted(t, f, "/api/users/unforget", `{"userId":"u-1"}`)
	accepted(t, f, "/api/users/update", `{"userId":"u-1"}`)
	require.Empty(t, f.Members(list), "nothing comes back")
}

func TestHashesAreOfTheTrimmedLowerCase(t *testing.T) {
	t.Parallel()
	// printf abc | sha256sum
	require.Equal(t, []string{"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"}, hashes(map[string]bool{" ABC ": true}))
}

func TestUsersAreForgottenByWhatIdentifiesThem(t *testing.T) {
	t.Parallel()
	var f Fake
	requireRefused(t, post(t, &f, "/api/users/forget", `{"userId":"u-1"}`), http.StatusBadRequest, "BadParams")
	requireRefused(t, get(t, &f, "/api/users/forgottenUserIds"), http.StatusBadRequest, "BadParams")
	g := byUserID()
	requireRefused(t, post(t, g, "/api/users/forget", `{"email":"a@example.com"}`), http.StatusBadRequest, "BadParams")
	requireRefused(t, get(t, g, "/api/users/forgotten"), http.StatusBadRequest, "BadParams")
}

func TestUsersAreDeletedAndMayComeBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &Fake{ProjectType: "hybrid", SettleAfter: time.Minute}
		f.AddUser("a@example.com", nil)
		f.AddUser("u-1", nil)
		require.Equal(t, http.StatusOK, ask(t, f, http.MethodDelete, "/api/users/A@example.com", "").status)
		require.Equal(t, http.StatusOK, ask(t, f, http.MethodDelete, "/api/users/byUserId/u-1", "").status)
		require.Len(t, f.Users(), 2, "deleting is asynchronous")
		time.Sleep(time.Minute)
		require.Empty(t, f.Users())
		for target, code := range map[string]string{"a@example.com": "BadParams", "byUserId/u-1": "BadParams", "foo@": "InvalidEmailAddressError"} {
			requireRefused(t, ask(t, f, http.MethodDelete, "/api/users/"+target, ""), http.StatusBadRequest, code)
		}
		accepted(t, f, "/api/users/update", `{"userId":"u-1"}`)
		requireRefused(t, ask(t, byUserID(), http.MethodDelete, "/api/users/a@example.com", ""), http.StatusBadRequest, "BadParams")
	})
}

func TestTokensAreInvalidated(t *testing.T) {
	t.Parallel()
	var f Fake
	accepted(t, &f, "/api/auth/jwts/invalidate", `{"email":"a@example.com","issuedBefore":1764040000000}`)
	requireRefused(t, post(t, &f, "/api/auth/jwts/invalidate", `{}`), http.StatusBadRequest, "BadParams")
}
