package jetstream

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iteramp/iteramp"
	"github.com/iteramp/iteramp/amplitude"
)

const benchSecret = "benchmark-secret"

// BenchmarkAccept posts webhooks of 1 KB over 64 connections to a relay whose queue
// is embedded, each answered after a synced write. The floor is a handler that reads
// the body and answers, under the same load in the same run, in turns.
func BenchmarkAccept(b *testing.B) {
	store := openStore(b)
	relay := benchRelay(b, store, "http://127.0.0.1:9")
	ours, floor := inTurns(b, relay, 64)
	report(b, ours, floor)
}

// BenchmarkDeliver does the same over 256 connections while Run delivers to an
// Amplitude on loopback, gzip and all. The time counts until the last event has
// arrived.
func BenchmarkDeliver(b *testing.B) {
	sink := newSink(b)
	store := openStore(b)
	relay := benchRelay(b, store, sink.url)
	ctx, cancel := context.WithCancel(b.Context())
	var wg sync.WaitGroup
	wg.Go(func() { require.NoError(b, relay.Run(ctx)) })
	ours, floor := inTurns(b, relay, 256, func(sent int) {
		for sink.events.Load() < int64(sent) {
			time.Sleep(time.Millisecond)
		}
	})
	report(b, ours, floor)
	cancel()
	wg.Wait()
	require.EqualValues(b, b.N, sink.events.Load(), "events arrived")
}

// BenchmarkAcceptCluster is BenchmarkAccept with the queue on a cluster of three
// servers, all of them on this machine.
func BenchmarkAcceptCluster(b *testing.B) {
	c := startCluster(b)
	store, err := Connect(b.Context(), c.urls(), ConnectConfig{Monitors: c.monitors()})
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, store.Close()) })
	ours, floor := inTurns(b, benchRelay(b, store, "http://127.0.0.1:9"), 64)
	report(b, ours, floor)
}

func openStore(b *testing.B) *Store {
	store, err := Embed(b.Context(), EmbedConfig{Dir: filepath.Join(b.TempDir(), "store")})
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, store.Close()) })
	return store
}

func benchRelay(b *testing.B, store *Store, amplitudeURL string) *iteramp.Relay {
	client, err := amplitude.NewClient(amplitude.Config{APIKey: "test-key", BaseURL: amplitudeURL})
	require.NoError(b, err)
	relay, err := iteramp.NewRelay(iteramp.RelayConfig{
		Routes: []iteramp.Route{{Amplitude: client, Secrets: []string{benchSecret}}},
		Queue:  store.Queue(), DeadLetter: store.DeadLetter(),
	})
	require.NoError(b, err)
	return relay
}

// sink is an Amplitude that counts.
type sink struct {
	url    string
	events atomic.Int64
}

func newSink(b *testing.B) *sink {
	s := new(sink)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		in := io.Reader(r.Body)
		if r.Header.Get("Content-Encoding") == "gzip" { // not the smallest ones
			in, _ = gzip.NewReader(r.Body)
		}
		body, _ := io.ReadAll(in)
		n := bytes.Count(body, []byte(`"event_type":`))
		s.events.Add(int64(n))
		_ = json.NewEncoder(w).Encode(map[string]int{"code": 200, "events_ingested": n})
	}))
	b.Cleanup(srv.Close)
	s.url = srv.URL
	return s
}

// driven is what a handler has answered.
type driven struct {
	requests int
	took     time.Duration
	waits    []time.Duration
}

func (l *driven) add(o driven) {
	l.requests += o.requests
	l.took += o.took
	l.waits = append(l.waits, o.waits...)
}

func (l *driven) rate() float64 { return float64(l.requests) / l.took.Seconds() }

func (l *driven) quantile(q float64) time.Duration {
	slices.Sort(l.waits)
	return l.waits[min(len(l.waits)-1, int(q*float64(len(l.waits))))]
}

func report(b *testing.B, ours, floor driven) {
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(ours.rate(), "req/s")
	b.ReportMetric(floor.rate(), "floor-req/s")
	b.ReportMetric(ours.rate()/floor.rate(), "ratio")
	b.ReportMetric(float64(ours.quantile(0.99))/1e6, "p99-ms")
	b.ReportMetric(float64(floor.quantile(0.99))/1e6, "floor-p99-ms")
}

// inTurns makes b.N requests of the relay and as many of the floor, in four turns.
// after is waited for at the end of each of the relay's.
func inTurns(b *testing.B, relay http.Handler, connections int, after ...func(sent int)) (ours, floor driven) {
	bare := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	const turns = 4
	for turn := range turns {
		from, to := b.N*turn/turns, b.N*(turn+1)/turns
		floor.add(drive(b, bare, connections, from, to))
		l := drive(b, relay, connections, from, to)
		start := time.Now()
		for _, f := range after {
			f(to)
		}
		l.took += time.Since(start)
		ours.add(l)
	}
	return ours, floor
}

// drive posts webhooks as fast as some connections allow. All must be answered 200.
func drive(b *testing.B, h http.Handler, connections, from, to int) driven {
	srv := httptest.NewServer(h)
	defer srv.Close()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: connections, MaxConnsPerHost: connections}}
	defer client.CloseIdleConnections()
	next := atomic.Int64{}
	next.Store(int64(from))
	var failed atomic.Int64
	waits := make([][]time.Duration, connections)
	start := time.Now()
	var wg sync.WaitGroup
	for c := range connections {
		wg.Go(func() {
			for i := next.Add(1); i <= int64(to); i = next.Add(1) {
				began := time.Now()
				if !send(client, srv.URL, int(i)) {
					failed.Add(1)
				}
				waits[c] = append(waits[c], time.Since(began))
			}
		})
	}
	wg.Wait()
	took := time.Since(start)
	require.Zero(b, failed.Load())
	return driven{requests: to - from, took: took, waits: slices.Concat(waits...)}
}

func send(client *http.Client, url string, i int) bool {
	req, err := http.NewRequest(http.MethodPost, url+"/iterable", bytes.NewReader(kilobyte(i)))
	if err != nil {
		return false
	}
	req.Header.Set("Authorization", "test-key:"+benchSecret)
	req.Header.Set("Content-Type", "application/json")
	resp, err := client.Do(req)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode == http.StatusOK
}

// kilobyte is the webhook of a click, of about 1 KB.
func kilobyte(n int) []byte {
	return fmt.Appendf(make([]byte, 0, 1100), `{"email":"ada.lindqvist@example.com","userId":"usr-%d","eventName":"emailClick","dataFields":{"email":"ada.lindqvist@example.com","campaignId":412077,"campaignName":"Spring restock","templateId":583310,"templateName":"Restock v3","channelId":30511,"messageTypeId":44120,"workflowId":null,"workflowName":null,"experimentId":null,"labels":["restock"],"locale":null,"messageId":"5b1f0c6e2d9a4f7788c1a3e5%08d","emailId":"c412077:t583310:ada.lindqvist@example.com","createdAt":"2026-05-04 09:15:40 +00:00","ip":"203.0.113.50","userAgent":"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15","userAgentDevice":"Mac","city":"Gothenburg","region":"Västra Götaland","country":"Sweden","timeZone":"Europe/Stockholm","isBot":false,"emailSubject":"Back in stock: the blue kettle","url":"https://shop.example.com/kettle?utm_source=mail&c=1","linkUrl":"https://shop.example.com/kettle?utm_source=mail&c=1","linkId":"2205519774","contentId":611004,"hrefIndex":3}}`, n%5000, n)
}
