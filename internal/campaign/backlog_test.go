package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var uploads = flag.Float64("uploads", 4, "how many uploads a second drain a backlog")

// counter is an Amplitude that can be down and keeps nothing but the insert_ids.
type counter struct {
	down atomic.Bool

	mu       sync.Mutex
	seen     map[string]bool
	requests int
	first    time.Time
	last     time.Time
}

var insertID = regexp.MustCompile(`"insert_id":"itbl1-([0-9a-f]{40})"`)

func (c *counter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	in := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		in, _ = gzip.NewReader(r.Body)
	}
	body, err := io.ReadAll(in)
	if err != nil || c.down.Load() {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	ids := insertID.FindAllSubmatch(body, -1)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last = time.Now()
	if c.requests++; c.requests == 1 {
		c.first = c.last
	}
	for _, id := range ids {
		c.seen[string(id[1])] = true
	}
	fmt.Fprintf(w, `{"code":200,"events_ingested":%d}`, len(ids))
}

func (c *counter) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.seen)
}

// Webhooks pile up while Amplitude is down. The relay is killed, accepts again, and
// delivers all of them when Amplitude is back, in bounded memory.
func TestF08Backlog(t *testing.T) {
	whole(t, "F08b", "a backlog", counts{20_000, 200_000, 1_000_000}, func(t *testing.T, _ *rand.Rand, n int) {
		c := &counter{seen: make(map[string]bool)}
		c.down.Store(true)
		srv := httptest.NewServer(c)
		defer srv.Close()
		o := order{Amplitude: srv.URL, Dir: storeDir(t), Uploads: *uploads}

		p := start(t, o)
		began := time.Now()
		owed := fill(t, p.url, n)
		t.Logf("%d accepted in %s: %.0f/s", owed, time.Since(began).Round(time.Second), float64(owed)/time.Since(began).Seconds())
		peak := p.peak(t)
		p.kill()

		began = time.Now()
		p = start(t, o)
		for !post(t.Context(), http.DefaultClient, p.url, n+1) {
			require.Less(t, time.Since(began), time.Minute)
		}
		owed++
		t.Logf("accepting again after %s", time.Since(began).Round(time.Millisecond))
		back := time.Now()
		c.down.Store(false)
		require.Eventually(t, func() bool { return c.count() >= owed-2000 }, 10*time.Minute, 10*time.Millisecond)
		fraction := float64(c.requests-1) / (*uploads * c.last.Sub(c.first).Seconds())
		rate := float64(c.count()) / c.last.Sub(c.first).Seconds()
		t.Logf("first delivery after %s; drained at %.0f/s, %.2f of the %g uploads a second that are allowed, %.0f events each",
			c.first.Sub(back).Round(time.Millisecond), rate, fraction, *uploads, float64(c.count())/float64(c.requests))
		require.Eventually(t, func() bool { return c.count() == owed }, 2*time.Minute, 100*time.Millisecond, "what was in hand comes after a minute")
		peak = max(peak, p.peak(t))
		t.Logf("peak memory %d MiB", peak>>20)
		require.LessOrEqual(t, c.first.Sub(back), 6*time.Second)
		require.LessOrEqual(t, peak, int64(256<<20))
		p.drained(t, 2*time.Minute)
		p.stop(t)
		letters, left := lettersIn(t, o.Dir)
		require.Empty(t, letters)
		require.Zero(t, left)
	})
}

// fill posts webhooks until all are accepted.
func fill(t *testing.T, url string, n int) int {
	const connections = 128
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: connections}}
	defer client.CloseIdleConnections()
	var next, failed atomic.Int64
	var wg sync.WaitGroup
	for range connections {
		wg.Go(func() {
			for i := next.Add(1); i <= int64(n); i = next.Add(1) {
				for tries := 0; !post(context.Background(), client, url, int(i)); tries++ {
					if tries == 100 {
						failed.Add(1)
						return
					}
				}
			}
		})
	}
	wg.Wait()
	require.Zero(t, failed.Load())
	return n
}

// peak is the most memory the process has had, in bytes.
func (p *process) peak(t *testing.T) int64 { return memoryOf(t, p.pid, "VmHWM:") }

// memoryOf reads a figure of a process, zero where there is no /proc.
func memoryOf(t *testing.T, pid int, figure string) int64 {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Logf("no memory figure: %v", err)
		return 0
	}
	_, line, _ := bytes.Cut(status, []byte(figure))
	kib, err := strconv.ParseInt(strings.Fields(string(line))[0], 10, 64)
	require.NoError(t, err)
	return kib << 10
}
