package amplitude_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/iteramp/iteramp/amplitude"
)

// sink answers every upload as accepted. It counts events without decoding, so
// that it costs both sides of a comparison the same little.
func sink(b *testing.B) (*httptest.Server, *atomic.Int64) {
	var events atomic.Int64
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		n := bytes.Count(body, []byte(`"event_type":`))
		events.Add(int64(n))
		fmt.Fprintf(w, `{"code":200,"events_ingested":%d,"payload_size_bytes":%d,"server_upload_time":1}`, n, len(body))
	}))
	b.Cleanup(srv.Close)
	return srv, &events
}

// smallEvent is an event as encoding/json alone would send it.
type smallEvent struct {
	UserID          string          `json:"user_id"`
	EventType       string          `json:"event_type"`
	Time            int64           `json:"time"`
	InsertID        string          `json:"insert_id"`
	EventProperties json.RawMessage `json:"event_properties"`
}

func smallEvents(n int) []smallEvent {
	events := make([]smallEvent, n)
	for i := range events {
		events[i] = smallEvent{
			UserID: fmt.Sprintf("user-%d", i%5000), EventType: "Page Viewed", Time: 1767225600123, InsertID: fmt.Sprintf("insert-%d", i),
			EventProperties: json.RawMessage(`{"page":"/pricing","referrer":"https://example.com/","position":3,"variant":"b"}`),
		}
	}
	return events
}

// BenchmarkUploader sends 200,000 small events to a sink on loopback; an
// operation is all of them. The floor is what one would write by hand: batches
// made ready, encoding/json, net/http, four requests at a time.
func BenchmarkUploader(b *testing.B) {
	const n = 200_000
	events := smallEvents(n)
	b.Run("iteramp", func(b *testing.B) { upload(b, events, amplitude.UploaderConfig{}) })
	b.Run("iteramp+OnResult", func(b *testing.B) {
		upload(b, events, amplitude.UploaderConfig{OnResult: func(r amplitude.Result) {
			if r.Err != nil {
				b.Error(r.Err)
			}
		}})
	})
	b.Run("floor=nethttp", func(b *testing.B) {
		srv, got := sink(b)
		b.ReportAllocs()
		for b.Loop() {
			got.Store(0)
			if err := byHand(srv, events); err != nil {
				b.Fatal(err)
			}
			if got.Load() != n {
				b.Fatalf("%d events arrived", got.Load())
			}
		}
		perEvent(b, n)
	})
}

func upload(b *testing.B, events []smallEvent, cfg amplitude.UploaderConfig) {
	srv, got := sink(b)
	client, err := amplitude.NewClient(amplitude.Config{APIKey: "key", BaseURL: srv.URL, DisableCompression: true})
	if err != nil {
		b.Fatal(err)
	}
	up, err := amplitude.NewUploader(client, cfg)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		got.Store(0)
		for _, e := range events {
			err := up.Add(context.Background(), amplitude.Event{
				UserID: e.UserID, EventType: e.EventType, Time: time.UnixMilli(e.Time), InsertID: e.InsertID,
				EventProperties: e.EventProperties,
			})
			if err != nil {
				b.Fatal(err)
			}
		}
		if err := up.Flush(context.Background()); err != nil {
			b.Fatal(err)
		}
		if int(got.Load()) != len(events) {
			b.Fatalf("%d events arrived", got.Load())
		}
	}
	perEvent(b, len(events))
	if err := up.Close(context.Background()); err != nil {
		b.Fatal(err)
	}
}

func perEvent(b *testing.B, n int) {
	b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "events/s")
}

func byHand(srv *httptest.Server, events []smallEvent) error {
	const size, parallel = 1000, 4
	batches := make(chan []smallEvent)
	failed := make(chan error, parallel)
	for range parallel {
		go func() {
			var err error
			for batch := range batches {
				if e := postBatch(srv, batch); e != nil {
					err = e
				}
			}
			failed <- err
		}()
	}
	for len(events) > 0 {
		batches <- events[:size]
		events = events[size:]
	}
	close(batches)
	for range parallel {
		if err := <-failed; err != nil {
			return err
		}
	}
	return nil
}

func postBatch(srv *httptest.Server, batch []smallEvent) error {
	body, err := json.Marshal(struct {
		APIKey string       `json:"api_key"`
		Events []smallEvent `json:"events"`
	}{"key", batch})
	if err != nil {
		return err
	}
	resp, err := srv.Client().Post(srv.URL+"/2/httpapi", "application/json", bytes.NewReader(body))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return err
}
