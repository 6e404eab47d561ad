package main

import (
	"context"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/time/rate"
)

// Load for minutes, and then faults on and off in turns. Nothing is lost, nothing
// grows, and answers come in time.
func TestF25(t *testing.T) {
	whole(t, "F25", "minutes of load", counts{0, 10, 240}, func(t *testing.T, rng *rand.Rand, minutes int) {
		v := newVendor(t, rng.Uint64())
		v.calmDown()
		// The fake keeps each event and each request: without a pace they fill the memory.
		dir, l := storeDir(t), &ledger{pace: rate.NewLimiter(1500, 64)}
		p := start(t, order{Amplitude: v.url, Dir: dir})
		length := time.Duration(minutes) * time.Minute
		ctx, cancel := context.WithTimeout(t.Context(), length)
		defer cancel()
		go v.inTurns(ctx, length)
		took := drive(ctx, p.url, l, 64)
		peak := p.peak(t)
		slices.Sort(took)
		t.Logf("%.0f accepted a second for %s; answered within %s (p99), %s (p99.9); peak memory %d MiB",
			float64(len(took))/length.Seconds(), length, took[len(took)*99/100], took[len(took)*999/1000], peak>>20)
		require.LessOrEqual(t, peak, int64(256<<20))
		p.stop(t)
		finish(t, v, dir, l)
	})
}

// inTurns leaves an Amplitude calm for a third of the time, and has then faults on
// and off by the minute.
func (v *vendor) inTurns(ctx context.Context, length time.Duration) {
	wait := length / 3
	for calm := false; ; calm = !calm {
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		wait = time.Minute
		v.mu.Lock()
		v.calm = calm
		v.mu.Unlock()
	}
}
