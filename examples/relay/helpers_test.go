package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"io"
	"iter"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iteramp/iteramp"
	"github.com/iteramp/iteramp/amplitude/amplitudetest"
	"github.com/iteramp/iteramp/iterable/iterabletest"
	"github.com/iteramp/iteramp/iterable/webhook"
	"github.com/iteramp/iteramp/jetstream"
)

const (
	testKey    = "test-key"
	testSecret = "secret-of-the-webhook"
	testToken  = testKey + ":" + testSecret
)

// env is an environment with the secrets of the tests' routes.
func env(more map[string]string) func(string) string {
	all := map[string]string{"KEY": testKey, "SECRET": testSecret, "SECRET_KEY": "test-secret", "ITERABLE_KEY": "test-api-key"}
	maps.Copy(all, more)
	return func(name string) string { return all[name] }
}

// amplitudeAt is an Amplitude behind a socket, and a routes file that leads there.
func amplitudeAt(t *testing.T, fake *amplitudetest.Fake) (routes string) {
	srv := httptest.NewServer(fake)
	t.Cleanup(srv.Close)
	return routesFile(t, `{"name":"shop","api_key":{"env":"KEY"},"secrets":[{"env":"SECRET"}],"base_url":"`+srv.URL+`"}`)
}

func routesFile(t *testing.T, routes ...string) string {
	file := filepath.Join(t.TempDir(), "routes.json")
	require.NoError(t, os.WriteFile(file, []byte(`{"routes":[`+strings.Join(routes, ",")+`]}`), 0o600))
	return file
}

// logLines is what a program has logged; it can be waited for.
type logLines struct {
	mu    sync.Mutex
	lines []map[string]any
	text  strings.Builder
	more  chan struct{}
}

func newLog(t *testing.T) (*logLines, io.Writer) {
	l := &logLines{more: make(chan struct{})}
	out, in := io.Pipe()
	t.Cleanup(func() { in.Close() })
	go func() {
		for lines := bufio.NewScanner(out); lines.Scan(); {
			l.add(lines.Text())
		}
	}()
	return l, in
}

func (l *logLines) add(text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var line map[string]any
	_ = json.Unmarshal([]byte(text), &line) // or it is no JSON
	l.lines = append(l.lines, line)
	l.text.WriteString(text + "\n")
	close(l.more)
	l.more = make(chan struct{})
}

// wait returns the first line with a message.
func (l *logLines) wait(t *testing.T, message string) map[string]any {
	for {
		l.mu.Lock()
		i := slices.IndexFunc(l.lines, func(line map[string]any) bool { return line["msg"] == message })
		more := l.more
		if i >= 0 {
			defer l.mu.Unlock()
			return l.lines[i]
		}
		l.mu.Unlock()
		select {
		case <-more:
		case <-t.Context().Done():
			require.Fail(t, "not logged: "+message, l.String())
		case <-time.After(30 * time.Second):
			require.Fail(t, "not logged: "+message, l.String())
		}
	}
}

func (l *logLines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// configured is a service's configuration from flags, as run makes it.
func configured(t *testing.T, log io.Writer, args ...string) serviceConfig {
	opts, err := parse(append([]string{"-listen", "127.0.0.1:0", "-admin", "127.0.0.1:0"}, args...), io.Discard, env(nil))
	require.NoError(t, err)
	logger := slog.New(slog.NewJSONHandler(cmp.Or(log, io.Discard), nil))
	specs, err := opts.routes(env(nil), logger)
	require.NoError(t, err)
	cfg, err := newServiceConfig(opts, specs, logger)
	require.NoError(t, err)
	return cfg
}

// running is a service that is up.
type running struct {
	*service
	store    *memoryStore
	base     string // of the address for webhooks
	adminURL string
}

// start runs a service on a store in memory, until the test ends.
func start(t *testing.T, fake *amplitudetest.Fake, args ...string) *running {
	st := newMemoryStore()
	s, err := configured(t, nil, append([]string{"-routes", amplitudeAt(t, fake)}, args...)...).start(t.Context(), st)
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		require.NoError(t, s.wait(ctx))
	})
	return &running{s, st, "http://" + s.public.Addr().String(), "http://" + s.admin.Addr().String()}
}

// post sends a webhook and returns the answer's status.
func post(t *testing.T, base string, body []byte) int {
	req := iterabletest.WebhookRequest(testToken, body)
	to, err := url.Parse(base + "/iterable")
	require.NoError(t, err)
	req.URL = to
	resp, err := http.DefaultClient.Do(req.WithContext(t.Context()))
	require.NoError(t, err)
	defer resp.Body.Close()
	return resp.StatusCode
}

// click is the webhook of a user's click; those of other users are other events.
func click(user string) []byte {
	return []byte(`{"eventName":"emailClick","userId":"` + user + `","dataFields":{"messageId":"m-` + user + `","createdAt":"2026-05-04 09:15:40 +00:00"}}`)
}

