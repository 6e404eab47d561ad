package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/iteramp/iteramp/amplitude/amplitudetest"
)

// Senders with the right secret and without one send slowly, too much, wrongly or
// nothing, to the service with its own limits, while honest ones go on.
func TestF14(t *testing.T) {
	whole(t, "F14", "hostile senders", counts{30, 300, 2_000}, func(t *testing.T, rng *rand.Rand, n int) {
		fake := new(amplitudetest.Fake)
		fake.HTTPV2.EventsPerSecond = -1
		srv := httptest.NewServer(fake)
		t.Cleanup(srv.Close)
		s := startService(t, srv.URL)
		l := new(ledger)
		h := &honest{s: s, l: l}
		h.start(t)

		calm := h.measure(func() { <-time.After(3 * time.Second) })
		files, goroutines := s.files(), s.metric("go_goroutines")
		before := memoryOf(t, s.cmd.Process.Pid, "VmRSS:")

		begun := time.Now()
		slow := slowSenders(t, s)
		attacked := h.measure(func() {
			for i := range n {
				a := attacks[i%len(attacks)]
				h.what.Store(a.name)
				a.do(t, s, l, rng)
			}
			// Every slow sender must have met its limit.
			<-time.After(time.Until(begun.Add(20 * time.Second)))
		})
		held := slow()
		peak := memoryOf(t, s.cmd.Process.Pid, "VmHWM:")
		t.Logf("honest senders: %d answered, %s (median), %s (p99), slowest %s at %q; before: %s, %s; memory %d MiB, at most %d MiB; slow senders: %s",
			len(attacked.took), attacked.at(0.5), attacked.at(0.99), attacked.at(1), attacked.slowest, calm.at(0.5), calm.at(0.99), before>>20, peak>>20, held)

		require.Empty(t, attacked.failures, "honest senders were refused")
		limit := 50 * time.Millisecond
		if *tier == "P" {
			limit *= 10 // on machines that stand still themselves now and then
		}
		require.LessOrEqual(t, attacked.at(0.99), max(limit, 3*calm.at(0.99)))
		require.LessOrEqual(t, peak-before, int64(64<<20))
		held.within(t)

		h.stop()
		require.Eventually(t, func() bool {
			http.DefaultClient.CloseIdleConnections()
			return s.files() <= files+2 && s.metric("go_goroutines") <= goroutines+10
		}, 90*time.Second, 200*time.Millisecond, "connections are left")
		require.Eventually(t, func() bool { return len(fake.Events()) >= l.count() }, time.Minute, 100*time.Millisecond)
		s.stop(t)
		letters, frames := lettersIn(t, s.dir)
		require.Zero(t, frames)
		judge(l, fake.Events(), letters).clean(t)
	})
}

// honest are senders that do nothing wrong, over both versions of HTTP.
type honest struct {
	s    *service
	l    *ledger
	what atomic.Value // the attack that is on
	stop func()

	mu  sync.Mutex
	now *latencies
}

type latencies struct {
	took     []time.Duration
	longest  time.Duration
	slowest  any
	failures []string
}

func (l *latencies) at(part float64) time.Duration {
	if len(l.took) == 0 {
		return 0
	}
	return l.took[min(int(part*float64(len(l.took))), len(l.took)-1)]
}

func (h *honest) start(t *testing.T) {
	h.what.Store("")
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for i := range 4 {
		transport := &http.Transport{TLSClientConfig: h.s.tls(), ForceAttemptHTTP2: i%2 == 0}
		client := &http.Client{Transport: transport, Timeout: 20 * time.Second}
		wg.Go(func() {
			defer transport.CloseIdleConnections()
			for tick := time.Tick(30 * time.Millisecond); ; {
				select {
				case <-ctx.Done():
					return
				case <-tick:
					h.post(ctx, client)
				}
			}
		})
	}
	h.stop = func() { cancel(); wg.Wait() }
	t.Cleanup(h.stop)
}

