package jetstream

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iteramp/iteramp"
)

// quick is the tuning of tests: what takes minutes takes seconds, and not less, for
// a busy machine stops a process for a second or two.
func quick(change ...func(*tuning)) tuning {
	t := defaultTuning()
	t.ackWait, t.pinnedTTL = 3*time.Second, 4*time.Second
	t.keepEvery, t.tendEvery = 300*time.Millisecond, 200*time.Millisecond
	for _, c := range change {
		c(&t)
	}
	return t
}

// untended is quick for a test that tends by itself.
func untended(t *tuning) { t.tendEvery = time.Hour }

// opener opens a store on the same frames each time it is called.
type opener func(t *testing.T, maxBytes, maxDeadBytes int64, change ...func(*tuning)) *Store

func embedded(t *testing.T) opener {
	dir := filepath.Join(tempDir(t), "store")
	return func(t *testing.T, maxBytes, maxDeadBytes int64, change ...func(*tuning)) *Store {
		return opened(t, func() (*Store, error) {
			return embed(t.Context(), EmbedConfig{Dir: dir, MaxBytes: maxBytes, MaxDeadBytes: maxDeadBytes}, quick(change...))
		})
	}
}

func clustered(c *cluster) opener {
	return func(t *testing.T, maxBytes, maxDeadBytes int64, change ...func(*tuning)) *Store {
		return opened(t, func() (*Store, error) {
			cfg := ConnectConfig{MaxBytes: maxBytes, MaxDeadBytes: maxDeadBytes, Monitors: c.monitors(), Replicas: len(c.nodes)}
			return connect(t.Context(), c.urls(), cfg, quick(change...))
		})
	}
}

func opened(t *testing.T, open func() (*Store, error)) *Store {
	s, err := open()
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	require.NoError(t, s.Ready())
	return s
}

func TestTheEmbeddedStoreKeepsTheContract(t *testing.T) {
	t.Parallel()
	for name, test := range contract {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, "route", embedded(t))
		})
	}
}

func TestAClusterKeepsTheContract(t *testing.T) {
	if testing.Short() {
		t.Skip("starts processes")
	}
	t.Parallel()
	c := startCluster(t)
	t.Run("group", func(t *testing.T) {
		n := 0
		for name, test := range contract {
			n++
			route := fmt.Sprintf("route-%d", n)
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				test(t, route, clustered(c))
			})
		}
	})
}

const (
	mib  = 1 << 20
	room = 64 * mib
)

