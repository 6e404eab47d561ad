package iterable

import (
	"context"

	"github.com/iteramp/iteramp/internal/rest"
)

// keyed lets one holder at a time in for each key. The zero value is ready.
type keyed struct{ turns rest.Keyed[int64] }

// enter waits for the key and returns the way out.
func (k *keyed) enter(ctx context.Context, key int64) (leave func(), err error) {
	return k.turns.Enter(ctx, key)
}
