package mapping

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"

	"github.com/iteramp/iteramp/internal/jsonscan"
	"github.com/iteramp/iteramp/iterable/webhook"
)

// A family lists the fields that tell one event of a kind from another. It
// holds only what both the webhook and Iterable's export of the same event
// have, so that both get the same insert_id. Never change one: Amplitude would
// count what it already has again.
type family []string

var (
	once    = family{"messageId"} // happens once to a message
	perUser = family{"subject", "campaignId", "createdAt"}
	click   = family{"messageId", "createdAt", "url", "ip", "userAgent"}
	link    = family{"messageId", "createdAt", "clickedUrl"}
	unknown = family{"subject", "body"}
)

var families = map[webhook.Name]family{
	webhook.EmailSend:        once,
	webhook.EmailSendSkip:    once,
	webhook.EmailComplaint:   once,
	webhook.InAppSend:        once,
	webhook.InAppSendSkip:    once,
	webhook.PushSend:         once,
	webhook.PushSendSkip:     once,
	webhook.PushUninstall:    once,
	webhook.SMSSendSkip:      once,
	webhook.WebPushSend:      once,
	webhook.WebPushSendSkip:  once,
	webhook.WhatsAppSend:     once,
	webhook.WhatsAppSendSkip: once,
	webhook.WhatsAppBounce:   once,
	"embeddedSend":           once,
	"embeddedSendSkip":       once,
	"rcsSend":                once,
	"rcsSendSkip":            once,

	// Of these, exports have a messageId and webhooks may not.
	webhook.InAppDelivery: perUser,
	webhook.InAppOpen:     perUser,
	webhook.InAppClick:    perUser,
	webhook.InAppClose:    perUser,
	webhook.InAppDelete:   perUser,
	webhook.InAppRecall:   perUser,
	webhook.PushBounce:    perUser,
	webhook.PushOpen:      perUser,
	webhook.SMSSend:       perUser,
	webhook.SMSBounce:     perUser,

	webhook.EmailBounce:            {"messageId", "createdAt", "recipientState"},
	webhook.EmailOpen:              {"messageId", "createdAt", "ip", "userAgent"},
	webhook.EmailClick:             click,
	webhook.HostedUnsubscribeClick: click,
	webhook.SMSClick:               link,
	webhook.WhatsAppClick:          link,
	webhook.WebPushClick:           {"messageId", "createdAt"},
	webhook.SMSReceived:            {"subject", "createdAt", "fromPhoneNumber", "toPhoneNumber", "smsMessage"},
	webhook.WhatsAppReceived:       {"subject", "createdAt", "from", "text"},
	webhook.WhatsAppSeen:           {"seenMessageId"},
	webhook.EmailSubscribe:         {"subject", "createdAt", "signupSource", "lists"},
	webhook.EmailUnSubscribe:       {"subject", "createdAt", "unsubSource", "lists", "channels"},
	webhook.EmbeddedReceived:       {"messageId", "subject", "createdAt"},
	webhook.EmbeddedClick:          {"messageId", "subject", "createdAt", "embeddedButtonId"},
	webhook.EmbeddedImpression:     {"messageId", "subject", "createdAt", "embeddedSessionId", "placement"},
	webhook.EmbeddedSession:        {"subject", "createdAt", "embeddedSessionId"},
	"inboxSession":                 {"subject", "createdAt", "inboxSessionId"},
	"inboxMessageImpression":       {"messageId", "subject", "createdAt", "inboxSessionId"},
	webhook.JourneyExit:            {"subject", "workflowId", "createdAt"},
}

// InsertID returns what Amplitude recognises a repeat of e by. It depends on
// the event alone: not on its route (webhook or export), on when it was
// received, on the order of its keys or on any rule but Namespace. No personal
// data can be read from it.
//
// Events that nothing in them tells apart share one: the same link clicked
// twice in one second by one client, or one push message sent to two devices of
// a user.
func (r Rules) InsertID(e webhook.Event) string {
	in := identity{family: familyOf(e)}
	for key, value := range jsonscan.Members(e.DataFields()) {
		in.note(jsonscan.Text(key), value)
	}
	return r.insertID(e, &in)
}

// identity is a family and the values that one event has for those of its keys
// that are fields.
type identity struct {
	family family
	values [8][]byte
}

