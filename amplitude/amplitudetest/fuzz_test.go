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
