package amplitudetest

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// ask sends a request with the keys of the fake and follows no redirect.
func ask(t *testing.T, f *Fake, method, path, body string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "https://amplitudetest.invalid"+path, strings.NewReader(body))
	require.NoError(t, err)
	req.SetBasicAuth(f.apiKey(), f.secretKey())
	resp, err := stay(client(f)).Do(req)
	require.NoError(t, err)
	return resp, bodyOf(t, resp)
}

func stay(c *http.Client) *http.Client {
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return c
}

func bodyOf(t *testing.T, resp *http.Response) string {
	t.Helper()
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return string(raw)
}

// askJSON decodes the answer.
func askJSON(t *testing.T, f *Fake, method, path, body string) (int, map[string]any) {
	t.Helper()
	resp, raw := ask(t, f, method, path, body)
	var answer map[string]any
	require.NoError(t, json.Unmarshal([]byte(raw), &answer), raw)
	return resp.StatusCode, answer
}

// refusedWith is the message of an error object that has all of its fields.
func refusedWith(t *testing.T, status int, answer map[string]any) string {
	t.Helper()
	refused, ok := answer["error"].(map[string]any)
	require.True(t, ok, answer)
	require.EqualValues(t, status, refused["http_code"])
	require.NotEmpty(t, refused["type"])
	require.NotNil(t, refused["metadata"])
	return refused["message"].(string)
}

func listedCohort(t *testing.T, f *Fake, query string) map[string]any {
	t.Helper()
	status, answer := askJSON(t, f, "GET", "/api/3/cohorts"+query, "")
	require.Equal(t, 200, status)
	require.Len(t, answer["cohorts"], 1)
	return answer["cohorts"].([]any)[0].(map[string]any)
}

func TestAListedCohortHasTheDocumentedKeys(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 1, 4, 0, 7, 120_000_000, time.FixedZone("", -8*3600))
	f := Fake{Now: func() time.Time { return at }}
	id := f.AddCohort(Cohort{
		Name:    "Lapsed 30d",
		Owners:  []string{"ops@example.org"},
		Members: []Member{{UserID: "u-1001"}, {UserID: "u-1002"}, {UserID: "u-1001"}},
		Syncs:   []SyncInfo{{Target: "webhook", Frequency: "hourly", LastSuccessful: at}},
	})
	want := map[string]any{
		"appId": 123456.0, "id": "k000001", "name": "Lapsed 30d", "description": nil, "type": "redshift", "size": 2.0,
		"owners": []any{"ops@example.org"}, "viewers": []any{}, "published": true, "archived": false, "hidden": false,
		"finished": true, "lastMod": 1767268807.0, "createdAt": 1767268807.0, "lastComputed": 1767268807.0,
		"last_viewed": nil, "metadata": nil, "view_count": nil, "popularity": nil, "chart_id": nil, "edit_id": nil,
		"location_id": nil, "is_predictive": false, "is_official_content": false, "shortcut_ids": []any{},
	}
	got := listedCohort(t, &f, "")
	require.EqualValues(t, 3, got["definition"].(map[string]any)["version"])
	delete(got, "definition")
	require.Equal(t, want, got)
	require.Equal(t, "k000001", id)

	require.Equal(t, []any{map[string]any{
		"target": "webhook", "frequency": "hourly", "last_successful": "2026-01-01T04:00:07.120000-08:00",
		"last_failure": nil, "params": map[string]any{},
	}}, listedCohort(t, &f, "?includeSyncInfo=true")["syncMetadata"])
	require.NotContains(t, listedCohort(t, &f, "?includeSyncInfo=false"), "syncMetadata")
}

func TestACohortIsListedAsItWasAdded(t *testing.T) {
	t.Parallel()
	var f Fake
	day := time.Date(2025, 5, 1, 0, 0, 0, 0, time.UTC)
	id := f.AddCohort(Cohort{
		ID: "mine", Description: "d", Type: "manual_upload", Definition: json.RawMessage(`{"version":9}`), Viewers: []string{"v"},
		Hidden: true, Archived: true, Created: day, LastMod: day.Add(time.Second), LastComputed: day.Add(time.Minute),
		NoSize: true, NoLastComputed: true,
	})
	got := listedCohort(t, &f, "")
	require.Equal(t, "mine", id)
	for key, value := range map[string]any{
		"id": "mine", "description": "d", "type": "manual_upload", "definition": map[string]any{"version": 9.0}, "viewers": []any{"v"},
		"hidden": true, "archived": true, "createdAt": 1746057600.0, "lastMod": 1746057601.0, "size": nil, "lastComputed": nil,
	} {
		require.Contains(t, got, key)
		require.Equal(t, value, got[key], key)
	}
	require.Equal(t, day.Add(time.Minute), f.Cohorts()[0].LastComputed)
	require.PanicsWithValue(t, "amplitudetest: there is a cohort mine already", func() { f.AddCohort(Cohort{ID: "mine"}) })
}

