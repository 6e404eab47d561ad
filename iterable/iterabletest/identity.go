package iterabletest

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// identity is by what a request names a user. An empty identifier is not the
// same as an absent one.
type identity struct {
	email, userID       string
	hasEmail, hasUserID bool
}

// identityOf reads the pair of fields that name a user. Iterable keeps
// addresses in lower case and user ids as they are.
func identityOf(o map[string]any, emailField, userIDField string) identity {
	var id identity
	id.email, id.hasEmail = o[emailField].(string)
	id.userID, id.hasUserID = o[userIDField].(string)
	id.email = strings.ToLower(id.email)
	return id
}

func whom(o map[string]any) identity { return identityOf(o, "email", "userId") }

// isEmail takes what every mail system would.
func isEmail(s string) bool {
	local, domain, found := strings.Cut(s, "@")
	if !found || local == "" || len(s) > 254 || strings.Contains(domain, "@") || strings.ContainsAny(s, " \t\r\n\"<>(),;:\\[]") {
		return false
	}
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	host, top, found := strings.Cut(domain, ".")
	return found && host != "" && top != "" && !strings.HasSuffix(top, ".") && !strings.Contains(domain, "..")
}

// isUserID takes 1 to 52 printable ASCII characters without a blank at the end.
//
// Source: https://support.iterable.com/hc/en-us/articles/9216719179796
func isUserID(s string) bool {
	if s == "" || len(s) > 52 || strings.HasSuffix(s, " ") {
		return false
	}
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return strings.TrimSpace(s) != ""
}

// folded is by what refusals find an id, however it is written.
func folded(id string) string { return strings.ToLower(strings.TrimSpace(id)) }

// identifiers are those of forgotten users.
type identifiers struct{ emails, userIDs map[string]bool }

func (i *identifiers) add(id identity) {
	if i.emails == nil {
		i.emails, i.userIDs = make(map[string]bool), make(map[string]bool)
	}
	if id.hasEmail {
		i.emails[id.email] = true
	}
	if id.hasUserID {
		i.userIDs[id.userID] = true
	}
}

func (i *identifiers) remove(id identity) {
	delete(i.emails, id.email)
	delete(i.userIDs, id.userID)
}

// hashes are SHA-256 of the trimmed, lower-cased identifiers.
//
// Source: https://api.iterable.com/api/docs#users_exportProjectForgottenUsers
func hashes(of map[string]bool) []string {
	all := make([]string, 0, len(of))
	for id := range of {
		sum := sha256.Sum256([]byte(folded(id)))
		all = append(all, hex.EncodeToString(sum[:]))
	}
	slices.Sort(all)
	return all
}

// failure is why a record is refused, and the id that the answer names. Without
// a reason it is only counted.
type failure struct {
	reason   Reason
	id       string
	isUserID bool
}

// check returns what is wrong with an identity, whoever it belongs to. Both
// identifiers in one request is against the reference's word and common in
// hybrid projects; the fake takes them everywhere.
func (f *Fake) check(id identity) []failure {
	switch {
	case !id.hasEmail && !id.hasUserID:
		return []failure{{}} // there is nothing to name it by
	case id.hasEmail && !isEmail(id.email) && !(f.userIDBased() && id.hasUserID):
		return []failure{{reason: ReasonInvalid, id: id.email}}
	case id.hasUserID && !isUserID(id.userID):
		return []failure{{reason: ReasonInvalid, id: id.userID, isUserID: true}}
	case f.userIDBased() && !id.hasUserID: // an address identifies nobody there
		return []failure{{reason: ReasonInvalid, id: id.email}}
	}
	if refused := f.refused(id); refused != nil {
		return refused
	}
	switch {
	case id.hasEmail && f.forgotten.emails[id.email]:
		return []failure{{reason: ReasonForgotten, id: id.email}}
	case id.hasUserID && f.forgotten.userIDs[id.userID]:
		return []failure{{reason: ReasonForgotten, id: id.userID, isUserID: true}}
	}
	return nil
}

