package amplitudetest

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const anEvent = `{"user_id":"u-1001","event_type":"x","insert_id":"i"}`

func TestTheNextRequestsFailAsToldAndInOrder(t *testing.T) {
	t.Parallel()
	var f Fake
	f.FailNext(503, 200, 429)
	f.FailNext(413)
	for _, want := range []int{503, 200, 429, 413, 200} {
		status, _ := send(t, &f, anEvent)
		require.Equal(t, want, status)
	}
	require.Len(t, f.Events(), 1)
	require.Equal(t, 1, f.Duplicates())
}

func TestAScriptedStatusHasItsDocumentedBody(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]map[string]any{
		400: {"code": 400.0, "error": "Invalid JSON request body"},
		403: {"code": 403.0, "error": "Forbidden"},
		413: {"code": 413.0, "error": "Payload too large"},
		429: {
			"code": 429.0, "error": "Too many requests for some devices and users", "eps_threshold": 1000.0,
			"throttled_users": map[string]any{}, "throttled_devices": map[string]any{}, "throttled_events": []any{},
		},
		401: {"text": "Unauthorized"},
		500: {"text": "Internal Server Error"},
		503: {"text": "Service Unavailable"},
	} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			t.Parallel()
			var f Fake
			f.FailNext(status)
			got, answer := post(t, &f, pathBatch, batch(3))
			require.Equal(t, status, got)
			require.Equal(t, want, answer)
			require.Empty(t, f.Events())
			require.Equal(t, 3, f.Requests()[0].Events)
		})
	}
}

func TestALostAnswerLeavesTheEventsIngested(t *testing.T) {
	t.Parallel()
	var f Fake
	srv := httptest.NewServer(&f)
	defer srv.Close()
	f.LoseNext(0, 502)
	f.FailNext(0)
	post := func() (int, error) {
		resp, err := http.Post(srv.URL+pathHTTPV2, "application/json",
			strings.NewReader(`{"api_key":"test-key","events":[`+anEvent+`]}`))
		if err != nil {
			return 0, err
		}
		return resp.StatusCode, resp.Body.Close()
	}
	_, err := post()
	require.Error(t, err)
	require.Len(t, f.Events(), 1)
	status, err := post()
	require.NoError(t, err)
	require.Equal(t, 502, status)
	require.Equal(t, 1, f.Duplicates())
	_, err = post()
	require.Error(t, err)
	require.Equal(t, 1, f.Duplicates(), "FailNext ingests nothing")

	statuses := make([]int, 0, 3)
	for _, r := range f.Requests() {
		statuses = append(statuses, r.Status)
	}
	require.Equal(t, []int{0, 502, 0}, statuses)
}

func TestAnInterceptorAnswersOrLetsPass(t *testing.T) {
	t.Parallel()
	var f Fake
	f.FailNext(503)
	f.Intercept(func(w http.ResponseWriter, r *http.Request) bool {
		body, err := io.ReadAll(r.Body)
		require.NoError(t, err)
		if !strings.Contains(string(body), "secret") {
			return false
		}
		_, _ = fmt.Fprint(w, "sign in first")
		return true
	})
	status, answer := send(t, &f, `{"user_id":"secret-1","event_type":"x"}`)
	require.Equal(t, 200, status)
	require.Equal(t, "sign in first", answer["text"])
	status, _ = send(t, &f, anEvent)
	require.Equal(t, 503, status, "the script waits for a request that comes through")
	status, _ = send(t, &f, anEvent)
	require.Equal(t, 200, status)
	require.Len(t, f.Events(), 1)
	require.Len(t, f.Requests(), 3)
	f.Intercept(nil)
	status, _ = send(t, &f, `{"user_id":"secret-1","event_type":"x"}`)
	require.Equal(t, 200, status)
	require.Len(t, f.Events(), 2)
}

func TestAPoisonedEventSpoilsItsRequestWithoutBeingNamed(t *testing.T) {
	t.Parallel()
	var f Fake
	f.Poison(func(e Event) bool { return e.EventProperties["n"] == 7.0 })
	bad := `{"user_id":"u-1001","event_type":"x","event_properties":{"n":7}}`
	status, answer := send(t, &f, anEvent, bad)
	require.Equal(t, 400, status)
	require.Equal(t, map[string]any{"code": 400.0, "error": "Invalid field values on some events"}, answer)
	require.Empty(t, f.Events())
	status, _ = send(t, &f, anEvent)
	require.Equal(t, 200, status)
	f.Poison(nil)
	status, _ = send(t, &f, bad)
	require.Equal(t, 200, status)
}

func TestDroppedEventsAreMissingFromTheCount(t *testing.T) {
	t.Parallel()
	var f Fake
	f.Drop(func(e Event) bool { return e.InsertID == "i" })
	status, answer := send(t, &f, anEvent, `{"user_id":"u-1001","event_type":"y"}`)
	require.Equal(t, 200, status)
	require.EqualValues(t, 1, answer["events_ingested"])
	require.Len(t, f.Events(), 1)
	f.Drop(nil)
	_, answer = send(t, &f, anEvent)
	require.EqualValues(t, 1, answer["events_ingested"])
	require.Zero(t, f.Duplicates(), "what was dropped was never there")
}

func TestATestsOwnFuncsMayUseTheFake(t *testing.T) {
	t.Parallel()
	var f Fake
	f.Now = nil
	f.Poison(func(Event) bool { f.Events(); return false })
	f.Drop(func(Event) bool { f.Duplicates(); return false })
	f.Intercept(func(http.ResponseWriter, *http.Request) bool { f.FailNext(200); return false })
	status, _ := send(t, &f, anEvent)
	require.Equal(t, 200, status)
}

func TestASenderThatGoesAwayLeavesNothing(t *testing.T) {
	t.Parallel()
	var f Fake
	body := io.MultiReader(strings.NewReader(`{"api_key":"test-key",`), brokenReader{})
	_, err := client(&f).Post("https://amplitudetest.invalid/2/httpapi", "application/json", body)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.Empty(t, f.Events())
	require.Equal(t, 0, f.Requests()[0].Status)
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, errors.New("gone") }
