package iterabletest

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iteramp/iteramp/iterable"
)

func TestUnknownUsersAreCreatedByTypeOfProject(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		project iterable.ProjectType
		user    string
		status  int
		code    string
		email   string
		userID  string
	}{
		{"email", `{"email":"Ann@Example.com"}`, 200, "Success", "ann@example.com", ""},
		{"email", `{"email":"ann@example.com","userId":"u-1"}`, 200, "Success", "ann@example.com", "u-1"},
		{"email", `{"userId":"u-1"}`, 400, "UnknownUserIdError", "", ""},
		{"email", `{"userId":"User","preferUserId":true}`, 200, "Success", "user+147007919@placeholder.email", "User"},
		{"hybrid", `{"email":"ann@example.com"}`, 200, "Success", "ann@example.com", ""},
		{"hybrid", `{"userId":"u-1"}`, 200, "Success", "", "u-1"},
		{"hybrid", `{"userId":"u-1","email":"ann@example.com"}`, 200, "Success", "ann@example.com", "u-1"},
		{"userId", `{"userId":"u-1","preferUserId":true}`, 200, "Success", "", "u-1"},
		{"userId", `{"email":"ann@example.com"}`, 400, "InvalidEmailAddressError", "", ""},
		{"userId", `{"userId":"u-1","dataFields":{"email":"A@example.com"}}`, 200, "Success", "a@example.com", "u-1"},
		{"hybrid", `{}`, 400, "BadParams", "", ""},
		{"hybrid", `{"email":""}`, 400, "InvalidEmailAddressError", "", ""},
		{"hybrid", `{"userId":""}`, 400, "InvalidUserIdError", "", ""},
	} {
		f := &Fake{ProjectType: test.project}
		got := post(t, f, "/api/users/update", test.user)
		requireRefused(t, got, test.status, test.code)
		if test.status != http.StatusOK {
			require.Empty(t, f.Users(), test.user)
			continue
		}
		require.Len(t, f.Users(), 1)
		require.Equal(t, test.email, f.Users()[0].Email, test.user)
		require.Equal(t, test.userID, f.Users()[0].UserID, test.user)
	}
}

func TestUserIdsHaveAForm(t *testing.T) {
	t.Parallel()
	for id, good := range map[string]bool{
		"a": true, " a": true, strings.Repeat("a", 52): true, "a b~!": true,
		"": false, " ": false, "a ": false, strings.Repeat("a", 53): false, "é": false, "a\tb": false, "a\x7f": false,
	} {
		require.Equal(t, good, isUserID(id), "%q", id)
	}
	for email, good := range map[string]bool{
		"a@b.example": true, "a+b@b.c.example": true, "user123+147178873@placeholder.email": true,
		"": false, "a": false, "foo@": false, "@b.example": false, "a@b": false, "a@b.": false, "a@.b": false, "a@b..c": false,
		"a@b@c.example": false, "a b@c.example": false, "é@c.example": false, "A <a@c.example>": false,
	} {
		require.Equal(t, good, isEmail(email), "%q", email)
	}
}

func TestUserIdsDifferByCaseAndAddressesDoNot(t *testing.T) {
	t.Parallel()
	f := hybrid()
	for _, user := range []string{`{"userId":"a"}`, `{"userId":"A"}`, `{"userId":" a"}`, `{"email":"A@example.com"}`, `{"email":"a@example.com"}`} {
		accepted(t, f, "/api/users/update", user)
	}
	require.Len(t, f.Users(), 4)
}