// note takes a field if it is of the family. Of equal ones the last counts.
func (in *identity) note(key, value []byte) {
	for i, name := range in.family {
		if string(key) == name {
			in.values[i] = value
		}
	}
}

func (r Rules) insertID(e webhook.Event, in *identity) string {
	const version = "itbl1"
	var buf, scratch [512]byte
	m := netstring(buf[:0], version)
	m = netstring(m, e.Name)
	for i, key := range in.family {
		m = netstring(m, key)
		m = netstring(m, appendIdentity(scratch[:0], e, key, in.values[i]))
	}
	if r.Namespace != "" {
		m = netstring(m, "namespace")
		m = netstring(m, r.Namespace)
	}
	sum := sha256.Sum256(m)
	id := append(buf[:0], version+"-"...)
	return string(hex.AppendEncode(id, sum[:20]))
}

// netstring frames s so that no two lists of texts give the same bytes.
func netstring[T ~string | ~[]byte](dst []byte, s T) []byte {
	dst = strconv.AppendInt(dst, int64(len(s)), 10)
	dst = append(dst, ':')
	dst = append(dst, s...)
	return append(dst, ',')
}

// familyOf returns the family of e, or what stands in for it if e lacks the
// message id that it begins with, or the time that it needs.
func familyOf(e webhook.Event) family {
	f, ok := families[e.Name]
	if !ok {
		return unknown
	}
	switch f[0] {
	case "messageId":
		ok = e.MessageID != ""
	case "seenMessageId":
		ok = len(appendText(nil, e.Field("seenMessageId"))) > 0
	}
	if !ok {
		f = slices.Concat(perUser, f[1:])
	}
	if e.CreatedAt.IsZero() && slices.Contains(f, "createdAt") {
		return unknown
	}
	return f
}

// appendIdentity appends the value of one key of a family. Most are the field
// of that name.
func appendIdentity(dst []byte, e webhook.Event, key string, field []byte) []byte {
	switch key {
	case "messageId":
		return append(dst, e.MessageID...)
	case "createdAt":
		return strconv.AppendInt(dst, e.CreatedAt.Unix(), 10)
	case "subject":
		return append(dst, subject(e)...)
	case "lists":
		return append(dst, strings.Join(ids(e.Field("emailListIds"), e.Field("emailListId")), ",")...)
	case "channels":
		return append(dst, strings.Join(ids(e.Field("channelIds")), ",")...)
	case "placement":
		return appendText(dst, e.Field("embeddedImpressionPlacementId"))
	case "from":
		return appendText(dst, e.Field("fromWhatsAppPhoneNumber"))
	case "text":
		return append(dst, whatsAppText(e)...)
	case "body":
		return append(dst, canonicalBody(e.DataFields())...)
	}
	return appendText(dst, field)
}

func subject(e webhook.Event) string {
	if email := strings.ToLower(strings.TrimSpace(e.Email)); email != "" {
		return "e:" + email
	}
	if e.UserID != "" {
		return "u:" + e.UserID
	}
	return ""
}

// whatsAppText finds the text nested, as webhooks have it, or flat.
func whatsAppText(e webhook.Event) string {
	var nested []byte
	for k, v := range jsonscan.Members(e.Field("whatsAppMessage")) {
		if string(jsonscan.Text(k)) == "text" {
			nested = v
		}
	}
	if s := text(nested); s != "" {
		return s
	}
	return text(e.Field("whatsAppMessage.text"))
}

// appendText appends a string's text, nothing for null, and other values as
// they are written.
func appendText(dst, raw []byte) []byte {
	switch {
	case len(raw) == 0, string(raw) == "null":
		return dst
	case raw[0] == '"':
		return append(dst, jsonscan.Text(raw)...)
	}
	return append(dst, raw...)
}

func text(raw []byte) string { return string(appendText(nil, raw)) }

// ids returns the ids of several lists, or single ids, once each and in rising
// order.
func ids(values ...[]byte) []string {
	var all []string
	for _, v := range values {
		if len(v) == 0 || v[0] != '[' {
			all = append(all, text(v))
			continue
		}
		for element := range jsonscan.Elements(v) {
			all = append(all, text(element))
		}
	}
	slices.SortFunc(all, func(a, b string) int { // as numbers, of any length
		if len(a) != len(b) {
			return len(a) - len(b)
		}
		return strings.Compare(a, b)
	})
	all = slices.Compact(all)
	return slices.DeleteFunc(all, func(id string) bool { return id == "" })
}
