package iterable

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

var people = []item{
	{record: record{email: "Alice@X.example"}},
	{record: record{userID: "Bob"}},
	{record: record{userID: "bob"}},
	{record: record{email: "cy@x.example", userID: "cy"}},
	{record: record{email: " alice@x.example"}},
	{record: record{userID: "DORA"}},
}

func TestFailuresAreMatchedToTheirRecords(t *testing.T) {
	t.Parallel()
	type named map[int]Reason
	for _, tt := range []struct {
		name, reply string
		want        named
	}{
		{"none", `{}`, named{}},
		{"addresses by any case, each copy", `{"failedUpdates":{"notFoundEmails":["alice@x.example"]}}`, named{0: ReasonNotFound, 4: ReasonNotFound}},
		{"userIds exactly", `{"failedUpdates":{"notFoundUserIds":["bob"]}}`, named{2: ReasonNotFound}},
		{"userIds exactly, the other", `{"failedUpdates":{"notFoundUserIds":["Bob"]}}`, named{1: ReasonNotFound}},
		{"userIds by any case if none is exact", `{"failedUpdates":{"notFoundUserIds":["dora"]}}`, named{5: ReasonNotFound}},
		{"by any case, all of them", `{"failedUpdates":{"notFoundUserIds":["BOB"]}}`, named{1: ReasonNotFound, 2: ReasonNotFound}},
		{"either identifier: address", `{"failedUpdates":{"conflictEmails":["CY@x.example"]}}`, named{3: ReasonConflict}},
		{"either identifier: userId", `{"failedUpdates":{"conflictUserIds":["cy"]}}`, named{3: ReasonConflict}},
		{"an address is no userId", `{"failedUpdates":{"conflictUserIds":["alice@x.example"],"conflictEmails":["bob"]}}`, named{}},
		{"never sent", `{"failedUpdates":{"conflictUserIds":["eve"]}}`, named{}},
		{"both lists at once", `{"failedUpdates":{"invalidUserIds":["cy"],"forgottenEmails":["cy@x.example"]}}`, named{3: ReasonForgotten}},
		{"old answers", `{"invalidEmails":["alice@x.example"],"invalidUserIds":["bob"]}`, named{0: ReasonInvalidID, 4: ReasonInvalidID, 2: ReasonInvalidID}},
		{"old lists repeat the new", `{"failedUpdates":{"forgottenUserIds":["bob"]},"invalidUserIds":["bob"]}`, named{2: ReasonForgotten}},
		{"null", `{"failedUpdates":null,"invalidEmails":null}`, named{}},
		{"conflict", `{"failedUpdates":{"conflictUserIds":["bob"]}}`, named{2: ReasonConflict}},
		{"forgotten", `{"failedUpdates":{"forgottenUserIds":["bob"]}}`, named{2: ReasonForgotten}},
		{"invalid data", `{"failedUpdates":{"invalidDataUserIds":["bob"],"invalidDataEmails":["cy@x.example"]}}`, named{2: ReasonInvalidData, 3: ReasonInvalidData}},
		{"invalid", `{"failedUpdates":{"invalidUserIds":["bob"],"invalidEmails":["cy@x.example"]}}`, named{2: ReasonInvalidID, 3: ReasonInvalidID}},
		{"failed", `{"validUserIdFailures":["bob"],"validEmailFailures":["cy@x.example"]}`, named{2: ReasonFailed, 3: ReasonFailed}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			reply := &bulkReply{op: "POST /api/lists/subscribe"}
			require.NoError(t, json.Unmarshal([]byte(tt.reply), reply))
			got := make(named)
			for i, v := range reply.named(people) {
				got[i] = v.reason
				require.NotContains(t, v.err.Error(), "x.example")
			}
			require.Equal(t, tt.want, got)
		})
	}
}

