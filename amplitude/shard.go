package amplitude

import (
	"cmp"
	"context"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/iteramp/iteramp/internal/rest"
)

// shard sends the events of its users, one request after another. It fills one
// buffer while it sends from the other.
type shard struct {
	u    *Uploader
	wake chan struct{}

	mu     sync.Mutex
	in     *buffer
	since  time.Time // when the first event came in
	hasten bool      // a Flush waits
	gone   bool      // the worker has ended

	// The worker's own:
	lanes   map[string]*lane // of throttled users, by key
	epoch   int
	settled int // events of the epoch that are settled and still counted as held
}

// buffer holds encoded events in their order. What the way to Amplitude needs of
// an event lies apart from the event itself, which is large, and is kept only to
// be handed back to OnResult.
type buffer struct {
	json   []byte
	items  []item
	states []state
	events []Event // those to be handed back
	lane   bool    // of a throttled user
}

type state struct {
	epoch     int
	event     int // its number in the buffer's events, from 1; 0 if it is not handed back
	attempts  int
	settled   bool
	tag       any
	reason    Reason    // of the last attempt
	ambiguous time.Time // of the first attempt that may have stored it
	parked    time.Time // when its user was first found to be throttled
}

func (st *state) mayBeStored() bool { return !st.ambiguous.IsZero() }

func (b *buffer) add(json []byte, it item, st state) {
	it.index, it.from = len(b.items), len(b.json)
	b.json = append(b.json, json...)
	it.to = len(b.json)
	b.items = append(b.items, it)
	b.states = append(b.states, st)
}

func (b *buffer) reset() {
	if cap(b.json) > maxSpare {
		*b = buffer{}
		return
	}
	clear(b.items) // lets go of the caller's strings, properties and tags
	clear(b.states)
	clear(b.events)
	b.json, b.items, b.states, b.events = b.json[:0], b.items[:0], b.states[:0], b.events[:0]
}

// lane holds the events of a throttled user until the user's pause is over. It
// sends in portions, smaller ones each time it is throttled again: a whole
// backlog at once would be too fast for ever.
type lane struct {
	buffer
	due     time.Time
	portion int
	err     error // that of the last throttling
}

const (
	firstPortion = 256
	maxSpare     = 4 << 20 // a buffer that has grown larger is not kept
)

// dedupWindow is how long Amplitude recognises a repeat, less a margin.
const dedupWindow = 6*24*time.Hour + 12*time.Hour

func newShard(u *Uploader) *shard {
	return &shard{u: u, wake: make(chan struct{}, 1), in: new(buffer), lanes: make(map[string]*lane)}
}

// settle is the end of an event. Room is given back for many at a time.
func (s *shard) settle(b *buffer, it item, reason Reason, err error) {
	st := &b.states[it.index]
	st.settled = true
	if s.u.cfg.OnResult != nil {
		res := Result{Tag: st.tag, Reason: reason, Err: err, Attempts: st.attempts}
		if st.event > 0 {
			res.Event = b.events[st.event-1]
		}
		s.u.cfg.OnResult(res)
	} else if err != nil {
		s.u.logLoss(reason, err)
	}
	if st.epoch != s.epoch {
		s.release()
		s.epoch = st.epoch
	}
	s.settled++
}

func (s *shard) release() {
	if s.settled > 0 {
		s.u.leave(s.epoch, s.settled)
		s.settled = 0
	}
}

// put stores an event, unless the worker has ended meanwhile.
func (s *shard) put(e *Event, json []byte, o Origin, epoch int) (ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gone {
		return false
	}
	st := state{epoch: epoch, tag: o.Tag, ambiguous: o.SentSince}
	if s.u.cfg.OnResult != nil && o.Tag == nil {
		s.in.events = append(s.in.events, *e)
		st.event = len(s.in.events)
	}
	s.in.add(json, item{user: e.UserID, device: e.DeviceID}, st)
	if len(s.in.items) == 1 {
		s.since = time.Now()
	}
	if len(s.in.items) == 1 || s.in.full(s.u.endpoint) {
		s.signal()
	}
	return true
}

func (b *buffer) full(ep endpoint) bool {
	return len(b.items) >= maxEvents || len(b.json)+len(b.items) >= ep.room()
}

func (s *shard) signal() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

func (s *shard) hurry() {
	s.mu.Lock()
	s.hasten = true
	s.mu.Unlock()
	s.signal()
}

// run is the shard's worker. It ends when the Uploader is closed and, unless
// Close ran out of time, everything is settled.
func (s *shard) run() {
	out := new(buffer)
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		out = s.swap(out)
		if len(out.items) > 0 {
			s.deliver(out, out.items)
			out.reset()
		}
		s.sendLanes()
		if s.u.ctx.Err() != nil && s.leave() {
			return
		}
		timer.Reset(s.idle())
		select {
		case <-s.wake:
		case <-timer.C:
		case <-s.u.ctx.Done():
		}
	}
}

