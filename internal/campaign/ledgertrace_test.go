package main

import (
	"bufio"
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// straced is a sync under strace.
func (s *served) straced(t *testing.T, trace string, args ...string) *exec.Cmd {
	cmd := s.command(t, s.order)
	args = append(strace(t, append([]string{"-y", "-s", "200", "-o", trace}, args...)...), cmd.Path)
	cmd.Path, cmd.Args = args[0], args
	return cmd
}

// What the ledger renames was synced before, and its directory is synced after.
func TestF03Ledger(t *testing.T) {
	whole(t, "F03b", "syncs around the ledger's renames", counts{1, 1, 1}, func(t *testing.T, _ *rand.Rand, _ int) {
		s := serveCohort(t)
		s.order.Dir = filepath.Join(t.TempDir(), "ledgers") // of a disk
		s.become(members(50))
		trace := filepath.Join(t.TempDir(), "trace")
		require.NoError(t, s.straced(t, trace, onlyTraced, "-e", "trace=fsync,fdatasync,rename,renameat,renameat2,mkdir,mkdirat").Run(), "%s", watched.last())
		f, err := os.Open(trace)
		require.NoError(t, err)
		defer f.Close()
		renames, file, dir := 0, false, true
		made := make(map[string]bool) // directories whose parent is to be synced
		for lines := bufio.NewScanner(f); lines.Scan(); {
			line := lines.Text()
			for parent := range made {
				if strings.Contains(line, "sync(") && strings.Contains(line, "<"+parent+">") {
					delete(made, parent)
				}
			}
			switch {
			case strings.Contains(line, "mkdir") && strings.HasSuffix(line, "= 0"):
				made[filepath.Dir(strings.Split(line, `"`)[1])] = true
			case strings.Contains(line, "rename") && strings.Contains(line, `"ledger.json"`):
				renames++
				require.Empty(t, made, "a directory was made, and not synced")
				require.True(t, file, "rename %d of a file that was not synced", renames)
				require.True(t, dir, "the directory was not synced after rename %d", renames-1)
				file, dir = false, false
			case strings.Contains(line, "sync(") && strings.Contains(line, "ledger.json.new>"):
				file = true
			case strings.Contains(line, "sync(") && strings.Contains(line, "/cohort-"+s.cohort+">"):
				dir = true
			}
		}
		require.Greater(t, renames, 2)
		require.DirExists(t, s.order.Dir, "no directory was made")
		require.True(t, dir, "the directory was not synced after the last rename")
	})
}

// A sync of the ledger fails. That ends the run with an error, and the next goes on.
func TestF04Ledger(t *testing.T) {
	whole(t, "F04b", "failing syncs of a ledger", counts{24, 300, 2_000}, func(t *testing.T, rng *rand.Rand, n int) {
		s := serveCohort(t)
		all := members(3000)
		failed := 0
		for range n {
			s.become(some(rng, all))
			trace := filepath.Join(t.TempDir(), "trace")
			err := s.straced(t, trace, onlyTraced, "-e", "trace=fsync", "-e", fmt.Sprint("inject=fsync:error=EIO:when=", 1+rng.IntN(16))).Run()
			text, readErr := os.ReadFile(trace)
			require.NoError(t, readErr)
			if bytes.Contains(text, []byte("INJECTED")) {
				failed++
				require.Error(t, err, "a sync failed, and the run did not")
			} else {
				require.NoError(t, err)
			}
			s.judge(t)
		}
		require.Positive(t, failed, "no sync failed")
		want := some(rng, all)
		s.become(want)
		s.run(t)
		s.run(t)
		s.equal(t, want)
	})
}

// A sync is killed on its way through the ledger's files, before a sync, a rename, or when
// it opens or removes one. The next goes on.
func TestF01Ledger(t *testing.T) {
	whole(t, "F01l", "kill -9 at the ledger's system calls", counts{30, 300, 2_000}, func(t *testing.T, rng *rand.Rand, n int) {
		s := serveCohort(t)
		all := members(3000)
		at := make(map[string]int)
		for range n {
			want := some(rng, all)
			s.become(want)
			call := pick(rng, "fsync", "renameat", "unlinkat", "openat")
			trace := filepath.Join(t.TempDir(), "trace")
			// Of the files that are opened those of the program come first.
			nth := map[string]int{"openat": 12}[call] + 1 + rng.IntN(8)
			err := s.straced(t, trace, "-e", "trace="+call, "-e", fmt.Sprintf("inject=%s:signal=KILL:when=%d", call, nth)).Run()
			text, readErr := os.ReadFile(trace)
			require.NoError(t, readErr)
			if bytes.Contains(text, []byte("killed by SIGKILL")) {
				require.Error(t, err)
				at[call]++
			} else {
				require.NoError(t, err, "%s", watched.last())
			}
			s.judge(t)
			if rng.IntN(3) == 0 {
				s.run(t)
				s.run(t)
				s.equal(t, want)
			}
		}
		want := some(rng, all)
		s.become(want)
		s.run(t)
		s.run(t)
		s.equal(t, want)
		t.Log("killed at", at)
		require.Positive(t, at["fsync"])
		require.Positive(t, at["renameat"])
	})
}
