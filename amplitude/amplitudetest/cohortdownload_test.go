package amplitudetest

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// request asks for a cohort and returns the id of the request.
func request(t *testing.T, f *Fake, cohortID, query string) string {
	t.Helper()
	status, answer := askJSON(t, f, "GET", "/api/5/cohorts/request/"+cohortID+query, "")
	require.Equal(t, 202, status)
	require.Equal(t, cohortID, answer["cohort_id"])
	return answer["request_id"].(string)
}

func requestStatus(t *testing.T, f *Fake, cohortID string) int {
	t.Helper()
	resp, _ := ask(t, f, "GET", "/api/5/cohorts/request/"+cohortID, "")
	return resp.StatusCode
}

func TestADownloadIsRequestedPolledAndFetched(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := Fake{CohortDelay: time.Minute}
		id := f.AddCohort(Cohort{Members: []Member{{UserID: "u-1001"}, {}}})
		job := request(t, &f, id, "")
		time.Sleep(time.Minute - time.Nanosecond)

		status, answer := askJSON(t, &f, "GET", "/api/5/cohorts/request-status/"+job, "")
		require.Equal(t, 202, status)
		require.Equal(t, map[string]any{"request_id": job, "cohort_id": id, "async_status": "JOB INPROGRESS"}, answer)
		status, answer = askJSON(t, &f, "GET", "/api/5/cohorts/request/"+job+"/file", "")
		require.Equal(t, 404, status)
		require.Equal(t, "File not ready", refusedWith(t, 404, answer))

		time.Sleep(time.Nanosecond)
		status, answer = askJSON(t, &f, "GET", "/api/5/cohorts/request-status/"+job, "")
		require.Equal(t, 200, status)
		require.Equal(t, map[string]any{"request_id": job, "cohort_id": id, "async_status": "JOB COMPLETED"}, answer)
		resp, file := ask(t, &f, "GET", "/api/5/cohorts/request/"+job+"/file", "")
		require.Equal(t, 200, resp.StatusCode)
		require.Equal(t, "text/csv; charset=utf-8", resp.Header.Get("Content-Type"))
		require.Equal(t, fmt.Sprint(len(file)), resp.Header.Get("Content-Length"))
		require.Equal(t, "\"amplitude_id\",\"user_id\"\r\n\"410000000001\",\"u-1001\"\r\n\"410000000002\",\"\"\r\n", file)
	})
}

func TestADownloadHasTheMembersOfItsRequest(t *testing.T) {
	t.Parallel()
	f := Fake{CohortDelay: 0}
	id := f.AddCohort(Cohort{Members: []Member{{UserID: "u-1001"}}})
	before := request(t, &f, id, "")
	f.SetMembers(id, "u-1002")
	after := request(t, &f, id, "")
	f.DeleteCohort(id)
	require.NotEqual(t, before, after)
	require.Equal(t, [][]string{{"amplitude_id", "user_id"}, {"410000000001", "u-1001"}}, rows(t, smallFile(t, &f, before)))
	require.Equal(t, [][]string{{"amplitude_id", "user_id"}, {"410000000002", "u-1002"}}, rows(t, smallFile(t, &f, after)))
}

func TestADownloadIsGoneAfterSevenDays(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var f Fake
		id := f.AddCohort(Cohort{})
		job := request(t, &f, id, "")
		status := func(path string) int {
			resp, _ := ask(t, &f, "GET", path, "")
			return resp.StatusCode
		}
		time.Sleep(7*24*time.Hour - time.Nanosecond)
		require.Equal(t, 200, status("/api/5/cohorts/request-status/"+job))
		require.Equal(t, 200, status("/api/5/cohorts/request/"+job+"/file"))
		time.Sleep(time.Nanosecond)
		require.Equal(t, 404, status("/api/5/cohorts/request-status/"+job))
		require.Equal(t, 404, status("/api/5/cohorts/request/"+job+"/file"))
		request(t, &f, id, "")
		require.Len(t, f.downloads, 1, "the old one is forgotten")
	})
}

func TestWhatIsNotThereIsNotFound(t *testing.T) {
	t.Parallel()
	var f Fake
	for path, message := range map[string]string{
		"/api/5/cohorts/request/nope":        "Cohort not found",
		"/api/5/cohorts/request-status/nope": "Request not found",
		"/api/5/cohorts/request/nope/file":   "Request not found",
	} {
		status, answer := askJSON(t, &f, "GET", path, "")
		require.Equal(t, 404, status, path)
		require.Equal(t, message, refusedWith(t, 404, answer), path)
	}
	resp, _ := ask(t, &f, "GET", "/api/5/cohorts/request/", "")
	require.Equal(t, 404, resp.StatusCode)
}

