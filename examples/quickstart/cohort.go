package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"

	"github.com/iteramp/iteramp"
	"github.com/iteramp/iteramp/amplitude"
	"github.com/iteramp/iteramp/amplitude/amplitudetest"
	"github.com/iteramp/iteramp/iterable"
	"github.com/iteramp/iteramp/iterable/iterabletest"
)

// synced is what became of the cohort.
type synced struct {
	plan          string // what the first run was to do
	first, second iteramp.CohortReport
	members       []string // of the list, after both
	writes        [2]int   // requests to change something, by run
}

// syncCohort makes a cohort a list, twice, between a fake Amplitude and a fake
// Iterable whose project identifies users by e-mail address.
func syncCohort(ctx context.Context) (synced, error) {
	var amp amplitudetest.Fake
	var it iterabletest.Fake // e-mail based, as older projects are
	it.Forget("eve-1005")
	cohort := amp.AddCohort(amplitudetest.Cohort{Name: "Regulars", Members: []amplitudetest.Member{
		{UserID: "ada-1001"}, {UserID: "ben-1002"}, {UserID: "cleo-1003"}, {UserID: "eve-1005"}, {},
	}})
	dir, err := os.MkdirTemp("", "quickstart")
	if err != nil {
		return synced{}, err
	}
	defer os.RemoveAll(dir)
	ampClient, err1 := amplitude.NewClient(amp.Config())
	cfg := it.Config()
	cfg.ProjectType = iterable.ProjectTypeEmail
	itClient, err2 := iterable.NewClient(cfg)
	sync, err3 := iteramp.NewCohortSync(iteramp.CohortSyncConfig{Amplitude: ampClient, Iterable: itClient, LedgerDir: dir})
	if err := errors.Join(err1, err2, err3); err != nil {
		return synced{}, err
	}
	known := iterable.UserUpdateRequest{Email: "ada@example.com", UserID: "ada-1001"}
	if err := itClient.Users.Update(ctx, known); err != nil {
		return synced{}, err
	}
	before := writes(it.Requests())
	var s synced
	plan, err := sync.Plan(ctx, cohort)
	if err != nil {
		return s, err
	}
	defer plan.Close()
	s.plan = fmt.Sprintf("%q, to be made: %d members, +%d -%d", plan.ListName, plan.Members, plan.Adds, plan.Removes)
	if s.first, err = plan.Apply(ctx); err != nil {
		return s, err
	}
	if err := plan.Close(); err != nil {
		return s, err
	}
	s.writes[0] = writes(it.Requests()) - before
	if s.second, err = sync.Sync(ctx, cohort); err != nil {
		return s, err
	}
	s.writes[1] = writes(it.Requests()) - before - s.writes[0]
	s.members = it.Members(s.second.ListID)
	return s, nil
}

func writes(requests []iterabletest.Request) (n int) {
	for _, r := range requests {
		if r.Method != http.MethodGet {
			n++
		}
	}
	return n
}

// reportCohort prints what became of the cohort and returns the exit code.
func reportCohort(w io.Writer, s synced) int {
	fmt.Fprintf(w, "\nAnd back: the Amplitude cohort \"Regulars\" becomes a list of Iterable.\n\n")
	fmt.Fprintf(w, "PLAN: %s\n", s.plan)
	fmt.Fprintf(w, "FIRST RUN: %s; %d writes\n", counted(s.first), s.writes[0])
	fmt.Fprintf(w, "SECOND RUN: %s; %d writes\n", counted(s.second), s.writes[1])
	fmt.Fprintf(w, "\nON THE LIST: users whom Iterable did not know have a placeholder address, to\nwhich it never sends anything\n\n")
	for _, m := range s.members {
		fmt.Fprintf(w, "  %s\n", m)
	}
	placeholders := strings.Count(strings.Join(s.members, "\n"), "@placeholder.email")
	first, second := s.first, s.second
	ok := first.Added == 3 && first.Rejected[iterable.ReasonForgotten] == 1 && first.NoUserID == 1 &&
		second.Kept == 3 && s.writes[1] == 0 && len(s.members) == 3 && placeholders == 2
	if !ok {
		fmt.Fprint(w, "\nNOT as expected: 3 added, 1 forgotten and 1 without user id, then 3 kept and\n0 writes, 2 placeholder addresses\n")
		return 1
	}
	return 0
}

func counted(r iteramp.CohortReport) string {
	return fmt.Sprintf("%d added, %d kept, %d forgotten, %d without user id",
		r.Added, r.Kept, r.Rejected[iterable.ReasonForgotten], r.NoUserID)
}
