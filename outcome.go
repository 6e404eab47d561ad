package iteramp

import (
	"maps"
	"sync"
	"time"

	"github.com/iteramp/iteramp/iterable/webhook"
	"github.com/iteramp/iteramp/mapping"
)

// Fate is what became of a record. The set is fixed, fit for a label.
type Fate string

// The fates of a webhook.
const (
	// Delivered is accepted by Amplitude, now or as a repeat of what it had.
	Delivered Fate = "delivered"
	// Skipped is not sent on purpose, by the rules.
	Skipped Fate = "skipped"
	// Refused is refused by Amplitude for good, or given up: in the DeadLetter, if
	// there is one. It is answered 200.
	Refused Fate = "refused"
	// Failed was answered 503: its sender may send it again.
	Failed Fate = "failed"
)

// RelayOutcome is what became of one webhook. Route, Fate and Reason are fit for
// labels. Name is what the sender wrote, any text: see [webhook.Name.Known].
type RelayOutcome struct {
	Route    string // its Name, "default" if it has none
	Name     webhook.Name
	InsertID string // "" if it was skipped
	Fate     Fate
	// Reason is "" if it was delivered, a [mapping.Skip] if it was skipped, else
	// an [amplitude.Reason]; "closed" while the relay waits for Amplitude, or for
	// the queue, to come back; "queue_full", "too_large" or "queue" if it could not
	// be stored; "dead_letter" if that could not; or one of the Reasons of a [Letter].
	Reason string
	Err    error         // nil if it was delivered; the [mapping.Skip] if it was skipped
	Took   time.Duration // from the request's arrival, reading it included; of one that was queued, to its delivery
	// Secret is the index in [Route.Secrets] of the one that came with it: with
	// the new one first, a rotation is over when only 0 is seen.
	Secret int
}

// RelayStats are counts since the Relay was made. The four fates count webhooks,
// Answers all requests, those that were no webhook included.
type RelayStats struct {
	Answers   map[int]int64 // by HTTP status
	Accepted  int64         // stored in the queue; their fates follow
	Delivered int64
	Failed    int64 // answered 503, but for those that were not read
	Skipped   map[mapping.Skip]int64
	Refused   map[string]int64 // by [RelayOutcome.Reason]
	Running   bool             // Run is under way in this process
}

// stats counts behind a mutex, which costs next to nothing beside a request.
type stats struct {
	mu sync.Mutex
	s  RelayStats
}

func (c *stats) answered(status int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.s.Answers == nil {
		c.s.Answers = make(map[int]int64)
	}
	c.s.Answers[status]++
}

func (c *stats) accepted() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.s.Accepted++
}

func (c *stats) settled(o RelayOutcome) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch o.Fate {
	case Delivered:
		c.s.Delivered++
	case Failed:
		c.s.Failed++
	case Skipped:
		if c.s.Skipped == nil {
			c.s.Skipped = make(map[mapping.Skip]int64)
		}
		c.s.Skipped[mapping.Skip(o.Reason)]++
	case Refused:
		if c.s.Refused == nil {
			c.s.Refused = make(map[string]int64)
		}
		c.s.Refused[o.Reason]++
	}
}

func (c *stats) snapshot() RelayStats {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.s
	s.Answers, s.Skipped, s.Refused = maps.Clone(s.Answers), maps.Clone(s.Skipped), maps.Clone(s.Refused)
	return s
}
