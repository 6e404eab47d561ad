package iterable

import (
	"errors"
	"net/http"
	"strings"
)

// bulkReply is what the bulk calls answer with status 200, even if every record
// failed. The failures come as identifiers, without index or message.
//
// Reference: https://api.iterable.com/api/docs#lists_subscribe
type bulkReply struct {
	SuccessCount      *int           `json:"successCount"`
	FailCount         *int           `json:"failCount"`
	CreatedFields     []string       `json:"createdFields"`
	FilteredOutFields []string       `json:"filteredOutFields"`
	FailedUpdates     *failedUpdates `json:"failedUpdates"`

	DisallowedEventNames []string `json:"disallowedEventNames"` // of trackBulk

	// Of bulkUpdateSubscriptions: users it could not write for a fault of its own.
	ValidEmailFailures  []string `json:"validEmailFailures"`
	ValidUserIDFailures []string `json:"validUserIdFailures"`

	// These repeat a part of FailedUpdates. Old answers have nothing else.
	InvalidEmails  []string `json:"invalidEmails"`
	InvalidUserIDs []string `json:"invalidUserIds"`

	op string
}

type failedUpdates struct {
	ConflictEmails     []string `json:"conflictEmails"`
	ConflictUserIDs    []string `json:"conflictUserIds"`
	ForgottenEmails    []string `json:"forgottenEmails"`
	ForgottenUserIDs   []string `json:"forgottenUserIds"`
	InvalidDataEmails  []string `json:"invalidDataEmails"`
	InvalidDataUserIDs []string `json:"invalidDataUserIds"`
	InvalidEmails      []string `json:"invalidEmails"`
	InvalidUserIDs     []string `json:"invalidUserIds"`
	NotFoundEmails     []string `json:"notFoundEmails"`
	NotFoundUserIDs    []string `json:"notFoundUserIds"`
}

// failureList is one of the lists of a reply.
type failureList struct {
	name   string
	reason Reason
	emails bool
	values []string
}

// lists are the failure lists of the reply. An identifier in several has the
// reason of the first.
func (r *bulkReply) lists() []failureList {
	var f failedUpdates
	if r.FailedUpdates != nil {
		f = *r.FailedUpdates
	}
	return []failureList{
		{"forgottenEmails", ReasonForgotten, true, f.ForgottenEmails},
		{"forgottenUserIds", ReasonForgotten, false, f.ForgottenUserIDs},
		{"conflictEmails", ReasonConflict, true, f.ConflictEmails},
		{"conflictUserIds", ReasonConflict, false, f.ConflictUserIDs},
		{"invalidDataEmails", ReasonInvalidData, true, f.InvalidDataEmails},
		{"invalidDataUserIds", ReasonInvalidData, false, f.InvalidDataUserIDs},
		{"invalidEmails", ReasonInvalidID, true, f.InvalidEmails},
		{"invalidUserIds", ReasonInvalidID, false, f.InvalidUserIDs},
		{"notFoundEmails", ReasonNotFound, true, f.NotFoundEmails},
		{"notFoundUserIds", ReasonNotFound, false, f.NotFoundUserIDs},
		{"invalidEmails", ReasonInvalidID, true, r.InvalidEmails},
		{"invalidUserIds", r.oldUserIDs(), false, r.InvalidUserIDs},
		{"validEmailFailures", ReasonFailed, true, r.ValidEmailFailures},
		{"validUserIdFailures", ReasonFailed, false, r.ValidUserIDFailures},
	}
}

// oldUserIDs is what the list outside failedUpdates means: of trackBulk it has
// users who do not exist.
//
// Reference: https://api.iterable.com/api/docs#events_trackBulk
func (r *bulkReply) oldUserIDs() Reason {
	if r.op == "POST "+trackBulkPath {
		return ReasonNotFound
	}
	return ReasonInvalidID
}

type verdict struct {
	reason Reason
	err    error
}

// kinds are those of reasons, for errors.Is. ErrNotFound is none: of a call for a
// list it says that there is no such list.
var kinds = map[Reason]error{ReasonForgotten: ErrForgotten, ReasonConflict: ErrConflict, ReasonDisallowed: ErrDisallowed}

// errVerdict is the kind of the others: Iterable has answered, nothing is
// ambiguous.
var errVerdict = errors.New("verdict")

func (r *bulkReply) verdict(reason Reason, message string) verdict {
	kind := kinds[reason]
	if kind == nil {
		kind = errVerdict
	}
	return verdict{reason, &Error{StatusCode: http.StatusOK, Op: r.op, Code: CodeSuccess, Message: message, kind: kind}}
}

// named finds the records that the reply names, by their place in part. All
// records of a named user are: nobody says which of them failed.
func (r *bulkReply) named(part []item) map[int]verdict {
	found := make(map[int]verdict)
	var byUser *userIndex
	for _, l := range r.lists() {
		if len(l.values) == 0 {
			continue
		}
		if byUser == nil {
			byUser = indexUsers(part)
		}
		v := r.verdict(l.reason, "named in "+l.name)
		for _, value := range l.values {
			for _, i := range byUser.find(value, l.emails) {
				if _, before := found[i]; !before {
					found[i] = v
				}
			}
		}
	}
	r.disallowed(part, found)
	return found
}

func (r *bulkReply) disallowed(part []item, found map[int]verdict) {
	if len(r.DisallowedEventNames) == 0 {
		return
	}
	names := make(map[string]bool)
	for _, n := range r.DisallowedEventNames {
		names[n] = true
	}
	v := r.verdict(ReasonDisallowed, disallowedEvent)
	for i, it := range part {
		if names[it.name] {
			found[i] = v
		}
	}
}

// userIndex finds records by what Iterable calls their user.
type userIndex struct{ emails, userIDs, folded map[string][]int }

func indexUsers(part []item) *userIndex {
	x := &userIndex{make(map[string][]int), make(map[string][]int), make(map[string][]int)}
	for i, it := range part {
		if it.email != "" {
			x.emails[fold(it.email)] = append(x.emails[fold(it.email)], i)
		}
		if it.userID != "" {
			x.userIDs[it.userID] = append(x.userIDs[it.userID], i)
			x.folded[fold(it.userID)] = append(x.folded[fold(it.userID)], i)
		}
	}
	return x
}

// find takes a userId as it is, and without regard to case only if there is none
// such: they differ by case, but answers have been seen with all in lower case.
func (x *userIndex) find(value string, email bool) []int {
	if email {
		return x.emails[fold(value)]
	}
	if found := x.userIDs[value]; len(found) > 0 {
		return found
	}
	return x.folded[fold(value)]
}

// fold brings an identifier to the form in which Iterable keeps addresses.
func fold(s string) string { return strings.ToLower(strings.TrimSpace(s)) }
