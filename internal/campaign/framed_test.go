package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/iteramp/iteramp/amplitude"
)

// ills are what a server does to a stream, or to the connection, of HTTP/2.
var ills = []ill{
	{name: "refused stream", begun: func(s *session, id uint32) bool {
		_ = s.WriteRSTStream(id, http2.ErrCodeRefusedStream)
		return true
	}},
	{name: "HTTP/1.1 required", begun: func(s *session, id uint32) bool {
		_ = s.WriteRSTStream(id, http2.ErrCodeHTTP11Required)
		return true
	}},
	{name: "going away before the stream", begun: func(s *session, _ uint32) bool {
		_ = s.WriteGoAway(0, http2.ErrCodeNo, nil)
		return false
	}},
	{name: "calm down, before the stream", begun: func(s *session, _ uint32) bool {
		_ = s.WriteGoAway(0, http2.ErrCodeEnhanceYourCalm, nil)
		return false
	}},
	{name: "closed at send", begun: func(*session, uint32) bool { return false }},
	{name: "window of zero", settings: []http2.Setting{{ID: http2.SettingInitialWindowSize, Val: 0}}},
	{name: "no streams", settings: []http2.Setting{{ID: http2.SettingMaxConcurrentStreams, Val: 0}}},
	{name: "silent, pings as well", complete: func(s *session, _ uint32, _ *httptest.ResponseRecorder) bool {
		s.silent = true
		return true
	}},
	{name: "head without a body", complete: func(s *session, id uint32, answer *httptest.ResponseRecorder) bool {
		s.head(id, answer)
		return true
	}},
	{name: "going away in the answer", complete: func(s *session, id uint32, answer *httptest.ResponseRecorder) bool {
		s.head(id, answer)
		_ = s.WriteGoAway(id, http2.ErrCodeNo, nil)
		_ = s.WriteData(id, false, answer.Body.Bytes()[:answer.Body.Len()/2])
		return false
	}},
	{name: "going away, then the answer", fine: true, complete: func(s *session, id uint32, answer *httptest.ResponseRecorder) bool {
		_ = s.WriteGoAway(id, http2.ErrCodeNo, nil)
		s.whole(id, answer)
		return false
	}},
	{name: "calm down, after the stream", complete: func(s *session, id uint32, _ *httptest.ResponseRecorder) bool {
		_ = s.WriteGoAway(id, http2.ErrCodeEnhanceYourCalm, nil)
		return false
	}},
	{name: "reset after it was executed", complete: func(s *session, id uint32, _ *httptest.ResponseRecorder) bool {
		_ = s.WriteRSTStream(id, http2.ErrCodeInternal)
		return true
	}},
	{name: "reset in the answer", complete: func(s *session, id uint32, answer *httptest.ResponseRecorder) bool {
		s.head(id, answer)
		_ = s.WriteRSTStream(id, http2.ErrCodeCancel)
		return true
	}},
	{name: "refused after it was executed", lies: true, complete: func(s *session, id uint32, _ *httptest.ResponseRecorder) bool {
		_ = s.WriteRSTStream(id, http2.ErrCodeRefusedStream)
		return true
	}},
	{name: "closed after it was executed", complete: func(*session, uint32, *httptest.ResponseRecorder) bool { return false }},
	{name: "more data than announced", complete: func(s *session, id uint32, answer *httptest.ResponseRecorder) bool {
		s.head(id, answer)
		_ = s.WriteData(id, false, bytes.Repeat([]byte("x"), answer.Body.Len()+1))
		_ = s.WriteData(id, true, nil)
		return true
	}},
	{name: "data of no stream", complete: func(s *session, _ uint32, _ *httptest.ResponseRecorder) bool {
		_ = s.WriteRawFrame(http2.FrameData, 0, 0, []byte("x"))
		return true
	}},
	{name: "push that nobody wants", complete: func(s *session, id uint32, _ *httptest.ResponseRecorder) bool {
		_ = s.WritePushPromise(http2.PushPromiseParam{StreamID: id, PromiseID: 2, BlockFragment: s.encode(":method", "GET"), EndHeaders: true})
		return true
	}},
	{name: "thousands of pings", fine: true, complete: func(s *session, id uint32, answer *httptest.ResponseRecorder) bool {
		for i := range 5000 {
			_ = s.WritePing(false, [8]byte{byte(i), byte(i >> 8)})
		}
		s.whole(id, answer)
		return true
	}},
}