func (h *honest) post(ctx context.Context, client *http.Client) {
	n, begun := h.l.draw(), time.Now()
	taken := post(ctx, client, h.s.url(), n)
	took := time.Since(begun)
	if taken {
		h.l.owe(n)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.now == nil || ctx.Err() != nil {
		return
	}
	h.now.took = append(h.now.took, took)
	if took > h.now.longest {
		h.now.longest, h.now.slowest = took, h.what.Load()
	}
	if !taken {
		h.now.failures = append(h.now.failures, fmt.Sprintf("after %s, at %q", took, h.what.Load()))
	}
}

// measure notes how honest senders fare meanwhile.
func (h *honest) measure(during func()) *latencies {
	l := new(latencies)
	h.mu.Lock()
	h.now = l
	h.mu.Unlock()
	during()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.now = nil
	slices.Sort(l.took)
	return l
}

// attack is something that a hostile sender does.
type attack struct {
	name string
	do   func(t *testing.T, s *service, l *ledger, rng *rand.Rand)
}

var attacks = []attack{
	{"idle connections", idle},
	{"header of 1 MiB", raw(431, func() string { return head("X-Long: " + strings.Repeat("h", 1<<20)) })},
	{"a hundred thousand headers", raw(431, func() string { return head(strings.Repeat("X: y\r\n", 100_000) + "X: y") })},
	{"no length", raw(400, func() string { return head() })},
	{"length too large", raw(413, func() string { return head("Content-Length: 2000000") })},
	{"length beyond numbers", raw(400, func() string { return head("Content-Length: 99999999999999999999") })},
	{"negative length", raw(400, func() string { return head("Content-Length: -1") })},
	{"chunks too large", raw(413, func() string {
		return head("Transfer-Encoding: chunked") + strings.Repeat("10000\r\n"+strings.Repeat("c", 1<<16)+"\r\n", 32) + "0\r\n\r\n"
	})},
	{"chunk without end", raw(503, func() string { return head("Transfer-Encoding: chunked") + "zz\r\n" })},
	{"two lengths", raw(400, func() string { return head("Content-Length: 10", "Content-Length: 11") + strings.Repeat("x", 11) })},
	{"gzip", raw(415, func() string { return head("Content-Length: 2", "Content-Encoding: gzip") + "{}" })},
	{"deflate", raw(415, func() string { return head("Content-Length: 2", "Content-Encoding: deflate") + "{}" })},
	{"br", raw(415, func() string { return head("Content-Length: 2", "Content-Encoding: br") + "{}" })},
	{"gzip as transfer", raw(501, func() string { return head("Transfer-Encoding: gzip") })},
	{"no JSON", raw(400, func() string { return head("Content-Length: 4") + "\x00\xff{}" })},
	{"deep JSON", raw(400, func() string { return head("Content-Length: 1000000") + strings.Repeat(`{"a":`, 200_000) })},
	{"wrong secret", raw(401, func() string {
		return "POST /iterable HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nAuthorization: Basic x\r\nContent-Length: 2\r\n\r\n{}"
	})},
	{"wrong secret, waiting to be asked for the body", raw(401, func() string {
		return "POST /iterable HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: 1000\r\n\r\n"
	})},
	{"expects something else", raw(417, func() string { return head("Content-Length: 2", "Expect: the-unexpected") })},
	{"header with a NUL", raw(400, func() string { return head("X: a\x00b") })},
	{"no version of HTTP", raw(400, func() string { return "POST /iterable\r\n\r\n" })},
	{"body is asked for", asked},
	{"pipelined", pipelined},
	{"closed early", closedEarly},
	{"no TLS", noTLS},
	{"HTTP/2, rapid reset", rapidReset},
	{"HTTP/2, headers without end", headersWithoutEnd},
	{"HTTP/2, compressed headers", compressedHeaders},
	{"HTTP/2, pings unread", pingsUnread},
	{"HTTP/2, empty data", emptyData},
}

// head is that of a request with the right secret.
func head(headers ...string) string {
	lines := append([]string{"POST /iterable HTTP/1.1", "Host: x", "Content-Type: application/json", "Authorization: " + token}, headers...)
	return strings.Join(lines, "\r\n") + "\r\n\r\n"
}

func (s *service) dial(t *testing.T, protocols ...string) *tls.Conn {
	t.Helper()
	conn, err := tls.DialWithDialer(&net.Dialer{Timeout: 20 * time.Second}, "tcp", s.addr, s.tls(protocols...))
	require.NoError(t, err)
	require.NoError(t, conn.SetDeadline(time.Now().Add(30*time.Second)))
	return conn
}

// raw sends bytes, and requires an answer.
func raw(status int, text func() string) func(*testing.T, *service, *ledger, *rand.Rand) {
	return func(t *testing.T, s *service, _ *ledger, _ *rand.Rand) {
		conn := s.dial(t)
		defer conn.Close()
		var sent sync.WaitGroup
		sent.Go(func() { _, _ = io.WriteString(conn, text()) }) // it may be closed before all is sent
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		require.NoError(t, err)
		_, _ = io.Copy(io.Discard, resp.Body)
		require.Equal(t, status, resp.StatusCode)
		conn.Close()
		sent.Wait()
	}
}

// asked sends the body only when it is told to.
func asked(t *testing.T, s *service, l *ledger, _ *rand.Rand) {
	conn := s.dial(t)
	defer conn.Close()
	n := l.draw()
	fmt.Fprint(conn, head("Expect: 100-continue", fmt.Sprint("Content-Length: ", len(webhook(n)))))
	in := bufio.NewReader(conn)
	resp, err := http.ReadResponse(in, nil)
	require.NoError(t, err)
	require.Equal(t, http.StatusContinue, resp.StatusCode)
	_, err = conn.Write(webhook(n))
	require.NoError(t, err)
	resp, err = http.ReadResponse(in, nil)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, resp.StatusCode)
	l.owe(n)
}

