package amplitude_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iteramp/iteramp/amplitude"
	"github.com/iteramp/iteramp/amplitude/amplitudetest"
)

// cohortClient returns a client of the fake that makes one attempt.
func cohortClient(t testing.TB, fake *amplitudetest.Fake, change ...func(*amplitude.Config)) *amplitude.Client {
	t.Helper()
	cfg := fake.Config()
	cfg.MaxAttempts = 1
	for _, f := range change {
		f(&cfg)
	}
	client, err := amplitude.NewClient(cfg)
	require.NoError(t, err)
	return client
}

func attempts(n int) func(*amplitude.Config) {
	return func(cfg *amplitude.Config) { cfg.MaxAttempts = n }
}

func addCohort(fake *amplitudetest.Fake, users int) (id string) {
	id = fake.AddCohort(amplitudetest.Cohort{Name: "Lapsed"})
	fake.SetMembers(id, userIDs(users)...)
	return id
}

func TestTheMembersOfACohortAreReadWhole(t *testing.T) {
	t.Parallel()
	for name, fake := range map[string]*amplitudetest.Fake{
		"from Amplitude itself": {InlineRows: 5000},
		"over a link":           {InlineRows: -1},
		"as gzip":               {GzipFiles: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			id := addCohort(fake, 3000)
			members, err := collect(t, cohortClient(t, fake).Cohorts.Members(t.Context(), id, amplitude.CohortMembersOptions{}))
			require.NoError(t, err)
			require.Len(t, members, 3000)
			for i, want := range userIDs(3000) {
				require.Equal(t, want, members[i].UserID)
				require.NotEmpty(t, members[i].AmplitudeID)
				require.Nil(t, members[i].Properties)
			}
		})
	}
}

func TestMembersWithTheirProperties(t *testing.T) {
	t.Parallel()
	var fake amplitudetest.Fake
	id := fake.AddCohort(amplitudetest.Cohort{Name: "Lapsed", Members: []amplitudetest.Member{
		{UserID: "u-1", AmplitudeID: 41, Properties: map[string]any{"plan": `the "gold", one`, "age": 7}}, {AmplitudeID: 42},
	}})
	client := cohortClient(t, &fake)
	for want, opts := range map[string]amplitude.CohortRequestOptions{
		`[{41 u-1 map[age:7 plan:the "gold", one]} {42  map[age: plan:]}]`: {Properties: true},
		`[{41 u-1 map[plan:the "gold", one]} {42  map[plan:]}]`:            {PropertyKeys: []string{"plan"}},
		`[{41 u-1 map[]} {42  map[]}]`:                                     {},
	} {
		members, err := collect(t, client.Cohorts.Members(t.Context(), id, amplitude.CohortMembersOptions{CohortRequestOptions: opts}))
		require.NoError(t, err)
		require.Equal(t, want, fmt.Sprint(members))
	}
}

func TestNothingIsRequestedBeforeTheRange(t *testing.T) {
	t.Parallel()
	var fake amplitudetest.Fake
	id := addCohort(&fake, 3)
	client := cohortClient(t, &fake)
	all := client.Cohorts.Members(t.Context(), id, amplitude.CohortMembersOptions{})
	file := client.Cohorts.Download(t.Context(), "q00001")
	require.Empty(t, fake.Requests())
	for range 2 {
		for _, err := range all {
			require.NoError(t, err)
			break
		}
	}
	require.Len(t, fake.Requests(), 6, "each range is a download")
	for range file {
		break
	}
	require.Len(t, fake.Requests(), 7)
}

func TestWaitPollsUntilTheFileIsThere(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake := amplitudetest.Fake{CohortDelay: time.Minute}
		client := cohortClient(t, &fake)
		req, err := client.Cohorts.Request(t.Context(), addCohort(&fake, 1), amplitude.CohortRequestOptions{})
		require.NoError(t, err)
		start := time.Now()
		var polls []time.Duration
		err = client.Cohorts.Wait(t.Context(), req.RequestID, amplitude.CohortWaitOptions{OnPoll: func(d time.Duration) { polls = append(polls, d) }})
		require.NoError(t, err)
		require.Equal(t, "[0s 2s 5s 9.5s 16.25s 26.25s 36.25s 46.25s 56.25s]", fmt.Sprint(polls))
		require.Equal(t, 66250*time.Millisecond, time.Since(start))
		require.NoError(t, client.Cohorts.Wait(t.Context(), req.RequestID, amplitude.CohortWaitOptions{}))
		require.Equal(t, 66250*time.Millisecond, time.Since(start), "what is there is not waited for")
	})
}

