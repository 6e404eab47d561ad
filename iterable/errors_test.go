package iterable

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/iteramp/iteramp/internal/rest"
)

func TestErrorsSayWhatIterableSays(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		status int
		body   string
		want   string
	}{
		{"the envelope", 400, `{"msg":"no such campaign","code":"BadParams","params":{"campaignId":"42"}}`, "400 BadParams: no such campaign"},
		{"a code that says the opposite", 400, `{"msg":"error.lists.invalidListId(42)","code":"Success"}`, "400: error.lists.invalidListId(42)"},
		{"an empty msg", 401, `{"msg":"","code":"BadApiKey"}`, "401 BadApiKey: Unauthorized"},
		{"the other envelope", 404, `{"error":"NotFound","message":"No catalog","code":"error.catalogs.notFound","data":{}}`, "404 error.catalogs.notFound: No catalog"},
		{"the other without a message", 404, `{"error":"NotFound"}`, "404: NotFound"},
		{"text", 429, "Too Many Requests\n", "429: Too Many Requests"},
		{"a page", 502, "\n<html><body>secret</body></html>", "502: Bad Gateway"},
		{"nothing", 503, "", "503: Service Unavailable"},
		{"a list", 400, `["x"]`, `400: ["x"]`},
		{"cut short", 400, `{"msg":"no su`, `400: {"msg":"no su`},
		{"fields of other types", 400, `{"msg":["x"],"code":7,"params":[1],"message":"still"}`, "400: still"},
		{"several lines", 400, "{\"msg\":\"a\\nb\",\"code\":\"BadParams\"}", "400 BadParams: a b"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			client, _ := newTestClient(t, alike(tt.status, tt.body))
			require.EqualError(t, client.Lists.Delete(t.Context(), 7), "iterable: DELETE /api/lists/{listId}: "+tt.want)
		})
	}
}

func TestParamsAreKept(t *testing.T) {
	t.Parallel()
	client, _ := newTestClient(t, alike(400, `{"msg":"x","code":"UniqueFieldsLimitExceeded","params":{"limit":"1000","newFields":["a"]}}`))
	err := client.Users.Update(t.Context(), UserUpdateRequest{UserID: "u-1001"})
	var refusal *Error
	require.ErrorAs(t, err, &refusal)
	require.JSONEq(t, `"1000"`, string(refusal.Params["limit"]))
	require.JSONEq(t, `["a"]`, string(refusal.Params["newFields"]))
}

func TestWhatDoesNotExistIsNotFound(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		status int
		body   string
	}{
		{200, `{}`}, {200, `{"user":null}`}, {404, ""}, {400, "No user with that id exists!"}, {500, "No user with that id exists!"},
		{400, `{"msg":"error.users.noUserWithIdExists","code":"BadParams"}`}, {500, `{"msg":"x","code":"error.users.noUserWithIdExists"}`},
		{400, `{"msg":"x","code":"UnknownUserIdError"}`}, {400, `{"msg":"x","code":"UnknownEmailError"}`},
	} {
		// The id is a word of the message: what is cut out of it must not hide its meaning.
		for _, id := range []string{"u-1001", "user", "id exists", "noUserWithIdExists"} {
			synctest.Test(t, func(t *testing.T) {
				client, r := newTestClient(t, alike(tt.status, tt.body), attempts(3))
				_, err := client.Users.Get(t.Context(), id)
				require.ErrorIs(t, err, ErrNotFound, "%d %s", tt.status, tt.body)
				require.NotErrorIs(t, err, ErrAmbiguous)
				require.Len(t, r.all(), 1, "it is not repeated")
			})
		}
	}
	client, _ := newTestClient(t, alike(500, `{"msg":"x","code":"GenericError"}`))
	_, err := client.Users.Get(t.Context(), "u-1001")
	require.NotErrorIs(t, err, ErrNotFound)
	require.ErrorIs(t, err, ErrAmbiguous)
}

