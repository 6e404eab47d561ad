package amplitude_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iteramp/iteramp/amplitude"
	"github.com/iteramp/iteramp/amplitude/amplitudetest"
)

func userIDs(n int) []string {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = fmt.Sprintf("user-%06d", i)
	}
	return ids
}

// answersWrites is an Amplitude that knows all users but those of an odd name.
func answersWrites(s sent) *http.Response {
	var body struct {
		IDs         []string               `json:"ids"`
		Memberships []amplitude.Membership `json:"memberships"`
	}
	if err := json.Unmarshal([]byte(s.body), &body); err != nil {
		return whole(400, "")
	}
	odd := func(ids []string) []string {
		return slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return !strings.HasPrefix(id, "odd") })
	}
	reply := map[string]any{"cohortId": "m4", "metadata": map[string]any{
		"matched": len(body.IDs) - len(odd(body.IDs)), "totals": len(body.IDs), "invalid_ids_sample": odd(body.IDs),
	}}
	if body.Memberships != nil {
		results := []map[string]any{}
		for _, m := range body.Memberships {
			results = append(results, map[string]any{"skipped_ids": odd(m.IDs), "id_type": m.IDType, "operation": m.Operation})
		}
		reply = map[string]any{"cohort_id": "m4", "memberships_result": results}
	}
	b, _ := json.Marshal(reply)
	return whole(200, string(b))
}

func TestAnUploadOfAnyNumberOfIDs(t *testing.T) {
	if testing.Short() {
		t.Skip("a matter of volume")
	}
	t.Parallel()
	for _, tt := range []struct {
		n       int
		save    bool
		uploads int
		changes int
	}{{1, true, 1, 0}, {100_000, true, 1, 0}, {100_001, true, 1, 1}, {125_000, true, 1, 3}, {125_000, false, 2, 0}} {
		t.Run(fmt.Sprint(tt.n, " ", tt.save), func(t *testing.T) {
			client, stub := newStub(t, answersWrites)
			ids := userIDs(tt.n)
			ids[0], ids[tt.n-1] = "odd-1", "odd-2"
			odd := slices.Compact([]string{ids[0], ids[tt.n-1]})
			got, err := client.Cohorts.Upload(t.Context(), amplitude.CohortUploadRequest{Name: "n", IDs: ids, SkipSave: !tt.save, SkipInvalidIDs: new(true)})
			require.NoError(t, err)
			require.Equal(t, amplitude.CohortUploadResult{CohortID: "m4", Matched: tt.n - len(odd), Total: tt.n, InvalidIDsSample: odd}, got)
			var seen []string
			uploads, changes := 0, 0
			for _, s := range stub.all() {
				require.Empty(t, s.encoding, "no page says that Amplitude takes gzip here")
				var body struct {
					IDs         []string               `json:"ids"`
					CohortID    string                 `json:"cohort_id"`
					Skip        *bool                  `json:"skip_invalid_ids"`
					Memberships []amplitude.Membership `json:"memberships"`
				}
				require.NoError(t, json.Unmarshal([]byte(s.body), &body))
				require.True(t, *body.Skip)
				if seen = append(seen, body.IDs...); body.IDs != nil {
					uploads++
					continue
				}
				changes++
				require.Equal(t, "m4", body.CohortID)
				require.Len(t, body.Memberships, 1)
				require.LessOrEqual(t, len(body.Memberships[0].IDs), 10_000)
				require.Equal(t, amplitude.MembershipIDTypeName, body.Memberships[0].IDType)
				require.Equal(t, amplitude.MembershipOperationAdd, body.Memberships[0].Operation)
				seen = append(seen, body.Memberships[0].IDs...)
			}
			require.Equal(t, []int{tt.uploads, tt.changes}, []int{uploads, changes})
			require.True(t, slices.Equal(ids, seen), "each id once, in order")
		})
	}
}

