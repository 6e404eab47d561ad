// Package amplitudetest is an Amplitude project in memory, for tests of code
// that sends to Amplitude and for programs in any language.
//
//	var fake amplitudetest.Fake
//	client, err := amplitude.NewClient(fake.Config())
//	...
//	fake.Events() // what Amplitude would have now
//
// A [Fake] is a model of the service, not a recorder of calls: it validates,
// deduplicates, throttles and refuses as Amplitude's reference says, keeps
// user properties, and gives back what it took through the export API. Where
// the reference is silent or says two things, the field or method concerned
// says what was chosen.
//
// # What it serves
//
//   - POST /2/httpapi: https://amplitude.com/docs/apis/analytics/http-v2
//   - POST /batch: https://amplitude.com/docs/apis/analytics/batch-event-upload
//   - GET /api/2/export: https://amplitude.com/docs/apis/analytics/export
//
// Everything else is 404. A Fake is an [net/http.Handler]; for programs that
// need a port there is [net/http/httptest.NewServer].
//
// # Trouble
//
// [Fake.FailNext] and [Fake.LoseNext] script the next answers, [Fake.Throttle],
// [Fake.Silence] and [Fake.ExhaustQuota] refuse ids until [Fake.Release],
// [Fake.Poison] and [Fake.Drop] choose events, and [Fake.Intercept] can do
// anything else. They combine.
//
// # Time
//
// The fake starts no goroutine, waits for nothing and holds no lock while it
// calls a func of yours, so it works inside a [testing/synctest] bubble, where
// seven days of deduplication pass at once.
package amplitudetest
