package idset

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// BenchmarkDiff compares two text files of 2,000,000 ids in different order, of
// which 10,000 were added and 10,000 removed, as a whole: read both line by line,
// write both sets, on two cores as sort does, compare, write what was added and
// removed. Neither waits for the disk. The floor, in the same run, is the faster
// one of two settings of sort, then comm. A child process that does the same tells
// the memory, above that of one that does nothing.
func BenchmarkDiff(b *testing.B) {
	const n, changed = 2_000_000, 10_000
	dir := b.TempDir()
	writeInput(b, dir, n, changed)
	var ours, floor time.Duration
	for b.Loop() {
		start := time.Now()
		require.Equal(b, [2]int{changed, changed}, diff(b, dir))
		ours += time.Since(start)
		floor += sortAndComm(b, dir)
	}
	b.ReportMetric(ours.Seconds()/float64(b.N), "s/ours")
	b.ReportMetric(2*n*float64(b.N)/ours.Seconds(), "ids/s")
	if floor > 0 {
		b.ReportMetric(floor.Seconds()/float64(b.N), "s/sort+comm")
		b.ReportMetric(floor.Seconds()/ours.Seconds(), "x-faster")
	}
	b.ReportMetric(childPeak(b, dir)-childPeak(b, ""), "MiB-above-baseline")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkNewSide is a later sync: the old set is there, the new one is built
// from 2,000,000 lines and compared.
func BenchmarkNewSide(b *testing.B) {
	const n, changed = 2_000_000, 10_000
	dir := b.TempDir()
	writeInput(b, dir, n, changed)
	root := openRoot(b, dir)
	old := build(b, root, "old")
	defer old.Close()
	b.ResetTimer()
	for b.Loop() {
		set := build(b, root, "new")
		require.Equal(b, [2]int{changed, changed}, writeChanges(b, root, old, set))
		require.NoError(b, set.Close())
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/id")
}

// BenchmarkCompare is the comparison alone.
func BenchmarkCompare(b *testing.B) {
	const n, changed = 2_000_000, 10_000
	dir := b.TempDir()
	writeInput(b, dir, n, changed)
	root := openRoot(b, dir)
	old, set := build(b, root, "old"), build(b, root, "new")
	defer old.Close()
	defer set.Close()
	for name, want := range map[string]func(Change) bool{"visit=changed": isChange, "visit=all": nil} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				_, err := Compare(b.Context(), []*Set{old}, set, want, func([]byte, Change) error { return nil })
				require.NoError(b, err)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/(2*n), "ns/id")
		})
	}
}

// BenchmarkLinear shows that the time for an id does not grow with the set.
func BenchmarkLinear(b *testing.B) {
	for _, n := range []int{500_000, 1_000_000, 2_000_000, 4_000_000, 10_000_000} {
		b.Run(fmt.Sprintf("ids=%d", n), func(b *testing.B) {
			dir := b.TempDir()
			writeInput(b, dir, n, n/200)
			debug.FreeOSMemory()
			b.ResetTimer()
			for b.Loop() {
				require.Equal(b, [2]int{n / 200, n / 200}, diff(b, dir))
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(2*n), "ns/id")
		})
	}
}

// writeInput writes old.txt and new.txt, of n lines each, on stable storage: so
// that whoever comes first does not wait for the writing of the input.
func writeInput(b *testing.B, dir string, n, changed int) {
	for name, from := range map[string]int{"old.txt": 0, "new.txt": changed} {
		stride := map[string]int{"old.txt": 7_368_787, "new.txt": 15_485_863}[name] // primes: every line once
		f, err := os.Create(filepath.Join(dir, name))
		require.NoError(b, err)
		w := bufio.NewWriterSize(f, 1<<20)
		var line [37]byte
		for i := range n {
			w.Write(uuid(line[:0], uint64(from+i*stride%n)))
		}
		require.NoError(b, w.Flush())
		require.NoError(b, f.Sync())
		require.NoError(b, f.Close())
	}
}

// uuid appends a line that looks like a random UUID, the same one for the same n.
func uuid(b []byte, n uint64) []byte {
	var raw [16]byte
	binary.BigEndian.PutUint64(raw[:], mix(2*n))
	binary.BigEndian.PutUint64(raw[8:], mix(2*n+1))
	b = append(hex.AppendEncode(b, raw[:4]), '-')
	b = append(hex.AppendEncode(b, raw[4:6]), '-')
	b = append(hex.AppendEncode(b, raw[6:8]), '-')
	b = append(hex.AppendEncode(b, raw[8:10]), '-')
	return append(hex.AppendEncode(b, raw[10:]), '\n')
}

