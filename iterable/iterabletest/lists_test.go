package iterabletest

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iteramp/iteramp/iterable"
)

func subscribeBody(list int64, subscribers string) string {
	return fmt.Sprintf(`{"listId":%d,"subscribers":[%s]}`, list, subscribers)
}

func TestAListIsCreatedFilledReadAndDeleted(t *testing.T) {
	t.Parallel()
	f := byUserID()
	got := accepted(t, f, "/api/lists", `{"name":"Gold","description":"they pay"}`)
	id := int64(got.json["listId"].(float64))
	require.Greater(t, id, int64(1<<32), "ids do not fit 32 bits")

	got = accepted(t, f, "/api/lists/subscribe", subscribeBody(id, `{"userId":"u-1","dataFields":{"plan":"gold"}},{"userId":"u-2"},{"userId":"u-1"}`))
	require.EqualValues(t, 3, got.json["successCount"])
	require.EqualValues(t, 0, got.json["failCount"])
	require.Equal(t, []any{"plan"}, got.json["createdFields"])
	require.Equal(t, []any{}, got.json["filteredOutFields"])
	require.Empty(t, failed(got))
	require.Len(t, got.json["failedUpdates"], 10)

	require.Equal(t, []string{"u-1", "u-2"}, f.Members(id))
	require.Equal(t, "gold", f.User("u-1").DataFields["plan"])
	require.Equal(t, []int64{id}, f.User("u-1").DataFields["userListIds"])
	require.Equal(t, "2", get(t, f, fmt.Sprintf("/api/lists/%d/size", id)).text)

	got = get(t, f, "/api/lists")
	list := got.json["lists"].([]any)[0].(map[string]any)
	require.Equal(t, "Gold", list["name"])
	require.Equal(t, "they pay", list["description"])
	require.Equal(t, "Standard", list["listType"])
	require.Greater(t, list["createdAt"], 1.7e12)

	got = ask(t, f, http.MethodDelete, fmt.Sprintf("/api/lists/%d", id), "")
	require.Equal(t, http.StatusOK, got.status)
	require.Equal(t, fmt.Sprintf("List %d in Project %d was successfully deleted.", id, projectID), got.json["msg"])
	requireRefused(t, ask(t, f, http.MethodDelete, fmt.Sprintf("/api/lists/%d", id), ""), http.StatusBadRequest, "BadParams")
	require.Nil(t, f.Members(id))
	require.NotContains(t, f.User("u-1").DataFields, "userListIds")
}

func TestNamesOfListsAreNotUnique(t *testing.T) {
	t.Parallel()
	var f Fake
	accepted(t, &f, "/api/lists", `{"name":"Gold"}`)
	accepted(t, &f, "/api/lists", `{"name":"Gold"}`)
	require.Len(t, f.Lists(), 2)
	require.NotEqual(t, f.Lists()[0].ID, f.Lists()[1].ID)
}

func TestAListInUseIsNotDeleted(t *testing.T) {
	t.Parallel()
	var f Fake
	id := f.AddList("Gold")
	f.LockList(id, true)
	requireRefused(t, ask(t, &f, http.MethodDelete, fmt.Sprintf("/api/lists/%d", id), ""), http.StatusConflict, "Conflict")
	f.LockList(id, false)
	require.Equal(t, http.StatusOK, ask(t, &f, http.MethodDelete, fmt.Sprintf("/api/lists/%d", id), "").status)
}

func TestAnUnknownListIsRefusedInTwoWays(t *testing.T) {
	t.Parallel()
	var f Fake
	for _, path := range []string{"/api/lists/subscribe", "/api/lists/unsubscribe"} {
		got := post(t, &f, path, subscribeBody(42, ``))
		requireRefused(t, got, http.StatusBadRequest, "Success")
		require.Equal(t, "error.lists.invalidListId(42)", got.json["msg"])
		require.EqualValues(t, map[string]any{"projectId": float64(projectID), "listId": 42.0}, got.json["params"])
	}
	for _, target := range []string{"/api/lists/getUsers?listId=42", "/api/lists/previewUsers?listId=42", "/api/lists/42/size"} {
		got := get(t, &f, target)
		requireRefused(t, got, http.StatusBadRequest, "BadParams")
		require.Equal(t, "Invalid email list id", got.json["msg"])
		require.Equal(t, map[string]any{"projectId": fmt.Sprint(projectID), "listId": "42"}, got.json["params"], "quoted numbers")
	}
	for _, target := range []string{"/api/lists/getUsers", "/api/lists/getUsers?listId=x", "/api/lists/x/size"} {
		requireRefused(t, get(t, &f, target), http.StatusBadRequest, "BadParams")
	}
}

