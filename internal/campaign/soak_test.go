package main

import (
	"context"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Load for minutes, and then faults on and off in turns. Nothing is lost, nothing
// grows, and answers come in time.
func TestF25(t *testing.T) {
	whole(t, "F25", "minutes of load", counts{0, 10, 240}, func(t *testing.T, rng *rand.Rand, minutes int) {
		v := newVendor(t, rng.Uint64())
		v.calmDown()
		dir, l := storeDir(t), new(ledger)
		p := start(t, order{Amplitude: v.url, Dir: dir})
		length := time.Duration(minutes) * time.Minute
		ctx, cancel := context.WithTimeout(t.Context(), length)
		defer cancel()
		go v.inTurns(ctx, length)
		took := driveFor(ctx, p.url, l, 64)
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

// driveFor is drive, and returns how long the answers took.
func driveFor(ctx context.Context, url string, l *ledger, connections int) (took []time.Duration) {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: connections}, Timeout: 10 * time.Second}
	defer client.CloseIdleConnections()
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range connections {
		wg.Go(func() {
			var own []time.Duration
			for ctx.Err() == nil {
				n, begun := l.draw(), time.Now()
				if post(ctx, client, url, n) {
					l.owe(n)
					own = append(own, time.Since(begun))
				}
			}
			mu.Lock()
			took = append(took, own...)
			mu.Unlock()
		})
	}
	wg.Wait()
	return took
}
