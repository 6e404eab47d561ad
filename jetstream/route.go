package jetstream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

const (
	maxBatch     = 8       // frames asked for at a time
	maxBatchSize = 4 << 20 // bytes of them
	pullFor      = 5 * time.Second
	heartbeat    = time.Second            // of a pull that waits
	silence      = 5 * heartbeat / 2      // until a pull is taken for lost, with the server that had it
	pullAgain    = 500 * time.Millisecond // after the server refused
	keepAsking   = 30 * time.Second       // until what nobody takes is given back
)

// errGone says that the route was given up while somebody waited.
var errGone = errors.New("jetstream: the queue was opened anew")

// route is one route's place in an engine. It asks for a few frames at a time and
// hands them out one by one.
type route struct {
	engine  *engine
	name    string
	stream  string
	subject string
	stored  once // the stream is there
	consume once // and the consumer, and our subscription

	gone chan struct{} // closed when it is no longer used

	mu      sync.Mutex
	over    bool
	sub     *nats.Subscription
	inbox   string
	buffer  []*delivery            // from the server, for nobody yet
	open    map[*delivery]struct{} // taken and not settled
	changed chan struct{}          // closed when there is news; nil if nobody waits
	pin     string                 // by which the server knows that we are the one who delivers
	pull    int                    // number of the latest
	left    int                    // frames that it may still bring; 0 or less: it is over
	batch   int                    // frames that it asked for
	ends    time.Time              // when the server ends it
	until   time.Time              // when it is over if nothing is heard; a pause if it is over
	single  bool                   // the next asks for one frame of any size
	asked   time.Time              // when somebody last took or waited
	seen    uint64                 // sequence of the last frame that came for the first time
	skipped []span                 // that did not come
	floor   uint64                 // of the consumer, when it was last looked at
}

func newRoute(e *engine, name string) *route {
	return &route{engine: e, name: name, stream: routePrefix + name, subject: routeSubject + name, gone: make(chan struct{}), open: make(map[*delivery]struct{})}
}

// startAt says which frame the consumer is at.
func (r *route) startAt(seq uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seen = seq
}

// end gives the route up.
func (r *route) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.over {
		return
	}
	r.over = true
	close(r.gone)
	if r.sub != nil {
		_ = r.sub.Unsubscribe()
	}
}

// take waits for a frame. It fails with errGone when the route is given up.
func (r *route) take(ctx, closing context.Context, prepare func(context.Context) error) (*delivery, error) {
	for {
		if err := prepare(ctx); err != nil {
			return nil, err
		}
		d, changed, wait, err := r.next()
		if d != nil || err != nil {
			return d, err
		}
		t := time.NewTimer(wait)
		select {
		case <-changed:
		case <-t.C:
		case <-ctx.Done():
			err = ctx.Err()
		case <-closing.Done():
			err = errGone
		case <-r.gone:
			err = errGone
		}
		t.Stop()
		if err != nil {
			return nil, err
		}
	}
}

// prepareToTake makes sure of the consumer, and subscribes to what it sends us.
func (s *Store) prepareToTake(ctx context.Context, r *route) error {
	if err := s.prepare(ctx, r); err != nil {
		return err
	}
	return r.consume.do(ctx, func(ctx context.Context) error {
		if err := r.engine.ensureConsumer(ctx, r.stream); err != nil {
			return err
		}
		return r.subscribe()
	})
}

// prepare makes sure of the stream, and that it is whole.
func (s *Store) prepare(ctx context.Context, r *route) error {
	return r.stored.do(ctx, func(ctx context.Context) error {
		if err := r.engine.ensureStream(ctx, s.set.routeStream(r.name)); err != nil {
			return err
		}
		return s.check(ctx, r)
	})
}

func (r *route) subscribe() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.inbox != "" {
		return nil
	}
	inbox := r.engine.nc.NewInbox()
	sub, err := r.engine.nc.Subscribe(inbox+".*", r.receive)
	if err != nil {
		return fmt.Errorf("jetstream: subscribing: %w", err)
	}
	r.inbox, r.sub = inbox, sub
	return nil
}

// next returns a frame of the buffer, or what to wait for and how long, having
// asked the server for more unless that is under way.
func (r *route) next() (d *delivery, changed <-chan struct{}, wait time.Duration, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.over {
		return nil, nil, 0, errGone
	}
	now := time.Now()
	r.asked = now
	if len(r.buffer) > 0 {
		d = r.buffer[0]
		r.buffer[0] = nil
		r.buffer = r.buffer[1:]
		r.open[d] = struct{}{}
		return d, nil, 0, nil
	}
	if now.After(r.until) {
		r.left = 0
	}
	if r.left <= 0 && !now.Before(r.until) {
		if err := r.ask(now); err != nil {
			return nil, nil, 0, err
		}
	}
	if r.changed == nil {
		r.changed = make(chan struct{})
	}
	return nil, r.changed, r.until.Sub(now) + time.Millisecond, nil
}

// pullRequest is what a consumer is asked with.
type pullRequest struct {
	Expires   time.Duration `json:"expires"`
	Heartbeat time.Duration `json:"idle_heartbeat,omitempty"`
	Batch     int           `json:"batch"`
	MaxBytes  int           `json:"max_bytes,omitempty"`
	Group     string        `json:"group"`
	Pin       string        `json:"id,omitempty"`
}