func TestTheRestOfAnUploadByAmplitudeID(t *testing.T) {
	t.Parallel()
	client, stub := newStub(t, answersWrites)
	_, err := client.Cohorts.Upload(t.Context(), amplitude.CohortUploadRequest{
		IDs: userIDs(100_001), IDType: amplitude.CohortIDTypeAmplitudeID, CountGroup: "company",
	})
	require.NoError(t, err)
	require.JSONEq(t, `{"cohort_id":"m4","count_group":"company","memberships":[{"ids":["user-100000"],"id_type":"BY_ID","operation":"ADD"}]}`,
		stub.all()[1].body)
}

// What was made is told even if the rest fails.
func TestAnUploadThatFailsHalfWaySaysHowFarItCame(t *testing.T) {
	if testing.Short() {
		t.Skip("a matter of volume")
	}
	t.Parallel()
	n := 0
	client, stub := newStub(t, func(s sent) *http.Response {
		if n++; n == 3 {
			return whole(500, "")
		}
		return answersWrites(s)
	})
	got, err := client.Cohorts.Upload(t.Context(), amplitude.CohortUploadRequest{IDs: userIDs(130_000)})
	require.ErrorIs(t, err, amplitude.ErrAmbiguous)
	require.Equal(t, amplitude.CohortUploadResult{CohortID: "m4", Matched: 110_000, Total: 110_000}, got)
	require.Len(t, stub.all(), 3)

	client, _ = newStub(t, alike(200, `{"cohortId":"m4"}`))
	got, err = client.Cohorts.Upload(t.Context(), amplitude.CohortUploadRequest{IDs: userIDs(1)})
	require.Error(t, err, "the counts are missing")
	require.Equal(t, "m4", got.CohortID)
}

func TestReplacingACohortIsSafeToRepeat(t *testing.T) {
	t.Parallel()
	for _, req := range []amplitude.CohortUploadRequest{{ExistingCohortID: "m4"}, {SkipSave: true}} {
		synctest.Test(t, func(t *testing.T) {
			n := 0
			client, _ := newStub(t, func(s sent) *http.Response {
				if n++; n < 3 {
					return whole(502, "")
				}
				return answersWrites(s)
			}, func(c *amplitude.Config) { c.MaxAttempts = 3 })
			req.IDs = userIDs(1)
			_, err := client.Cohorts.Upload(t.Context(), req)
			require.NoError(t, err)
		})
	}
}

func TestAnUploadWithoutIDsIsNotSent(t *testing.T) {
	t.Parallel()
	client, stub := newStub(t, answersWrites)
	_, err := client.Cohorts.Upload(t.Context(), amplitude.CohortUploadRequest{Name: "n"})
	require.ErrorContains(t, err, "IDs is empty")
	got, err := client.Cohorts.UpdateMembership(t.Context(), amplitude.CohortMembershipRequest{CohortID: "m4", Memberships: make([]amplitude.Membership, 2)})
	require.NoError(t, err)
	require.Equal(t, make([]amplitude.MembershipResult, 2), got.Memberships)
	require.Empty(t, stub.all())
}

func TestMembershipsAreSplitInTheirOrder(t *testing.T) {
	t.Parallel()
	client, stub := newStub(t, answersWrites)
	add, remove := userIDs(14_999), userIDs(6000)
	add[0], add[14_998], remove[5999] = "odd-1", "odd-2", "odd-3"
	got, err := client.Cohorts.UpdateMembership(t.Context(), amplitude.CohortMembershipRequest{CohortID: "m4", Memberships: []amplitude.Membership{
		{IDs: add, Operation: amplitude.MembershipOperationAdd},
		{Operation: amplitude.MembershipOperationAdd},
		{IDs: remove, Operation: amplitude.MembershipOperationRemove},
	}})
	require.NoError(t, err)
	require.Equal(t, []amplitude.MembershipResult{
		{Answered: 14_999, SkippedIDs: []string{"odd-1", "odd-2"}}, {}, {Answered: 6000, SkippedIDs: []string{"odd-3"}},
	}, got.Memberships)
	var shape []string
	for _, s := range stub.all() {
		var body amplitude.CohortMembershipRequest
		require.NoError(t, json.Unmarshal([]byte(s.body), &body))
		for _, m := range body.Memberships {
			shape = append(shape, string(m.Operation)+" "+strconv.Itoa(len(m.IDs)))
		}
		shape = append(shape, "|")
	}
	require.Equal(t, "ADD 10000 | ADD 4999 REMOVE 5001 | REMOVE 999 |", strings.Join(shape, " "))
}

