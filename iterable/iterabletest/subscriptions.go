package iterabletest

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

var (
	preferenceFields = fields{
		"email": {kind: text}, "userId": {kind: text}, "emailListIds": {kind: list(integer)},
		"unsubscribedChannelIds": {kind: list(integer)}, "unsubscribedMessageTypeIds": {kind: list(integer)},
		"subscribedMessageTypeIds": {kind: list(integer)}, "campaignId": {kind: integer}, "templateId": {kind: integer},
		"validateChannelAlignment": {kind: boolean},
	}
	preferencesShape     = object(preferenceFields)
	bulkPreferencesShape = object(fields{"updateSubscriptionsRequests": {list(object(preferenceFields)), true}})
	actionShape          = object(fields{"users": {kind: list(text)}, "usersByUserId": {kind: list(text)}})
	doubleOptInShape     = object(fields{
		"brandName": {kind: text}, "email": {kind: text}, "userId": {kind: text}, "phoneNumber": {kind: text},
		"messageTypeIds": {list(integer), true},
	})
)

// updateSubscriptions is POST /api/users/updateSubscriptions: each list that is
// sent replaces what there is.
func (f *Fake) updateSubscriptions(c call) reply {
	if x := f.judge(record{identity: whom(c.sent)}, ReasonNotFound); x != nil {
		return refusal(x[0], http.StatusConflict)
	}
	if refused, ok := f.checkPreferences(c.sent); !ok {
		return refused
	}
	f.later(c.now, func() { f.prefer(c.sent, c.now) })
	return success("")
}

// bulkUpdateSubscriptions is POST /api/users/bulkUpdateSubscriptions. Its
// answer has only lists of malformed ids and of failures that are worth another
// attempt; a user that fails for another reason is only counted.
func (f *Fake) bulkUpdateSubscriptions(c call) reply {
	requests := objects(c.sent, "updateSubscriptionsRequests")
	for _, o := range requests {
		if refused, ok := f.checkPreferences(o); !ok {
			return refused
		}
	}
	var o outcome
	for _, r := range requests {
		failures := f.judge(record{identity: whom(r)}, ReasonInvalid)
		if o.add(failures); failures == nil {
			f.later(c.now, func() { f.prefer(r, c.now) })
		}
	}
	return ok(map[string]any{
		"successCount": o.succeeded, "failCount": o.failed,
		"invalidEmails": orEmpty(o.emails[ReasonInvalid]), "invalidUserIds": orEmpty(o.userIDs[ReasonInvalid]),
		"validEmailFailures": []string{}, "validUserIdFailures": []string{},
	})
}

// checkPreferences refuses unknown lists, opt-ins that the project does not
// have, and, unless told otherwise, opt-ins within a channel that is
// unsubscribed from in the same request.
func (f *Fake) checkPreferences(o map[string]any) (reply, bool) {
	listIDs, _ := numbers(o, "emailListIds")
	for _, id := range listIDs {
		if f.lists.find(id) == nil {
			return badParams("Invalid email list id", map[string]any{"projectId": strconv.Itoa(projectID), "listId": strconv.FormatInt(id, 10)}), false
		}
	}
	types, sent := numbers(o, "subscribedMessageTypeIds")
	if sent && !f.OptInMessageTypes {
		return badParams("subscribedMessageTypeIds is not enabled for this project", nil), false
	}
	if align, said := o["validateChannelAlignment"].(bool); said && !align {
		return reply{}, true
	}
	channels, _ := numbers(o, "unsubscribedChannelIds")
	for _, t := range f.messageTypes() {
		if slices.Contains(types, t.ID) && slices.Contains(channels, t.ChannelID) {
			return badParams("subscribedMessageTypeIds has a message type of an unsubscribed channel", nil), false
		}
	}
	return reply{}, true
}

// prefer replaces the lists that are sent. Unlike a field of users/bulkUpdate,
// emailListIds makes events.
func (f *Fake) prefer(o map[string]any, now time.Time) {
	p := f.upsert(record{identity: whom(o)}, now)
	if ids, sent := numbers(o, "emailListIds"); sent {
		before := p.listIDs()
		f.setLists(p, ids)
		f.moves(p, before, number(o, "campaignId"), now)
	}
	for _, name := range []string{"unsubscribedChannelIds", "unsubscribedMessageTypeIds", "subscribedMessageTypeIds"} {
		if o[name] != nil {
			f.write(p, name, o[name], false)
		}
	}
}

// moves adds an event for every list that a user has joined or left.
func (f *Fake) moves(p *person, before []int64, campaignID int64, now time.Time) {
	after := p.listIDs()
	for _, r := range f.lists.all {
		was, is := slices.Contains(before, r.id), slices.Contains(after, r.id)
		if was == is {
			continue
		}
		e := listEvent("emailSubscribe", r, now)
		if was {
			e = listEvent("emailUnSubscribe", r, now)
			e.campaignID = campaignID
		}
		p.events = append(p.events, e)
	}
}