// mix is splitmix64, which maps different numbers to different ones.
func mix(x uint64) uint64 {
	x *= 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// diff does the whole work and returns how many ids were added and removed.
func diff(t testing.TB, dir string) [2]int {
	root := openRoot(t, dir)
	defer root.Close()
	var old, set *Set
	var wg sync.WaitGroup
	wg.Go(func() { old = build(t, root, "old") })
	wg.Go(func() { set = build(t, root, "new") })
	wg.Wait()
	defer old.Close()
	defer set.Close()
	return writeChanges(t, root, old, set)
}

func openRoot(t testing.TB, dir string) *os.Root {
	root, err := os.OpenRoot(dir)
	require.NoError(t, err)
	return root
}

// build makes the set name.set of the lines of name.txt.
func build(t testing.TB, root *os.Root, name string) *Set {
	in, err := root.Open(name + ".txt")
	require.NoError(t, err)
	defer in.Close()
	w, err := Create(root, name+".set")
	require.NoError(t, err)
	defer w.Abort()
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		if err := w.Put('m', lines.Bytes()); err != nil {
			t.Fatal(err)
		}
	}
	require.NoError(t, lines.Err())
	set, err := w.CommitUnsynced()
	require.NoError(t, err)
	return set
}

func isChange(c Change) bool { return c.Old != c.New }

func writeChanges(t testing.TB, root *os.Root, old, set *Set) [2]int {
	var files [2]*bufio.Writer
	for i, name := range []string{"added", "removed"} {
		f, err := root.Create(name)
		require.NoError(t, err)
		defer f.Close()
		files[i] = bufio.NewWriter(f)
	}
	counts, err := Compare(context.Background(), []*Set{old}, set, isChange, func(id []byte, c Change) error {
		out := files[0]
		if c.New == 0 {
			out = files[1]
		}
		out.Write(id)
		return out.WriteByte('\n')
	})
	require.NoError(t, err)
	for _, f := range files {
		require.NoError(t, f.Flush())
	}
	return [2]int{counts[Change{New: 'm'}], counts[Change{Old: 'm'}]}
}

// sortAndComm returns the time of the faster setting, 0 if there is no sort.
func sortAndComm(b *testing.B, dir string) time.Duration {
	best := time.Duration(0)
	for _, options := range []string{"", "-S 200M --parallel=2"} {
		script := strings.ReplaceAll("sort OPT old.txt >old.sorted && sort OPT new.txt >new.sorted && comm -3 old.sorted new.sorted >changes", "OPT", options)
		cmd := exec.Command("sh", "-c", script)
		cmd.Dir, cmd.Env = dir, append(os.Environ(), "LC_ALL=C", "TMPDIR="+dir)
		start := time.Now()
		if out, err := cmd.CombinedOutput(); err != nil {
			b.Logf("no floor: sort %s: %v %s", options, err, out)
			continue
		}
		if took := time.Since(start); best == 0 || took < best {
			best = took
		}
	}
	return best
}

const childVariable = "IDSET_TEST_DIFF"

// childPeak returns the peak of the resident memory of this program, in MiB, if
// it does nothing but compare the files of a directory, or nothing at all if dir
// is "". The child reads its own peak: the one that wait4 gives includes ours.
func childPeak(b *testing.B, dir string) float64 {
	cmd := exec.Command(os.Args[0], "-test.run=^TestChild$", "-test.v")
	cmd.Env = append(os.Environ(), childVariable+"="+dir+":")
	out, err := cmd.CombinedOutput()
	require.NoError(b, err, "%s", out)
	_, peak, found := strings.Cut(string(out), "VmHWM:")
	if !found {
		b.Log("no peak of the memory on this system")
		return 0
	}
	kib, err := strconv.Atoi(strings.Fields(peak)[0])
	require.NoError(b, err)
	return float64(kib) / 1024
}

func TestChild(t *testing.T) {
	dir, isChild := strings.CutSuffix(os.Getenv(childVariable), ":")
	if !isChild {
		t.Skip("only for the benchmark of the memory")
	}
	if dir != "" {
		diff(t, dir)
	}
	if f, err := os.Open("/proc/self/status"); err == nil {
		defer f.Close()
		io.Copy(os.Stdout, f)
	}
}
