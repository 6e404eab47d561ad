package amplitude_test

import (
	"context"
	"encoding/json"
	"io"
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

// sent is a request as it went out.
type sent struct {
	method, uri string // of the address, what follows the host
	auth        string // key:secret, or ""
	encoding    string
	body        string
}

// stub is an Amplitude that answers by a func and remembers what it was sent.
type stub struct {
	mu   sync.Mutex
	sent []sent
}

func (s *stub) all() []sent {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]sent(nil), s.sent...)
}

func newStub(t testing.TB, answer func(sent) *http.Response, change ...func(*amplitude.Config)) (*amplitude.Client, *stub) {
	t.Helper()
	s := new(stub)
	cfg := amplitude.Config{
		APIKey: "the-key", SecretKey: "the-secret", BaseURL: "https://amplitude.example/base", MaxAttempts: 1,
		HTTPClient: &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			if err := r.Context().Err(); err != nil {
				return nil, err
			}
			body, err := io.ReadAll(r.Body)
			if err != nil {
				return nil, err
			}
			key, secret, _ := r.BasicAuth()
			got := sent{r.Method, r.URL.RequestURI(), strings.Trim(key+":"+secret, ":"), r.Header.Get("Content-Encoding"), string(body)}
			s.mu.Lock()
			s.sent = append(s.sent, got)
			s.mu.Unlock()
			return answer(got), nil
		})},
	}
	for _, f := range change {
		f(&cfg)
	}
	client, err := amplitude.NewClient(cfg)
	require.NoError(t, err)
	return client, s
}

// whole is an answer whose length is told.
func whole(status int, body string, headers ...string) *http.Response {
	resp := answerWith(status, body)
	resp.ContentLength = int64(len(body))
	for i := 0; i < len(headers); i += 2 {
		resp.Header.Set(headers[i], headers[i+1])
	}
	return resp
}

func alike(status int, body string) func(sent) *http.Response {
	return func(sent) *http.Response { return whole(status, body) }
}

// collect reads members until the end, which must be the only error.
func collect(t testing.TB, seq func(func(amplitude.Member, error) bool)) (members []amplitude.Member, err error) {
	t.Helper()
	for m, e := range seq {
		require.NoError(t, err, "there is one error, and it is the last")
		if err = e; err == nil {
			members = append(members, m)
		} else {
			require.Empty(t, m)
		}
	}
	return members, err
}

