package iteramp_test

import (
	"bufio"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iteramp/iteramp/internal/ledger"
	"github.com/iteramp/iteramp/iterable"
	"github.com/iteramp/iteramp/iterable/iterabletest"
)

// BenchmarkCohortPlan plans a cohort of 2,000,000 members against a ledger of as
// many, of which 10,000 are new and 10,000 have left: download over a socket, CSV,
// proof, comparison, all of it in a process of its own whose memory is measured
// above that of one that does nothing. The floor, in the same run, is sort of both
// sides and comm, on files that are there already.
//
// Amplitude's own time to make the file is not in it.
func BenchmarkCohortPlan(b *testing.B) {
	const n, changed = 2_000_000, 10_000
	dir := b.TempDir()
	writeIDs(b, filepath.Join(dir, "old"), 0, n, 7_368_787)
	writeIDs(b, filepath.Join(dir, "new"), changed, n, 15_485_863)
	it := iterabletest.Fake{ProjectType: iterable.ProjectTypeUserID}
	list := it.AddList("[Amplitude] Large")
	seedLedger(b, filepath.Join(dir, "ledgers"), list, filepath.Join(dir, "old"))
	ampSrv, itSrv := httptest.NewServer(oneCohort(filepath.Join(dir, "new"), n)), httptest.NewServer(&it)
	defer ampSrv.Close()
	defer itSrv.Close()
	var ours, floor time.Duration
	peak := 0
	for b.Loop() {
		start := time.Now()
		out, most := child(b, "plan", ampSrv.URL, itSrv.URL, filepath.Join(dir, "ledgers"))
		ours += time.Since(start)
		require.Equal(b, fmt.Sprintf("%d +%d -%d\n", n, changed, changed), out)
		peak = max(peak, most)
		floor += sortAndComm(b, dir)
	}
	_, idle := child(b, "idle", ampSrv.URL, itSrv.URL, filepath.Join(dir, "ledgers"))
	b.ReportMetric(ours.Seconds()/float64(b.N), "s/ours")
	b.ReportMetric(floor.Seconds()/float64(b.N), "s/sort+comm")
	b.ReportMetric(floor.Seconds()/ours.Seconds(), "x-faster")
	b.ReportMetric(float64(peak-idle)/1024, "MiB-above-baseline")
	b.ReportMetric(0, "ns/op")
}

func writeIDs(b *testing.B, name string, from, n, stride int) {
	f, err := os.Create(name)
	require.NoError(b, err)
	w := bufio.NewWriterSize(f, 1<<20)
	for i := range n {
		k := uint64(from+i*stride%n) * 0x9e3779b97f4a7c15
		fmt.Fprintf(w, "%08x-%04x-4%03x-%012x\n", uint32(k>>32), uint16(k>>16), uint16(k)&0xfff, k>>8&0xffffffffffff)
	}
	require.NoError(b, w.Flush())
	require.NoError(b, f.Close())
}

func seedLedger(b *testing.B, dir string, list int64, ids string) {
	require.NoError(b, ledger.CheckDir(dir))
	l, err := ledger.Open(b.Context(), dir, "large")
	require.NoError(b, err)
	defer l.Close()
	l.State.ListID, l.State.ListName = list, "[Amplitude] Large"
	require.NoError(b, l.Seed(func(yield func(string, error) bool) {
		for id := range lines(b, ids) {
			if !yield(id, nil) {
				return
			}
		}
	}))
	require.NoError(b, l.Save())
}

func lines(b *testing.B, name string) func(func(string) bool) {
	return func(yield func(string) bool) {
		f, err := os.Open(name)
		require.NoError(b, err)
		defer f.Close()
		for s := bufio.NewScanner(f); s.Scan(); {
			if !yield(s.Text()) {
				return
			}
		}
	}
}

// oneCohort is as much of Amplitude as a plan needs. The fake would hold two
// million users in the process that is to be measured beside it.
func oneCohort(ids string, n int) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/3/cohorts", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"cohorts":[{"id":"large","name":"Large","size":%d,"lastComputed":%d}]}`, n, time.Now().Unix())
	})
	mux.HandleFunc("GET /api/5/cohorts/request/large", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusAccepted)
		fmt.Fprint(w, `{"request_id":"r-1","cohort_id":"large"}`)
	})
	mux.HandleFunc("GET /api/5/cohorts/request-status/r-1", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"request_id":"r-1","cohort_id":"large","async_status":"JOB COMPLETED"}`)
	})
	mux.HandleFunc("GET /api/5/cohorts/request/r-1/file", func(w http.ResponseWriter, _ *http.Request) {
		f, err := os.Open(ids)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		defer f.Close()
		out := bufio.NewWriterSize(w, 64<<10)
		out.WriteString("\"amplitude_id\",\"user_id\"\r\n")
		for s := bufio.NewScanner(f); s.Scan(); {
			out.WriteString("\"410000000001\",\"")
			out.Write(s.Bytes())
			out.WriteString("\"\r\n")
		}
		out.Flush()
	})
	return mux
}

// child runs this binary as TestMain has it and returns what it printed and the
// peak of its memory in KiB. It reads that itself: the one that wait4 gives has
// ours in it.
func child(b *testing.B, what, amplitudeURL, iterableURL, dir string) (out string, peak int) {
	cmd := exec.CommandContext(b.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), strings.Join([]string{"ITERAMP_TEST_SYNC=" + amplitudeURL, iterableURL, dir, "large", what}, " "))
	cmd.Stderr = os.Stderr
	printed, err := cmd.Output()
	require.NoError(b, err)
	out, status, _ := strings.Cut(string(printed), "Name:")
	if _, hwm, ok := strings.Cut(status, "VmHWM:"); ok {
		peak, err = strconv.Atoi(strings.Fields(hwm)[0])
		require.NoError(b, err)
	}
	return out, peak
}

func sortAndComm(b *testing.B, dir string) time.Duration {
	start := time.Now()
	for _, script := range []string{
		"sort -S 200M --parallel=2 old > old.sorted", "sort -S 200M --parallel=2 new > new.sorted",
		"comm -3 old.sorted new.sorted > changed",
	} {
		cmd := exec.CommandContext(b.Context(), "sh", "-c", script)
		cmd.Dir, cmd.Env = dir, append(os.Environ(), "LC_ALL=C")
		if out, err := cmd.CombinedOutput(); err != nil {
			b.Skipf("no floor: %s: %v %s", script, err, out)
		}
	}
	return time.Since(start)
}
