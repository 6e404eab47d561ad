package iterable

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// subscribers are users u-0, u-1 ...
func subscribers(n int) []Subscriber {
	users := make([]Subscriber, n)
	for i := range users {
		users[i].UserID = fmt.Sprintf("u-%d", i)
	}
	return users
}

// received are the userIds of a request. Decoding megabytes is slow under the race
// detector.
func received(s sent) (ids []string) {
	for _, part := range strings.Split(s.body, `"userId":"`)[1:] {
		id, _, _ := strings.Cut(part, `"`)
		ids = append(ids, id)
	}
	return ids
}

// takes accepts all subscribers.
func takes(s sent) *http.Response {
	return answer(200, fmt.Sprintf(`{"successCount":%d,"failCount":0}`, len(received(s))))
}

func batchError(t testing.TB, err error) *BatchError {
	t.Helper()
	failed, ok := errors.AsType[*BatchError](err)
	require.True(t, ok, "%v", err)
	return failed
}

func reasons(failed *BatchError) map[int]Reason {
	m := make(map[int]Reason)
	for _, r := range failed.Rejected {
		m[r.Index] = r.Reason
	}
	return m
}

func TestBulkCallsAreCutByCountAndBytes(t *testing.T) {
	t.Parallel()
	big := map[string]string{"text": strings.Repeat("x", 5_000)} // 1,000 of them are 5 MB
	huge := map[string]string{"text": strings.Repeat("x", 4_000_000)}
	many, heavy, mixed := subscribers(2500), subscribers(1000), subscribers(3)
	for i := range heavy {
		heavy[i].DataFields = big
	}
	mixed[1].DataFields = huge
	for _, tt := range []struct {
		name  string
		users []Subscriber
		want  []int
	}{
		{"none", nil, nil},
		{"one", subscribers(1), []int{1}},
		{"as many as fit", subscribers(1000), []int{1000}},
		{"one more", subscribers(1001), []int{1000, 1}},
		{"2,500", many, []int{1000, 1000, 500}},
		{"5 MB", heavy, []int{693, 307}},
		{"one too large alone goes alone", mixed, []int{1, 1, 1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			client, r := newTestClient(t, takes)
			_, err := client.Lists.Subscribe(t.Context(), ListSubscribeRequest{ListID: 42, Subscribers: tt.users})
			require.NoError(t, err)
			var counts []int
			n := 0
			for _, s := range r.all() {
				users := received(s)
				counts = append(counts, len(users))
				if len(users) > 1 {
					require.Less(t, len(s.body), 3_600_000)
				}
				for _, id := range users {
					require.Equal(t, tt.users[n].UserID, id, "each once and in order")
					n++
				}
			}
			require.Equal(t, tt.want, counts)
			require.Equal(t, len(tt.users), n)
		})
	}
}

func TestRecordsThatCannotBeSentAreNot(t *testing.T) {
	t.Parallel()
	client, r := newTestClient(t, takes)
	users := subscribers(5)
	users[1].DataFields = map[string]any{"n": math.NaN()}
	users[2] = Subscriber{DataFields: map[string]any{"n": 1}}
	users[4].DataFields = json.RawMessage(`{"cut":`)
	_, err := client.Lists.Subscribe(t.Context(), ListSubscribeRequest{ListID: 42, Subscribers: users})
	failed := batchError(t, err)
	require.Equal(t, 2, failed.Accepted)
	require.Equal(t, map[int]Reason{1: ReasonInvalidData, 2: ReasonInvalidID, 4: ReasonInvalidData}, reasons(failed))
	require.Equal(t, []string{"u-0", "u-3"}, received(r.sent[0]))
}

// refusing answers with a whole refusal whenever a bad user is in the request.
func refusing(status int, body string, bad ...string) func(sent) *http.Response {
	return func(s sent) *http.Response {
		if slices.ContainsFunc(received(s), func(id string) bool { return slices.Contains(bad, id) }) {
			return answer(status, body)
		}
		return takes(s)
	}
}

