package jetstream

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"
)

func TestADirectoryIsOneStoresAlone(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(tempDir(t), "store")
	s, err := Embed(t.Context(), EmbedConfig{Dir: dir})
	require.NoError(t, err)
	_, err = Embed(t.Context(), EmbedConfig{Dir: dir})
	require.ErrorIs(t, err, ErrBusy)
	require.NoError(t, s.Close())
	s, err = Embed(t.Context(), EmbedConfig{Dir: dir})
	require.NoError(t, err)
	require.NoError(t, s.Close())
}

func TestADirectoryIsPrivate(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("modes mean nothing here")
	}
	t.Parallel()
	dir := filepath.Join(tempDir(t), "store")
	s, err := Embed(t.Context(), EmbedConfig{Dir: dir})
	require.NoError(t, err)
	require.NoError(t, s.Close())
	info, err := os.Stat(dir)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o700), info.Mode().Perm())
	for _, mode := range []os.FileMode{0o720, 0o702} {
		require.NoError(t, os.Chmod(dir, mode))
		_, err = Embed(t.Context(), EmbedConfig{Dir: dir})
		require.ErrorContains(t, err, "others may write to Dir")
	}
}

func TestMistakesInTheConfigAreNamed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for want, cfg := range map[string]EmbedConfig{
		"Dir is required":              {},
		"Dir: ":                        {Dir: filepath.Join(dir, "a", "b")},
		"MaxBytes and MaxDeadBytes":    {Dir: dir, MaxBytes: -1},
		"MaxDeadBytes must not be neg": {Dir: dir, MaxDeadBytes: -1},
	} {
		_, err := Embed(t.Context(), cfg)
		require.ErrorContains(t, err, want)
	}
	file := filepath.Join(dir, "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, err := Embed(t.Context(), EmbedConfig{Dir: file})
	require.Error(t, err)
}

func TestOpeningEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	dir := filepath.Join(tempDir(t), "store")
	_, err := Embed(ctx, EmbedConfig{Dir: dir})
	require.ErrorIs(t, err, context.Canceled)
	s, err := Embed(t.Context(), EmbedConfig{Dir: dir})
	require.NoError(t, err, "nothing is left behind")
	require.NoError(t, s.Close())
}

// The frames in hand when a process is stopped do not wait for a minute.
func TestWhatIsGivenBackComesAtOnceAfterARestart(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(tempDir(t), "store")
	open := func() *Store {
		return opened(t, func() (*Store, error) { return Embed(t.Context(), EmbedConfig{Dir: dir}) })
	}
	s := open()
	put(t, s, "route", "x")
	require.NoError(t, take(t, s, "route").Retry(t.Context(), 0))
	require.NoError(t, s.Close())
	require.NoError(t, take(t, open(), "route").Done(t.Context())) // waits for 15 s at most
}

func TestAStopWaitsForWhatTheServerHasPutAside(t *testing.T) {
	t.Parallel()
	s := embedded(t)(t, room, room)
	const frames = 100
	for range frames {
		put(t, s, "route", "x")
	}
	said := make(chan *nats.Msg, 4*frames)
	_, err := s.engine.nc.ChanSubscribe("$JS.ACK.>", said)
	require.NoError(t, err)
	for range frames {
		require.NoError(t, take(t, s, "route").Done(t.Context()))
	}
	require.NoError(t, s.engine.settle(t.Context()), "the server answers")
	got, err := s.engine.position(t.Context(), "route")
	require.NoError(t, err)
	require.Zero(t, got.consumer.NumAckPending)
	require.NoError(t, s.Close())
	questions := 0
	for range len(said) {
		if m := <-said; m.Reply != "" {
			questions++
		}
	}
	require.Equal(t, 2, questions, "ours, and the one of Close")
}

func TestTheServerSyncsAlways(t *testing.T) {
	t.Parallel()
	require.True(t, serverOptions(t.TempDir()).SyncAlways)
	s := embedded(t)(t, room, room)
	put(t, s, "r", "a")
	got, err := s.engine.js.Stream(t.Context(), routePrefix+"r")
	require.NoError(t, err)
	require.NoError(t, checkStream(s.set.routeStream("r"), got.CachedInfo().Config))
}

