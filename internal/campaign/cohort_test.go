package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iteramp/iteramp"
	"github.com/iteramp/iteramp/amplitude"
	"github.com/iteramp/iteramp/amplitude/amplitudetest"
	"github.com/iteramp/iteramp/iterable"
	"github.com/iteramp/iteramp/iterable/iterabletest"
)

// pair are both vendors with a cohort and its list, on which others are already.
type pair struct {
	amp    amplitudetest.Fake
	it     iterabletest.Fake
	dir    string // of the ledgers
	cohort string
	list   int64

	existingOnly bool
	full         bool
	file         func(*http.Request, []byte) *http.Response        // answers for a cohort's file
	verdicts     func(reply map[string]any)                        // changes an answer about a batch
	before       func(w http.ResponseWriter, r *http.Request) bool // sees what comes to Iterable
	wire         wire
}

// foreign are on the list without the sync's doing, and stay there.
var foreign = []string{"foreign-1", "foreign-2"}

func newPair(t *testing.T, members ...string) *pair {
	p := &pair{dir: filepath.Join(scratch(t), "ledgers")}
	p.it.ProjectType = iterable.ProjectTypeUserID
	p.amp.Downloads = amplitudetest.DownloadLimits{PerMonth: -1, PerTenMinutes: -1}
	p.cohort = p.amp.AddCohort(amplitudetest.Cohort{Name: "Lapsed"})
	p.amp.SetMembers(p.cohort, members...)
	p.list = p.it.AddList("[Amplitude] Lapsed", foreign...)
	p.it.Intercept(p.intercept)
	return p
}

// scratch is a directory in memory, if there is one: rows that do not break the disk
// need not wait for it.
func scratch(t *testing.T) string {
	dir, err := os.MkdirTemp("/dev/shm", "campaign")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func (p *pair) intercept(w http.ResponseWriter, r *http.Request) bool {
	if r.Method != http.MethodGet {
		p.wire.note(r, p.list, p.existingOnly)
	}
	return p.before != nil && p.before(w, r)
}

// members are ids of users.
func members(n int) (ids []string) {
	for i := range n {
		ids = append(ids, fmt.Sprintf("user-%05d", i))
	}
	return ids
}

// some is a part of ids by chance, one of them at least.
func some(rng *rand.Rand, ids []string) []string {
	most := 1 + rng.IntN(10)
	part := slices.DeleteFunc(slices.Clone(ids), func(string) bool { return rng.IntN(10) >= most })
	if len(part) == 0 {
		return ids[:1:1]
	}
	return part
}

// wire is what was asked of Iterable to change.
type wire struct {
	mu     sync.Mutex
	writes int
	now    map[string]bool // put on the list since the run began
	ever   map[string]bool // put on the list
	wrong  []string        // what should not have been asked
}

// note judges a request: it says all that it must, nothing else, and takes off
// nobody who was not put there.
func (w *wire) note(r *http.Request, list int64, existingOnly bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	text, err := io.ReadAll(r.Body)
	if err != nil || int64(len(text)) < r.ContentLength {
		return // its sender has died over it
	}
	w.writes++
	var body struct {
		ListID      int64
		Subscribers []struct {
			UserID       string
			PreferUserID *bool
		}
		UpdateExistingUsersOnly *bool
		ChannelUnsubscribe      *bool
	}
	in := json.NewDecoder(bytes.NewReader(text))
	in.DisallowUnknownFields() // such as dataFields and campaignId
	if err := in.Decode(&body); err != nil || body.ListID != list || len(body.Subscribers) == 0 {
		w.wrong = append(w.wrong, fmt.Sprintf("%s %s of list %d: %v", r.Method, r.URL.Path, body.ListID, err))
		return
	}
	puts := path.Base(r.URL.Path) == "subscribe"
	fine := puts && is(body.UpdateExistingUsersOnly, existingOnly) && body.ChannelUnsubscribe == nil ||
		!puts && is(body.ChannelUnsubscribe, false) && body.UpdateExistingUsersOnly == nil
	for _, s := range body.Subscribers {
		prefers := puts && !existingOnly
		if fine = fine && (is(s.PreferUserID, true) || !prefers && s.PreferUserID == nil); puts {
			w.now[s.UserID], w.ever[s.UserID] = true, true
		} else if !w.ever[s.UserID] {
			w.wrong = append(w.wrong, "takes off somebody whom the sync has not put on the list")
		}
	}
	if !fine {
		w.wrong = append(w.wrong, r.URL.Path+" without its switches, or with others")
	}
}

func is(b *bool, want bool) bool { return b != nil && *b == want }

// begin starts to count anew.
func (w *wire) begin() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ever == nil {
		w.ever = make(map[string]bool)
	}
	w.now, w.writes = make(map[string]bool), 0
}

// lines change what goes to and fro.
type line struct {
	http.RoundTripper
	p *pair
}

func (l line) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := l.RoundTripper.RoundTrip(r)
	if err != nil || resp.StatusCode != http.StatusOK {
		return resp, err
	}
	isFile := path.Base(r.URL.Path) == "file" || strings.HasPrefix(r.URL.Path, "/s3/")
	switch {
	case isFile && l.p.file != nil:
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			return nil, err
		}
		return l.p.file(r, body), nil
	case strings.HasSuffix(r.URL.Path, "subscribe") && l.p.verdicts != nil:
		var reply map[string]any
		if err := json.NewDecoder(resp.Body).Decode(&reply); err != nil {
			return nil, err
		}
		l.p.verdicts(reply)
		body, err := json.Marshal(reply)
		resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		return resp, err
	}
	return resp, nil
}

// outcome is what a sync did.
type outcome struct {
	report iteramp.CohortReport
	err    error
	fates  map[string]iteramp.CohortOutcome
	sent   map[string]bool // put on the list
	writes int
	asked  int // for downloads
}

func (p *pair) config(t *testing.T) iteramp.CohortSyncConfig {
	a, i := p.amp.Config(), p.it.Config()
	a.Logger, i.Logger = logs, logs
	a.HTTPClient.Transport, i.HTTPClient.Transport = line{a.HTTPClient.Transport, p}, line{i.HTTPClient.Transport, p}
	amp, err := amplitude.NewClient(a)
	require.NoError(t, err)
	it, err := iterable.NewClient(i)
	require.NoError(t, err)
	return iteramp.CohortSyncConfig{Amplitude: amp, Iterable: it, LedgerDir: p.dir, ExistingUsersOnly: p.existingOnly, Full: p.full, Logger: logs}
}

