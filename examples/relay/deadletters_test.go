package main

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iteramp/iteramp"
	"github.com/iteramp/iteramp/amplitude/amplitudetest"
)

func TestLettersAreListedWithoutTheWebhookUnlessItIsAskedFor(t *testing.T) {
	t.Parallel()
	var amp amplitudetest.Fake
	r := start(t, &amp)
	r.store.bury("invalid", "user-1", "user-2")
	r.store.bury("silenced", "user-3")
	r.store.letters[2].Route = "old"
	r.store.letters = append(r.store.letters, iteramp.Letter{ID: "id-frame", Route: "shop", Reason: iteramp.ReasonFrame, Webhook: []byte("\x01\xff<frame>")})
	for query, want := range map[string][]string{
		"":                           {"id-user-1", "id-user-2", "id-user-3", "id-frame"},
		"?route=shop":                {"id-user-1", "id-user-2", "id-frame"},
		"?route=old":                 {"id-user-3"},
		"?reason=invalid&limit=1":    {"id-user-1"},
		"?route=shop&reason=frame":   {"id-frame"},
		"?route=none":                nil,
		"?limit=2":                   {"id-user-1", "id-user-2"},
		"?limit=1&route=old&body=0":  {"id-user-3"},
		"?reason=silenced&route=old": {"id-user-3"},
	} {
		code, text := ask(t, "GET", r.adminURL+"/deadletters"+query, "")
		require.Equal(t, http.StatusOK, code)
		require.NotContains(t, text, "emailClick", "a webhook is personal data")
		var ids []string
		for line := range strings.Lines(text) {
			var l shown
			require.NoError(t, json.Unmarshal([]byte(line), &l))
			ids = append(ids, l.ID)
		}
		require.Equal(t, want, ids, query)
	}
	_, text := ask(t, "GET", r.adminURL+"/deadletters?body=1", "")
	lines := strings.Split(text, "\n")
	require.Contains(t, lines[0], `"webhook":`+string(click("user-1")))
	require.Contains(t, lines[3], `"webhook_base64":"Af88ZnJhbWU+"`)
	code, text := ask(t, "GET", r.adminURL+"/deadletters/shop/id-user-1", "")
	require.Equal(t, http.StatusOK, code)
	var one shown
	require.NoError(t, json.Unmarshal([]byte(text), &one))
	require.Equal(t, shown{ID: "id-user-1", Route: "shop", Reason: "invalid", Status: 400, Attempts: 1, First: one.First, Last: one.Last, Bytes: len(click("user-1"))}, one)
	_, text = ask(t, "GET", r.adminURL+"/deadletters/shop/id-user-1?body=true", "")
	require.Contains(t, text, string(click("user-1")))
}

func TestALetterThatCannotBeReadIsALineOfItsOwn(t *testing.T) {
	t.Parallel()
	var amp amplitudetest.Fake
	r := start(t, &amp)
	r.store.bury("invalid", "user-1")
	r.store.fail(errors.New("damaged"))
	_, text := ask(t, "GET", r.adminURL+"/deadletters", "")
	lines := strings.Split(strings.TrimSpace(text), "\n")
	require.Len(t, lines, 2)
	require.JSONEq(t, `{"error":"damaged"}`, lines[1])
}

func TestWrongRequestsOfLettersChangeNothing(t *testing.T) {
	t.Parallel()
	var amp amplitudetest.Fake
	r := start(t, &amp)
	r.store.bury("invalid", "user-1")
	for _, c := range []struct {
		method, path, body string
		want               int
	}{
		{"GET", "/deadletters?limit=x", "", 400},
		{"GET", "/deadletters?limit=0", "", 400},
		{"GET", "/deadletters?body=perhaps", "", 400},
		{"POST", "/deadletters/replay?rout=old", "", 400},
		{"GET", "/deadletters/shop/none", "", 404},
		{"GET", "/deadletters/shop/a%2Fb", "", 404},
		{"GET", "/deadletters/other/id-user-1", "", 404},
		{"DELETE", "/deadletters/shop/none", "", 404},
		{"POST", "/deadletters/shop/none/replay", "", 404},
		{"DELETE", "/deadletters", "", 405},
		{"POST", "/deadletters/purge", "", 400},
		{"POST", "/deadletters/purge", `{"user":""}`, 400},
		{"POST", "/deadletters/purge", `{"usr":"user-1"}`, 400},
		{"POST", "/deadletters/purge?user=user-1", `{}`, 400},
		{"POST", "/deadletters/purge", `{"user":"` + strings.Repeat("x", 5<<10) + `"}`, 400},
		{"GET", "/none", "", 404},
	} {
		code, _ := ask(t, c.method, r.adminURL+c.path, c.body)
		require.Equal(t, c.want, code, "%s %s %.40s", c.method, c.path, c.body)
		require.Equal(t, []string{"id-user-1"}, r.store.ids())
	}
	require.Empty(t, amp.Events())
}

