package iteramp_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iteramp/iteramp"
	"github.com/iteramp/iteramp/amplitude"
	"github.com/iteramp/iteramp/amplitude/amplitudetest"
	"github.com/iteramp/iteramp/iterable"
	"github.com/iteramp/iteramp/iterable/iterabletest"
)

// TestMain is the process that tests kill or measure, if the environment says so:
// where Amplitude and Iterable are, the ledgers, the cohort, and what to do.
func TestMain(m *testing.M) {
	if at := strings.Fields(os.Getenv("ITERAMP_TEST_SYNC")); len(at) == 5 {
		if err := syncOnce(at[0], at[1], at[2], at[3], at[4]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func syncOnce(amplitudeURL, iterableURL, dir, cohort, what string) error {
	amp, err := amplitude.NewClient(amplitude.Config{APIKey: "test-key", SecretKey: "test-secret", BaseURL: amplitudeURL})
	if err != nil {
		return err
	}
	it, err := iterable.NewClient(iterable.Config{
		APIKey: "test-api-key", BaseURL: iterableURL, ProjectType: iterable.ProjectTypeUserID,
		Limits: map[string]iterable.Limiter{"POST /api/lists/subscribe": nil, "POST /api/lists/unsubscribe": nil},
	})
	if err != nil {
		return err
	}
	s, err := iteramp.NewCohortSync(iteramp.CohortSyncConfig{Amplitude: amp, Iterable: it, LedgerDir: dir, MaxRemovals: 1e6})
	if err != nil {
		return err
	}
	switch what {
	case "sync":
		_, err = s.Sync(context.Background(), cohort)
	case "plan":
		var plan *iteramp.CohortPlan
		if plan, err = s.Plan(context.Background(), cohort); err == nil {
			fmt.Printf("%d +%d -%d\n", plan.Members, plan.Adds, plan.Removes)
			err = plan.Close()
		}
	}
	if status, none := os.ReadFile("/proc/self/status"); what != "sync" && none == nil {
		os.Stdout.Write(status) // for its peak of memory
	}
	return err
}

// A sync that is killed at any moment is taken up by the next, repeats one batch at
// most, and asks for one download at most.
func TestASyncSurvivesKills(t *testing.T) {
	if testing.Short() {
		t.Skip("starts and kills processes")
	}
	t.Parallel()
	var amp amplitudetest.Fake
	it := iterabletest.Fake{ProjectType: iterable.ProjectTypeUserID}
	ampSrv, itSrv := httptest.NewServer(&amp), httptest.NewServer(&it)
	defer ampSrv.Close()
	defer itSrv.Close()
	const seed = 7
	rng := rand.New(rand.NewPCG(seed, 0))
	cohort := amp.AddCohort(amplitudetest.Cohort{Name: "Kill"})
	list := it.AddList("[Amplitude] Kill", "foreign")
	dir := filepath.Join(t.TempDir(), "ledgers")
	run := func(kill time.Duration) error {
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), fmt.Sprintf("ITERAMP_TEST_SYNC=%s %s %s %s sync", ampSrv.URL, itSrv.URL, dir, cohort))
		var out bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &out
		require.NoError(t, cmd.Start())
		if kill > 0 {
			defer time.AfterFunc(kill, func() { cmd.Process.Kill() }).Stop()
		}
		err := cmd.Wait()
		if kill == 0 && err != nil {
			t.Logf("%s", &out)
		}
		return err
	}
	kills, runs := 0, 0
	for round := range 4 {
		var want []string
		for i := range 6000 {
			if rng.IntN(3) > 0 {
				want = append(want, fmt.Sprintf("u-%05d", i))
			}
		}
		slices.Sort(want)
		amp.SetMembers(cohort, want...)
		before, downloads := batches(&it), requested(&amp)
		runsBefore := runs
		for range 10 {
			runs++
			if run(time.Duration(10+rng.IntN(120))*time.Millisecond) != nil {
				kills++
			}
		}
		runs++
		require.NoError(t, run(0), "round %d", round)
		require.Equal(t, append([]string{"foreign"}, want...), it.Members(list), "round %d", round)
		require.LessOrEqual(t, batches(&it)-before, 2*6+runs-runsBefore, "one batch a run is repeated at most")
		require.LessOrEqual(t, requested(&amp)-downloads, runs-runsBefore, "one download a run at most")
		written := batches(&it)
		require.NoError(t, run(0))
		require.Equal(t, written, batches(&it), "nothing is left to do")
	}
	require.Positive(t, kills, "nothing was killed: the test shows nothing")
	t.Logf("killed %d of %d runs", kills, runs)
}

func batches(f *iterabletest.Fake) (n int) {
	for _, r := range f.Requests() {
		if strings.HasSuffix(r.Path, "subscribe") {
			n++
		}
	}
	return n
}

func requested(f *amplitudetest.Fake) (n int) {
	for _, r := range f.Requests() {
		if r.Status == http.StatusAccepted && strings.HasPrefix(r.Path, "/api/5/cohorts/request/") {
			n++
		}
	}
	return n
}