func TestWaitEnds(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		ctx     func(context.Context) (context.Context, context.CancelFunc)
		opts    amplitude.CohortWaitOptions
		want    error
		earlier time.Duration
		latest  time.Duration
	}{
		"after an hour":     {nil, amplitude.CohortWaitOptions{}, context.DeadlineExceeded, time.Hour - 10*time.Second, time.Hour},
		"after the timeout": {nil, amplitude.CohortWaitOptions{Timeout: time.Minute}, context.DeadlineExceeded, 50 * time.Second, time.Minute},
		"with the context": {func(c context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(c, time.Minute)
		}, amplitude.CohortWaitOptions{}, context.DeadlineExceeded, 50 * time.Second, time.Minute},
		"when it is cancelled":  {cancelAfter(7 * time.Second), amplitude.CohortWaitOptions{}, context.Canceled, 7 * time.Second, 7 * time.Second},
		"before it has started": {cancelAfter(0), amplitude.CohortWaitOptions{}, context.Canceled, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				fake := amplitudetest.Fake{CohortDelay: 24 * time.Hour}
				client := cohortClient(t, &fake)
				req, err := client.Cohorts.Request(t.Context(), addCohort(&fake, 1), amplitude.CohortRequestOptions{})
				require.NoError(t, err)
				ctx := t.Context()
				if tt.ctx != nil {
					var stop context.CancelFunc
					ctx, stop = tt.ctx(ctx)
					defer stop()
				}
				start := time.Now()
				err = client.Cohorts.Wait(ctx, req.RequestID, tt.opts)
				require.ErrorIs(t, err, tt.want)
				require.GreaterOrEqual(t, time.Since(start), tt.earlier)
				require.LessOrEqual(t, time.Since(start), tt.latest)
			})
		})
	}
}

func cancelAfter(d time.Duration) func(context.Context) (context.Context, context.CancelFunc) {
	return func(ctx context.Context) (context.Context, context.CancelFunc) {
		ctx, cancel := context.WithCancel(ctx)
		if d == 0 {
			cancel()
		}
		time.AfterFunc(d, cancel)
		return ctx, cancel
	}
}

func TestADownloadThatFailsIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	for _, status := range []string{"JOB FAILED", "JOB KILLED", "job completed", "JOB COMPLETED ", "r-1 of a@example.com"} {
		client, stub := newStub(t, alike(200, `{"request_id":"r-1","cohort_id":"c","async_status":"`+status+`"}`))
		err := client.Cohorts.Wait(t.Context(), "r-1", amplitude.CohortWaitOptions{})
		require.ErrorIs(t, err, amplitude.ErrCohortFailed, status)
		require.NotErrorIs(t, err, amplitude.ErrAmbiguous, status)
		require.NotContains(t, err.Error(), "example.com")
		require.NotContains(t, err.Error(), "r-1")
		require.Len(t, stub.all(), 1)
	}
	for _, body := range []string{`{"request_id":"r-2","cohort_id":"c","async_status":"JOB COMPLETED"}`, `{"request_id":"r-1","cohort_id":"c"}`} {
		client, _ := newStub(t, alike(200, body))
		_, err := client.Cohorts.Status(t.Context(), "r-1")
		require.Error(t, err, body)
	}
	client, _ := newStub(t, alike(202, `{"request_id":"r-1","cohort_id":"another"}`))
	_, err := client.Cohorts.Request(t.Context(), "c", amplitude.CohortRequestOptions{})
	require.Error(t, err)
}

