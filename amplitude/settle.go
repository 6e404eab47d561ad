package amplitude

import (
	"cmp"
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/iteramp/iteramp/internal/jsonscan"
	"github.com/iteramp/iteramp/internal/rest"
)

// endpoint is one of the two upload APIs with its bounds. They stay below the
// documented ones: nobody says whether a megabyte is decimal, and "fewer than
// 2000" stands beside "up to 2000".
type endpoint struct {
	path     string
	maxBytes int // of the request before compression
	parallel int // requests of one upload at a time
}

const maxEvents = 1000

var (
	// HTTP V2 processes the events of a device in the order they arrive in, so
	// an upload sends one request after another.
	httpV2 = endpoint{path: "/2/httpapi", maxBytes: 900_000, parallel: 1}
	// Batch promises no order.
	batchUpload = endpoint{path: "/batch", maxBytes: 18_000_000, parallel: 4}
)

func (ep endpoint) op() string { return http.MethodPost + " " + ep.path }

// room is what a request has for events: the rest goes to what stands around
// them.
func (ep endpoint) room() int { return ep.maxBytes - 512 }

// ceiling is the size of a request that the endpoint is known to refuse with a
// 413, so that the requests after it are cut smaller at once. It rises again with
// what is accepted.
type ceiling struct{ bytes atomic.Int64 }

func (c *ceiling) get() int {
	if n := c.bytes.Load(); n > 0 {
		return int(n)
	}
	return math.MaxInt
}

func (c *ceiling) lower(n int) { c.bytes.Store(int64(max(n, 1))) }

func (c *ceiling) raise() {
	n := c.bytes.Load()
	if n == 0 {
		return
	}
	if n += n/16 + 1; n > int64(batchUpload.maxBytes) {
		n = 0
	}
	c.bytes.Store(n)
}

// item is one event of a batch.
type item struct {
	index        int // in the caller's slice
	user, device string
	from, to     int // its JSON in the batch
}

// key is what Amplitude throttles an event by.
func (it item) key() string { return cmp.Or(it.user, it.device) }

// batch is a run of encoded events. A request for some of them is put together
// from their bytes, so nothing is encoded twice.
type batch struct {
	json  []byte
	items []item
}

// add encodes an event. ok is false if it does not fit any more; one that is
// alone always fits.
func (b *batch) add(index int, e *Event, maxBytes int) (ok bool, err error) {
	from := len(b.json)
	if b.json, err = e.AppendJSON(b.json); err != nil {
		return true, err
	}
	if len(b.items) > 0 && (len(b.items) == maxEvents || len(b.json)+len(b.items) > maxBytes) {
		b.json = b.json[:from]
		return false, nil
	}
	b.items = append(b.items, item{index, e.UserID, e.DeviceID, from, len(b.json)})
	return true, nil
}

var batches = sync.Pool{New: func() any { return new(batch) }}

// free gives the room of a batch back, unless it is uncommonly large.
func (b *batch) free() {
	if cap(b.json) > maxSpare {
		return
	}
	clear(b.items)
	b.json, b.items = b.json[:0], b.items[:0]
	batches.Put(b)
}

// settling finds out what became of each event of a batch.
type settling struct {
	core        *core
	endpoint    endpoint
	minIDLength int
	// fate is told of each event once, an empty reason means accepted.
	fate func(it item, reason Reason, err error)

	accepted  int
	unsure    bool             // a request before may have stored some of what is left
	suspects  []suspect        // refused alone while nothing had been accepted
	throttled map[string]error // users and devices, whose later events must not overtake
}

type suspect struct {
	item
	reason Reason
	err    error
}

// run sends the batch and goes on with what is left of it after each answer:
// without the events that were named, or in halves if none was. Every request
// settles an event or is smaller than the one before, so it ends. The error, if
// any, is a fault that is not the events'.
func (s *settling) run(ctx context.Context, b *batch) error {
	work := [][]item{b.items}
	for len(work) > 0 {
		part := s.holdBack(work[0])
		if work = work[1:]; len(part) == 0 {
			continue
		}
		if len(part) > 1 && size(part) > s.core.ceiling(s.endpoint).get() {
			work = halve(work, part)
			continue
		}
		o := s.send(ctx, b, part)
		s.unsure = s.unsure || o.unsure
		switch {
		case o.kind == accepted:
			s.accept(part)
		case o.kind == named:
			if rest := s.settleNamed(part, o); len(rest) > 0 {
				work = slices.Insert(work, 0, rest)
			}
		case o.kind == whole:
			if s.unsure {
				o.reason = ReasonAmbiguous
			}
			s.settleAll(part, o.reason, o.err)
			return s.stop(work, o.err)
		case len(part) > 1:
			if o.reason == ReasonTooLarge {
				s.core.ceiling(s.endpoint).lower(size(part) / 2)
			}
			work = halve(work, part)
		case s.accepted > 0:
			s.fate(part[0], o.reason, o.err)
		default:
			s.suspects = append(s.suspects, suspect{part[0], o.reason, o.err})
			if len(s.suspects) > 2 && len(work) > 0 {
				return s.stop(work, o.err)
			}
			work = probe(work)
		}
	}
	if len(s.suspects) > 0 && !s.core.trusted.Swap(false) {
		return s.stop(nil, s.suspects[0].err)
	}
	s.convict()
	return nil
}

