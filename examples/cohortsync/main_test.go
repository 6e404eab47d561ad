package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"path/filepath"
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

// vendors are both of them behind sockets, with one cohort.
type vendors struct {
	amp    amplitudetest.Fake
	it     iterabletest.Fake
	cohort string
	args   []string
}

func newVendors(t *testing.T, members ...string) *vendors {
	v := &vendors{}
	v.it.ProjectType = iterable.ProjectTypeUserID
	v.cohort = v.amp.AddCohort(amplitudetest.Cohort{Name: "Lapsed"})
	v.amp.SetMembers(v.cohort, members...)
	amp, it := httptest.NewServer(&v.amp), httptest.NewServer(&v.it)
	t.Cleanup(amp.Close)
	t.Cleanup(it.Close)
	v.args = []string{
		"-cohort", v.cohort, "-project-type", "userId", "-ledger", filepath.Join(t.TempDir(), "ledgers"),
		"-amplitude-url", amp.URL, "-iterable-url", it.URL,
	}
	return v
}

func (v *vendors) run(ctx context.Context, args ...string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	env := map[string]string{"AMPLITUDE_API_KEY": "test-key", "AMPLITUDE_SECRET_KEY": "test-secret", "ITERABLE_API_KEY": "test-api-key"}
	code = run(ctx, append(v.args, args...), &out, &errs, func(k string) string { return env[k] })
	return code, out.String(), errs.String()
}

// downloads is how many of the month's were used.
func (v *vendors) downloads() (n int) {
	for _, r := range v.amp.Requests() {
		if r.Path == "/api/5/cohorts/request/"+v.cohort {
			n++
		}
	}
	return n
}

func (v *vendors) members() []string { return v.it.Members(v.it.Lists()[0].ID) }

func TestAPlanIsShownAndThenWritten(t *testing.T) {
	t.Parallel()
	v := newVendors(t, "u-1", "u-2")
	code, out, errs := v.run(t.Context())
	require.Zero(t, code, errs)
	require.Equal(t, "[Amplitude] Lapsed (to be made): 2 members, +2 -0, 0 without a user id, 499 downloads left this month\n", out)
	require.Empty(t, v.it.Lists())
	for _, r := range v.it.Requests() {
		require.Equal(t, http.MethodGet, r.Method, "a plan writes nothing")
	}
	require.Contains(t, errs, v.cohort+": downloading: 2\n")

	code, out, errs = v.run(t.Context(), "-apply")
	require.Zero(t, code, errs)
	require.Regexp(t, `^\[Amplitude\] Lapsed \(list \d+\): 2 members: 2 added, 0 kept, 0 removed, 499 downloads left this month\n$`, out)
	require.Equal(t, []string{"u-1", "u-2"}, v.members())
	require.Equal(t, 1, v.downloads(), "of both together")

	code, out, _ = v.run(t.Context(), "-apply", "-json")
	require.Zero(t, code)
	var report iteramp.CohortReport
	require.NoError(t, json.Unmarshal([]byte(out), &report))
	require.Equal(t, []int{2, 2, 0}, []int{report.Members, report.Kept, report.Added})
	code, out, _ = v.run(t.Context(), "-json")
	require.Zero(t, code)
	require.JSONEq(t, `{"cohort_id":"`+v.cohort+`","cohort_name":"Lapsed","list_name":"[Amplitude] Lapsed","list_id":`+
		jsonNumber(v.it.Lists()[0].ID)+`,"members":2,"no_user_id":0,"adds":0,"removes":0,"downloads_left":499}`, out)
}

func jsonNumber(n int64) string {
	b, _ := json.Marshal(n)
	return string(b)
}