// swap takes what has come in if it is time to send it.
func (s *shard) swap(empty *buffer) *buffer {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.in.items) == 0 {
		s.hasten = false
		return empty
	}
	ready := s.hasten || s.in.full(s.u.endpoint) || s.u.isClosed() || time.Since(s.since) >= s.u.cfg.MaxDelay
	if !ready {
		return empty
	}
	s.hasten = false
	out := s.in
	s.in = empty
	return out
}

// leave ends the worker if there is nothing left for it.
func (s *shard) leave() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gone = len(s.in.items) == 0 && len(s.lanes) == 0
	return s.gone
}

// idle is the time until there may be something to do.
func (s *shard) idle() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := time.Hour
	if len(s.in.items) > 0 {
		next = s.u.cfg.MaxDelay - time.Since(s.since)
	}
	for _, l := range s.lanes {
		next = min(next, time.Until(l.due))
	}
	return max(0, next)
}

// deliver settles events of a buffer in requests of the endpoint's size, or
// moves them to a lane.
func (s *shard) deliver(b *buffer, items []item) {
	s.insist(b, slices.DeleteFunc(items, func(it item) bool { return s.park(b, it) }))
	s.release()
}

// fit counts the events that go into one request.
func fit(items []item, room int) int {
	bytes := 0
	for i, it := range items {
		bytes += it.to - it.from + 1
		if i == maxEvents || i > 0 && bytes > room {
			return i
		}
	}
	return len(items)
}

// overtakes takes an event out of a request whose user has been throttled since
// it was cut: it stays in the user's lane, or goes there.
func (s *shard) overtakes(b *buffer, it item) bool {
	l := s.lanes[it.key()]
	if l != nil && b == &l.buffer {
		return time.Until(l.due) > 0
	}
	return s.park(b, it)
}

// park moves the event of a throttled user to the user's lane.
func (s *shard) park(b *buffer, it item) bool {
	l := s.lanes[it.key()]
	if l == nil {
		return false
	}
	s.enter(l, b, it)
	return true
}

// enter adds an event to a lane, or gives it up if the lane, or all lanes
// together, hold as many as they may. One that may be stored is always held:
// whoever keeps what is given up would have it beside Amplitude.
func (s *shard) enter(l *lane, b *buffer, it item) {
	st := &b.states[it.index]
	must := st.mayBeStored()
	if !must && len(l.items) >= max(1, s.u.cfg.MaxEvents/4) || !s.u.park(must) {
		s.settle(b, it, ReasonThrottled, l.err)
		return
	}
	st.reason, st.parked = ReasonThrottled, time.Now()
	l.copy(b, it)
}

// copy adds an event of another buffer.
func (b *buffer) copy(from *buffer, it item) {
	st := from.states[it.index]
	if st.event > 0 {
		b.events = append(b.events, from.events[st.event-1])
		st.event = len(b.events)
	}
	b.add(from.json[it.from:it.to], it, st)
}

// insist sends events until each is settled or throttled. What failed as a
// whole is sent again when the gate lets it pass.
//
// While the gate is closed a single event is sent, of any user: were it always the
// first one, a few that are refused alone, whom nobody believes before another is
// accepted, could hold up all others for ever. For the same reason those that have
// come in meanwhile join, and a lane makes one try: left says that it failed.
func (s *shard) insist(b *buffer, items []item) (left bool) {
	items = slices.Clone(items) // the buffer's own keep their order
	for len(items) > 0 {
		probe, err := s.u.core.gate.Pass(s.u.ctx)
		if err != nil {
			s.giveUp(b, items, err)
			return false
		}
		if probe {
			items = slices.DeleteFunc(s.absorb(b, items), func(it item) bool { return s.overtakes(b, it) })
		}
		if items = slices.DeleteFunc(items, func(it item) bool { return s.expired(b, it) }); len(items) == 0 {
			return false
		}
		ctx, n := s.u.ctx, fit(items, s.u.endpoint.room())
		if probe { // one event, so that nothing is halved while everything is refused
			ctx, n = rest.WithAttempts(ctx, 1), 1
			anyFirst(items)
		}
		again := s.send(ctx, b, items[:n])
		failed := len(again) > 0
		items = append(again, items[n:]...)
		items = slices.DeleteFunc(items, func(it item) bool { return s.overtakes(b, it) })
		s.release()
		if b.lane && failed {
			return true
		}
	}
	return false
}

// absorb adds what has come in to a buffer that is being sent, unless that is a
// lane.
func (s *shard) absorb(b *buffer, items []item) []item {
	s.mu.Lock()
	defer s.mu.Unlock()
	if b.lane || len(s.in.items) == 0 {
		return items
	}
	for _, it := range s.in.items {
		b.copy(s.in, it)
		items = append(items, b.items[len(b.items)-1])
	}
	s.in.reset()
	return items
}

