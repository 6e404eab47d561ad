package iterabletest

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

var (
	eventFields = fields{
		"eventName": {text, true}, "email": {kind: text}, "userId": {kind: text}, "id": {kind: text},
		"createdAt": {kind: integer}, "dataFields": {kind: open}, "campaignId": {kind: integer},
		"templateId": {kind: integer}, "createNewFields": {kind: boolean},
	}
	trackShape     = object(eventFields)
	trackBulkShape = object(fields{"events": {list(object(eventFields)), true}})
)

// event is one event. Those of lists are shared by all users of a request.
type event struct {
	id, name               string
	system                 string // "" for a custom one
	at, updated            time.Time
	listID                 int64
	campaignID, templateID int64
	fields                 map[string]any
}

// tracked finds custom events by their ids, and has the types of their fields
// by name.
type tracked struct {
	byID    map[string]*event
	last    int
	schemas map[string]schema
}

// drop forgets the events of a user that is deleted.
func (t *tracked) drop(p *person) {
	for _, e := range p.events {
		delete(t.byID, e.id)
	}
}

func listEvent(system string, r *roll, now time.Time) *event {
	return &event{system: system, at: now, updated: now, listID: r.id}
}

// track is POST /api/events/track.
func (f *Fake) track(c call) reply {
	changes := make(map[string]*change)
	if refused, ok := f.eventFields(c.sent, changes); !ok {
		return refused
	}
	if refused, ok := f.commitEvents(changes); !ok {
		return refused
	}
	name := textOf(c.sent, "eventName")
	if slices.Contains(f.DisallowedEvents, name) {
		return success(fmt.Sprintf("Event %s is disallowed from tracking.", name))
	}
	if x := f.judgeKnown(whom(c.sent)); x != nil {
		return refusal(x[0], http.StatusBadRequest)
	}
	id := f.eventID(c.sent)
	f.later(c.now, func() { f.store(c.sent, id, c.now) })
	return said(http.StatusOK, "Success", fmt.Sprintf("Event with id: %s tracked.", id), map[string]any{"id": id})
}

// trackBulk is POST /api/events/trackBulk. No user is created: the reference
// does not promise that. An event that the project blocks is counted as failed,
// which the reference does not say either.
func (f *Fake) trackBulk(c call) reply {
	events, changes := objects(c.sent, "events"), make(map[string]*change)
	for _, e := range events {
		if refused, ok := f.eventFields(e, changes); !ok {
			return refused
		}
	}
	if refused, ok := f.commitEvents(changes); !ok {
		return refused
	}
	var o outcome
	var disallowed []string
	for _, e := range events {
		if name := textOf(e, "eventName"); slices.Contains(f.DisallowedEvents, name) {
			o.failed++
			disallowed = append(disallowed, name)
			continue
		}
		failures := f.judgeKnown(whom(e))
		if o.add(failures); failures == nil {
			id := f.eventID(e)
			f.later(c.now, func() { f.store(e, id, c.now) })
		}
	}
	slices.Sort(disallowed)
	extra := reportAll(changes)
	extra["disallowedEventNames"] = orEmpty(slices.Compact(disallowed))
	// the reference describes this one, here alone, as the unknown ids too
	extra["invalidUserIds"] = orEmpty(slices.Concat(o.userIDs[ReasonInvalid], o.userIDs[ReasonNotFound]))
	return f.bulkReply(o, extra, ReasonForgotten, ReasonInvalid, ReasonNotFound)
}

// eventFields looks at the fields of one event, each name has its own.
func (f *Fake) eventFields(e map[string]any, changes map[string]*change) (reply, bool) {
	if len(textOf(e, "id")) > 512 {
		return badParams("id must have at most 512 bytes", nil), false
	}
	if f.tracked.schemas == nil {
		f.tracked.schemas = make(map[string]schema)
	}
	name := textOf(e, "eventName")
	allow, said := e["createNewFields"].(bool)
	x := changes[name]
	if x == nil {
		x = &change{schema: f.tracked.schemas[name], category: "customEvent", limit: maxEventFields}
		if x.schema == nil {
			x.schema = make(schema)
		}
		changes[name] = x
	}
	x.allow = allow || !said && !f.DropNewFields
	x.take(objectOf(e, "dataFields"))
	return reply{}, true
}

// commitEvents commits all changes or none.
func (f *Fake) commitEvents(changes map[string]*change) (reply, bool) {
	for _, x := range changes {
		if refused, ok := x.verdict(); !ok {
			return refused, false
		}
	}
	for name, x := range changes {
		x.apply()
		f.tracked.schemas[name] = x.schema
	}
	return reply{}, true
}

