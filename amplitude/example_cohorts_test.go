package amplitude_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/iteramp/iteramp/amplitude"
	"github.com/iteramp/iteramp/amplitude/amplitudetest"
)

// lapsed is an Amplitude with one cohort.
func lapsed() (fake *amplitudetest.Fake, client *amplitude.Client, cohortID string) {
	fake = new(amplitudetest.Fake)
	cohortID = fake.AddCohort(amplitudetest.Cohort{Name: "Lapsed 30d", Members: []amplitudetest.Member{
		{UserID: "u-1001", Properties: map[string]any{"plan": "gold"}},
		{UserID: "u-1002", Properties: map[string]any{"plan": "trial"}},
	}})
	client, err := amplitude.NewClient(fake.Config())
	if err != nil {
		panic(err)
	}
	return fake, client, cohortID
}

// Find a cohort, with how many downloads are left this month.
func ExampleCohortsService_List() {
	_, client, _ := lapsed()
	ctx := context.Background()

	cohorts, err := client.Cohorts.List(ctx, amplitude.CohortListOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, c := range cohorts {
		fmt.Println(c.Name, *c.Size)
	}
	usage, err := client.Cohorts.Usage(ctx)
	if errors.Is(err, amplitude.ErrNotFound) {
		fmt.Println("this project cannot tell")
		return
	}
	fmt.Println(usage.Limit-usage.Used, "downloads left")
	// Output:
	// Lapsed 30d 2
	// 500 downloads left
}

// Read the members of a cohort, with a property.
func ExampleCohortsService_Members() {
	_, client, cohortID := lapsed()
	opts := amplitude.CohortMembersOptions{
		CohortRequestOptions: amplitude.CohortRequestOptions{PropertyKeys: []string{"plan"}},
	}
	for m, err := range client.Cohorts.Members(context.Background(), cohortID, opts) {
		if err != nil {
			fmt.Println(err) // what came before is not all
			return
		}
		fmt.Println(m.UserID, m.Properties["plan"])
	}
	// Output:
	// u-1001 gold
	// u-1002 trial
}

// Go on with a download after a crash: the request id is all it takes.
func ExampleCohortsService_Download() {
	_, client, cohortID := lapsed()
	ctx := context.Background()

	req, err := client.Cohorts.Request(ctx, cohortID, amplitude.CohortRequestOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	saved := req.RequestID // ... and the program dies
	if err := client.Cohorts.Wait(ctx, saved, amplitude.CohortWaitOptions{}); err != nil {
		fmt.Println(err)
		return
	}
	n := 0
	for _, err := range client.Cohorts.Download(ctx, saved) {
		if err != nil {
			fmt.Println(err)
			return
		}
		n++
	}
	fmt.Println(n, "members")
	// Output: 2 members
}

// Make a cohort of users, of whom Amplitude does not know one.
func ExampleCohortsService_Upload() {
	_, client, _ := lapsed()
	made, err := client.Cohorts.Upload(context.Background(), amplitude.CohortUploadRequest{
		Name: "VIP", AppID: 100, Owner: "ops@example.com", Published: true,
		IDs: []string{"u-1001", "u-404"},
	})
	fmt.Println(made.Matched, "of", made.Total, made.InvalidIDsSample, err)
	// Output: 1 of 2 [u-404] <nil>
}

// Take a user out of a cohort.
func ExampleCohortsService_UpdateMembership() {
	fake, client, cohortID := lapsed()
	_, err := client.Cohorts.UpdateMembership(context.Background(), amplitude.CohortMembershipRequest{
		CohortID:    cohortID,
		Memberships: []amplitude.Membership{{IDs: []string{"u-1001"}, Operation: amplitude.MembershipOperationRemove}},
	})
	fmt.Println(err, len(fake.Cohorts()[0].Members), "member left")
	// Output: <nil> 1 member left
}
