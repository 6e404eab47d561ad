package jetstream

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	damaged   = 48      // frames of the damaged store, 1.9 KB each
	blockSize = 120_000 // that makes the server use blocks of 32 KB
)

// The store starts after any damage, delivers all that can be read and all that is
// put later, and reports what is missing.
func TestDamageIsContained(t *testing.T) {
	t.Parallel()
	// Each kind of damage once in each block, before and after frames were taken;
	// all combinations, with and without the server's index, if asked for.
	all, n := os.Getenv("ITERAMP_TEST_ALL") != "", 0
	for name, hurt := range map[string]func([]byte) []byte{
		"a flipped bit":      func(b []byte) []byte { b[len(b)/2] ^= 4; return b },
		"cut in half":        func(b []byte) []byte { return b[:len(b)/2] },
		"cut to nothing":     func(b []byte) []byte { return nil },
		"a page of zeros":    func(b []byte) []byte { copy(b[len(b)/2:], make([]byte, 4096)); return b },
		"deleted":            nil,
		"half of it garbage": func(b []byte) []byte { copy(b[len(b)/2:], bytes.Repeat([]byte{0xa5}, len(b))); return b },
	} {
		for _, which := range []string{"first", "middle", "last"} {
			for _, taken := range []int{0, 45} {
				for _, index := range []bool{true, false} {
					if n++; !all && n%5 != 0 {
						continue
					}
					t.Run(fmt.Sprintf("%s: %s block, %d taken, index %t", name, which, taken, index), func(t *testing.T) {
						t.Parallel()
						testDamage(t, hurt, which, taken, index)
					})
				}
			}
		}
	}
}

func testDamage(t *testing.T, hurt func([]byte) []byte, which string, taken int, index bool) {
	var logged bytes.Buffer
	cfg := EmbedConfig{Dir: filepath.Join(tempDir(t), "store"), MaxBytes: blockSize, Logger: slog.New(slog.NewTextHandler(&logged, nil))}
	set := quick()
	set.ackWait, set.tendEvery = 500*time.Millisecond, 100*time.Millisecond
	s, err := embed(t.Context(), cfg, set)
	require.NoError(t, err)
	for i := range damaged {
		put(t, s, "r", frameOf(i))
	}
	done := make(map[int]bool)
	for i := range taken {
		d := take(t, s, "r")
		if i > 2 && i%10 != 0 {
			done[numberOf(t, d.Frame())] = true
			require.NoError(t, d.Done(t.Context()))
		}
	}
	require.NoError(t, s.Close())
	damage(t, cfg.Dir, hurt, which, index)

	s, err = embed(t.Context(), cfg, set)
	require.NoError(t, err)
	for i := range 5 { // before anybody takes
		put(t, s, "r", frameOf(damaged+i))
	}
	got := takeAll(t, s, damaged+4)
	for i := range 5 { // and after
		put(t, s, "r", frameOf(damaged+5+i))
		for n := -1; n != damaged+5+i; got[n] = true { // what was open may come late
			n = numberOf(t, takeDone(t, s))
		}
	}
	for i := range 5 {
		require.True(t, got[damaged+i], "what is put after damage is delivered")
	}
	lost := int64(0)
	for i := range damaged {
		if !got[i] && !done[i] {
			lost++
		}
	}
	var b Backlog
	for until := time.Now().Add(5 * time.Second); time.Now().Before(until); {
		if b = backlogOf(t, s, "r"); b.Missing >= lost && b.Frames == 0 && b.Bytes == 0 {
			break
		}
	}
	require.GreaterOrEqual(t, b.Missing, lost, "all that is lost is counted")
	require.Zero(t, b.Frames, "nothing stays")
	require.Zero(t, b.Bytes, "nothing stays")
	missing := b.Missing
	require.LessOrEqual(t, missing, lost+int64(len(done)), "nothing is counted twice")
	if lost > 0 {
		require.Contains(t, logged.String(), "the queue is damaged")
	}
	require.NoError(t, s.Close())
	require.NotContains(t, logged.String(), "xxxx", "no frame is logged")
	t.Logf("%d lost, %d counted", lost, missing)
}

// Behind a last record whose number was damaged the server writes what it does not
// find again: that must not pass for stored.
func TestAFrameThatCannotBeReadAgainIsNotStored(t *testing.T) {
	t.Parallel()
	cfg, set := EmbedConfig{Dir: filepath.Join(tempDir(t), "store")}, quick()
	s, err := embed(t.Context(), cfg, set)
	require.NoError(t, err)
	const frames = 20
	for i := range frames {
		put(t, s, "r", frameOf(i))
	}
	require.NoError(t, s.Close())
	damage(t, cfg.Dir, func(b []byte) []byte {
		b[numberAt(t, b, frames-1)+2] ^= 1
		return b
	}, "first", true)

	s, err = embed(t.Context(), cfg, set)
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close()) }()
	stored := 0
	for i := range 5 {
		if err := s.Queue().Put(t.Context(), "r", []byte(frameOf(frames+i))); err == nil {
			stored++
		} else {
			require.ErrorContains(t, err, "cannot be read")
		}
	}
	got := make(map[int]bool)
	for {
		ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
		d, err := s.Queue().Take(ctx, "r")
		cancel()
		if err != nil {
			break
		}
		got[numberOf(t, d.Frame())] = true
		require.NoError(t, d.Done(t.Context()))
	}
	require.GreaterOrEqual(t, len(got), 10, "what lies before the damage is there")
	late := 0
	for i := range 5 {
		if got[frames+i] {
			late++
		}
	}
	require.Equal(t, stored, late)
	require.Less(t, stored, 5, "the damage is of the kind that is meant")
	require.Positive(t, backlogOf(t, s, "r").Missing)
}