// cohortCalls are all methods of the service, with what each sends and is answered.
var cohortCalls = []struct {
	name   string
	answer *http.Response
	status int
	body   string
	call   func(context.Context, *amplitude.CohortsService) (any, error)
	sends  string // method and address
	json   string // body
	want   any
}{
	{
		name: "list", status: 200, body: `{"cohorts":[]}`, sends: "GET /base/api/3/cohorts",
		call: func(ctx context.Context, s *amplitude.CohortsService) (any, error) {
			return s.List(ctx, amplitude.CohortListOptions{})
		},
		want: []amplitude.Cohort{},
	},
	{
		name: "list with syncs", status: 200, body: `{"cohorts":[{"id":"c"}]}`, sends: "GET /base/api/3/cohorts?includeSyncInfo=true",
		call: func(ctx context.Context, s *amplitude.CohortsService) (any, error) {
			return s.List(ctx, amplitude.CohortListOptions{IncludeSyncInfo: true})
		},
		want: []amplitude.Cohort{{ID: "c"}},
	},
	{
		name: "usage", status: 200, body: `{"rest_download":{"limit":500,"usage":37,"resets_at":"2026-02-01T00:00:00Z"}}`,
		sends: "GET /base/api/3/cohorts/usage",
		call:  func(ctx context.Context, s *amplitude.CohortsService) (any, error) { return s.Usage(ctx) },
		want:  amplitude.CohortUsage{Limit: 500, Used: 37, ResetsAt: time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC)},
	},
	{
		name: "request", status: 202, body: `{"request_id":"r-1","cohort_id":"c/1"}`, sends: "GET /base/api/5/cohorts/request/c%2F1",
		call: func(ctx context.Context, s *amplitude.CohortsService) (any, error) {
			return s.Request(ctx, "c/1", amplitude.CohortRequestOptions{})
		},
		want: amplitude.CohortRequest{RequestID: "r-1", CohortID: "c/1"},
	},
	{
		name: "request with all properties", status: 202, body: `{"request_id":"r-1","cohort_id":"c"}`,
		sends: "GET /base/api/5/cohorts/request/c?props=1",
		call: func(ctx context.Context, s *amplitude.CohortsService) (any, error) {
			return s.Request(ctx, "c", amplitude.CohortRequestOptions{Properties: true})
		},
		want: amplitude.CohortRequest{RequestID: "r-1", CohortID: "c"},
	},
	{
		name: "request with some properties", status: 202, body: `{"request_id":"r-1","cohort_id":"c"}`,
		sends: "GET /base/api/5/cohorts/request/c?propKeys=plan&propKeys=first+name&props=1",
		call: func(ctx context.Context, s *amplitude.CohortsService) (any, error) {
			return s.Request(ctx, "c", amplitude.CohortRequestOptions{PropertyKeys: []string{"plan", "first name"}})
		},
		want: amplitude.CohortRequest{RequestID: "r-1", CohortID: "c"},
	},
	{
		name: "status while it runs", status: 202, body: `{"request_id":"r-1","cohort_id":"c","async_status":"JOB INPROGRESS"}`,
		sends: "GET /base/api/5/cohorts/request-status/r-1",
		call:  func(ctx context.Context, s *amplitude.CohortsService) (any, error) { return s.Status(ctx, "r-1") },
		want:  amplitude.CohortRequestStatus{RequestID: "r-1", CohortID: "c"},
	},
	{
		name: "status when it is done", status: 200, body: `{"request_id":"r-1","cohort_id":"c","async_status":"JOB COMPLETED"}`,
		sends: "GET /base/api/5/cohorts/request-status/r-1",
		call:  func(ctx context.Context, s *amplitude.CohortsService) (any, error) { return s.Status(ctx, "r-1") },
		want:  amplitude.CohortRequestStatus{RequestID: "r-1", CohortID: "c", Done: true},
	},
	{
		name: "upload", status: 200, body: `{"cohortId":"m4","metadata":{"matched":1,"totals":2,"invalid_ids_sample":["u-404"]}}`,
		sends: "POST /base/api/3/cohorts/upload",
		json:  `{"name":"VIP","app_id":77,"id_type":"BY_USER_ID","ids":["u-1","u-404"],"owner":"a@example.com","published":false}`,
		call: func(ctx context.Context, s *amplitude.CohortsService) (any, error) {
			return s.Upload(ctx, amplitude.CohortUploadRequest{Name: "VIP", AppID: 77, IDs: []string{"u-1", "u-404"}, Owner: "a@example.com"})
		},
		want: amplitude.CohortUploadResult{CohortID: "m4", Matched: 1, Total: 2, InvalidIDsSample: []string{"u-404"}},
	},
	{
		name: "upload with everything", status: 200, body: `{"cohort_id":"m4","metadata":{"matched":"1","totals":1,"invalid_ids_sample":[]}}`,
		sends: "POST /base/api/3/cohorts/upload",
		json: `{"name":"VIP","app_id":77,"id_type":"BY_AMP_ID","ids":["41"],"owner":"a@example.com","published":true,
			"cg":"company","skip_save":true,"skip_invalid_ids":false,"existing_cohort_id":"m4"}`,
		call: func(ctx context.Context, s *amplitude.CohortsService) (any, error) {
			return s.Upload(ctx, amplitude.CohortUploadRequest{Name: "VIP", AppID: 77, IDs: []string{"41"}, Owner: "a@example.com",
				IDType: amplitude.CohortIDTypeAmplitudeID, Published: true, CountGroup: "company", SkipSave: true,
				SkipInvalidIDs: new(false), ExistingCohortID: "m4"})
		},
		want: amplitude.CohortUploadResult{CohortID: "m4", Matched: 1, Total: 1},
	},
	{
		name: "membership", status: 200,
		body: `{"cohort_id":"m4","memberships_result":[{"skipped_ids":[],"id_type":"BY_ID","operation":"REMOVE"},
			{"skipped_ids":["u-404"],"id_type":"BY_NAME","operation":"ADD"}]}`,
		sends: "POST /base/api/3/cohorts/membership",
		json: `{"cohort_id":"m4","count_group":"User","memberships":[{"ids":["u-1","u-404"],"id_type":"BY_NAME","operation":"ADD"},
			{"ids":["41"],"id_type":"BY_ID","operation":"REMOVE"}],"skip_invalid_ids":true}`,
		call: func(ctx context.Context, s *amplitude.CohortsService) (any, error) {
			return s.UpdateMembership(ctx, amplitude.CohortMembershipRequest{
				CohortID: "m4", CountGroup: "User", SkipInvalidIDs: new(true), Memberships: []amplitude.Membership{
					{IDs: []string{"u-1", "u-404"}, Operation: amplitude.MembershipOperationAdd},
					{IDs: []string{"41"}, IDType: amplitude.MembershipIDTypeID, Operation: amplitude.MembershipOperationRemove},
				}})
		},
		want: amplitude.CohortMembershipResult{Memberships: []amplitude.MembershipResult{
			{Answered: 2, SkippedIDs: []string{"u-404"}}, {Answered: 1},
		}},
	},
	{
		name: "download", status: 200, body: "\"amplitude_id\",\"user_id\"\n\"41\",\"u-1\"\n",
		sends: "GET /base/api/5/cohorts/request/r-1/file",
		call: func(ctx context.Context, s *amplitude.CohortsService) (any, error) {
			for m, err := range s.Download(ctx, "r-1") {
				return m, err
			}
			return nil, nil
		},
		want: amplitude.Member{AmplitudeID: "41", UserID: "u-1"},
	},
}

