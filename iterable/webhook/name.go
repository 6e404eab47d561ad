package webhook

import "strings"

// Name says what happened: the eventName of a webhook. A name that is not among
// the constants is kept as it came; Iterable adds events without notice.
//
// Reference: https://support.iterable.com/hc/articles/208013936 (System Webhooks)
type Name string

// The events Iterable is known to send, by their names on the wire.
//
// Blast and triggered sends are two ticks in Iterable's settings and one name
// here. Every medium shares EmailSubscribe and EmailUnSubscribe: a STOP by SMS
// is an EmailUnSubscribe.
const (
	EmailSend              Name = "emailSend"              // a campaign handed a message to the mail provider
	EmailSendSkip          Name = "emailSendSkip"          // Iterable decided not to send
	EmailBounce            Name = "emailBounce"            // the message bounced; soft bounces may repeat
	EmailOpen              Name = "emailOpen"              // the pixel was loaded, by a person or a mail proxy
	EmailClick             Name = "emailClick"             // a tracked link was followed, by a person or a scanner
	EmailComplaint         Name = "emailComplaint"         // the recipient reported spam
	EmailSubscribe         Name = "emailSubscribe"         // subscribed to lists, channels or message types
	EmailUnSubscribe       Name = "emailUnSubscribe"       // unsubscribed from them
	HostedUnsubscribeClick Name = "hostedUnsubscribeClick" // the unsubscribe page was opened; no unsubscribe yet

	EmbeddedReceived   Name = "embeddedReceived"   // the device fetched an embedded message
	EmbeddedImpression Name = "embeddedImpression" // an embedded message was on screen
	EmbeddedClick      Name = "embeddedClick"      // the message or one of its buttons was tapped
	EmbeddedSession    Name = "embeddedSession"    // a visit to a screen with placements ended

	InAppSend     Name = "inAppSend"     // a message was queued for the user
	InAppSendSkip Name = "inAppSendSkip" // Iterable decided not to send
	InAppDelivery Name = "inAppDelivery" // the device fetched the message
	InAppOpen     Name = "inAppOpen"     // the message was displayed
	InAppClick    Name = "inAppClick"    // a link or button was tapped
	InAppClose    Name = "inAppClose"    // the message was closed
	InAppDelete   Name = "inAppDelete"   // the user consumed or deleted the message
	InAppRecall   Name = "inAppRecall"   // a campaign's messages were withdrawn; often without a user

	JourneyExit Name = "journeyExit" // the user left a journey

	PushSend      Name = "pushSend"      // handed to the push provider, once per device
	PushSendSkip  Name = "pushSendSkip"  // Iterable decided not to send
	PushBounce    Name = "pushBounce"    // the provider rejected the device
	PushOpen      Name = "pushOpen"      // the notification was opened
	PushUninstall Name = "pushUninstall" // the provider reported that the app is gone

	SMSSend     Name = "smsSend"     // handed to the provider
	SMSSendSkip Name = "smsSendSkip" // Iterable decided not to send
	SMSBounce   Name = "smsBounce"   // the provider rejected it or failed
	SMSClick    Name = "smsClick"    // a shortened link was followed
	SMSReceived Name = "smsReceived" // the user wrote

	WebPushSend     Name = "webPushSend"     // handed to the browser's push service
	WebPushSendSkip Name = "webPushSendSkip" // Iterable decided not to send
	WebPushClick    Name = "webPushClick"    // the notification was clicked

	WhatsAppSend     Name = "whatsAppSend"     // handed to the provider
	WhatsAppSendSkip Name = "whatsAppSendSkip" // Iterable decided not to send
	WhatsAppBounce   Name = "whatsAppBounce"   // not delivered
	WhatsAppSeen     Name = "whatsAppSeen"     // read receipt
	WhatsAppClick    Name = "whatsAppClick"    // a link or button was followed
	WhatsAppReceived Name = "whatsAppReceived" // the user wrote
)

// Known reports whether n is one of the constants.
func (n Name) Known() bool { return n != "" && known[strings.ToLower(string(n))] == n }

// canonical returns the constant that text spells, in whatever case and by
// whichever of its names, or else text as it is.
func canonical(text []byte) Name {
	var buf [32]byte // longer than every name
	if len(text) <= len(buf) {
		lower := buf[:copy(buf[:], text)]
		for i, c := range lower {
			if 'A' <= c && c <= 'Z' {
				lower[i] = c + 'a' - 'A'
			}
		}
		if n, ok := known[string(lower)]; ok {
			return n
		}
	}
	return Name(text)
}

// known finds a name by its lower-case letters: Iterable's own texts disagree
// about the case of emailUnSubscribe. The last three are names that its pages
// and its API have for events that are sent under another one.
var known = func() map[string]Name {
	m := make(map[string]Name)
	for _, n := range []Name{
		EmailSend, EmailSendSkip, EmailBounce, EmailOpen, EmailClick, EmailComplaint,
		EmailSubscribe, EmailUnSubscribe, HostedUnsubscribeClick,
		EmbeddedReceived, EmbeddedImpression, EmbeddedClick, EmbeddedSession,
		InAppSend, InAppSendSkip, InAppDelivery, InAppOpen, InAppClick, InAppClose, InAppDelete, InAppRecall,
		JourneyExit,
		PushSend, PushSendSkip, PushBounce, PushOpen, PushUninstall,
		SMSSend, SMSSendSkip, SMSBounce, SMSClick, SMSReceived,
		WebPushSend, WebPushSendSkip, WebPushClick,
		WhatsAppSend, WhatsAppSendSkip, WhatsAppBounce, WhatsAppSeen, WhatsAppClick, WhatsAppReceived,
	} {
		m[strings.ToLower(string(n))] = n
	}
	m["blastsend"], m["triggeredsend"], m["inappconsume"] = EmailSend, EmailSend, InAppDelete
	return m
}()
