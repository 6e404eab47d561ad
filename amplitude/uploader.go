package amplitude

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"sync"
	"time"
)

// Errors of an Uploader.
var (
	// ErrFull says that an Uploader holds as many events as it may.
	ErrFull = errors.New("amplitude: the uploader is full")
	// ErrClosed says that an Uploader takes no more events.
	ErrClosed = errors.New("amplitude: the uploader is closed")
	// ErrDedupWindow is an event that may have been stored more than six and a half
	// days ago. Amplitude recognises a repeat for seven: sent again, the event could
	// count twice. Its [Reason] is [ReasonAmbiguous].
	ErrDedupWindow = errors.New("amplitude: it may be stored, too long ago for a repeat")
)

// UploaderConfig says how an Uploader works. The zero value is ready.
type UploaderConfig struct {
	// Batch uses the Batch API instead of HTTP V2.
	Batch bool
	// MaxEvents bounds the events that wait or are under way, zero means 10,000.
	MaxEvents int
	// MaxDelay is the longest an event waits for others to travel with, zero
	// means 1 second.
	MaxDelay time.Duration
	// MinIDLength is as in [EventUploadRequest].
	MinIDLength int
	// MaxThrottle is how long the events of a throttled user are held before they
	// are given up, but for those that may be stored. Zero means without an end.
	MaxThrottle time.Duration
	// OnResult is told of each event once, delivered ones too: of those of one
	// user that are delivered in their order, from several goroutines. Nil logs the failures
	// to the Client's Logger; with neither, losses are silent. It holds up the delivery of other events while it
	// runs, and may not wait for the Uploader.
	OnResult func(Result)
}

// Result is what became of an event.
type Result struct {
	Event    Event  // as it was added, with its Time and InsertID filled in; the zero Event if it has a Tag
	Tag      any    // that of its Origin
	Reason   Reason // "" if it was delivered
	Err      error  // nil if it was delivered
	Attempts int    // how often it was sent
}

// Origin is what the keeper of a store of events knows of one, for
// [Uploader.AddFrom].
type Origin struct {
	// Tag comes back in the Result, in the place of the Event, whose memory is let
	// go. Nil means that the Event comes back.
	Tag any
	// SentSince is the earliest time at which the event may have been sent before,
	// by a process that has died. Zero means never.
	SentSince time.Time
}

// Uploader sends events in the background. Events of one user keep their order;
// those of different users travel in parallel, so that a user who is throttled
// holds up nobody else.
//
// While Amplitude is down or refuses everything the Uploader asks again every 5
// seconds and keeps what it holds, without an end; [Uploader.Add] then waits for
// room. It gives an event up with a permanent [Reason]; over its user's daily
// quota; as throttled, when its user holds a quarter of the room, all throttled
// users together half of it, or when MaxThrottle is over; with [ErrDedupWindow];
// or when Close runs out of time. An event that may be stored, because an answer
// was lost, is held over quota and throttled too: given up, it would be kept by
// both its owner and Amplitude. An Uploader holds its events in memory: they are
// lost with the process.
//
// When Amplitude begins to fail, and when it is back, the Client's Logger is told.
type Uploader struct {
	core     *core
	cfg      UploaderConfig
	endpoint endpoint
	shards   []*shard
	seed     maphash.Seed

	closed chan struct{}
	ctx    context.Context // ends when Close runs out of time
	abort  context.CancelFunc
	wg     sync.WaitGroup

	mu      sync.Mutex
	closing bool
	held    int
	parked  int           // of those held, in lanes
	room    chan struct{} // closed when one who waits for room may look again
	epochs  []int         // events held, by the Flush they came before
	first   int           // the number of epochs[0]
	settled chan struct{} // closed when an epoch is over
}

// uploads under way at a time, each with users of its own.
const shardCount = 4

