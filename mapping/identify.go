package mapping

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/iteramp/iteramp/amplitude"
	"github.com/iteramp/iteramp/iterable/webhook"
)

// The user properties that Identify writes. Ids are texts, because Amplitude
// compares the elements of a list as texts.
const (
	listIDs              = "iterable_list_ids"
	unsubscribedChannels = "iterable_unsubscribed_channel_ids"
	unsubscribedTypes    = "iterable_unsubscribed_message_type_ids"
	subscriptionChanged  = "iterable_subscription_changed_at"
	lastSignupSource     = "iterable_last_signup_source"
	lastUnsubSource      = "iterable_last_unsub_source"
	emailBlocked         = "iterable_email_blocked"
	pushUninstalled      = "iterable_push_uninstalled_at"
)

// Identify maps a change of a user's subscriptions to an "$identify" event that
// changes the user's properties, to be sent beside [Rules.Event]. It returns
// false if [Rules.Subscriptions] is off, if e is no such change, and if Event
// skips it.
//
// Iterable promises no order: a subscription that arrives late undoes a newer
// one. Amplitude takes 1,800 changes of properties per user and hour.
func (r Rules) Identify(e webhook.Event, received time.Time) (amplitude.Event, bool) {
	if !r.Subscriptions || r.eventType(e.Name) == "" || r.Keep != nil && !r.Keep(e) {
		return amplitude.Event{}, false
	}
	at := eventTime(e, received)
	ops, ok := operations(e, at.UTC().Format("2006-01-02T15:04:05"))
	if !ok {
		return amplitude.Event{}, false
	}
	user, err := r.user(e)
	if err != nil {
		return amplitude.Event{}, false
	}
	return amplitude.Event{
		UserID:         user,
		EventType:      "$identify",
		Time:           at,
		InsertID:       r.InsertID(e) + "-id",
		UserProperties: ops,
	}, true
}

func operations(e webhook.Event, at string) (ops amplitude.Operations, ok bool) {
	lists := ids(e.Field("emailListIds"), e.Field("emailListId"))
	channels, types := ids(e.Field("channelIds")), ids(e.Field("messageTypeIds"))
	switch e.Name {
	case webhook.EmailSubscribe:
		ops.Set = map[string]any{subscriptionChanged: at}
		put(ops.Set, lastSignupSource, e.Field("signupSource"))
		ops.PostInsert = with(nil, listIDs, lists)
		ops.Remove = with(with(nil, unsubscribedChannels, channels), unsubscribedTypes, types)
	case webhook.EmailUnSubscribe:
		ops.Set = map[string]any{subscriptionChanged: at}
		put(ops.Set, lastUnsubSource, e.Field("unsubSource"))
		if blocks(text(e.Field("unsubSource"))) {
			ops.Set[emailBlocked] = true
		}
		ops.Remove = with(nil, listIDs, lists)
		ops.PostInsert = with(with(nil, unsubscribedChannels, channels), unsubscribedTypes, types)
	case webhook.PushUninstall:
		ops.Set = map[string]any{pushUninstalled: at}
	default:
		return ops, false
	}
	return ops, true
}

func put(set map[string]any, name string, raw json.RawMessage) {
	if s := text(raw); s != "" {
		set[name] = s
	}
}

// with adds a property that is a list of ids to m, unless the list is empty.
func with(m map[string]any, name string, ids []string) map[string]any {
	if len(ids) == 0 {
		return m
	}
	if m == nil {
		m = make(map[string]any)
	}
	m[name] = ids
	return m
}

// blocks reports whether an unsubscribe for this reason means that no e-mail
// will reach the user.
func blocks(unsubSource string) bool {
	return strings.EqualFold(unsubSource, "HardBounce") || strings.EqualFold(unsubSource, "Complaint")
}