func TestTheExitCodeTellsWhatHappened(t *testing.T) {
	t.Parallel()
	var many []string
	for i := range 300 {
		many = append(many, "u-"+jsonNumber(int64(1000+i)))
	}
	t.Run("rejected", func(t *testing.T) {
		t.Parallel()
		v := newVendors(t, "u-1", "u-2")
		v.it.Refuse(iterabletest.ReasonForgotten, "u-2")
		code, out, _ := v.run(t.Context(), "-apply")
		require.Equal(t, exitRejected, code)
		require.Contains(t, out, "1 rejected (forgotten)")
	})
	t.Run("held back", func(t *testing.T) {
		t.Parallel()
		v := newVendors(t, many...)
		code, _, errs := v.run(t.Context(), "-apply")
		require.Zero(t, code, errs)
		v.amp.SetMembers(v.cohort, many[:150]...)
		code, out, _ := v.run(t.Context())
		require.Equal(t, exitHeld, code)
		require.Contains(t, out, "would be held back")
		code, out, _ = v.run(t.Context(), "-apply")
		require.Equal(t, exitHeld, code)
		require.Contains(t, out, "150 held back")
		require.Len(t, v.members(), 300)
		code, out, _ = v.run(t.Context(), "-apply", "-allow-removals", "150")
		require.Zero(t, code)
		require.Contains(t, out, "150 removed")
		require.Len(t, v.members(), 150)
	})
	t.Run("left open", func(t *testing.T) {
		t.Parallel()
		v := newVendors(t, "u-1", "u-2")
		v.it.SkipsUncounted = true
		v.it.AddUser("u-1", nil)
		code, out, _ := v.run(t.Context(), "-apply", "-existing-users-only")
		require.Equal(t, exitRejected, code)
		require.Contains(t, out, "1 added, 0 kept, 0 removed, 1 unconfirmed")
	})
	t.Run("the worst", func(t *testing.T) {
		t.Parallel()
		v := newVendors(t, "u-1", "u-2")
		other := v.amp.AddCohort(amplitudetest.Cohort{Name: "Other"})
		v.amp.SetMembers(other, "u-3")
		code, _, errs := v.run(t.Context(), "-apply", "-cohort", other)
		require.Zero(t, code, errs)
		v.it.Refuse(iterabletest.ReasonForgotten, "u-4")
		v.amp.SetMembers(other, "u-3", "u-4")
		v.amp.SetMembers(v.cohort)
		code, out, errs := v.run(t.Context(), "-apply", "-cohort", other)
		require.Equal(t, exitHeld, code, "before rejected")
		require.Contains(t, out, "1 rejected (forgotten)")
		require.Contains(t, errs, "the cohort is empty")
		require.Equal(t, []string{"u-1", "u-2"}, v.members())
		code, _, _ = v.run(t.Context(), "-apply", "-cohort", "none", "-cohort", other)
		require.Equal(t, exitFailed, code, "before all others")
	})
	t.Run("failed", func(t *testing.T) {
		t.Parallel()
		v := newVendors(t, "u-1")
		code, out, errs := v.run(t.Context(), "-cohort", "none", "-apply")
		require.Equal(t, exitFailed, code, "and the other is synced")
		require.Contains(t, out, "1 added")
		require.Contains(t, errs, "none: "+iteramp.ErrCohortGone.Error())
	})
	t.Run("interrupted, of a schedule", func(t *testing.T) {
		t.Parallel()
		v := newVendors(t, "u-1")
		code, _, errs := v.run(v.interruptAt(t, "/api/lists/subscribe"), "-apply", "-every", "1h")
		require.Zero(t, code, errs)
		require.Contains(t, errs, "720 cohort downloads a month; Amplitude allows 500")
		require.Contains(t, errs, v.cohort+": interrupted")
	})
	t.Run("interrupted, of one run", func(t *testing.T) {
		t.Parallel()
		v := newVendors(t, "u-1")
		code, _, errs := v.run(v.interruptAt(t, "/api/lists/subscribe"), "-apply", "-cohort", "none")
		require.Equal(t, exitFailed, code)
		require.True(t, strings.HasSuffix(errs, v.cohort+": interrupted, the next run takes up the rest\n"), errs)
		v.it.Intercept(nil)
		code, out, errs := v.run(t.Context(), "-apply")
		require.Zero(t, code, errs)
		require.Contains(t, out, "1 added")
		require.Equal(t, 1, v.downloads())
	})
}

// interruptAt returns a context that ends when Iterable is asked for a path; the
// answer is held back until it has.
func (v *vendors) interruptAt(t *testing.T, path string) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	v.it.Intercept(func(_ http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != path {
			return false
		}
		cancel()
		<-r.Context().Done()
		return true
	})
	return ctx
}

func TestJSONIsOneLineForEachCohort(t *testing.T) {
	t.Parallel()
	v := newVendors(t, "u-1")
	for mode, args := range map[string][]string{"plan": nil, "apply": {"-apply"}} {
		code, out, errs := v.run(t.Context(), append(args, "-json", "-cohort", "none")...)
		require.Equal(t, exitFailed, code, mode)
		lines := strings.SplitAfter(out, "\n")
		require.Len(t, lines, 3, out)
		var first struct {
			CohortID string `json:"cohort_id"`
			Members  int    `json:"members"`
			Error    string `json:"error"`
		}
		require.NoError(t, json.Unmarshal([]byte(lines[0]), &first))
		require.Equal(t, []any{v.cohort, 1, ""}, []any{first.CohortID, first.Members, first.Error})
		require.JSONEq(t, `{"cohort_id":"none","error":"`+iteramp.ErrCohortGone.Error()+`"}`, lines[1])
		require.Contains(t, errs, "[Amplitude] Lapsed (", "the text for people is on standard error")
	}
}

