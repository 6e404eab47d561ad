package ledger

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iteramp/iteramp/internal/idset"
)

func open(t *testing.T, dir string) *Ledger {
	t.Helper()
	l, err := Open(t.Context(), dir, "c-1")
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	return l
}

// standingsOf reads all that the ledger knows.
func standingsOf(t *testing.T, l *Ledger) map[string]Standing {
	t.Helper()
	got := make(map[string]Standing)
	_, err := idset.Compare(t.Context(), l.Layers(), nil, nil, func(id []byte, c idset.Change) error {
		if c.Old != Gone {
			got[string(id)] = c.Old
		}
		return nil
	})
	require.NoError(t, err)
	return got
}

func ids(names ...string) (list [][]byte) {
	for _, n := range names {
		list = append(list, []byte(n))
	}
	return list
}

func TestWhatWasSentIsKnownAfterwards(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := open(t, dir)
	require.True(t, l.Empty())
	require.NoError(t, l.Intend(ids("a", "b", "c", "d")))
	require.NoError(t, l.Settle(Member, map[string]Standing{"b": Conflict, "d": Forgotten}))
	require.NoError(t, l.Intend(ids("e", "f")))
	require.NoError(t, l.Close())

	l = open(t, dir)
	want := map[string]Standing{"a": Member, "b": Conflict, "c": Member, "e": InFlight, "f": InFlight}
	require.Equal(t, want, standingsOf(t, l))
	require.False(t, l.Empty())
	require.True(t, l.IsForgotten([]byte(" D ")), "as Iterable hashes them")
	require.NoError(t, l.Drop([]byte("b")))
	require.NoError(t, l.Compact(t.Context()))
	delete(want, "b")
	require.Equal(t, want, standingsOf(t, l))
	require.NoError(t, l.Close())

	l = open(t, dir)
	require.Equal(t, want, standingsOf(t, l))
	require.True(t, l.IsForgotten([]byte("d")))
	require.NotContains(t, readAll(t, dir), "\x01d", "a forgotten id stays as a hash only")
}

func readAll(t *testing.T, dir string) string {
	var all bytes.Buffer
	require.NoError(t, filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			b, err := os.ReadFile(p)
			require.NoError(t, err)
			all.Write(b)
		}
		return err
	}))
	return all.String()
}

// A model of the ledger goes through random batches, crashes and compactions.
func TestTheLedgerIsItsModel(t *testing.T) {
	t.Parallel()
	for seed := range uint64(30) {
		rng := rand.New(rand.NewPCG(seed, 0))
		dir := t.TempDir()
		l := open(t, dir)
		model := make(map[string]Standing)
		for range 30 {
			switch rng.IntN(6) {
			case 0:
				require.NoError(t, l.Compact(t.Context()))
			case 1:
				require.NoError(t, l.Sync())
				require.NoError(t, l.Close())
				l = open(t, dir)
			case 2:
				id := fmt.Sprint("u", rng.IntN(50))
				require.NoError(t, l.Drop([]byte(id)))
				delete(model, id)
			default:
				batch(t, l, rng, model)
			}
		}
		require.NoError(t, l.Sync())
		require.NoError(t, l.Close())
		require.Equal(t, model, standingsOf(t, open(t, dir)), "seed %d", seed)
	}
}

func batch(t *testing.T, l *Ledger, rng *rand.Rand, model map[string]Standing) {
	var list [][]byte
	for _, i := range rng.Perm(50)[:1+rng.IntN(10)] {
		list = append(list, fmt.Append(nil, "u", i))
	}
	require.NoError(t, l.Intend(list))
	for _, id := range list {
		model[string(id)] = InFlight
	}
	if rng.IntN(4) == 0 {
		return // no answer
	}
	others := map[string]Standing{string(list[0]): []Standing{NotFound, Conflict, Gone}[rng.IntN(3)]}
	require.NoError(t, l.Settle(Member, others))
	for _, id := range list {
		model[string(id)] = Member
	}
	maps.Copy(model, others)
	maps.DeleteFunc(model, func(_ string, s Standing) bool { return s == Gone })
}

