package mapping_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iteramp/iteramp/amplitude"
	"github.com/iteramp/iteramp/iterable"
	"github.com/iteramp/iteramp/mapping"
)

func TestAMemberBecomesASubscriber(t *testing.T) {
	t.Parallel()
	got, err := mapping.Subscriber(amplitude.Member{AmplitudeID: "41", UserID: "u-1", Properties: map[string]string{"plan": "gold"}})
	require.NoError(t, err)
	require.Equal(t, iterable.Subscriber{UserID: "u-1", PreferUserID: true}, got)
}

func TestUserIDsThatIterableTakes(t *testing.T) {
	t.Parallel()
	for _, id := range []string{"a", " a", "A a", "~!\"#'", "ada@example.com", "null", strings.Repeat("x", 52)} {
		got, err := mapping.Subscriber(amplitude.Member{UserID: id})
		require.NoError(t, err, id)
		require.Equal(t, id, got.UserID, "as it is")
	}
	for _, id := range []string{"a ", " ", "a\x00", "a\nb", "a\r", "\ta", "a\x7f", "\u00fc", "a\xff", "\u00a0a", strings.Repeat("x", 53)} {
		got, err := mapping.Subscriber(amplitude.Member{UserID: id})
		require.Equal(t, mapping.ErrInvalidUserID, err, "%q", id)
		require.Empty(t, got)
	}
	_, err := mapping.Subscriber(amplitude.Member{AmplitudeID: "41"})
	require.Equal(t, mapping.ErrNoUserID, err)
}

func TestLinesOfAListBecomeUserIDs(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		line    string
		id      string
		err     error
		orEmail string
		orErr   error
	}{
		{line: "u-1", id: "u-1", orEmail: "u-1"},
		{line: "  U 1\t\r", id: "U 1", orEmail: "U 1"},
		{line: "", err: mapping.ErrNoUserID, orErr: mapping.ErrNoUserID},
		{line: " \t ", err: mapping.ErrNoUserID, orErr: mapping.ErrNoUserID},
		{line: "u-1+7@placeholder.email", err: mapping.ErrNoUserID, orErr: mapping.ErrNoUserID},
		{line: "X@Placeholder.EMAIL ", err: mapping.ErrNoUserID, orErr: mapping.ErrNoUserID},
		{line: "placeholder.email", id: "placeholder.email", orEmail: "placeholder.email"},
		{line: "NULL", err: mapping.ErrRefusedUserID, orErr: mapping.ErrRefusedUserID},
		{line: " 0", err: mapping.ErrRefusedUserID, orErr: mapping.ErrRefusedUserID},
		{line: " Ada@Example.com", err: mapping.ErrEmail, orEmail: "ada@example.com"},
	} {
		id, err := mapping.MemberID(tt.line)
		require.Equal(t, tt.err, err, "%q", tt.line)
		require.Equal(t, tt.id, id, "%q", tt.line)
		id, err = mapping.MemberIDOrEmail(tt.line)
		require.Equal(t, tt.orErr, err, "%q", tt.line)
		require.Equal(t, tt.orEmail, id, "%q", tt.line)
	}
}

func TestDiff(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ before, current, added, removed string }{
		{"", "", "", ""},
		{"a b", "a b", "", ""},
		{"a b", "b a a", "", ""},
		{"", "c a b a", "a b c", ""},
		{"c a b a", "", "", "a b c"},
		{"a b c c", "d c d b", "d", "a"},
		{"A a", "a", "", "A"},
	} {
		added, removed := mapping.Diff(slices.Values(strings.Fields(tt.before)), slices.Values(strings.Fields(tt.current)))
		require.Equal(t, tt.added, strings.Join(added, " "), tt)
		require.Equal(t, tt.removed, strings.Join(removed, " "), tt)
	}
}

func FuzzMemberID(f *testing.F) {
	for _, line := range []string{"u-1", " x@Placeholder.Email", "a@b", "\xff@\u0130", "null"} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		id, err := mapping.MemberIDOrEmail(line)
		if err != nil {
			require.Empty(t, id)
			return
		}
		again, err := mapping.MemberIDOrEmail(id)
		require.NoError(t, err)
		require.Equal(t, id, again, "cleaning twice changes nothing")
		if strict, err := mapping.MemberID(line); err == nil {
			require.Equal(t, id, strict)
			require.NotContains(t, strict, "@")
		}
	})
}

// Put the members of a cohort on a list.
func ExampleSubscriber() {
	members := []amplitude.Member{{UserID: "u-1001"}, {AmplitudeID: "410000000002"}, {UserID: "Zo\u00eb"}}
	var subscribers []iterable.Subscriber
	skipped := make(map[mapping.Skip]int)
	for _, m := range members {
		sub, err := mapping.Subscriber(m)
		if skip, ok := errors.AsType[mapping.Skip](err); ok {
			skipped[skip]++
			continue
		}
		subscribers = append(subscribers, sub)
	}
	fmt.Println(mapping.ListName("Lapsed 30d"))
	fmt.Println(len(subscribers), subscribers[0].UserID, skipped[mapping.ErrNoUserID], skipped[mapping.ErrInvalidUserID])
	// Output:
	// [Amplitude] Lapsed 30d
	// 1 u-1001 1 1
}

// Make user ids of the lines in which Iterable lists members.
func ExampleMemberID() {
	for _, line := range []string{"u-1001", "u-1002+3@placeholder.email", "ada@example.com"} {
		id, err := mapping.MemberID(line)
		fmt.Printf("%q %v\n", id, err)
	}
	// Output:
	// "u-1001" <nil>
	// "" mapping: no user id
	// "" mapping: email address
}

// Send only what has changed since the last snapshot.
func ExampleDiff() {
	before, current := []string{"u-1", "u-2"}, []string{"u-2", "u-3"}
	added, removed := mapping.Diff(slices.Values(before), slices.Values(current))
	fmt.Println(added, removed)
	// Output: [u-3] [u-1]
}