// anyFirst puts the first event of some user in front.
func anyFirst(items []item) {
	i := rand.IntN(len(items))
	i = slices.IndexFunc(items, func(it item) bool { return it.key() == items[i].key() })
	it := items[i]
	copy(items[1:i+1], items[:i])
	items[0] = it
}

// expired settles an event that may be stored, too long ago for Amplitude to
// recognise it if it came again. The wait for the gate may have been that long.
func (s *shard) expired(b *buffer, it item) bool {
	st := &b.states[it.index]
	if !st.mayBeStored() || time.Since(st.ambiguous) <= dedupWindow {
		return false
	}
	s.settle(b, it, ReasonAmbiguous, ErrDedupWindow)
	return true
}

// send makes one pass and returns what it left unsettled, in order.
func (s *shard) send(ctx context.Context, b *buffer, items []item) (again []item) {
	settling := settling{core: s.u.core, endpoint: s.u.endpoint, minIDLength: s.u.cfg.MinIDLength}
	settling.fate = func(it item, r Reason, err error) {
		st := &b.states[it.index]
		if (r == ReasonAmbiguous || settling.unsure) && !st.mayBeStored() {
			st.ambiguous = time.Now()
		}
		switch {
		case r == "" || r.Permanent() || r == ReasonQuota && !st.mayBeStored():
			s.settle(b, it, r, err)
		case r == ReasonThrottled, r == ReasonQuota:
			s.throttle(b, it, err)
		default:
			st.reason = r
			again = append(again, it)
		}
	}
	for _, it := range items {
		b.states[it.index].attempts++
	}
	err := settling.run(ctx, &batch{b.json, items})
	if err == nil {
		if s.u.core.gate.Open() {
			s.log(slog.LevelInfo, "amplitude accepts events again")
		}
		return nil
	}
	slices.SortFunc(again, func(a, b item) int { return a.index - b.index })
	if s.u.ctx.Err() != nil {
		s.giveUp(b, again, err)
		return nil
	}
	if s.u.core.gate.Close(pauseOf(err)) {
		s.log(slog.LevelWarn, "amplitude fails, events wait", slog.Any("error", err))
	}
	return again
}

func (s *shard) log(level slog.Level, text string, attrs ...slog.Attr) {
	if l := s.u.core.rest.Log; l != nil {
		l.LogAttrs(s.u.ctx, level, text, attrs...)
	}
}

// throttle opens the lane of a user, or makes its portions smaller.
func (s *shard) throttle(b *buffer, it item, err error) {
	l := s.lanes[it.key()]
	if l == nil {
		l = &lane{buffer: buffer{lane: true}, portion: firstPortion}
		s.lanes[it.key()] = l
	}
	l.err = err
	l.due = time.Now().Add(throttlePause)
	if b != &l.buffer {
		s.enter(l, b, it)
	}
}

// giveUp hands events back as they stand.
func (s *shard) giveUp(b *buffer, items []item, err error) {
	for _, it := range items {
		reason := cmp.Or(b.states[it.index].reason, ReasonUnsent)
		if b.states[it.index].mayBeStored() {
			reason = ReasonAmbiguous
		}
		s.settle(b, it, reason, err)
	}
}

// sendLanes sends the next portion of each lane whose pause is over. The worker
// comes back for more: other users' events do not wait for a whole lane.
func (s *shard) sendLanes() {
	for k, l := range s.lanes {
		s.tire(l)
		if time.Until(l.due) <= 0 && s.u.ctx.Err() == nil {
			s.sendPortion(l)
		}
		if s.u.ctx.Err() != nil {
			s.giveUp(&l.buffer, l.items, l.err)
			s.compact(l)
		}
		if len(l.items) == 0 {
			delete(s.lanes, k)
		}
		s.release()
	}
}

func (s *shard) sendPortion(l *lane) {
	items := l.items[:min(l.portion, fit(l.items, s.u.endpoint.room()))]
	due := l.due
	switch left := s.insist(&l.buffer, items); {
	case l.due != due:
		l.portion = max(1, len(items)/2)
	case !left: // else its turn comes again after what has come in
		l.portion = min(2*l.portion, maxEvents)
	}
	s.compact(l)
}

// tire gives up the events whose user has been throttled for too long, but for
// those that may be stored. They are the first of the lane.
func (s *shard) tire(l *lane) {
	if s.u.cfg.MaxThrottle == 0 {
		return
	}
	tired := false
	for i, it := range l.items {
		st := &l.states[i]
		if time.Since(st.parked) <= s.u.cfg.MaxThrottle {
			break
		}
		if !st.mayBeStored() {
			s.settle(&l.buffer, it, ReasonThrottled, l.err)
			tired = true
		}
	}
	if tired {
		s.compact(l)
	}
}

// compact drops what is settled.
func (s *shard) compact(l *lane) {
	old := l.buffer
	l.buffer = buffer{lane: true}
	for i, it := range old.items {
		if !old.states[i].settled {
			l.copy(&old, it)
		}
	}
	s.u.unpark(len(old.items) - len(l.items))
}