// Another program takes up a download by its request id alone.
func TestADownloadIsTakenUpByANewClient(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake := amplitudetest.Fake{CohortDelay: time.Minute, InlineRows: -1}
		req, err := cohortClient(t, &fake).Cohorts.Request(t.Context(), addCohort(&fake, 3), amplitude.CohortRequestOptions{})
		require.NoError(t, err)
		_, err = collect(t, cohortClient(t, &fake).Cohorts.Download(t.Context(), req.RequestID))
		require.ErrorIs(t, err, amplitude.ErrNotFound, "not there yet")

		time.Sleep(7*24*time.Hour - time.Minute)
		client := cohortClient(t, &fake)
		require.NoError(t, client.Cohorts.Wait(t.Context(), req.RequestID, amplitude.CohortWaitOptions{}))
		members, err := collect(t, client.Cohorts.Download(t.Context(), req.RequestID))
		require.NoError(t, err)
		require.Len(t, members, 3)

		time.Sleep(time.Minute)
		_, err = collect(t, client.Cohorts.Download(t.Context(), req.RequestID))
		require.ErrorIs(t, err, amplitude.ErrNotFound)
		usage, err := client.Cohorts.Usage(t.Context())
		require.NoError(t, err)
		require.Equal(t, amplitude.CohortUsage{Limit: 500, Used: 1, ResetsAt: usage.ResetsAt}, usage)
	})
}

func TestAMonthThatIsUsedUpIsRateLimited(t *testing.T) {
	t.Parallel()
	fake := amplitudetest.Fake{Downloads: amplitudetest.DownloadLimits{PerMonth: 1}}
	id := addCohort(&fake, 1)
	client := cohortClient(t, &fake)
	_, err := collect(t, client.Cohorts.Members(t.Context(), id, amplitude.CohortMembersOptions{}))
	require.NoError(t, err)
	_, err = collect(t, client.Cohorts.Members(t.Context(), id, amplitude.CohortMembersOptions{}))
	require.ErrorIs(t, err, amplitude.ErrRateLimited)
	require.Len(t, fake.Requests(), 4)
}

// The fake answers 429 to what is over Amplitude's limits, and here there is one
// attempt for each.
func TestRequestsOfCohortsKeepAmplitudesPace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var fake amplitudetest.Fake
		id := addCohort(&fake, 1)
		var mu sync.Mutex
		var at []time.Time
		fake.Intercept(func(http.ResponseWriter, *http.Request) bool {
			mu.Lock()
			at = append(at, time.Now())
			mu.Unlock()
			time.Sleep(time.Second)
			return false
		})
		client := cohortClient(t, &fake)
		var wg sync.WaitGroup
		for range 130 {
			wg.Go(func() {
				_, err := client.Cohorts.Request(t.Context(), id, amplitude.CohortRequestOptions{})
				require.NoError(t, err)
			})
		}
		wg.Wait()
		require.Less(t, at[9].Sub(at[0]), 3*time.Second, "the first ten wait for nobody but each other")
		for i := 60; i < len(at); i++ {
			require.Greater(t, at[i].Sub(at[i-60]), 10*time.Minute)
		}
		require.Less(t, at[129].Sub(at[0]), 25*time.Minute)
	})
}

func TestDownloadsKeepToFiveAtATime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var fake amplitudetest.Fake
		id := addCohort(&fake, 1)
		client := cohortClient(t, &fake)
		req, err := client.Cohorts.Request(t.Context(), id, amplitude.CohortRequestOptions{})
		require.NoError(t, err)
		fake.Intercept(func(http.ResponseWriter, *http.Request) bool {
			time.Sleep(time.Second) // a sixth at a time would be a 429 now
			return false
		})
		start := time.Now()
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				var err error
				switch i % 3 {
				case 0:
					_, err = client.Cohorts.Request(t.Context(), id, amplitude.CohortRequestOptions{})
				case 1:
					_, err = client.Cohorts.Status(t.Context(), req.RequestID)
				default:
					_, err = collect(t, client.Cohorts.Download(t.Context(), req.RequestID))
				}
				require.NoError(t, err)
			})
		}
		wg.Wait()
		require.Equal(t, 4*time.Second, time.Since(start))
	})
}

