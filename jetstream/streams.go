package jetstream

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

const (
	routePrefix  = "iteramp-route-" // of streams
	routeSubject = "iteramp.route." // of their subjects
	deadStream   = "iteramp-dead"
	deadSubject  = "iteramp.dead."
	consumerName = "relay"
	group        = "relay" // of the consumer, its only one
	maxOpen      = 20_000  // frames taken and not done
)

// routeStream is the stream of one route: its own budget, a gap in its sequence is
// damage and nothing else, and purging needs no filter.
func (s settings) routeStream(route string) jetstream.StreamConfig {
	c := s.stream(routePrefix+route, routeSubject+route, s.maxBytes)
	c.MaxMsgsPerSubject = -1
	return c
}

// deadLetterStream holds one letter a subject, the newest: repeating one changes
// nothing.
func (s settings) deadLetterStream() jetstream.StreamConfig {
	c := s.stream(deadStream, deadSubject+"*.*", s.maxDeadBytes)
	c.MaxMsgsPerSubject = 1
	return c
}

func (s settings) stream(name, subject string, maxBytes int64) jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name:     name,
		Subjects: []string{subject},
		Storage:  jetstream.FileStorage,
		Replicas: s.replicas,
		// Done frames are purged. Work queue and interest retention would sync once
		// for each that is done.
		Retention: jetstream.LimitsPolicy,
		// Nothing is thrown out: not for its age, its number, nor to make room.
		MaxAge:  0,
		MaxMsgs: -1,
		Discard: jetstream.DiscardNew,
		// The budget.
		MaxBytes: maxBytes,
		// A write that is tried again is known by its id for this long.
		Duplicates:   2 * time.Minute,
		MaxConsumers: -1,
		MaxMsgSize:   -1,
		Description:  "see github.com/iteramp/iteramp/jetstream",
	}
}

// consumer hands the frames of a route out.
func (s settings) consumer() jetstream.ConsumerConfig {
	return jetstream.ConsumerConfig{
		Durable:       consumerName,
		DeliverPolicy: jetstream.DeliverAllPolicy,
		// Each frame for itself, in any order, and again and again until it is done.
		AckPolicy:  jetstream.AckExplicitPolicy,
		AckWait:    s.ackWait,
		MaxDeliver: -1,
		// A frame stays open for as long as one throttled user's event in it waits.
		// The relay bounds what it holds in bytes.
		MaxAckPending: maxOpen,
		// One process at a time delivers a route, so that order and rate limits
		// hold. Another takes its place when it has been silent for a while.
		PriorityPolicy: jetstream.PriorityPolicyPinned,
		PriorityGroups: []string{group},
		PinnedTTL:      s.pinnedTTL,
		ReplayPolicy:   jetstream.ReplayInstantPolicy,
	}
}

// ensureStream makes a stream as it should be, whatever it was, and checks it.
func (e *engine) ensureStream(ctx context.Context, want jetstream.StreamConfig) error {
	if have, err := e.js.Stream(ctx, want.Name); err == nil && checkStream(want, have.CachedInfo().Config) == nil {
		return nil
	}
	got, err := e.js.CreateOrUpdateStream(ctx, want)
	if err != nil {
		return fmt.Errorf("jetstream: making stream %s: %w", want.Name, err)
	}
	return checkStream(want, got.CachedInfo().Config)
}

// ensureConsumer makes a route's consumer as it should be, and checks it.
func (e *engine) ensureConsumer(ctx context.Context, stream string) error {
	want := e.set.consumer()
	if have, err := e.js.Consumer(ctx, stream, consumerName); err == nil && checkConsumer(stream, want, have.CachedInfo().Config) == nil {
		return nil
	}
	got, err := e.js.CreateOrUpdateConsumer(ctx, stream, want)
	if err != nil {
		return fmt.Errorf("jetstream: making the consumer of stream %s: %w", stream, err)
	}
	return checkConsumer(stream, want, got.CachedInfo().Config)
}

// setting is one setting as it should be and as the server says it is.
type setting struct {
	name      string
	want, got any
}

func compare(of string, settings []setting) error {
	var errs []error
	for _, s := range settings {
		if s.want != s.got {
			errs = append(errs, fmt.Errorf("jetstream: %s: %s is %v and must be %v", of, s.name, s.got, s.want))
		}
	}
	return errors.Join(errs...)
}

func checkStream(want, got jetstream.StreamConfig) error {
	return compare("stream "+want.Name, []setting{
		{"subjects", fmt.Sprint(want.Subjects), fmt.Sprint(got.Subjects)},
		{"storage", want.Storage, got.Storage},
		{"num_replicas", want.Replicas, got.Replicas},
		{"retention", want.Retention, got.Retention},
		{"discard", want.Discard, got.Discard},
		{"discard_new_per_subject", want.DiscardNewPerSubject, got.DiscardNewPerSubject},
		{"max_bytes", want.MaxBytes, got.MaxBytes},
		{"max_age", want.MaxAge, got.MaxAge},
		{"max_msgs", want.MaxMsgs, got.MaxMsgs},
		{"max_msgs_per_subject", want.MaxMsgsPerSubject, got.MaxMsgsPerSubject},
		{"max_msg_size", want.MaxMsgSize, got.MaxMsgSize},
		{"max_consumers", want.MaxConsumers, got.MaxConsumers},
		{"duplicate_window", want.Duplicates, got.Duplicates},
		{"no_ack", false, got.NoAck},
		{"sealed", false, got.Sealed},
		{"deny_delete", false, got.DenyDelete},
		{"deny_purge", false, got.DenyPurge},
		{"allow_rollup_hdrs", false, got.AllowRollup},
		{"allow_msg_ttl", false, got.AllowMsgTTL},
		{"persist_mode", want.PersistMode, got.PersistMode}, // async would not sync
		{"mirror", false, got.Mirror != nil},
		{"sources", 0, len(got.Sources)},
		{"subject_transform", false, got.SubjectTransform != nil},
		{"republish", false, got.RePublish != nil},
	})
}

func checkConsumer(stream string, want, got jetstream.ConsumerConfig) error {
	return compare("consumer of stream "+stream, []setting{
		{"durable_name", want.Durable, got.Durable},
		{"deliver_policy", want.DeliverPolicy, got.DeliverPolicy},
		{"ack_policy", want.AckPolicy, got.AckPolicy},
		{"ack_wait", want.AckWait, got.AckWait},
		{"backoff", 0, len(got.BackOff)},
		{"max_deliver", want.MaxDeliver, got.MaxDeliver},
		{"max_ack_pending", want.MaxAckPending, got.MaxAckPending},
		{"filter_subject", "", got.FilterSubject},
		{"filter_subjects", 0, len(got.FilterSubjects)},
		{"headers_only", false, got.HeadersOnly},
		{"rate_limit_bps", uint64(0), got.RateLimit},
		{"inactive_threshold", time.Duration(0), got.InactiveThreshold},
		{"mem_storage", false, got.MemoryStorage},
		{"replay_policy", want.ReplayPolicy, got.ReplayPolicy},
		{"priority_policy", want.PriorityPolicy, got.PriorityPolicy},
		{"priority_groups", fmt.Sprint(want.PriorityGroups), fmt.Sprint(got.PriorityGroups)},
		{"priority_timeout", want.PinnedTTL, got.PinnedTTL},
		{"pause_until", false, got.PauseUntil != nil && got.PauseUntil.After(time.Now())},
	})
}
