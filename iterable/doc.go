// Package iterable is a client of Iterable's API.
//
//	client, err := iterable.NewClient(iterable.Config{APIKey: os.Getenv("ITERABLE_API_KEY")})
//	if err != nil {
//		return err
//	}
//	_, err = client.Lists.Subscribe(ctx, iterable.ListSubscribeRequest{
//		ListID:      42,
//		Subscribers: []iterable.Subscriber{{UserID: "u-1001", PreferUserID: true}},
//	})
//
// [Client] has a service for each part of Iterable that the package knows: Users,
// Lists, Events, Subscriptions, Webhooks, Campaigns (to read), MessageTypes and
// Channels. [Client.Do] calls what has no method here.
//
// # Authentication
//
// [Config.APIKey] is a server-side key of the project; it goes into the Api-Key
// header of each request. The key decides the project.
//
// # Regions
//
// [RegionUS] is https://api.iterable.com, [RegionEU] https://api.eu.iterable.com.
// A key of the other data center is an [ErrUnauthorized].
//
// # Users
//
// The project's type says whether an e-mail address, a userId or either identifies
// a user. Iterable keeps addresses in lower case and userIds as they are, 1 to 52
// printable ASCII characters. Where a request takes both identifiers it wants one;
// both are for hybrid projects.
//
// # Errors
//
// A refusal is an [*Error], sorted by kind: [ErrUnauthorized], [ErrNotFound],
// [ErrConflict], [ErrForgotten], [ErrDisallowed], [ErrRateLimited]. A bulk call
// answers nil or a [*BatchError], which has a [Reason] for each record that was
// not accepted, also where Iterable says 200:
//
//	if failed, ok := errors.AsType[*iterable.BatchError](err); ok {
//		for _, r := range failed.Rejected {
//			log.Print(req.Subscribers[r.Index].UserID, " ", r.Reason)
//		}
//	}
//
// A success means that Iterable has taken the request: its effect can take a
// minute to show.
//
// # Retries
//
// A refused request (429) is sent again after the wait the answer asks for. After
// a broken connection or a 5xx only calls that are safe to repeat are sent again;
// each says whether it is. [Config.MaxAttempts] bounds both. A call that may have
// taken effect ends in [ErrAmbiguous].
//
// # Limits
//
// Each operation keeps its documented rate; list writes and all others that
// Iterable states none for go at 10 requests a second. Bulk calls take any number
// of records and send 1,000 of them, or 3.5 MB, in a request. Iterable counts by
// project, so Clients of one project should share their limiters:
// [Config.Limits].
package iterable
