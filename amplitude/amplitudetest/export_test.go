package amplitudetest

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

type exportedFile struct {
	name  string
	lines []string
}

// export asks for hours and unpacks what comes.
func export(t *testing.T, f *Fake, start, end string) (int, []exportedFile) {
	t.Helper()
	status, body := getExport(t, f, "?start="+start+"&end="+end, "test-key", "test-secret")
	if status != 200 {
		return status, nil
	}
	z, err := zip.NewReader(bytes.NewReader(body), int64(len(body)))
	require.NoError(t, err)
	var files []exportedFile
	for _, entry := range z.File {
		r, err := entry.Open()
		require.NoError(t, err)
		g, err := gzip.NewReader(r)
		require.NoError(t, err)
		text, err := io.ReadAll(g)
		require.NoError(t, err)
		files = append(files, exportedFile{entry.Name, strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")})
	}
	return status, files
}

func getExport(t *testing.T, f *Fake, query, key, secret string) (int, []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://amplitudetest.invalid"+pathExport+query, nil)
	require.NoError(t, err)
	req.SetBasicAuth(key, secret)
	resp, err := client(f).Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, body
}

func TestAnExportIsRefused(t *testing.T) {
	t.Parallel()
	const day = "?start=20260101T00&end=20260101T23"
	for _, test := range []struct {
		name, query, key, secret string
		want                     int
	}{
		{"nothing in range", day, "test-key", "test-secret", 404},
		{"wrong key", day, "other", "test-secret", 403},
		{"wrong secret", day, "test-key", "other", 403},
		{"no range", "", "test-key", "test-secret", 400},
		{"a day for an hour", "?start=20260101&end=20260102", "test-key", "test-secret", 400},
		{"backwards", "?start=20260101T01&end=20260101T00", "test-key", "test-secret", 400},
		{"a year and an hour", "?start=20250101T00&end=20260101T00", "test-key", "test-secret", 400},
		{"a year", "?start=20250101T00&end=20251231T23", "test-key", "test-secret", 404},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var f Fake
			status, _ := getExport(t, &f, test.query, test.key, test.secret)
			require.Equal(t, test.want, status)
		})
	}
}

func TestAnExportHoldsTheHoursOfReceipt(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 1, 22, 30, 0, 0, time.FixedZone("", 3600)) // 21:30 UTC
	f := Fake{Now: func() time.Time { return now }}
	for i := range 4 {
		send(t, &f, fmt.Sprintf(`{"user_id":"u-1001","event_type":"hour %d","time":0}`, i))
		now = now.Add(time.Hour)
	}
	status, files := export(t, &f, "20260101T22", "20260101T23")
	require.Equal(t, 200, status)
	require.Len(t, files, 2)
	require.Equal(t, "123456_2026-01-01_22#0.json.gz", files[0].name)
	require.Contains(t, files[0].lines[0], `"event_type":"hour 1"`)
	require.Equal(t, "123456_2026-01-01_23#0.json.gz", files[1].name)
	require.Contains(t, files[1].lines[0], `"event_type":"hour 2"`)
	status, _ = export(t, &f, "20260102T01", "20260102T05")
	require.Equal(t, 404, status)
}

func TestALargeHourIsInSeveralFiles(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 1, 5, 0, 0, 0, time.UTC)
	f := Fake{Now: func() time.Time { return now }}
	post(t, &f, pathHTTPV2, batch(101))
	_, files := export(t, &f, "20260101T05", "20260101T05")
	require.Len(t, files, 2)
	require.Equal(t, "123456_2026-01-01_5#1.json.gz", files[1].name)
	require.Len(t, files[0].lines, 100)
	require.Len(t, files[1].lines, 1)
}

func TestAnExportCanBeLate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // from midnight UTC
		f := Fake{ExportDelay: 2 * time.Hour}
		send(t, &f, anEvent)
		hour := f.now().UTC().Format(exportHour)
		time.Sleep(3*time.Hour - time.Second)
		status, _ := export(t, &f, hour, hour)
		require.Equal(t, 404, status)
		time.Sleep(time.Second)
		status, _ = export(t, &f, hour, hour)
		require.Equal(t, 200, status)
	})
}

func TestAnExportedLineHasTheDocumentedKeys(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 1, 12, 0, 0, 123456789, time.UTC)
	f := Fake{Now: func() time.Time { return now }}
	// The sender's clock is an hour late.
	post(t, &f, pathHTTPV2, `{"api_key":"test-key","client_upload_time":"2026-01-01T11:00:00.123Z","events":[{
		"user_id":"u-1001","event_type":"Order Placed","time":1767261600001,"insert_id":"i-1","session_id":7,
		"event_properties":{"total":12.5},"user_properties":{"plan":"gold"},"groups":{"org":"acme"},"revenue":1,
		"ip":"$remote","platform":"iOS","os_name":"ios","app_version":"1.2","carrier":"c","city":"Oslo","country":"NO",
		"location_lat":59.9,"event_id":4,"language":"Norwegian","device_model":"m"}]}`)
	var row map[string]any
	require.NoError(t, json.Unmarshal([]byte(exported(t, &f)[0]), &row))
	want := map[string]any{
		"$insert_id": "i-1", "amplitude_attribution_ids": nil, "amplitude_id": 410000000001.0, "app": 123456.0,
		"city": "Oslo", "client_event_time": "2026-01-01 10:00:00.001000", "client_upload_time": "2026-01-01 11:00:00.123000",
		"country": "NO", "data": map[string]any{}, "device_carrier": "c", "device_family": "m",
		"device_id": derivedDeviceID("u-1001"), "device_type": "m", "dma": nil, "event_id": 4.0,
		"event_properties": map[string]any{"total": 12.5}, "event_time": "2026-01-01 11:00:00.001456",
		"event_type": "Order Placed", "group_properties": map[string]any{}, "groups": map[string]any{"org": []any{"acme"}},
		"ip_address": "192.0.2.1", "language": "Norwegian", "library": "http/1.0", "location_lat": 59.9, "location_lng": nil,
		"os_name": "ios", "os_version": nil, "paying": true, "platform": "iOS", "processed_time": "2026-01-01 12:00:00.123456",
		"region": nil, "sample_rate": nil, "server_received_time": "2026-01-01 12:00:00.123456",
		"server_upload_time": "2026-01-01 12:00:00.123456", "session_id": 7.0, "start_version": "1.2", "user_id": "u-1001",
		"user_properties": map[string]any{"plan": "gold"}, "uuid": "00000000-0000-4000-8000-000000000001", "version_name": "1.2",
	}
	for key, value := range want {
		require.Contains(t, row, key)
		require.Equal(t, value, row[key], key)
	}
}

func TestAClockThatIsOffByLessThanAMinuteIsLeftAlone(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 1, 12, 0, 59, 0, time.UTC)
	f := Fake{Now: func() time.Time { return now }}
	post(t, &f, pathHTTPV2, `{"api_key":"test-key","client_upload_time":"2026-01-01T12:00:00Z","events":[
		{"user_id":"u-1001","event_type":"x","time":1767261600001}]}`)
	require.Contains(t, exported(t, &f)[0], `"event_time":"2026-01-01 10:00:00.001000"`)
}