func TestAPrivateCohortIsFoundByItsIDAlone(t *testing.T) {
	t.Parallel()
	var f Fake
	id := f.AddCohort(Cohort{Private: true})
	_, body := ask(t, &f, "GET", "/api/3/cohorts", "")
	require.JSONEq(t, `{"cohorts":[]}`, body)
	status, _ := askJSON(t, &f, "GET", "/api/5/cohorts/request/"+id, "")
	require.Equal(t, 202, status)
}

func TestACohortChanges(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var f Fake
		id := f.AddCohort(Cohort{Name: "a", Members: []Member{{UserID: "u-1001"}, {}}})
		other := f.AddCohort(Cohort{Private: true})
		first := listedCohort(t, &f, "")["lastComputed"].(float64)

		f.SetMembers(id, "u-1001", "u-1002", "u-1003", "u-1002")
		got := listedCohort(t, &f, "")
		require.EqualValues(t, 3, got["size"])
		require.EqualValues(t, first+1, got["lastComputed"], "it moves although the clock has not")
		require.EqualValues(t, first, got["lastMod"])

		time.Sleep(time.Hour)
		f.RenameCohort(id, "b")
		got = listedCohort(t, &f, "")
		require.Equal(t, "b", got["name"])
		require.EqualValues(t, first+3600, got["lastMod"])
		require.EqualValues(t, first+1, got["lastComputed"])

		f.Recompute(id)
		require.EqualValues(t, first+3600, listedCohort(t, &f, "")["lastComputed"])
		f.ArchiveCohort(id)
		require.Equal(t, true, listedCohort(t, &f, "")["archived"])
		f.DeleteCohort(id)
		require.Len(t, f.Cohorts(), 1)
		require.Equal(t, other, f.Cohorts()[0].ID)
		for _, change := range []func(){
			func() { f.SetMembers(id) }, func() { f.Recompute(id) }, func() { f.RenameCohort(id, "") },
			func() { f.ArchiveCohort(id) }, func() { f.DeleteCohort(id) },
		} {
			require.PanicsWithValue(t, "amplitudetest: there is no cohort "+id, change)
		}
	})
}

func TestMembersBecomeUsers(t *testing.T) {
	t.Parallel()
	var f Fake
	send(t, &f, `{"user_id":"u-1001","event_type":"x","user_properties":{"city":"Oslo","visits":1}}`)
	f.AddCohort(Cohort{Members: []Member{
		{UserID: "u-1001", AmplitudeID: 7, Properties: map[string]any{"visits": 2, "tags": []string{"a"}}},
		{UserID: "u-1002", AmplitudeID: 410_000_000_002},
		{UserID: "u-1003", AmplitudeID: 410_000_000_002},
		{AmplitudeID: 9},
		{AmplitudeID: 410_000_000_002},
		{},
	}})
	require.Equal(t, []Member{
		{"u-1001", 410_000_000_001, map[string]any{"city": "Oslo", "visits": 2.0, "tags": []any{"a"}}},
		{"u-1002", 410_000_000_002, nil},
		{"u-1003", 410_000_000_003, nil},
		{"", 9, nil},
		{"", 410_000_000_004, nil},
	}, f.Cohorts()[0].Members)
	require.Equal(t, map[string]any{"city": "Oslo", "visits": 2.0, "tags": []any{"a"}}, f.UserProperties("u-1001"))
	send(t, &f, `{"user_id":"u-1002","event_type":"x"}`)
	require.Contains(t, exported(t, &f)[1], `"amplitude_id":410000000002`)
	require.Panics(t, func() { f.AddCohort(Cohort{Members: []Member{{Properties: map[string]any{"f": func() {}}}}}) })
}

func TestTheCohortsOfAFakeAreCopies(t *testing.T) {
	t.Parallel()
	var f Fake
	seed := Cohort{
		Owners: []string{"o"}, Viewers: []string{"v"}, Definition: json.RawMessage(`{}`),
		Syncs:   []SyncInfo{{Params: map[string]any{"a": 1}}},
		Members: []Member{{UserID: "u-1001", Properties: map[string]any{"a": "b"}}},
	}
	f.AddCohort(seed)
	want := f.Cohorts()
	spoil := func(c Cohort) {
		c.Owners[0], c.Viewers[0], c.Definition[0] = "", "", 'x'
		c.Syncs[0].Params["a"], c.Members[0].Properties["a"], c.Members[0].UserID = 2, "", ""
	}
	spoil(seed)
	spoil(f.Cohorts()[0])
	require.Equal(t, want, f.Cohorts())
}
