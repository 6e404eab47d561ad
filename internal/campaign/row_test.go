package main

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// counts is how often a row is run: for a pull request, at night, for a release.
type counts struct{ P, N, R int }

func (c counts) of(tier string) int {
	switch {
	case *times > 0:
		return *times
	case tier == "N":
		return c.N
	case tier == "R":
		return c.R
	}
	return c.P
}

const mostFailures = 3 // then a row gives up

// each runs a row: so many times, as a test of its own with the next seed.
func each(t *testing.T, row, what string, c counts, run func(t *testing.T, rng *rand.Rand)) {
	t.Helper()
	begin(t, row)
	n := c.of(*tier)
	if n == 0 {
		t.Skip("not in this tier")
	}
	r := result{Row: row, What: what, Seed: *seed}
	start := time.Now()
	for i := range n {
		s := *seed + uint64(i)
		ok := t.Run(fmt.Sprint("seed=", s), func(t *testing.T) {
			run(t, rand.New(rand.NewPCG(s, 0)))
		})
		r.Iterations++
		if !ok {
			if r.Failures++; r.Failures == 1 {
				r.Seed = s
			}
			if r.Failures == mostFailures {
				break
			}
		}
	}
	r.Seconds = time.Since(start).Seconds()
	report(r)
}

// whole runs a row that does all of its times in one go, such as the kills of one
// store.
func whole(t *testing.T, row, what string, c counts, run func(t *testing.T, rng *rand.Rand, n int)) {
	t.Helper()
	begin(t, row)
	n := c.of(*tier)
	if n == 0 {
		t.Skip("not in this tier")
	}
	t.Logf("-row %s -n %d -seed %d", row, n, *seed)
	r := result{Row: row, What: what, Seed: *seed, Iterations: n, Whole: true}
	start := time.Now()
	defer func() {
		r.Seconds = time.Since(start).Seconds()
		if t.Failed() {
			r.Failures = 1
		}
		if why, ok := skips.Load(t.Name()); ok {
			r.Skipped = why.(string)
		}
		report(r)
	}()
	run(t, rand.New(rand.NewPCG(*seed, 0)), n)
}

// skips are why rows were skipped, by test.
var skips sync.Map

// skip skips a row that is run whole, for a reason that the table shows.
func skip(t *testing.T, format string, args ...any) {
	t.Helper()
	why := fmt.Sprintf(format, args...)
	skips.Store(t.Name(), why)
	t.Skip(why)
}

// eachInBubble is each in virtual time.
func eachInBubble(t *testing.T, row, what string, c counts, run func(t *testing.T, rng *rand.Rand)) {
	t.Helper()
	each(t, row, what, c, func(t *testing.T, rng *rand.Rand) {
		synctest.Test(t, func(t *testing.T) { run(t, rng) })
	})
}

// needsQuiet are the rows that measure how long things take. The others run side by
// side: many wait most of the time, for frames to be handed out again.
var needsQuiet = map[string]bool{"F14": true, "F22": true, "F25": true}

// begin skips a row unless a tier was asked for: the campaign is more than a test.
func begin(t *testing.T, row string) {
	t.Helper()
	if *tier == "" {
		t.Skip("run it with: go run ./internal/campaign")
	}
	if !needsQuiet[row] {
		t.Parallel()
	}
}
