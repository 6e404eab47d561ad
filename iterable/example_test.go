package iterable_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"golang.org/x/time/rate"

	"github.com/iteramp/iteramp/iterable"
	"github.com/iteramp/iteramp/iterable/iterabletest"
)

// Write to a user's profile. A real client has
// Config{APIKey: os.Getenv("ITERABLE_API_KEY")} where these examples have the
// settings of a fake.
func ExampleUsersService_Update() {
	fake := iterabletest.Fake{ProjectType: iterable.ProjectTypeUserID}
	client, err := iterable.NewClient(fake.Config())
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	err = client.Users.Update(ctx, iterable.UserUpdateRequest{
		UserID:     "u-1001",
		DataFields: map[string]any{"plan": "gold"}, // or a struct, or a json.RawMessage
	})
	fmt.Println(err, fake.User("u-1001").DataFields["plan"])
	// Output: <nil> gold
}

// Read a profile into a struct of your own. A user who does not exist is an
// ErrNotFound, whatever status Iterable answers with.
func ExampleUsersService_Get() {
	fake := iterabletest.Fake{ProjectType: iterable.ProjectTypeUserID}
	fake.AddUser("u-1001", map[string]any{"plan": "gold"})
	client, err := iterable.NewClient(fake.Config())
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	user, err := client.Users.Get(ctx, "u-1001")
	if err != nil {
		fmt.Println(err)
		return
	}
	var fields struct {
		Plan string `json:"plan"`
	}
	fmt.Println(json.Unmarshal(user.DataFields, &fields), fields.Plan)

	_, err = client.Users.Get(ctx, "u-9999")
	fmt.Println(errors.Is(err, iterable.ErrNotFound))
	// Output:
	// <nil> gold
	// true
}

// Write to many profiles: any number, in as many requests as it takes. What Iterable
// drops from records that it accepts is told beside the error.
func ExampleUsersService_BulkUpdate() {
	fake := iterabletest.Fake{ProjectType: iterable.ProjectTypeUserID}
	client, err := iterable.NewClient(fake.Config())
	if err != nil {
		fmt.Println(err)
		return
	}
	var users []iterable.UserUpdate
	for i := range 2500 {
		users = append(users, iterable.UserUpdate{UserID: fmt.Sprintf("u-%d", i), DataFields: map[string]any{"plan": "gold"}})
	}
	res, err := client.Users.BulkUpdate(context.Background(), iterable.UserBulkUpdateRequest{
		Users:           users,
		CreateNewFields: new(false),
	})
	fmt.Println(err, len(fake.Users()), "users in", len(fake.Requests()), "requests, dropped:", res.FilteredOutFields)
	// Output: <nil> 2500 users in 3 requests, dropped: [plan]
}

// Tell lists that are cleared from lists that stay: nil and an empty slice are two
// things.
func ExampleUsersService_UpdateSubscriptions() {
	fake := iterabletest.Fake{ProjectType: iterable.ProjectTypeUserID}
	fake.AddUser("u-1001", nil)
	client, err := iterable.NewClient(fake.Config())
	if err != nil {
		fmt.Println(err)
		return
	}
	listID := fake.AddList("Gold members", "u-1001")
	err = client.Users.UpdateSubscriptions(context.Background(), iterable.UserUpdateSubscriptionsRequest{
		UserID:       "u-1001",
		EmailListIDs: []int64{}, // off all lists; what is not named stays
	})
	fmt.Println(err, len(fake.Members(listID)))
	// Output: <nil> 0
}

// Put users on a new list.
func ExampleListsService_Subscribe() {
	fake := iterabletest.Fake{ProjectType: iterable.ProjectTypeUserID}
	client, err := iterable.NewClient(fake.Config())
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	listID, err := client.Lists.Create(ctx, iterable.ListCreateRequest{Name: "Gold members"})
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = client.Lists.Subscribe(ctx, iterable.ListSubscribeRequest{
		ListID:      listID,
		Subscribers: []iterable.Subscriber{{UserID: "u-1001"}, {UserID: "u-1002"}},
	})
	fmt.Println(err, fake.Members(listID))
	// Output: <nil> [u-1001 u-1002]
}

// Read a list as it arrives. One that was cut short ends in an error.
func ExampleListsService_Members() {
	fake := iterabletest.Fake{ProjectType: iterable.ProjectTypeUserID}
	listID := fake.AddList("Gold members", "u-1001", "u-1002")
	client, err := iterable.NewClient(fake.Config())
	if err != nil {
		fmt.Println(err)
		return
	}
	for id, err := range client.Lists.Members(context.Background(), listID, iterable.ListMembersOptions{}) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(id)
	}
	// Unordered output:
	// u-1001
	// u-1002
}