func TestNobodySubscribedIsASuccess(t *testing.T) {
	t.Parallel()
	var f Fake
	got := accepted(t, &f, "/api/lists/subscribe", subscribeBody(f.AddList("Gold"), ``))
	require.EqualValues(t, 0, got.json["successCount"])
	require.EqualValues(t, 0, got.json["failCount"])
}

func TestSubscribeFillsAllTenListsOfFailures(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", maxText+1)
	f := hybrid()
	list := f.AddList("Gold")
	accepted(t, f, "/api/users/update", `{"email":"ann@example.com","userId":"ann"}`)
	accepted(t, f, "/api/users/update", `{"email":"bob@example.com","userId":"bob"}`)
	f.Forget("gone@example.com", "gone")
	got := accepted(t, f, "/api/lists/subscribe", fmt.Sprintf(`{"listId":%d,"updateExistingUsersOnly":true,"subscribers":[
		{"email":"Bob@Example.com"},
		{"userId":"ann","dataFields":{"email":"bob@example.com"}},
		{"email":"ann@example.com","userId":"bob"},
		{"email":"gone@example.com"},{"userId":"gone"},
		{"email":"bob@example.com","dataFields":{"bio":"%s"}},
		{"userId":"ann","dataFields":{"home_geo_location":{"lat":"x"}}},
		{"email":"bob@"},{"userId":"%s"},{"userId":""},
		{"email":"new@example.com"},{"userId":"new"},
		{}
	]}`, list, long, strings.Repeat("u", 53)))
	require.EqualValues(t, 1, got.json["successCount"])
	require.EqualValues(t, 12, got.json["failCount"])
	require.Equal(t, map[string]any{
		"conflictEmails":     []any{"bob@example.com"},
		"conflictUserIds":    []any{"bob"},
		"forgottenEmails":    []any{"gone@example.com"},
		"forgottenUserIds":   []any{"gone"},
		"invalidDataEmails":  []any{"bob@example.com"},
		"invalidDataUserIds": []any{"ann"},
		"invalidEmails":      []any{"bob@"},
		"invalidUserIds":     []any{strings.Repeat("u", 53), ""},
		"notFoundEmails":     []any{"new@example.com"},
		"notFoundUserIds":    []any{"new"},
	}, failed(got))
	require.Equal(t, []any{"bob@"}, got.json["invalidEmails"], "the deprecated duplicate")
	require.Len(t, got.json["invalidUserIds"], 2)
	require.Equal(t, []string{"bob"}, f.Members(list))
	require.Len(t, f.Users(), 2)
}

func TestSkippedUsersCanGoUncounted(t *testing.T) {
	t.Parallel()
	f := &Fake{ProjectType: "userId", SkipsUncounted: true}
	list := f.AddList("Gold", "known")
	got := accepted(t, f, "/api/lists/subscribe", fmt.Sprintf(
		`{"listId":%d,"updateExistingUsersOnly":true,"subscribers":[{"userId":"known"},{"userId":"new"}]}`, list))
	require.EqualValues(t, 1, got.json["successCount"])
	require.EqualValues(t, 0, got.json["failCount"])
	require.Empty(t, failed(got))
	require.Equal(t, []string{"known"}, f.Members(list))
}