func TestAnEmailBasedProjectOverwritesTheUserId(t *testing.T) {
	t.Parallel()
	var f Fake
	accepted(t, &f, "/api/users/update", `{"email":"a@example.com","userId":"one"}`)
	accepted(t, &f, "/api/users/update", `{"email":"a@example.com","userId":"two"}`)
	accepted(t, &f, "/api/users/update", `{"email":"b@example.com","userId":"two"}`)
	require.Equal(t, "{}\n", get(t, &f, "/api/users/byUserId/one").text)
	require.Equal(t, "a@example.com", get(t, &f, "/api/users/byUserId?userId=two").json["user"].(map[string]any)["email"], "the first found")
	accepted(t, &f, "/api/users/update", `{"userId":"two","dataFields":{"x":1}}`)
	require.EqualValues(t, 1, f.User("a@example.com").DataFields["x"])
	require.Equal(t, http.StatusOK, ask(t, &f, http.MethodDelete, "/api/users/byUserId/two", "").status)
	require.Empty(t, f.Users(), "all holders")
}

func TestObjectsAreReplacedOrMerged(t *testing.T) {
	t.Parallel()
	f := byUserID()
	accepted(t, f, "/api/users/update", `{"userId":"a","dataFields":{"address":{"city":"Ulm","geo":{"a":1}},"tags":["x"],"keep":true}}`)
	accepted(t, f, "/api/users/update", `{"userId":"a","mergeNestedObjects":true,"dataFields":{"address":{"zip":"1","geo":{"b":2}},"tags":["y"]}}`)
	require.Equal(t, map[string]any{"city": "Ulm", "zip": "1", "geo": map[string]any{"b": 2.0}}, f.User("a").DataFields["address"])
	require.Equal(t, []any{"y"}, f.User("a").DataFields["tags"])
	accepted(t, f, "/api/users/update", `{"userId":"a","dataFields":{"address":{"zip":"2"}}}`)
	require.Equal(t, map[string]any{"zip": "2"}, f.User("a").DataFields["address"])
	require.Equal(t, true, f.User("a").DataFields["keep"])
}

func TestAUserIsReadAsObserved(t *testing.T) {
	t.Parallel()
	f := &Fake{Now: func() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }}
	accepted(t, f, "/api/users/update", `{"email":"a/b+c@example.com","dataFields":{"n":12345678901234567890,"signupSource":"mine"}}`)
	want := `{"user":{"dataFields":{"email":"a/b+c@example.com","n":12345678901234567890,"profileUpdatedAt":"2026-03-01 12:00:00 +00:00",` +
		`"signupDate":"2026-03-01 12:00:00 +00:00","signupSource":"API"},"email":"a/b+c@example.com"}}` + "\n"
	for _, target := range []string{"/api/users/a%2Fb+c@example.com", "/api/users/getByEmail?email=A/b%2Bc@Example.com"} {
		require.Equal(t, want, get(t, f, target).text)
	}
	require.Equal(t, "{}\n", get(t, f, "/api/users/getByEmail?email=nobody@example.com").text)
	got := get(t, f, "/api/users/foo@")
	requireRefused(t, got, http.StatusBadRequest, "InvalidEmailAddressError")
	require.Equal(t, "Invalid email: foo@", got.json["msg"])
	requireRefused(t, get(t, f, "/api/users/byUserId?userId="), http.StatusBadRequest, "InvalidUserIdError")
}

func TestBulkUpdateReportsPerRecord(t *testing.T) {
	t.Parallel()
	var f Fake
	got := accepted(t, &f, "/api/users/bulkUpdate", `{"users":[
		{"email":"a@example.com","dataFields":{"x":1}},{"email":"bad"},{"userId":"u-1"},{"userId":"u-2","preferUserId":true}]}`)
	require.EqualValues(t, 2, got.json["successCount"])
	require.EqualValues(t, 2, got.json["failCount"])
	require.Equal(t, map[string]any{"invalidEmails": []any{"bad"}, "invalidUserIds": []any{"u-1"}}, failed(got))
	require.Len(t, got.json["failedUpdates"], 8, "there is no notFound")
	require.Equal(t, []any{"x"}, got.json["createdFields"])
	got = post(t, &f, "/api/users/bulkUpdate", `{"users":[]}`)
	requireRefused(t, got, http.StatusBadRequest, "InvalidEmailAddressError")
	require.Equal(t, "Emails invalid: ", got.json["msg"])
}

