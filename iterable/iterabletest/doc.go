// Package iterabletest helps to test code that talks to Iterable, without
// Iterable, a socket or an account.
//
//	relay.ServeHTTP(rec, iterabletest.WebhookRequest("key:secret", iterabletest.Payload(webhook.EmailClick)))
//
// # Webhooks
//
// [Payload] returns the body of a usual webhook for each event, and [Payloads]
// all there are: the shapes Iterable has sent since 2016, with ids as text,
// dates in six forms, missing users, and bodies that are no system webhook. All
// addresses, numbers and hosts in them are reserved ones, so nothing can be
// sent to anybody by accident. [WebhookRequest] wraps a body as Iterable does.
package iterabletest
