package iteramp_test

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/iteramp/iteramp"
	"github.com/iteramp/iteramp/amplitude"
	"github.com/iteramp/iteramp/amplitude/amplitudetest"
	"github.com/iteramp/iteramp/iterable"
	"github.com/iteramp/iteramp/iterable/iterabletest"
)

// newSync is a sync between two fakes, with a ledger of its own.
func newSync(amp *amplitudetest.Fake, it *iterabletest.Fake, dir string) (*iteramp.CohortSync, error) {
	ampClient, err1 := amplitude.NewClient(amp.Config())
	itClient, err2 := iterable.NewClient(it.Config())
	s, err3 := iteramp.NewCohortSync(iteramp.CohortSyncConfig{Amplitude: ampClient, Iterable: itClient, LedgerDir: dir})
	return s, errors.Join(err1, err2, err3)
}

// Make a list equal to its cohort. A second run has nothing to do.
func ExampleCohortSync_Sync() {
	dir, err := os.MkdirTemp("", "ledgers")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	var amp amplitudetest.Fake
	it := iterabletest.Fake{ProjectType: iterable.ProjectTypeUserID}
	cohort := amp.AddCohort(amplitudetest.Cohort{Name: "Lapsed", Members: []amplitudetest.Member{{UserID: "u-1001"}, {UserID: "u-1002"}}})
	sync, err := newSync(&amp, &it, dir)
	if err != nil {
		fmt.Println(err)
		return
	}
	for range 2 {
		report, err := sync.Sync(context.Background(), cohort)
		fmt.Println(report.ListName, "added", report.Added, "kept", report.Kept, err)
	}
	fmt.Println(it.Members(it.Lists()[0].ID))
	// Output:
	// [Amplitude] Lapsed added 2 kept 0 <nil>
	// [Amplitude] Lapsed added 0 kept 2 <nil>
	// [u-1001 u-1002]
}

// Look first: a plan writes at neither vendor, and what it has downloaded is used
// when it is applied, now or later.
func ExampleCohortSync_Plan() {
	dir, err := os.MkdirTemp("", "ledgers")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	var amp amplitudetest.Fake
	it := iterabletest.Fake{ProjectType: iterable.ProjectTypeUserID}
	cohort := amp.AddCohort(amplitudetest.Cohort{Name: "Lapsed", Members: []amplitudetest.Member{{UserID: "u-1001"}}})
	sync, err := newSync(&amp, &it, dir)
	if err != nil {
		fmt.Println(err)
		return
	}
	plan, err := sync.Plan(context.Background(), cohort)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer plan.Close()
	fmt.Printf("%s: %d members, +%d -%d\n", plan.ListName, plan.Members, plan.Adds, plan.Removes)
	for id, err := range plan.Added() {
		fmt.Println("+", id, err)
	}
	fmt.Println(len(it.Lists()), "lists")
	report, err := plan.Apply(context.Background())
	fmt.Println("added", report.Added, err)
	// Output:
	// [Amplitude] Lapsed: 1 members, +1 -0
	// + u-1001 <nil>
	// 0 lists
	// added 1 <nil>
}

// What looks like an accident is held back until it is allowed.
func ExampleCohortPlan_AllowRemovals() {
	dir, err := os.MkdirTemp("", "ledgers")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	ctx := context.Background()
	var amp amplitudetest.Fake
	it := iterabletest.Fake{ProjectType: iterable.ProjectTypeUserID}
	cohort := amp.AddCohort(amplitudetest.Cohort{Name: "Lapsed", Members: []amplitudetest.Member{{UserID: "u-1001"}}})
	sync, err := newSync(&amp, &it, dir)
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err1 := sync.Sync(ctx, cohort)
	amp.SetMembers(cohort) // nobody is left
	_, err2 := sync.Sync(ctx, cohort)
	refused, ok := errors.AsType[*iteramp.RemovalsRefusedError](err2)
	fmt.Println(err1, ok, refused.Doubt, refused.Removes)

	plan, err := sync.Plan(ctx, cohort)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer plan.Close()
	plan.AllowRemovals(plan.Removes)
	report, err := plan.Apply(ctx)
	fmt.Println("removed", report.Removed, err)
	// Output:
	// <nil> true empty 1
	// removed 1 <nil>
}