func TestACrashLeavesAWholeJournal(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := open(t, dir)
	require.NoError(t, l.Intend(ids("a", "b")))
	require.NoError(t, l.Settle(Member, nil))
	require.NoError(t, l.Intend(ids("c")))
	require.NoError(t, l.Sync())
	name := filepath.Join(dir, "cohort-c-1", l.State.Journal)
	require.NoError(t, l.Close())
	whole, err := os.ReadFile(name)
	require.NoError(t, err)
	for cut := range len(whole) {
		for _, tail := range [][]byte{nil, make([]byte, 700)} { // a file can grow before its content arrives
			require.NoError(t, os.WriteFile(name, append(whole[:cut:cut], tail...), 0o600))
			l := open(t, dir)
			got := standingsOf(t, l)
			for id, s := range got {
				require.Contains(t, []Standing{Member, InFlight}, s, "%s at %d", id, cut)
			}
			require.NoError(t, l.Intend(ids("later")), "what follows is not lost behind the cut")
			require.NoError(t, l.Close())
			l = open(t, dir)
			got["later"] = InFlight
			require.Equal(t, got, standingsOf(t, l), "cut at %d", cut)
			require.NoError(t, l.Close())
		}
	}
}

func TestADamagedFileIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := open(t, dir)
	require.NoError(t, l.Intend(ids("a", "b")))
	require.NoError(t, l.Settle(Member, map[string]Standing{"b": Forgotten}))
	require.NoError(t, l.Compact(t.Context()))
	require.NoError(t, l.Intend(ids("c", "d")))
	require.NoError(t, l.Settle(Member, nil))
	require.NoError(t, l.Sync())
	require.NoError(t, l.Close())
	for _, name := range []string{stateFile, l.State.Members, l.State.Forgotten, l.State.Journal} {
		path := filepath.Join(dir, "cohort-c-1", name)
		whole, err := os.ReadFile(path)
		require.NoError(t, err)
		stride := 1 + 8*len(whole)/300 // some of them: each is opened and synced
		for bit := 0; bit < 8*len(whole); bit += stride {
			damaged := bytes.Clone(whole)
			damaged[bit/8] ^= 1 << (bit % 8)
			require.NoError(t, os.WriteFile(path, damaged, 0o600))
			require.ErrorIs(t, use(t, dir), ErrDamaged, "%s, bit %d", name, bit)
		}
		require.NoError(t, os.WriteFile(path, whole, 0o600))
		require.NoError(t, use(t, dir))
	}
	state, members := filepath.Join(dir, "cohort-c-1", stateFile), filepath.Join(dir, "cohort-c-1", l.State.Members)
	require.NoError(t, os.Rename(state, state+"~"))
	require.ErrorIs(t, use(t, dir), ErrDamaged)
	require.FileExists(t, members, "the state may be put back")
	require.NoError(t, os.Rename(state+"~", state))
	require.NoError(t, os.Remove(members))
	require.ErrorIs(t, use(t, dir), ErrDamaged)
}

// use opens the ledger and reads it, as a sync does before it writes.
func use(t *testing.T, dir string) error {
	l, err := Open(t.Context(), dir, "c-1")
	if err != nil {
		return err
	}
	defer l.Close()
	_, err = idset.Compare(t.Context(), l.Layers(), nil, nil, func([]byte, idset.Change) error { return nil })
	if errors.Is(err, idset.ErrDamaged) {
		err = ErrDamaged
	}
	return err
}

func TestALedgerIsOfOneCohort(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := open(t, dir)
	l.State.ListID = 7
	require.NoError(t, l.Save())
	require.NoError(t, l.Close())
	others, err := Others(dir, "c-2")
	require.NoError(t, err)
	require.Len(t, others, 1)
	require.EqualValues(t, 7, others[0].ListID)
	require.NoError(t, os.Rename(filepath.Join(dir, "cohort-c-1"), filepath.Join(dir, "cohort-c-2")))
	_, err = Open(t.Context(), dir, "c-2")
	require.ErrorIs(t, err, ErrForeign)
}