func (p *pair) new(t *testing.T, cfg iteramp.CohortSyncConfig) *iteramp.CohortSync {
	s, err := iteramp.NewCohortSync(cfg)
	require.NoError(t, err)
	return s
}

// sync syncs, and judges what holds whatever happens.
func (p *pair) sync(t *testing.T, ctx context.Context, maxRemovals int) outcome {
	t.Helper()
	p.wire.begin()
	o := outcome{fates: make(map[string]iteramp.CohortOutcome), asked: -p.asked()}
	cfg := p.config(t)
	cfg.MaxRemovals = maxRemovals
	cfg.OnOutcome = func(f iteramp.CohortOutcome) {
		if _, twice := o.fates[f.UserID]; twice {
			t.Errorf("a second fate of one id: %s", f.Fate)
		}
		o.fates[f.UserID] = f
	}
	o.report, o.err = p.new(t, cfg).Sync(ctx, p.cohort)
	o.sent, o.writes, o.asked = p.wire.now, p.wire.writes, o.asked+p.asked()
	p.judge(t)
	o.judge(t)
	return o
}

// judge requires that nobody was touched who is not the sync's.
func (p *pair) judge(t *testing.T) {
	t.Helper()
	require.Empty(t, p.wire.wrong)
	require.Subset(t, p.it.Members(p.list), foreign)
}

// judge requires that the report is that of the fates, and that nobody is named
// beside them.
func (o outcome) judge(t *testing.T) {
	t.Helper()
	r := o.report
	if o.err != nil {
		namesNobody(t, o.err)
	}
	if r.ListName == "" {
		return
	}
	_, held := errors.AsType[*iteramp.RemovalsRefusedError](o.err)
	if o.err == nil || held {
		require.Zero(t, r.Failed, "%+v", r)
	}
	require.GreaterOrEqual(t, r.Failed, 0)
	require.Equal(t, r.Members+r.Left, r.Total(), "%+v", r)
	require.Len(t, o.fates, r.Total()-r.Kept-r.Failed, "%+v", r)
	counted := make(map[iteramp.Fate]int)
	reasons := make(map[iterable.Reason]int)
	for _, f := range o.fates {
		if counted[f.Fate]++; f.Fate == iteramp.Rejected {
			reasons[f.Reason]++
		}
	}
	require.Equal(t, r.Held, counted[iteramp.Held])
	require.Equal(t, len(r.Rejected), len(reasons))
	for reason, n := range r.Rejected {
		require.Equal(t, n, reasons[reason], "%s", reason)
	}
	if counted[iteramp.Unconfirmed] == 0 { // else nobody knows who is which
		require.Equal(t, r.Added, counted[iteramp.Added])
		require.Equal(t, r.Removed, counted[iteramp.Removed])
	}
}

// asked is how many downloads were asked for.
func (p *pair) asked() (n int) {
	for _, r := range p.amp.Requests() {
		if r.Status == http.StatusAccepted && strings.HasPrefix(r.Path, "/api/5/cohorts/request/") {
			n++
		}
	}
	return n
}

// equal requires that the list is just these and the foreign.
func (p *pair) equal(t *testing.T, ids []string, msg ...any) {
	t.Helper()
	more, fewer := apart(p.it.Members(p.list), slices.Concat(ids, foreign))
	require.Empty(t, more, "on the list and not in the cohort: %v", msg)
	require.Empty(t, fewer, "in the cohort and not on the list: %v", msg)
}

// rejected says of an id that the sync reports it so.
func (o outcome) rejected(id string) bool { return o.fates[id].Fate == iteramp.Rejected }

// equalBut requires that the list is these, but for those whom a sync rejected, and
// the foreign.
func (p *pair) equalBut(t *testing.T, o outcome, ids []string, msg ...any) {
	t.Helper()
	p.equal(t, slices.DeleteFunc(slices.Clone(ids), o.rejected), msg...)
}

// apart is what only one of two has.
func apart(a, b []string) (onlyA, onlyB []string) {
	inA, inB := setOf(a), setOf(b)
	return slices.DeleteFunc(slices.Clone(a), func(id string) bool { return inB[id] }),
		slices.DeleteFunc(slices.Clone(b), func(id string) bool { return inA[id] })
}

func setOf(ids []string) map[string]bool {
	set := make(map[string]bool, len(ids))
	for _, id := range ids {
		set[id] = true
	}
	return set
}

// settled requires that two more runs write nothing, one on a new download.
func (p *pair) settled(t *testing.T) {
	t.Helper()
	for range 2 {
		o := p.sync(t, t.Context(), 1_000_000)
		require.NoError(t, o.err)
		require.Zero(t, o.writes, "a run with nothing to do")
		p.amp.Recompute(p.cohort)
	}
}

// drain uses up what is left of a script of n answers.
func (p *pair) drain(n int) {
	cfg := p.it.Config()
	for range n {
		resp, err := cfg.HTTPClient.Get(cfg.BaseURL + "/api/lists")
		if err == nil {
			_ = resp.Body.Close()
		}
	}
}

// cut is a way in which a cohort's file does not come whole.
type cut struct {
	name   string
	packed bool
	whole  bool // all bytes may come, and it is an error still
	answer func(rng *rand.Rand, r *http.Request, body []byte, n int) *http.Response
}

var errReset = errors.New("connection reset by peer")

var cuts = []cut{
	{"Content-Length", false, false, sizedCut},
	{"Content-Length, gzip", true, false, sizedCut},
	{"chunks", false, true, chunkedCut},
	{"chunks, gzip", true, true, chunkedCut},
	{"until the connection ends", false, true, closedCut},
	{"until the connection ends, gzip", true, true, closedCut},
	{"reset", false, false, resetCut},
	{"reset, gzip", true, false, resetCut},
	{"HTTP/2", false, true, streamCut},
	{"HTTP/2, gzip", true, true, streamCut},
	{"stored so, gzip", true, false, storedCut},
}

func sizedCut(_ *rand.Rand, r *http.Request, body []byte, n int) *http.Response {
	return spoken(r, fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(body), body[:n]), io.EOF)
}

