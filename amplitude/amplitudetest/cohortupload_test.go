package amplitudetest

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// uploadBody is an upload with every required field; more goes before them, so
// that it cannot stand for them.
func uploadBody(more, ids string) string {
	return `{` + more + `"name":"VIP","app_id":123456,"id_type":"BY_USER_ID","owner":"ops@example.org","published":true,"ids":` + ids + `}`
}

func userIDs(c Cohort) []string {
	ids := make([]string, len(c.Members))
	for i, m := range c.Members {
		ids[i] = m.UserID
	}
	return ids
}

func TestAnUploadMakesACohortOfKnownUsers(t *testing.T) {
	t.Parallel()
	var f Fake
	send(t, &f, `{"user_id":"u-1001","event_type":"x"}`, `{"user_id":"u-1002","event_type":"$identify"}`)
	f.AddCohort(Cohort{Members: []Member{{UserID: "u-1003"}}})
	status, answer := askJSON(t, &f, "POST", "/api/3/cohorts/upload", uploadBody("", `["u-1003","u-404","u-1001","u-1002","u-1001"]`))
	require.Equal(t, 200, status)
	require.Equal(t, map[string]any{"cohortId": "k000002", "metadata": map[string]any{
		"matched": 4.0, "totals": 5.0, "invalid_ids_sample": []any{"u-404"},
	}}, answer)
	c := f.Cohorts()[1]
	require.Equal(t, "VIP", c.Name)
	require.Equal(t, "manual_upload", c.Type)
	require.Equal(t, []string{"ops@example.org"}, c.Owners)
	require.False(t, c.Private)
	require.Equal(t, []string{"u-1003", "u-1001", "u-1002"}, userIDs(c))
}

func TestAnUploadByAmplitudeID(t *testing.T) {
	t.Parallel()
	f := Fake{OldSpelling: true}
	send(t, &f, `{"user_id":"u-1001","event_type":"x"}`, `{"device_id":"d-1001","event_type":"x"}`)
	body := strings.Replace(uploadBody("", `["410000000002","410000000001","u-1001","9"]`), "BY_USER_ID", "BY_AMP_ID", 1)
	status, answer := askJSON(t, &f, "POST", "/api/3/cohorts/upload", strings.Replace(body, "true", "false", 1))
	require.Equal(t, 200, status)
	require.Equal(t, "k000001", answer["cohort_id"])
	require.NotContains(t, answer, "cohortId")
	require.Equal(t, []any{"u-1001", "9"}, answer["metadata"].(map[string]any)["invalid_ids_sample"])
	require.Equal(t, []string{"", "u-1001"}, userIDs(f.Cohorts()[0]))
	require.True(t, f.Cohorts()[0].Private)
}

func TestAnUploadReplacesACohort(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var f Fake
		id := f.AddCohort(Cohort{Name: "old", Members: []Member{{UserID: "u-1001"}, {UserID: "u-1002"}}})
		f.SetMembers(id, "u-1001")
		job := request(t, &f, id, "")
		time.Sleep(time.Hour)
		for _, more := range []string{`"skip_save":true,`, ``} {
			before := f.Cohorts()
			status, answer := askJSON(t, &f, "POST", "/api/3/cohorts/upload", uploadBody(more+`"existing_cohort_id":"`+id+`",`, `["u-1002"]`))
			require.Equal(t, 200, status)
			require.Equal(t, id, answer["cohortId"])
			if more != "" {
				require.Equal(t, before, f.Cohorts(), "only validated")
			}
		}
		require.Len(t, f.Cohorts(), 1)
		c := f.Cohorts()[0]
		require.Equal(t, "VIP", c.Name)
		require.Equal(t, []string{"u-1002"}, userIDs(c))
		require.Equal(t, time.Now().Unix(), c.LastMod.Unix())
		require.Equal(t, time.Now().Unix(), c.LastComputed.Unix())
		require.Equal(t, "u-1001", rows(t, smallFile(t, &f, job))[1][1])

		status, answer := askJSON(t, &f, "POST", "/api/3/cohorts/upload", uploadBody(`"skip_save":true,`, `["u-1001"]`))
		require.Equal(t, 200, status)
		require.NotContains(t, answer, "cohortId")
		require.Len(t, f.Cohorts(), 1)
	})
}

func TestAnUploadIsRefused(t *testing.T) {
	t.Parallel()
	whole := uploadBody("", `["u-1001"]`)
	many := `[` + strings.Repeat(`"u-1001",`, maxIDs) + `"u-1001"]`
	for _, test := range []struct {
		name, body string
		want       int
		message    string
	}{
		{"no JSON", `{`, 400, "Invalid JSON request body"},
		{"no object", `[]`, 400, "Invalid JSON request body"},
		{"two objects", whole + whole, 400, "Invalid JSON request body"},
		{"no name", strings.Replace(whole, "name", "nam", 1), 400, "name and owner are required"},
		{"no owner", strings.Replace(whole, "owner", "own", 1), 400, "name and owner are required"},
		{"no app_id", strings.Replace(whole, "app_id", "app", 1), 400, "app_id and published are required"},
		{"app_id as text", strings.Replace(whole, "123456", `"123456"`, 1), 400, "app_id and published are required"},
		{"no published", strings.Replace(whole, "published", "pub", 1), 400, "app_id and published are required"},
		{"another id_type", strings.Replace(whole, "BY_USER_ID", "BY_NAME", 1), 400, "id_type must be BY_AMP_ID or BY_USER_ID"},
		{"another group type", uploadBody(`"cg":"org",`, `["u-1001"]`), 400, "cg is no group type of this project"},
		{"no ids", uploadBody("", `[]`), 400, "ids must be a list of texts that is not empty"},
		{"ids that are numbers", uploadBody("", `["u-1001",1]`), 400, "ids must be a list of texts that is not empty"},
		{"too many ids", uploadBody("", many), 400, "ids has more than 100,000 ids"},
		{"no id that is known", uploadBody("", `["u-404"]`), 400, "Invalid ids"},
		{"an id that is not known", uploadBody(`"skip_invalid_ids":false,`, `["u-1001","u-404"]`), 400, "Invalid ids"},
		{"a cohort that is not there", uploadBody(`"existing_cohort_id":"nope",`, `["u-1001"]`), 404, "Cohort not found"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var f Fake
			send(t, &f, `{"user_id":"u-1001","event_type":"x"}`)
			status, answer := askJSON(t, &f, "POST", "/api/3/cohorts/upload", test.body)
			require.Equal(t, test.want, status)
			require.Equal(t, test.message, refusedWith(t, test.want, answer))
			if test.message == "Invalid ids" {
				require.Equal(t, map[string]any{"invalid_ids": []any{"u-404"}}, answer["error"].(map[string]any)["metadata"])
			}
			require.Empty(t, f.Cohorts())
		})
	}
}

func TestAnUploadOfTheMostIDs(t *testing.T) {
	t.Parallel()
	var f Fake
	var ids strings.Builder
	for i := range maxIDs - 1 {
		fmt.Fprintf(&ids, `"u-%d",`, i)
	}
	f.AddCohort(Cohort{Members: []Member{{UserID: "u-0"}}})
	status, answer := askJSON(t, &f, "POST", "/api/3/cohorts/upload", uploadBody("", `[`+ids.String()+`"x"]`))
	require.Equal(t, 200, status)
	metadata := answer["metadata"].(map[string]any)
	require.EqualValues(t, 1, metadata["matched"])
	require.EqualValues(t, maxIDs, metadata["totals"])
	require.Len(t, metadata["invalid_ids_sample"], 10)
}
