package amplitudetest

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestUsersAreSearched(t *testing.T) {
	t.Parallel()
	var f Fake
	send(t, &f, `{"user_id":"u-1002","device_id":"d-1002","event_type":"x"}`, `{"device_id":"d-1003","event_type":"x"}`)
	f.AddCohort(Cohort{Members: []Member{{UserID: "u-1001"}}})
	for user, want := range map[string]string{
		"u-1002":       `{"type":"match_user_or_device_id","matches":[{"user_id":"u-1002","amplitude_id":410000000001}]}`,
		"d-1002":       `{"type":"match_user_or_device_id","matches":[{"user_id":"u-1002","amplitude_id":410000000001}]}`,
		"d-1003":       `{"type":"match_user_or_device_id","matches":[{"user_id":null,"amplitude_id":410000000002}]}`,
		"410000000003": `{"type":"match_amplitude_id","matches":[{"user_id":"u-1001","amplitude_id":410000000003}]}`,
		"u-100": `{"type":"match_user_prefix","matches":[{"user_id":"u-1001","amplitude_id":410000000003},
			{"user_id":"u-1002","amplitude_id":410000000001}]}`,
		"1002": `{"type":"nomatch","matches":[]}`,
	} {
		resp, body := ask(t, &f, "GET", "/api/2/usersearch?user="+user, "")
		require.Equal(t, 200, resp.StatusCode)
		require.JSONEq(t, want, body)
	}
	status, answer := askJSON(t, &f, "GET", "/api/2/usersearch", "")
	require.Equal(t, 400, status)
	require.Equal(t, "user is required", refusedWith(t, 400, answer))
}

func TestSearchesAreLimited(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var f Fake
		ids := make([]string, 101)
		for i := range ids {
			ids[i] = fmt.Sprintf("u-%03d", i)
		}
		f.SetMembers(f.AddCohort(Cohort{}), ids...)
		_, answer := askJSON(t, &f, "GET", "/api/2/usersearch?user=u-", "")
		require.Len(t, answer["matches"], 100)
		for range 359 {
			status, _ := askJSON(t, &f, "GET", "/api/2/usersearch?user=nobody", "")
			require.Equal(t, 200, status)
		}
		status, answer := askJSON(t, &f, "GET", "/api/2/usersearch?user=u-000", "")
		require.Equal(t, 429, status)
		require.Equal(t, "Limit of user searches in an hour reached", refusedWith(t, 429, answer))
		time.Sleep(time.Hour)
		status, _ = askJSON(t, &f, "GET", "/api/2/usersearch?user=u-000", "")
		require.Equal(t, 200, status)
	})
}
