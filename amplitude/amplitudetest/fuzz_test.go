package amplitudetest

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzUpload sends anything: the fake does not panic, answers as documented,
// and what it accepted comes back from the export.
func FuzzUpload(f *testing.F) {
	for _, body := range []string{
		``, `{}`, `null`, `{"api_key":"test-key","events":[{}]}`, batch(2),
		`{"api_key":"test-key","options":{"min_id_length":0},"events":[{"user_id":"a","event_type":"$identify","user_properties":{"$add":{"a":1},"$clearAll":1}}]}`,
		`{"api_key":"test-key","events":[{"device_id":"dddddd","event_type":"$groupidentify","groups":{"a":[1,true,"x"]},"group_properties":{"$remove":{"a":null}}}]}`,
		`{"api_key":"test-key","client_upload_time":"0001-01-01T00:00:00Z","events":[{"user_id":"uuuuu","event_type":"x","time":-9223372036854775808,"price":1e300}]}`,
	} {
		f.Add([]byte(body), false)
		var z bytes.Buffer
		w := gzip.NewWriter(&z)
		_, _ = w.Write([]byte(body))
		_ = w.Close()
		f.Add(z.Bytes(), true)
	}
	f.Fuzz(func(t *testing.T, body []byte, compressed bool) {
		fake := Fake{HTTPV2: Limits{MaxBytes: 100_000, MaxEvents: 50}}
		r := httptest.NewRequest(http.MethodPost, pathHTTPV2, bytes.NewReader(body))
		if compressed {
			r.Header.Set("Content-Encoding", "gzip")
		}
		w := httptest.NewRecorder()
		fake.ServeHTTP(w, r)
		var answer reply
		d := json.NewDecoder(w.Body)
		d.DisallowUnknownFields()
		require.NoError(t, d.Decode(&answer))
		require.Equal(t, w.Code, answer.Code)
		require.Contains(t, []int{200, 400, 413}, w.Code)
		if w.Code != http.StatusOK {
			require.NotEmpty(t, answer.Error)
			require.Empty(t, fake.Events())
			return
		}
		require.Positive(t, *answer.EventsIngested)
		if events := fake.Events(); len(events) > 0 {
			require.Len(t, exported(t, &fake), len(events))
		}
	})
}

// FuzzCohorts sends anything to the endpoints that change cohorts: the fake
// does not panic, answers as documented, and what is refused changes nothing.
func FuzzCohorts(f *testing.F) {
	const upload, membership = "/api/3/cohorts/upload", "/api/3/cohorts/membership"
	for _, body := range []string{
		``, `{}`, `null`, `{"ids":{}}`, uploadBody("", `["u-1001"]`), uploadBody(`"existing_cohort_id":"mine",`, `["u-1001","x"]`),
		`{"cohort_id":"mine","memberships":[{"ids":["u-1001"],"id_type":"BY_NAME","operation":"REMOVE"}]}`,
		`{"cohort_id":"mine","skip_invalid_ids":false,"memberships":[{"ids":["4e1"],"id_type":"BY_ID","operation":"ADD"}]}`,
	} {
		f.Add(upload, []byte(body))
		f.Add(membership, []byte(body))
	}
	f.Fuzz(func(t *testing.T, path string, body []byte) {
		if path != upload {
			path = membership
		}
		var fake Fake
		fake.AddCohort(Cohort{ID: "mine", Members: []Member{{UserID: "u-1001"}}})
		before := fake.Cohorts()
		r := httptest.NewRequest(http.MethodPost, path, bytes.NewReader(body))
		r.SetBasicAuth("test-key", "test-secret")
		w := httptest.NewRecorder()
		fake.ServeHTTP(w, r)
		var answer map[string]any
		require.NoError(t, json.Unmarshal(w.Body.Bytes(), &answer))
		require.Empty(t, fake.underWay)
		if w.Code == http.StatusOK {
			require.NotContains(t, answer, "error")
			return
		}
		require.Contains(t, []int{400, 404}, w.Code)
		refusedWith(t, w.Code, answer)
		require.Equal(t, before, fake.Cohorts())
	})
}
