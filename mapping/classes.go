package mapping

import "bytes"

// Class is a set of kinds of fields.
type Class uint8

// The kinds of fields. What can identify a device or belongs to Iterable's
// inside is none of them and is never sent.
const (
	Campaign Class = 1 << iota // campaign, template, channel, journey, labels, messageId
	Detail                     // every other field, those nobody has documented included
	Personal                   // addresses of machines and phones, names, bounce texts
	Content                    // what the message said, and the data it was rendered from

	internal // never a property
	consumed // a field of the event itself
	device   // deviceInfo and what is in it
)

// classOf returns the class of a key of dataFields. Exports write nested fields
// as "whatsAppMessage.text": what holds for the whole holds for its parts.
func classOf(key []byte) Class {
	if c := classes(key); c != Detail {
		return c
	}
	if bytes.HasPrefix(key, []byte("itblInternal")) {
		return internal
	}
	if dot := bytes.IndexByte(key, '.'); dot > 0 {
		return classes(key[:dot])
	}
	return Detail
}

func classes(key []byte) Class {
	switch string(key) {
	case "email", "userId", "createdAt":
		return consumed
	case "deviceInfo":
		return device
	case "campaignId", "campaignName", "templateId", "templateName", "channelId", "messageTypeId",
		"workflowId", "workflowName", "experimentId", "labels", "locale", "messageId":
		return Campaign
	case "ip", "userAgent", "fromPhoneNumber", "toPhoneNumber", "fromWhatsAppPhoneNumber", "toWhatsAppPhoneNumber",
		"firstName", "lastName", "bounceMessage":
		return Personal
	case "inAppBody", "smsMessage", "renderedSmsMessage", "renderedWhatsAppMessage", "whatsAppBodyField",
		"whatsAppMessage", "sanitized", "embeddedBodyField", "pushMessage", "webPushMessage", "webPushBody",
		"payload", "dataFeed", "transactionalData":
		return Content
	case "emailId", // holds the address
		"platformEndpoint", "browserToken", // secret: who has them can send to the device
		"esDocumentId", "messageBusId", "publicIdString", "itblUserId", "projectId", "orgId",
		"_type", "eventType": // the event's name in exports
		return internal
	}
	return Detail
}

// subscribeDetail reports whether key may pass on an emailSubscribe, which can
// carry the user's whole profile.
func subscribeDetail(key []byte) bool {
	switch string(key) {
	case "profileUpdatedAt", "signupSource", "emailListIds", "emailListId", "channelIds", "messageTypeIds", "userListIds":
		return true
	}
	return false
}

// integral reports whether digits in quotes under this key mean a number.
// linkId, canonicalUrlId, espAccountId, errorCode and exitRuleId are texts that
// may look like one.
func integral(key []byte) bool {
	switch string(key) {
	case "campaignId", "templateId", "channelId", "messageTypeId", "workflowId", "experimentId", "contentId",
		"emailListId", "fromPhoneNumberId", "fromSMSSenderId", "fromWhatsAppSenderId", "exitNodeId",
		"embeddedImpressionPlacementId":
		return true
	}
	return false
}