func TestAStrangersNameMovesNoCursor(t *testing.T) {
	t.Parallel()
	v := newVendors(t, "u-1")
	v.amp.RenameCohort(v.cohort, "a\x1b[2Jb\nc")
	for _, args := range [][]string{nil, {"-apply"}} {
		code, out, errs := v.run(t.Context(), args...)
		require.Zero(t, code, errs)
		require.Contains(t, out, "[Amplitude] a\uFFFD[2Jb\uFFFDc (")
	}
}

func TestEveryFlagReachesItsSetting(t *testing.T) {
	t.Parallel()
	args := "-cohort a -cohort b -project-type hybrid -ledger dir -apply -every 2h -list a=5 -list b=6 -existing-users-only -full " +
		"-seed-from-list -max-removals 7 -json -amplitude-region EU -iterable-region US -amplitude-url http://a -iterable-url http://i"
	opts, err := parse(strings.Fields(args), func(name string) string { return "the-" + name })
	require.NoError(t, err)
	require.Equal(t, options{
		config: iteramp.CohortSyncConfig{
			LedgerDir: "dir", Lists: map[string]int64{"a": 5, "b": 6}, Cohorts: []string{"a", "b"}, Every: 2 * time.Hour,
			ExistingUsersOnly: true, Full: true, SeedFromList: true, MaxRemovals: 7,
		},
		amplitude: amplitude.Config{
			APIKey: "the-AMPLITUDE_API_KEY", SecretKey: "the-AMPLITUDE_SECRET_KEY", Region: amplitude.RegionEU, BaseURL: "http://a",
		},
		iterable: iterable.Config{
			APIKey: "the-ITERABLE_API_KEY", ProjectType: iterable.ProjectTypeHybrid, Region: iterable.RegionUS, BaseURL: "http://i",
		},
		apply: true, json: true, allow: -1,
	}, opts)
	for arg := range strings.FieldsSeq(args + " -allow-removals -h") {
		if strings.HasPrefix(arg, "-") {
			require.Contains(t, usage, "\n  "+arg+" ")
		}
	}
}

func TestWrongSettingsAreRefused(t *testing.T) {
	t.Parallel()
	v := newVendors(t, "u-1")
	for says, args := range map[string][]string{
		`"x" is no flag`:                    {"x"},
		"-every goes with -apply":           {"-every", "1h"},
		"a minute or more":                  {"-apply", "-every", "1s"},
		"-allow-removals goes with -apply":  {"-allow-removals", "5"},
		"want COHORT=LISTID":                {"-list", "5"},
		"must be email, userId or hybrid":   {"-project-type", "mail"},
		"must be US or EU":                  {"-iterable-region", "UK"},
		"which the EU data center does not": {"-project-type", "email", "-iterable-region", "EU"},
		"MaxRemovals is negative":           {"-max-removals", "-1"},
	} {
		code, out, errs := v.run(t.Context(), args...)
		require.Equal(t, exitUsage, code, says)
		require.Empty(t, out)
		require.Contains(t, errs, says)
	}
	for _, says := range []string{"-cohort is missing", "AMPLITUDE_API_KEY"} {
		var out, errs bytes.Buffer
		args := []string{"-ledger", "x", "-project-type", "email"}
		if says != "-cohort is missing" {
			args = append(args, "-cohort", "c")
		}
		require.Equal(t, exitUsage, run(t.Context(), args, &out, &errs, func(string) string { return "" }))
		require.Contains(t, errs.String(), says)
	}
}

func TestHelpIsNoFailure(t *testing.T) {
	t.Parallel()
	var out, errs bytes.Buffer
	require.Zero(t, run(t.Context(), []string{"-h"}, &out, &errs, func(string) string { return "" }))
	require.Equal(t, usage, out.String())
}

func TestABarIsDrawnAndCleared(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	b := &bar{out: &out}
	for _, phase := range []iteramp.Phase{iteramp.PhaseWaiting, iteramp.PhaseAdding} {
		for _, done := range []int{0, 500} { // as when it is interrupted
			total := 1000
			if phase == iteramp.PhaseWaiting {
				total = 0
			}
			b.show(iteramp.CohortProgress{CohortID: "c", Phase: phase, Done: done, Total: total})
		}
	}
	b.end()
	require.Contains(t, out.String(), "c waiting")
	require.Contains(t, out.String(), "c adding  50%")
	last := out.String()[strings.LastIndex(out.String(), "c adding"):]
	require.Regexp(t, `\r +\r$`, last, "the line is left empty for what is printed next")
}