func chunkedCut(rng *rand.Rand, r *http.Request, body []byte, n int) *http.Response {
	var b strings.Builder
	b.WriteString("Transfer-Encoding: chunked\r\n\r\n")
	for rest := body[:n]; len(rest) > 0; {
		k := 1 + rng.IntN(len(rest))
		fmt.Fprintf(&b, "%x\r\n%s\r\n", k, rest[:k])
		rest = rest[k:]
	}
	return spoken(r, b.String()+pick(rng, "", "", "7", "0", "0\r\n"), io.EOF)
}

func closedCut(_ *rand.Rand, r *http.Request, body []byte, n int) *http.Response {
	return spoken(r, "Connection: close\r\n\r\n"+string(body[:n]), io.EOF)
}

func resetCut(_ *rand.Rand, r *http.Request, body []byte, n int) *http.Response {
	return spoken(r, fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(body), body[:n]), errReset)
}

// streamCut is what net/http makes of an HTTP/2 stream that is reset.
func streamCut(_ *rand.Rand, r *http.Request, body []byte, n int) *http.Response {
	resp := spoken(r, "\r\n"+string(body[:n]), errors.New("stream error: stream ID 1; INTERNAL_ERROR; received from peer"))
	resp.Proto, resp.ProtoMajor, resp.ProtoMinor = "HTTP/2.0", 2, 0
	return resp
}

// storedCut is whole to HTTP.
func storedCut(_ *rand.Rand, r *http.Request, body []byte, n int) *http.Response {
	return spoken(r, fmt.Sprintf("Content-Length: %d\r\n\r\n%s", n, body[:n]), io.EOF)
}

// spoken is an answer as a connection has it, which ends in an error.
func spoken(r *http.Request, text string, end error) *http.Response {
	in := io.MultiReader(strings.NewReader("HTTP/1.1 200 OK\r\n"+text), broken{end})
	resp, err := http.ReadResponse(bufio.NewReader(in), r)
	if err != nil {
		panic(err) // it is the test's
	}
	return resp
}

// broken is how a connection ends.
type broken struct{ err error }

func (b broken) Read([]byte) (int, error) { return 0, b.err }

// packed is gzip of two members, and where the second begins.
func packed(csv []byte, rows int) (body []byte, border int) {
	at := 0
	for range rows + 1 { // and the header
		at += bytes.IndexByte(csv[at:], '\n') + 1
	}
	var b bytes.Buffer
	for _, part := range [][]byte{csv[:at], csv[at:]} {
		border = b.Len()
		z := gzip.NewWriter(&b)
		_, _ = z.Write(part)
		_ = z.Close()
	}
	return b.Bytes(), border
}

// The file of a cohort does not come whole, cut at each byte. Nobody is taken off,
// and what was asked for is taken up.
func TestF17(t *testing.T) {
	var resumed, sized atomic.Int64
	// 4 at the first tier would take half a minute.
	eachInBubble(t, "F17", "downloads that are cut off", counts{2, 50, 500}, func(t *testing.T, rng *rand.Rand) {
		ids := members(5 + rng.IntN(6))
		p := newPair(t, ids...)
		p.amp.InlineRows = pick(rng, 0, -1) // behind a link or not
		require.NoError(t, p.sync(t, t.Context(), 0).err)
		for n, most := 0, 1; n <= most; n++ {
			c := pick(rng, cuts...)
			ids = append(ids[1:], fmt.Sprintf("user-%05d", 100+n))
			p.amp.SetMembers(p.cohort, ids...)
			cutoff := 0
			p.file = func(r *http.Request, body []byte) *http.Response {
				most = len(body)
				border := 0
				if c.packed {
					body, border = packed(body, 1+len(ids)/2)
				}
				at := min(n, len(body))
				if !c.whole && at == len(body) || c.name == "stored so, gzip" && at == border {
					at-- // else it would be whole, or look so
				}
				cutoff++
				return c.answer(rng, r, body, at)
			}
			before := p.it.Members(p.list)
			patience := time.Duration(1+rng.IntN(12)) * time.Second
			if rng.IntN(50) == 0 {
				patience = 2 * time.Hour // longer than a sync tries
			}
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			o := p.sync(t, ctx, 0)
			cancel()
			require.Positive(t, cutoff, "nothing was cut off")
			want := amplitude.ErrCutOff
			if c.name == "stored so, gzip" {
				want = amplitude.ErrCohortFile
			}
			if !errors.Is(o.err, context.DeadlineExceeded) {
				require.ErrorIs(t, o.err, want, "%s, byte %d", c.name, n)
			}
			require.Zero(t, o.writes, "%s, byte %d", c.name, n)
			require.Equal(t, before, p.it.Members(p.list))

			p.file = nil
			whole := p.sync(t, t.Context(), 0)
			require.NoError(t, whole.err)
			p.equal(t, ids, c.name)
			require.Equal(t, []int{1, 0}, []int{o.asked, whole.asked}, "it is taken up, not asked for again")
			resumed.Add(1)
		}
		storedHalf(t, rng)
		sized.Add(1)
	})
	if *tier != "" {
		require.Positive(t, resumed.Load())
		require.Positive(t, sized.Load())
	}
}

// storedHalf has a file end where one member of gzip does, so that nothing but its
// number of rows tells.
func storedHalf(t *testing.T, rng *rand.Rand) {
	ids := members(450)
	p := newPair(t, ids...)
	require.NoError(t, p.sync(t, t.Context(), 0).err)
	p.amp.Recompute(p.cohort)
	rows := rng.IntN(450 - 100)
	p.file = func(r *http.Request, body []byte) *http.Response {
		body, border := packed(body, rows)
		return storedCut(rng, r, body, border)
	}
	o := p.sync(t, t.Context(), pick(rng, 0, 1_000_000))
	refused, ok := errors.AsType[*iteramp.RemovalsRefusedError](o.err)
	require.True(t, ok, "%d rows: %v", rows, o.err)
	require.Contains(t, []iteramp.Doubt{iteramp.DoubtSize, iteramp.DoubtEmpty}, refused.Doubt)
	require.Zero(t, o.writes)
	p.equal(t, ids)
}

// lie is a cohort's file that came whole and is not the cohort.
type lie struct {
	name string
	raw  func(csv []byte) []byte                     // no file at all
	ids  func(rng *rand.Rand, ids []string) []string // or these rows
}

