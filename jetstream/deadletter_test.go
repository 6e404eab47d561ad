package jetstream

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/iteramp/iteramp"
)

func letter(route, id string) iteramp.Letter {
	return iteramp.Letter{
		ID: id, Route: route, Reason: "invalid", Status: 400, Attempts: 3,
		First: time.Unix(1700000000, 123456789).UTC(), Last: time.Unix(1700000100, 0).UTC(),
		Webhook: []byte("{\"a\":\xff \"<b>\"}\x00"),
	}
}

func list(t *testing.T, s *Store) (all []iteramp.Letter) {
	for l, err := range s.DeadLetter().All(t.Context()) {
		require.NoError(t, err)
		all = append(all, l)
	}
	return all
}

func testDeadLetters(t *testing.T, route string, open opener) {
	s := open(t, room, room)
	dead := s.DeadLetter()
	require.Empty(t, list(t, s))
	_, err := dead.Get(t.Context(), route, "none")
	require.ErrorIs(t, err, iteramp.ErrNoLetter)
	require.NoError(t, dead.Delete(t.Context(), route, "none"))

	a, b := letter(route, "a-_1"), letter(route, "b")
	require.NoError(t, dead.Put(t.Context(), a))
	require.NoError(t, dead.Put(t.Context(), b))
	a.Attempts, a.Reason = 4, "throttled"
	require.NoError(t, dead.Put(t.Context(), a))
	got, err := dead.Get(t.Context(), route, a.ID)
	require.NoError(t, err)
	require.Equal(t, a, got)
	require.Equal(t, []iteramp.Letter{b, a}, list(t, s), "a repeat takes the place of the one before")
	l, err := s.Letters(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 2, l.Count)
	require.EqualValues(t, room, l.Limit)
	require.Positive(t, l.Bytes)

	require.NoError(t, s.Close())
	s = open(t, room, room)
	dead = s.DeadLetter()
	require.NoError(t, dead.Delete(t.Context(), route, b.ID))
	require.NoError(t, dead.Delete(t.Context(), route, b.ID))
	_, err = dead.Get(t.Context(), route, b.ID)
	require.ErrorIs(t, err, iteramp.ErrNoLetter)
	require.Equal(t, []iteramp.Letter{a}, list(t, s))
	require.NoError(t, dead.Delete(t.Context(), route, a.ID))
	testManyLetters(t, s, route)

	require.NoError(t, s.Close())
	s = open(t, room, mib)
	testFullLetters(t, s, route)
}

