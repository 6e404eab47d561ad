package jetstream

import (
	"context"
)

// tend purges what is done. Never above the consumer's ack floor: that alone says
// what is done.
func (s *Store) tend(e *engine, ctx context.Context) {
}
