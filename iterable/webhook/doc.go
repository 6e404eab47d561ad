// Package webhook takes what Iterable sends: its system webhooks, one event in
// each request.
//
//	h, err := webhook.NewHandler(webhook.HandlerConfig{Secrets: []string{secret}},
//		func(ctx context.Context, e webhook.Event) error {
//			return store(ctx, e.Name, e.UserID, e.Body())
//		})
//	if err != nil {
//		return err
//	}
//	mux.Handle("POST /iterable", h)
//
// In Iterable, under Integrations > System Webhooks, enter the address, choose
// the authentication type Basic and type the secret into its box. Iterable sends
// it as it is: "Authorization: <secret>".
//
// # Events
//
// [Parse] reads a body, [Handler] does so for you. An [Event] has typed fields
// for what most events share. Everything else is there as well, documented or
// not, exactly as it was sent: numbers of any length, keys that differ in case
// only, keys that occur twice. [Event.Field] finds one field, [Event.Fields]
// ranges over all, [Event.Decode] fills a struct of your own.
//
// Iterable's types are not stable: the same id comes as a number and as text, a
// date in six forms. A field that cannot be read is zero; no event fails over
// it. New events appear without notice: a [Name] may be one that is not among
// the constants.
//
// # Delivery
//
// Iterable promises neither delivery nor order, and may send an event twice.
// Answer in less than a second: store first, work later. The answers of a
// Handler, none of which repeats anything of the request:
//
//	200  fn returned nil
//	400  not one JSON object in UTF-8, no eventName, dataFields not an object
//	401  none of the secrets
//	405  not a POST
//	413  larger than MaxBody
//	415  not application/json, or compressed
//	503  fn failed or panicked, or the body broke off; with Retry-After
//
// A journey's webhook, which is another thing, has no eventName and gets a 400.
//
// # Credentials
//
// [Handler] takes the secret as Iterable sends it, after a scheme word, and in
// base64 after Basic, because proxies differ. To change it, configure both, the
// new one first; then change Iterable's settings; then drop the old one.
// [Match] and [Tokens] do the same for frameworks with requests of their own.
//
// # Limits
//
// One request holds one event and at most MaxBody bytes, 1 MiB by default. JSON
// may nest 10,000 levels deep, as in encoding/json.
//
// # Testing
//
// Package iterabletest has the body of a webhook for every event, and the
// request around it.
//
// Reference: https://support.iterable.com/hc/articles/208013936 (System Webhooks)
package webhook
