package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iteramp/iteramp/amplitude"
	"github.com/iteramp/iteramp/iterable"
)

// floodVariable is in the environment of the process that is flooded: the URL of the
// server that does it. What a call allocates can be measured only where nothing
// else is done.
const floodVariable = "ITERAMP_TEST_FLOOD"

// orderOfFlood says what is flooded: each flood meets every Step-th call, from the First.
type orderOfFlood struct {
	URL         string
	First, Step int
}

// Answers that are endless, slow, or much larger than they look. The matrix has all of
// them in each tier.
func TestF22(t *testing.T) {
	whole(t, "F22", "bombs and floods in answers", counts{1, 1, 10}, func(t *testing.T, rng *rand.Rand, n int) {
		s := newFloodServer(t)
		step := 1
		if *tier == "P" {
			step = 3 // all pairs of a flood and a call take a minute
		}
		for range n {
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
			defer cancel()
			cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestFloodedClient$", "-test.count=1")
			order, err := json.Marshal(orderOfFlood{s.url, rng.IntN(step), step})
			require.NoError(t, err)
			cmd.Env = append(os.Environ(), floodVariable+"="+string(order), resultsFile+"=")
			out, err := cmd.CombinedOutput()
			require.NoError(t, err, "%s", out)
		}
		for name, f := range floods {
			least := n * (len(calls) / step)
			if f.slow { // a call may end before its request was written
				least = n
			}
			require.GreaterOrEqual(t, s.sent(name), least, name)
		}
	})
}

// flood is an answer. The body of one that is slow never ends.
type flood struct {
	slow    bool
	harmful bool // no call can make sense of it
	write   func(io.Writer) error
}

const (
	pageOf    = 64 << 10
	errorSize = 512 << 20
)