// subscriptionAction is PUT /api/subscriptions/{group}/{id}. One user who
// cannot be written to refuses the request.
func (f *Fake) subscriptionAction(c call) reply {
	action := c.query.Get("action")
	if action != "subscribe" && action != "unsubscribe" {
		return badParams("action must be subscribe or unsubscribe", nil)
	}
	var who []identity
	for _, v := range elementsOf(c.sent, "users") {
		who = append(who, whom(map[string]any{"email": v}))
	}
	for _, v := range elementsOf(c.sent, "usersByUserId") {
		who = append(who, whom(map[string]any{"userId": v}))
	}
	return f.move(c, action == "subscribe", who...)
}

func elementsOf(o map[string]any, name string) []any {
	all, _ := o[name].([]any)
	return all
}

// The operations on one user of a group: PATCH subscribes, DELETE unsubscribes.

func (f *Fake) subscriptionByEmail(c call) reply {
	return f.move(c, c.op.method == http.MethodPatch, whom(map[string]any{"email": c.args[2]}))
}

func (f *Fake) subscriptionByUserID(c call) reply {
	return f.move(c, c.op.method == http.MethodPatch, whom(map[string]any{"userId": c.args[2]}))
}

// move subscribes users to a list, a message type or a channel, or takes them
// off. Of the answers seen, 200, 202 and 204 with the codes Success and
// Accepted, the fake gives 202, for it is queued, and Success, which Iterable's
// own client asks for.
func (f *Fake) move(c call, on bool, who ...identity) reply {
	change := f.group(c, on)
	if change == nil {
		return said(http.StatusNotFound, "NotFound", "Subscription group not found", nil)
	}
	for _, id := range who {
		if x := f.judge(record{identity: id}, ReasonNotFound); x != nil {
			return refusal(x[0], http.StatusConflict)
		}
	}
	for _, id := range who {
		f.later(c.now, func() { change(f.upsert(record{identity: id}, c.now)) })
	}
	return said(http.StatusAccepted, "Success", "", nil)
}

// group is what changes in a profile, nil if there is no such group.
func (f *Fake) group(c call, on bool) func(*person) {
	id, err := strconv.ParseInt(c.args[1], 10, 64)
	if err != nil {
		return nil
	}
	switch strings.ToLower(c.args[0]) {
	case "emaillist":
		return f.listGroup(id, on, c.now)
	case "messagetype":
		return f.typeGroup(id, on)
	case "messagechannel":
		if !slices.ContainsFunc(f.channels(), func(ch Channel) bool { return ch.ID == id }) {
			return nil
		}
		return func(p *person) { p.more().channels = moved(p.more().channels, id, !on) }
	}
	return nil
}

func (f *Fake) listGroup(id int64, on bool, now time.Time) func(*person) {
	if f.lists.find(id) == nil {
		return nil
	}
	return func(p *person) {
		before, r := p.listIDs(), f.lists.find(id)
		switch {
		case r == nil: // deleted since
		case on:
			f.join(p, r)
		default:
			f.leave(p, r)
		}
		f.moves(p, before, 0, now)
	}
}

// typeGroup depends on the policy: whom an opt-in type reaches has subscribed,
// whom another does not reach has unsubscribed.
func (f *Fake) typeGroup(id int64, on bool) func(*person) {
	types := f.messageTypes()
	i := slices.IndexFunc(types, func(t MessageType) bool { return t.ID == id })
	if i < 0 {
		return nil
	}
	if types[i].SubscriptionPolicy == "OptIn" {
		return func(p *person) { p.more().optedIn = moved(p.more().optedIn, id, on) }
	}
	return func(p *person) { p.more().messageTypes = moved(p.more().messageTypes, id, !on) }
}

// moved is ids with id or without it.
func moved(ids []int64, id int64, in bool) []int64 {
	if in {
		return including(ids, id)
	}
	return slices.DeleteFunc(slices.Clone(ids), func(other int64) bool { return other == id })
}

func including(ids []int64, id int64) []int64 {
	if slices.Contains(ids, id) {
		return ids
	}
	return append(slices.Clone(ids), id)
}

// doubleOptIn is POST /api/subscriptions/subscribeToDoubleOptIn. Its answers
// have forms of their own. Nobody is subscribed: that takes the user's answer
// to a text message.
func (f *Fake) doubleOptIn(c call) reply {
	ids, _ := numbers(c.sent, "messageTypeIds")
	known := f.messageTypes()
	for _, id := range ids {
		if !slices.ContainsFunc(known, func(t MessageType) bool { return t.ID == id }) {
			return otherError("error.subscriptions.invalidMessageTypeId", "Invalid message type id")
		}
	}
	if x := f.check(whom(c.sent)); x != nil && textOf(c.sent, "phoneNumber") == "" {
		return otherError("error.subscriptions.invalidUser", "email, userId or phoneNumber is required")
	}
	return reply{status: http.StatusAccepted, text: "Accepted"}
}

// otherError is the second form that errors have.
func otherError(code, message string) reply {
	return reply{status: http.StatusBadRequest, json: map[string]any{
		"error": "BadRequest", "message": message, "code": code, "data": map[string]any{},
	}}
}