func TestARefusalForOneRecordIsFoundByHalves(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		status int
		body   string
		reason Reason
	}{
		{"bad JSON", 400, `{"msg":"Invalid JSON body","code":"BadJsonBody","params":{"obj.users[1].preferUserId":"Boolean value expected"}}`, ReasonInvalidData},
		{"type mismatch", 400, `{"msg":"x","code":"RequestFieldsTypesMismatched","params":{"validationErrors":{}}}`, ReasonInvalidData},
		{"too many fields", 400, `{"msg":"x","code":"UniqueFieldsLimitExceeded","params":{"limit":"1000"}}`, ReasonInvalidData},
		{"forgotten", 400, `{"msg":"x","code":"ForgottenUserError"}`, ReasonForgotten},
		{"forgotten by 409", 409, `{"msg":"x","code":"ForgottenUserError"}`, ReasonForgotten},
		{"malformed address", 400, `{"msg":"x","code":"InvalidEmailAddressError"}`, ReasonInvalidID},
		{"malformed userId", 400, `{"msg":"x","code":"InvalidUserIdError"}`, ReasonInvalidID},
		{"taken", 400, `{"msg":"x","code":"UserIdAlreadyExists"}`, ReasonConflict},
		{"conflict", 409, `{"msg":"x","code":"Conflict"}`, ReasonConflict},
		{"unknown", 400, `{"msg":"x","code":"UnknownUserIdError"}`, ReasonNotFound},
		{"batch too large", 400, `{"msg":"x","code":"BatchTooLarge"}`, ReasonTooLarge},
		{"413", 413, "<html>413</html>", ReasonTooLarge},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			client, r := newTestClient(t, refusing(tt.status, tt.body, "u-700", "u-1300"))
			_, err := client.Lists.Subscribe(t.Context(), ListSubscribeRequest{ListID: 42, Subscribers: subscribers(1500)})
			failed := batchError(t, err)
			require.Equal(t, map[int]Reason{700: tt.reason, 1300: tt.reason}, reasons(failed))
			require.Equal(t, 1498, failed.Accepted)
			require.Zero(t, failed.Unnamed)
			require.LessOrEqual(t, len(r.all()), 2*(1+2*10), "halves, not each alone")
		})
	}
}

func TestARefusalOfTheRequestIsNotLookedForInItsRecords(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		status int
		body   string
		kind   error
		reason Reason
	}{
		{"bad list", 400, `{"msg":"error.lists.invalidListId(42)","code":"Success","params":{"projectId":"2158","listId":"42"}}`, ErrNotFound, ReasonRefused},
		{"bad list, by its code", 400, `{"msg":"Invalid email list id 42","code":"BadParams"}`, ErrNotFound, ReasonRefused},
		{"bad key", 401, `{"msg":"x","code":"BadApiKey"}`, ErrUnauthorized, ReasonRefused},
		{"forbidden", 403, ``, ErrUnauthorized, ReasonRefused},
		{"no route", 404, `<html>`, ErrNotFound, ReasonRefused},
		{"rate", 429, `{"msg":"x","code":"RateLimitExceeded","params":{}}`, ErrRateLimited, ReasonRefused},
		{"server error", 500, `{"msg":"x","code":"GenericError"}`, ErrAmbiguous, ReasonAmbiguous},
		{"gateway", 502, `<html>`, ErrAmbiguous, ReasonAmbiguous},
		{"a page", 200, `<html>`, ErrAmbiguous, ReasonAmbiguous},
		{"no counts", 200, `{"failedUpdates":{}}`, ErrAmbiguous, ReasonAmbiguous},
		{"no failCount", 200, `{"successCount":2}`, ErrAmbiguous, ReasonAmbiguous},
		{"cut short", 200, `{"successCount":2,"failCount":0`, ErrAmbiguous, ReasonAmbiguous},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			client, r := newTestClient(t, alike(tt.status, tt.body))
			_, err := client.Lists.Subscribe(t.Context(), ListSubscribeRequest{ListID: 42, Subscribers: subscribers(1002)})
			require.ErrorIs(t, err, tt.kind)
			failed := batchError(t, err)
			require.Zero(t, failed.Accepted)
			require.Len(t, failed.Rejected, 1002)
			require.Equal(t, tt.reason, failed.Rejected[0].Reason)
			require.Equal(t, ReasonUnsent, failed.Rejected[1001].Reason, "the call stopped")
			require.Len(t, failed.Unwrap(), 1, "one cause, however many records")
			require.Len(t, r.all(), 1)
		})
	}
}

