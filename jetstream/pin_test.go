package jetstream

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// One process at a time delivers a route. It keeps its place while it holds frames
// and asks for none, and leaves it when it is closed or dies.
func TestAProcessThatHoldsFramesKeepsItsPlace(t *testing.T) {
	if testing.Short() {
		t.Skip("starts processes")
	}
	t.Parallel()
	stalled := stalls(t)
	c := startOne(t, false)
	open := clustered(c)
	a, b := open(t, room, room), open(t, room, room)
	for range 3 * maxBatch {
		put(t, a, "r", "frame")
	}
	first := take(t, a, "r")
	ctx, cancel := context.WithTimeout(t.Context(), 2*quick().pinnedTTL)
	defer cancel()
	_, err := b.Queue().Take(ctx, "r")
	taken := backlogOf(t, b, "r").Taken
	if (err == nil || taken != maxBatch) && stalled() > quick().pinnedTTL/4 {
		t.Skipf("the machine was too busy to keep the place: %s", stalled())
	}
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.EqualValues(t, maxBatch, taken, "nothing was delivered meanwhile")
	require.Equal(t, 1, first.Taken())

	closing := time.Now()
	require.NoError(t, a.Close())
	d := take(t, b, "r")
	require.Less(t, time.Since(closing), quick().pinnedTTL, "the place was given up at once")
	require.NoError(t, d.Done(t.Context()))
	for range 3*maxBatch - 1 {
		d := take(t, b, "r")
		require.LessOrEqual(t, d.Taken(), 2)
		require.NoError(t, d.Done(t.Context()))
	}
	require.Eventually(t, func() bool { return backlogOf(t, b, "r").Frames == 0 }, 5*time.Second, 20*time.Millisecond)
}

// A process that dies, or has stopped taking, holds nobody up for long.
func TestAProcessThatIsSilentLosesItsPlace(t *testing.T) {
	if testing.Short() {
		t.Skip("starts processes")
	}
	t.Parallel()
	c := startOne(t, false)
	open := clustered(c)
	a, b := open(t, room, room), open(t, room, room)
	for range 2 * maxBatch {
		put(t, a, "r", "frame")
	}
	take(t, a, "r")
	a.stop() // as if it had died: nobody keeps anything
	a.tasks.Wait()
	for range 2 * maxBatch {
		require.NoError(t, take(t, b, "r").Done(t.Context()))
	}
}
