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

	"github.com/iteramp/iteramp"
	"github.com/iteramp/iteramp/amplitude"
	"github.com/iteramp/iteramp/iterable"
)

// job is what one call of the program does.
type job struct {
	opts     options
	sync     *iteramp.CohortSync
	stdout   io.Writer
	stderr   io.Writer
	progress progress
	exit     int
}

func newJob(opts options, stdout, stderr io.Writer) (*job, error) {
	j := &job{opts: opts, stdout: stdout, stderr: stderr, progress: newProgress(stderr)}
	amp, err1 := amplitude.NewClient(opts.amplitude)
	it, err2 := iterable.NewClient(opts.iterable)
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	cfg := opts.config
	cfg.Amplitude, cfg.Iterable = amp, it
	cfg.OnProgress = j.progress.show
	if cfg.Every != 0 {
		cfg.OnReport = j.report
	}
	var err error
	j.sync, err = iteramp.NewCohortSync(cfg)
	return j, err
}

func (j *job) run(ctx context.Context) int {
	if j.opts.config.Every != 0 {
		fmt.Fprintf(j.stderr, "this schedule needs up to %d cohort downloads a month; Amplitude allows 500\n", j.sync.MonthlyDownloads())
		if err := j.sync.Run(ctx); err != nil {
			j.fail("", err)
			return j.exit
		}
		return exitClean // interrupted, as it was meant to end
	}
	for _, id := range j.opts.config.Cohorts {
		if err := j.one(ctx, id); err != nil {
			j.fail(id, err)
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
	j.report(report, err)
	return nil
}

func (j *job) fail(id string, err error) {
	j.progress.end()
	j.worst(exitFailed)
	fmt.Fprintf(j.stderr, "%s: %v\n", id, err)
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
	if j.opts.json {
		j.encode(out)
		return
	}
	list := fmt.Sprint("list ", p.ListID)
	if p.ListID == 0 {
		list = "to be made"
	}
	fmt.Fprintf(j.stdout, "%s (%s): %d members, +%d -%d, %d without a user id, %s\n",
		p.ListName, list, p.Members, p.Adds, p.Removes, p.NoUserID, downloads(p.DownloadsLeft))
	if p.Refused != nil {
		fmt.Fprintf(j.stdout, "  would be held back: %v\n", p.Refused)
	}
}

// report prints what became of a cohort.
func (j *job) report(r iteramp.CohortReport, err error) {
	j.progress.end()
	_, held := errors.AsType[*iteramp.RemovalsRefusedError](err)
	switch {
	case held:
		j.worst(exitHeld)
	case err != nil:
		j.worst(exitFailed)
	case len(r.Rejected) > 0 || r.Unconfirmed > 0:
		j.worst(exitRejected)
	}
	if err != nil {
		fmt.Fprintf(j.stderr, "%s: %v\n", r.CohortID, err)
	}
	if j.opts.json {
		j.encode(r)
		return
	}
	if r.ListName == "" {
		return // it did not come that far
	}
	fmt.Fprintf(j.stdout, "%s (list %d): %d members: %d added, %d kept, %d removed%s, %s\n",
		r.ListName, r.ListID, r.Members, r.Added, r.Kept, r.Removed, exceptions(r), downloads(r.DownloadsLeft))
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

func (j *job) encode(v any) {
	if err := json.NewEncoder(j.stdout).Encode(v); err != nil {
		fmt.Fprintln(j.stderr, err)
		j.worst(exitFailed)
	}
}