var lies = []lie{
	{name: "empty", raw: func([]byte) []byte { return nil }},
	{name: "a page", raw: func([]byte) []byte {
		return []byte("\n<!DOCTYPE html><html><body>Sign in, \"user_id\"</body></html>\n")
	}},
	{name: "an error", raw: func([]byte) []byte { return []byte("<?xml version=\"1.0\"?><Error><Code>ExpiredToken</Code></Error>") }},
	{name: "JSON", raw: func([]byte) []byte { return []byte(`{"error":"try again"}` + "\n") }},
	{name: "zip", raw: func(csv []byte) []byte { return append([]byte("PK\x03\x04\x14\x00\x08\x00\x08\x00"), csv...) }},
	{name: "the column renamed", raw: func(csv []byte) []byte { return bytes.Replace(csv, []byte("user_id"), []byte("userId"), 1) }},
	{name: "no header", raw: func(csv []byte) []byte { return csv[bytes.IndexByte(csv, '\n')+1:] }},
	{name: "semicolons", raw: func(csv []byte) []byte { return bytes.ReplaceAll(csv, []byte(","), []byte(";")) }},
	{name: "a row too wide", raw: func(csv []byte) []byte { return append(csv, "\"1\",\"2\",\"3\"\r\n"...) }},
	{name: "a row too narrow", raw: func(csv []byte) []byte { return append(csv, "\"1\"\r\n"...) }},
	{name: "an open quote", raw: func(csv []byte) []byte { return append(csv, "\"1\",\"user"...) }},
	{name: "the header only", ids: func(*rand.Rand, []string) []string { return nil }},
	{name: "nobody identified", ids: func(_ *rand.Rand, ids []string) []string { return make([]string, len(ids)) }},
	{name: "half", ids: func(rng *rand.Rand, ids []string) []string { return ids[:len(ids)*(1+rng.IntN(9))/10] }},
	{name: "another cohort", ids: func(rng *rand.Rand, ids []string) []string {
		return changed(ids[:max(1, rng.IntN(len(ids)))], func(id string) string { return "x" + id })
	}},
	{name: "addresses", ids: func(rng *rand.Rand, ids []string) []string {
		address := func(id string) string { return id + "@example.com" }
		n := len(ids) * pick(rng, 1, 3, 6, 10) / 10
		return slices.Concat(changed(ids[:n], address), ids[n:])
	}},
	{name: "upper case", ids: func(_ *rand.Rand, ids []string) []string { return changed(ids, strings.ToUpper) }},
	{name: "twice", ids: func(rng *rand.Rand, ids []string) []string { return slices.Concat(ids, some(rng, ids)) }},
	{name: "ten times as many", ids: func(_ *rand.Rand, ids []string) []string { return members(10 * len(ids)) }},
	{name: "odd", ids: func(rng *rand.Rand, ids []string) []string { return slices.Concat(ids, some(rng, odd), some(rng, odd)) }},
	{name: "odd, and half", ids: func(rng *rand.Rand, ids []string) []string { return slices.Concat(some(rng, odd), ids[len(ids)/2:]) }},
}

// odd are ids that stand in no good file, and may in one.
var odd = []string{
	"=1+1", "+1", "-1+2", "@SUM(A1)", "=cmd|' /C calc'!A0", "a,b", `a"b`, `""`, "'", "a\nb", "a\r\nb", "a\rb", "\t", "\x00", "n\x00l", "\x7f",
	" ", "a ", " a", "\u00fc", "\u202e", "\ufeff", "\xff\xfe", "null", "NULL", "0", "-", "user_id", "amplitude_id", "<b>", "../../x", "%00", "\\",
	strings.Repeat("l", 52), strings.Repeat("l", 53), strings.Repeat("\u00fc", 52), strings.Repeat("l", 5000), strings.Repeat("l", 5001),
}

func changed(ids []string, change func(string) string) (out []string) {
	for _, id := range ids {
		out = append(out, change(id))
	}
	return out
}

// rows is a cohort's file.
func rows(ids []string) []byte {
	b := []byte("\"amplitude_id\",\"user_id\"\r\n")
	for i, id := range ids {
		b = fmt.Appendf(b, "\"%d\",\"%s\"\r\n", 1000+i, strings.ReplaceAll(id, `"`, `""`))
	}
	return b
}

// verdictOn says what may become of a list that has these members, where a file has
// those rows and Amplitude says that the cohort has another number. The limits are
// those of the promise.
func verdictOn(had, file []string, size int) (adds, removes, refused map[string]bool, doubt iteramp.Doubt) {
	adds, removes, refused = make(map[string]bool), setOf(had), make(map[string]bool)
	before := setOf(had)
	known, addresses := 0, 0
	for _, id := range file {
		if id == "" {
			continue
		}
		known++
		if strings.Contains(id, "@") {
			addresses++
		}
		// A line's end within quotes is one newline in CSV, and only the beginning of
		// a long id is kept.
		id = strings.ReplaceAll(id, "\r\n", "\n")
		id = id[:min(len(id), 4096)]
		switch {
		case !iterableTakes(id):
			refused[id] = true
		case !before[id]:
			adds[id] = true
		}
		delete(removes, id)
	}
	switch limit := max(100, len(had)/10); {
	case len(adds)+len(removes) == 0:
	case known == 0:
		doubt = iteramp.DoubtEmpty
	case 2*addresses > known:
		doubt = iteramp.DoubtIDs
	case size >= 0 && max(len(file)-size, size-len(file)) > max(100, size/100):
		doubt = iteramp.DoubtSize
	case len(removes) > limit:
		doubt = iteramp.DoubtTooMany
	}
	return adds, removes, refused, doubt
}

// iterableTakes is the rule that Iterable documents for a userId.
func iterableTakes(id string) bool {
	printable := strings.IndexFunc(id, func(r rune) bool { return r < ' ' || r > '~' }) < 0
	return printable && id != "" && len(id) <= 52 && !strings.HasSuffix(id, " ")
}