// ill is one of them. Its funcs return false if the connection ends.
type ill struct {
	name     string
	lies     bool // the request was executed, and the server says that it was not
	fine     bool // the answer arrives all the same
	settings []http2.Setting
	begun    func(s *session, id uint32) bool
	complete func(s *session, id uint32, answer *httptest.ResponseRecorder) bool
}

// framed is a server of HTTP/2 in memory, that is ill so many times.
type framed struct {
	handler http.Handler

	mu             sync.Mutex
	ill            ill
	times          int
	streams, dials int
	conns          []net.Conn
	ended          sync.WaitGroup
}

func (f *framed) transport() *http.Transport {
	t := &http.Transport{DialContext: f.dial, Protocols: new(http.Protocols)}
	t.Protocols.SetUnencryptedHTTP2(true)
	return t
}

func (f *framed) dial(context.Context, string, string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	f.mu.Lock()
	f.dials++
	f.conns = append(f.conns, theirs)
	f.mu.Unlock()
	f.ended.Go(func() { (&session{framed: f, conn: theirs}).serve() })
	return ours, nil
}

// close ends all connections: some wait for answers to pings that never come.
func (f *framed) close() {
	f.healthy()
	f.ended.Wait()
}

// strike says whether it is ill this time.
func (f *framed) strike() (ill, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.times == 0 {
		return ill{}, false
	}
	f.times--
	return f.ill, true
}

// healthy is how it is from now on, on new connections.
func (f *framed) healthy() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.times = 0
	for _, c := range f.conns {
		c.Close()
	}
}

// seen is what has come, and how often it is still to be ill.
func (f *framed) seen() (streams, dials, times int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.streams, f.dials, f.times
}

// session is a connection.
type session struct {
	*framed
	*http2.Framer
	conn   net.Conn
	silent bool
	open   map[uint32]*stream
}

type stream struct {
	req  *http.Request
	body []byte
	ill  ill
}

// received is a frame, copied: those of a Framer are gone with the next.
type received struct {
	id      uint32
	kind    http2.FrameType
	ack     bool
	end     bool
	headers []hpack.HeaderField
	data    []byte
}

func (s *session) serve() {
	defer s.conn.Close()
	if _, err := io.ReadFull(s.conn, make([]byte, len(http2.ClientPreface))); err != nil {
		return
	}
	s.Framer = http2.NewFramer(s.conn, s.conn)
	s.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	s.open = make(map[uint32]*stream)
	in := make(chan received, 1<<14) // a client that waits for us to read would not read
	s.ended.Go(func() { s.read(in) })
	s.mu.Lock()
	settings := s.ill.settings
	s.mu.Unlock()
	if settings != nil {
		if _, ok := s.strike(); !ok {
			settings = nil
		}
	}
	_ = s.WriteSettings(settings...) // what cannot be written is found at the next read
	for f := range in {
		if !s.silent && !s.handle(f) {
			return
		}
	}
}

func (s *session) read(in chan<- received) {
	defer close(in)
	for {
		frame, err := s.ReadFrame()
		if err != nil {
			return
		}
		f := received{id: frame.Header().StreamID, kind: frame.Header().Type}
		switch frame := frame.(type) {
		case *http2.SettingsFrame:
			f.ack = frame.IsAck()
		case *http2.PingFrame:
			f.ack, f.data = frame.IsAck(), frame.Data[:]
		case *http2.MetaHeadersFrame:
			f.headers, f.end = frame.Fields, frame.StreamEnded()
		case *http2.DataFrame:
			f.data, f.end = bytes.Clone(frame.Data()), frame.StreamEnded()
		}
		in <- f
	}
}

