package jetstream

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iteramp/iteramp"
)

func quick() tuning {
	t := defaultTuning()
	t.ackWait, t.pinnedTTL = 2*time.Second, 2*time.Second
	t.keepEvery, t.tendEvery = 500*time.Millisecond, 200*time.Millisecond
	return t
}

func open(t *testing.T, cfg EmbedConfig) *Store {
	if cfg.Dir == "" {
		cfg.Dir = filepath.Join(t.TempDir(), "store")
	}
	s, err := embed(t.Context(), cfg, quick())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

func take(t *testing.T, s *Store, route string) iteramp.Delivery {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	d, err := s.Queue().Take(ctx, route)
	require.NoError(t, err)
	return d
}

func TestThin(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	start := time.Now()
	s := open(t, EmbedConfig{Dir: dir})
	t.Logf("open %s", time.Since(start))
	ctx := t.Context()
	for i := range 20 {
		require.NoError(t, s.Queue().Put(ctx, "a", fmt.Appendf(nil, "frame %d", i)))
	}
	t.Logf("put %s", time.Since(start))
	for i := range 15 {
		d := take(t, s, "a")
		require.Equal(t, fmt.Sprintf("frame %d", i), string(d.Frame()))
		require.Equal(t, 1, d.Taken())
		if i < 10 {
			require.NoError(t, d.Done(ctx))
		}
	}
	t.Logf("taken %s", time.Since(start))
	_, err := Embed(ctx, EmbedConfig{Dir: dir})
	require.ErrorIs(t, err, ErrBusy)
	require.NoError(t, s.Close())
	t.Logf("closed %s", time.Since(start))
	s = open(t, EmbedConfig{Dir: dir})
	t.Logf("open %s", time.Since(start))
	seen := map[string]int{}
	for range 10 {
		d := take(t, s, "a")
		seen[string(d.Frame())] = d.Taken()
	}
	t.Log(seen)
	t.Logf("taken %s", time.Since(start))
	l := iteramp.Letter{ID: "x", Route: "a", Reason: "r", First: time.Now().UTC(), Webhook: []byte("hi")}
	require.NoError(t, s.DeadLetter().Put(ctx, l))
	got, err := s.DeadLetter().Get(ctx, "a", "x")
	require.NoError(t, err)
	require.Equal(t, l, got)
	n := 0
	for _, err := range s.DeadLetter().All(ctx) {
		require.NoError(t, err)
		n++
	}
	require.Equal(t, 1, n)
	require.NoError(t, s.DeadLetter().Delete(ctx, "a", "x"))
	_, err = s.DeadLetter().Get(ctx, "a", "x")
	require.ErrorIs(t, err, iteramp.ErrNoLetter)
	require.ErrorIs(t, s.Queue().Put(ctx, "a", bytes.Repeat([]byte("x"), 3<<20)), iteramp.ErrFrameTooLarge)
	out, _ := os.ReadDir(dir)
	t.Log(out)
}