func ask(t *testing.T, method, address, body string, header ...string) (status int, answer string) {
	req, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(body))
	require.NoError(t, err)
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
		if header[i] == "Host" {
			req.Host = header[i+1]
		}
	}
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, string(text)
}

// memoryStore is a store whose failures are the test's to choose.
type memoryStore struct {
	frames chan []byte

	mu      sync.Mutex
	letters []iteramp.Letter
	failure error
	backlog []jetstream.Backlog
	closed  bool
	late    bool // it was used after it was closed
}

func newMemoryStore() *memoryStore { return &memoryStore{frames: make(chan []byte, 100)} }

func (s *memoryStore) Queue() iteramp.Queue           { return memoryQueue{s} }
func (s *memoryStore) DeadLetter() iteramp.DeadLetter { return memoryLetters{s} }

func (s *memoryStore) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failure = err
}

func (s *memoryStore) Ready() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failure
}

func (s *memoryStore) Backlog(context.Context) ([]jetstream.Backlog, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.backlog, s.failure
}

func (s *memoryStore) Letters(context.Context) (jetstream.Letters, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return jetstream.Letters{Count: int64(len(s.letters)), Bytes: 7, Limit: 99}, s.failure
}

func (s *memoryStore) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	return nil
}

func (s *memoryStore) use() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.late = s.late || s.closed
}

func (s *memoryStore) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

type memoryQueue struct{ s *memoryStore }

func (q memoryQueue) Put(_ context.Context, _ string, frame []byte) error {
	if err := q.s.Ready(); err != nil {
		return err
	}
	q.s.frames <- slices.Clone(frame)
	return nil
}

func (q memoryQueue) Take(ctx context.Context, _ string) (iteramp.Delivery, error) {
	select {
	case f := <-q.s.frames:
		return memoryDelivery{q.s, f}, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

type memoryDelivery struct {
	s     *memoryStore
	frame []byte
}

func (d memoryDelivery) Frame() []byte                { return d.frame }
func (d memoryDelivery) Taken() int                   { return 1 }
func (d memoryDelivery) Done(context.Context) error   { d.s.use(); return nil }
func (d memoryDelivery) Extend(context.Context) error { return nil }
func (d memoryDelivery) Retry(context.Context, time.Duration) error {
	d.s.use()
	d.s.frames <- d.frame
	return nil
}

type memoryLetters struct{ s *memoryStore }

func (m memoryLetters) index(route, id string) int {
	return slices.IndexFunc(m.s.letters, func(l iteramp.Letter) bool { return l.Route == route && l.ID == id })
}

func (m memoryLetters) Put(_ context.Context, l iteramp.Letter) error {
	m.s.mu.Lock()
	defer m.s.mu.Unlock()
	if i := m.index(l.Route, l.ID); i >= 0 {
		m.s.letters[i] = l
		return nil
	}
	m.s.letters = append(m.s.letters, l)
	return nil
}

func (m memoryLetters) Get(_ context.Context, route, id string) (iteramp.Letter, error) {
	m.s.mu.Lock()
	defer m.s.mu.Unlock()
	if i := m.index(route, id); i >= 0 {
		return m.s.letters[i], nil
	}
	return iteramp.Letter{}, iteramp.ErrNoLetter
}

func (m memoryLetters) All(context.Context) iter.Seq2[iteramp.Letter, error] {
	m.s.mu.Lock()
	all, failure := slices.Clone(m.s.letters), m.s.failure
	m.s.mu.Unlock()
	return func(yield func(iteramp.Letter, error) bool) {
		for _, l := range all {
			if !yield(l, nil) {
				return
			}
		}
		if failure != nil {
			yield(iteramp.Letter{}, failure)
		}
	}
}

func (m memoryLetters) Delete(_ context.Context, route, id string) error {
	m.s.mu.Lock()
	defer m.s.mu.Unlock()
	if i := m.index(route, id); i >= 0 {
		m.s.letters = slices.Delete(m.s.letters, i, i+1)
	}
	return nil
}

// bury puts letters of a user's clicks into the store.
func (s *memoryStore) bury(reason string, users ...string) {
	for _, user := range users {
		e, err := webhook.Parse(click(user))
		if err != nil {
			panic(err)
		}
		_ = memoryLetters{s}.Put(context.Background(), iteramp.Letter{
			ID: "id-" + user, Route: "shop", Reason: reason, Status: 400, Attempts: 1,
			First: time.Now(), Last: time.Now(), Webhook: e.Body(),
		})
	}
}

func (s *memoryStore) ids() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var ids []string
	for _, l := range s.letters {
		ids = append(ids, l.ID)
	}
	return ids
}

func serveOnce(h http.Handler, req *http.Request) (status int) {
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, req)
	return rec.Code
}
