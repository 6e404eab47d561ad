package iteramp

import (
	"context"
	"errors"
	"iter"
	"time"
)

// Errors of queues and dead letters, for [errors.Is].
var (
	// ErrQueueFull says that a queue, or the place for dead letters, has used up
	// its budget. Nothing is thrown out to make room.
	ErrQueueFull = errors.New("iteramp: the queue is full")
	// ErrFrameTooLarge says that a queue can never hold a frame of that size.
	ErrFrameTooLarge = errors.New("iteramp: the frame is too large for the queue")
	// ErrNoLetter says that there is no dead letter of that id.
	ErrNoLetter = errors.New("iteramp: no such dead letter")
)

// Queue is where accepted webhooks wait until they are delivered. Package
// [github.com/iteramp/iteramp/jetstream] has one, on files or on a cluster; another
// kind of store takes part by these methods. All are called by several goroutines
// at once.
//
// A frame is what one durable write holds: the webhooks of requests that arrived
// together, 512 KiB of them, or a single one that is larger, up to
// [RelayConfig.MaxBody] and 32 bytes. What is in it is the Relay's affair.
//
// Each route has frames of its own: none may wait for another route's, and a full
// budget of one is not that of another.
type Queue interface {
	// Put stores a frame of a route. When it returns nil the frame has been
	// written and synced, so that it outlives the loss of power. An error says
	// that it is not certain to be stored: [ErrQueueFull] over the budget,
	// [ErrFrameTooLarge], or any other. When Put returns, the bytes are the caller's again.
	Put(ctx context.Context, route string, frame []byte) error
	// Take waits for the next frame of a route, in the order they were put in, and
	// hands it to this caller alone. It comes again if it is given back, or if
	// neither Done nor Extend is heard of for a minute.
	Take(ctx context.Context, route string) (Delivery, error)
}

// Delivery is a frame that was taken out of a [Queue] and is not done.
type Delivery interface {
	// Frame is the bytes as they were put in. The Relay asks for them once and may
	// keep parts of them longer than the Delivery.
	Frame() []byte
	// Taken is how often the frame has been handed out, this time included. Above
	// 1, an attempt to deliver it may have died half done.
	Taken() int
	// Done says that each webhook of the frame is settled: it never comes again.
	Done(ctx context.Context) error
	// Retry gives the frame back, to come again after a time.
	Retry(ctx context.Context, after time.Duration) error
	// Extend says that the frame is still being worked on. A Relay calls it every
	// 20 seconds.
	Extend(ctx context.Context) error
}

// DeadLetter keeps the webhooks that cannot be delivered: refused by Amplitude for
// good, or given up. It has a budget as a Queue has, and throws nothing out.
type DeadLetter interface {
	// Put stores a letter durably, as [Queue.Put] does. One of the same route and
	// ID takes the place of the one before, so that a repeat changes nothing.
	Put(ctx context.Context, l Letter) error
	// Get returns a letter, or [ErrNoLetter].
	Get(ctx context.Context, route, id string) (Letter, error)
	// All ranges over the letters of all routes, oldest first. What is put in
	// meanwhile need not be among them.
	All(ctx context.Context) iter.Seq2[Letter, error]
	// Delete removes a letter for good; one that is not there is no error.
	Delete(ctx context.Context, route, id string) error
}

// Letter is a webhook that was not delivered, and why. It is personal data: keep it
// as such, and see [PurgeLetters].
type Letter struct {
	ID       string // the event's insert_id; of what is no readable webhook, a hash of it
	Route    string
	Reason   string    // an [amplitude.Reason], or one of the Reasons below
	Status   int       // of Amplitude's last answer; 0 if there was none
	Attempts int       // how often it was tried, as far as is known
	First    time.Time // when the webhook was received
	Last     time.Time // when it was given up
	Webhook  []byte    // as it was received; with ReasonFrame, the whole frame
}

// Reasons of letters and outcomes besides those of package amplitude.
const (
	// ReasonDedupWindow is an event that may have been stored more than six and a
	// half days ago: sent again, Amplitude would count it twice. The other reasons
	// of Amplitude's [amplitude.ReasonAmbiguous] are never given up for.
	ReasonDedupWindow = "dedup_window"
	// ReasonFrame is a frame that cannot be taken apart: damaged, or of a later
	// version.
	ReasonFrame = "frame"
	// ReasonUnreadable is a webhook that was taken and is none.
	ReasonUnreadable = "unreadable"
	// ReasonPanic is a panic, of a rule of the caller's say.
	ReasonPanic = "panic"
)

// PurgeLetters deletes the letters of a user, for a privacy request, and returns
// how many there were. A letter is the user's if id is its webhook's user id or its
// e-mail address, in any case. Letters that cannot be read are left alone and
// counted as unread: they may be anybody's. What waits in the queue leaves it by
// delivery.
func PurgeLetters(ctx context.Context, letters DeadLetter, id string) (purged, unread int, err error) {
	for l, err := range letters.All(ctx) {
		if err != nil {
			return purged, unread, err
		}
		mine, readable := l.isOf(id)
		if !readable {
			unread++
		}
		if !mine {
			continue
		}
		if err := letters.Delete(ctx, l.Route, l.ID); err != nil {
			return purged, unread, err
		}
		purged++
	}
	return purged, unread, nil
}
