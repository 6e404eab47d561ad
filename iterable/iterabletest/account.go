package iterabletest

import (
	"encoding/json"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"time"
)

var (
	updateEmailShape = object(fields{"currentEmail": {kind: text}, "currentUserId": {kind: text}, "newEmail": {text, true}})
	mergeShape       = object(fields{
		"sourceEmail": {kind: text}, "sourceUserId": {kind: text},
		"destinationEmail": {kind: text}, "destinationUserId": {kind: text},
		"arrayMerge": {kind: list(object(fields{"field": {kind: text}, "dedupeBy": {kind: text}}))},
	})
	jwtShape = object(fields{"email": {kind: text}, "userId": {kind: text}, "issuedBefore": {kind: integer}})
)

// updateEmail is POST /api/users/updateEmail: for email-based projects, the
// others change an address with users/update.
func (f *Fake) updateEmail(c call) reply {
	if !f.emailBased() {
		return badParams("Use users/update to change the email of a user of this project", nil)
	}
	id := identityOf(c.sent, "currentEmail", "currentUserId")
	if id.hasEmail {
		id.hasUserID = false
	}
	if x := f.judgeKnown(id); x != nil {
		return refusal(x[0], http.StatusConflict)
	}
	to := identity{email: strings.ToLower(textOf(c.sent, "newEmail")), hasEmail: true}
	if x := f.check(to); x != nil {
		return refusal(x[0], http.StatusConflict)
	}
	if f.people.byEmail[to.email] != nil {
		return said(http.StatusBadRequest, "EmailAlreadyExists", "Email already exists: "+to.email, nil)
	}
	f.later(c.now, func() {
		if p, _ := f.find(id); p != nil && f.people.byEmail[to.email] == nil {
			f.identify(p, to)
			p.updated = c.now.UnixMilli()
		}
	})
	return success("")
}

// mergeUsers is POST /api/users/merge. Lists and events of the source go to
// the destination.
func (f *Fake) mergeUsers(c call) reply {
	from := identityOf(c.sent, "sourceEmail", "sourceUserId")
	to := identityOf(c.sent, "destinationEmail", "destinationUserId")
	if x := f.judgeKnown(from); x != nil {
		return refusal(x[0], http.StatusConflict)
	}
	if x := f.check(to); x != nil {
		return refusal(x[0], http.StatusConflict)
	}
	if _, x := f.find(to); x != nil {
		return refusal(x[0], http.StatusConflict)
	}
	joined := make(map[string]string)
	for _, m := range objects(c.sent, "arrayMerge") {
		joined[textOf(m, "field")] = textOf(m, "dedupeBy")
	}
	f.later(c.now, func() { f.merge(from, to, joined, c.now) })
	return success("")
}

func (f *Fake) merge(from, to identity, joined map[string]string, now time.Time) {
	source, _ := f.find(from)
	destination, _ := f.find(to)
	switch {
	case source == nil || source == destination:
		return
	case destination == nil: // the source gets that identity
		f.identify(source, to)
		source.updated = now.UnixMilli()
		return
	}
	destination.absorb(source, joined)
	destination.updated = now.UnixMilli()
	for _, m := range source.on {
		f.join(destination, m.list)
	}
	destination.events = append(destination.events, source.events...)
	source.events = nil
	f.remove(source)
}

// absorb takes the fields of the source that the user does not have, and joins
// the arrays that are named.
func (p *person) absorb(source *person, joined map[string]string) {
	fields := maps.Clone(source.fields)
	if fields == nil {
		fields = make(map[string]any)
	}
	maps.Copy(fields, p.fields)
	for name, key := range joined {
		theirs, sent := source.fields[name]
		if ours, has := p.fields[name]; has && sent {
			fields[name] = union(elements(ours), elements(theirs), key)
		}
	}
	p.fields = fields
}

// elements are those of an array; another value is an array of one.
func elements(v any) []any {
	if all, isArray := v.([]any); isArray {
		return all
	}
	return []any{v}
}

// union leaves out what is there already: an object with the same value under
// key, or an equal element.
func union(ours, theirs []any, key string) []any {
	all := slices.Clone(ours)
	for _, v := range theirs {
		same := slices.ContainsFunc(all, func(have any) bool {
			a, isObject := have.(map[string]any)
			b, alike := v.(map[string]any)
			if key != "" && isObject && alike {
				return reflect.DeepEqual(a[key], b[key])
			}
			return reflect.DeepEqual(have, v)
		})
		if !same {
			all = append(all, v)
		}
	}
	return all
}

