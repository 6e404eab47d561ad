package jetstream

import (
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
	c := startOne(t, false)
	open := clustered(c)
	a, b := open(t, room, room), open(t, room, room)
	for range 3 * maxBatch {
		put(t, a, "r", "frame")
	}
	first := take(t, a, "r")
	noMore(t, b, "r", 3*quick().pinnedTTL)
	require.Equal(t, 1, first.Taken())
	require.EqualValues(t, maxBatch, backlogOf(t, b, "r").Taken, "nothing was delivered meanwhile")

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