// handle does what a frame asks for. It returns false when the connection ends.
func (s *session) handle(f received) bool {
	switch f.kind {
	case http2.FrameSettings:
		if !f.ack {
			_ = s.WriteSettingsAck()
		}
	case http2.FramePing:
		if !f.ack {
			_ = s.WritePing(true, [8]byte(f.data))
		}
	case http2.FrameHeaders:
		s.mu.Lock()
		s.streams++
		s.mu.Unlock()
		st := &stream{req: request(f.headers)}
		if s.ill.settings == nil {
			st.ill, _ = s.strike()
		}
		if st.ill.begun != nil {
			return st.ill.begun(s, f.id)
		}
		s.open[f.id] = st
		return !f.end || s.done(f.id)
	case http2.FrameData:
		st := s.open[f.id]
		if st == nil {
			return true
		}
		st.body = append(st.body, f.data...)
		if len(f.data) > 0 {
			_ = s.WriteWindowUpdate(0, uint32(len(f.data)))
		}
		return !f.end || s.done(f.id)
	case http2.FrameRSTStream:
		delete(s.open, f.id)
	}
	return true
}

// done executes a request.
func (s *session) done(id uint32) bool {
	st := s.open[id]
	delete(s.open, id)
	st.req.Body = io.NopCloser(bytes.NewReader(st.body))
	st.req.ContentLength = int64(len(st.body))
	answer := httptest.NewRecorder()
	s.handler.ServeHTTP(answer, st.req)
	if st.ill.complete != nil {
		return st.ill.complete(s, id, answer)
	}
	s.whole(id, answer)
	return true
}

func request(fields []hpack.HeaderField) *http.Request {
	pseudo := make(map[string]string)
	header := make(http.Header)
	for _, f := range fields {
		if f.IsPseudo() {
			pseudo[f.Name] = f.Value
		} else {
			header.Add(f.Name, f.Value)
		}
	}
	r := httptest.NewRequest(pseudo[":method"], "http://"+pseudo[":authority"]+pseudo[":path"], nil)
	r.Header = header
	return r
}

func (s *session) encode(pairs ...string) []byte {
	var b bytes.Buffer
	e := hpack.NewEncoder(&b)
	for i := 0; i < len(pairs); i += 2 {
		_ = e.WriteField(hpack.HeaderField{Name: pairs[i], Value: pairs[i+1]}) // into memory
	}
	return b.Bytes()
}

// head writes the head of an answer.
func (s *session) head(id uint32, answer *httptest.ResponseRecorder) {
	pairs := []string{":status", strconv.Itoa(answer.Code)}
	for name, values := range answer.Header() {
		for _, v := range values {
			pairs = append(pairs, strings.ToLower(name), v)
		}
	}
	if answer.Header().Get("Content-Length") == "" {
		pairs = append(pairs, "content-length", strconv.Itoa(answer.Body.Len()))
	}
	_ = s.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: s.encode(pairs...), EndHeaders: true})
}

func (s *session) whole(id uint32, answer *httptest.ResponseRecorder) {
	s.head(id, answer)
	for rest := answer.Body.Bytes(); ; {
		n := min(len(rest), 16<<10)
		_ = s.WriteData(id, n == len(rest), rest[:n])
		if rest = rest[n:]; len(rest) == 0 {
			return
		}
	}
}