func testManyLetters(t *testing.T, s *Store, route string) {
	n := 2000
	if s.set.replicas > 1 {
		n = 300
	}
	var wg sync.WaitGroup
	for w := range 20 {
		wg.Go(func() {
			for i := w; i < n; i += 20 {
				if err := s.DeadLetter().Put(t.Context(), letter(route, fmt.Sprint(i))); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	seen := make(map[string]bool)
	began := time.Now()
	for l, err := range s.DeadLetter().All(t.Context()) {
		require.NoError(t, err)
		if len(seen) == 0 { // not among them
			require.NoError(t, s.DeadLetter().Put(t.Context(), letter(route, "late")))
		}
		seen[l.ID] = true
		require.NoError(t, s.DeadLetter().Delete(t.Context(), l.Route, l.ID), "while they are listed")
		if len(seen) == n/50 {
			break
		}
	}
	for _, l := range list(t, s) {
		seen[l.ID] = true
	}
	t.Logf("listed %d, deleted %d in %s", n, n/50, time.Since(began).Round(time.Millisecond))
	require.Len(t, seen, n+1)
}

func testFullLetters(t *testing.T, s *Store, route string) {
	stream, err := s.engine.js.Stream(t.Context(), deadStream)
	require.NoError(t, err)
	require.NoError(t, stream.Purge(t.Context()))
	n := 0
	fill := func() error {
		n++
		l := letter(route, fmt.Sprint("large-", n))
		l.Webhook = bytes.Repeat([]byte("x"), 100<<10)
		return s.DeadLetter().Put(t.Context(), l)
	}
	for err = nil; err == nil; err = fill() {
		require.Less(t, n, 20)
	}
	require.ErrorIs(t, err, iteramp.ErrQueueFull)
	require.NoError(t, s.Ready())
	all := list(t, s)
	require.Len(t, all, n-1, "what was there stays")
	require.NoError(t, s.DeadLetter().Delete(t.Context(), route, all[0].ID))
	require.NoError(t, fill())
}

func TestADeletedLetterLeavesNoTrace(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(tempDir(t), "store")
	s, err := embed(t.Context(), EmbedConfig{Dir: dir}, quick())
	require.NoError(t, err)
	l := letter("r", "a")
	l.Reason = "a-reason-to-look-for"
	require.NoError(t, s.DeadLetter().Put(t.Context(), l))
	require.NoError(t, s.DeadLetter().Put(t.Context(), letter("r", "b")))
	require.True(t, onDisk(t, dir, l.Reason), "the test looks in the right place")
	require.NoError(t, s.DeadLetter().Delete(t.Context(), "r", "a"))
	require.NoError(t, s.Close())
	require.False(t, onDisk(t, dir, l.Reason))
}

func onDisk(t *testing.T, dir, text string) (found bool) {
	require.NoError(t, filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		found = found || bytes.Contains(b, []byte(text))
		return err
	}))
	return found
}

// What cannot be read is a letter with its bytes, so that it can be seen, counted
// as unread and deleted.
func TestALetterThatCannotBeReadStopsNothing(t *testing.T) {
	t.Parallel()
	s := embedded(t)(t, room, room)
	require.NoError(t, s.DeadLetter().Put(t.Context(), letter("r", "before")))
	for _, bad := range []string{"", "{", `{"version":2,"id":"x"}`} {
		_, err := s.engine.js.PublishMsg(t.Context(), rawLetter("r", "bad", bad))
		require.NoError(t, err)
		require.NoError(t, s.DeadLetter().Put(t.Context(), letter("r", "after")))
		all := list(t, s)
		require.Len(t, all, 3)
		got := all[1]
		require.Equal(t, []string{"r", "bad", iteramp.ReasonFrame, bad}, []string{got.Route, got.ID, got.Reason, string(got.Webhook)})
	}
	purged, unread, err := iteramp.PurgeLetters(t.Context(), s.DeadLetter(), "u-1")
	require.NoError(t, err)
	require.Zero(t, purged)
	require.Equal(t, 3, unread)
	require.NoError(t, s.DeadLetter().Delete(t.Context(), "r", "bad"))
	require.Len(t, list(t, s), 2)
}

func TestLettersAreWrittenAsDocumented(t *testing.T) {
	t.Parallel()
	h, err := encodeLetter(letter("r", "a"))
	require.NoError(t, err)
	require.JSONEq(t, `{"version":1,"id":"a","route":"r","reason":"invalid","status":400,"attempts":3,
		"first":"2023-11-14T22:13:20.123456789Z","last":"2023-11-14T22:15:00Z"}`, h.Get(letterHeader))
}

// Whatever is there can be listed, with its bytes.
func TestALetterThatCannotBeReadIsOneAllTheSame(t *testing.T) {
	t.Parallel()
	for _, header := range []string{"", "{", `{"version":2,"id":"b"}`, `{"version":1,"status":"x"}`} {
		l := decodeLetter(&jetstream.RawStreamMsg{Subject: deadSubject + "r.a", Header: nats.Header{letterHeader: {header}}, Data: []byte("body")})
		require.Equal(t, iteramp.Letter{ID: "a", Route: "r", Reason: iteramp.ReasonFrame, Webhook: []byte("body")}, l, header)
	}
	h, err := encodeLetter(letter("r", "a"))
	require.NoError(t, err)
	require.Equal(t, letter("r", "a"), decodeLetter(&jetstream.RawStreamMsg{Header: h, Data: letter("r", "a").Webhook}))
}