// NewUploader starts an Uploader that sends through c. Close it.
func NewUploader(c *Client, cfg UploaderConfig) (*Uploader, error) {
	if err := cfg.validate(c); err != nil {
		return nil, err
	}
	cfg.MaxEvents = cmp.Or(cfg.MaxEvents, 10_000)
	cfg.MaxDelay = cmp.Or(cfg.MaxDelay, time.Second)
	u := &Uploader{
		core:     c.core,
		cfg:      cfg,
		endpoint: httpV2,
		seed:     maphash.MakeSeed(),
		closed:   make(chan struct{}),
		epochs:   make([]int, 1),
	}
	if cfg.Batch {
		u.endpoint = batchUpload
	}
	u.ctx, u.abort = context.WithCancel(context.Background())
	for range shardCount {
		s := newShard(u)
		u.shards = append(u.shards, s)
		u.wg.Go(s.run)
	}
	return u, nil
}

func (cfg UploaderConfig) validate(c *Client) error {
	var errs []error
	if c == nil || c.core == nil {
		errs = append(errs, errNoClient)
	}
	for _, f := range []struct {
		name     string
		negative bool
	}{
		{"MaxEvents", cfg.MaxEvents < 0},
		{"MaxDelay", cfg.MaxDelay < 0},
		{"MinIDLength", cfg.MinIDLength < 0},
		{"MaxThrottle", cfg.MaxThrottle < 0},
	} {
		if f.negative {
			errs = append(errs, errors.New("amplitude: UploaderConfig."+f.name+" is negative"))
		}
	}
	return errors.Join(errs...)
}

// Add takes an event for delivery. It waits only while the Uploader is full: ctx
// bounds that wait, not the event's life. An error says that the event was not
// taken: [ErrClosed], the context's end, or what is wrong with the event.
//
// The event is encoded before Add returns. One without a Time gets the current
// one, one without an InsertID a random one.
func (u *Uploader) Add(ctx context.Context, e Event) error {
	return u.AddFrom(ctx, e, Origin{})
}

// AddFrom is Add for those who keep the event in a store of their own, until its
// Result tells them that it is settled.
func (u *Uploader) AddFrom(ctx context.Context, e Event, o Origin) error {
	return u.add(&e, o, func(room <-chan struct{}) error {
		select {
		case <-room:
			return nil
		case <-u.closed:
			return ErrClosed
		case <-ctx.Done():
			return ctx.Err()
		}
	})
}

// TryAdd is Add for those who cannot wait, a request handler for one: it returns
// [ErrFull] where Add would wait.
func (u *Uploader) TryAdd(e Event) error {
	return u.add(&e, Origin{}, func(<-chan struct{}) error { return ErrFull })
}

var encodings = sync.Pool{New: func() any { return new([]byte) }}

// add encodes the event before it takes room and outside of all locks: a
// MarshalJSON of the caller's may do what it likes, panic included.
func (u *Uploader) add(e *Event, o Origin, full func(room <-chan struct{}) error) error {
	if u.core == nil {
		return errors.New("amplitude: the Uploader was not made by NewUploader")
	}
	if err := checkEvent(e, u.cfg.MinIDLength); err != nil {
		return fmt.Errorf("amplitude: invalid event: %w", err)
	}
	if e.Time.IsZero() {
		e.Time = time.Now()
	}
	if e.InsertID == "" {
		e.InsertID = rand.Text()
	}
	buf := encodings.Get().(*[]byte)
	defer encodings.Put(buf)
	json, err := e.AppendJSON((*buf)[:0])
	if err != nil {
		return fmt.Errorf("amplitude: invalid event: %w", err)
	}
	*buf = json
	for {
		epoch, room, err := u.enter()
		if room == nil {
			if err == nil && !u.shardOf(e).put(e, json, o, epoch) {
				u.leave(epoch, 1)
				err = ErrClosed
			}
			return err
		}
		if err := full(room); err != nil {
			return err
		}
	}
}

func (u *Uploader) shardOf(e *Event) *shard {
	return u.shards[maphash.String(u.seed, key(e))%shardCount]
}