func TestOldRepliesNameInvalidIdsOnly(t *testing.T) {
	t.Parallel()
	f := &Fake{OldReplies: true}
	got := accepted(t, f, "/api/lists/subscribe", subscribeBody(f.AddList("Gold"), `{"email":"bad"},{"userId":"u-1"}`))
	require.EqualValues(t, 2, got.json["failCount"])
	require.NotContains(t, got.json, "failedUpdates")
	require.Equal(t, []any{"bad"}, got.json["invalidEmails"])
}

func TestUnsubscribeTellsOnlyUnknownUsers(t *testing.T) {
	t.Parallel()
	f := byUserID()
	list, other := f.AddList("Gold", "a", "b"), f.AddList("Silver", "c")
	got := accepted(t, f, "/api/lists/unsubscribe", fmt.Sprintf(
		`{"listId":%d,"campaignId":7,"subscribers":[{"userId":"a"},{"userId":"c"},{"userId":"new"},{"email":"a@example.com"}]}`, list))
	require.EqualValues(t, 2, got.json["successCount"])
	require.EqualValues(t, 2, got.json["failCount"])
	require.Equal(t, map[string]any{"notFoundUserIds": []any{"new"}, "invalidEmails": []any{"a@example.com"}}, failed(got))
	require.Equal(t, []string{"b"}, f.Members(list))
	require.Equal(t, []string{"c"}, f.Members(other))
	require.NotContains(t, f.User("a").DataFields, "unsubscribedChannelIds")
	e := f.Events("a")
	require.Len(t, e, 1)
	require.Equal(t, "emailUnSubscribe", e[0].Name)
	require.Equal(t, list, e[0].ListID)
	require.EqualValues(t, 7, e[0].CampaignID)
}

func TestChannelUnsubscribeReachesTheChannel(t *testing.T) {
	t.Parallel()
	f := byUserID()
	list := f.AddList("Gold", "a")
	accepted(t, f, "/api/lists/unsubscribe", fmt.Sprintf(`{"listId":%d,"channelUnsubscribe":true,"subscribers":[{"userId":"a"}]}`, list))
	require.Equal(t, []int64{71001}, f.User("a").DataFields["unsubscribedChannelIds"])
}

func TestMembersAreNamedByTypeOfProject(t *testing.T) {
	t.Parallel()
	seed := `{"email":"Ann@Example.com","userId":"ann"},{"email":"bob@example.com"},{"userId":"cem","preferUserId":true}`
	for project, want := range map[iterable.ProjectType][2][]string{
		"email":  {{"ann@example.com", "bob@example.com", "cem+147023757@placeholder.email"}, {"ann@example.com", "bob@example.com", "cem+147023757@placeholder.email"}},
		"hybrid": {{"ann@example.com", "bob@example.com", "cem"}, {"ann", "bob@example.com", "cem"}},
		"userId": {{"ann", "cem"}, {"ann", "cem"}},
	} {
		f := &Fake{ProjectType: project}
		list := f.AddList("Gold")
		accepted(t, f, "/api/lists/subscribe", subscribeBody(list, seed))
		for i, query := range []string{"", "&preferUserId=true"} {
			got := get(t, f, fmt.Sprintf("/api/lists/getUsers?listId=%d%s", list, query))
			require.Equal(t, "text/plain; charset=utf-8", got.header.Get("Content-Type"))
			lines := strings.Split(got.text, "\n")
			slices.Sort(lines)
			require.Equal(t, want[i], lines, string(project)+query)
		}
	}
}

func TestTheOrderOfMembersVariesTheSameWay(t *testing.T) {
	t.Parallel()
	ids := make([]string, 50)
	for i := range ids {
		ids[i] = fmt.Sprintf("u-%02d", i)
	}
	read := func() (first, second, preview string) {
		f := byUserID()
		target := fmt.Sprintf("listId=%d", f.AddList("Gold", ids...))
		return get(t, f, "/api/lists/getUsers?"+target).text, get(t, f, "/api/lists/getUsers?"+target).text,
			get(t, f, "/api/lists/previewUsers?size=5&"+target).text
	}
	first, second, preview := read()
	require.NotEqual(t, first, second)
	for _, lines := range []string{first, second} {
		all := strings.Split(lines, "\n")
		slices.Sort(all)
		require.Equal(t, ids, all)
	}
	require.Len(t, strings.Split(preview, "\n"), 5)
	again, _, _ := read()
	require.Equal(t, first, again)
}

