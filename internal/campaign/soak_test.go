package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/time/rate"
)

// For ten minutes all that a relay can take, and then faults on and off in turns.
// Nothing is lost, nothing grows, and answers come in time.
func TestF25(t *testing.T) {
	whole(t, "F25", "minutes of load", counts{0, 15, 250}, func(t *testing.T, rng *rand.Rand, minutes int) {
		v := newVendor(t, rng.Uint64())
		v.calmDown()
		dir, l := storeDir(t), new(ledger)
		p := start(t, order{Amplitude: v.url, Dir: dir})
		load := time.Duration(min(minutes, 10)) * time.Minute
		took, samples := p.load(t, l, load)
		slices.Sort(took)
		t.Logf("%.0f accepted a second for %s; answered within %s (p99), %s (p99.9); peak memory %d MiB; %d frames waited at the end",
			float64(len(took))/load.Seconds(), load, took[len(took)*99/100], took[len(took)*999/1000], p.peak(t)>>20, p.frames())
		steady(t, samples)
		soak := time.Duration(max(minutes-10, 1)) * time.Minute
		ctx, cancel := context.WithTimeout(t.Context(), soak)
		defer cancel()
		go v.inTurns(ctx)
		l.pace = rate.NewLimiter(1500, 64) // each throttled user's webhooks of half a minute wait or are letters
		_, samples = p.load(t, l, soak)
		steady(t, samples)
		require.LessOrEqual(t, p.peak(t), int64(256<<20))
		p.stop(t)
		finish(t, v, dir, l)
	})
}

// inTurns has faults off and on by the minute: they are on when it ends.
func (v *vendor) inTurns(ctx context.Context) {
	for calm := true; ctx.Err() == nil; calm = !calm {
		v.mu.Lock()
		v.calm = calm
		v.mu.Unlock()
		select {
		case <-ctx.Done():
		case <-time.After(30 * time.Second):
		}
	}
}

// sample is what a process has of what may leak.
type sample struct{ files, goroutines, memory int }

const connections = 64 // of the driver

// load drives a process, and samples it each second.
func (p *process) load(t *testing.T, l *ledger, length time.Duration) (took []time.Duration, samples []sample) {
	ctx, cancel := context.WithTimeout(t.Context(), length)
	defer cancel()
	sampled := make(chan struct{})
	go func() {
		defer close(sampled)
		for tick := time.Tick(time.Second); ctx.Err() == nil; <-tick {
			if s, ok := p.sample(t); ok {
				samples = append(samples, s)
			}
		}
	}()
	took = drive(ctx, p.url, l, connections)
	<-sampled
	return took, samples
}

func (p *process) sample(t *testing.T) (s sample, ok bool) {
	resp, err := http.Get(p.url + "/goroutines")
	if err != nil {
		return s, false
	}
	defer resp.Body.Close()
	files, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", p.pid))
	if _, scan := fmt.Fscan(resp.Body, &s.goroutines); err != nil || scan != nil {
		return s, false
	}
	s.files, s.memory = len(files), int(memoryOf(t, p.pid, "VmRSS:")>>20)
	return s, true
}

// steady requires that nothing was more in the last fifth than in the second: the
// first is for the connections to be made.
func steady(t *testing.T, samples []sample) {
	t.Helper()
	n := len(samples) / 5
	require.Greater(t, n, 4, "too few samples")
	middle := func(of []sample, figure func(sample) int) int {
		figures := make([]int, len(of))
		for i, s := range of {
			figures[i] = figure(s)
		}
		slices.Sort(figures)
		return figures[len(figures)/2]
	}
	for name, figure := range map[string]func(sample) int{
		"open files":    func(s sample) int { return s.files },
		"memory in MiB": func(s sample) int { return s.memory },
		"goroutines":    func(s sample) int { return s.goroutines },
	} {
		early, late := middle(samples[n:2*n], figure), middle(samples[4*n:], figure)
		t.Logf("%s: %d, %d at the end", name, early, late)
		require.LessOrEqual(t, late, early+early/5+connections, name) // of which few may be in use at first
	}
}