func TestADisallowedEventIsAnError(t *testing.T) {
	t.Parallel()
	for _, id := range []string{"evt-1", "disallowed", "tracking"} {
		client, _ := newTestClient(t, alike(200, `{"msg":"Event 'canary' is disallowed from tracking in project 2158","code":"Success","params":null}`))
		_, err := client.Events.Track(t.Context(), Event{Name: "canary", UserID: "u-1001", ID: id})
		require.ErrorIs(t, err, ErrDisallowed)
		require.NotErrorIs(t, err, ErrAmbiguous)
		require.NotContains(t, err.Error(), "canary")
	}
}

func TestAnEventIsKnownByTheIDItWasGiven(t *testing.T) {
	t.Parallel()
	for params, want := range map[string]string{`null`: "evt-1", `{}`: "evt-1", `{"id":7}`: "evt-1", `{"id":"other"}`: "other"} {
		client, _ := newTestClient(t, alike(200, `{"msg":"","code":"Success","params":`+params+`}`))
		got, err := client.Events.Track(t.Context(), Event{Name: "Bought", UserID: "u-1001", ID: "evt-1"})
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
}

func TestErrorsAreBounded(t *testing.T) {
	t.Parallel()
	client, _ := newTestClient(t, alike(400, `{"msg":"`+strings.Repeat("a ", 4<<20)+`","code":"BadJsonBody"}`))
	err := client.Users.Update(t.Context(), UserUpdateRequest{UserID: "u-1001"})
	require.Error(t, err)
	require.LessOrEqual(t, len(err.Error()), 4<<10)
	// A body that was cut is no JSON, and is not copied whole.
	require.LessOrEqual(t, len(parseReply([]byte(strings.Repeat("a ", 1<<19))).Msg), 4<<10)
}

// FuzzReply reads what a stranger might answer to a refusal and to a bulk call.
func FuzzReply(f *testing.F) {
	for _, s := range []string{
		"", "null", "{}", "[]", "7", `"x"`, "<html>", success, counted, "Too Many Requests", `{"msg":"x","code":"RateLimitExceeded","params":{"rateLimitReset":"7"}}`,
		`{"code":"RateLimitExceeded","params":{"rateLimitReset":-3}}`,
		`{"successCount":-1,"failCount":9,"failedUpdates":{"invalidUserIds":["bob"],"conflictEmails":["CY@x.example"]},"disallowedEventNames":["Bought"]}`,
		`{"successCount":1e3,"failCount":null}`, `{"error":"NotFound","message":"m","code":"error.catalogs.notFound"}`, `{"msg":{"a":1},"params":{"a":[{"b":"\ud800"}]}}`,
	} {
		f.Add(400, s)
		f.Add(200, s)
		f.Add(429, s)
	}
	part := append([]item{{record: record{userID: "ann", name: "Bought"}}}, people...)
	for i := range part {
		part[i].index = i
		part[i].json = json.RawMessage("{}")
	}
	var now *http.Response
	client, _ := newTestClient(f, func(sent) *http.Response { return now })
	f.Fuzz(func(t *testing.T, status int, body string) {
		now = answer(min(max(status, 200), 599), body)
		resp := &rest.Response{StatusCode: status, Op: "POST /api/events/trackBulk", Body: []byte(body)}
		err := newError(resp, "")
		require.LessOrEqual(t, len(err.Error()), 8<<10)
		require.GreaterOrEqual(t, err.RetryAfter, time.Duration(0))
		for _, kind := range []error{ErrUnauthorized, ErrNotFound, ErrConflict, ErrForgotten, ErrDisallowed, ErrRateLimited, ErrAmbiguous} {
			_ = err.Is(kind)
		}
		require.True(t, utf8.ValidString(err.Message))
		_ = blame(err)

		b := bulk{core: client.core, path: trackBulkPath, idempotent: always, request: func([]json.RawMessage) any { return nil }}
		records := make([]record, len(part))
		for i, it := range part {
			records[i] = it.record
		}
		_, failure := b.run(t.Context(), records)
		require.Equal(t, len(part), b.accepted+len(b.rejected)+b.unnamed)
		require.Equal(t, failure == nil, b.accepted == len(part))
	})
}