func TestAnEmptyListReadsEmpty(t *testing.T) {
	t.Parallel()
	var f Fake
	got := get(t, &f, fmt.Sprintf("/api/lists/getUsers?listId=%d", f.AddList("Gold")))
	require.Equal(t, http.StatusOK, got.status)
	require.Empty(t, got.text)
}

func TestPreviewHoldsItsSize(t *testing.T) {
	t.Parallel()
	var f Fake
	list := f.AddList("Gold", "a@example.com")
	for _, size := range []string{"0", "5001", "x"} {
		requireRefused(t, get(t, &f, fmt.Sprintf("/api/lists/previewUsers?listId=%d&size=%s", list, size)), http.StatusBadRequest, "BadParams")
	}
	requireRefused(t, get(t, &f, fmt.Sprintf("/api/lists/previewUsers?listId=%d&preferUserId=yes", list)), http.StatusBadRequest, "BadParams")
}

func TestANewListIsNotUsableAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &Fake{ProjectType: "userId", ListSettleAfter: 5 * time.Second}
		id := int64(accepted(t, f, "/api/lists", `{"name":"Gold"}`).json["listId"].(float64))
		require.Len(t, f.Lists(), 1)
		requireRefused(t, post(t, f, "/api/lists/subscribe", subscribeBody(id, `{"userId":"a"}`)), http.StatusBadRequest, "Success")
		time.Sleep(5 * time.Second)
		accepted(t, f, "/api/lists/subscribe", subscribeBody(id, `{"userId":"a"}`))
		require.Equal(t, []string{"a"}, f.Members(id))
	})
}

func TestWritesSettle(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &Fake{ProjectType: "userId", SettleAfter: time.Minute}
		list := f.AddList("Gold", "old")
		got := accepted(t, f, "/api/lists/subscribe", subscribeBody(list, `{"userId":"new","dataFields":{"a":1}}`))
		require.EqualValues(t, 1, got.json["successCount"])
		require.Equal(t, []string{"old"}, f.Members(list))
		require.Equal(t, "{}\n", get(t, f, "/api/users/byUserId/new").text)
		require.Equal(t, map[string]any{"notFoundUserIds": []any{"new"}},
			failed(accepted(t, f, "/api/events/trackBulk", `{"events":[{"userId":"new","eventName":"x"}]}`)), "too early")
		time.Sleep(30 * time.Second)
		accepted(t, f, "/api/lists/unsubscribe", subscribeBody(list, `{"userId":"old"}`))
		time.Sleep(30 * time.Second)
		require.Equal(t, []string{"new", "old"}, f.Members(list))
		accepted(t, f, "/api/events/trackBulk", `{"events":[{"userId":"new","eventName":"x"}]}`)
		time.Sleep(30 * time.Second)
		require.Equal(t, []string{"new"}, f.Members(list))
		require.Len(t, f.Events("new"), 1, "emailSubscribe, not yet x")
	})
}

func TestListsLeaveEventsThatTheAPIShows(t *testing.T) {
	t.Parallel()
	var f Fake
	list := f.AddList("Gold")
	accepted(t, &f, "/api/lists/subscribe", subscribeBody(list, `{"email":"a@example.com"},{"email":"a@example.com"}`))
	accepted(t, &f, "/api/lists/unsubscribe", subscribeBody(list, `{"email":"a@example.com"}`))
	events := get(t, &f, "/api/events/a@example.com").json["events"].([]any)
	require.Len(t, events, 2)
	require.Equal(t, "emailUnSubscribe", events[0].(map[string]any)["eventType"])
	require.Equal(t, "emailSubscribe", events[1].(map[string]any)["eventType"])
	require.Equal(t, []any{float64(list)}, events[1].(map[string]any)["emailListIds"])
	require.Equal(t, "a@example.com", events[1].(map[string]any)["email"])
}