// A whole file lies. What looks like an accident takes off nobody, and most of it
// adds nobody.
func TestF18(t *testing.T) {
	var met sync.Map // lies and what they led to
	eachInBubble(t, "F18", "lying snapshots", counts{300, 3_000, 30_000}, func(t *testing.T, rng *rand.Rand) {
		had := members(pick(rng, 2+rng.IntN(98), 2+rng.IntN(98), 101+rng.IntN(300), 1100))
		p := newPair(t)
		size := len(had)
		if rng.IntN(5) == 0 {
			size = -1
			p.cohort = p.amp.AddCohort(amplitudetest.Cohort{Name: "Lapsed too", NoSize: true})
			p.list = p.it.AddList("[Amplitude] Lapsed too", foreign...)
		}
		p.amp.GzipFiles = rng.IntN(3) == 0
		p.amp.SetMembers(p.cohort, had...)
		require.NoError(t, p.sync(t, t.Context(), 0).err)
		p.equal(t, had)

		l := pick(rng, lies...)
		ids := shuffledIDs(rng, had)
		if l.ids != nil {
			ids = l.ids(rng, had)
			if len(ids) == 0 || rng.IntN(2) == 0 {
				ids = shuffledIDs(rng, ids)
			}
		}
		p.amp.TamperFile(func(csv []byte) []byte {
			if l.raw != nil {
				return l.raw(csv)
			}
			return rows(ids)
		})
		p.amp.Recompute(p.cohort)
		if l.raw != nil {
			o := p.sync(t, t.Context(), 0)
			require.ErrorIs(t, o.err, amplitude.ErrCohortFile, l.name)
			require.Zero(t, o.writes, l.name)
			p.equal(t, had)
			met.Store(l.name, true)
		} else {
			met.Store(l.name, true)
			met.Store(p.lied(t, l, had, ids, size), true)
		}

		p.amp.TamperFile(nil)
		want := slices.Concat(had[min(len(had)-1, rng.IntN(5)):], []string{"user-new"})
		p.amp.SetMembers(p.cohort, want...)
		for range 2 { // the first may take up what was asked for before
			require.NoError(t, p.sync(t, t.Context(), 1_000_000).err, l.name)
		}
		p.equal(t, want)
		p.settled(t)
	})
	if *tier == "" || *times > 0 {
		return
	}
	for _, l := range lies {
		_, told := met.Load(l.name)
		require.True(t, told, "%s was not told", l.name)
	}
	for _, d := range []iteramp.Doubt{"", iteramp.DoubtEmpty, iteramp.DoubtIDs, iteramp.DoubtSize, iteramp.DoubtTooMany} {
		_, led := met.Load(d)
		require.True(t, led, "no lie led to the doubt %q", d)
	}
}

// The same lies, of two million.
func TestF18Large(t *testing.T) {
	eachInBubble(t, "F18 l", "lying snapshots of two million rows", counts{0, 1, 3}, func(t *testing.T, rng *rand.Rand) {
		had := members(2_000_000)
		p := newPair(t, had...)
		require.NoError(t, p.sync(t, t.Context(), 0).err)
		p.equal(t, had)
		for name, ids := range map[string][]string{"half": had[:len(had)/2], "in another order": shuffledIDs(rng, had)} {
			p.amp.TamperFile(func([]byte) []byte { return rows(ids) })
			p.amp.Recompute(p.cohort)
			doubt := p.lied(t, lie{name: name}, had, ids, len(had))
			require.Equal(t, name == "half", doubt == iteramp.DoubtSize, name)
		}
	})
}

func shuffledIDs(rng *rand.Rand, ids []string) []string {
	ids = slices.Clone(ids)
	rng.Shuffle(len(ids), func(i, j int) { ids[i], ids[j] = ids[j], ids[i] })
	return ids
}

// lied plans and syncs a file of those rows.
func (p *pair) lied(t *testing.T, l lie, had, ids []string, size int) iteramp.Doubt {
	adds, removes, refused, doubt := verdictOn(had, ids, size)
	p.wire.begin()
	plan, err := p.new(t, p.config(t)).Plan(t.Context(), p.cohort)
	require.NoError(t, err, l.name)
	require.Equal(t, []int{len(adds), len(removes)}, []int{plan.Adds, plan.Removes}, l.name)
	require.Equal(t, doubt != "", plan.Refused != nil, "%s: %q, %v", l.name, doubt, plan.Refused)
	require.NoError(t, plan.Close())
	require.Zero(t, p.wire.writes, "a plan writes nothing")

	o := p.sync(t, t.Context(), 0)
	require.Zero(t, o.asked, "what the plan has downloaded is used")
	for id := range refused {
		require.Equal(t, iteramp.CohortOutcome{CohortID: p.cohort, UserID: id, Fate: iteramp.Rejected, Reason: iterable.ReasonInvalidID}, o.fates[id])
		require.False(t, o.sent[id])
	}
	require.Equal(t, len(refused), o.report.Rejected[iterable.ReasonInvalidID])
	held, _ := errors.AsType[*iteramp.RemovalsRefusedError](o.err)
	now := slices.Concat(had, slices.Collect(maps.Keys(adds)))
	switch doubt {
	case "":
		require.NoError(t, o.err, l.name)
		p.equal(t, slices.DeleteFunc(now, func(id string) bool { return removes[id] }), l.name)
		return doubt
	case iteramp.DoubtTooMany:
		require.Equal(t, len(removes), o.report.Held)
		p.equal(t, now, l.name)
	default:
		require.Zero(t, o.writes, l.name)
		require.Equal(t, len(adds)+len(removes), o.report.Held)
		p.equal(t, had, l.name)
	}
	require.NotNil(t, held, "%s: %v", l.name, o.err)
	require.Equal(t, doubt, held.Doubt)
	return doubt
}

// told is what the sync was told for good.
type told struct {
	named  map[string]bool // Iterable names them as forgotten
	erased map[string]bool // Iterable has forgotten them, and so taken them off the list

	never   map[string]bool // forgotten: not to be sent any more
	refused map[string]bool // not to be sent while in the cohort
	touched map[string]bool // may have been put on the list once, so they may be sent to find out
}

// hear judges what a sync sent by what it was told before, and takes note of what it
// was told now. Those in have been in the cohort since.
func (x *told) hear(t *testing.T, o outcome, in map[string]bool) {
	t.Helper()
	for id := range o.sent {
		require.False(t, x.never[id], "a forgotten user is sent again")
		require.False(t, x.refused[id], "who was refused for good is sent again")
	}
	for id, f := range o.fates {
		switch {
		case f.Fate == iteramp.Rejected && f.Reason == iterable.ReasonForgotten, f.Fate == iteramp.Removed && x.named[id]:
			x.never[id] = true
		case f.Fate == iteramp.Rejected && f.Reason.Permanent() && in[id] && !x.touched[id]:
			x.refused[id] = true
		}
	}
	for id := range o.sent {
		if f := o.fates[id].Fate; f != iteramp.Rejected {
			x.touched[id] = true
		}
	}
}

