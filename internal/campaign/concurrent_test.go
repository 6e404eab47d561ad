package main

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iteramp/iteramp"
	"github.com/iteramp/iteramp/amplitude"
	"github.com/iteramp/iteramp/amplitude/amplitudetest"
	"github.com/iteramp/iteramp/jetstream"
)

// Many close at once, add after the close, cancel, and run twice.
func TestF26(t *testing.T) {
	eachInBubble(t, "F26", "closing, cancelling and running at once", counts{50, 1_000, 5_000}, func(t *testing.T, rng *rand.Rand) {
		var fake amplitudetest.Fake
		fake.HTTPV2.EventsPerSecond = -1
		cfg := fake.Config()
		cfg.Logger, cfg.HTTPClient.Timeout = logs, 30*time.Second
		client, err := amplitude.NewClient(cfg)
		require.NoError(t, err)
		var told atomic.Int64
		up, err := amplitude.NewUploader(client, amplitude.UploaderConfig{
			MaxEvents: 1 + rng.IntN(500), MinIDLength: 1, OnResult: func(amplitude.Result) { told.Add(1) },
		})
		require.NoError(t, err)
		fake.FailNext(pick(rng, 200, 0, 503, 429), pick(rng, 200, 0, 500))
		var taken atomic.Int64
		var wg sync.WaitGroup
		for i := range 200 {
			closes, waits := rng.IntN(2) == 0, time.Duration(rng.IntN(2000))*time.Millisecond
			wg.Go(func() {
				time.Sleep(waits)
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				if closes {
					_ = up.Close(ctx)
					return
				}
				if i%5 == 0 { // a storm of contexts that end
					cancel()
				}
				if err := up.Add(ctx, amplitude.Event{UserID: user(i), EventType: "x"}); err == nil {
					taken.Add(1)
				}
				_ = up.Flush(ctx)
			})
		}
		wg.Wait()
		require.NoError(t, up.Close(t.Context()), "closing twice is harmless")
		require.Error(t, up.Add(t.Context(), amplitude.Event{UserID: "u", EventType: "x"}), "after the close")
		require.Equal(t, taken.Load(), told.Load(), "each event that was taken has one fate")

		s := newSite(t)
		synctest.Wait() // until its Run is under way
		require.ErrorIs(t, s.relay.Run(t.Context()), iteramp.ErrRunning)
		for range 20 {
			wg.Go(func() { s.post() })
			if rng.IntN(4) == 0 {
				s.restart(t)
			}
		}
		wg.Wait()
		s.settle(t)
	})
}

// A store's directory has one process, whoever comes first.
func TestF26Store(t *testing.T) {
	whole(t, "F26s", "two processes on one store", counts{3, 50, 200}, func(t *testing.T, _ *rand.Rand, n int) {
		dir := storeDir(t)
		for range n {
			p := start(t, order{Amplitude: "http://127.0.0.1:1", Dir: dir})
			_, err := jetstream.Embed(t.Context(), jetstream.EmbedConfig{Dir: dir, Logger: logs})
			require.Error(t, err, "another process has it")
			p.kill() // whose lock is not left behind
			store, err := jetstream.Embed(t.Context(), jetstream.EmbedConfig{Dir: dir, Logger: logs})
			require.NoError(t, err)
			require.Nil(t, tryStart(t, order{Amplitude: "http://127.0.0.1:1", Dir: dir}))
			var all []error
			var mu sync.Mutex
			var wg sync.WaitGroup
			for range 20 {
				wg.Go(func() {
					err := store.Close()
					mu.Lock()
					defer mu.Unlock()
					all = append(all, err)
				})
			}
			wg.Wait()
			require.NoError(t, errors.Join(all...))
		}
	})
}
