package iteramp

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/iteramp/iteramp/amplitude"
	"github.com/iteramp/iteramp/iterable/webhook"
	"github.com/iteramp/iteramp/mapping"
)

const (
	maxInHand   = 20_000          // events of one route
	maxHeld     = 32 << 20        // bytes of their webhooks
	maxThrottle = 5 * time.Minute // that a throttled user's events keep their frames open
	sendDelay   = 250 * time.Millisecond
	extendEvery = 20 * time.Second
	grace       = 10 * time.Second // for uploads under way when Run's context has ended
	maxBurials  = 16               // letters written at a time
	callTimeout = 5 * time.Second  // of what is said to the queue about a frame
)

var errGivenUp = errors.New("iteramp: given up before, and in the dead letter")

// courier delivers the frames of one route. Its Uploader keeps each user's order,
// holds throttled users apart and waits out what is not an event's fault, so a
// frame goes back to the queue only when Run ends.
type courier struct {
	relay *Relay
	rt    *route
	up    *amplitude.Uploader
	ctx   context.Context // outlives Run's by the grace
	abort context.CancelFunc

	burials chan struct{}
	wg      sync.WaitGroup // of burials and of the extending

	mu      sync.Mutex
	open    map[*openFrame]struct{}
	held    int
	freed   chan struct{} // closed when a frame is closed; nil if nobody waits
	closing bool
}

// openFrame is a frame with webhooks that are not settled.
type openFrame struct {
	delivery Delivery
	parcels  []parcel
	bytes    int // held in memory
	left     int // parcels not settled
	returned bool
}

// parcel is one webhook of a frame on its way. Its fate is that of its worst event.
type parcel struct {
	frame    *openFrame
	body     []byte
	received time.Time
	attempts int
	events   int // not settled
	settled  bool
	returned bool // one of them was
	outcome  RelayOutcome
}

func newCourier(ctx context.Context, r *Relay, rt *route) (*courier, error) {
	c := &courier{relay: r, rt: rt, burials: make(chan struct{}, maxBurials), open: make(map[*openFrame]struct{})}
	var err error
	c.up, err = amplitude.NewUploader(rt.client, amplitude.UploaderConfig{
		MaxEvents: maxInHand, MaxDelay: sendDelay, MinIDLength: 1, MaxThrottle: maxThrottle, OnResult: c.result,
	})
	c.ctx, c.abort = context.WithCancel(context.WithoutCancel(ctx))
	return c, err
}

// run takes frames until ctx ends, and returns when none is in hand.
func (c *courier) run(ctx context.Context) {
	defer c.abort()
	over := make(chan struct{})
	var extending sync.WaitGroup
	extending.Go(func() { c.extend(over) })
	for c.waitForRoom(ctx) {
		if d := c.take(ctx); d != nil {
			c.unpack(ctx, d)
		}
	}
	c.mu.Lock()
	c.closing = true
	c.mu.Unlock()
	end := time.AfterFunc(grace, c.abort)
	defer end.Stop()
	_ = c.up.Close(c.ctx) // what is left then comes back through result
	c.wg.Wait()
	close(over)
	extending.Wait()
}

// take returns nil when ctx ends. Failures of the queue are waited out.
func (c *courier) take(ctx context.Context) Delivery {
	for failures := 0; ; failures++ {
		d, err := c.rt.queue.Take(ctx, c.rt.name)
		switch {
		case err == nil && failures > 0:
			c.log(slog.LevelInfo, "the queue gives frames again")
			return d
		case err == nil:
			return d
		case ctx.Err() != nil:
			return nil
		case failures == 0:
			c.log(slog.LevelError, "the queue gives no frames", slog.Any("error", err))
		}
		_ = pause(ctx, min(time.Second<<min(failures, 4), 10*time.Second))
	}
}

func (c *courier) log(level slog.Level, text string, attrs ...slog.Attr) {
	attrs = append([]slog.Attr{slog.String("route", c.rt.name)}, attrs...)
	c.rt.log.LogAttrs(c.ctx, level, text, attrs...)
}

