// Package mapping turns Iterable's webhooks into Amplitude's events, as the
// vendors' own integration does, and by your rules where you have some. It also
// turns members of Amplitude's cohorts into subscribers of Iterable's lists, and
// back.
//
//	out, err := mapping.Rules{}.Event(in, time.Now())
//	if skip, ok := errors.AsType[mapping.Skip](err); ok {
//		skipped[skip]++ // on purpose: nothing failed
//		return nil
//	}
//
// All functions are pure: what they return depends on their arguments alone.
// Nothing is read, logged, waited for or made up.
//
// # What becomes of a webhook
//
//	event_type        "[Iterable] " and the name on the wire; see [EventType], [Label]
//	user_id           userId; without one the event is skipped; see [UserIDOrEmail]
//	device_id         never: it would take part in recognising repeats, and could merge users
//	time              createdAt, or the time of receipt
//	insert_id         a hash of what identifies the event; see [Rules.InsertID]
//	event_properties  dataFields by class, names unchanged; see [Class]
//	platform          deviceInfo.platform, of in-app and embedded events
//	ip, user_agent    never, or of people's clicks with ClientData
//	user_properties   never; see [Rules.Identify] for changes of subscriptions
//	revenue           never: a message is none, whatever it was about
//
// Amplitude counts any event as activity of the user. Sends, skips, bounces,
// list changes and journey exits are none: mark them as inactive there, or drop
// them with [Rules.Keep].
//
// # Properties
//
// Fields of the classes Campaign and Detail are kept, those of Personal and
// Content are dropped unless [Rules.Classes] says otherwise; fields that
// identify a device or belong to Iterable's inside are always dropped, fields
// that nobody has documented are details. An emailSubscribe can carry the
// user's whole profile: of its details only the lists, the source and
// profileUpdatedAt are kept.
//
// Values pass as the bytes they came as, exact numbers included, and each of
// equal keys as if it were alone, but for this: null, [] and {} are no property; digits in quotes become a
// number where the field is an id; device becomes userAgentDevice and
// deviceInfo.appPackageName becomes appPackageName; a transactionalData that is
// JSON in a text is taken out of it. Texts are cut after 1,024 characters and
// branches dropped below 40 levels, as Amplitude would, but between characters.
// [Rules.Explain] says for one webhook what became of each field and why.
//
// # Repeats
//
// The same event always gets the same insert_id, from whichever webhook or
// export it is read, so Amplitude drops what it has had in the last 7 days. The
// vendors' integration makes ids of its own: run one of the two, or every event
// counts twice. With several Iterable projects in one Amplitude project set
// [Rules.Namespace].
//
// # What becomes of a cohort's members, and of a list's
//
//	list name  "[Amplitude] " and the cohort's name; see [ListName]
//	userId     user_id as it is; empty or refused by Iterable, the member is skipped
//	email      never: Iterable makes one up where its project needs one
//	the rest   never: neither amplitude_id nor properties are sent
//
// [Subscriber] does that, as the vendors' own integration does. On the way back
// [MemberID] or [MemberIDOrEmail] cleans the lines in which Iterable lists members.
// [Diff] compares two sets that fit in memory.
//
//	sub, err := mapping.Subscriber(member)
//
// # Errors
//
// There is one kind, [Skip]: the event or member is not sent, and trying again
// would change nothing.
//
// # Testing
//
// Rules are a value and need no fake. Package iterabletest has a payload for
// every event.
package mapping
