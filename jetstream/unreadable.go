package jetstream

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"
)

// A frame with a flipped bit is passed over by the server, which says nothing of
// it: the sequence has no gap. One that had been handed out before stays open for
// ever, and nothing behind it would be purged.

// unreadable counts the frames of a route that cannot be read, and settles those
// that are open. In a cluster another server may be able to read them.
func (s *Store) unreadable(ctx context.Context, r *route, p position) error {
	if !s.marks.kept() || p.consumer == nil {
		return nil
	}
	s.lose(ctx, r.name, r.passedOver()...)
	stuck, err := r.stuck(ctx, p)
	if stuck {
		s.lose(ctx, r.name, span{p.floor + 1, p.floor + 1})
	}
	return err
}

// passedOver is what the consumer has passed over since it was last asked.
func (r *route) passedOver() []span {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := r.skipped
	r.skipped = nil
	return list
}

// stuck tells whether the first open frame cannot be read, and settles it then.
func (r *route) stuck(ctx context.Context, p position) (bool, error) {
	seq := p.floor + 1
	r.mu.Lock()
	moved := r.floor != p.floor
	r.floor = p.floor
	for d := range r.open {
		moved = moved || d.seq == seq // somebody has it
	}
	r.mu.Unlock()
	if moved || p.consumer.NumAckPending == 0 || seq > p.delivered {
		return false, nil
	}
	if _, err := p.stream.GetMsg(ctx, seq); !errors.Is(err, jetstream.ErrMsgNotFound) {
		return false, err
	}
	// As its acknowledgement would be, if it could be delivered.
	subject := fmt.Sprintf("$JS.ACK.%s.%s.1.%d.%d.0.0", r.stream, consumerName, seq, seq)
	return true, r.engine.nc.Publish(subject, []byte("+TERM"))
}
