package amplitudetest

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// fourUsers has a cohort of the first two.
func fourUsers(t *testing.T) (*Fake, string) {
	t.Helper()
	var f Fake
	id := f.AddCohort(Cohort{})
	f.SetMembers(id, "u-1001", "u-1002", "u-1003", "u-1004")
	f.SetMembers(id, "u-1001", "u-1002")
	return &f, id
}

func TestMembersAreAddedAndRemoved(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, entries, skipped, after string }{
		{"added by name", `{"ids":["u-1003","u-1001","u-1003"],"id_type":"BY_NAME","operation":"ADD"}`, "", "u-1001 u-1002 u-1003"},
		{"added by id", `{"ids":["410000000004"],"id_type":"BY_ID","operation":"ADD"}`, "", "u-1001 u-1002 u-1004"},
		{"removed by name", `{"ids":["u-1001","u-1004"],"id_type":"BY_NAME","operation":"REMOVE"}`, "", "u-1002"},
		{"removed by id", `{"ids":["410000000002"],"id_type":"BY_ID","operation":"REMOVE"}`, "", "u-1001"},
		{"in the order of the entries", `{"ids":["u-1001"],"id_type":"BY_NAME","operation":"REMOVE"},
			{"ids":["u-1001","u-1003"],"id_type":"BY_NAME","operation":"ADD"},
			{"ids":["u-1003"],"id_type":"BY_NAME","operation":"REMOVE"}`, "||", "u-1002 u-1001"},
		{"unknown ones skipped", `{"ids":["u-404","u-1003"],"id_type":"BY_NAME","operation":"ADD"},
			{"ids":["u-1003","4"],"id_type":"BY_ID","operation":"REMOVE"}`, "u-404|u-1003 4", "u-1001 u-1002 u-1003"},
		{"nobody known", `{"ids":["u-404"],"id_type":"BY_NAME","operation":"ADD"}`, "u-404", "u-1001 u-1002"},
		{"by the id types of an upload", `{"ids":["u-1003"],"id_type":"BY_USER_ID","operation":"ADD"},
			{"ids":["410000000001"],"id_type":"BY_AMP_ID","operation":"REMOVE"}`, "|", "u-1002 u-1003"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			f, id := fourUsers(t)
			job := request(t, f, id, "")
			status, answer := askJSON(t, f, "POST", "/api/3/cohorts/membership", `{"cohort_id":"`+id+`","memberships":[`+test.entries+`]}`)
			require.Equal(t, 200, status)
			require.Equal(t, id, answer["cohort_id"])
			var skipped []string
			for i, result := range answer["memberships_result"].([]any) {
				r := result.(map[string]any)
				var ids []string
				for _, id := range r["skipped_ids"].([]any) {
					ids = append(ids, id.(string))
				}
				skipped = append(skipped, strings.Join(ids, " "))
				entry := strings.Split(test.entries, "},")[i]
				require.Contains(t, entry, r["id_type"])
				require.Contains(t, entry, r["operation"])
			}
			require.Equal(t, test.skipped, strings.Join(skipped, "|"))
			require.Equal(t, test.after, strings.Join(userIDs(f.Cohorts()[0]), " "))
			require.Len(t, rows(t, smallFile(t, f, job)), 3, "what was requested before stays")
		})
	}
}

func TestAChangeOfMembersCountsAsAComputation(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f, id := fourUsers(t)
		time.Sleep(time.Hour)
		status, _ := askJSON(t, f, "POST", "/api/3/cohorts/membership",
			`{"cohort_id":"`+id+`","count_group":"User","memberships":[{"ids":["u-1003"],"id_type":"BY_NAME","operation":"ADD"}]}`)
		require.Equal(t, 200, status)
		require.Equal(t, time.Now().Unix(), f.Cohorts()[0].LastComputed.Unix())
		require.Equal(t, time.Now().Unix(), f.Cohorts()[0].LastMod.Unix())
	})
}

func TestAChangeOfMembersIsRefused(t *testing.T) {
	t.Parallel()
	const entry = `{"ids":["u-1003"],"id_type":"BY_NAME","operation":"ADD"}`
	many := `{"ids":[` + strings.Repeat(`"u-1003",`, maxIDs-1) + `"u-1003"],"id_type":"BY_NAME","operation":"ADD"}`
	for _, test := range []struct {
		name, body string
		want       int
		message    string
	}{
		{"no JSON", `{`, 400, "Invalid JSON request body"},
		{"no cohort", `{"memberships":[` + entry + `]}`, 400, "cohort_id and memberships are required"},
		{"no entry", `{"cohort_id":"mine","memberships":[]}`, 400, "cohort_id and memberships are required"},
		{"another cohort", `{"cohort_id":"nope","memberships":[` + entry + `]}`, 404, "Cohort not found"},
		{"another count group", `{"cohort_id":"mine","count_group":"org","memberships":[` + entry + `]}`, 400, "count_group is not that of the cohort"},
		{"no object", `{"cohort_id":"mine","memberships":[1]}`, 400, "memberships need ids, id_type and operation"},
		{"no ids", `{"cohort_id":"mine","memberships":[{"id_type":"BY_NAME","operation":"ADD"}]}`, 400, "memberships need ids, id_type and operation"},
		{"another id_type", `{"cohort_id":"mine","memberships":[` + strings.Replace(entry, "BY_NAME", "BY", 1) + `]}`, 400, "memberships need ids, id_type and operation"},
		{"another operation", `{"cohort_id":"mine","memberships":[` + strings.Replace(entry, "ADD", "SET", 1) + `]}`, 400, "memberships need ids, id_type and operation"},
		{"too many ids", `{"cohort_id":"mine","memberships":[` + many + `,` + entry + `]}`, 400, "memberships have more than 100,000 ids"},
		{"an id that is not known", `{"cohort_id":"mine","skip_invalid_ids":false,"memberships":[` + entry + `,` + strings.Replace(entry, "u-1003", "u-404", 1) + `]}`, 400, "Invalid ids"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var f Fake
			id := f.AddCohort(Cohort{ID: "mine"})
			f.SetMembers(id, "u-1003")
			f.SetMembers(id)
			before := f.Cohorts()
			status, answer := askJSON(t, &f, "POST", "/api/3/cohorts/membership", test.body)
			require.Equal(t, test.want, status)
			require.Equal(t, test.message, refusedWith(t, test.want, answer))
			require.Equal(t, before, f.Cohorts())
			if test.message == "Invalid ids" {
				require.Equal(t, map[string]any{"cohort_id": "mine", "memberships_result": []any{
					map[string]any{"skipped_ids": []any{}, "id_type": "BY_NAME", "operation": "ADD"},
					map[string]any{"skipped_ids": []any{"u-404"}, "id_type": "BY_NAME", "operation": "ADD"},
				}}, answer["error"].(map[string]any)["metadata"])
			}
		})
	}
}

func TestTwoCohortsAreChangedAtOnce(t *testing.T) {
	t.Parallel()
	f, id := fourUsers(t)
	f.AddCohort(Cohort{ID: "other"})
	c := &call{fields: map[string]any{"cohort_id": id}}
	require.True(t, f.enter(c, membershipSlots(f, c)))
	require.False(t, f.enter(c, membershipSlots(f, c)))
	require.True(t, f.enter(c, membershipSlots(f, &call{fields: map[string]any{"cohort_id": "other"}})))
	f.leave(c)
	require.Empty(t, f.underWay)
}