// ask asks for the next frames. r.mu is held.
func (r *route) ask(now time.Time) error {
	req := pullRequest{Expires: pullFor, Heartbeat: heartbeat, Batch: maxBatch, MaxBytes: maxBatchSize, Group: group, Pin: r.pin}
	if r.single {
		req.Batch, req.MaxBytes, r.single = 1, 0, false
	}
	r.pull++
	if err := r.request(r.inbox+"."+strconv.Itoa(r.pull), req); err != nil {
		return err
	}
	r.left, r.batch, r.ends = req.Batch, req.Batch, now.Add(req.Expires+time.Second)
	r.heard(now)
	return nil
}

// heard notes that the latest pull is alive. r.mu is held.
func (r *route) heard(now time.Time) {
	r.until = now.Add(silence)
	if r.ends.Before(r.until) {
		r.until = r.ends
	}
}

func (r *route) request(reply string, req pullRequest) error {
	body, err := json.Marshal(req)
	if err == nil {
		err = r.engine.nc.PublishRequest("$JS.API.CONSUMER.MSG.NEXT."+r.stream+"."+consumerName, reply, body)
	}
	if err != nil {
		return fmt.Errorf("jetstream: asking for frames: %w", err)
	}
	return nil
}

// receive is called with each message of our subscription.
func (r *route) receive(m *nats.Msg) {
	if status := m.Header.Get("Status"); status != "" && len(m.Data) == 0 {
		r.refused(m, status, strings.ToLower(m.Header.Get("Description")))
		return
	}
	d, err := newDelivery(r, m)
	if err != nil {
		return // not from a consumer
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if pin := m.Header.Get("Nats-Pin-Id"); pin != "" {
		r.pin = pin
	}
	r.buffer = append(r.buffer, d)
	if d.taken == 1 && d.seq > r.seen {
		if d.seq > r.seen+1 {
			r.skipped = append(r.skipped, span{r.seen + 1, d.seq - 1})
		}
		r.seen = d.seq
	}
	r.came(1)
	r.wake()
}

// came takes frames off what the latest pull may still bring. r.mu is held.
func (r *route) came(n int) {
	if r.left <= 0 {
		return
	}
	r.heard(time.Now())
	if r.left -= n; r.left <= 0 {
		r.until = time.Time{}
	}
}

// refused ends a pull: its time was up, or something is the matter. The frames that
// it has brought may arrive after that.
func (r *route) refused(m *nats.Msg, status, why string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if status == "423" { // somebody else has taken our place
		r.pin = ""
	}
	if m.Subject != r.inbox+"."+strconv.Itoa(r.pull) { // of an earlier one, or to keep the pin
		return
	}
	switch {
	case status == "100":
		r.heard(time.Now())
	case status == "423":
		r.came(r.left)
	case status == "408", status == "409" && strings.Contains(why, "batch completed"):
		r.came(pending(m, r.left))
	case status == "409" && strings.Contains(why, "exceeds maxbytes"):
		r.single = pending(m, 0) == r.batch // not even the first one
		r.came(pending(m, r.left))
	default: // no leader, no consumer, no stream, too many ask
		r.left, r.until = 0, time.Now().Add(pullAgain)
		r.stored.again()
		r.consume.again()
	}
	r.wake()
}

// pending is how many frames a pull that has ended did not bring.
func pending(m *nats.Msg, otherwise int) int {
	n, err := strconv.Atoi(m.Header.Get("Nats-Pending-Messages"))
	if err != nil {
		return otherwise
	}
	return n
}

// wake tells those who wait. r.mu is held.
func (r *route) wake() {
	if r.changed != nil {
		close(r.changed)
		r.changed = nil
	}
}

func (r *route) pinned() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.pin
}

// held is how many frames this process has.
func (r *route) held() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.open) + len(r.buffer)
}

func (r *route) settled(d *delivery) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.open, d)
}

// keep keeps the buffered frames ours, and the pin, while this process works on the
// route. If it seems to have stopped, the frames are given back.
func (r *route) keep(now time.Time) {
	r.mu.Lock()
	for d := range r.open {
		if d.silent(now.Add(-r.engine.set.ackWait)) {
			delete(r.open, d) // its taker has forgotten it
		}
	}
	idle := len(r.open) == 0 && now.Sub(r.asked) > keepAsking
	buffer, pin, inbox := append([]*delivery(nil), r.buffer...), r.pin, r.inbox
	r.mu.Unlock()
	switch {
	case inbox == "":
	case idle:
		r.giveBack()
	default:
		for _, d := range buffer {
			_ = d.Extend(context.Background())
		}
		r.keepPin(inbox, pin)
	}
}

// keepPin tells the server that the one it has pinned is alive: a pull does that
// when it arrives, and this one asks for frames of one byte, so that it brings none.
func (r *route) keepPin(inbox, pin string) {
	if pin == "" {
		return
	}
	_ = r.request(inbox+".0", pullRequest{Expires: time.Millisecond, Batch: 1, MaxBytes: 1, Group: group, Pin: pin})
}

// giveBack gives what nobody has taken to whoever comes next.
func (r *route) giveBack() {
	r.mu.Lock()
	buffer := r.buffer
	r.buffer = nil
	r.mu.Unlock()
	for _, d := range buffer {
		_ = d.Retry(context.Background(), 0)
	}
}