// refuse has Iterable refuse some ids, by name or not all of them. Whom it does not
// know, or has forgotten, is on no list.
func (p *pair) refuse(rng *rand.Rand, ids []string, x *told, named bool) {
	listed := setOf(p.it.Members(p.list))
	for range rng.IntN(12) {
		id := pick(rng, ids...)
		for range 1 + rng.IntN(5)/4 {
			reason := pick(rng, iterabletest.ReasonConflict, iterabletest.ReasonInvalid, iterabletest.ReasonInvalidData)
			switch {
			case !named && rng.IntN(3) == 0:
				reason = iterabletest.ReasonUnnamed
			case !listed[id]:
				reason = pick(rng, reason, iterabletest.ReasonNotFound, iterabletest.ReasonForgotten)
			}
			x.named[id] = x.named[id] || reason == iterabletest.ReasonForgotten
			p.it.Refuse(reason, id)
		}
		if named && rng.IntN(6) == 0 {
			id := pick(rng, ids...)
			x.erased[id] = true
			p.it.Forget(id)
		}
	}
}

// trouble has the next requests fail, or their answers be lost, and returns how many.
// A request that is too large or in conflict as a whole has had no effect.
func (p *pair) trouble(rng *rand.Rand) (n int) {
	next, statuses := p.it.FailNext, []int{0, 200, 200, 409, 413, 429, 500, 502, 503}
	if rng.IntN(2) == 0 {
		next, statuses = p.it.LoseNext, []int{0, 0, 429, 500, 502, 504}
	}
	n = rng.IntN(8)
	p.it.FailNext(200) // no failure: the lists
	for range n {
		next(pick(rng, statuses...))
	}
	return n + 1
}

// misleads changes answers such that no failure is hidden in both counts.
func misleads(rng *rand.Rand, named, counted bool) func(map[string]any) {
	return func(reply map[string]any) {
		success, _ := reply["successCount"].(float64)
		failed, _ := reply["failCount"].(float64)
		switch rng.IntN(8) {
		case 0:
			reply["failCount"] = failed + pick(rng, 1, 3, 1e6)
		case 1:
			reply["successCount"] = success - pick(rng, 1, 3, 1e6)
		case 2:
			if counted {
				reply["successCount"] = success + pick(rng, 1, 3, 1e6)
			}
		case 3:
			if named {
				reply["failCount"] = pick(rng, 0, -1, failed-1)
			}
		case 4, 5:
			strangers := []any{"nobody-1", "", "nobody-1", nil, "foreign-1"}
			lists, _ := reply["failedUpdates"].(map[string]any)
			for _, list := range []map[string]any{lists, reply} {
				for name, ids := range list {
					if ids, ok := ids.([]any); ok && rng.IntN(2) == 0 {
						list[name] = append(append(ids, strangers...), ids...)
					}
				}
			}
		}
	}
}

// Iterable refuses some, for all reasons, and its answers are lost, name strangers
// or do not add up.
func TestF19(t *testing.T) {
	var met sync.Map // fates and reasons
	var spared atomic.Int64
	// 10,000 at the second tier would be an eighth of its hour.
	eachInBubble(t, "F19", "Iterable's partial failures", counts{500, 5_000, 100_000}, func(t *testing.T, rng *rand.Rand) {
		all := members(pick(rng, 20, 60, 120))
		if rng.IntN(20) == 0 {
			all = members(1200) // of two batches
		}
		p := newPair(t)
		p.it.OldReplies = rng.IntN(4) == 0
		p.it.SkipsUncounted = rng.IntN(2) == 0
		p.existingOnly = rng.IntN(3) == 0
		for _, id := range some(rng, all) {
			p.it.AddUser(id, nil)
		}
		x := told{make(map[string]bool), make(map[string]bool), make(map[string]bool), make(map[string]bool), make(map[string]bool)}
		named := !p.it.OldReplies && rng.IntN(2) == 0
		for range 2 + rng.IntN(3) {
			in := some(rng, all)
			p.amp.SetMembers(p.cohort, in...)
			now := setOf(in)
			maps.DeleteFunc(x.refused, func(id string, _ bool) bool { return !now[id] })
			p.refuse(rng, all, &x, named)
			lost := p.trouble(rng)
			p.verdicts = misleads(rng, named, !p.it.SkipsUncounted)
			patience := pick(rng, time.Duration(rng.IntN(20_000))*time.Millisecond, 24*time.Hour, 24*time.Hour)
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			o := p.sync(t, ctx, 1_000_000)
			cancel()
			x.hear(t, o, now)
			for _, f := range o.fates {
				met.Store(string(f.Fate)+string(f.Reason), true)
			}
			p.drain(lost)
			time.Sleep(pick(rng, 0, time.Hour, 25*time.Hour))
		}
		p.verdicts = nil
		refusing := rng.IntN(5) == 0
		if !refusing {
			p.it.Release(all...)
		}
		// Whom Iterable does not know may not be named, or may have been on his way.
		open := refusing || p.it.OldReplies || p.existingOnly
		p.converge(t, rng, all, &x, open)
		spared.Add(int64(len(x.never) + len(x.refused)))
	})
	if *tier == "" || *times > 0 {
		return
	}
	require.Positive(t, spared.Load(), "nobody was refused for good")
	for _, want := range []string{"added", "removed", "unconfirmed", "rejectedconflict", "rejectedforgotten", "rejectedinvalid_id", "rejectedinvalid_data", "rejectednot_found", "rejectedtoo_large"} {
		_, ok := met.Load(want)
		require.True(t, ok, "nobody was %s", want)
	}
}

// converge syncs once more with all faults off: the list is the cohort but for those
// whom the report names, and then there is nothing left to do.
func (p *pair) converge(t *testing.T, rng *rand.Rand, all []string, x *told, open bool) {
	t.Helper()
	want := some(rng, all)
	now := setOf(want)
	maps.DeleteFunc(x.refused, func(id string, _ bool) bool { return !now[id] })
	p.amp.SetMembers(p.cohort, want...)
	time.Sleep(25 * time.Hour)
	var o outcome
	for range 2 { // the first may take up what was asked for before
		o = p.sync(t, t.Context(), 1_000_000)
		require.NoError(t, o.err)
		x.hear(t, o, now)
	}
	undecided := func(id string) bool {
		f, ok := o.fates[id]
		return ok && (f.Fate == iteramp.Rejected || f.Fate == iteramp.Unconfirmed)
	}
	if !open {
		require.Zero(t, o.report.Unconfirmed, "all was answered")
	}
	more, fewer := apart(p.it.Members(p.list), slices.Concat(want, foreign))
	require.Empty(t, slices.DeleteFunc(more, undecided), "on the list and not in the cohort: %+v", o.report)
	missed := func(id string) bool { return undecided(id) || x.erased[id] }
	require.Empty(t, slices.DeleteFunc(fewer, missed), "in the cohort and not on the list: %+v", o.report)
	p.settled(t)
}

