package amplitudetest

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iteramp/iteramp/internal/memory"
)

// client speaks to a fake as a stranger would: nothing of ours encodes what it
// sends or reads what comes back.
func client(f *Fake) *http.Client { return &http.Client{Transport: memory.Transport{Handler: f}} }

// post sends a body and decodes the answer.
func post(t *testing.T, f *Fake, path, body string) (int, map[string]any) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://amplitudetest.invalid"+path, strings.NewReader(body))
	require.NoError(t, err)
	resp, err := client(f).Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	var answer map[string]any
	if json.Unmarshal(raw, &answer) != nil {
		answer = map[string]any{"text": string(bytes.TrimSpace(raw))}
	}
	return resp.StatusCode, answer
}

// send posts events, each given as a JSON object.
func send(t *testing.T, f *Fake, events ...string) (int, map[string]any) {
	t.Helper()
	return post(t, f, pathHTTPV2, `{"api_key":"test-key","events":[`+strings.Join(events, ",")+`]}`)
}

func TestAnEventIsIngestedAsItWasSent(t *testing.T) {
	t.Parallel()
	var f Fake
	status, answer := send(t, &f, `{"user_id":"u-1001","event_type":"Order Placed","time":1767225600123,
		"insert_id":"i-1","session_id":1767225600000,"event_properties":{"total":12.5,"items":["a","b"]},
		"groups":{"org":"acme"},"revenue":12.5}`)
	require.Equal(t, 200, status)
	require.EqualValues(t, 1, answer["events_ingested"])
	require.EqualValues(t, 200, answer["code"])
	require.Positive(t, answer["server_upload_time"])
	require.Positive(t, answer["payload_size_bytes"])

	require.Len(t, f.Events(), 1)
	e := f.Events()[0]
	require.Equal(t, "u-1001", e.UserID)
	require.Equal(t, "Order Placed", e.EventType)
	require.Equal(t, "2026-01-01T00:00:00.123Z", e.Time.Format("2006-01-02T15:04:05.000Z07:00"))
	require.Equal(t, map[string]any{"total": 12.5, "items": []any{"a", "b"}}, e.EventProperties)
	require.Equal(t, map[string][]string{"org": {"acme"}}, e.Groups)
	require.Equal(t, int64(1767225600000), e.SessionID)
	require.Equal(t, 12.5, *e.Revenue)
	require.Nil(t, e.Price)
}

// exported returns the lines of everything that can be exported.
func exported(t *testing.T, f *Fake) []string {
	t.Helper()
	now := f.now().UTC()
	status, files := export(t, f, now.AddDate(0, -11, 0).Format(exportHour), now.Format(exportHour))
	require.Equal(t, 200, status)
	var lines []string
	for _, file := range files {
		lines = append(lines, file.lines...)
	}
	return lines
}