func TestWhereAllIsRefusedTheSearchEnds(t *testing.T) {
	t.Parallel()
	client, r := newTestClient(t, alike(400, `{"msg":"x","code":"BadJsonBody"}`))
	_, err := client.Lists.Subscribe(t.Context(), ListSubscribeRequest{ListID: 42, Subscribers: subscribers(10_000)})
	failed := batchError(t, err)
	require.Zero(t, failed.Accepted)
	require.Len(t, failed.Rejected, 10_000)
	require.Equal(t, ReasonUnsent, failed.Rejected[9_999].Reason)
	require.Less(t, len(r.all()), 40)
}

func TestACallThatIsCutOffTellsWhatItHasDone(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	n := 0
	client, _ := newTestClient(t, func(s sent) *http.Response {
		if n++; n == 2 {
			cancel()
		}
		return takes(s)
	})
	_, err := client.Lists.Subscribe(ctx, ListSubscribeRequest{ListID: 42, Subscribers: subscribers(2500)})
	require.ErrorIs(t, err, context.Canceled)
	failed := batchError(t, err)
	require.Equal(t, 2500, failed.Accepted+len(failed.Rejected))
	require.GreaterOrEqual(t, failed.Accepted, 1000)
	require.Equal(t, ReasonUnsent, failed.Rejected[len(failed.Rejected)-1].Reason)
}

func TestFieldsThatIterableDroppedAreTold(t *testing.T) {
	t.Parallel()
	n := 0
	client, _ := newTestClient(t, func(sent) *http.Response {
		n++
		return answer(200, fmt.Sprintf(`{"successCount":1000,"failCount":0,"filteredOutFields":["b","f%d","a"],"createdFields":["c"]}`, n))
	})
	res, err := client.Lists.Subscribe(t.Context(), ListSubscribeRequest{ListID: 42, Subscribers: subscribers(2000)})
	require.NoError(t, err)
	require.Equal(t, BulkResult{CreatedFields: []string{"c"}, FilteredOutFields: []string{"a", "b", "f1", "f2"}}, res)
}

// Whatever the counts and lists, the records add up, and none is accepted that an
// answer names or that its counts do not cover.
func TestTheFatesOfABatchAddUp(t *testing.T) {
	t.Parallel()
	count := func(r *rand.Rand, n int) int {
		return []int{0, n, r.IntN(n + 1), -r.IntN(5), n + r.IntN(5), math.MaxInt, math.MinInt}[r.IntN(7)]
	}
	for seed := range uint64(500) {
		r := rand.New(rand.NewPCG(seed, 1))
		n := 1 + r.IntN(12)
		part := make([]item, n)
		for i := range part {
			part[i] = item{index: i, record: record{userID: fmt.Sprintf("u-%d", r.IntN(n))}}
		}
		success, fail := count(r, n), count(r, n)
		reply := &bulkReply{SuccessCount: &success, FailCount: &fail, FailedUpdates: new(failedUpdates)}
		named := make(map[string]bool)
		for _, list := range []*[]string{&reply.FailedUpdates.ConflictUserIDs, &reply.FailedUpdates.NotFoundUserIDs, &reply.InvalidUserIDs, &reply.FailedUpdates.ForgottenEmails} {
			for range r.IntN(3) {
				id := fmt.Sprintf("u-%d", r.IntN(n+2))
				*list = append(*list, id)
				named[id] = named[id] || list != &reply.FailedUpdates.ForgottenEmails
			}
		}
		b := new(bulk)
		b.accept(part, reply)
		require.Equal(t, n, b.accepted+len(b.rejected)+b.unnamed, "seed %d", seed)
		require.GreaterOrEqual(t, b.accepted, 0)
		require.GreaterOrEqual(t, b.unnamed, 0)
		require.LessOrEqual(t, b.accepted, max(0, success))
		require.LessOrEqual(t, b.accepted, n-min(n, max(0, fail)))
		for i, it := range part {
			rejected := false
			for _, x := range b.rejected {
				rejected = rejected || x.Index == i
			}
			require.Equal(t, named[it.userID], rejected, "seed %d", seed)
		}
	}
}

