package main

import (
	"context"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The relay is stopped and started under load: as an operator does, twice at once,
// killed while it stops, frozen for a while.
func TestF13(t *testing.T) {
	// 20 at the first tier would take two minutes.
	whole(t, "F13", "stops and restarts under load", counts{5, 100, 500}, func(t *testing.T, rng *rand.Rand, n int) {
		v := newVendor(t, rng.Uint64())
		dir, l := storeDir(t), new(ledger)
		var slowest time.Duration
		for i := range n {
			begun := time.Now()
			p := start(t, order{Amplitude: v.url, Dir: dir})
			slowest = max(slowest, time.Since(begun))
			ctx, cancel := context.WithCancel(t.Context())
			go func() {
				defer cancel()
				<-time.After(time.Duration(50+rng.IntN(700)) * time.Millisecond)
				switch i % 4 {
				case 0:
					_ = p.signal(syscall.SIGTERM)
				case 1:
					_ = p.signal(syscall.SIGINT)
					_ = p.signal(syscall.SIGINT)
				case 2:
					_ = p.signal(syscall.SIGTERM)
					<-time.After(time.Duration(rng.IntN(300)) * time.Millisecond)
					_ = p.signal(syscall.SIGKILL)
				case 3:
					_ = p.signal(syscall.SIGSTOP)
					<-time.After(2 * time.Second)
					_ = p.signal(syscall.SIGCONT)
					<-time.After(200 * time.Millisecond)
					_ = p.signal(syscall.SIGTERM)
				}
				begun := time.Now()
				err := p.cmd.Wait()
				if i%4 != 2 && err != nil {
					t.Errorf("stopped by way %d: %v; %s", i%4, err, watched.last())
				}
				if took := time.Since(begun); took > 30*time.Second { // 10 seconds of grace, on a busy machine
					t.Errorf("stopped after %s", took)
				}
			}()
			drive(ctx, p.url, l, 8)
		}
		t.Logf("the slowest start took %s", slowest.Round(time.Millisecond))
		require.LessOrEqual(t, slowest, 10*time.Second)
		finish(t, v, dir, l)
	})
}