func TestSkippedIDsFindTheirMembership(t *testing.T) {
	t.Parallel()
	req := amplitude.CohortMembershipRequest{CohortID: "m4", Memberships: []amplitude.Membership{
		{IDs: []string{"a"}, Operation: amplitude.MembershipOperationAdd},
		{IDs: []string{"b"}, Operation: amplitude.MembershipOperationAdd},
		{IDs: []string{"41"}, IDType: amplitude.MembershipIDTypeID, Operation: amplitude.MembershipOperationRemove},
	}}
	for results, want := range map[string][3][]string{
		`[{"skipped_ids":[41],"id_type":"BY_ID","operation":"REMOVE"},{"skipped_ids":["b"],"id_type":"BY_NAME","operation":"ADD"}]`: {nil, {"b"}, {"41"}},
		`[{"skipped_ids":["a","b"],"id_type":"BY_NAME","operation":"ADD"}]`:                                                         {{"a", "b"}, nil, nil},
		`[{"skipped_ids":null,"id_type":"BY_NAME","operation":"ADD"}]`:                                                              {},
	} {
		client, _ := newStub(t, alike(200, `{"cohort_id":"m4","memberships_result":`+results+`}`))
		got, err := client.Cohorts.UpdateMembership(t.Context(), req)
		require.NoError(t, err)
		for i, r := range got.Memberships {
			require.Equal(t, 1, r.Answered)
			require.Equal(t, want[i], r.SkippedIDs, results)
		}
	}
	for _, body := range []string{
		`{"cohort_id":"m4","memberships_result":[]}`, `{"cohort_id":"m4"}`, `{"cohort_id":"m5","memberships_result":[{"id_type":"BY_NAME","operation":"ADD"}]}`,
		`{"cohort_id":"m4","memberships_result":[{"id_type":"BY_NAME","operation":"REMOVE"}]}`,
	} {
		client, _ := newStub(t, alike(200, body))
		_, err := client.Cohorts.UpdateMembership(t.Context(), req)
		require.Error(t, err, body)
	}
}

func TestACohortIsWrittenByOneRequestAtATime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var fake amplitudetest.Fake
		one := fake.AddCohort(amplitudetest.Cohort{Name: "one", Members: []amplitudetest.Member{{UserID: "u-1"}}})
		two := fake.AddCohort(amplitudetest.Cohort{Name: "two", Members: []amplitudetest.Member{{UserID: "u-1"}}})
		fake.Intercept(func(_ http.ResponseWriter, r *http.Request) bool {
			time.Sleep(time.Second) // a second request for the cohort would be a 429 now
			return false
		})
		config := fake.Config()
		config.MaxAttempts = 1
		client, err := amplitude.NewClient(config)
		require.NoError(t, err)
		start := time.Now()
		var wg sync.WaitGroup
		for i := range 6 {
			wg.Go(func() {
				_, err := client.Cohorts.UpdateMembership(t.Context(), amplitude.CohortMembershipRequest{
					CohortID: []string{one, two}[i%2], Memberships: []amplitude.Membership{{IDs: []string{"u-1"}, Operation: amplitude.MembershipOperationAdd}},
				})
				require.NoError(t, err)
			})
		}
		wg.Go(func() {
			_, err := client.Cohorts.Upload(t.Context(), amplitude.CohortUploadRequest{
				Name: "one", AppID: 1, Owner: "a@example.com", IDs: []string{"u-1"}, ExistingCohortID: one,
			})
			require.NoError(t, err)
		})
		wg.Wait()
		require.Equal(t, 4*time.Second, time.Since(start), "the other cohort does not wait")
	})
}
