package iteramp_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iteramp/iteramp"
	"github.com/iteramp/iteramp/amplitude"
)

// BenchmarkRelayDirect sends webhooks of 1 KB over 64 connections, HTTP in to
// HTTP out: the relay delivers each to an Amplitude on loopback before it
// answers. The floor is a handler that reads the body and answers, under the same
// load. Driver, relay and Amplitude share the machine.
func BenchmarkRelayDirect(b *testing.B) {
	b.Run("iteramp", func(b *testing.B) {
		var delivered atomic.Int64
		sink := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			n := bytes.Count(body, []byte(`"event_type":`))
			delivered.Add(int64(n))
			fmt.Fprintf(w, `{"code":200,"events_ingested":%d}`, n)
		}))
		defer sink.Close()
		client, err := amplitude.NewClient(amplitude.Config{APIKey: "test-key", BaseURL: sink.URL, DisableCompression: true})
		require.NoError(b, err)
		relay, err := iteramp.NewRelay(iteramp.RelayConfig{Routes: []iteramp.Route{{Amplitude: client, Secrets: []string{secret}}}})
		require.NoError(b, err)
		drive(b, relay)
		require.EqualValues(b, b.N, delivered.Load(), "events delivered")
	})
	b.Run("floor=handler", func(b *testing.B) {
		drive(b, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if _, err := io.Copy(io.Discard, r.Body); err != nil {
				w.WriteHeader(http.StatusServiceUnavailable)
			}
		}))
	})
}

// drive makes b.N requests, as fast as 64 connections allow, all of which must
// be answered 200.
func drive(b *testing.B, h http.Handler) {
	const connections = 64
	srv := httptest.NewServer(h)
	defer srv.Close()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: connections, MaxConnsPerHost: connections}}
	defer client.CloseIdleConnections()
	var next, failed atomic.Int64
	b.ReportAllocs()
	b.ResetTimer()
	var wg sync.WaitGroup
	for range connections {
		wg.Go(func() {
			for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
				req, _ := http.NewRequest(http.MethodPost, srv.URL+"/iterable", bytes.NewReader(kilobyte(int(i))))
				req.Header.Set("Authorization", token)
				req.Header.Set("Content-Type", "application/json")
				resp, err := client.Do(req)
				if err != nil {
					failed.Add(1)
					continue
				}
				io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
				if resp.StatusCode != http.StatusOK {
					failed.Add(1)
				}
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	require.Zero(b, failed.Load())
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "req/s")
}

// kilobyte is the webhook of a click, of about 1 KB.
func kilobyte(n int) []byte {
	return fmt.Appendf(make([]byte, 0, 1100), `{"email":"ada.lindqvist@example.com","userId":"usr-%d","eventName":"emailClick","dataFields":{"email":"ada.lindqvist@example.com","campaignId":412077,"campaignName":"Spring restock","templateId":583310,"templateName":"Restock v3","channelId":30511,"messageTypeId":44120,"workflowId":null,"workflowName":null,"experimentId":null,"labels":["restock"],"locale":null,"messageId":"5b1f0c6e2d9a4f7788c1a3e5%08d","emailId":"c412077:t583310:ada.lindqvist@example.com","createdAt":"2026-05-04 09:15:40 +00:00","ip":"203.0.113.50","userAgent":"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15","userAgentDevice":"Mac","city":"Gothenburg","region":"Västra Götaland","country":"Sweden","timeZone":"Europe/Stockholm","isBot":false,"emailSubject":"Back in stock: the blue kettle","url":"https://shop.example.com/kettle?utm_source=mail&c=1","linkUrl":"https://shop.example.com/kettle?utm_source=mail&c=1","linkId":"2205519774","contentId":611004,"hrefIndex":3}}`, n%5000, n)
}
