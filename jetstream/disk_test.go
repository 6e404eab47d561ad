package jetstream

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/iteramp/iteramp"
)

// A full disk stops the store, and it goes on by itself when there is room: with
// everything that was acknowledged.
func TestAFullDiskLosesNothing(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root, to mount a small disk")
	}
	t.Parallel()
	disk := filepath.Join(t.TempDir(), "disk")
	require.NoError(t, os.Mkdir(disk, 0o700))
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", disk).CombinedOutput(); err != nil {
		t.Skipf("no small disk: %v: %s", err, out)
	}
	t.Cleanup(func() { _ = exec.Command("umount", "-l", disk).Run() })
	s := opened(t, func() (*Store, error) {
		return embed(t.Context(), EmbedConfig{Dir: filepath.Join(disk, "store")}, quick())
	})

	var acknowledged []string
	n := 0
	write := func(within time.Duration) error {
		ctx, cancel := context.WithTimeout(t.Context(), within)
		defer cancel()
		frame := fmt.Sprintf("%05d %0100000d", n, 0)
		n++
		err := s.Queue().Put(ctx, "r", []byte(frame))
		if err == nil {
			acknowledged = append(acknowledged, frame[:5])
		}
		return err
	}
	for range 10 {
		require.NoError(t, write(10*time.Second))
	}
	waiting := make(chan error, 1)
	go func() {
		_, err := s.Queue().Take(t.Context(), "other")
		waiting <- err
	}()

	fill(t, filepath.Join(disk, "filler"))
	var err error
	for range 100 {
		if err = write(5 * time.Second); err != nil {
			break
		}
	}
	require.Error(t, err)
	require.NotErrorIs(t, err, iteramp.ErrQueueFull)
	require.Eventually(t, func() bool { return errors.Is(s.Ready(), ErrNotReady) }, 20*time.Second, 10*time.Millisecond)
	began := time.Now()
	require.ErrorIs(t, write(5*time.Second), ErrNotReady)
	require.Less(t, time.Since(began), time.Second, "it fails at once")

	require.NoError(t, os.Remove(filepath.Join(disk, "filler")))
	began = time.Now()
	require.Eventually(t, func() bool { return write(5*time.Second) == nil }, 20*time.Second, 50*time.Millisecond)
	t.Logf("takes writes %s after there was room", time.Since(began).Round(time.Millisecond))
	var got []string
	for len(got) < len(acknowledged) {
		d := take(t, s, "r")
		frame := string(d.Frame()[:5])
		require.NoError(t, d.Done(t.Context()))
		if frame == acknowledged[len(got)] { // others were written without our being told
			got = append(got, frame)
		}
	}
	require.Equal(t, acknowledged, got)
	put(t, s, "other", "a")
	require.NoError(t, <-waiting, "a Take goes on with the new server")
	require.Zero(t, backlogOf(t, s, "r").Missing)
}

// fill uses up the disk.
func fill(t *testing.T, name string) {
	f, err := os.Create(name)
	require.NoError(t, err)
	defer f.Close()
	for size := 1 << 20; size > 0; {
		if _, err := f.Write(make([]byte, size)); err != nil {
			require.ErrorIs(t, err, syscall.ENOSPC)
			size /= 2
		}
	}
}

// A store that answers nothing is opened anew as well, but not because a disk is
// slow for a moment.
func TestASilentStoreIsOpenedAnew(t *testing.T) {
	t.Parallel()
	s := embedded(t)(t, room, room)
	put(t, s, "r", "a")
	old := s.engine
	silence := func(d time.Duration) {
		require.ErrorIs(t, s.wrote(old, time.Now().Add(-d), context.DeadlineExceeded), context.DeadlineExceeded)
	}
	silence(2 * time.Second)
	silence(2 * time.Second)
	require.NoError(t, s.Ready())
	put(t, s, "r", "b") // an answer
	silence(silentFor)
	require.NoError(t, s.Ready(), "once is not enough")
	silence(2 * time.Second)
	require.ErrorIs(t, s.Ready(), ErrNotReady)
	require.Eventually(t, func() bool { return s.Ready() == nil }, 20*time.Second, 10*time.Millisecond)
	silence(silentFor)
	silence(silentFor)
	require.NoError(t, s.Ready(), "what the old one did tells nothing of the new one")
	for _, want := range []string{"a", "b"} {
		require.Equal(t, want, string(take(t, s, "r").Frame()))
	}
}

// Broken files do not keep the store from saying so and trying again, and Close
// ends that.
func TestOpeningAnewGoesOnUntilItWorksOrTheStoreIsClosed(t *testing.T) {
	t.Parallel()
	s := embedded(t)(t, room, room)
	open := s.reopen
	var mu sync.Mutex
	tries, works := 0, false
	s.reopen = func(ctx context.Context) (*engine, error) {
		mu.Lock()
		defer mu.Unlock()
		if tries++; !works {
			return nil, errors.New("broken")
		}
		return open(ctx)
	}
	fail := func() {
		e, err := s.current()
		require.NoError(t, err)
		require.ErrorIs(t, s.wrote(e, time.Now(), nats.ErrConnectionClosed), nats.ErrConnectionClosed)
		require.ErrorIs(t, s.Queue().Put(t.Context(), "r", nil), ErrNotReady)
		require.ErrorIs(t, s.DeadLetter().Put(t.Context(), letter("r", "a")), ErrNotReady)
	}
	fail()
	tried := func(n int) func() bool {
		return func() bool { mu.Lock(); defer mu.Unlock(); return tries >= n }
	}
	require.Eventually(t, tried(2), 10*time.Second, 10*time.Millisecond)
	mu.Lock()
	works = true
	mu.Unlock()
	require.Eventually(t, func() bool { return s.Ready() == nil }, 10*time.Second, 10*time.Millisecond)
	put(t, s, "r", "a")
	mu.Lock()
	works, tries = false, 0
	mu.Unlock()
	fail()
	require.Eventually(t, tried(1), 10*time.Second, 10*time.Millisecond)
	require.NoError(t, s.Close())
	require.ErrorIs(t, s.Ready(), ErrClosed)
}