func TestTheSecretKeyIsNeeded(t *testing.T) {
	t.Parallel()
	f := Fake{SecretKey: "other"}
	id := f.AddCohort(Cohort{})
	job := request(t, &f, id, "")
	for _, route := range []string{
		"GET /api/3/cohorts", "GET /api/3/cohorts/usage", "POST /api/3/cohorts/upload", "POST /api/3/cohorts/membership",
		"GET /api/5/cohorts/request/" + id, "GET /api/5/cohorts/request-status/" + job,
		"GET /api/5/cohorts/request/" + job + "/file", "GET /api/2/usersearch?user=a",
	} {
		var method, path string
		_, err := fmt.Sscan(route, &method, &path)
		require.NoError(t, err)
		req, err := http.NewRequestWithContext(t.Context(), method, "https://amplitudetest.invalid"+path, nil)
		require.NoError(t, err)
		req.SetBasicAuth("test-key", "test-secret")
		resp, err := client(&f).Do(req)
		require.NoError(t, err)
		require.Equal(t, 403, resp.StatusCode, route)
		require.Equal(t, "Invalid API key or secret key\n", bodyOf(t, resp))
	}
	for _, route := range []string{"POST /api/3/cohorts", "GET /api/3/cohorts/upload", "PUT /api/5/cohorts/request/" + id} {
		var method, path string
		_, err := fmt.Sscan(route, &method, &path)
		require.NoError(t, err)
		resp, _ := ask(t, &f, method, path, "")
		require.Equal(t, 405, resp.StatusCode, route)
		require.NotEmpty(t, resp.Header.Get("Allow"))
	}
}

func TestDownloadsAreCountedByTheMonth(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 31, 23, 0, 0, 0, time.UTC)
	f := Fake{Now: func() time.Time { return now }, Downloads: DownloadLimits{PerMonth: 3}}
	usage := func(used int, resets string) {
		t.Helper()
		status, answer := askJSON(t, &f, "GET", "/api/3/cohorts/usage", "")
		require.Equal(t, 200, status)
		require.Equal(t, map[string]any{"rest_download": map[string]any{
			"limit": 3.0, "usage": float64(used), "resets_at": resets,
		}}, answer)
	}
	id := f.AddCohort(Cohort{})
	usage(0, "2026-02-01T00:00:00Z")
	f.FailNext(503)
	require.Equal(t, 503, requestStatus(t, &f, id), "not served, not counted")
	f.LoseNext(502)
	require.Equal(t, 502, requestStatus(t, &f, id), "counted, although nobody saw it")
	require.Equal(t, 404, requestStatus(t, &f, "nope"))
	usage(2, "2026-02-01T00:00:00Z")
	require.Equal(t, 202, requestStatus(t, &f, id))
	status, answer := askJSON(t, &f, "GET", "/api/5/cohorts/request/"+id, "")
	require.Equal(t, 429, status)
	require.Equal(t, "Monthly limit of cohort downloads reached", refusedWith(t, 429, answer))
	usage(3, "2026-02-01T00:00:00Z")
	now = now.Add(time.Hour)
	usage(0, "2026-03-01T00:00:00Z")
	require.Equal(t, 202, requestStatus(t, &f, id))
}

func TestTheDocumentedDownloadLimits(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	f := Fake{Now: func() time.Time { return now }}
	id := f.AddCohort(Cohort{})
	accepted := 0
	for requestStatus(t, &f, id) == 202 {
		if accepted++; accepted == 60 {
			now = now.Add(10*time.Minute - time.Second)
			require.Equal(t, 429, requestStatus(t, &f, id), "60 in ten minutes")
		}
		if accepted%60 == 0 {
			now = now.Add(10 * time.Minute)
		}
	}
	require.Equal(t, 500, accepted)
	_, answer := askJSON(t, &f, "GET", "/api/3/cohorts/usage", "")
	require.EqualValues(t, 500, answer["rest_download"].(map[string]any)["limit"])
}

func TestDownloadLimitsCanBeTakenAway(t *testing.T) {
	t.Parallel()
	f := Fake{Downloads: DownloadLimits{PerMonth: -1, PerTenMinutes: -1}}
	id := f.AddCohort(Cohort{})
	for range 501 {
		require.Equal(t, 202, requestStatus(t, &f, id))
	}
	_, answer := askJSON(t, &f, "GET", "/api/3/cohorts/usage", "")
	require.Contains(t, answer["rest_download"], "limit")
	require.Nil(t, answer["rest_download"].(map[string]any)["limit"])

}