func TestCohortCallsAreAsDocumented(t *testing.T) {
	t.Parallel()
	for _, tt := range cohortCalls {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			client, stub := newStub(t, alike(tt.status, tt.body))
			got, err := tt.call(t.Context(), &client.Cohorts)
			require.NoError(t, err)
			require.Equal(t, tt.want, got)
			require.Len(t, stub.all(), 1)
			s := stub.all()[0]
			require.Equal(t, tt.sends, s.method+" "+s.uri)
			require.Equal(t, "the-key:the-secret", s.auth)
			if tt.json == "" {
				require.Empty(t, s.body)
			} else {
				require.JSONEq(t, tt.json, s.body)
			}
		})
	}
}

// What is no documented success is an error, whatever its status.
func TestNoCohortCallTakesAnotherAnswerForASuccess(t *testing.T) {
	t.Parallel()
	for _, tt := range cohortCalls {
		for name, body := range map[string]string{
			"a page": "<html>Sign in</html>", "nothing": "", "null": "null", "an empty object": "{}", "a list": "[]",
			"cut": tt.body[:len(tt.body)/2], "an error": `{"error":{"message":"no"}}`,
		} {
			if name == "cut" && tt.name == "download" {
				continue // a CSV of full rows
			}
			t.Run(tt.name+" and "+name, func(t *testing.T) {
				t.Parallel()
				client, _ := newStub(t, alike(tt.status, body))
				_, err := tt.call(t.Context(), &client.Cohorts)
				require.Error(t, err)
			})
		}
	}
}

func TestRefusedCohortCallsAreErrorsByStatus(t *testing.T) {
	t.Parallel()
	for _, tt := range cohortCalls {
		for status, kind := range map[int]error{
			401: amplitude.ErrUnauthorized, 403: amplitude.ErrUnauthorized, 404: amplitude.ErrNotFound,
			429: amplitude.ErrRateLimited, 500: amplitude.ErrAmbiguous, 503: amplitude.ErrAmbiguous, 400: nil, 301: nil, 204: amplitude.ErrAmbiguous,
		} {
			client, _ := newStub(t, alike(status, `{"error":{"http_code":400,"type":"x","message":"no: u-404, a@example.com","metadata":{"ids":["u-1"]}}}`))
			_, err := tt.call(t.Context(), &client.Cohorts)
			refused, ok := err.(*amplitude.Error)
			require.True(t, ok, "%s %d: %v", tt.name, status, err)
			require.Equal(t, status, refused.StatusCode)
			for _, k := range []error{amplitude.ErrUnauthorized, amplitude.ErrNotFound, amplitude.ErrRateLimited, amplitude.ErrAmbiguous} {
				require.Equal(t, k == kind, refused.Is(k), "%s %d is %v", tt.name, status, k)
			}
			require.Contains(t, refused.Message, "no:")
			for _, secret := range []string{"the-secret", "the-key", "a@example.com", "u-1", "r-1", "metadata"} {
				require.NotContains(t, err.Error(), secret, tt.name)
			}
			if tt.name == "membership" || tt.name == "upload" {
				require.NotContains(t, err.Error(), "u-404", "an id of the request")
			}
		}
	}
}