var floods = map[string]flood{
	"gzip bomb":        {write: answerOf(200, "Content-Encoding: gzip\r\nContent-Type: application/json", bomb)},
	"gzip bomb as 400": {harmful: true, write: answerOf(400, "Content-Encoding: gzip", bomb)},
	"error of 512 MiB": {harmful: true, write: answerOf(400, "", endless(`{"error":"`, "e", errorSize))},
	"429 of 512 MiB":   {harmful: true, write: answerOf(429, "", endless(`{"throttled_users":{"u":1},"error":"`, "e", errorSize))},
	"500 of 512 MiB":   {harmful: true, write: answerOf(500, "", endless("<html>", "e", errorSize))},
	"endless text":     {harmful: true, write: answerOf(200, "", endless(`{"code":200,"msg":"`, "m", 0))},
	"endless list":     {harmful: true, write: answerOf(200, "", endless(`{"lists":[`, `{"id":1,"name":"a"},`, 0))},
	"deep":             {write: answerOf(200, "", deep(`{"code":200,"a":`, "[", "]", "}"))},
	"deep objects":     {write: answerOf(200, "", deep("", `{"lists":`, "}", ""))},
	"deep 429":         {harmful: true, write: answerOf(429, "", deep(`{"throttled_users":`, `{"a":`, "}", "}"))},
	"deep 400":         {harmful: true, write: answerOf(400, "", deep(`{"events_with_invalid_fields":`, `{"time":`, "}", "}"))},
	"long row":         {harmful: true, write: answerOf(200, "Content-Type: text/csv", endless("user_id,plan\n1,\"", "r", 0))},
	"endless headers":  {harmful: true, write: endless("HTTP/1.1 200 OK\r\n", "X-Header: value\r\n", 0)},
	"endless header":   {harmful: true, write: endless("HTTP/1.1 200 OK\r\nX-Header: ", "h", 0)},
	"endless status":   {harmful: true, write: endless("HTTP/1.1 200 ", "O", 0)},
	"1xx without end":  {harmful: true, write: endless("", "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", 0)},
	"endless trailer":  {harmful: true, write: endless("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n", "X-Trailer: value\r\n", 0)},
	"endless chunk":    {harmful: true, write: endless("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "1", 0)},
	"tiny chunks":      {harmful: true, write: endless("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "1;an=extension of some length\r\n{\r\n", 0)},
	"nothing":          {harmful: true, slow: true, write: drip("", "", time.Minute)},
	"slow header":      {harmful: true, slow: true, write: drip("HTTP/1.1 200 OK\r\nX: ", "x", time.Second)},
	"slow body":        {harmful: true, slow: true, write: drip("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{", " ", time.Second)},
	"slow error":       {harmful: true, slow: true, write: drip("HTTP/1.1 400 Bad Request\r\nContent-Length: 1000\r\n\r\n{", " ", time.Second)},
	"event stream":     {harmful: true, slow: true, write: drip("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n", "data: {}\n\n", 20*time.Millisecond)},
}

// answerOf is a chunked answer.
func answerOf(status int, headers string, body func(io.Writer) error) func(io.Writer) error {
	if headers != "" {
		headers += "\r\n"
	}
	return func(w io.Writer) error {
		fmt.Fprintf(w, "HTTP/1.1 %d %s\r\n%sTransfer-Encoding: chunked\r\n\r\n", status, http.StatusText(status), headers)
		if err := body(chunks{w}); err != nil {
			return err
		}
		_, err := io.WriteString(w, "0\r\n\r\n")
		return err
	}
}

type chunks struct{ io.Writer }

func (c chunks) Write(p []byte) (int, error) {
	fmt.Fprintf(c.Writer, "%x\r\n", len(p))
	n, err := c.Writer.Write(p)
	io.WriteString(c.Writer, "\r\n")
	return n, err
}

// endless writes a text and another one over and over, so many bytes of it or until
// the client has gone.
func endless(start, again string, size int) func(io.Writer) error {
	page := []byte(strings.Repeat(again, pageOf/len(again)))
	return func(w io.Writer) error {
		_, err := io.WriteString(w, start)
		for n := 0; err == nil && (size == 0 || n < size); n += len(page) {
			_, err = w.Write(page)
		}
		return err
	}
}

// deep nests a million times.
func deep(start, open, shut, end string) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := io.WriteString(w, start+strings.Repeat(open, 1_000_000)+"1"+strings.Repeat(shut, 1_000_000)+end)
		return err
	}
}

// drip writes a text, then another one from time to time.
func drip(start, again string, pause time.Duration) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := io.WriteString(w, start)
		for err == nil {
			time.Sleep(pause)
			_, err = io.WriteString(w, again)
		}
		return err
	}
}

// zeros is a quarter of a GiB of nothing in very little.
var zeros = sync.OnceValue(func() []byte {
	var b bytes.Buffer
	z, _ := gzip.NewWriterLevel(&b, gzip.BestSpeed) // the level is valid
	page := make([]byte, 1<<20)
	for range 256 {
		z.Write(page) // a bytes.Buffer takes everything
	}
	z.Close()
	return b.Bytes()
})

func bomb(w io.Writer) error {
	_, err := w.Write(zeros())
	return err
}

// floodServer answers with the flood that the path begins with.
type floodServer struct {
	url string

	mu    sync.Mutex
	count map[string]int
	conns map[net.Conn]bool
}

func newFloodServer(t *testing.T) *floodServer {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	zeros() // takes its time
	s := &floodServer{url: "http://" + l.Addr().String(), count: make(map[string]int), conns: make(map[net.Conn]bool)}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			s.keep(conn, true)
			wg.Go(func() { s.serve(conn) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		s.mu.Lock()
		for conn := range s.conns {
			conn.Close()
		}
		s.mu.Unlock()
		wg.Wait()
	})
	return s
}

func (s *floodServer) keep(conn net.Conn, open bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if open {
		s.conns[conn] = true
	} else {
		delete(s.conns, conn)
	}
}

func (s *floodServer) sent(name string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.count[name]
}

func (s *floodServer) serve(conn net.Conn) {
	defer s.keep(conn, false)
	defer conn.Close()
	in := bufio.NewReader(conn)
	for {
		_ = conn.SetReadDeadline(time.Now().Add(time.Second)) // an idle client lets go of its goroutines only then
		r, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		_, _ = io.Copy(io.Discard, r.Body)
		name := strings.ReplaceAll(strings.Split(r.URL.Path, "/")[1], "_", " ")
		s.mu.Lock()
		s.count[name]++
		s.mu.Unlock()
		if err := floods[name].write(conn); err != nil {
			return
		}
	}
}

// TestFloodedClient is the other process.
func TestFloodedClient(t *testing.T) {
	raw := os.Getenv(floodVariable)
	if raw == "" {
		t.Skip("it is a part of F22")
	}
	var order orderOfFlood
	require.NoError(t, json.Unmarshal([]byte(raw), &order))
	goroutines := runtime.NumGoroutine()
	for name, f := range floods {
		for i := order.First; i < len(calls); i += order.Step {
			c := calls[i]
			flooded(t, name, f, c, clientsOf(t, order.URL+"/"+strings.ReplaceAll(name, " ", "_"), 1, nil))
		}
	}
	require.Eventually(t, func() bool { return runtime.NumGoroutine() <= goroutines+1 }, 10*time.Second, 10*time.Millisecond, "goroutines are left")
	require.Empty(t, watched.leaks)
}

// clientsOf are clients of the server at an address, with http.Clients of their own if
// hc is nil. Attempts of zero are the default.
func clientsOf(t *testing.T, base string, attempts int, hc *http.Client) *clients {
	a, err := amplitude.NewClient(amplitude.Config{APIKey: "test-key", SecretKey: "test-secret", BaseURL: base, MaxAttempts: attempts, HTTPClient: hc, Logger: logs})
	require.NoError(t, err)
	i, err := iterable.NewClient(iterable.Config{APIKey: "test-api-key", ProjectType: iterable.ProjectTypeUserID, BaseURL: base, MaxAttempts: attempts, HTTPClient: hc, Logger: logs})
	require.NoError(t, err)
	return &clients{amplitude: a, iterable: i, cohort: "cohort", request: "request", list: 1}
}

func flooded(t *testing.T, name string, f flood, c call, to *clients) {
	what := c.name + ", " + name
	within := 20 * time.Second
	if f.slow {
		within = 100 * time.Millisecond
	}
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	begun := time.Now()
	err := c.do(ctx, to)
	took := time.Since(begun)
	runtime.ReadMemStats(&after)
	allocated := after.TotalAlloc - before.TotalAlloc
	if testing.Verbose() {
		t.Logf("%-40s %8.1f ms %8d KiB %.150v", what, took.Seconds()*1000, allocated>>10, err)
	}
	// The exact figure is that of F09 c, in virtual time: other rows run meanwhile.
	require.LessOrEqual(t, took, within+2*time.Second, what)
	if f.harmful {
		require.Error(t, err, what)
	}
	if err != nil {
		namesNobody(t, err)
	}
	if c.stream { // what is let go again does not count
		const step = 4 << 20 // by which it grows
		allocated = after.HeapSys - min(before.HeapSys+step, after.HeapSys)
	}
	require.LessOrEqual(t, allocated>>10, c.allowed(name), "KiB, %s", what)
}

// allowed is what an answer may cost, in KiB.
func (c call) allowed(flood string) uint64 {
	const ours = 512 // for the call itself
	switch {
	case strings.Contains(flood, "512 MiB"):
		return 2 << 10
	case c.stream: // at a time
		return 64 << 10
	case strings.HasPrefix(c.name, "list "): // lists do not page
		return 2*(64<<10) + ours
	}
	return 2*(8<<10) + ours
}