func reportAll(changes map[string]*change) map[string]any {
	var all change
	all.added, all.filtered = make(schema), make(map[string]bool)
	for _, x := range changes {
		for name, t := range x.added {
			all.added[name] = t
		}
		for name := range x.filtered {
			all.filtered[name] = true
		}
	}
	return all.report()
}

// eventID is the id that was sent, or a new one.
func (f *Fake) eventID(e map[string]any) string {
	f.tracked.last++
	return cmp.Or(textOf(e, "id"), fmt.Sprintf("%032x", f.tracked.last))
}

// store adds an event, or updates the one that has its id, whoever that is of.
func (f *Fake) store(sent map[string]any, id string, now time.Time) {
	p, _ := f.find(whom(sent))
	if p == nil {
		return // deleted since
	}
	e := f.tracked.byID[id]
	if e == nil {
		if f.tracked.byID == nil {
			f.tracked.byID = make(map[string]*event)
		}
		e = &event{id: id, at: now}
		f.tracked.byID[id] = e
		p.events = append(p.events, e)
	}
	if at, ok := sent["createdAt"].(json.Number); ok {
		e.at = timeOf(at)
	}
	e.name, e.updated = textOf(sent, "eventName"), now
	e.campaignID, e.templateID = number(sent, "campaignId"), number(sent, "templateId")
	e.fields = objectOf(sent, "dataFields")
}

// timeOf reads seconds or milliseconds: official clients send both.
func timeOf(at json.Number) time.Time {
	n, _ := at.Int64()
	if n > -100_000_000_000 && n < 100_000_000_000 {
		return time.Unix(n, 0)
	}
	return time.UnixMilli(n)
}

// eventsByEmail is GET /api/events/{email}.
func (f *Fake) eventsByEmail(c call) reply {
	email := strings.ToLower(c.args[0])
	if !isEmail(email) {
		return refusal(failure{reason: ReasonInvalid, id: email}, http.StatusBadRequest)
	}
	return f.getEvents(c, f.people.byEmail[email])
}

// eventsByUserID is GET /api/events/byUserId/{userId}.
func (f *Fake) eventsByUserID(c call) reply {
	if !isUserID(c.args[0]) {
		return refusal(failure{reason: ReasonInvalid, id: c.args[0], isUserID: true}, http.StatusBadRequest)
	}
	return f.getEvents(c, f.people.byUserID[c.args[0]])
}

// getEvents answers the newest events first, none for an unknown user.
//
// Source: https://api.iterable.com/api/docs#events_User_events
func (f *Fake) getEvents(c call, p *person) reply {
	limit, err := 30, error(nil)
	if s := c.query.Get("limit"); s != "" {
		limit, err = strconv.Atoi(s)
	}
	if err != nil || limit < 1 || limit > 200 {
		return badParams("limit must be between 1 and 200", nil)
	}
	all := []map[string]any{}
	if p != nil {
		for _, e := range p.newest() {
			if len(all) < limit {
				all = append(all, p.show(e))
			}
		}
	}
	return ok(map[string]any{"events": all})
}

// newest are the events of a user, the newest first.
func (p *person) newest() []*event {
	events := slices.Clone(p.events)
	slices.Reverse(events)
	slices.SortStableFunc(events, func(a, b *event) int { return b.at.Compare(a.at) })
	return events
}

// show is an event as the API has it: that of a list with its fields at the
// top, a custom one with its fields in dataFields.
func (p *person) show(e *event) map[string]any {
	all := map[string]any{
		"createdAt":    stamp(e.at.UnixMilli()),
		"itblInternal": map[string]any{"documentCreatedAt": stamp(e.at.UnixMilli()), "documentUpdatedAt": stamp(e.updated.UnixMilli())},
	}
	for name, v := range map[string]string{"email": p.email, "userId": p.userID, "eventType": e.system, "eventName": e.name, "id": e.id} {
		if v != "" {
			all[name] = v
		}
	}
	for name, n := range map[string]int64{"campaignId": e.campaignID, "templateId": e.templateID} {
		if n != 0 {
			all[name] = n
		}
	}
	if e.system != "" {
		all["emailListIds"] = []int64{e.listID}
		return all
	}
	all["eventUpdatedAt"] = stamp(e.updated.UnixMilli())
	all["dataFields"] = map[string]any{}
	if e.fields != nil {
		all["dataFields"] = copied(e.fields)
	}
	return all
}