// pipelined sends many requests at once.
func pipelined(t *testing.T, s *service, l *ledger, _ *rand.Rand) {
	conn := s.dial(t)
	defer conn.Close()
	var text bytes.Buffer
	numbers := make([]int, 100)
	for i := range numbers {
		numbers[i] = l.draw()
		text.WriteString(head(fmt.Sprint("Content-Length: ", len(webhook(numbers[i])))))
		text.Write(webhook(numbers[i]))
	}
	sent := make(chan error, 1)
	go func() {
		_, err := conn.Write(text.Bytes())
		sent <- err
	}()
	in := bufio.NewReader(conn)
	for _, n := range numbers {
		resp, err := http.ReadResponse(in, nil)
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, resp.StatusCode)
		l.owe(n)
	}
	require.NoError(t, <-sent)
}

// closedEarly goes away in the middle of what it sends.
func closedEarly(t *testing.T, s *service, l *ledger, rng *rand.Rand) {
	for range 20 {
		conn := s.dial(t)
		n := l.draw()
		text := append([]byte(head(fmt.Sprint("Content-Length: ", len(webhook(n))))), webhook(n)...)
		_, err := conn.Write(text[:rng.IntN(len(text))])
		require.NoError(t, err)
		conn.Close()
	}
}

// noTLS speaks plain HTTP.
func noTLS(t *testing.T, s *service, _ *ledger, _ *rand.Rand) {
	conn, err := net.Dial("tcp", s.addr)
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, conn.SetDeadline(time.Now().Add(30*time.Second)))
	fmt.Fprint(conn, head("Content-Length: 0"))
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	require.Equal(t, http.StatusBadRequest, resp.StatusCode)
}

