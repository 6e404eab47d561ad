package main

import (
	"context"
	"io/fs"
	"math/rand/v2"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iteramp/iteramp"
	"github.com/iteramp/iteramp/amplitude"
	"github.com/iteramp/iteramp/amplitude/amplitudetest"
	"github.com/iteramp/iteramp/iterable/iterabletest"
	"github.com/iteramp/iteramp/jetstream"
)

const stored = 60

// A store of some webhooks is damaged. The relay starts all the same, delivers what
// can be read, counts what is lost, and goes on accepting.
func TestF05(t *testing.T) {
	// Each run opens a real store, so there are fewer than the bits of a file.
	made := ""
	lost, accepted, runs := 0, 0, 0
	each(t, "F05", "a damaged store", counts{12, 500, 5_000}, func(t *testing.T, rng *rand.Rand) {
		if made == "" {
			dir, err := os.MkdirTemp("", "campaign")
			require.NoError(t, err)
			made = dir
			fill60(t, made)
		}
		dir := filepath.Join(storeDir(t), "store")
		require.NoError(t, os.CopyFS(dir, os.DirFS(made)))
		require.NoError(t, os.Chmod(dir, 0o700))
		frames := damage(t, rng, dir)

		var fake amplitudetest.Fake
		fake.HTTPV2.EventsPerSecond = -1
		srv := httptest.NewServer(&fake)
		defer srv.Close()
		l := new(ledger)
		for range stored {
			l.owe(l.draw())
		}
		store, relay := embedded(t, dir, srv.URL)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- relay.Run(ctx) }()
		for range 5 {
			n := l.draw()
			rec := httptest.NewRecorder()
			relay.ServeHTTP(rec, iterabletest.WebhookRequest(token, webhook(n)))
			if rec.Code != 200 { // it must not say that it has what it cannot read
				require.Equal(t, 503, rec.Code)
				continue
			}
			l.owe(n)
			accepted++
		}
		var v verdict
		var b jetstream.Backlog
		require.Eventually(t, func() bool {
			backlog, err := store.Backlog(t.Context())
			require.NoError(t, err)
			for _, route := range backlog {
				b = route
			}
			letters := lettersOf(t, store)
			whole := slices.DeleteFunc(slices.Clone(letters), func(l iteramp.Letter) bool { return l.Reason == iteramp.ReasonFrame })
			v = judge(l, fake.Events(), whole)
			// The store does not notice every flipped bit. What it hands out then is a letter.
			return b.Frames == 0 && int64(v.missing) <= b.Missing+int64(len(letters)-len(whole))
		}, 30*time.Second, 50*time.Millisecond, "something is left, or lost and not counted")
		cancel()
		require.NoError(t, <-ended)
		require.NoError(t, store.Close())
		t.Log(v, b.Missing)
		require.Zero(t, v.spurious+v.corrupted+v.duplicates+v.inTwoPlaces, v.example)
		for n := stored + 1; n <= stored+5; n++ {
			require.True(t, !l.owed[n] || has(fake.Events(), n), "what came after the damage is delivered")
		}
		if !frames {
			require.Zero(t, v.missing, "no frame was damaged")
		}
		lost += v.missing
		runs++
	})
	_ = os.RemoveAll(made)
	if *tier != "" && *times == 0 {
		require.GreaterOrEqual(t, 100*accepted, 95*5*runs, "it goes on accepting, nearly always")
		require.Positive(t, lost, "no damage cost a frame")
	}
}

func has(events []amplitudetest.Event, n int) bool {
	for _, e := range events {
		if numberOf(e) == n {
			return true
		}
	}
	return false
}

func lettersOf(t *testing.T, store *jetstream.Store) (letters []iteramp.Letter) {
	for l, err := range store.DeadLetter().All(t.Context()) {
		require.NoError(t, err)
		letters = append(letters, l)
	}
	return letters
}

func embedded(t *testing.T, dir, url string) (*jetstream.Store, *iteramp.Relay) {
	store, err := jetstream.Embed(t.Context(), jetstream.EmbedConfig{Dir: dir, Logger: logs})
	require.NoError(t, err)
	t.Cleanup(func() { _ = store.Close() })
	client, err := amplitude.NewClient(amplitude.Config{APIKey: "test-key", BaseURL: url, Logger: logs})
	require.NoError(t, err)
	relay, err := iteramp.NewRelay(iteramp.RelayConfig{
		Routes: []iteramp.Route{{Amplitude: client, Secrets: []string{secret}}},
		Queue:  store.Queue(), DeadLetter: store.DeadLetter(), Logger: logs,
	})
	require.NoError(t, err)
	return store, relay
}

// fill60 puts webhooks into a store, each in a frame of its own.
func fill60(t *testing.T, dir string) {
	store, relay := embedded(t, dir, "http://127.0.0.1:1")
	for n := range stored {
		rec := httptest.NewRecorder()
		relay.ServeHTTP(rec, iterabletest.WebhookRequest(token, webhook(n+1)))
		require.Equal(t, 200, rec.Code)
	}
	require.NoError(t, store.Close())
}

// damage does something to a file of the store. frames says that it is one with
// frames in it.
func damage(t *testing.T, rng *rand.Rand, dir string) (frames bool) {
	var files []string
	require.NoError(t, filepath.WalkDir(dir, func(file string, d fs.DirEntry, err error) error {
		if info, e := d.Info(); err == nil && e == nil && d.Type().IsRegular() && info.Size() > 0 && strings.Contains(file, "iteramp-route-") {
			files = append(files, file)
			if strings.HasSuffix(file, ".blk") { // what matters most
				files = append(files, file, file, file, file)
			}
		}
		return err
	}))
	file := files[rng.IntN(len(files))]
	b, err := os.ReadFile(file)
	require.NoError(t, err)
	kind := pick(rng, "flip", "cut", "zero", "delete")
	switch kind {
	case "flip":
		for range 1 + rng.IntN(3) {
			b[rng.IntN(len(b))] ^= 1 << rng.IntN(8)
		}
	case "cut":
		b = b[:rng.IntN(len(b))]
	case "zero":
		at := rng.IntN(len(b))
		clear(b[at:min(len(b), at+4096)])
	case "delete":
		t.Log(kind, filepath.Base(file))
		require.NoError(t, os.Remove(file))
		return strings.HasSuffix(file, ".blk")
	}
	t.Log(kind, filepath.Base(file))
	require.NoError(t, os.WriteFile(file, b, 0o600))
	return strings.HasSuffix(file, ".blk")
}