// holdBack leaves out the events of users that have been throttled meanwhile.
func (s *settling) holdBack(part []item) []item {
	if len(s.throttled) == 0 {
		return part
	}
	var rest []item
	for _, it := range part {
		if err := s.throttled[it.key()]; err != nil {
			s.fate(it, ReasonThrottled, err)
		} else {
			rest = append(rest, it)
		}
	}
	return rest
}

func halve(work [][]item, part []item) [][]item {
	half := (len(part) + 1) / 2
	return slices.Insert(work, 0, part[:half], part[half:])
}

// size is the bytes of the events with the commas between them.
func size(part []item) int {
	n := len(part)
	for _, it := range part {
		n += it.to - it.from
	}
	return n
}

// probe puts one event of some part in front. After an event has been refused
// alone, two such probes show whether anything is accepted at all. Which part is
// left to chance, so that bad events at odd places cannot pass for an outage
// every time. No event overtakes another of its user.
func probe(work [][]item) [][]item {
	for _, n := range rand.Perm(len(work)) {
		last := len(work[n]) - 1
		it := work[n][last]
		if last > 0 && holds(work[n][:last], it.key()) || slices.ContainsFunc(work[:n], func(p []item) bool { return holds(p, it.key()) }) {
			continue
		}
		rest := slices.Clone(work)
		if rest[n] = rest[n][:last]; last == 0 {
			rest = slices.Delete(rest, n, n+1)
		}
		return slices.Insert(rest, 0, []item{it})
	}
	return work
}

func holds(part []item, key string) bool {
	return slices.ContainsFunc(part, func(it item) bool { return it.key() == key })
}

func (s *settling) accept(part []item) {
	s.accepted += len(part)
	s.core.ceiling(s.endpoint).raise()
	s.core.trusted.Store(true)
	s.convict()
	s.settleAll(part, "", nil)
}

// convict settles the suspects: others were accepted where they were refused. If
// there are no others, something must have been accepted since the last time: one
// who refuses each event alone could be a firewall as well.
func (s *settling) convict() {
	for _, it := range s.suspects {
		s.fate(it.item, it.reason, it.err)
	}
	s.suspects = nil
}

// stop gives up on what is left.
func (s *settling) stop(work [][]item, err error) error {
	suspects, left := ReasonRefused, ReasonUnsent
	if s.unsure {
		suspects, left = ReasonAmbiguous, ReasonAmbiguous
	}
	for _, it := range s.suspects {
		s.fate(it.item, suspects, it.err)
	}
	s.suspects = nil
	for _, part := range work {
		s.settleAll(part, left, err)
	}
	return err
}

func (s *settling) settleAll(part []item, reason Reason, err error) {
	for _, it := range part {
		s.fate(it, reason, err)
	}
}

// acquit ends the suspicion of a user's events, because a later one has to wait: they
// wait with it, in front of it.
func (s *settling) acquit(key string, err error) {
	s.suspects = slices.DeleteFunc(s.suspects, func(it suspect) bool {
		if it.key() != key {
			return false
		}
		s.fate(it.item, ReasonThrottled, err)
		return true
	})
}

// settleNamed settles the events an answer names and returns the others.
func (s *settling) settleNamed(part []item, o outcome) (rest []item) {
	refusal, _ := errors.AsType[*Error](o.err)
	for i, it := range part {
		if v := o.named[i]; v.reason != "" {
			err := &Error{StatusCode: refusal.StatusCode, Op: refusal.Op, Message: v.message, RetryAfter: refusal.RetryAfter}
			if !v.reason.Permanent() {
				s.acquit(it.key(), err)
			}
			s.fate(it, v.reason, err)
			if v.reason == ReasonThrottled {
				if s.throttled == nil {
					s.throttled = make(map[string]error)
				}
				s.throttled[it.key()] = err
			}
		} else {
			rest = append(rest, it)
		}
	}
	return rest
}

func (s *settling) send(ctx context.Context, b *batch, part []item) outcome {
	resp, err := s.core.rest.Send(ctx, rest.Call{
		Method: http.MethodPost, Base: s.core.ingestion, Path: s.endpoint.path,
		Body:       s.body(b, part),
		Idempotent: true, // each event has an insert_id
		Final:      keyed,
		Private:    func() []string { return private(part) },
	})
	return judge(resp, err, part)
}

// body puts a request together.
//
// Reference: https://amplitude.com/docs/apis/analytics/http-v2
func (s *settling) body(b *batch, part []item) []byte {
	body := append(make([]byte, 0, size(part)+256), `{"api_key":`...)
	body = jsonscan.AppendString(body, s.core.keys.api)
	if s.minIDLength > 0 {
		body = append(body, `,"options":{"min_id_length":`...)
		body = strconv.AppendInt(body, int64(s.minIDLength), 10)
		body = append(body, '}')
	}
	body = append(body, `,"events":[`...)
	for i, it := range part {
		if i > 0 {
			body = append(body, ',')
		}
		body = append(body, b.json[it.from:it.to]...)
	}
	return append(body, `]}`...)
}

// private lists the ids of a request, which no error may repeat.
func private(part []item) []string {
	list := make([]string, 0, 2*len(part))
	for _, it := range part {
		list = append(list, it.user, it.device)
	}
	return list
}

// reasonOf sorts a call without an answer.
func reasonOf(err error) Reason {
	if errors.Is(err, ErrAmbiguous) {
		return ReasonAmbiguous
	}
	return ReasonUnsent
}