func TestAProjectMayLackTheUsage(t *testing.T) {
	t.Parallel()
	f := Fake{NoUsage: true}
	resp, _ := ask(t, &f, "GET", "/api/3/cohorts/usage", "")
	require.Equal(t, 404, resp.StatusCode)
}

// atOnce has n requests under way at the same time and counts the statuses.
func atOnce(t *testing.T, f *Fake, n int, method, path, body string) map[int]int {
	t.Helper()
	f.Intercept(func(http.ResponseWriter, *http.Request) bool { time.Sleep(time.Second); return false })
	defer f.Intercept(nil)
	var mu sync.Mutex
	var wg sync.WaitGroup
	statuses := make(map[int]int)
	for range n {
		wg.Go(func() {
			resp, _ := ask(t, f, method, path, body)
			mu.Lock()
			defer mu.Unlock()
			statuses[resp.StatusCode]++
		})
	}
	wg.Wait()
	return statuses
}

func TestOnlySoManyRequestsAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var f Fake
		id := f.AddCohort(Cohort{})
		job := request(t, &f, id, "")
		change := `{"cohort_id":"` + id + `","memberships":[{"ids":["u-1001"],"id_type":"BY_NAME","operation":"ADD"}]}`
		for _, test := range []struct {
			method, path, body string
			want               map[int]int
		}{
			{"GET", "/api/5/cohorts/request/" + id, "", map[int]int{202: 4, 429: 3}},
			{"GET", "/api/5/cohorts/request-status/" + job, "", map[int]int{200: 5, 429: 2}},
			{"GET", "/api/5/cohorts/request/" + job + "/file", "", map[int]int{200: 5, 429: 2}},
			{"GET", "/api/2/usersearch?user=a", "", map[int]int{200: 7}},
			{"GET", "/api/3/cohorts", "", map[int]int{200: 7}},
			{"POST", "/api/3/cohorts/membership", change, map[int]int{200: 1, 429: 6}},
		} {
			require.Equal(t, test.want, atOnce(t, &f, 7, test.method, test.path, test.body), test.path)
			require.Empty(t, f.underWay)
		}
		require.Equal(t, map[int]int{200: 10, 429: 1}, atOnce(t, &f, 11, "GET", "/api/2/usersearch?user=a", ""))
		f.Downloads = DownloadLimits{Parallel: -1, Concurrent: 6}
		require.Equal(t, map[int]int{202: 6, 429: 1}, atOnce(t, &f, 7, "GET", "/api/5/cohorts/request/"+id, ""))
	})
}

func TestAScriptedRefusalIsAnErrorObject(t *testing.T) {
	t.Parallel()
	var f Fake
	for _, status := range []int{400, 403, 404, 429} {
		f.FailNext(status)
		got, answer := askJSON(t, &f, "GET", "/api/3/cohorts", "")
		require.Equal(t, status, got)
		require.Equal(t, http.StatusText(status), refusedWith(t, status, answer))
	}
	f.FailNext(503)
	resp, body := ask(t, &f, "GET", "/api/3/cohorts", "")
	require.Equal(t, 503, resp.StatusCode)
	require.Equal(t, "Service Unavailable\n", body)
}

func TestRequestsToPrivateEndpointsAreLogged(t *testing.T) {
	t.Parallel()
	f := Fake{InlineRows: -1}
	id := f.AddCohort(Cohort{})
	job := request(t, &f, id, "?props=1")
	ask(t, &f, "GET", "/api/5/cohorts/request/"+job+"/file", "")
	ask(t, &f, "POST", "/api/3/cohorts/upload", "{}")
	f.FailNext(0)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://amplitudetest.invalid/api/3/cohorts", nil)
	require.NoError(t, err)
	_, err = client(&f).Do(req)
	require.Error(t, err)
	var log []string
	for _, r := range f.Requests() {
		log = append(log, fmt.Sprint(r.Method, " ", r.Path, " ", r.Status, " ", r.Bytes))
	}
	require.Equal(t, []string{
		"GET /api/5/cohorts/request/" + id + " 202 0",
		"GET /api/5/cohorts/request/" + job + "/file 302 0",
		"POST /api/3/cohorts/upload 400 2",
		"GET /api/3/cohorts 0 0",
	}, log)
	require.Empty(t, f.underWay)
}