// unpack sends the webhooks of a frame on their way. One that cannot be taken
// apart is a dead letter as a whole.
func (c *courier) unpack(ctx context.Context, d Delivery) {
	f := &openFrame{delivery: d}
	frame := d.Frame()
	records, err := readFrame(frame)
	if err != nil {
		records = []record{{received: time.Now(), body: frame}}
	}
	f.left, f.bytes, f.parcels = len(records), len(frame), make([]parcel, len(records))
	for i, rec := range records {
		f.parcels[i] = parcel{frame: f, body: rec.body, received: rec.received, outcome: RelayOutcome{Route: c.rt.name, Secret: rec.secret}}
	}
	c.mu.Lock()
	c.open[f] = struct{}{}
	c.held += f.bytes
	c.mu.Unlock()
	if err != nil {
		p := &f.parcels[0]
		p.outcome.InsertID = hashID("frame", frame)
		c.refuse(p, ReasonFrame, err)
		return
	}
	for i := range f.parcels {
		c.send(ctx, &f.parcels[i], d.Taken() > 1)
	}
}

// send maps a webhook and hands its events to the Uploader. again says that an
// attempt before this one may have died half done.
func (c *courier) send(ctx context.Context, p *parcel, again bool) {
	events, reason, err := c.mapped(p)
	switch {
	case reason != "":
		c.refuse(p, reason, err)
		return
	case err != nil: // skipped: the rules have changed since
		p.outcome.Fate, p.outcome.Reason, p.outcome.Err = Skipped, string(err.(mapping.Skip)), err
		c.conclude(p)
		return
	}
	p.outcome.InsertID = events[0].InsertID
	p.outcome.Fate = Delivered
	origin := amplitude.Origin{Tag: p}
	if again {
		if l, ok := c.letterOf(ctx, p); ok {
			p.outcome.InsertID = l.ID
			p.outcome.Fate, p.outcome.Reason, p.outcome.Err = Refused, l.Reason, errGivenUp
			c.conclude(p)
			return
		}
		origin.SentSince = p.received
	}
	p.events = len(events)
	for _, e := range events {
		if err := c.up.AddFrom(ctx, e, origin); err != nil {
			res := amplitude.Result{Tag: p, Reason: amplitude.ReasonInvalid, Err: err}
			if ctx.Err() != nil {
				res.Reason = amplitude.ReasonUnsent
			}
			c.result(res)
		}
	}
}

// letterOf returns the letter that an attempt before this one wrote. Its webhook is
// not sent again: it would be in two places. A letter that cannot be looked up does
// not hold up delivery.
func (c *courier) letterOf(ctx context.Context, p *parcel) (l Letter, ok bool) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	ids := []string{p.outcome.InsertID, hashID("webhook", p.body)} // the other if its rules panicked then
	for _, id := range ids {
		if l, err := c.relay.cfg.DeadLetter.Get(ctx, c.rt.name, id); err == nil {
			return l, true
		}
	}
	return Letter{}, false
}

// mapped returns a webhook's events; or the reason it can never have any, with an
// error; or a Skip and no reason.
func (c *courier) mapped(p *parcel) (events []amplitude.Event, reason string, err error) {
	e, err := webhook.Parse(p.body)
	if err != nil {
		p.outcome.InsertID = hashID("webhook", p.body)
		return nil, ReasonUnreadable, err
	}
	p.outcome.Name = e.Name
	defer func() {
		if c.relay.recovered(c.ctx, recover()) {
			p.outcome.InsertID = hashID("webhook", p.body)
			events, reason, err = nil, ReasonPanic, errPanic
		}
	}()
	events, err = c.rt.mapped(e, p.received)
	return events, "", err
}

// result is told by the Uploader what became of an event.
func (c *courier) result(res amplitude.Result) {
	p := res.Tag.(*parcel)
	reason, final := reasonOf(res)
	c.mu.Lock()
	switch closing := c.closing; {
	case res.Reason == "":
	case final && !(closing && !res.Reason.Permanent() && reason != ReasonDedupWindow):
		p.outcome.Fate, p.outcome.Reason, p.outcome.Err = Refused, reason, res.Err
	default:
		p.returned = true
	}
	p.attempts = max(p.attempts, res.Attempts)
	p.events--
	settled := p.events == 0
	c.mu.Unlock()
	switch {
	case !settled:
	case p.returned:
		c.close(p, true)
	case p.outcome.Fate == Refused:
		c.bury(p)
	default:
		c.conclude(p)
	}
}

// reasonOf is the reason of a letter, if the event is given up.
func reasonOf(res amplitude.Result) (reason string, final bool) {
	switch {
	case errors.Is(res.Err, amplitude.ErrDedupWindow):
		return ReasonDedupWindow, true
	case res.Reason.Permanent(), res.Reason == amplitude.ReasonThrottled, res.Reason == amplitude.ReasonQuota:
		return string(res.Reason), true
	}
	return "", false
}