func TestALetterIsReplayedOrStays(t *testing.T) {
	t.Parallel()
	var amp amplitudetest.Fake
	r := start(t, &amp)
	r.store.bury("throttled", "user-1", "user-2")
	code, text := ask(t, "POST", r.adminURL+"/deadletters/shop/id-user-1/replay", "")
	require.Equal(t, http.StatusOK, code, text)
	require.JSONEq(t, `{"replayed":1,"failed":0,"unread":0}`, text)
	require.Equal(t, []string{"id-user-2"}, r.store.ids())
	require.Len(t, amp.Events(), 1)
	amp.Poison(func(e amplitudetest.Event) bool { return e.UserID == "user-2" })
	code, text = ask(t, "POST", r.adminURL+"/deadletters/shop/id-user-2/replay", "")
	require.Equal(t, http.StatusBadGateway, code)
	require.Contains(t, text, `"error":"`)
	require.NotContains(t, text, "user-2")
	require.Equal(t, []string{"id-user-2"}, r.store.ids())
}

func TestAllLettersAreReplayedButThoseThatMayCountTwice(t *testing.T) {
	t.Parallel()
	var amp amplitudetest.Fake
	r := start(t, &amp)
	r.store.bury("quota", "user-1", "user-bad", "user-2")
	r.store.bury("throttled", "user-3")
	r.store.bury(iteramp.ReasonDedupWindow, "user-4")
	amp.Poison(func(e amplitudetest.Event) bool { return e.UserID == "user-bad" })
	code, text := ask(t, "POST", r.adminURL+"/deadletters/replay?reason=quota&route=shop", "")
	require.Equal(t, http.StatusOK, code)
	require.JSONEq(t, `{"replayed":2,"failed":1,"unread":0}`, text, "one that fails by its own fault holds up nobody")
	require.Len(t, amp.Events(), 2)
	r.store.fail(errors.New("damaged"))
	_, text = ask(t, "POST", r.adminURL+"/deadletters/replay", "")
	require.JSONEq(t, `{"replayed":1,"failed":1,"unread":1}`, text)
	r.store.fail(nil)
	require.Equal(t, []string{"id-user-bad", "id-user-4"}, r.store.ids())
	_, text = ask(t, "POST", r.adminURL+"/deadletters/replay?reason="+iteramp.ReasonDedupWindow, "")
	require.JSONEq(t, `{"replayed":1,"failed":0,"unread":0}`, text)
	require.Zero(t, amp.Duplicates())
}

func TestAReplayStopsWhenAmplitudeRefusesEverything(t *testing.T) {
	t.Parallel()
	var amp amplitudetest.Fake
	r := start(t, &amp)
	r.store.bury("quota", "user-1", "user-2", "user-3")
	amp.Intercept(func(w http.ResponseWriter, _ *http.Request) bool {
		w.WriteHeader(http.StatusForbidden)
		return true
	})
	code, text := ask(t, "POST", r.adminURL+"/deadletters/replay", "")
	require.Equal(t, http.StatusBadGateway, code)
	var done replayed
	require.NoError(t, json.Unmarshal([]byte(text), &done))
	require.Equal(t, []int{0, 1}, []int{done.Replayed, done.Failed})
	require.NotEmpty(t, done.Stopped)
	require.Len(t, r.store.ids(), 3)
}

func TestLettersAreDeletedByNameAndByUser(t *testing.T) {
	t.Parallel()
	var amp amplitudetest.Fake
	r := start(t, &amp)
	r.store.bury("quota", "user-1", "user-2", "user-3")
	code, _ := ask(t, "DELETE", r.adminURL+"/deadletters/shop/id-user-1", "")
	require.Equal(t, http.StatusNoContent, code)
	require.Equal(t, []string{"id-user-2", "id-user-3"}, r.store.ids())
	code, text := ask(t, "POST", r.adminURL+"/deadletters/purge", `{"user":"user-2"}`)
	require.Equal(t, http.StatusOK, code)
	require.JSONEq(t, `{"purged":1,"unread":0}`, text)
	require.Equal(t, []string{"id-user-3"}, r.store.ids())
}