func TestAFileBehindALinkTakesNoneOfTheFive(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake := amplitudetest.Fake{InlineRows: -1}
		client := cohortClient(t, &fake)
		req, err := client.Cohorts.Request(t.Context(), addCohort(&fake, 1), amplitude.CohortRequestOptions{})
		require.NoError(t, err)
		fake.Intercept(func(_ http.ResponseWriter, r *http.Request) bool {
			if strings.HasPrefix(r.URL.Path, "/s3/") {
				time.Sleep(time.Second)
			}
			return false
		})
		start := time.Now()
		var wg sync.WaitGroup
		for range 12 {
			wg.Go(func() {
				_, err := collect(t, client.Cohorts.Download(t.Context(), req.RequestID))
				require.NoError(t, err)
			})
		}
		wg.Wait()
		require.Equal(t, time.Second, time.Since(start))
	})
}

// Five loops over small files that call Amplitude themselves do not block each other.
func TestALoopOverMembersMayCallAmplitude(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var fake amplitudetest.Fake
		client := cohortClient(t, &fake)
		req, err := client.Cohorts.Request(t.Context(), addCohort(&fake, 2), amplitude.CohortRequestOptions{})
		require.NoError(t, err)
		var wg sync.WaitGroup
		for range 6 {
			wg.Go(func() {
				for _, err := range client.Cohorts.Download(t.Context(), req.RequestID) {
					require.NoError(t, err)
					time.Sleep(time.Second)
					_, err := client.Cohorts.Status(t.Context(), req.RequestID)
					require.NoError(t, err)
				}
			})
		}
		wg.Wait()
	})
}

const file = "amplitude_id,user_id\n41,u-1\n"

// redirects answers the file's address with a redirect, all else by the func.
func redirects(t *testing.T, status int, location string, storage func(*http.Request) *http.Response, change ...func(*amplitude.Config)) (*amplitude.Client, *[]*http.Request) {
	var seen []*http.Request
	cfg := amplitude.Config{
		APIKey: "the-key", SecretKey: "the-secret", BaseURL: "https://amplitude.example", MaxAttempts: 1,
		HTTPClient: &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			seen = append(seen, r)
			if r.URL.Host == "amplitude.example" {
				return whole(status, "", "Location", location), nil
			}
			return storage(r), nil
		})},
	}
	for _, f := range change {
		f(&cfg)
	}
	client, err := amplitude.NewClient(cfg)
	require.NoError(t, err)
	return client, &seen
}

func servesFile(*http.Request) *http.Response { return whole(200, file) }

func TestTheOneHopToAFile(t *testing.T) {
	t.Parallel()
	const link = "https://bucket.example/f.csv?X-Amz-Signature=canary"
	for _, status := range []int{302, 303, 307} {
		client, seen := redirects(t, status, link, servesFile)
		members, err := collect(t, client.Cohorts.Download(t.Context(), "r-1"))
		require.NoError(t, err)
		require.Equal(t, []amplitude.Member{{AmplitudeID: "41", UserID: "u-1"}}, members)
		require.Len(t, *seen, 2)
		hop := (*seen)[1]
		require.Equal(t, "GET "+link, hop.Method+" "+hop.URL.String())
		require.Empty(t, hop.Header.Get("Authorization"))
	}
}

func TestRedirectsThatAreNotFollowed(t *testing.T) {
	t.Parallel()
	const link = "https://bucket.example/f.csv"
	for _, status := range []int{300, 301, 304, 308} {
		client, seen := redirects(t, status, link, servesFile)
		_, err := collect(t, client.Cohorts.Download(t.Context(), "r-1"))
		requireStatus(t, err, status)
		require.Len(t, *seen, 1, status)
	}
	for _, status := range []int{302, 303, 307} {
		for _, link := range []string{
			"", "/f.csv", "http://bucket.example/f.csv", "http://169.254.169.254/latest", "http://127.0.0.1/f", "http://localhost/f",
			"file:///etc/passwd", "ftp://bucket.example/f", "https://user:canary@bucket.example/f", "https:///f", "//bucket.example/f", "javascript:1",
		} {
			client, seen := redirects(t, status, link, servesFile)
			_, err := collect(t, client.Cohorts.Download(t.Context(), "r-1"))
			requireStatus(t, err, status)
			require.NotContains(t, err.Error(), "canary")
			require.Len(t, *seen, 1, link)
		}
	}
	for _, status := range []int{301, 302, 303, 307, 308} {
		client, seen := redirects(t, 302, link, func(*http.Request) *http.Response { return whole(status, "", "Location", link+"?canary") })
		_, err := collect(t, client.Cohorts.Download(t.Context(), "r-1"))
		requireStatus(t, err, status)
		require.NotContains(t, err.Error(), "canary")
		require.Len(t, *seen, 2, "a second hop is not made")
	}
	client, _ := redirects(t, 302, "https://%zz/?canary", servesFile)
	_, err := collect(t, client.Cohorts.Download(t.Context(), "r-1"))
	require.Error(t, err) // net/http's own
	require.NotContains(t, err.Error(), "canary")
	for _, call := range cohortCalls {
		client, seen := redirects(t, 307, link, servesFile)
		if _, err := call.call(t.Context(), &client.Cohorts); call.name != "download" {
			requireStatus(t, err, 307)
			require.Len(t, *seen, 1, call.name)
		}
	}
}