// Syncs of one cohort begin at once: one goes on, the others fail at once.
func TestF26Cohort(t *testing.T) {
	var calledOff atomic.Int64
	eachInBubble(t, "F26b", "syncs of one cohort at once, called off", counts{200, 2_000, 20_000}, func(t *testing.T, rng *rand.Rand) {
		all := members(60)
		want := some(rng, all)
		p := newPair(t, want...)
		p.wire.begin()
		p.race(t, rng, 2+rng.IntN(15))
		p.equal(t, want)
		p.judge(t)
		calledOff.Add(int64(p.storm(t, rng, all)))
	})
	if *tier != "" && *times == 0 {
		require.Positive(t, calledOff.Load(), "nothing was called off")
	}
}

// race begins n syncs at once. The one that goes on waits until the others have failed.
func (p *pair) race(t *testing.T, rng *rand.Rand, n int) {
	ended := make(chan error, n)
	var first atomic.Bool
	p.amp.Intercept(func(http.ResponseWriter, *http.Request) bool {
		for i := 1; i < n && (i > 1 || first.CompareAndSwap(false, true)); i++ {
			select {
			case err := <-ended:
				if !errors.Is(err, iteramp.ErrBusy) {
					t.Errorf("beside a sync that goes on: %v", err)
				}
			case <-time.After(time.Minute):
				t.Error("several go on")
			}
		}
		return false
	})
	shared := p.new(t, p.config(t))
	var syncs sync.WaitGroup
	for range n {
		s := shared
		if rng.IntN(2) == 0 {
			s = p.new(t, p.config(t))
		}
		syncs.Go(func() {
			_, err := s.Sync(t.Context(), p.cohort)
			ended <- err
		})
	}
	syncs.Wait()
	p.amp.Intercept(nil)
	require.Len(t, ended, 1, "the others have ended before")
	require.NoError(t, <-ended)
}

// storm begins syncs that are called off at any moment, while all answers take their
// time. Each ends at once, and leaves the ledger to the next.
func (p *pair) storm(t *testing.T, rng *rand.Rand, all []string) (calledOff int) {
	slow := func(rng *rand.Rand) func(http.ResponseWriter, *http.Request) bool {
		var mu sync.Mutex
		return func(_ http.ResponseWriter, r *http.Request) bool {
			mu.Lock()
			d := time.Duration(rng.IntN(2000)) * time.Millisecond
			mu.Unlock()
			select {
			case <-time.After(d):
			case <-r.Context().Done():
			}
			return false
		}
	}
	p.amp.CohortDelay = 5 * time.Second
	p.amp.Intercept(slow(rand.New(rand.NewPCG(rng.Uint64(), 0))))
	p.before = slow(rand.New(rand.NewPCG(rng.Uint64(), 0)))
	var storm sync.WaitGroup
	var off atomic.Int64
	for range 2 + rng.IntN(10) {
		want := some(rng, all)
		delay, patience := time.Duration(rng.IntN(20_000))*time.Millisecond, time.Duration(rng.IntN(20_000))*time.Millisecond
		s := p.new(t, p.config(t))
		storm.Go(func() {
			time.Sleep(delay)
			p.amp.SetMembers(p.cohort, want...)
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			begun := time.Now()
			_, err := s.Sync(ctx, p.cohort)
			took := time.Since(begun)
			switch {
			case took > patience+50*time.Millisecond:
				t.Errorf("called off after %s, ended after %s", patience, took)
			case errors.Is(err, iteramp.ErrBusy) && took > 0:
				t.Errorf("busy after %s", took)
			case errors.Is(err, context.DeadlineExceeded):
				off.Add(1)
			case err != nil && !errors.Is(err, iteramp.ErrBusy):
				t.Error(err)
			}
		})
	}
	storm.Wait()
	p.judge(t)
	p.amp.Intercept(nil)
	p.before = nil
	want := some(rng, all)
	p.amp.SetMembers(p.cohort, want...)
	for range 2 { // the first may take up what was asked for before
		require.NoError(t, p.sync(t, t.Context(), 1_000_000).err)
	}
	p.equal(t, want)
	p.settled(t)
	return int(off.Load())
}

// harm is what becomes of the files of a ledger.
type harm struct {
	name string
	// refused is whether the sync must not use the ledger.
	refused bool
	// forgets is whether the ledger may look whole and know less than it did, so that
	// some who were put on the list stay there.
	forgets bool
	do      func(t *testing.T, rng *rand.Rand, files map[string][]byte)
}

// ledgerFile is one of the ledger's files that matter, by chance.
func ledgerFile(rng *rand.Rand, files map[string][]byte) string {
	names := slices.DeleteFunc(slices.Sorted(maps.Keys(files)), func(name string) bool { return len(files[name]) == 0 })
	return pick(rng, names...)
}