func TestALedgerOfALaterVersionIsRefused(t *testing.T) {
	t.Parallel()
	body := []byte(`{"version":2,"cohort_id":"c-1","files":0}`)
	_, err := parseState(append(body, "\n"+checksum(body)...))
	require.ErrorIs(t, err, ErrDamaged)
	require.ErrorContains(t, err, "version 2")
}

func TestALedgerHasOneWriter(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for range 50 {
		var inside, most, busy atomic.Int32
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				l, err := Open(t.Context(), dir, "c-1")
				if errors.Is(err, ErrBusy) {
					busy.Add(1)
					return
				}
				if err != nil {
					t.Error(err)
					return
				}
				if inside.Add(1) > 1 {
					most.Add(1)
				}
				inside.Add(-1)
				l.Close()
			})
		}
		wg.Wait()
		require.Zero(t, most.Load())
	}
}

func TestIDsOfCohortsLeadNowhereElse(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, id := range []string{"..", ".", "a/b", "../x", "a%2Fb", "a\x00b"} {
		l, err := Open(t.Context(), dir, id)
		require.NoError(t, err, "%q", id)
		require.Equal(t, dir, filepath.Dir(l.root.Name()), "%q", id)
		require.NoError(t, l.Close())
	}
	_, err := Open(t.Context(), dir, "")
	require.Error(t, err)
}

func TestAfterAFailedWriteNothingIsWritten(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := open(t, dir)
	require.NoError(t, l.Intend(ids("a")))
	l.journal.file.Close() // the next write fails
	require.Error(t, l.Intend(ids("b")))
	require.Error(t, l.Save())
	require.Error(t, l.Compact(t.Context()))
	require.NoError(t, l.Close())
	require.Equal(t, map[string]Standing{"a": InFlight}, standingsOf(t, open(t, dir)))
}

func TestLeftoversAreRemoved(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := open(t, dir)
	require.NoError(t, l.Intend(ids("a")))
	require.NoError(t, l.Close())
	for _, name := range []string{"plan-9", "members-12", "snapshot-3.tmp", stateFile + ".new"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, "cohort-c-1", name), []byte("half"), 0o600))
	}
	l = open(t, dir)
	require.NoError(t, l.Close())
	entries, err := os.ReadDir(filepath.Join(dir, "cohort-c-1"))
	require.NoError(t, err)
	for _, e := range entries {
		require.NotContains(t, []string{"plan-9", "members-12", "snapshot-3.tmp", stateFile + ".new"}, e.Name())
		info, err := e.Info()
		require.NoError(t, err)
		require.Zero(t, info.Mode().Perm()&0o077, e.Name())
	}
}

func TestADirectoryOpenToOthersIsRefused(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "ledgers")
	require.NoError(t, CheckDir(dir), "made if only it is missing")
	require.NoError(t, os.Chmod(dir, 0o777))
	if openToOthers(0o777) {
		require.Error(t, CheckDir(dir))
	}
	require.Error(t, CheckDir(filepath.Join(dir, "a", "b")))
}

func FuzzJournal(f *testing.F) {
	j := &journal{}
	j.add(appendID([]byte{intent}, []byte("a")))
	j.add([]byte{verdicts, Member})
	j.add(appendID([]byte{dropped}, []byte("a")))
	f.Add(j.buf)
	f.Add(make([]byte, 40))
	f.Fuzz(func(t *testing.T, raw []byte) {
		r := replayer{put: func(s Standing, id []byte) error { return nil }, forget: func([]byte) {}}
		good, err := r.run(bytes.NewReader(raw), int64(len(raw)))
		require.True(t, err == nil || errors.Is(err, ErrDamaged))
		require.LessOrEqual(t, good, int64(len(raw)))
	})
}

func FuzzState(f *testing.F) {
	body := []byte(`{"version":1,"cohort_id":"c-1","files":0}`)
	f.Add(append(body, "\n"+checksum(body)...))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if _, err := parseState(raw); err != nil {
			require.ErrorIs(t, err, ErrDamaged)
		}
	})
}
