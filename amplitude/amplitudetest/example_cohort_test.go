package amplitudetest_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/iteramp/iteramp/amplitude/amplitudetest"
)

// A cohort is downloaded in three steps, here with nothing but net/http.
func ExampleFake_AddCohort() {
	var fake amplitudetest.Fake
	id := fake.AddCohort(amplitudetest.Cohort{
		Name: "Lapsed 30d",
		Members: []amplitudetest.Member{
			{UserID: "u-1001", Properties: map[string]any{"plan": "gold"}},
			{UserID: "u-1002"},
		},
	})
	client := fake.Config().HTTPClient
	get := func(path string) {
		req, _ := http.NewRequest(http.MethodGet, "https://amplitudetest.invalid/api/5/cohorts/"+path, nil)
		req.SetBasicAuth("test-key", "test-secret")
		resp, err := client.Do(req)
		if err != nil {
			fmt.Println(err)
			return
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		fmt.Print(resp.StatusCode, " ", strings.ReplaceAll(string(body), "\r", "")) // lines end in CR LF
	}
	get("request/" + id + "?props=1")
	get("request-status/q00001")
	get("request/q00001/file")
	// Output:
	// 202 {"cohort_id":"k000001","request_id":"q00001"}
	// 200 {"async_status":"JOB COMPLETED","cohort_id":"k000001","request_id":"q00001"}
	// 200 "amplitude_id","user_id","plan"
	// "410000000001","u-1001","gold"
	// "410000000002","u-1002",""
}

// What a sync sees after Amplitude has computed a cohort anew.
func ExampleFake_SetMembers() {
	var fake amplitudetest.Fake
	id := fake.AddCohort(amplitudetest.Cohort{Members: []amplitudetest.Member{{UserID: "u-1001"}}})
	before := fake.Cohorts()[0]

	fake.SetMembers(id, "u-1002", "u-1003")
	after := fake.Cohorts()[0]
	fmt.Println(len(after.Members), after.LastComputed.After(before.LastComputed))
	// Output: 2 true
}
