package idset

import (
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestASetIsPrivateAndAlone(t *testing.T) {
	t.Parallel()
	root := tempRoot(t)
	require.NoError(t, root.Mkdir("sub", 0o700))
	writeSet(t, root, "sub/set", manyPuts(0, 10)...)
	require.Equal(t, []string{"set"}, names(t, root, "sub"))
	info, err := root.Stat("sub/set")
	require.NoError(t, err)
	if runtime.GOOS != "windows" {
		require.Equal(t, os.FileMode(0o600), info.Mode())
	}
	require.Less(t, info.Size(), int64(2<<10), "a small set is a small file")
}

func names(t *testing.T, root *os.Root, dir string) (list []string) {
	f, err := root.Open(dir)
	require.NoError(t, err)
	defer f.Close()
	list, err = f.Readdirnames(-1)
	require.NoError(t, err)
	slices.Sort(list)
	return list
}

func TestNothingIsSeenBeforeCommit(t *testing.T) {
	t.Parallel()
	root := tempRoot(t)
	writeSet(t, root, "set", put{'m', "former"})
	w, err := Create(root, "set")
	require.NoError(t, err)
	for _, p := range manyPuts(0, 100_000) { // chunks are written meanwhile
		require.NoError(t, w.Put(p.state, []byte(p.id)))
	}
	s, err := Open(root, "set")
	require.NoError(t, err)
	require.Equal(t, 1, s.Records())
	require.NoError(t, s.Close())
	_, err = Open(root, temporary("set"))
	require.ErrorIs(t, err, ErrDamaged, "not finished")

	s, err = w.Commit()
	require.NoError(t, err)
	defer s.Close()
	require.Equal(t, 100_000, s.Records())
	require.NoError(t, w.Abort(), "harmless after Commit")
	require.ErrorIs(t, w.Put('m', []byte("a")), errDone)
	_, err = w.Commit()
	require.ErrorIs(t, err, errDone)
	require.Equal(t, []string{"set"}, names(t, root, "."))
}

func TestAbortLeavesNothing(t *testing.T) {
	t.Parallel()
	root := tempRoot(t)
	w, err := Create(root, "set")
	require.NoError(t, err)
	require.NoError(t, w.Put('m', []byte("a")))
	require.NoError(t, w.Abort())
	require.NoError(t, w.Abort())
	_, err = w.Commit()
	require.ErrorIs(t, err, errDone)
	require.Empty(t, names(t, root, "."))
}

func TestWhatACrashLeftDoesNotDisturb(t *testing.T) {
	t.Parallel()
	root := tempRoot(t)
	writeSet(t, root, "set", put{'m', "a"})
	dead, err := Create(root, "set") // and never again touched
	require.NoError(t, err)
	t.Cleanup(func() { dead.file.Close() })
	s, err := Open(root, "set")
	require.NoError(t, err)
	require.NoError(t, s.Close())
	require.Equal(t, 2, writeSet(t, root, "set", put{'m', "a"}, put{'m', "b"}).Records())
	require.Equal(t, []string{"set"}, names(t, root, "."))
}

func TestWhatNoSetCanHoldIsRefused(t *testing.T) {
	t.Parallel()
	root := tempRoot(t)
	w, err := Create(root, "set")
	require.NoError(t, err)
	defer w.Abort()
	require.ErrorIs(t, w.Put(0, []byte("a")), ErrInvalid)
	require.ErrorIs(t, w.Put('m', nil), ErrInvalid)
	require.ErrorIs(t, w.Put('m', make([]byte, MaxID+1)), ErrInvalid)
	require.NoError(t, w.Put('m', make([]byte, MaxID)))
	s, err := w.Commit()
	require.NoError(t, err, "the Writer went on")
	require.Equal(t, 1, s.Records())
	require.NoError(t, s.Close())
}

func TestAPartitionThatIsFullIsRefused(t *testing.T) {
	t.Parallel()
	w, err := Create(tempRoot(t), "set")
	require.NoError(t, err)
	defer w.Abort()
	w.parts[partitionOf([]byte("a"))].size = maxPartition
	require.ErrorIs(t, w.Put('m', []byte("a")), errFull)
	_, err = w.Commit()
	require.ErrorIs(t, err, errFull)
}

// Every call of the file fails once, and all that follow.
func TestNothingIsCommittedAfterAFailure(t *testing.T) {
	t.Parallel()
	puts := inPartition(3, 2000)
	for good := 0; ; good++ {
		root := tempRoot(t)
		writeSet(t, root, "set", put{'m', "former"})
		s, err := commitWithFault(t, root, good, puts)
		if err == nil {
			require.Greater(t, good, 5)
			require.Equal(t, len(puts), s.Records())
			require.NoError(t, s.Close())
			return
		}
		require.ErrorIs(t, err, io.ErrClosedPipe)
		require.Equal(t, []string{"set"}, names(t, root, "."))
		former, err := Open(root, "set")
		require.NoError(t, err)
		require.Equal(t, 1, former.Records())
		require.NoError(t, former.Close())
	}
}

func commitWithFault(t *testing.T, root *os.Root, good int, puts []put) (*Set, error) {
	w, err := Create(root, "set")
	require.NoError(t, err)
	defer w.Abort()
	f := &faulty{file: w.file, good: good}
	w.file = f
	w.out.Reset(f)
	var failed error
	for i := 0; i < len(puts) && failed == nil; i++ {
		failed = w.Put(puts[i].state, []byte(puts[i].id))
	}
	s, err := w.Commit()
	if failed != nil {
		require.Equal(t, failed, err)
		require.Equal(t, failed, w.Put('m', []byte("more")))
	}
	if err != nil {
		f.good = 1 << 30 // the disk has room again, too late
		_, again := w.Commit()
		require.Equal(t, err, again)
	}
	return s, err
}

func TestAnErrorOfTheDirectoryIsAnErrorOfCommit(t *testing.T) {
	t.Parallel()
	root := tempRoot(t)
	require.NoError(t, root.MkdirAll("set/full", 0o700)) // which no file can replace
	w, err := Create(root, "set")
	require.NoError(t, err)
	_, err = w.Commit()
	require.Error(t, err)
	require.NoError(t, w.Abort())
	require.Equal(t, []string{"set"}, names(t, root, "."))

	_, err = Create(root, "none/set")
	require.ErrorIs(t, err, os.ErrNotExist)
	_, err = Create(root, strings.Repeat("../", 3)+"set")
	require.Error(t, err, "outside of the root")
}

func TestAFullDisk(t *testing.T) {
	t.Parallel()
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip("no /dev/full here")
	}
	root := tempRoot(t)
	w := newWriter(root, "set", full)
	require.NoError(t, w.Put('m', []byte("a")))
	_, err = w.Commit()
	require.Error(t, err)
	require.ErrorContains(t, err, "no space")
	w.Abort()
	require.Empty(t, names(t, root, "."))
}

func TestOpenTakesRegularFilesOnly(t *testing.T) {
	t.Parallel()
	root := tempRoot(t)
	_, err := Open(root, "none")
	require.ErrorIs(t, err, os.ErrNotExist)
	require.NoError(t, root.Mkdir("dir", 0o700))
	_, err = Open(root, "dir")
	require.ErrorIs(t, err, errNoFile)

	writeSet(t, root, "set", put{'m', "a"})
	if err := root.Symlink("set", "link"); err != nil {
		t.Skip("no symbolic links here")
	}
	_, err = Open(root, "link")
	require.ErrorIs(t, err, errNoFile)
	require.NoError(t, root.Symlink("set", temporary("new")))
	writeSet(t, root, "new", put{'m', "b"}, put{'m', "c"})
	s, err := Open(root, "set")
	require.NoError(t, err)
	require.Equal(t, 1, s.Records(), "not written through the link")
	require.NoError(t, s.Close())
}
