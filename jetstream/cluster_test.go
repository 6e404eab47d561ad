package jetstream

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The server that leads is killed under load, and comes back later. Nothing that
// was acknowledged is lost, and nothing is there twice.
func TestAClusterSurvivesItsLeader(t *testing.T) {
	if testing.Short() {
		t.Skip("starts processes")
	}
	t.Parallel()
	c := startCluster(t)
	s := clustered(c)(t, room, room)
	put(t, s, "r", "first")
	require.NoError(t, take(t, s, "r").Done(t.Context()))

	l := load{s: s, acknowledged: make(map[string]bool), got: make(map[string][]int)}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var writers, takers sync.WaitGroup
	for w := range 4 {
		writers.Go(func() { l.write(ctx, w) })
	}
	takers.Go(func() { l.take(ctx) })

	l.await(t, 200)
	leader := c.leader(t, s, routePrefix+"r")
	c.kill(leader)
	killed := time.Now()
	l.await(t, l.count()+200)
	t.Logf("200 frames more were written %s after the leader had died, the longest gap was %s",
		time.Since(killed).Round(time.Millisecond), l.longest().Round(time.Millisecond))
	require.Less(t, time.Since(killed), 20*time.Second)
	c.start(t, leader)
	l.await(t, l.count()+200)
	l.stop()
	writers.Wait()
	require.Eventually(t, l.complete, 20*time.Second, 50*time.Millisecond, "all that was acknowledged is delivered")
	cancel()
	takers.Wait()

	l.mu.Lock()
	defer l.mu.Unlock()
	for frame, taken := range l.got {
		firsts := 0
		for _, n := range taken {
			if n == 1 {
				firsts++
			}
		}
		require.LessOrEqual(t, firsts, 1, "%s is in the stream twice", frame)
	}
	require.Less(t, l.slowest, 7*time.Second, "a Put ends with its context")
	require.Zero(t, backlogOf(t, s, "r").Missing)
}

// load writes and takes until it is stopped, and remembers.
type load struct {
	s *Store

	mu           sync.Mutex
	over         bool
	acknowledged map[string]bool
	got          map[string][]int // how often taken, each time
	last         time.Time        // an acknowledgement
	gap, slowest time.Duration
}

func (l *load) write(ctx context.Context, w int) {
	for i := 0; !l.stopped(); i++ {
		frame := fmt.Sprintf("%d-%d", w, i)
		within, cancel := context.WithTimeout(ctx, 5*time.Second)
		began := time.Now()
		err := l.s.Queue().Put(within, "r", []byte(frame))
		cancel()
		l.wrote(frame, time.Since(began), err)
	}
}

func (l *load) wrote(frame string, took time.Duration, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.slowest = max(l.slowest, took)
	if err != nil {
		return
	}
	l.acknowledged[frame] = true
	if !l.last.IsZero() {
		l.gap = max(l.gap, time.Since(l.last))
	}
	l.last = time.Now()
}

func (l *load) take(ctx context.Context) {
	for ctx.Err() == nil {
		d, err := l.s.Queue().Take(ctx, "r")
		if err != nil {
			continue
		}
		l.mu.Lock()
		frame := string(d.Frame())
		l.got[frame] = append(l.got[frame], d.Taken())
		l.mu.Unlock()
		_ = d.Done(ctx)
	}
}

func (l *load) complete() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for frame := range l.acknowledged {
		if len(l.got[frame]) == 0 {
			return false
		}
	}
	return true
}

func (l *load) await(t *testing.T, n int) {
	require.Eventually(t, func() bool { return l.count() >= n }, 30*time.Second, 10*time.Millisecond)
}

func (l *load) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.acknowledged)
}

func (l *load) longest() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.gap
}

func (l *load) stop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.over = true
}

func (l *load) stopped() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.over
}
