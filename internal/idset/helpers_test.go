package idset

import (
	"bytes"
	"io"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

type put struct {
	state byte
	id    string
}

func tempRoot(t testing.TB) *os.Root {
	root, err := os.OpenRoot(t.TempDir())
	require.NoError(t, err)
	t.Cleanup(func() { root.Close() })
	return root
}

func writeSet(t testing.TB, root *os.Root, name string, puts ...put) *Set {
	w, err := Create(root, name)
	require.NoError(t, err)
	defer w.Abort()
	for _, p := range puts {
		require.NoError(t, w.Put(p.state, []byte(p.id)))
	}
	s, err := w.Commit()
	require.NoError(t, err)
	t.Cleanup(func() { s.Close() })
	return s
}

// setOf is a set that is only in memory once it is written.
func setOf(t testing.TB, puts ...put) *Set {
	return writeSet(t, tempRoot(t), "set", puts...)
}

// bytesOf returns the file of a set with these ids.
func bytesOf(t testing.TB, puts ...put) []byte {
	root := tempRoot(t)
	writeSet(t, root, "set", puts...)
	b, err := root.ReadFile("set")
	require.NoError(t, err)
	return b
}

// changes returns all changes by id, and fails if an id comes twice or the
// counts are not those of the visits.
func changes(t testing.TB, old []*Set, new *Set) map[string]Change {
	got, visits := make(map[string]Change), make(map[Change]int)
	counts, err := Compare(t.Context(), old, new, nil, func(id []byte, c Change) error {
		require.NotContains(t, got, string(id))
		got[string(id)] = c
		visits[c]++
		return nil
	})
	require.NoError(t, err)
	require.Equal(t, visits, counts)
	return got
}

// content returns the ids of a file and their states, or the error of the first
// step that finds something wrong.
func content(t testing.TB, file []byte) (map[string]byte, error) {
	s, err := read(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		return nil, err
	}
	got := make(map[string]byte)
	_, err = Compare(t.Context(), nil, s, nil, func(id []byte, c Change) error {
		got[string(id)] = c.New
		return nil
	})
	return got, err
}

// inPartition returns n ids of one partition.
func inPartition(part, n int) []put {
	var puts []put
	for i := 0; len(puts) < n; i++ {
		if id := uuid(nil, uint64(i)); partitionOf(id) == part {
			puts = append(puts, put{'m', string(id)})
		}
	}
	return puts
}

// faulty fails from the nth call on, counted over all methods.
type faulty struct {
	file
	good int
}

func (f *faulty) step() error {
	if f.good--; f.good < 0 {
		return io.ErrClosedPipe
	}
	return nil
}

func (f *faulty) Write(b []byte) (int, error) {
	if err := f.step(); err != nil {
		n, _ := f.file.Write(b[:len(b)/2]) // as a full disk does
		return n, err
	}
	return f.file.Write(b)
}

func (f *faulty) WriteAt(b []byte, at int64) (int, error) {
	if err := f.step(); err != nil {
		return 0, err
	}
	return f.file.WriteAt(b, at)
}

func (f *faulty) Sync() error {
	if err := f.step(); err != nil {
		return err
	}
	return f.file.Sync()
}

func (f *faulty) Close() error {
	if err := f.step(); err != nil {
		f.file.Close()
		return err
	}
	return f.file.Close()
}