var harms = []harm{
	{name: "a bit flipped", do: func(_ *testing.T, rng *rand.Rand, files map[string][]byte) {
		b := files[ledgerFile(rng, files)]
		b[rng.IntN(len(b))] ^= 1 << rng.IntN(8)
	}},
	{name: "the state's bit flipped", refused: true, do: func(_ *testing.T, rng *rand.Rand, files map[string][]byte) {
		b := files["ledger.json"]
		b[rng.IntN(len(b))] ^= 1 << rng.IntN(8)
	}},
	{name: "bytes written over", forgets: true, do: func(_ *testing.T, rng *rand.Rand, files map[string][]byte) {
		b := files[ledgerFile(rng, files)]
		for i := rng.IntN(len(b)); i < len(b) && rng.IntN(16) > 0; i++ {
			b[i] = byte(rng.Uint32())
		}
	}},
	{name: "cut", forgets: true, do: func(_ *testing.T, rng *rand.Rand, files map[string][]byte) {
		name := ledgerFile(rng, files)
		files[name] = files[name][:rng.IntN(len(files[name]))]
	}},
	{name: "a page zeroed", forgets: true, do: func(_ *testing.T, rng *rand.Rand, files map[string][]byte) {
		b := files[ledgerFile(rng, files)]
		page := rng.IntN(1+len(b)/4096) * 4096
		clear(b[min(page, len(b)):min(page+4096, len(b))])
	}},
	{name: "a file gone", do: func(_ *testing.T, rng *rand.Rand, files map[string][]byte) {
		delete(files, ledgerFile(rng, files))
	}},
	{name: "the state gone", refused: true, do: func(_ *testing.T, _ *rand.Rand, files map[string][]byte) {
		delete(files, "ledger.json")
	}},
	{name: "all gone", forgets: true, do: func(_ *testing.T, _ *rand.Rand, files map[string][]byte) { clear(files) }},
	{name: "of another cohort", refused: true, do: func(t *testing.T, _ *rand.Rand, files map[string][]byte) {
		rewrite(t, files, "cohort_id", "another")
	}},
	{name: "of a later version", refused: true, do: func(t *testing.T, rng *rand.Rand, files map[string][]byte) {
		rewrite(t, files, "version", 2+rng.IntN(100))
	}},
}

// rewrite changes the state of a ledger such that its checksum is right.
func rewrite(t *testing.T, files map[string][]byte, key string, value any) {
	body, _, _ := bytes.Cut(files["ledger.json"], []byte("\n"))
	var state map[string]any
	require.NoError(t, json.Unmarshal(body, &state))
	state[key] = value
	body, err := json.Marshal(state)
	require.NoError(t, err)
	sum := crc32.Checksum(body, crc32.MakeTable(crc32.Castagnoli))
	files["ledger.json"] = fmt.Appendf(body, "\ncrc32c %08x\n", sum)
}

// ledgerDir is where the pair's ledger is.
func (p *pair) ledgerDir() string { return filepath.Join(p.dir, "cohort-"+p.cohort) }

func (p *pair) readLedger(t *testing.T) map[string][]byte {
	files := make(map[string][]byte)
	entries, err := os.ReadDir(p.ledgerDir())
	require.NoError(t, err)
	for _, e := range entries {
		files[e.Name()], err = os.ReadFile(filepath.Join(p.ledgerDir(), e.Name()))
		require.NoError(t, err)
	}
	return files
}

func (p *pair) writeLedger(t *testing.T, files map[string][]byte) {
	require.NoError(t, os.RemoveAll(p.ledgerDir()))
	require.NoError(t, os.Mkdir(p.ledgerDir(), 0o700))
	for name, content := range files {
		require.NoError(t, os.WriteFile(filepath.Join(p.ledgerDir(), name), content, 0o600))
	}
}

func cloned(files map[string][]byte) map[string][]byte {
	files = maps.Clone(files)
	for name, content := range files {
		files[name] = slices.Clone(content)
	}
	return files
}

// A ledger is damaged: either it is refused and nothing is written, or the list
// becomes what it should. Put back from a copy it is as good as before.
func TestF05Cohort(t *testing.T) {
	var met sync.Map // harms, and what came of them
	// Each iteration does ten harms to one ledger, so a tenth of the matrix.
	eachInBubble(t, "F05b", "damaged ledgers", counts{200, 5_000, 50_000}, func(t *testing.T, rng *rand.Rand) {
		all := members(60)
		p := newPair(t)
		p.ledgerInUse(t, rng, all)
		for range 10 {
			whole := p.readLedger(t)
			h := pick(rng, harms...)
			files := cloned(whole)
			h.do(t, rng, files)
			p.writeLedger(t, files)
			want := some(rng, all)
			p.amp.SetMembers(p.cohort, want...)
			before := p.it.Members(p.list)
			o := p.sync(t, t.Context(), 1_000_000)
			if o.err != nil {
				require.ErrorIs(t, o.err, iteramp.ErrLedger, h.name)
				require.Zero(t, o.writes, h.name)
				require.Equal(t, before, p.it.Members(p.list), h.name)
				met.Store(h.name+", refused", true)
				p.writeLedger(t, whole)
				continue
			}
			require.False(t, h.refused, h.name)
			met.Store(h.name+", used", true)
			if h.forgets {
				p.full = true // nobody can tell what a journal that ends early has lost
				o = p.sync(t, t.Context(), 1_000_000)
				require.NoError(t, o.err, h.name)
				_, fewer := apart(p.it.Members(p.list), slices.Concat(want, foreign))
				require.Empty(t, slices.DeleteFunc(fewer, o.rejected), h.name)
				return
			}
			p.equalBut(t, o, want, h.name)
		}
		want := some(rng, all)
		p.amp.SetMembers(p.cohort, want...)
		o := p.sync(t, t.Context(), 1_000_000)
		require.NoError(t, o.err)
		p.equalBut(t, o, want)
	})
	if *tier == "" || *times > 0 {
		return
	}
	for _, h := range harms {
		_, refused := met.Load(h.name + ", refused")
		_, used := met.Load(h.name + ", used")
		require.True(t, refused || used, "%s was not done", h.name)
	}
}

// ledgerInUse syncs until all of a ledger's files are there: members, some of them
// refused or forgotten, a download, and the journal of a run that was cut off.
func (p *pair) ledgerInUse(t *testing.T, rng *rand.Rand, all []string) {
	p.it.Refuse(iterabletest.ReasonForgotten, all[0])
	p.it.Refuse(iterabletest.ReasonConflict, all[1])
	p.amp.SetMembers(p.cohort, all[:30]...)
	require.NoError(t, p.sync(t, t.Context(), 0).err)
	p.amp.SetMembers(p.cohort, all[20:]...)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	nth := 1 + rng.IntN(2) // of the adds and the removals
	p.before = func(_ http.ResponseWriter, r *http.Request) bool {
		if strings.HasSuffix(r.URL.Path, "subscribe") {
			if nth--; nth == 0 {
				cancel()
			}
		}
		return false
	}
	require.ErrorIs(t, p.sync(t, ctx, 0).err, context.Canceled)
	p.before = nil
	names := slices.Sorted(maps.Keys(p.readLedger(t)))
	for _, kind := range []string{"forgotten", "journal", "ledger.json", "lock", "members", "snapshot"} {
		require.True(t, slices.ContainsFunc(names, func(name string) bool { return strings.HasPrefix(name, kind) }), "no %s: %s", kind, names)
	}
}
