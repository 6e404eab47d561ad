package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"unicode"

	"github.com/iteramp/iteramp"
	"github.com/iteramp/iteramp/amplitude"
	"github.com/iteramp/iteramp/iterable"
)

// job is what one call of the program does.
type job struct {
	opts     options
	sync     *iteramp.CohortSync
	stdout   io.Writer // of JSON
	human    io.Writer // of everything a person reads but errors
	stderr   io.Writer
	progress progress
	exit     int
}

func newJob(ctx context.Context, opts options, stdout, stderr io.Writer) (*job, error) {
	j := &job{opts: opts, stdout: stdout, human: stdout, stderr: stderr, progress: newProgress(stderr)}
	if opts.json {
		j.human = stderr
	}
	amp, err1 := amplitude.NewClient(opts.amplitude)
	it, err2 := iterable.NewClient(opts.iterable)
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	cfg := opts.config
	cfg.Amplitude, cfg.Iterable = amp, it
	cfg.OnProgress = j.progress.show
	if cfg.Every != 0 {
		cfg.OnReport = func(r iteramp.CohortReport, err error) { j.report(ctx, r, err) }
	}
	var err error
	j.sync, err = iteramp.NewCohortSync(cfg)
	return j, err
}

func (j *job) run(ctx context.Context) int {
	if j.opts.config.Every != 0 {
		fmt.Fprintf(j.stderr, "this schedule needs up to %d cohort downloads a month; Amplitude allows 500\n", j.sync.MonthlyDownloads())
		if err := j.sync.Run(ctx); err != nil {
			fmt.Fprintf(j.stderr, "cohortsync: %v\n", err)
			return exitFailed
		}
		return exitClean // interrupted, as it was meant to end
	}
	for _, id := range j.opts.config.Cohorts {
		if err := j.one(ctx, id); err != nil {
			j.report(ctx, iteramp.CohortReport{CohortID: id}, err)
		}
		if ctx.Err() != nil {
			break // those left are the next run's, and say nothing of their own
		}
	}
	return j.exit
}

// one plans a cohort, and applies the plan if that is wanted.
func (j *job) one(ctx context.Context, id string) error {
	plan, err := j.sync.Plan(ctx, id)
	if err != nil {
		return err
	}
	defer plan.Close()
	if j.opts.allow >= 0 {
		plan.AllowRemovals(j.opts.allow)
	}
	if !j.opts.apply {
		j.plan(plan)
		return nil
	}
	report, err := plan.Apply(ctx)
	j.report(ctx, report, err)
	return nil
}

// worst keeps the exit code that matters most.
func (j *job) worst(code int) {
	order := []int{exitClean, exitRejected, exitHeld, exitFailed}
	if slices.Index(order, code) > slices.Index(order, j.exit) {
		j.exit = code
	}
}

// planned is a plan as JSON.
type planned struct {
	CohortID   string `json:"cohort_id"`
	CohortName string `json:"cohort_name"`
	ListName   string `json:"list_name"`
	ListID     int64  `json:"list_id"` // 0: to be made
	Members    int    `json:"members"`
	NoUserID   int    `json:"no_user_id"`
	Adds       int    `json:"adds"`
	Removes    int    `json:"removes"`
	Downloads  int    `json:"downloads_left"` // -1: unknown
	Refused    string `json:"refused,omitempty"`
}

func (j *job) plan(p *iteramp.CohortPlan) {
	j.progress.end()
	out := planned{p.CohortID, p.CohortName, p.ListName, p.ListID, p.Members, p.NoUserID, p.Adds, p.Removes, p.DownloadsLeft, ""}
	if p.Refused != nil {
		out.Refused = string(p.Refused.Doubt)
		j.worst(exitHeld)
	}
	j.encode(out)
	list := fmt.Sprint("list ", p.ListID)
	if p.ListID == 0 {
		list = "to be made"
	}
	fmt.Fprintf(j.human, "%s (%s): %d members, +%d -%d, %d without a user id, %s\n",
		printable(p.ListName), list, p.Members, p.Adds, p.Removes, p.NoUserID, downloads(p.DownloadsLeft))
	if p.Refused != nil {
		fmt.Fprintf(j.human, "  would be held back: %v\n", p.Refused)
	}
}

// reported is a report as JSON. A cohort that did not come to a list has the first
// and the last field only.
type reported struct {
	CohortID string `json:"cohort_id"`
	*iteramp.CohortReport
	Error string `json:"error,omitempty"`
}

// report prints what became of a cohort.
func (j *job) report(ctx context.Context, r iteramp.CohortReport, err error) {
	j.progress.end()
	j.worst(exitCode(r, err))
	out := reported{CohortID: r.CohortID, CohortReport: &r}
	if err != nil {
		out.Error = printable(strings.ReplaceAll(err.Error(), "\n", "; "))
		if ctx.Err() != nil && errors.Is(err, context.Canceled) {
			out.Error = "interrupted, the next run takes up the rest"
		}
		fmt.Fprintf(j.stderr, "%s: %s\n", printable(r.CohortID), out.Error)
	}
	if r.ListName == "" {
		out.CohortReport = nil
		j.encode(out)
		return
	}
	j.encode(out)
	fmt.Fprintf(j.human, "%s (list %d): %d members: %d added, %d kept, %d removed%s, %s\n",
		printable(r.ListName), r.ListID, r.Members, r.Added, r.Kept, r.Removed, exceptions(r), downloads(r.DownloadsLeft))
}

func exitCode(r iteramp.CohortReport, err error) int {
	_, held := errors.AsType[*iteramp.RemovalsRefusedError](err)
	switch {
	case held:
		return exitHeld
	case err != nil:
		return exitFailed
	case len(r.Rejected) > 0 || r.Unconfirmed > 0:
		return exitRejected
	}
	return exitClean
}

// exceptions are the counts that are mostly zero.
func exceptions(r iteramp.CohortReport) string {
	var b strings.Builder
	count := func(n int, what string) {
		if n > 0 {
			fmt.Fprintf(&b, ", %d %s", n, what)
		}
	}
	for _, reason := range slices.Sorted(maps.Keys(r.Rejected)) {
		count(r.Rejected[reason], "rejected ("+string(reason)+")")
	}
	count(r.Unconfirmed, "unconfirmed")
	count(r.Held, "held back")
	count(r.Failed, "not sent")
	count(r.NoUserID, "without a user id")
	return b.String()
}

func downloads(left int) string {
	if left < 0 {
		return "downloads left unknown"
	}
	return fmt.Sprintf("%d downloads left this month", left)
}

// encode prints a line of JSON, if that is wanted.
func (j *job) encode(v any) {
	if !j.opts.json {
		return
	}
	if err := json.NewEncoder(j.stdout).Encode(v); err != nil {
		fmt.Fprintf(j.stderr, "cohortsync: %v\n", err)
		j.worst(exitFailed)
	}
}

// printable replaces what could move a terminal's cursor: a cohort's name is a
// stranger's text.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, s)
}