// Whatever somebody has set is set right again, and what cannot be is named.
func TestSettingsAreMendedOrRefused(t *testing.T) {
	t.Parallel()
	mends := map[string]func(*jetstream.StreamConfig){
		"discard":          func(c *jetstream.StreamConfig) { c.Discard = jetstream.DiscardOld },
		"max_age":          func(c *jetstream.StreamConfig) { c.MaxAge = time.Hour },
		"max_msgs":         func(c *jetstream.StreamConfig) { c.MaxMsgs = 5 },
		"duplicate_window": func(c *jetstream.StreamConfig) { c.Duplicates = time.Second },
		"no_ack":           func(c *jetstream.StreamConfig) { c.NoAck = true },
	}
	for name, tamper := range mends {
		t.Run("mended: "+name, func(t *testing.T) {
			t.Parallel()
			s := tampered(t, tamper)
			put(t, s, "r", "a")
			got, err := s.engine.js.Stream(t.Context(), routePrefix+"r")
			require.NoError(t, err)
			require.NoError(t, checkStream(s.set.routeStream("r"), got.CachedInfo().Config))
		})
	}
	refused := map[string]func(*jetstream.StreamConfig){
		"retention": func(c *jetstream.StreamConfig) { c.Retention = jetstream.WorkQueuePolicy },
		"storage":   func(c *jetstream.StreamConfig) { c.Storage = jetstream.MemoryStorage },
	}
	for name, tamper := range refused {
		t.Run("refused: "+name, func(t *testing.T) {
			t.Parallel()
			s := tampered(t, tamper)
			err := s.Queue().Put(t.Context(), "r", []byte("a"))
			require.ErrorContains(t, err, name)
			require.NoError(t, s.Ready(), "other routes go on")
			put(t, s, "other", "a")
		})
	}
}

// tampered is a store with a stream of the route "r" that somebody else made.
func tampered(t *testing.T, tamper func(*jetstream.StreamConfig)) *Store {
	s := embedded(t)(t, room, room)
	cfg := s.set.routeStream("r")
	tamper(&cfg)
	if cfg.Storage == jetstream.MemoryStorage {
		cfg.MaxBytes = 1 << 10
	}
	_, err := s.engine.js.CreateStream(t.Context(), cfg)
	require.NoError(t, err)
	return s
}

func TestCheckingNamesEverySettingThatDiffers(t *testing.T) {
	t.Parallel()
	set := settings{replicas: 3, maxBytes: 1, maxDeadBytes: 2, tuning: defaultTuning()}
	want := set.routeStream("r")
	require.NoError(t, checkStream(want, want))
	got := want
	got.Replicas, got.PersistMode = 1, jetstream.AsyncPersistMode
	err := checkStream(want, got)
	require.ErrorContains(t, err, "num_replicas is 1 and must be 3")
	require.ErrorContains(t, err, "persist_mode")
	consumer := set.consumer()
	require.NoError(t, checkConsumer("s", consumer, consumer))
	other := consumer
	other.AckPolicy, other.MaxDeliver = jetstream.AckNonePolicy, 3
	err = checkConsumer("s", consumer, other)
	require.ErrorContains(t, err, "ack_policy")
	require.ErrorContains(t, err, "max_deliver is 3 and must be -1")
}

func TestNamesAreChecked(t *testing.T) {
	t.Parallel()
	s := embedded(t)(t, room, room)
	for _, bad := range []string{"", "a.b", "a*", ">", "a b", "a/b", "é", fmt.Sprintf("%065d", 0)} {
		require.Error(t, s.Queue().Put(t.Context(), bad, nil))
		_, err := s.Queue().Take(t.Context(), bad)
		require.Error(t, err)
		_, err = s.DeadLetter().Get(t.Context(), bad, "a")
		require.Error(t, err)
		if len(bad) != 65 {
			_, err = s.DeadLetter().Get(t.Context(), "a", bad)
			require.Error(t, err)
			require.False(t, errors.Is(err, context.Canceled))
		}
	}
}
