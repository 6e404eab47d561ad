// Package iteramp joins Iterable (e-mail, push and SMS messaging) and Amplitude
// (product analytics).
//
// Its [Relay] turns Iterable's engagement events into Amplitude events: it takes
// Iterable's system webhooks, maps them and uploads them. It stands where the
// vendors' own integration, https://api.amplitude.com/iterable, stands, takes the
// same webhook settings, and says what became of each event.
//
// Its [CohortSync] makes Amplitude's behavioral cohorts Iterable lists and keeps
// them equal.
//
// # From Iterable to Amplitude
//
//	client, err := amplitude.NewClient(amplitude.Config{APIKey: os.Getenv("AMPLITUDE_API_KEY")})
//	if err != nil {
//		return err
//	}
//	relay, err := iteramp.NewRelay(iteramp.RelayConfig{Routes: []iteramp.Route{{
//		Amplitude: client,
//		Secrets:   []string{os.Getenv("ITERABLE_SECRET")},
//	}}})
//	if err != nil {
//		return err
//	}
//	http.Handle("POST /iterable", relay)
//
// Serve it over HTTPS, with the time limits that [Relay] names.
//
// In Iterable, under Integrations > System Webhooks, set the URL of that handler,
// authentication type Basic, and the token "<amplitude_api_key>:<secret>", where
// the secret is the one in use there, or a long random text. Ask Iterable to
// switch on user IDs in system webhooks: events without a userId are skipped, as
// the vendors' integration does, unless [mapping.UserIDOrEmail] is in the route's
// rules. Switch the vendors' integration off: with both, every event counts twice.
//
// # A queue in between
//
// So far a webhook is answered when its event is in Amplitude, and 503 while
// Amplitude is down. With a [Queue] it is answered when it is stored, and delivered
// when Amplitude takes it:
//
//	store, err := jetstream.Embed(ctx, jetstream.EmbedConfig{Dir: "/var/lib/relay"})
//	if err != nil {
//		return err
//	}
//	relay, err := iteramp.NewRelay(iteramp.RelayConfig{
//		Routes:     routes,
//		Queue:      store.Queue(),
//		DeadLetter: store.DeadLetter(),
//	})
//	if err != nil {
//		return err
//	}
//	wg.Go(func() { relay.Run(ctx) }) // until ctx ends; it and the server may stop in any order
//	...
//	store.Close() // after both
//
// What cannot be delivered in the end is in the [DeadLetter]: see [Relay.Replay] and
// [PurgeLetters].
//
// # From Amplitude to Iterable
//
//	amp, err1 := amplitude.NewClient(amplitude.Config{APIKey: key, SecretKey: secretKey})
//	it, err2 := iterable.NewClient(iterable.Config{APIKey: iterableKey, ProjectType: iterable.ProjectTypeEmail})
//	sync, err3 := iteramp.NewCohortSync(iteramp.CohortSyncConfig{
//		Amplitude: amp, Iterable: it,
//		LedgerDir: "/var/lib/cohorts",
//		Cohorts:   []string{"k3x9ab1"}, Every: time.Hour,
//	})
//	if err := errors.Join(err1, err2, err3); err != nil {
//		return err
//	}
//	return sync.Run(ctx)
//
// The cohort called "Lapsed" becomes the list "[Amplitude] Lapsed". [CohortSync.Plan]
// shows first what would be done. What the sync has put on a list is kept in the
// ledger's directory: keep that, it is how the sync knows whom it may take off.
//
// # Packages
//
//   - [github.com/iteramp/iteramp/amplitude] is a client of Amplitude's HTTP APIs.
//   - [github.com/iteramp/iteramp/iterable] is a client of Iterable's API.
//   - [github.com/iteramp/iteramp/iterable/webhook] reads and receives what
//     Iterable sends.
//   - [github.com/iteramp/iteramp/mapping] is the pure functions between the two:
//     rename, filter, keep or drop with its Rules.
//   - github.com/iteramp/iteramp/jetstream, a module of its own, is a [Queue] and a
//     [DeadLetter] on NATS JetStream.
//   - [github.com/iteramp/iteramp/amplitude/amplitudetest] is an Amplitude in
//     memory, [github.com/iteramp/iteramp/iterable/iterabletest] an Iterable with
//     its webhooks, for tests without a network.
//
// # Failures
//
// Every record has a fate: an upload answers nil, or an
// [github.com/iteramp/iteramp/amplitude.BatchError] with a reason for each event
// that Amplitude did not accept, a bulk call to Iterable likewise; a member of a
// cohort is counted in a [CohortReport]; a webhook has a [RelayOutcome], for
// [RelayConfig.OnOutcome]. A request that never was a webhook, such as one with a
// wrong token, has none and is counted in [RelayStats.Answers]. No key, address or
// user id is in any error or log record.
//
// # Testing
//
//	rec := httptest.NewRecorder()
//	relay.ServeHTTP(rec, iterabletest.WebhookRequest(key+":"+secret, iterabletest.Payload(webhook.EmailClick)))
//	fake.Events() // of the amplitudetest.Fake whose Config made the client
package iteramp