func TestFailuresThatNobodyNamesAreCounted(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, body                  string
		accepted, rejected, unnamed int
	}{
		{"all well", `{"successCount":3,"failCount":0}`, 3, 0, 0},
		{"all failed, nobody named", `{"successCount":0,"failCount":3}`, 0, 0, 3},
		{"one counted, none named", `{"successCount":2,"failCount":1}`, 2, 0, 1},
		{"one counted, none named, all succeeded", `{"successCount":3,"failCount":1}`, 2, 0, 1},
		{"one skipped and not counted", `{"successCount":2,"failCount":0}`, 2, 0, 1},
		{"one named", `{"successCount":2,"failCount":1,"failedUpdates":{"conflictUserIds":["u-1"]}}`, 2, 1, 0},
		{"one named and one not", `{"successCount":1,"failCount":2,"failedUpdates":{"conflictUserIds":["u-1"]}}`, 1, 1, 1},
		{"one that was never sent", `{"successCount":2,"failCount":1,"failedUpdates":{"conflictUserIds":["u-9"]}}`, 2, 0, 1},
		{"named and not counted", `{"successCount":3,"failCount":0,"failedUpdates":{"conflictUserIds":["u-1"]}}`, 2, 1, 0},
		{"more than were sent", `{"successCount":30,"failCount":0}`, 3, 0, 0},
		{"less than none", `{"successCount":-1,"failCount":-1}`, 0, 0, 3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			client, _ := newTestClient(t, alike(200, tt.body))
			_, err := client.Lists.Subscribe(t.Context(), ListSubscribeRequest{ListID: 42, Subscribers: subscribers(3)})
			if tt.accepted == 3 {
				require.NoError(t, err)
				return
			}
			failed := batchError(t, err)
			require.Equal(t, []int{tt.accepted, tt.rejected, tt.unnamed}, []int{failed.Accepted, len(failed.Rejected), failed.Unnamed})
		})
	}
}

func TestBatchErrorsTellTheirRecords(t *testing.T) {
	t.Parallel()
	shared := errors.New("shared")
	item := ItemError{17, ReasonConflict, shared}
	for _, tt := range []struct {
		err  *BatchError
		want string
	}{
		{&BatchError{}, "iterable: no record was rejected"},
		{&BatchError{Accepted: 2, Unnamed: 1}, "iterable: 1 of 3 records were not confirmed, and not named"},
		{&BatchError{Accepted: 2, Rejected: []ItemError{item}}, "iterable: 1 of 3 records were not accepted, first: record 17: conflict: shared"},
		{&BatchError{Accepted: 1, Rejected: []ItemError{item}, Unnamed: 1},
			"iterable: 2 of 3 records were not accepted, 1 of them not named, first: record 17: conflict: shared"},
	} {
		require.EqualError(t, tt.err, tt.want)
	}
	require.ErrorIs(t, item, shared)
	require.Equal(t, []error{shared}, (&BatchError{Rejected: []ItemError{item, item, {}}}).Unwrap())
	for _, r := range []Reason{ReasonInvalidID, ReasonInvalidData, ReasonConflict, ReasonForgotten, ReasonDisallowed, ReasonTooLarge} {
		require.True(t, r.Permanent(), r)
	}
	for _, r := range []Reason{ReasonNotFound, ReasonFailed, ReasonRefused, ReasonAmbiguous, ReasonUnsent, "new"} {
		require.False(t, r.Permanent(), r)
	}
}