func TestEachListOfFailedUpdatesIsRead(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]Reason{
		"conflict": ReasonConflict, "forgotten": ReasonForgotten, "invalidData": ReasonInvalidData, "invalid": ReasonInvalidID, "notFound": ReasonNotFound,
	} {
		for suffix, id := range map[string]string{"Emails": "CY@X.example", "UserIds": "cy"} {
			client, _ := newTestClient(t, alike(200, fmt.Sprintf(`{"successCount":1,"failCount":1,"failedUpdates":{%q:[%q]}}`, name+suffix, id)))
			_, err := client.Users.BulkUpdate(t.Context(), UserBulkUpdateRequest{Users: []UserUpdate{{UserID: "other"}, {Email: "cy@x.example", UserID: "cy"}}})
			failed := batchError(t, err)
			require.Equal(t, map[int]Reason{1: want}, reasons(failed))
			require.Equal(t, 1, failed.Accepted)
			require.ErrorContains(t, err, "named in "+name+suffix)
			for _, kind := range []error{ErrForgotten, ErrConflict, ErrNotFound, ErrDisallowed, ErrAmbiguous} {
				require.Equal(t, kinds[want] == kind, errors.Is(err, kind), "%s: %v", name, kind)
			}
		}
	}
}

func TestEventsThatFailAreMatchedByUserAndName(t *testing.T) {
	t.Parallel()
	events := []Event{{Name: "Bought", UserID: "ann", ID: "1"}, {Name: "Secret", UserID: "bob", ID: "2"}, {Name: "Bought", UserID: "cy", ID: "3"}}
	for _, tt := range []struct {
		name, reply string
		want        map[int]Reason
		accepted    int
	}{
		{"disallowed", `{"successCount":2,"failCount":1,"disallowedEventNames":["Secret"]}`, map[int]Reason{1: ReasonDisallowed}, 2},
		{"disallowed, counted as successes", `{"successCount":3,"failCount":0,"disallowedEventNames":["Bought"]}`, map[int]Reason{0: ReasonDisallowed, 2: ReasonDisallowed}, 1},
		{"disallowed names are exact", `{"successCount":3,"failCount":0,"disallowedEventNames":["secret"]}`, nil, 3},
		{"not found", `{"successCount":2,"failCount":1,"failedUpdates":{"notFoundUserIds":["cy"]}}`, map[int]Reason{2: ReasonNotFound}, 2},
		{"not found, as old answers have it", `{"successCount":2,"failCount":1,"invalidUserIds":["cy"]}`, map[int]Reason{2: ReasonNotFound}, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			client, _ := newTestClient(t, alike(200, tt.reply))
			_, err := client.Events.TrackBulk(t.Context(), EventTrackBulkRequest{Events: events})
			if tt.want == nil {
				require.NoError(t, err)
				return
			}
			failed := batchError(t, err)
			require.Equal(t, tt.want, reasons(failed))
			require.Equal(t, tt.accepted, failed.Accepted)
			require.Equal(t, failed.Rejected[0].Reason == ReasonDisallowed, errors.Is(err, ErrDisallowed))
		})
	}
}

func TestSubscriptionsThatFailAreToldApart(t *testing.T) {
	t.Parallel()
	client, _ := newTestClient(t, alike(200, `{"successCount":1,"failCount":3,"invalidEmails":["BAD"],"invalidUserIds":[],"validEmailFailures":["a@x.example"],"validUserIdFailures":["u-1"]}`))
	err := client.Users.BulkUpdateSubscriptions(t.Context(), UserBulkUpdateSubscriptionsRequest{Updates: []UserUpdateSubscriptionsRequest{
		{Email: "A@x.example"}, {Email: "bad"}, {UserID: "u-1"}, {UserID: "u-2"},
	}})
	failed := batchError(t, err)
	require.Equal(t, map[int]Reason{0: ReasonFailed, 1: ReasonInvalidID, 2: ReasonFailed}, reasons(failed))
	require.Equal(t, 1, failed.Accepted)
}