func (c *courier) refuse(p *parcel, reason string, err error) {
	p.outcome.Fate, p.outcome.Reason, p.outcome.Err = Refused, reason, err
	c.bury(p)
}

// bury stores a letter and settles its webhook then, not before. The Uploader goes
// on meanwhile, unless very many are under way.
func (c *courier) bury(p *parcel) {
	c.burials <- struct{}{}
	c.wg.Go(func() {
		defer func() { <-c.burials }()
		c.mu.Lock()
		body := p.body
		c.mu.Unlock()
		l := newLetter(p.outcome, p.attempts, p.received, body)
		for failures := 0; ; failures++ {
			err := c.relay.cfg.DeadLetter.Put(c.ctx, l)
			if err == nil {
				c.conclude(p)
				return
			}
			if c.ctx.Err() != nil {
				c.close(p, true)
				return
			}
			if failures == 0 {
				c.log(slog.LevelError, "a dead letter cannot be stored", slog.Any("error", err))
			}
			_ = pause(c.ctx, min(time.Second<<min(failures, 4), 10*time.Second))
		}
	})
}

// conclude tells of a webhook that is settled, and closes it.
func (c *courier) conclude(p *parcel) {
	p.outcome.Took = time.Since(p.received)
	c.relay.conclude(c.ctx, p.outcome)
	c.close(p, false)
}

// close ends a webhook's way, and its frame's if it was the last one: the frame is
// done, or goes back if one of them does.
func (c *courier) close(p *parcel, returned bool) {
	f := p.frame
	c.mu.Lock()
	p.settled, p.body = true, nil
	f.returned = f.returned || returned
	f.left--
	last := f.left == 0
	if last {
		delete(c.open, f)
		c.held -= f.bytes
		if c.freed != nil {
			close(c.freed)
			c.freed = nil
		}
	}
	c.mu.Unlock()
	if !last {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.ctx), callTimeout)
	defer cancel()
	end := f.delivery.Done
	if f.returned {
		end = func(ctx context.Context) error { return f.delivery.Retry(ctx, 0) }
	}
	if err := end(ctx); err != nil { // it comes again, and Amplitude recognises what it had
		c.log(slog.LevelWarn, "the queue was not told of a frame's end", slog.Any("error", err))
	}
}

// waitForRoom returns when there is room in memory for one more frame. false says
// that ctx has ended.
func (c *courier) waitForRoom(ctx context.Context) bool {
	for {
		freed := c.full()
		if freed == nil {
			return ctx.Err() == nil
		}
		select {
		case <-freed:
		case <-ctx.Done():
			return false
		}
	}
}

// full returns nil if there is room, else what to wait for. It first lets go of
// frames of which little is left: a throttled user's webhook would keep all that
// came with it.
func (c *courier) full() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.held > maxHeld {
		for f := range c.open {
			c.held -= f.compact()
		}
	}
	if c.held <= maxHeld {
		return nil
	}
	if c.freed == nil {
		c.freed = make(chan struct{})
	}
	return c.freed
}

// compact copies what is left of a frame, if that is less than half of it, and
// returns how many bytes it let go.
func (f *openFrame) compact() (freed int) {
	left := 0
	for i := range f.parcels {
		left += len(f.parcels[i].body)
	}
	if left > f.bytes/2 {
		return 0
	}
	for i := range f.parcels {
		if p := &f.parcels[i]; !p.settled {
			p.body = append(make([]byte, 0, len(p.body)), p.body...)
		}
	}
	freed, f.bytes = f.bytes-left, left
	return freed
}

// extend keeps the frames in hand from being handed out again.
func (c *courier) extend(over <-chan struct{}) {
	t := time.NewTicker(extendEvery)
	defer t.Stop()
	for {
		select {
		case <-over:
			return
		case <-t.C:
		}
		for _, f := range c.inHand() {
			if err := f.delivery.Extend(c.ctx); err != nil {
				c.log(slog.LevelWarn, "the queue was not told that frames are being worked on", slog.Any("error", err))
				break
			}
		}
	}
}

func (c *courier) inHand() []*openFrame {
	c.mu.Lock()
	defer c.mu.Unlock()
	list := make([]*openFrame, 0, len(c.open))
	for f := range c.open {
		list = append(list, f)
	}
	return list
}