func requireStatus(t *testing.T, err error, status int) {
	t.Helper()
	refused, ok := errors.AsType[*amplitude.Error](err)
	require.True(t, ok, "%v", err)
	require.Equal(t, status, refused.StatusCode, "%v", err)
}

func TestAnExpiredLinkIsAskedForAnew(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ expired, attempts, requests int }{{1, 3, 4}, {2, 3, 6}, {3, 3, 6}, {9, 3, 6}, {1, 1, 2}} {
		n := 0
		client, seen := redirects(t, 302, "https://bucket.example/f.csv?canary", func(r *http.Request) *http.Response {
			if n++; n <= tt.expired {
				return whole(403, `<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>`)
			}
			return servesFile(r)
		}, attempts(tt.attempts))
		members, err := collect(t, client.Cohorts.Download(t.Context(), "r-1"))
		require.Len(t, *seen, tt.requests, tt)
		if tt.expired < tt.attempts {
			require.NoError(t, err)
			require.Len(t, members, 1)
			continue
		}
		requireStatus(t, err, 403)
		require.NotErrorIs(t, err, amplitude.ErrUnauthorized, "no key was shown")
		require.EqualError(t, err, "amplitude: GET {Location}: 403: Forbidden")
	}
}

func TestAttemptsOfADownloadHaveLabels(t *testing.T) {
	t.Parallel()
	fake := amplitudetest.Fake{InlineRows: -1}
	var ops []string
	client := cohortClient(t, &fake, func(cfg *amplitude.Config) {
		cfg.OnAttempt = func(_ context.Context, a amplitude.Attempt) { ops = append(ops, a.Op) }
	})
	_, err := collect(t, client.Cohorts.Members(t.Context(), addCohort(&fake, 1), amplitude.CohortMembersOptions{}))
	require.NoError(t, err)
	require.Equal(t, []string{"GET /api/5/cohorts/request/{cohort_id}", "GET /api/5/cohorts/request-status/{request_id}",
		"GET /api/5/cohorts/request/{request_id}/file", "GET {Location}"}, ops)
}

func TestTheContextEndsADownload(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake := amplitudetest.Fake{InlineRows: -1}
		ctx, cancel := context.WithCancel(t.Context())
		client := cohortClient(t, &fake)
		fake.Intercept(func(_ http.ResponseWriter, r *http.Request) bool {
			if strings.HasPrefix(r.URL.Path, "/s3/") {
				time.AfterFunc(time.Second, cancel)
				<-r.Context().Done()
			}
			return false
		})
		start := time.Now()
		_, err := collect(t, client.Cohorts.Members(ctx, addCohort(&fake, 1), amplitude.CohortMembersOptions{}))
		require.ErrorIs(t, err, context.Canceled)
		require.Equal(t, time.Second, time.Since(start))
	})
}

func TestLimitsCanBeChanged(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake := amplitudetest.Fake{Downloads: amplitudetest.DownloadLimits{PerTenMinutes: -1}}
		id := addCohort(&fake, 1)
		client := cohortClient(t, &fake, func(cfg *amplitude.Config) {
			cfg.Limits = map[string]amplitude.Limiter{"GET /api/5/cohorts/request/{cohort_id}": nil}
		})
		start := time.Now()
		for range 100 {
			_, err := client.Cohorts.Request(t.Context(), id, amplitude.CohortRequestOptions{})
			require.NoError(t, err)
		}
		require.Zero(t, time.Since(start))
	})
}
