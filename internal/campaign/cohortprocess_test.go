package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iteramp/iteramp"
	"github.com/iteramp/iteramp/amplitude"
	"github.com/iteramp/iteramp/iterable"
)

// syncOrder is what a sync in a process of its own is told, by its environment.
type syncOrder struct {
	Amplitude, Iterable string // their URLs
	Dir                 string
	Cohort              string
	KillAt              int64 // the answer at which the process kills itself
	Hold                bool  // plan, say so, and keep the ledger until the input ends
}

const syncVariable = "ITERAMP_TEST_SYNC"

// syncOnce is a sync, or a plan that is held.
func syncOnce(o syncOrder) error {
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	client := &http.Client{Transport: &suicidal{at: o.KillAt}}
	amp, err := amplitude.NewClient(amplitude.Config{APIKey: "test-key", SecretKey: "test-secret", BaseURL: o.Amplitude, HTTPClient: client, Logger: log})
	if err != nil {
		return err
	}
	it, err := iterable.NewClient(iterable.Config{
		APIKey: "test-api-key", BaseURL: o.Iterable, HTTPClient: client, ProjectType: iterable.ProjectTypeUserID, Logger: log,
		Limits: map[string]iterable.Limiter{"POST /api/lists/subscribe": nil, "POST /api/lists/unsubscribe": nil},
	})
	if err != nil {
		return err
	}
	s, err := iteramp.NewCohortSync(iteramp.CohortSyncConfig{Amplitude: amp, Iterable: it, LedgerDir: o.Dir, MaxRemovals: 1_000_000, Logger: log})
	if err != nil {
		return err
	}
	if !o.Hold {
		_, err = s.Sync(context.Background(), o.Cohort)
		return err
	}
	plan, err := s.Plan(context.Background(), o.Cohort)
	if err != nil {
		return err
	}
	fmt.Println("held")
	_, _ = io.Copy(io.Discard, os.Stdin)
	return plan.Close()
}

// suicidal kills its process once so many answers have come.
type suicidal struct {
	at int64
	n  atomic.Int64
}

func (s *suicidal) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := http.DefaultTransport.RoundTrip(r)
	if s.n.Add(1) == s.at {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}
	return resp, err
}

// served are the vendors of a pair behind ports.
type served struct {
	*pair
	order syncOrder
}

func serveCohort(t *testing.T) *served {
	p := newPair(t)
	p.wire.begin()
	amp, it := httptest.NewServer(&p.amp), httptest.NewServer(&p.it)
	t.Cleanup(amp.Close)
	t.Cleanup(it.Close)
	return &served{p, syncOrder{Amplitude: amp.URL, Iterable: it.URL, Dir: p.dir, Cohort: p.cohort}}
}

// become changes the cohort. Who is in it may be on the list from when the ledger
// names the batch, which is before it is sent.
func (s *served) become(ids []string) {
	s.amp.SetMembers(s.cohort, ids...)
	s.wire.mu.Lock()
	defer s.wire.mu.Unlock()
	for _, id := range ids {
		s.wire.ever[id] = true
	}
}

// command is a sync in a process of its own.
func (s *served) command(t *testing.T, o syncOrder) *exec.Cmd {
	raw, err := json.Marshal(o)
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), syncVariable+"="+string(raw))
	cmd.Stderr = &watched
	return cmd
}

// run syncs.
func (s *served) run(t *testing.T) {
	t.Helper()
	require.NoError(t, s.command(t, s.order).Run(), "%s", watched.last())
	s.judge(t)
}

// runKilled kills a sync at a random instant or answer, if it lives so long.
func (s *served) runKilled(t *testing.T, rng *rand.Rand) (killed bool) {
	t.Helper()
	o := s.order
	if rng.IntN(2) == 0 {
		o.KillAt = 1 + rng.Int64N(18)
	}
	cmd := s.command(t, o)
	require.NoError(t, cmd.Start())
	limit := 10 * time.Second
	if o.KillAt == 0 {
		limit = time.Duration(10+rng.IntN(300)) * time.Millisecond
	}
	timer := time.AfterFunc(limit, func() { _ = cmd.Process.Kill() })
	err := cmd.Wait()
	timer.Stop()
	s.judge(t)
	return err != nil
}

// batches is how many times ids were sent.
func (s *served) batches() (n int) {
	for _, r := range s.it.Requests() {
		if strings.HasSuffix(r.Path, "subscribe") {
			n++
		}
	}
	return n
}

