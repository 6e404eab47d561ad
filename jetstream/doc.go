// Package jetstream keeps a relay's webhooks in NATS JetStream.
package jetstream