func TestListsAreSetByFieldsWithoutEvents(t *testing.T) {
	t.Parallel()
	var f Fake
	gold, silver := f.AddList("Gold", "a@example.com"), f.AddList("Silver")
	accepted(t, &f, "/api/users/bulkUpdate", fmt.Sprintf(
		`{"users":[{"email":"a@example.com","dataFields":{"emailListIds":[%d,42],"unsubscribedChannelIds":[7]}}]}`, silver))
	require.Empty(t, f.Members(gold))
	require.Equal(t, []string{"a@example.com"}, f.Members(silver))
	require.Equal(t, []int64{7}, f.User("a@example.com").DataFields["unsubscribedChannelIds"])
	require.Empty(t, f.Events("a@example.com"))
}

func TestFieldsOfOneTypeStaySo(t *testing.T) {
	t.Parallel()
	f := byUserID()
	accepted(t, f, "/api/users/update", `{"userId":"a","dataFields":{
		"born":"2001-02-03","name":"Ann","age":7,"height":1.5,"vip":true,"home_geo_location":{"lat":1,"lon":2},
		"address":{"city":"Ulm"},"orders":[{"id":1}],"tags":["x"],"nothing":[],"null":null}}`)
	types := get(t, f, "/api/users/getFields").json["fields"].(map[string]any)
	for name, want := range map[string]string{
		"born": "date", "name": "string", "age": "long", "height": "double", "vip": "boolean", "home_geo_location": "geo_location",
		"address": "object", "address.city": "string", "orders": "nested", "orders.id": "long", "tags": "string", "email": "string",
	} {
		require.Equal(t, want, types[name], name)
	}
	require.NotContains(t, types, "nothing")
	require.NotContains(t, types, "null")

	before := f.Users()
	got := post(t, f, "/api/users/bulkUpdate", `{"users":[{"userId":"b","dataFields":{"new":1}},{"userId":"c","dataFields":{"born":"GGG"}}]}`)
	requireRefused(t, got, http.StatusBadRequest, "RequestFieldsTypesMismatched")
	require.Equal(t, map[string]any{"validationErrors": map[string]any{"iterabletest:::born": map[string]any{
		"incomingTypes": []any{"string", "keyword"}, "expectedType": "date", "category": "user", "offendingValue": "GGG", "_type": "UnexpectedType",
	}}}, got.json["params"])
	require.Equal(t, before, f.Users(), "nobody was written")
	require.NotContains(t, get(t, f, "/api/users/getFields").json["fields"], "new")

	for _, field := range []string{`"name":1`, `"age":1.5`, `"vip":"true"`, `"address":"x"`, `"address":{"city":1}`, `"orders":[{"id":"x"}]`, `"tags":[1]`, `"email":1`} {
		requireRefused(t, post(t, f, "/api/users/update", `{"userId":"a","dataFields":{`+field+`}}`), http.StatusBadRequest, "RequestFieldsTypesMismatched")
	}
	accepted(t, f, "/api/users/update", `{"userId":"a","dataFields":{"height":2,"name":"2001-02-03","tags":"y","born":"2001-02-03 04:05:06"}}`)
}

func TestNewFieldsAreDroppedWhereTheProjectSaysSo(t *testing.T) {
	t.Parallel()
	f := &Fake{ProjectType: "userId", DropNewFields: true}
	got := accepted(t, f, "/api/users/bulkUpdate", `{"users":[{"userId":"a","dataFields":{"x":1,"locale":"de"}}]}`)
	require.Equal(t, []any{"x"}, got.json["filteredOutFields"])
	require.Equal(t, []any{}, got.json["createdFields"])
	require.NotContains(t, f.User("a").DataFields, "x")
	require.Equal(t, "de", f.User("a").DataFields["locale"])
	got = accepted(t, f, "/api/users/bulkUpdate", `{"createNewFields":true,"users":[{"userId":"a","dataFields":{"x":1}}]}`)
	require.Equal(t, []any{"x"}, got.json["createdFields"])
	got = accepted(t, f, "/api/users/bulkUpdate", `{"users":[{"userId":"a","dataFields":{"x":2}}]}`)
	require.Equal(t, []any{}, got.json["filteredOutFields"], "it is known now")
	require.EqualValues(t, 2, f.User("a").DataFields["x"])
	got = accepted(t, byUserID(), "/api/users/bulkUpdate", `{"createNewFields":false,"users":[{"userId":"a","dataFields":{"x":1}}]}`)
	require.Equal(t, []any{"x"}, got.json["filteredOutFields"])
}