// A flipped bit in a record's number costs no more than the rest of its block, and
// nothing that is put later.
func TestANumberIsNotBelieved(t *testing.T) {
	t.Parallel()
	step := 5
	if os.Getenv("ITERAMP_TEST_ALL") != "" {
		step = 1
	}
	for bit := 0; bit < 64; bit += step {
		t.Run(fmt.Sprintf("bit %d", bit), func(t *testing.T) {
			t.Parallel()
			s := withNumber(t, func(b []byte) { b[bit/8] ^= 1 << (bit % 8) })
			for i := range 5 {
				put(t, s, "r", frameOf(20+i))
			}
			got := takeAll(t, s, 24)
			for i := range 25 {
				require.True(t, got[i] || i >= 10 && i < 20, "frame %d", i)
			}
		})
	}
}

// To fill the way to such a number the server takes gigabytes.
func TestANumberCostsNoMemory(t *testing.T) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	s := withNumber(t, func(b []byte) { b[3] ^= 1 << 3 })
	for i := range 10 {
		require.Equal(t, i, numberOf(t, takeDone(t, s)))
	}
	runtime.ReadMemStats(&after)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(256<<20))
}

// withNumber opens a store of 20 frames of which the eleventh has had its number hurt.
func withNumber(t *testing.T, hurt func([]byte)) *Store {
	cfg, set := EmbedConfig{Dir: filepath.Join(tempDir(t), "store")}, quick()
	s, err := embed(t.Context(), cfg, set)
	require.NoError(t, err)
	for i := range 20 {
		put(t, s, "r", frameOf(i))
	}
	require.NoError(t, s.Close())
	damage(t, cfg.Dir, func(b []byte) []byte {
		hurt(b[numberAt(t, b, 10):])
		return b
	}, "first", true)
	s, err = embed(t.Context(), cfg, set)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

// numberAt finds where a frame's record has its number, behind its length and before
// its time and what is sent.
func numberAt(t *testing.T, block []byte, frame int) int {
	at := bytes.Index(block, fmt.Appendf(nil, "\n%d x", frame))
	require.Positive(t, at)
	at = bytes.LastIndex(block[:at], []byte("iteramp.route.r")) - 2 - 8 - 8
	require.EqualValues(t, frame+1, block[at])
	return at
}

func frameOf(i int) string { return fmt.Sprintf("%d %s", i, strings.Repeat("x", 1900)) }

func numberOf(t *testing.T, frame []byte) int {
	text, rest, _ := strings.Cut(string(frame), " ")
	n, err := strconv.Atoi(text)
	require.NoError(t, err)
	require.Equal(t, strings.Repeat("x", 1900), rest, "no frame is altered")
	return n
}

func takeDone(t *testing.T, s *Store) []byte {
	d := take(t, s, "r")
	frame := d.Frame()
	require.NoError(t, d.Done(t.Context()))
	return frame
}

// takeAll takes until the last frame has come and nothing follows it.
func takeAll(t *testing.T, s *Store, last int) map[int]bool {
	got := make(map[int]bool)
	for {
		wait := 5 * time.Second
		if got[last] {
			wait = 800 * time.Millisecond // more than AckWait
		}
		ctx, cancel := context.WithTimeout(t.Context(), wait)
		d, err := s.Queue().Take(ctx, "r")
		cancel()
		if err != nil {
			require.ErrorIs(t, err, context.DeadlineExceeded)
			return got
		}
		got[numberOf(t, d.Frame())] = true
		require.NoError(t, d.Done(t.Context()))
	}
}

func damage(t *testing.T, dir string, hurt func([]byte) []byte, which string, index bool) {
	msgs := filepath.Join(dir, storeName, "jetstream", "$G", "streams", routePrefix+"r", "msgs")
	blocks, err := filepath.Glob(filepath.Join(msgs, "*.blk"))
	require.NoError(t, err)
	if which != "first" {
		require.GreaterOrEqual(t, len(blocks), 3, "the store has several blocks")
	}
	n := map[string]int{"first": 1, "middle": len(blocks)/2 + 1, "last": len(blocks)}[which]
	block := filepath.Join(msgs, fmt.Sprintf("%d.blk", n))
	b, err := os.ReadFile(block)
	require.NoError(t, err)
	if hurt == nil {
		require.NoError(t, os.Remove(block))
	} else {
		require.NoError(t, os.WriteFile(block, hurt(b), 0o600))
	}
	if !index {
		require.NoError(t, os.Remove(filepath.Join(msgs, "index.db")))
	}
}