// A server of HTTP/2 refuses, resets, goes away, hangs or breaks the rules. No call
// is sent more than three times, net/http's own repeats included, nor executed twice,
// and none outlasts its time.
func TestF23(t *testing.T) {
	eachInBubble(t, "F23", "HTTP/2 that breaks its rules", counts{100, 2_000, 10_000}, func(t *testing.T, rng *rand.Rand) {
		v := newVendors(t)
		c := pick(rng, calls...)
		f := &framed{handler: &v.iterableFake, ill: pick(rng, ills...), times: pick(rng, 1, 1, 2, 3, 1000)}
		if c.amplitude {
			f.handler = &v.amplitudeFake
		}
		to := f.clients(t, v)
		if rng.IntN(2) == 0 && f.ill.settings == nil { // on a connection that was used before
			f.used(t, c, to)
		}
		length := time.Duration(1+rng.IntN(60)) * time.Second
		ctx, cancel := context.WithTimeout(t.Context(), length)
		defer cancel()
		_, _, times := f.seen()
		before, begun := executions(c, v), time.Now()
		err := c.do(ctx, to)
		took := time.Since(begun)
		streams, dials, left := f.seen()
		what := fmt.Sprintf("%s, %s, %d times, within %s: %v", c.name, f.ill.name, times, length, err)
		require.Less(t, left, times, "nothing was ill: %s", what)
		require.LessOrEqual(t, took, length+50*time.Millisecond, what)
		most := 3
		if c.name == "download cohort" { // which may follow a link, several times
			most = 2 * most
		}
		require.LessOrEqual(t, streams, most, what)
		require.LessOrEqual(t, dials, 8, what)
		executed := executions(c, v) - before
		if !f.ill.lies {
			require.LessOrEqual(t, executed, 1, what)
		}
		switch {
		case err == nil && c.executed != nil:
			require.Positive(t, executed, what)
		case err != nil:
			namesNobody(t, err)
			require.True(t, ambiguous(err) || executed == 0 || f.ill.lies, what)
		}
		if f.ill.fine && length > 5*time.Second {
			require.NoError(t, err, what)
		}
		synctest.Wait()
	})
}

// used has its connection be used once, while it is well.
func (f *framed) used(t *testing.T, c call, to *clients) {
	f.mu.Lock()
	times := f.times
	f.times = 0
	f.mu.Unlock()
	var err error
	if c.amplitude {
		_, err = to.amplitude.Cohorts.List(t.Context(), amplitude.CohortListOptions{})
	} else {
		_, err = to.iterable.Lists.List(t.Context())
	}
	require.NoError(t, err)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.streams, f.dials, f.times = 0, 0, times
}

func executions(c call, v *vendors) int {
	if c.executed == nil {
		return 0
	}
	return c.executed(v)
}

// clients are both clients, on the one server.
func (f *framed) clients(t *testing.T, v *vendors) *clients {
	transport := f.transport()
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		f.close()
	})
	to := clientsOf(t, "http://127.0.0.1", 0, &http.Client{Transport: transport, Timeout: 30 * time.Second})
	to.cohort, to.request, to.list = v.cohort, v.request, v.list
	return to
}

// The same for the relay: everything arrives, and nothing twice.
func TestF23Relay(t *testing.T) {
	eachInBubble(t, "F23 r", "the relay's uploads over such HTTP/2", counts{100, 1_000, 5_000}, func(t *testing.T, rng *rand.Rand) {
		f := &framed{ill: pick(rng, ills...), times: pick(rng, 1, 3, 20)}
		transport := f.transport()
		s := newSiteOn(t, func(http.RoundTripper) http.RoundTripper { return plain{transport} })
		f.handler = &s.fake
		t.Cleanup(func() {
			s.stop()
			transport.CloseIdleConnections()
			f.close()
		})
		for range 20 + rng.IntN(60) {
			s.post()
			time.Sleep(time.Duration(rng.IntN(2000)) * time.Millisecond)
		}
		f.healthy()
		time.Sleep(30 * time.Second) // what hangs is let go of
		t.Log(f.ill.name)
		v := s.settle(t)
		require.Equal(t, v.owed, v.delivered)
		s.inOrder(t)
	})
}

// plain sends what is meant for a host with TLS without it.
type plain struct{ to http.RoundTripper }

func (p plain) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.URL.Scheme = "http"
	return p.to.RoundTrip(r)
}
