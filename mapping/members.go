package mapping

import (
	"iter"
	"slices"
	"strings"

	"github.com/iteramp/iteramp/amplitude"
	"github.com/iteramp/iteramp/iterable"
)

// ListName names the list of a cohort as the vendors' own integration does.
func ListName(cohort string) string { return "[Amplitude] " + cohort }

// maxUserID is how many characters Iterable takes.
const maxUserID = 52

// Subscriber maps a member of a cohort to a subscriber of a list: the user id
// becomes the userId, as it is, and nothing else is sent. With PreferUserID, as the
// vendors' integration has it, Iterable creates a user it does not know, in an
// e-mail based project with a placeholder address.
//
// A member without a user id is [ErrNoUserID], one whose id Iterable would refuse
// [ErrInvalidUserID].
func Subscriber(m amplitude.Member) (iterable.Subscriber, error) {
	switch {
	case m.UserID == "":
		return iterable.Subscriber{}, ErrNoUserID
	case !validUserID(m.UserID):
		return iterable.Subscriber{}, ErrInvalidUserID
	}
	return iterable.Subscriber{UserID: m.UserID, PreferUserID: true}, nil
}

// validUserID is Iterable's rule: 1 to 52 printable ASCII characters, no blank at
// the end.
//
// Reference: https://api.iterable.com/api/docs#lists_subscribe (invalidUserIds)
func validUserID(id string) bool {
	for i := range len(id) {
		if id[i] < ' ' || id[i] > '~' {
			return false
		}
	}
	return id != "" && len(id) <= maxUserID && !strings.HasSuffix(id, " ")
}

// MemberID maps a member of a list, as Iterable lists it, to the user id of a
// member of a cohort. In hybrid and e-mail based projects some or all members are
// addresses and no user ids: these are [ErrEmail], unless you name Amplitude's
// users by their addresses and use [MemberIDOrEmail].
//
// Empty lines and placeholder addresses are [ErrNoUserID], ids that Amplitude
// takes for none [ErrRefusedUserID].
func MemberID(line string) (string, error) {
	id, err := MemberIDOrEmail(line)
	if err == nil && strings.Contains(id, "@") {
		return "", ErrEmail
	}
	return id, err
}

// MemberIDOrEmail is [MemberID] where addresses are user ids too. They are in
// lower case, as [UserIDOrEmail] has them.
func MemberIDOrEmail(line string) (string, error) {
	id := strings.TrimSpace(line)
	if strings.Contains(id, "@") {
		id = strings.ToLower(id)
	}
	switch {
	case id == "", strings.HasSuffix(id, placeholder):
		return "", ErrNoUserID
	case refused(id):
		return "", ErrRefusedUserID
	}
	return id, nil
}

// Diff returns who is in current and not in before, and who is in before and not
// in current, each once and sorted. It keeps both in memory.
func Diff(before, current iter.Seq[string]) (added, removed []string) {
	in := make(map[string]bool) // false for those who have left
	for id := range before {
		in[id] = false
	}
	for id := range current {
		if _, known := in[id]; !known {
			added = append(added, id)
		}
		in[id] = true
	}
	for id, stays := range in {
		if !stays {
			removed = append(removed, id)
		}
	}
	slices.Sort(added)
	slices.Sort(removed)
	return added, removed
}