func TestCohortsNeedTheSecretKey(t *testing.T) {
	t.Parallel()
	for _, tt := range cohortCalls {
		client, stub := newStub(t, alike(200, "{}"), func(c *amplitude.Config) { c.SecretKey = "" })
		_, err := tt.call(t.Context(), &client.Cohorts)
		require.EqualError(t, err, "amplitude: Config.SecretKey is missing", tt.name)
		require.ErrorIs(t, err, amplitude.ErrUnauthorized)
		require.Empty(t, stub.all())

		var zero amplitude.Client
		_, err = tt.call(t.Context(), &zero.Cohorts)
		require.Error(t, err, tt.name)
	}
}

func TestOnlyWhatCannotHarmIsRepeated(t *testing.T) {
	t.Parallel()
	for _, tt := range cohortCalls {
		want := 3
		if strings.HasPrefix(tt.name, "request") || tt.name == "upload" {
			want = 1 // costs a download, makes a second cohort
		}
		synctest.Test(t, func(t *testing.T) {
			client, stub := newStub(t, alike(502, ""), func(c *amplitude.Config) { c.MaxAttempts = 3 })
			_, err := tt.call(t.Context(), &client.Cohorts)
			require.ErrorIs(t, err, amplitude.ErrAmbiguous, tt.name)
			require.Len(t, stub.all(), want, tt.name)
		})
		synctest.Test(t, func(t *testing.T) {
			client, stub := newStub(t, alike(429, ""), func(c *amplitude.Config) { c.MaxAttempts = 3 })
			start := time.Now()
			_, err := tt.call(t.Context(), &client.Cohorts)
			require.ErrorIs(t, err, amplitude.ErrRateLimited, tt.name)
			require.Len(t, stub.all(), 3, tt.name)
			require.Equal(t, time.Minute, time.Since(start))
		})
	}
}

func TestCohortsOfTheEUAreReadThere(t *testing.T) {
	t.Parallel()
	var host string
	client, err := amplitude.NewClient(amplitude.Config{
		APIKey: "k", SecretKey: "s", Region: amplitude.RegionEU,
		HTTPClient: &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			host = r.URL.Host
			return whole(200, `{"cohorts":[]}`), nil
		})},
	})
	require.NoError(t, err)
	_, err = client.Cohorts.List(t.Context(), amplitude.CohortListOptions{})
	require.NoError(t, err)
	require.Equal(t, "analytics.eu.amplitude.com", host)
}

func TestACohortIsReadAsDocumented(t *testing.T) {
	t.Parallel()
	client, _ := newStub(t, alike(200, `{"cohorts":[{"appId":77,"id":"k3x9ab1","name":"Lapsed 30d","description":null,"type":"redshift",
		"size":5120,"owners":["ops@example.org"],"viewers":[],"published":true,"archived":true,"hidden":true,
		"finished":true,"definition":{"version":3},"lastMod":1767225600,"createdAt":1760000000,
		"lastComputed":1767229200,"last_viewed":null,"metadata":["f"],"view_count":3,"popularity":4,
		"chart_id":"ch","edit_id":"ed","location_id":"lo","is_predictive":true,"is_official_content":true,
		"shortcut_ids":["s"],"syncMetadata":[{"target":"webhook","frequency":"hourly",
		"last_successful":"2026-01-01T04:00:07.120000-08:00","last_failure":null,"params":{"a":1}}]}]}`))
	got, err := client.Cohorts.List(t.Context(), amplitude.CohortListOptions{})
	require.NoError(t, err)
	require.Len(t, got, 1)
	require.Len(t, got[0].SyncMetadata, 1)
	at := &got[0].SyncMetadata[0].LastSuccessful
	require.True(t, at.Equal(time.Date(2026, 1, 1, 12, 0, 7, 120_000_000, time.UTC)))
	*at = time.Time{}
	require.Equal(t, amplitude.Cohort{
		ID: "k3x9ab1", AppID: 77, Name: "Lapsed 30d", Definition: json.RawMessage(`{"version":3}`), Type: "redshift",
		Size: new(5120), Owners: []string{"ops@example.org"}, Viewers: []string{},
		Published: true, Archived: true, Hidden: true, Finished: true, IsPredictive: true, IsOfficialContent: true,
		CreatedAt: time.Unix(1760000000, 0).UTC(), LastMod: time.Unix(1767225600, 0).UTC(), LastComputed: time.Unix(1767229200, 0).UTC(),
		Metadata: json.RawMessage(`["f"]`), ViewCount: 3, Popularity: 4, ChartID: "ch", EditID: "ed", LocationID: "lo",
		ShortcutIDs:  []string{"s"},
		SyncMetadata: []amplitude.CohortSyncInfo{{Target: "webhook", Frequency: "hourly", Params: json.RawMessage(`{"a":1}`)}},
	}, got[0])
}