// Handle a partial failure: give up what cannot succeed, keep the rest for later.
func ExampleBatchError() {
	fake := iterabletest.Fake{ProjectType: iterable.ProjectTypeUserID}
	fake.Refuse(iterabletest.ReasonForgotten, "u-1002")
	listID := fake.AddList("Gold members")
	client, err := iterable.NewClient(fake.Config())
	if err != nil {
		fmt.Println(err)
		return
	}
	users := []iterable.Subscriber{{UserID: "u-1001"}, {UserID: "u-1002"}, {UserID: ""}}
	_, err = client.Lists.Subscribe(context.Background(), iterable.ListSubscribeRequest{ListID: listID, Subscribers: users})
	var again []iterable.Subscriber
	if failed, ok := errors.AsType[*iterable.BatchError](err); ok {
		fmt.Println(failed.Accepted, "accepted,", failed.Unnamed, "not told")
		for _, r := range failed.Rejected {
			if r.Reason.Permanent() {
				fmt.Println("given up:", r)
				continue
			}
			again = append(again, users[r.Index])
		}
	} else if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(len(again), "for later")
	// Output:
	// 1 accepted, 0 not told
	// given up: record 1: forgotten: iterable: POST /api/lists/subscribe: 200: named in forgottenUserIds
	// given up: record 2: invalid_id: email and userId are missing
	// 0 for later
}

// Track an event. With an ID it counts once, however often it is sent, so the client
// may repeat it after a broken connection.
func ExampleEventsService_Track() {
	fake := iterabletest.Fake{ProjectType: iterable.ProjectTypeUserID}
	fake.AddUser("u-1001", nil)
	client, err := iterable.NewClient(fake.Config())
	if err != nil {
		fmt.Println(err)
		return
	}
	order := iterable.Event{
		Name:       "Order Placed",
		UserID:     "u-1001",
		ID:         "order-4711",
		DataFields: map[string]any{"total": 12.5},
	}
	for range 2 {
		id, err := client.Events.Track(context.Background(), order)
		fmt.Println(id, err)
	}
	fmt.Println(len(fake.Events("u-1001")))
	// Output:
	// order-4711 <nil>
	// order-4711 <nil>
	// 1
}

// Tell refusals apart by their kind, and read what Iterable says of one.
func ExampleError() {
	fake := iterabletest.Fake{ProjectType: iterable.ProjectTypeUserID}
	config := fake.Config()
	config.APIKey = "a-key-of-another-project"
	client, err := iterable.NewClient(config)
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = client.Lists.List(context.Background())
	switch {
	case errors.Is(err, iterable.ErrUnauthorized):
		refusal, _ := errors.AsType[*iterable.Error](err)
		fmt.Println("check the key:", refusal.StatusCode, refusal.Code)
	case errors.Is(err, iterable.ErrRateLimited):
		fmt.Println("come back later")
	case errors.Is(err, iterable.ErrAmbiguous):
		fmt.Println("it may have worked")
	}
	// Output: check the key: 401 BadApiKey
}

// Iterable's limits are those of a project. Clients of one project share a limiter,
// here one that leaves half of the rate to other programs.
func ExampleConfig_limits() {
	fake := iterabletest.Fake{ProjectType: iterable.ProjectTypeUserID}
	limits := map[string]iterable.Limiter{
		"POST /api/users/bulkUpdate": rate.NewLimiter(2.5, 1), // 2.5 requests a second
	}
	for range 2 {
		config := fake.Config()
		config.Limits = limits
		client, err := iterable.NewClient(config)
		if err != nil {
			fmt.Println(err)
			return
		}
		_, err = client.Users.BulkUpdate(context.Background(), iterable.UserBulkUpdateRequest{Users: []iterable.UserUpdate{{UserID: "u-1001"}}})
		fmt.Println(err)
	}
	// Output:
	// <nil>
	// <nil>
}

// Call an endpoint that the package has no method for.
func ExampleClient_Do() {
	var fake iterabletest.Fake
	fake.Intercept(func(w http.ResponseWriter, r *http.Request) bool {
		fmt.Fprint(w, `{"journeys":[{"id":12,"name":"Welcome"}],"totalJourneysCount":1}`)
		return true
	})
	client, err := iterable.NewClient(fake.Config())
	if err != nil {
		fmt.Println(err)
		return
	}
	type query struct {
		Page     int `url:"page"`
		PageSize int `url:"pageSize"`
	}
	var out struct {
		Journeys []struct {
			ID   int64  `json:"id"`
			Name string `json:"name"`
		} `json:"journeys"`
	}
	err = client.Do(context.Background(), iterable.Request{Method: "GET", Path: "/api/journeys", Query: query{1, 50}}, &out)
	fmt.Println(out.Journeys, err)
	// Output: [{12 Welcome}] <nil>
}

// Range over all campaigns; pages are fetched as the loop needs them.
func ExampleCampaignsService_All() {
	var fake iterabletest.Fake
	for _, name := range []string{"Spring", "Summer", "Autumn"} {
		fake.AddCampaign(iterabletest.Campaign{Name: name})
	}
	client, err := iterable.NewClient(fake.Config())
	if err != nil {
		fmt.Println(err)
		return
	}
	for c, err := range client.Campaigns.All(context.Background(), iterable.CampaignListOptions{PageSize: 2, Sort: "id"}) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(c.Name)
	}
	// Output:
	// Spring
	// Summer
	// Autumn
}