// idle opens connections that send nothing. The limit of their number is in the way
// of new honest ones only.
func idle(t *testing.T, s *service, _ *ledger, _ *rand.Rand) {
	count := 10_000
	if *tier == "P" {
		count = 1_000 // the others need files of a whole machine
	}
	conns := make([]net.Conn, 0, count)
	defer func() {
		for _, c := range conns {
			c.Close()
		}
	}()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for len(conns) < count {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", s.addr)
		if timedOut(err) {
			break // beyond the limit they wait
		}
		require.NoError(t, err)
		conns = append(conns, conn)
	}
	require.Greater(t, len(conns), count/3)
	require.LessOrEqual(t, s.files(), 1024+100)
	// The first is closed within its time.
	require.NoError(t, conns[0].SetReadDeadline(time.Now().Add(15*time.Second)))
	_, err := conns[0].Read(make([]byte, 1))
	require.False(t, timedOut(err), "an idle connection is kept")
}

func timedOut(err error) bool {
	e, ok := errors.AsType[net.Error](err)
	return ok && e.Timeout()
}

// http2Conn opens a connection of HTTP/2 whose frames are read by nobody.
func (s *service) http2Conn(t *testing.T) (*tls.Conn, *http2.Framer) {
	conn := s.dial(t, "h2")
	_, err := io.WriteString(conn, http2.ClientPreface)
	require.NoError(t, err)
	fr := http2.NewFramer(conn, conn)
	require.NoError(t, fr.WriteSettings())
	return conn, fr
}

// fields are the headers of a webhook, compressed for a new connection.
func fields() []byte {
	var b bytes.Buffer
	e := hpack.NewEncoder(&b)
	for _, f := range []hpack.HeaderField{
		{Name: ":method", Value: "POST"}, {Name: ":scheme", Value: "https"}, {Name: ":authority", Value: "x"}, {Name: ":path", Value: "/iterable"},
		{Name: "content-type", Value: "application/json", Sensitive: true}, {Name: "authorization", Value: token, Sensitive: true},
	} {
		_ = e.WriteField(f) // into memory
	}
	return b.Bytes()
}

// ended requires that the service has put an end to a connection.
func ended(t *testing.T, conn *tls.Conn) {
	t.Helper()
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(10*time.Second)))
	_, err := io.Copy(io.Discard, conn)
	require.False(t, timedOut(err), "the connection is kept")
}

// rapidReset begins streams and resets each at once.
func rapidReset(t *testing.T, s *service, _ *ledger, _ *rand.Rand) {
	conn, fr := s.http2Conn(t)
	defer conn.Close()
	go func() { _, _ = io.Copy(io.Discard, conn) }()
	block := fields() // which refers to nothing that came before
	sent := 0
	for id := uint32(1); id < 40_000; id += 2 {
		if fr.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: block, EndHeaders: true}) != nil || fr.WriteRSTStream(id, http2.ErrCodeCancel) != nil {
			break
		}
		sent++
	}
	require.Greater(t, sent, 100)
}

// headersWithoutEnd sends headers that go on.
func headersWithoutEnd(t *testing.T, s *service, _ *ledger, _ *rand.Rand) {
	conn, fr := s.http2Conn(t)
	defer conn.Close()
	err := fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: fields(), EndStream: true})
	var more bytes.Buffer
	_ = hpack.NewEncoder(&more).WriteField(hpack.HeaderField{Name: "x-long", Value: strings.Repeat("h", 15<<10), Sensitive: true})
	sent := 0
	for ; err == nil && sent < 64<<20; sent += more.Len() {
		err = fr.WriteContinuation(1, false, more.Bytes())
	}
	require.Less(t, sent, 64<<20, "they are read for ever")
	ended(t, conn)
}

// compressedHeaders sends one long header, and then a byte for each time that it
// comes again.
func compressedHeaders(t *testing.T, s *service, _ *ledger, _ *rand.Rand) {
	conn, fr := s.http2Conn(t)
	defer conn.Close()
	var b bytes.Buffer
	e := hpack.NewEncoder(&b)
	long := hpack.HeaderField{Name: "x-long", Value: strings.Repeat("h", 3<<10)}
	b.Write(fields())
	for range 10_000 {
		_ = e.WriteField(long)
	}
	require.Less(t, b.Len(), 32<<10)
	first := b.Next(15 << 10)
	require.NoError(t, fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: first, EndStream: true, EndHeaders: b.Len() == 0}))
	if b.Len() > 0 {
		_ = fr.WriteContinuation(1, true, b.Bytes())
	}
	fr.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	for {
		frame, err := fr.ReadFrame()
		if err != nil {
			require.False(t, timedOut(err))
			return // the connection was ended, which is an answer too
		}
		if answer, ok := frame.(*http2.MetaHeadersFrame); ok {
			require.Equal(t, "431", answer.PseudoValue("status"))
			return
		}
	}
}

