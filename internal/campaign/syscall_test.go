package main

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// onlyTraced has strace stop the program at the calls that it traces alone. It sends no
// signals then.
const onlyTraced = "--seccomp-bpf"

// strace is the command that runs a relay under strace.
func strace(t *testing.T, args ...string) []string {
	path, err := exec.LookPath("strace")
	if err != nil {
		skip(t, "there is no strace")
	}
	if err := exec.Command(path, "-o", os.DevNull, "true").Run(); err != nil {
		skip(t, "strace does not run: %v", err)
	}
	return append([]string{path, "-f", "-qq"}, args...)
}

var (
	storedFrame = regexp.MustCompile(`pwrite64\((\d+), .*iteramp\.route\.`)
	syncedFile  = regexp.MustCompile(`(?:fsync|fdatasync)\((\d+)\) += 0`)
	resumedSync = regexp.MustCompile(`^(\d+) .*<\.\.\. (?:fsync|fdatasync) resumed>.*= 0`)
	begunSync   = regexp.MustCompile(`^(\d+) .*(?:fsync|fdatasync)\((\d+) *<unfinished`)
	answered200 = regexp.MustCompile(`write\(\d+, "HTTP/1\.1 200`)
)

// No answer leaves before the frame of its webhook was synced. One connection sends
// one webhook after the other, so each has a frame of its own.
func TestF03(t *testing.T) {
	whole(t, "F03", "a sync before each answer", counts{300, 10_000, 10_000}, func(t *testing.T, _ *rand.Rand, n int) {
		trace := filepath.Join(t.TempDir(), "trace")
		v := newVendor(t, 1)
		v.calmDown()
		p := start(t, order{Amplitude: v.url, Dir: storeDir(t)}, strace(t, onlyTraced, "-e", "trace=fsync,fdatasync,pwrite64,write", "-s", "80", "-o", trace)...)
		for i := range n {
			require.True(t, post(t.Context(), http.DefaultClient, p.url, i+1))
		}
		p.stop(t)

		f, err := os.Open(trace)
		require.NoError(t, err)
		defer f.Close()
		written, unfinished := make(map[string]int), make(map[string]string)
		synced, answered := 0, 0
		lines := bufio.NewScanner(f)
		for lines.Scan() {
			line := lines.Text()
			file := ""
			if m := storedFrame.FindStringSubmatch(line); m != nil {
				written[m[1]]++
			} else if m := syncedFile.FindStringSubmatch(line); m != nil {
				file = m[1]
			} else if m := begunSync.FindStringSubmatch(line); m != nil {
				unfinished[m[1]] = m[2]
			} else if m := resumedSync.FindStringSubmatch(line); m != nil {
				file = unfinished[m[1]]
			} else if answered200.MatchString(line) {
				answered++
				require.GreaterOrEqual(t, synced, answered, "answer %d came before the sync of its frame", answered)
			}
			if file != "" {
				synced += written[file]
				written[file] = 0
			}
		}
		require.NoError(t, lines.Err())
		require.Equal(t, n, answered, "the trace shows other answers")
	})
}

// A sync or a write fails, once or from some time on. The relay goes on living,
// answers 503 until it can store again, and what it answered 200 is there.
func TestF04(t *testing.T) {
	// 20 at the first tier would take two minutes, 300 at the second half of its hour.
	whole(t, "F04", "failing writes and syncs", counts{4, 150, 2_000}, func(t *testing.T, rng *rand.Rand, n int) {
		v := newVendor(t, rng.Uint64())
		dir, l := storeDir(t), new(ledger)
		fresh := start(t, order{Amplitude: v.url, Dir: dir})
		fresh.stop(t) // the store is made; what fails below is its use
		before := watched.failures()
		for i := range n {
			call, fault := "fsync", "EIO"
			if i%2 == 1 {
				call, fault = "pwrite64", pick(rng, "ENOSPC", "EIO", "EFBIG")
			}
			from := 2 + rng.IntN(4) // of each thread's calls
			inject := fmt.Sprintf("inject=%s:error=%s:when=%d", call, fault, from)
			if rng.IntN(2) == 0 {
				inject += fmt.Sprintf("..%d", from+rng.IntN(4))
			}
			p := tryStart(t, order{Amplitude: v.url, Dir: dir}, strace(t, onlyTraced, "-e", "trace="+call, "-e", inject, "-o", os.DevNull)...)
			if p == nil { // it says at its start that it cannot write
				continue
			}
			ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
			drive(ctx, p.url, l, 8)
			cancel()
			require.Eventually(t, func() bool {
				n := l.draw()
				if !post(t.Context(), http.DefaultClient, p.url, n) {
					return false
				}
				l.owe(n)
				return true
			}, time.Minute, 50*time.Millisecond, "%s: it does not accept again", inject)
			p.stop(t)
		}
		finish(t, v, dir, l)
		noticed := watched.failures() - before
		t.Logf("%d of %d faults hit a webhook", noticed, n)
		require.Positive(t, noticed, "no fault was noticed")
	})
}
