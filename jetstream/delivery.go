package jetstream

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// delivery is a frame that was handed out by the server. It keeps the bytes until
// they are asked for, and then only where to send its acknowledgement.
type delivery struct {
	route *route
	reply string
	seq   uint64
	taken int

	mu    sync.Mutex
	frame []byte
	heard time.Time // when the server was last told of it
}

func newDelivery(r *route, m *nats.Msg) (*delivery, error) {
	meta, err := m.Metadata()
	if err != nil {
		return nil, err
	}
	return &delivery{route: r, reply: m.Reply, seq: meta.Sequence.Stream, taken: int(meta.NumDelivered), frame: m.Data, heard: time.Now()}, nil
}

func (d *delivery) Frame() []byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	frame := d.frame
	d.frame = nil
	return frame
}

func (d *delivery) Taken() int { return d.taken }

func (d *delivery) Done(ctx context.Context) error {
	defer d.route.settled(d)
	return d.tell(ctx, "+ACK")
}

func (d *delivery) Retry(ctx context.Context, after time.Duration) error {
	defer d.route.settled(d)
	// With no delay in it, a server that is closed now would forget it for a minute.
	return d.tell(ctx, fmt.Sprintf(`-NAK {"delay": %d}`, max(after, 0).Nanoseconds()))
}

func (d *delivery) Extend(ctx context.Context) error {
	return d.tell(ctx, "+WPI")
}

// tell sends the server a word about the frame. If it is lost, the frame comes again.
func (d *delivery) tell(ctx context.Context, word string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case <-d.route.gone:
		return errGone
	default:
	}
	d.mu.Lock()
	d.heard = time.Now()
	d.mu.Unlock()
	if err := d.route.engine.nc.Publish(d.reply, []byte(word)); err != nil {
		return fmt.Errorf("jetstream: telling of a frame: %w", err)
	}
	return nil
}

// silent tells whether the server has not heard of the frame since a time.
func (d *delivery) silent(since time.Time) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.heard.Before(since)
}
