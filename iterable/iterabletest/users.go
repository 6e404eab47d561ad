package iterabletest

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

var (
	recordFields = fields{
		"email": {kind: text}, "userId": {kind: text}, "dataFields": {kind: open},
		"mergeNestedObjects": {kind: boolean}, "preferUserId": {kind: boolean},
	}
	identityShape = object(fields{"email": {kind: text}, "userId": {kind: text}})
	userShape     = object(with(recordFields, fields{"createNewFields": {kind: boolean}}))
	usersShape    = object(fields{
		"users": {list(object(recordFields)), true}, "createNewFields": {kind: boolean},
	})
)

func with(a, b fields) fields {
	all := maps.Clone(a)
	maps.Copy(all, b)
	return all
}

// record is one user of a request: who it is and what to write.
type record struct {
	identity
	fields map[string]any
	merge  bool // objects, one level deep
	prefer bool // create by userId in an email-based project
}

func recordOf(o map[string]any) record {
	r := record{identity: whom(o), fields: objectOf(o, "dataFields"), merge: flag(o, "mergeNestedObjects"), prefer: flag(o, "preferUserId")}
	for _, name := range managed {
		delete(r.fields, name)
	}
	return r
}

// userFields begins a change of the schema of profiles.
func (f *Fake) userFields(c call) *change {
	if f.schema == nil {
		f.schema = profileFields()
	}
	allow, said := c.sent["createNewFields"].(bool)
	return &change{schema: f.schema, category: "user", limit: maxUserFields, allow: allow || !said && !f.DropNewFields}
}

// updateUser is POST /api/users/update.
func (f *Fake) updateUser(c call) reply {
	r := recordOf(c.sent)
	fields := f.userFields(c)
	fields.take(r.fields)
	if refused, ok := fields.commit(); !ok {
		return refused
	}
	if x := f.judge(r, ReasonNotFound); x != nil {
		return refusal(x[0], http.StatusConflict)
	}
	f.later(c.now, func() { f.upsert(r, c.now) })
	return success("")
}

// bulkUpdate is POST /api/users/bulkUpdate. The reference has no list for a
// user that cannot be created, an unknown userId in an email-based project;
// the fake calls its userId invalid.
func (f *Fake) bulkUpdate(c call) reply {
	users := objects(c.sent, "users")
	if len(users) == 0 {
		return said(http.StatusBadRequest, "InvalidEmailAddressError", "Emails invalid: ", nil)
	}
	fields, records := f.userFields(c), make([]record, len(users))
	for i, user := range users {
		records[i] = recordOf(user)
		fields.take(records[i].fields)
	}
	if refused, ok := fields.commit(); !ok {
		return refused
	}
	var o outcome
	for _, r := range records {
		failures := f.judge(r, ReasonInvalid)
		if o.add(failures); failures == nil {
			f.later(c.now, func() { f.upsert(r, c.now) })
		}
	}
	return f.bulkReply(o, fields.report(), ReasonConflict, ReasonForgotten, ReasonInvalidData, ReasonInvalid)
}

// judge returns why a record cannot be written. A user that may not be created
// fails for the reason given.
func (f *Fake) judge(r record, uncreatable Reason) []failure {
	if x := f.check(r.identity); x != nil {
		return x
	}
	p, conflict := f.find(r.identity)
	if conflict != nil {
		return conflict
	}
	if p == nil && f.emailBased() && !r.hasEmail && !r.prefer {
		return []failure{{reason: uncreatable, id: r.userID, isUserID: true}}
	}
	if x := f.checkFields(r, p); x != nil {
		return x
	}
	for name, v := range r.fields {
		if !valid(name, v) {
			return []failure{f.under(ReasonInvalidData, r.identity)}
		}
	}
	return nil
}

// moved is the identity that dataFields give a user. An email-based project
// changes addresses with users/updateEmail only, and the fake takes no notice
// of one in dataFields.
func (f *Fake) moved(r record) identity {
	id := whom(r.fields)
	if f.emailBased() {
		id.email, id.hasEmail = "", false
	}
	return id
}

// checkFields looks at the identifiers within dataFields, for the user p.
func (f *Fake) checkFields(r record, p *person) []failure {
	id := f.moved(r)
	switch {
	case id.hasEmail && !isEmail(id.email):
		return []failure{{reason: ReasonInvalid, id: id.email}}
	case id.hasUserID && !isUserID(id.userID):
		return []failure{{reason: ReasonInvalid, id: id.userID, isUserID: true}}
	case id.hasEmail && f.forgotten.emails[id.email]:
		return []failure{{reason: ReasonForgotten, id: id.email}}
	case id.hasUserID && f.forgotten.userIDs[id.userID]:
		return []failure{{reason: ReasonForgotten, id: id.userID, isUserID: true}}
	}
	if other := f.people.byEmail[id.email]; id.hasEmail && other != nil && other != p {
		return []failure{{reason: ReasonConflict, id: id.email}}
	}
	other := f.people.byUserID[id.userID]
	if id.hasUserID && other != nil && other != p && !f.emailBased() {
		return []failure{{reason: ReasonConflict, id: id.userID, isUserID: true}}
	}
	return nil
}