func TestAProjectHoldsSoManyFields(t *testing.T) {
	t.Parallel()
	f := byUserID()
	many := make([]string, maxUserFields)
	for i := range many {
		many[i] = fmt.Sprintf(`"f%d":1`, i)
	}
	got := post(t, f, "/api/users/update", `{"userId":"a","dataFields":{`+strings.Join(many, ",")+`}}`)
	requireRefused(t, got, http.StatusBadRequest, "UniqueFieldsLimitExceeded")
	params := got.json["params"].(map[string]any)
	require.EqualValues(t, 1000, params["limit"])
	require.EqualValues(t, 1014, params["requestedTotal"])
	require.Len(t, params["newFields"], 1000)
	require.Empty(t, f.Users())
}

func TestAHybridIdentityConflictIs409(t *testing.T) {
	t.Parallel()
	f := hybrid()
	f.AddUser("a@example.com", nil)
	f.AddUser("u-1", nil)
	requireRefused(t, post(t, f, "/api/users/update", `{"email":"a@example.com","userId":"u-1"}`), http.StatusConflict, "ExternalKeyConflict")
	requireRefused(t, post(t, f, "/api/users/update", `{"userId":"u-1","dataFields":{"email":"a@example.com"}}`), http.StatusConflict, "ExternalKeyConflict")
	accepted(t, f, "/api/users/update", `{"email":"a@example.com","userId":"u-2"}`)
	require.Equal(t, "a@example.com", f.User("u-2").Email)
	accepted(t, f, "/api/users/update", `{"userId":"u-2","dataFields":{"userId":"u-3","email":"B@example.com"}}`)
	require.Equal(t, "b@example.com", f.User("u-3").Email)
	require.Empty(t, f.User("u-2").UserID)
	require.Empty(t, f.User("a@example.com").Email)
}

func TestAUserIdMayBeSharedByThree(t *testing.T) {
	t.Parallel()
	var f Fake
	for _, user := range []string{"a", "b", "c"} {
		accepted(t, &f, "/api/users/update", `{"email":"`+user+`@example.com","userId":"u-1"}`)
	}
	require.Equal(t, http.StatusOK, ask(t, &f, http.MethodDelete, "/api/users/b@example.com", "").status)
	require.Equal(t, http.StatusOK, ask(t, &f, http.MethodDelete, "/api/users/a@example.com", "").status)
	require.Equal(t, "c@example.com", f.User("u-1").Email)
}

func TestManagedFieldsAreNotWritten(t *testing.T) {
	t.Parallel()
	f := byUserID()
	accepted(t, f, "/api/users/update", `{"userId":"a","dataFields":{"itblInternal":{"x":1},"signupDate":7,"x":1}}`)
	require.NotContains(t, f.User("a").DataFields, "itblInternal")
	require.NotContains(t, get(t, f, "/api/users/getFields").json["fields"], "itblInternal")
}

func TestAnEmailBasedProjectCreatesUsersInAnyCase(t *testing.T) {
	t.Parallel()
	var f Fake
	list := f.AddList("Gold")
	accepted(t, &f, "/api/lists/subscribe", fmt.Sprintf(`{"listId":%d,"updateExistingUsersOnly":true,"subscribers":[{"email":"new@example.com"}]}`, list))
	require.Equal(t, []string{"new@example.com"}, f.Members(list))
}