// A sync is killed again and again. The next goes on: a run sends no more than one
// batch a second time, and asks for one download at most.
func TestF01Cohort(t *testing.T) {
	whole(t, "F01b", "kill -9 of a cohort sync", counts{50, 1_000, 5_000}, func(t *testing.T, rng *rand.Rand, n int) {
		s := serveCohort(t)
		all := members(6000)
		killed, again, taken := 0, 0, 0
		for killed < n {
			want := some(rng, all)
			adds, removes := apart(want, s.it.Members(s.list))
			least := (len(adds)+999)/1000 + (len(removes)-len(foreign)+999)/1000
			s.become(want)
			sent, asked := s.batches(), s.asked()
			runs := 1
			for range 1 + rng.IntN(10) {
				runs++
				if !s.runKilled(t, rng) {
					break // there is nothing left to do
				}
				killed++
			}
			s.run(t)
			s.equal(t, want)
			sent, asked = s.batches()-sent, s.asked()-asked
			require.LessOrEqual(t, sent, least+runs, "a run sent more than one batch again")
			require.LessOrEqual(t, asked, runs, "a run asked for more than one download")
			again += sent - least
			taken += runs - asked
			sent = s.batches()
			s.run(t)
			require.Equal(t, sent, s.batches(), "nothing was left to do")
		}
		t.Logf("%d kills, %d batches came again, %d runs asked for no download", killed, again, taken)
		if n >= 50 {
			require.Positive(t, again, "no kill came between a batch and its answer")
			require.Positive(t, taken)
		}
	})
}

// The power fails in the middle of a sync. Whatever the ledger has lost, it knows whom
// it has put on the list: all who are to leave leave, and nobody else does.
func TestF02Cohort(t *testing.T) {
	whole(t, "F02b", "power cut in a cohort sync", counts{2, 50, 200}, func(t *testing.T, rng *rand.Rand, n int) {
		if os.Geteuid() != 0 {
			skip(t, "mounting an image takes root")
		}
		// The kernel writes by itself what is half a minute old, which is no hindrance
		// here: each image is mounted for a few seconds.
		s := serveCohort(t)
		image := filepath.Join(t.TempDir(), "disk")
		if err := newImage(image); err != nil {
			skip(t, "no image: %v", err)
		}
		disk, err := mount(t, image)
		if err != nil {
			skip(t, "no mount: %v", err)
		}
		s.order.Dir = filepath.Join(disk, "ledgers")
		all := members(6000)
		killed := 0
		for range n {
			s.become(some(rng, all))
			before := killed
			for i := rng.IntN(3); i >= 0 || killed == before; i-- {
				if i < 0 {
					s.become(some(rng, all)) // nothing was left to do
				}
				if s.runKilled(t, rng) {
					killed++
				}
			}
			next := image + "+"
			require.NoError(t, exec.Command("cp", "--sparse=auto", image, next).Run()) // all but the holes
			unmount(t, disk)
			require.NoError(t, os.Rename(next, image))
			disk, err = mount(t, image)
			require.NoError(t, err, "the file system did not survive the cut")
			if rng.IntN(2) == 0 {
				want := some(rng, all) // others than those of the sync that was cut off
				s.become(want)
				s.run(t) // which may go on with the download of before
				s.run(t)
				s.equal(t, want)
			}
		}
		want := all[3000:]
		s.become(want)
		s.run(t)
		s.run(t)
		s.equal(t, want)
		unmount(t, disk)
		require.Positive(t, killed)
	})
}

// Two processes want one ledger: the second fails at once, and goes on when the first
// has died.
func TestF26CohortProcess(t *testing.T) {
	each(t, "F26bp", "two processes and one ledger", counts{20, 200, 2_000}, func(t *testing.T, rng *rand.Rand) {
		s := serveCohort(t)
		want := some(rng, members(50))
		s.become(want)
		o := s.order
		o.Hold = true
		holder := s.command(t, o)
		in, err := holder.StdinPipe()
		require.NoError(t, err)
		out, err := holder.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, holder.Start())
		defer func() { _ = holder.Process.Kill() }()
		said := make([]byte, 5)
		_, err = io.ReadFull(out, said)
		require.NoError(t, err, "%s", watched.last())
		require.Equal(t, "held\n", string(said))

		begun := time.Now()
		busy := s.sync(t, t.Context(), 0)
		require.ErrorIs(t, busy.err, iteramp.ErrBusy)
		require.Less(t, time.Since(begun), 2*time.Second)
		require.Zero(t, busy.writes)
		if rng.IntN(2) == 0 {
			require.NoError(t, holder.Process.Kill())
			require.Error(t, holder.Wait())
		} else {
			require.NoError(t, in.Close())
			require.NoError(t, holder.Wait())
		}
		require.NoError(t, s.sync(t, t.Context(), 0).err)
		s.equal(t, want)
	})
}