func (u *Uploader) isClosed() bool {
	select {
	case <-u.closed:
		return true
	default:
		return false
	}
}

// enter counts an event in, unless Close was first. If there is no room, it
// returns what to wait for before trying again.
func (u *Uploader) enter() (epoch int, room <-chan struct{}, err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.closing {
		return 0, nil, ErrClosed
	}
	if u.held >= u.cfg.MaxEvents {
		if u.room == nil {
			u.room = make(chan struct{})
		}
		return 0, u.room, nil
	}
	u.held++
	u.epochs[len(u.epochs)-1]++
	return u.first + len(u.epochs) - 1, nil, nil
}

// park counts an event into the lanes, unless they hold as many as they may and it
// need not be held.
func (u *Uploader) park(must bool) (ok bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if !must && u.parked >= max(1, u.cfg.MaxEvents/2) {
		return false
	}
	u.parked++
	return true
}

// unpark counts n of them out.
func (u *Uploader) unpark(n int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.parked -= n
}

// leave counts n events of an epoch out.
func (u *Uploader) leave(epoch, n int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.held -= n
	if u.room != nil {
		close(u.room)
		u.room = nil
	}
	i := epoch - u.first
	u.epochs[i] -= n
	if u.epochs[i] == 0 && u.settled != nil {
		close(u.settled)
		u.settled = nil
	}
	for len(u.epochs) > 1 && u.epochs[0] == 0 {
		u.epochs, u.first = u.epochs[1:], u.first+1
	}
}

// Flush sends what is waiting and returns when all that was added before it is
// settled, or with ctx's error. Events of throttled users take their pauses, and
// in an outage that is not before its end.
func (u *Uploader) Flush(ctx context.Context) error {
	if u.core == nil {
		return nil
	}
	u.mu.Lock()
	upTo := u.first + len(u.epochs) - 1
	if u.epochs[len(u.epochs)-1] > 0 {
		u.epochs = append(u.epochs, 0)
	}
	u.mu.Unlock()
	return u.settle(ctx, upTo)
}

// over says whether all events up to an epoch are settled, else what to wait
// for before asking again.
func (u *Uploader) over(upTo int) (ok bool, wait <-chan struct{}) {
	u.mu.Lock()
	defer u.mu.Unlock()
	open := 0
	for i, n := range u.epochs {
		if u.first+i <= upTo {
			open += n
		}
	}
	if u.settled == nil {
		u.settled = make(chan struct{})
	}
	return open == 0, u.settled
}

// settle hurries the shards and waits for the events of all epochs up to one.
func (u *Uploader) settle(ctx context.Context, upTo int) error {
	for {
		ok, wait := u.over(upTo)
		if ok {
			return nil
		}
		for _, s := range u.shards {
			s.hurry()
		}
		select {
		case <-wait:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Close takes no more events and returns when all that was taken is settled. If
// ctx ends first, what is left goes to OnResult as it stands, and Close returns
// ctx's error. Give ctx a deadline: an outage may last. Closing again waits
// likewise.
func (u *Uploader) Close(ctx context.Context) error {
	if u.core == nil {
		return nil
	}
	u.mu.Lock()
	if !u.closing {
		u.closing = true
		close(u.closed)
	}
	upTo := u.first + len(u.epochs) - 1
	u.mu.Unlock()
	err := u.settle(ctx, upTo)
	u.abort()
	u.wg.Wait()
	return err
}

// logLoss stands in for OnResult.
func (u *Uploader) logLoss(reason Reason, err error) {
	if u.core.rest.Log != nil {
		u.core.rest.Log.LogAttrs(u.ctx, slog.LevelWarn, "event not delivered",
			slog.String("reason", string(reason)), slog.Any("error", err))
	}
}

// pauseOf is how long a failure of everything asks to be left alone.
func pauseOf(err error) time.Duration {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.RetryAfter
	}
	return 0
}
