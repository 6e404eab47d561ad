// Package amplitude is a client of Amplitude's HTTP APIs. It uploads events, at
// once or in the background, reads and writes cohorts, and calls any other endpoint
// through [Client.Do].
//
//	client, err := amplitude.NewClient(amplitude.Config{APIKey: os.Getenv("AMPLITUDE_API_KEY")})
//	if err != nil {
//		return err
//	}
//	err = client.Events.Upload(ctx, amplitude.EventUploadRequest{Events: []amplitude.Event{
//		{UserID: "u-1001", EventType: "Signed Up", EventProperties: map[string]any{"plan": "trial"}},
//	}})
//
// Make one [Client] for each project and keep it: it is safe for concurrent use
// and needs no closing. Give each call a context with a deadline: without one an
// upload that Amplitude throttles may take minutes.
//
// # Auth
//
// Uploads need the API key alone. The APIs under /api, that of cohorts among them,
// need the secret key too. [NewClient] sends nothing, so a wrong key shows with the
// first call, as [ErrUnauthorized]. No error, log record or print of a
// [Config] or Client shows a key.
//
//	client, err := amplitude.NewClient(amplitude.Config{
//		APIKey:    os.Getenv("AMPLITUDE_API_KEY"),
//		SecretKey: os.Getenv("AMPLITUDE_SECRET_KEY"),
//	})
//
// # Regions
//
// A project lives in the US or in the EU, and its key is refused in the other
// region, as ErrUnauthorized. The zero [Region] is the US. [Config.BaseURL] stands
// for all hosts of a region, for a proxy of your own.
//
//	amplitude.Config{APIKey: key, Region: amplitude.RegionEU}
//
// # Errors
//
// [Error] is an answer that refused a request. Compare with [errors.Is] what kind
// it is ([ErrUnauthorized], [ErrNotFound], [ErrRateLimited], [ErrAmbiguous]; of
// cohorts [ErrCohortFailed], [ErrCohortFile], [ErrCutOff]), read it with
// [errors.AsType]. A call without an answer wraps its cause, such as
// [context.DeadlineExceeded], and ErrAmbiguous if it may have taken effect.
//
// An upload returns nil if all events were accepted, else a [BatchError] with the
// index and the [Reason] of each that was not; all others were. The only other
// errors are mistakes of the call, found before anything is sent. The reason says
// who is to blame:
//
//	invalid, silenced, too_large  the event: another try cannot help
//	throttled                     its user or device is too fast: 30 seconds later
//	quota                         its user or device had enough: within a day
//	refused                       the key, a firewall, the project's rate, an outage
//	ambiguous                     cut off, may be stored: again, with the same InsertID
//	unsent                        never left: no connection, or others failed before: again
//
// [Reason.Permanent] tells the first line from the others:
//
//	if failed, ok := errors.AsType[*amplitude.BatchError](err); ok {
//		for _, r := range failed.Rejected {
//			fmt.Println(events[r.Index].InsertID, r.Reason, r.Reason.Permanent())
//		}
//	}
//
// # Retries
//
// A request is attempted up to three times. Repeated are, whatever the method, a
// 429 and a request that never left; after a 408, a 5xx or a broken connection
// only what cannot harm twice: a GET, a [Request] that is Idempotent, and every
// upload of events, because each has an InsertID that Amplitude knows it by for 7
// days. A GET that can harm is [CohortsService.Request]: it costs a download.
//
// The wait before is the answer's Retry-After, 30 seconds after a 429 without one,
// else random, below half a second at first and then doubling up to 10 seconds. A
// wait that would outlast the context, or that is asked for and longer than 5
// minutes, is not begun: the call fails at once.
//
// A Client has ten repeats in hand, and each answer below 400 gives a tenth of one
// back. In an outage it spends the ten, and from then on each call is attempted
// once.
//
//	amplitude.Config{APIKey: key, MaxAttempts: 1} // no repeats: you have your own
//
// # Limits
//
// Pass any number of events. [EventsService.Upload] sends requests of at most 1,000
// events and 900,000 bytes, [EventsService.UploadBatch] of 18,000,000 bytes, and
// compresses those of 2 KiB and more. What is too large after all (413) is halved, and a Client remembers
// the size.
//
// A 429 that names users or devices holds up nobody else: their events are held
// back, the others are sent, and theirs follow 30 seconds later, in at most
// [Config.MaxAttempts] rounds. Uploads are not slowed down otherwise, as Amplitude
// asks; [Config.Limits] does so.
//
//	Limits: map[string]amplitude.Limiter{"POST /batch": rate.NewLimiter(10, 1)} // golang.org/x/time/rate
//
// Amplitude takes 60 requests of a cohort in 10 minutes and 4 at a time, and 5 calls
// at a time to request, poll and download cohorts. A Client keeps to that by itself;
// several Clients of a project do not know of each other.
//
// # Cohorts
//
// [CohortsService.Members] requests a cohort, waits until Amplitude has made the file,
// which takes half a minute and more, and ranges over it as it arrives. A file that
// was cut off, or is none, ends the range with an error: what ends without one is
// whole.
//
//	for m, err := range client.Cohorts.Members(ctx, "k3x9ab1", amplitude.CohortMembersOptions{}) {
//		if err != nil {
//			return err
//		}
//		fmt.Fprintln(w, m.UserID)
//	}
//
// Each range costs one of the project's 500 downloads a month. A program that may
// crash meanwhile keeps the RequestID of [CohortsService.Request] and goes on with
// [CohortsService.Wait] and [CohortsService.Download] for 7 days, at no further
// cost.
//
// [CohortsService.Upload] makes a cohort or replaces its members,
// [CohortsService.UpdateMembership] changes them. Only users whom Amplitude knows
// can be members: others are skipped and counted.
//
// # Background sending
//
// An [Uploader] gathers events and sends them while your code goes on. It outlasts
// an outage as long as its memory has room, tells OnResult of each event once, and
// loses what it holds if the process ends without Close.
//
//	up, err := amplitude.NewUploader(client, amplitude.UploaderConfig{OnResult: count})
//	...
//	err = up.TryAdd(amplitude.Event{UserID: "u-1001", EventType: "Bought"}) // ErrFull rather than a slow page
//	...
//	err = up.Close(ctx) // after the server's Shutdown, with a deadline
//
// # Testing
//
// Package [github.com/iteramp/iteramp/amplitude/amplitudetest] is an Amplitude in
// memory that validates, deduplicates and throttles, and fails when told to. It
// works inside a [testing/synctest] bubble, where the waits above take no time.
//
//	var fake amplitudetest.Fake
//	client, err := amplitude.NewClient(fake.Config())
//	...
//	fake.Events() // what Amplitude would have now
package amplitude