var contract = map[string]func(t *testing.T, route string, open opener){
	"Frames come in order, and those not done come again after a restart": func(t *testing.T, route string, open opener) {
		s := open(t, room, room)
		for i := range 20 {
			put(t, s, route, fmt.Sprint(i))
		}
		for i := range 12 {
			d := take(t, s, route)
			require.Equal(t, fmt.Sprint(i), string(d.Frame()))
			require.Nil(t, d.Frame(), "the bytes are not kept")
			require.Equal(t, 1, d.Taken())
			if i < 10 {
				require.NoError(t, d.Done(t.Context()))
			}
		}
		require.NoError(t, s.Close())
		s = open(t, room, room)
		got := make(map[string]int)
		for range 10 {
			d := take(t, s, route)
			got[string(d.Frame())] = d.Taken()
			require.NoError(t, d.Done(t.Context()))
		}
		for i := 10; i < 20; i++ {
			require.Contains(t, got, fmt.Sprint(i))
		}
		require.Equal(t, 2, got["10"])
		require.Equal(t, 2, got["11"])
		noMore(t, s, route, quick().ackWait+time.Second)
	},
	"What a process had in hand comes again together, though what is done is purged": func(t *testing.T, route string, open opener) {
		const frames = 3000
		s := open(t, room, room)
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				for range frames / 20 {
					put(t, s, route, "x")
				}
			})
		}
		wg.Wait()
		for range frames {
			take(t, s, route)
		}
		require.NoError(t, s.Close())
		s = open(t, room, room, untended)
		d := take(t, s, route).(*delivery)
		waits := 0 // of purges after which the rest came ackWait later
		for i := range frames - 1 {
			require.Equal(t, 2, d.Taken())
			require.NoError(t, d.Done(t.Context()))
			if i%300 == 0 {
				require.NoError(t, s.tendRoute(t.Context(), d.route))
			}
			asked := time.Now()
			d = take(t, s, route).(*delivery)
			if time.Since(asked) > quick().ackWait/2 {
				waits++
			}
		}
		require.LessOrEqual(t, waits, 3, "of the ten purges, one is behind the last frames") // and a busy machine
	},
	"A frame given back comes after its pause, and counts how often it was taken": func(t *testing.T, route string, open opener) {
		s := open(t, room, room)
		put(t, s, route, "a")
		d := take(t, s, route)
		back := time.Now()
		require.NoError(t, d.Retry(t.Context(), time.Second))
		d = take(t, s, route)
		require.GreaterOrEqual(t, time.Since(back), 900*time.Millisecond)
		require.Equal(t, 2, d.Taken())
		require.NoError(t, d.Retry(t.Context(), 0))
		d = take(t, s, route)
		require.Equal(t, 3, d.Taken())
	},
	"A frame that nobody speaks of comes again, one that is extended does not": func(t *testing.T, route string, open opener) {
		stalled := stalls(t)
		s := open(t, room, room)
		put(t, s, route, "kept")
		put(t, s, route, "forgotten")
		kept, _ := take(t, s, route), take(t, s, route)
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			for tick := time.NewTicker(300 * time.Millisecond); ctx.Err() == nil; {
				select {
				case <-tick.C:
					_ = kept.Extend(ctx)
				case <-ctx.Done():
				}
			}
		})
		d := take(t, s, route)
		if frame := string(d.Frame()); frame != "forgotten" {
			cancel()
			wg.Wait()
			if stalled() > quick().ackWait/3 {
				t.Skipf("the machine was too busy to keep a frame: %s", stalled())
			}
			t.Fatal(frame)
		}
		require.Equal(t, 2, d.Taken())
		require.NoError(t, d.Done(t.Context()))
		cancel()
		wg.Wait()
	},
	"A full queue refuses, keeps what it has and has room again when that is done": func(t *testing.T, route string, open opener) {
		s := open(t, 2*mib, room)
		frame := bytes.Repeat([]byte("x"), 256<<10)
		n := 0
		for err := error(nil); err == nil; n++ {
			require.Less(t, n, 9)
			if err = s.Queue().Put(t.Context(), route, frame); err != nil {
				require.ErrorIs(t, err, iteramp.ErrQueueFull)
			}
		}
		require.NoError(t, s.Ready(), "full is ready")
		b := backlogOf(t, s, route)
		require.EqualValues(t, n-1, b.Frames)
		require.EqualValues(t, 2*mib, b.Limit)
		require.False(t, b.Oldest.IsZero())
		for range n - 1 {
			d := take(t, s, route)
			require.Len(t, d.Frame(), len(frame))
			require.NoError(t, d.Done(t.Context()))
		}
		require.Eventually(t, func() bool { return s.Queue().Put(t.Context(), route, frame) == nil }, 15*time.Second, 20*time.Millisecond)
		require.Eventually(t, func() bool { return backlogOf(t, s, route).Frames == 1 }, 5*time.Second, 10*time.Millisecond,
			"a server of a cluster may hear of it a moment later")
		require.Zero(t, backlogOf(t, s, route).Missing, "what was done is not missing")
	},
	"A frame that is too large is refused, the largest fits": func(t *testing.T, route string, open opener) {
		s := open(t, room, room)
		most := int(s.engine.nc.MaxPayload())
		require.ErrorIs(t, s.Queue().Put(t.Context(), route, make([]byte, most)), iteramp.ErrFrameTooLarge)
		frame := bytes.Repeat([]byte("large"), most/5-500)
		require.NoError(t, s.Queue().Put(t.Context(), route, frame))
		require.Equal(t, frame, take(t, s, route).Frame())
	},
	"Many put and take at once, and nothing is lost or handed out twice": func(t *testing.T, route string, open opener) {
		s := open(t, room, room)
		const writers, each = 8, 50
		var wg sync.WaitGroup
		for w := range writers {
			wg.Go(func() {
				frame := make([]byte, 0, 32)
				for i := range each {
					frame = fmt.Appendf(frame[:0], "%d-%d", w, i) // the bytes are used again
					if err := s.Queue().Put(t.Context(), route, frame); err != nil {
						t.Error(err)
					}
				}
			})
		}
		var mu sync.Mutex
		got := make(map[string]int)
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		for range 4 {
			wg.Go(func() {
				for {
					d, err := s.Queue().Take(ctx, route)
					if err != nil {
						return
					}
					mu.Lock()
					got[string(d.Frame())]++
					if len(got) == writers*each {
						cancel()
					}
					mu.Unlock()
					_ = d.Done(t.Context())
				}
			})
		}
		wg.Wait()
		require.Len(t, got, writers*each)
		for _, n := range got {
			require.Equal(t, 1, n)
		}
	},
	"No route waits for another": func(t *testing.T, route string, open opener) {
		s := open(t, 2*mib, room)
		ctx, cancel := context.WithCancel(t.Context())
		waiting := make(chan error)
		go func() {
			_, err := s.Queue().Take(ctx, route+"-empty")
			waiting <- err
		}()
		for err := error(nil); err == nil; {
			err = s.Queue().Put(t.Context(), route+"-full", make([]byte, 256<<10))
		}
		put(t, s, route, "a")
		require.NoError(t, take(t, s, route).Done(t.Context()))
		cancel()
		require.ErrorIs(t, <-waiting, context.Canceled)
	},
	"Dead letters are kept, found, listed and deleted": testDeadLetters,
	"Close ends what waits, and what comes after fails": func(t *testing.T, route string, open opener) {
		s := open(t, room, room)
		put(t, s, route, "a")
		d := take(t, s, route)
		results := make(chan error, 20)
		for i := range 10 {
			go func() {
				_, err := s.Queue().Take(t.Context(), route)
				results <- err
			}()
			go func() { results <- s.Queue().Put(t.Context(), route+"-b", fmt.Append(nil, i)) }()
		}
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() { require.NoError(t, s.Close()) })
		}
		wg.Wait()
		for range 20 {
			if err := <-results; err != nil {
				require.ErrorIs(t, err, ErrClosed)
			}
		}
		require.Error(t, d.Done(t.Context()))
		require.ErrorIs(t, s.Ready(), ErrClosed)
		require.ErrorIs(t, s.Queue().Put(t.Context(), route, nil), ErrClosed)
		_, err := s.DeadLetter().Get(t.Context(), route, "x")
		require.ErrorIs(t, err, ErrClosed)
		_, err = s.Backlog(t.Context())
		require.ErrorIs(t, err, ErrClosed)
	},
}

func put(t *testing.T, s *Store, route, frame string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	require.NoError(t, s.Queue().Put(ctx, route, []byte(frame)))
}

func take(t *testing.T, s *Store, route string) iteramp.Delivery {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
	defer cancel()
	d, err := s.Queue().Take(ctx, route)
	require.NoError(t, err)
	return d
}

// noMore makes sure that a route hands nothing out for a time.
func noMore(t *testing.T, s *Store, route string, d time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	got, err := s.Queue().Take(ctx, route)
	if err == nil {
		t.Fatalf("got %.20q, taken %d times", got.Frame(), got.Taken())
	}
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

func backlogOf(t *testing.T, s *Store, route string) Backlog {
	t.Helper()
	all, err := s.Backlog(t.Context())
	require.NoError(t, err)
	for _, b := range all {
		if b.Route == route {
			return b
		}
	}
	t.Fatal("the route has no backlog")
	return Backlog{}
}
