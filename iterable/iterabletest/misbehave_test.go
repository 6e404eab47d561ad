package iterabletest

import (
	"fmt"
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFailNextAnswersAsDocumented(t *testing.T) {
	t.Parallel()
	for status, code := range map[int]string{
		400: "BadParams", 401: "BadApiKey", 403: "Forbidden", 404: "NotFound", 409: "Conflict",
		429: "RateLimitExceeded", 500: "GenericError", 503: "GenericError",
	} {
		f := byUserID()
		f.FailNext(status)
		requireRefused(t, post(t, f, "/api/users/update", `{"userId":"a"}`), status, code)
		require.Empty(t, f.Users())
		accepted(t, f, "/api/users/update", `{"userId":"a"}`)
	}
	for _, status := range []int{413, 502, 504} {
		f := byUserID()
		f.FailNext(status)
		got := post(t, f, "/api/users/update", `{"userId":"a"}`)
		require.Equal(t, status, got.status)
		require.Equal(t, "text/html; charset=utf-8", got.header.Get("Content-Type"))
	}
	f := byUserID()
	f.FailNext(429, 429)
	require.Contains(t, post(t, f, "/api/users/update", `{}`).json["params"], "rateLimitReset")
	require.Equal(t, map[string]any{}, get(t, f, "/api/lists").json["params"])
}

func TestFailNextIsAScript(t *testing.T) {
	t.Parallel()
	var f Fake
	f.FailNext(503, 200)
	f.FailNext(502)
	var statuses []int
	for range 4 {
		statuses = append(statuses, get(t, &f, "/api/lists").status)
	}
	require.Equal(t, []int{503, 200, 502, 200}, statuses)
}

func TestLoseNextServesAndLosesTheAnswer(t *testing.T) {
	t.Parallel()
	f := byUserID()
	list := f.AddList("Gold")
	f.LoseNext(502, 0)
	require.Equal(t, 502, post(t, f, "/api/lists/subscribe", subscribeBody(list, `{"userId":"a"}`)).status)
	require.Equal(t, []string{"a"}, f.Members(list))
	require.PanicsWithError(t, http.ErrAbortHandler.Error(), func() {
		post(t, f, "/api/lists/subscribe", subscribeBody(list, `{"userId":"b"}`))
	})
	require.Equal(t, []string{"a", "b"}, f.Members(list))
	statuses := []int{f.Requests()[0].Status, f.Requests()[1].Status}
	require.Equal(t, []int{502, 0}, statuses)
}

func TestInterceptComesFirst(t *testing.T) {
	t.Parallel()
	f := byUserID()
	f.FailNext(500)
	var body string
	f.Intercept(func(w http.ResponseWriter, r *http.Request) bool {
		b, _ := io.ReadAll(r.Body)
		body = string(b)
		f.Requests() // holds no lock
		w.WriteHeader(http.StatusTeapot)
		return true
	})
	require.Equal(t, http.StatusTeapot, post(t, f, "/api/users/update", `{"userId":"a"}`).status)
	require.Equal(t, `{"userId":"a"}`, body)
	f.Intercept(func(_ http.ResponseWriter, r *http.Request) bool { _, _ = io.ReadAll(r.Body); return false })
	require.Equal(t, 500, post(t, f, "/api/users/update", `{"userId":"a"}`).status)
	accepted(t, f, "/api/users/update", `{"userId":"a"}`)
	f.Intercept(nil)
	accepted(t, f, "/api/users/update", `{"userId":"b"}`)
	require.Len(t, f.Users(), 2)
}

func TestRefusePutsIdsIntoAnyListOfFailures(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/api/lists/subscribe", "/api/lists/unsubscribe"} {
		for _, reason := range []Reason{ReasonConflict, ReasonForgotten, ReasonInvalidData, ReasonInvalid, ReasonNotFound} {
			f := hybrid()
			list := f.AddList("Gold", "u-2", "b@example.com")
			f.Refuse(reason, "U-1", "a@example.com")
			body := subscribeBody(list, `{"userId":"u-1"},{"email":"A@example.com"},{"userId":"u-2"},{"email":"b@example.com"}`)
			got := accepted(t, f, path, body)
			require.EqualValues(t, 2, got.json["successCount"])
			require.EqualValues(t, 2, got.json["failCount"])
			require.Equal(t, map[string]any{
				string(reason) + "Emails": []any{"a@example.com"}, string(reason) + "UserIds": []any{"u-1"},
			}, failed(got))
			f.Release("u-1", "a@example.com")
			require.NotContains(t, failed(accepted(t, f, path, body)), string(ReasonForgotten)+"UserIds")
		}
	}
}

func TestRefuseMayCountOnlyOrNameTwice(t *testing.T) {
	t.Parallel()
	f := byUserID()
	list := f.AddList("Gold")
	f.Refuse(ReasonUnnamed, "a")
	f.Refuse(ReasonInvalid, "b")
	f.Refuse(ReasonConflict, "b")
	got := accepted(t, f, "/api/lists/subscribe", subscribeBody(list, `{"userId":"a"},{"userId":"b"},{"userId":"c"}`))
	require.EqualValues(t, 1, got.json["successCount"])
	require.EqualValues(t, 2, got.json["failCount"])
	require.Equal(t, map[string]any{"invalidUserIds": []any{"b"}, "conflictUserIds": []any{"b"}}, failed(got))
	require.Equal(t, []string{"c"}, f.Members(list))
}

func TestRefuseHoldsForSingleRequestsToo(t *testing.T) {
	t.Parallel()
	f := byUserID()
	f.AddUser("a", nil)
	for reason, want := range map[Reason]string{
		ReasonConflict: "409 ExternalKeyConflict", ReasonForgotten: "409 ForgottenUserError", ReasonInvalidData: "400 BadParams",
		ReasonInvalid: "400 InvalidUserIdError", ReasonNotFound: "400 UnknownUserIdError", ReasonUnnamed: "400 BadParams",
	} {
		f.Refuse(reason, "a")
		got := post(t, f, "/api/users/update", `{"userId":"a"}`)
		require.Equal(t, want, fmt.Sprint(got.status, " ", got.json["code"]))
		f.Release("a")
	}
}