// pingsUnread asks for answers and reads none.
func pingsUnread(t *testing.T, s *service, _ *ledger, _ *rand.Rand) {
	conn, fr := s.http2Conn(t)
	defer conn.Close()
	require.NoError(t, conn.SetWriteDeadline(time.Now().Add(2*time.Second)))
	sent := 0
	for ; sent < 500_000; sent++ {
		if fr.WritePing(false, [8]byte{1}) != nil {
			break
		}
	}
	require.Greater(t, sent, 1000)
}

// emptyData sends frames of a body without an end and without a byte.
func emptyData(t *testing.T, s *service, _ *ledger, _ *rand.Rand) {
	conn, fr := s.http2Conn(t)
	defer conn.Close()
	go func() { _, _ = io.Copy(io.Discard, conn) }()
	err := fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: fields(), EndHeaders: true})
	for range 20_000 {
		if err == nil {
			err = fr.WriteData(1, false, nil)
		}
	}
}

// holds is how long connections of slow senders were kept.
type holds struct {
	mu      sync.Mutex
	longest map[string]time.Duration
	count   map[string]int
}

func (h *holds) String() string {
	return fmt.Sprintf("%v kept for at most %v", h.count, h.longest)
}

// within requires that they met the limits of the service.
func (h *holds) within(t *testing.T) {
	t.Helper()
	const slack = 3 * time.Second
	for kind, limit := range map[string]time.Duration{"head": 5 * time.Second, "body": 15 * time.Second, "HTTP/2": 10 * time.Second} {
		require.LessOrEqual(t, h.longest[kind], limit+slack, kind)
		require.Positive(t, h.count[kind], kind)
	}
}

// slowSenders send a byte a second, on many connections, until they are told to stop.
func slowSenders(t *testing.T, s *service) (stop func() *holds) {
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	h := &holds{longest: make(map[string]time.Duration), count: make(map[string]int)}
	var wg sync.WaitGroup
	for i := range 200 {
		kind := []string{"head", "body"}[i%2]
		text := []byte(head("Content-Length: 1000"))
		if kind == "head" {
			text = text[:40]
		}
		if i%20 == 0 {
			kind, text = "HTTP/2", []byte(http2.ClientPreface) // and nothing more
		}
		wg.Go(func() {
			for ctx.Err() == nil {
				s.slowly(ctx, h, kind, text)
			}
		})
	}
	return func() *holds {
		cancel()
		wg.Wait()
		return h
	}
}

func (s *service) slowly(ctx context.Context, h *holds, kind string, text []byte) {
	protocol := "http/1.1"
	if kind == "HTTP/2" {
		protocol = "h2"
	}
	d := &tls.Dialer{NetDialer: &net.Dialer{Timeout: 20 * time.Second}, Config: s.tls(protocol)}
	conn, err := d.DialContext(ctx, "tcp", s.addr)
	if err != nil {
		select { // it is full
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
		return
	}
	begun := time.Now()
	end := context.AfterFunc(ctx, func() { conn.Close() })
	defer end()
	defer conn.Close()
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		_, _ = io.Copy(io.Discard, conn)
	}()
	_, err = conn.Write(text)
	for tick := time.Tick(time.Second); err == nil; {
		select {
		case <-closed:
			err = net.ErrClosed
		case <-tick:
			if kind != "HTTP/2" {
				_, err = conn.Write([]byte("x"))
			}
		}
	}
	if ctx.Err() != nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.count[kind]++
	h.longest[kind] = max(h.longest[kind], time.Since(begun))
}
