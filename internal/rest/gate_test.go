package rest

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestGateLetsOneProbeInFiveSecondsPass(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var g Gate
		probe, err := g.Pass(t.Context())
		require.NoError(t, err)
		require.False(t, probe)
		require.False(t, g.Open(), "it is open")
		require.True(t, g.Close(0))
		require.False(t, g.Close(0), "once")

		ctx, cancel := context.WithTimeout(t.Context(), 58*time.Second)
		defer cancel()
		var passed atomic.Int64
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				for {
					probe, err := g.Pass(ctx)
					if err != nil {
						return
					}
					require.True(t, probe)
					passed.Add(1)
				}
			})
		}
		wg.Wait()
		require.EqualValues(t, 11, passed.Load(), "at 5, 10, ... 55 seconds")
	})
}

func TestGateOpensForAllWhoWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var g Gate
		g.Close(time.Hour)
		require.Equal(t, MaxPause, g.Closed(), "no vendor may ask for more")
		_, wait := g.TryPass()
		require.Equal(t, MaxPause, wait)
		start := time.Now()
		time.AfterFunc(3*time.Second, func() { require.True(t, g.Open()) })
		probe, err := g.Pass(t.Context())
		require.NoError(t, err)
		require.False(t, probe)
		require.Equal(t, 3*time.Second, time.Since(start))
	})
}