// ownIdentity is the identifier by which the project forgets users.
func (f *Fake) ownIdentity(c call) (identity, reply, bool) {
	id := whom(c.sent)
	switch {
	case f.emailBased() && !id.hasEmail:
		return id, badParams("email is required in an email-based project", nil), false
	case f.userIDBased() && !id.hasUserID:
		return id, badParams("userId is required in a userID-based project", nil), false
	case f.emailBased():
		id.hasUserID = false
	case f.userIDBased():
		id.hasEmail = false
	}
	return id, reply{}, true
}

// forget is POST /api/users/forget: deletes the user and blocks the
// identifier. To forget a user again is no error.
func (f *Fake) forget(c call) reply {
	id, refused, ok := f.ownIdentity(c)
	if !ok {
		return refused
	}
	x := f.judgeKnown(id)
	switch {
	case x == nil:
		f.later(c.now, func() { f.block(id) })
	case x[0].reason == ReasonNotFound: // the code is a generic one, as observed
		return said(http.StatusBadRequest, "GenericError", "User does not exist", nil)
	case x[0].reason != ReasonForgotten:
		return refusal(x[0], http.StatusBadRequest)
	}
	return success("")
}

func (f *Fake) block(id identity) {
	if p, _ := f.find(id); p != nil {
		f.remove(p)
	}
	f.forgotten.add(id)
}

// unforget is POST /api/users/unforget. What was forgotten does not come back.
func (f *Fake) unforget(c call) reply {
	id, refused, ok := f.ownIdentity(c)
	if !ok {
		return refused
	}
	f.later(c.now, func() { f.forgotten.remove(id) })
	return success("")
}

// forgottenEmails is GET /api/users/forgotten.
func (f *Fake) forgottenEmails(call) reply {
	if f.userIDBased() {
		return badParams("A userID-based project has no forgotten emails", nil)
	}
	return ok(map[string]any{"hashedEmails": hashes(f.forgotten.emails)})
}

// forgottenUserIDs is GET /api/users/forgottenUserIds.
func (f *Fake) forgottenUserIDs(call) reply {
	if f.emailBased() {
		return badParams("An email-based project has no forgotten userIds", nil)
	}
	return ok(map[string]any{"hashedUserIds": hashes(f.forgotten.userIDs)})
}

// deleteByEmail is DELETE /api/users/{email}.
func (f *Fake) deleteByEmail(c call) reply {
	email := strings.ToLower(c.args[0])
	switch {
	case f.userIDBased():
		return badParams("Users of a userID-based project are deleted by userId", nil)
	case !isEmail(email):
		return refusal(failure{reason: ReasonInvalid, id: email}, http.StatusBadRequest)
	case f.people.byEmail[email] == nil:
		return badParams("User does not exist", nil)
	}
	f.later(c.now, func() {
		if p := f.people.byEmail[email]; p != nil {
			f.remove(p)
		}
	})
	return success("")
}

// deleteByUserID is DELETE /api/users/byUserId/{userId}: all users who have it.
func (f *Fake) deleteByUserID(c call) reply {
	userID := c.args[0]
	if f.people.byUserID[userID] == nil {
		return badParams("User does not exist", nil)
	}
	f.later(c.now, func() {
		for f.people.byUserID[userID] != nil {
			f.remove(f.people.byUserID[userID])
		}
	})
	return success("")
}

// invalidateJWTs is POST /api/auth/jwts/invalidate. The fake knows no tokens.
func (f *Fake) invalidateJWTs(c call) reply {
	if x := f.check(whom(c.sent)); x != nil {
		return refusal(x[0], http.StatusBadRequest)
	}
	return success("")
}

// copied is a copy of a JSON value.
func copied(v any) any { return convert(v, func(n json.Number) any { return n }) }

// plain is a copy with its numbers as float64.
func plain(v any) any {
	return convert(v, func(n json.Number) any {
		x, _ := n.Float64()
		return x
	})
}

func convert(v any, number func(json.Number) any) any {
	switch v := v.(type) {
	case json.Number:
		return number(v)
	case map[string]any:
		c := maps.Clone(v)
		for name, value := range c {
			c[name] = convert(value, number)
		}
		return c
	case []any:
		c := slices.Clone(v)
		for i, value := range c {
			c[i] = convert(value, number)
		}
		return c
	}
	return v
}

func anys[T any](all []T) []any {
	c := make([]any, len(all))
	for i, v := range all {
		c[i] = v
	}
	return c
}
