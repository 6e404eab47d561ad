package iterabletest

import (
	"fmt"
	"net/http"
)

// listReasons are the failure lists of lists/subscribe and lists/unsubscribe.
var listReasons = []Reason{ReasonConflict, ReasonForgotten, ReasonInvalidData, ReasonInvalid, ReasonNotFound}

// invalidList is how lists/subscribe and lists/unsubscribe refuse a list that
// they do not know, or not yet. Its code says Success, as observed.
func (f *Fake) invalidList(c call) (*roll, reply, bool) {
	id := number(c.sent, "listId")
	r := f.lists.find(id)
	if r != nil && !c.now.Before(r.usable) {
		return r, reply{}, true
	}
	params := map[string]any{"projectId": projectID, "listId": id}
	return nil, said(http.StatusBadRequest, "Success", fmt.Sprintf("error.lists.invalidListId(%d)", id), params), false
}

// subscribe is POST /api/lists/subscribe.
func (f *Fake) subscribe(c call) reply {
	r, refused, ok := f.invalidList(c)
	if !ok {
		return refused
	}
	subscribers := objects(c.sent, "subscribers")
	fields, records := f.userFields(c), make([]record, len(subscribers))
	for i, s := range subscribers {
		records[i] = recordOf(s)
		fields.take(records[i].fields)
	}
	if refused, ok := fields.commit(); !ok {
		return refused
	}
	var o outcome
	subscribed := listEvent("emailSubscribe", r, c.now)
	for _, rec := range records {
		failures, counted := f.judgeSubscriber(rec, flag(c.sent, "updateExistingUsersOnly"))
		if counted {
			o.add(failures)
		}
		if counted && failures == nil {
			f.later(c.now, func() { f.enrol(rec, r, subscribed) })
		}
	}
	return f.bulkReply(o, fields.report(), listReasons...)
}

// judgeSubscriber is judge, but for who is skipped because unknown users are
// not to be created: userID-based and hybrid projects can ask for that.
func (f *Fake) judgeSubscriber(r record, existingOnly bool) (failures []failure, counted bool) {
	if failures = f.judge(r, ReasonNotFound); failures != nil || !existingOnly || f.emailBased() {
		return failures, true
	}
	if p, _ := f.find(r.identity); p == nil {
		return []failure{f.under(ReasonNotFound, r.identity)}, !f.SkipsUncounted
	}
	return nil, true
}

func (f *Fake) enrol(rec record, r *roll, e *event) {
	p := f.upsert(rec, e.at)
	if f.lists.find(r.id) == nil {
		return // deleted since
	}
	if p.place(r) < 0 {
		p.events = append(p.events, e)
	}
	f.join(p, r)
}

// unsubscribe is POST /api/lists/unsubscribe. Who is not on the list is no
// failure: only unknown users are.
func (f *Fake) unsubscribe(c call) reply {
	r, refused, ok := f.invalidList(c)
	if !ok {
		return refused
	}
	var o outcome
	left := listEvent("emailUnSubscribe", r, c.now)
	left.campaignID = number(c.sent, "campaignId")
	for _, s := range objects(c.sent, "subscribers") {
		id := whom(s)
		failures := f.judgeKnown(id)
		if o.add(failures); failures == nil {
			f.later(c.now, func() { f.discharge(id, r, left, flag(c.sent, "channelUnsubscribe")) })
		}
	}
	return f.bulkReply(o, nil, listReasons...)
}

// judgeKnown returns why an identity names no user who could be written to.
func (f *Fake) judgeKnown(id identity) []failure {
	if x := f.check(id); x != nil {
		return x
	}
	p, conflict := f.find(id)
	if conflict != nil {
		return conflict
	}
	if p == nil {
		return []failure{f.under(ReasonNotFound, id)}
	}
	return nil
}

func (f *Fake) discharge(id identity, r *roll, e *event, channel bool) {
	p, _ := f.find(id)
	if p == nil {
		return
	}
	if p.place(r) >= 0 {
		p.events = append(p.events, e)
		f.leave(p, r)
	}
	if channel {
		p.more().channels = including(p.more().channels, f.marketing())
	}
}
