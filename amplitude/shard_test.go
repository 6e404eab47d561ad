package amplitude

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
)

// Between Add's taking room and its storing the event, Close may run out of time.
func TestAnEventThatComesAfterTheWorkerIsNotTaken(t *testing.T) {
	t.Parallel()
	client, err := NewClient(Config{APIKey: "key"})
	require.NoError(t, err)
	up, err := NewUploader(client, UploaderConfig{})
	require.NoError(t, err)
	epoch, room, err := up.enter()
	require.NoError(t, err)
	require.Nil(t, room)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, up.Close(ctx), context.Canceled)
	require.False(t, up.shards[0].put(&Event{UserID: "user-1", EventType: "x"}, []byte("{}"), Origin{}, epoch))
}

func TestFlushesLeaveNothingBehind(t *testing.T) {
	t.Parallel()
	client, err := NewClient(Config{APIKey: "key"})
	require.NoError(t, err)
	up, err := NewUploader(client, UploaderConfig{})
	require.NoError(t, err)
	for range 1000 {
		require.NoError(t, up.Flush(t.Context()))
	}
	require.Len(t, up.epochs, 1)
	require.NoError(t, up.Close(t.Context()))
}