// Fields of other types than documented cost neither the cohort nor the list.
func TestOddCohortsAreReadAsFarAsTheyGo(t *testing.T) {
	t.Parallel()
	for fields, want := range map[string]amplitude.Cohort{
		`"size":null`:                         {},
		`"size":0`:                            {Size: new(0)},
		`"size":"12"`:                         {Size: new(12)},
		`"size":{"n":1}`:                      {},
		`"appId":"77"`:                        {AppID: 77},
		`"lastComputed":"1767229200"`:         {LastComputed: time.Unix(1767229200, 0).UTC()},
		`"lastComputed":1767229200.5`:         {LastComputed: time.Unix(1767229200, 0).UTC()},
		`"lastComputed":"yesterday"`:          {},
		`"lastComputed":0`:                    {},
		`"lastComputed":-1e99`:                {},
		`"lastComputed":[]`:                   {},
		`"owners":"ops","name":"n"`:           {Name: "n"},
		`"published":"yes","archived":true`:   {Archived: true},
		`"description":7,"type":"t"`:          {Type: "t"},
		`"syncMetadata":{},"hidden":true`:     {Hidden: true},
		`"metadata":null,"definition":null`:   {},
		`"unknown":1,"definition":"text"`:     {Definition: json.RawMessage(`"text"`)},
		`"createdAt":"2026-01-01T00:00:00Z"`:  {CreatedAt: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)},
		`"syncMetadata":[{"target":1,"x":2}]`: {SyncMetadata: []amplitude.CohortSyncInfo{{}}},
	} {
		client, _ := newStub(t, alike(200, `{"cohorts":[{"id":"c",`+fields+`},{"id":"d"}]}`))
		got, err := client.Cohorts.List(t.Context(), amplitude.CohortListOptions{})
		require.NoError(t, err, fields)
		want.ID = "c"
		require.Equal(t, []amplitude.Cohort{want, {ID: "d"}}, got, fields)
	}
	for _, body := range []string{`{"cohorts":null}`, `{"cohorts":{}}`, `{"cohorts":[{"name":"n"}]}`, `{"cohorts":[{"id":7}]}`, `{"cohorts":[]`} {
		client, _ := newStub(t, alike(200, body))
		_, err := client.Cohorts.List(t.Context(), amplitude.CohortListOptions{})
		require.Error(t, err, body)
	}
}

func TestUsageIsReadLeniently(t *testing.T) {
	t.Parallel()
	for at, want := range map[string]time.Time{
		`"2026-02-01T00:00:00Z"`: time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC), `1767229200`: time.Unix(1767229200, 0).UTC(),
		`"1767229200"`: time.Unix(1767229200, 0).UTC(), `"soon"`: {}, `null`: {},
	} {
		client, _ := newStub(t, alike(200, `{"rest_download":{"limit":500,"usage":0,"resets_at":`+at+`}}`))
		got, err := client.Cohorts.Usage(t.Context())
		require.NoError(t, err)
		require.True(t, want.Equal(got.ResetsAt), at)
	}
	for _, body := range []string{`{"rest_download":{"limit":null,"usage":1}}`, `{"rest_download":{"limit":1}}`, `{"rest_download":7}`} {
		client, _ := newStub(t, alike(200, body))
		_, err := client.Cohorts.Usage(t.Context())
		require.Error(t, err, "a limit of zero would stop everybody: %s", body)
	}
	fake := amplitudetest.Fake{NoUsage: true}
	client, err := amplitude.NewClient(fake.Config())
	require.NoError(t, err)
	_, err = client.Cohorts.Usage(t.Context())
	require.ErrorIs(t, err, amplitude.ErrNotFound)
}
