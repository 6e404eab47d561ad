package iterabletest

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzBody sends anything to every operation that has a body: the fake does not
// panic, answers JSON of a documented status, and can still be read.
func FuzzBody(f *testing.F) {
	for i := range operations {
		for _, body := range []string{
			``, `{}`, `null`, `{"listId":5000000001,"subscribers":[{"email":"a@example.com","userId":"b","dataFields":{"x":[{"y":1}],"emailListIds":[5000000001,-1]}},{"userId":"b"}]}`,
			`{"users":[{"userId":"b","preferUserId":true,"mergeNestedObjects":true,"dataFields":{"a":{"b":{}},"email":"c@example.com","userId":"d"}}]}`,
			`{"events":[{"eventName":"x","email":"a@example.com","createdAt":-9223372036854775808,"dataFields":{"a":null}}]}`,
			`{"sourceUserId":"b","destinationEmail":"a@example.com","arrayMerge":[{"field":"x","dedupeBy":"y"},{}]}`,
			`{"userId":"b","device":{"token":"t","applicationName":"a","platform":"GCM"},"emailListIds":[5000000001],"unsubscribedChannelIds":[1]}`,
			`{"email":"a@example.com","newEmail":"z@example.com","currentEmail":"a@example.com","browserToken":"t","token":"t","eventName":"x","name":"n","messageTypeIds":[1]}`,
		} {
			f.Add(uint8(i), uint8(i%3), body)
		}
	}
	f.Fuzz(func(t *testing.T, op, project uint8, body string) {
		fake := Fake{}
		switch project % 3 {
		case 1:
			fake.ProjectType = "hybrid"
		case 2:
			fake.ProjectType = "userId"
		}
		fake.AddList("Gold", "a@example.com", "b")
		o := operations[int(op)%len(operations)]
		path := strings.NewReplacer("{listId}", "5000000001", "{subscriptionGroup}", "emailList", "{subscriptionGroupId}", "5000000001",
			"{email}", "a@example.com", "{userEmail}", "a@example.com", "{userId}", "b", "{id}", "1").Replace(o.path)
		r := httptest.NewRequest(o.method, path+"?action=subscribe&listId=5000000001", strings.NewReader(body))
		r.Header.Set("Api-Key", fake.apiKey())
		w := httptest.NewRecorder()
		fake.ServeHTTP(w, r)
		require.Contains(t, []int{200, 202, 400, 404, 409, 500}, w.Code)
		if w.Header().Get("Content-Type") == "application/json" {
			require.True(t, json.Valid(w.Body.Bytes()))
		}
		for _, u := range fake.Users() {
			require.True(t, u.Email != "" || u.UserID != "")
			fake.Events(u.UserID)
			require.Equal(t, http.StatusOK, get(t, &fake, "/api/users/getFields").status)
		}
		for _, l := range fake.Lists() {
			require.Len(t, fake.Members(l.ID), l.Size)
		}
	})
}
