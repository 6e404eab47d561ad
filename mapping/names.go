package mapping

import "github.com/iteramp/iteramp/iterable/webhook"

const prefix = "[Iterable] "

// EventType returns "[Iterable] " and the name as it is on the wire, as the
// vendors' integration does, or "" for the rows of Iterable's exports that are
// no engagement of a user. It is the default.
func EventType(n webhook.Name) string {
	switch n {
	case "", "customEvent", "purchase", // mostly Amplitude's already, from the application itself
		"smsUsageInfo", "whatsAppUsageInfo", // accounting
		"unknownSession", "anonSession", "user": // visitors, profiles
		return ""
	}
	if t, ok := eventTypes[n]; ok {
		return t
	}
	return prefix + string(n)
}

// Label returns "[Iterable] " and the name that Iterable's settings show, such
// as "[Iterable] Email Click"; for events without one, what [EventType] does.
func Label(n webhook.Name) string {
	if l, ok := labels[n]; ok {
		return prefix + l
	}
	return EventType(n)
}

var labels = map[webhook.Name]string{
	webhook.EmailSend:              "Email Send",
	webhook.EmailSendSkip:          "Email Send Skip",
	webhook.EmailBounce:            "Email Bounce",
	webhook.EmailComplaint:         "Email Complaint",
	webhook.EmailOpen:              "Email Open",
	webhook.EmailClick:             "Email Click",
	webhook.EmailSubscribe:         "Email Subscribe",
	webhook.EmailUnSubscribe:       "Email Unsubscribe",
	webhook.HostedUnsubscribeClick: "Hosted Unsubscribe Click",
	webhook.EmbeddedReceived:       "Embedded Received",
	webhook.EmbeddedImpression:     "Embedded Impression",
	webhook.EmbeddedClick:          "Embedded Click",
	webhook.EmbeddedSession:        "Embedded Session",
	webhook.InAppSend:              "In-App Send",
	webhook.InAppSendSkip:          "In-App Send Skip",
	webhook.InAppDelivery:          "In-App Delivery",
	webhook.InAppOpen:              "In-App Open",
	webhook.InAppClick:             "In-App Click",
	webhook.InAppClose:             "In-App Close",
	webhook.InAppDelete:            "In-App Delete",
	webhook.InAppRecall:            "In-App Recall",
	webhook.JourneyExit:            "Journey Exit",
	webhook.PushSend:               "Push Send",
	webhook.PushSendSkip:           "Push Send Skip",
	webhook.PushBounce:             "Push Bounce",
	webhook.PushOpen:               "Push Open",
	webhook.PushUninstall:          "Push Uninstall",
	webhook.SMSSend:                "SMS Send",
	webhook.SMSSendSkip:            "SMS Send Skip",
	webhook.SMSBounce:              "SMS Bounce",
	webhook.SMSClick:               "SMS Click",
	webhook.SMSReceived:            "SMS Received",
	webhook.WebPushSend:            "Web Push Send",
	webhook.WebPushSendSkip:        "Web Push Send Skip",
	webhook.WebPushClick:           "Web Push Click",
	webhook.WhatsAppSend:           "WhatsApp Send",
	webhook.WhatsAppSendSkip:       "WhatsApp Send Skip",
	webhook.WhatsAppBounce:         "WhatsApp Bounce",
	webhook.WhatsAppSeen:           "WhatsApp Seen",
	webhook.WhatsAppClick:          "WhatsApp Click",
	webhook.WhatsAppReceived:       "WhatsApp Received",
}

// eventTypes saves an allocation per event.
var eventTypes = func() map[webhook.Name]string {
	m := make(map[webhook.Name]string, len(labels))
	for n := range labels {
		m[n] = prefix + string(n)
	}
	return m
}()
