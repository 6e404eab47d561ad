// Package iterabletest is an Iterable project in memory, for tests of code that
// talks to Iterable and for programs in any language. It also has the bodies of
// the webhooks that Iterable sends.
//
//	fake := iterabletest.Fake{ProjectType: iterable.ProjectTypeUserID}
//	client, err := iterable.NewClient(fake.Config())
//	...
//	fake.Members(listID) // who would be on the list now
//
// A [Fake] is a model of the service, not a recorder of calls: it creates,
// merges and forgets users as their type of project has it, keeps fields to
// their types, refuses, limits and fails in part as Iterable's reference says,
// and gives back what it took through the same API. Where the reference is
// silent or says two things, the field or method concerned says what was
// chosen.
//
// # What it serves
//
// 48 operations of https://api.iterable.com/api/docs:
//
//   - lists, all 8: #lists_getLists
//   - users, all 21, and POST /api/auth/jwts/invalidate: #users_updateUser
//   - events: track, trackBulk, and those of a user: #events_track
//   - subscriptions, all 6: #subscriptions_bulkSubscriptionAction
//   - webhooks, read and update: #webhooks_getWebhooks
//   - campaigns, read: list, one, children, metrics: #campaigns_campaigns
//   - GET /api/channels and GET /api/messageTypes
//
// Everything else is a 404 with a page of HTML, as Iterable has it. A Fake is an
// [net/http.Handler]; for programs that need a port there is
// [net/http/httptest.NewServer].
//
// # Trouble
//
// [Fake.FailNext] and [Fake.LoseNext] script the next answers, [Fake.Refuse]
// puts users into the lists of failures of bulk answers until [Fake.Release],
// and [Fake.Intercept] can do anything else. [Fake.OldReplies] and
// [Fake.SkipsUncounted] are answers that tell less. They combine.
//
// # Limits
//
// The documented rates hold if [Fake.RateLimits] is set, and [Fake.Rates] sets
// others. No stretch of time of a rate's length serves more than it allows,
// which is stricter than the token buckets that Iterable speaks of.
//
// # Time
//
// [Fake.SettleAfter] is how long what was accepted is not seen: 60 seconds are
// realistic. The fake starts no goroutine, waits for nothing and holds no lock
// while it calls a func of yours, so it works inside a [testing/synctest]
// bubble.
//
// # Webhooks
//
// [Payload] returns the body of a usual webhook for each event, and [Payloads]
// all there are: the shapes Iterable has sent since 2016, with ids as text,
// dates in six forms, missing users, and bodies that are no system webhook. All
// addresses, numbers and hosts in them are reserved ones, so nothing can be
// sent to anybody by accident. [WebhookRequest] wraps a body as Iterable does.
//
//	relay.ServeHTTP(rec, iterabletest.WebhookRequest("key:secret", iterabletest.Payload(webhook.EmailClick)))
package iterabletest