// refused are the failures that [Fake.Refuse] asked for.
func (f *Fake) refused(id identity) []failure {
	if len(f.refusals) == 0 {
		return nil
	}
	var all []failure
	if id.hasEmail {
		for _, reason := range f.refusals[folded(id.email)] {
			all = append(all, failure{reason: reason, id: id.email})
		}
	}
	if id.hasUserID {
		for _, reason := range f.refusals[folded(id.userID)] {
			all = append(all, failure{reason: reason, id: id.userID, isUserID: true})
		}
	}
	return all
}

// find returns the user of an identity, nil if there is none, or a conflict if
// its two identifiers are of two users.
func (f *Fake) find(id identity) (*person, []failure) {
	byEmail, byUserID := f.people.byEmail[id.email], f.people.byUserID[id.userID]
	if !id.hasEmail || f.userIDBased() {
		return byUserID, nil
	}
	if !id.hasUserID || f.emailBased() {
		return byEmail, nil
	}
	if byEmail != nil && byUserID != nil && byEmail != byUserID {
		return byEmail, []failure{{reason: ReasonConflict, id: id.userID, isUserID: true}}
	}
	if byEmail == nil {
		return byUserID, nil
	}
	return byEmail, nil
}

// under puts a failure under the identifier that the project goes by.
func (f *Fake) under(reason Reason, id identity) failure {
	if id.hasEmail && (f.emailBased() || !id.hasUserID) {
		return failure{reason: reason, id: id.email}
	}
	return failure{reason: reason, id: id.userID, isUserID: true}
}

// outcome gathers the failures of a bulk request.
type outcome struct {
	succeeded, failed int
	emails, userIDs   map[Reason][]string
}

func (o *outcome) add(failures []failure) {
	if len(failures) == 0 {
		o.succeeded++
		return
	}
	o.failed++
	if o.emails == nil {
		o.emails, o.userIDs = make(map[Reason][]string), make(map[Reason][]string)
	}
	for _, x := range failures {
		switch {
		case x.reason == ReasonUnnamed: // failCount alone tells of it
		case x.isUserID:
			o.userIDs[x.reason] = append(o.userIDs[x.reason], x.id)
		default:
			o.emails[x.reason] = append(o.emails[x.reason], x.id)
		}
	}
}

// bulkReply is the answer to a bulk request; reasons are the lists it has.
func (f *Fake) bulkReply(o outcome, extra map[string]any, reasons ...Reason) reply {
	answer := map[string]any{
		"successCount": o.succeeded, "failCount": o.failed,
		"invalidEmails":  orEmpty(o.emails[ReasonInvalid]),
		"invalidUserIds": orEmpty(o.userIDs[ReasonInvalid]),
	}
	maps.Copy(answer, extra)
	if !f.OldReplies {
		failed := make(map[string][]string)
		for _, r := range reasons {
			failed[string(r)+"Emails"] = orEmpty(o.emails[r])
			failed[string(r)+"UserIds"] = orEmpty(o.userIDs[r])
		}
		answer["failedUpdates"] = failed
	}
	return ok(answer)
}

func orEmpty(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}

// refusal is the answer to a request for one user. Forgotten users and
// conflicts are told with 409, by the operations that the reference has it
// for, and with 400 by the others.
func refusal(x failure, conflict int) reply {
	kind := "Email"
	if x.isUserID {
		kind = "UserId"
	}
	switch x.reason {
	case ReasonInvalid:
		if x.isUserID {
			return said(http.StatusBadRequest, "InvalidUserIdError", "Invalid userId: "+x.id, nil)
		}
		return said(http.StatusBadRequest, "InvalidEmailAddressError", "Invalid email: "+x.id, nil)
	case ReasonForgotten:
		return said(conflict, "ForgottenUserError", "The user has been forgotten", nil)
	case ReasonConflict:
		return said(conflict, "ExternalKeyConflict", fmt.Sprintf("%s %s belongs to another user", kind, x.id), nil)
	case ReasonNotFound:
		return said(http.StatusBadRequest, "Unknown"+kind+"Error", "User does not exist: "+x.id, nil)
	case ReasonInvalidData:
		return badParams("Invalid dataFields", nil)
	}
	return badParams("Either email or userId must be given", nil)
}
