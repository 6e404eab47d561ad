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
//   - GET /api/2/usersearch: https://amplitude.com/docs/apis/analytics/dashboard-rest
//   - GET /api/3/cohorts, GET /api/3/cohorts/usage,
//     GET /api/5/cohorts/request/{id}, GET /api/5/cohorts/request-status/{request_id},
//     GET /api/5/cohorts/request/{request_id}/file, POST /api/3/cohorts/upload,
//     POST /api/3/cohorts/membership:
//     https://amplitude.com/docs/apis/analytics/behavioral-cohorts
//   - GET /s3/, where the links to large cohort files point
//
// Everything else is 404. A Fake is an [net/http.Handler]; for programs that
// need a port there is [net/http/httptest.NewServer].
//
// # Cohorts
//
// [Fake.AddCohort] makes a cohort and the users in it, [Fake.SetMembers] changes
// it as a computation does, and POST /api/3/cohorts/upload makes one of users
// that the fake knows: from events, and from cohorts before.
//
//	id := fake.AddCohort(amplitudetest.Cohort{
//		Name:    "Lapsed 30d",
//		Members: []amplitudetest.Member{{UserID: "u-1001"}, {UserID: "u-1002"}},
//	})
//	...
//	fake.SetMembers(id, "u-1002", "u-1003")
//
// # Trouble
//
// [Fake.FailNext] and [Fake.LoseNext] script the next answers, [Fake.Throttle],
// [Fake.Silence] and [Fake.ExhaustQuota] refuse ids until [Fake.Release],
// [Fake.Poison] and [Fake.Drop] choose events, [Fake.TamperFile] has cohort
// files lie, and [Fake.Intercept] can do anything else. They combine.
//
// # Time
//
// The fake starts no goroutine, waits for nothing and holds no lock while it
// calls a func of yours, so it works inside a [testing/synctest] bubble, where
// seven days of deduplication pass at once.
package amplitudetest