// upsert writes a record that was judged. What has come between is not judged
// again: the record changes whoever it names now.
func (f *Fake) upsert(r record, now time.Time) *person {
	p, _ := f.find(r.identity)
	if p == nil {
		p = f.create(r.identity, now)
	}
	f.identify(p, f.free(r.identity, p))
	f.identify(p, f.free(f.moved(r), p))
	p.updated = now.UnixMilli()
	for name, v := range r.fields {
		f.write(p, name, v, r.merge)
	}
	return p
}

// free leaves out the identifiers that another user has by now.
func (f *Fake) free(id identity, p *person) identity {
	if other := f.people.byEmail[id.email]; other != nil && other != p {
		id.hasEmail = false
	}
	if other := f.people.byUserID[id.userID]; other != nil && other != p && !f.emailBased() {
		id.hasUserID = false
	}
	return id
}

// write sets one field. The lists and subscriptions change without an event.
func (f *Fake) write(p *person, name string, v any, merge bool) {
	ids, _ := numbers(map[string]any{name: v}, name)
	switch name {
	case "email", "userId": // identify has them
	case "emailListIds", "userListIds":
		f.setLists(p, ids)
	case "unsubscribedChannelIds":
		p.more().channels = ids
	case "unsubscribedMessageTypeIds":
		p.more().messageTypes = ids
	case "subscribedMessageTypeIds":
		p.more().optedIn = ids
	default:
		if p.fields == nil {
			p.fields = make(map[string]any)
		}
		stored, isObject := p.fields[name].(map[string]any)
		sent, alike := v.(map[string]any)
		if merge && isObject && alike { // one level, arrays are replaced
			v = maps.Clone(stored)
			maps.Copy(v.(map[string]any), sent)
		}
		p.fields[name] = v
	}
}

// getByEmail is GET /api/users/getByEmail and GET /api/users/{email}. In a
// userID-based project an address identifies nobody.
func (f *Fake) getByEmail(c call) reply {
	email := strings.ToLower(c.arg(0, "email"))
	if !isEmail(email) {
		return refusal(failure{reason: ReasonInvalid, id: email}, http.StatusBadRequest)
	}
	return f.getUser(f.people.byEmail[email])
}

// getByUserID is GET /api/users/byUserId, in both forms. For an unknown user
// Iterable was seen to answer {}, and 400 with a text; {} is the newer.
func (f *Fake) getByUserID(c call) reply {
	userID := c.arg(0, "userId")
	if !isUserID(userID) {
		return refusal(failure{reason: ReasonInvalid, id: userID, isUserID: true}, http.StatusBadRequest)
	}
	return f.getUser(f.people.byUserID[userID])
}

// arg is a parameter of the path, or else of the query.
func (c call) arg(i int, name string) string {
	if i < len(c.args) {
		return c.args[i]
	}
	return c.query.Get(name)
}

func (f *Fake) getUser(p *person) reply {
	if p == nil {
		return ok(map[string]any{})
	}
	user := map[string]any{"dataFields": f.profile(p)}
	if p.email != "" {
		user["email"] = p.email
	}
	if p.userID != "" {
		user["userId"] = p.userID
	}
	return ok(map[string]any{"user": user})
}

// stamp is how profiles and events hold a time.
func stamp(ms int64) string {
	return time.UnixMilli(ms).UTC().Format("2006-01-02 15:04:05 +00:00")
}

// profile is a copy of everything that a user's dataFields hold.
func (f *Fake) profile(p *person) map[string]any {
	all, _ := copied(p.fields).(map[string]any)
	if all == nil {
		all = make(map[string]any)
	}
	all["signupDate"], all["signupSource"], all["profileUpdatedAt"] = stamp(p.created), "API", stamp(p.updated)
	if p.email != "" {
		all["email"] = p.email
	}
	if p.userID != "" {
		all["userId"] = p.userID
	}
	if len(p.on) > 0 {
		all[f.listField()] = p.listIDs()
	}
	if x := p.extra; x != nil {
		x.show(all)
	}
	return all
}

func (x *extra) show(all map[string]any) {
	for name, ids := range map[string][]int64{
		"unsubscribedChannelIds": x.channels, "unsubscribedMessageTypeIds": x.messageTypes, "subscribedMessageTypeIds": x.optedIn,
	} {
		if len(ids) > 0 {
			all[name] = slices.Clone(ids)
		}
	}
	if len(x.devices) > 0 {
		all["devices"] = copied(anys(x.devices))
	}
	if len(x.browsers) > 0 {
		all["browserTokens"] = slices.Clone(x.browsers)
	}
}

// getFields is GET /api/users/getFields.
func (f *Fake) getFields(call) reply {
	if f.schema == nil {
		f.schema = profileFields()
	}
	return ok(map[string]any{"fields": maps.Clone(f.schema)})
}
