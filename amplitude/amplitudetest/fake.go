package amplitudetest

import (
	"cmp"
	"net/http"
	"sync"
	"time"
)

// Fake is an Amplitude project in memory: an [http.Handler] that answers as
// Amplitude's APIs do. Its zero value is ready and follows Amplitude's
// reference; it must not be copied after first use. The exported fields are to
// be set before the first request, the methods may be called at any time and
// from several goroutines.
type Fake struct {
	APIKey    string // zero means "test-key"
	SecretKey string // zero means "test-secret"

	// Now is the clock of the fake: it dates uploads, ends the seven days of
	// deduplication and rolls the windows of the rates. Zero means time.Now,
	// which is virtual inside a testing/synctest bubble.
	Now func() time.Time

	// HTTPV2 and Batch are the limits of POST /2/httpapi and POST /batch.
	HTTPV2, Batch Limits
	// DailyQuota is how many events one user or device may send within 24
	// hours, counted in steps of an hour over both endpoints. Zero means
	// 500,000, negative means no quota. Amplitude holds only ids that it has
	// flagged for spam to it and does not say when it flags one; the fake
	// holds every id to it.
	DailyQuota int

	// StripShortIDs takes a user or device id that is too short off its event
	// and accepts what is left, as the reference has it: refused is only an
	// event that is left without any id. Without it such an event is refused
	// by events_with_invalid_id_lengths, as observed of Amplitude, and what
	// passes here passes there under either rule.
	StripShortIDs bool
	// FirstIndexOnly makes a 400 name the first bad event for each field
	// instead of all of them. Amplitude's pages show both, so a client has to
	// expect another 400 after it took out the events of the first.
	FirstIndexOnly bool
	// ExportDelay is how long after the end of an hour the events received in
	// it can be exported. Zero means that they can be at once; Amplitude takes
	// two hours or more.
	ExportDelay time.Duration

	// OnEvent is handed each event that is ingested, repeats left out, and none is
	// kept: [Fake.Events] and the export have none. It is for loads that fill the
	// memory, and may not call the Fake.
	OnEvent func(Event)

	// CohortDelay is how long the file of a cohort is in the making. Zero means
	// that it is there at once; Amplitude takes half a minute and more.
	CohortDelay time.Duration
	// InlineRows is the number of members up to which a cohort's file is in the
	// body of the answer; that of a larger one is behind a link. Zero means
	// 1,000, negative means that all are behind links. Amplitude does not say
	// where it draws the line.
	InlineRows int
	// GzipFiles has cohort files be gzip, with no Content-Encoding to say so.
	// None is documented to be.
	GzipFiles bool
	// Downloads are the limits of cohort downloads.
	Downloads DownloadLimits
	// NoUsage answers 404 to GET /api/3/cohorts/usage, which Amplitude has had
	// only since 2026.
	NoUsage bool
	// OldSpelling has POST /api/3/cohorts/upload answer cohort_id, as Amplitude
	// documented it until 2023, instead of cohortId.
	OldSpelling bool

	mu        sync.Mutex
	intercept func(http.ResponseWriter, *http.Request) bool
	script    []step
	poison    func(Event) bool
	drop      func(Event) bool
	silenced  map[string]bool
	throttled map[string]bool
	exhausted map[string]bool

	requests   []Request
	records    []record // only ever appended to, a record never changes
	seen       map[dedupKey]time.Time
	duplicates int
	rates      map[rateKey]*meter
	quotas     map[idKey]*meter
	people     people
	groups     map[groupKey]map[string]any

	cohorts      []*cohort // in the order in which they were added
	lastCohort   int64
	downloads    map[string]*download
	lastDownload int64
	tamper       func([]byte) []byte
	usage        usage
	requested    meter          // cohorts, by the second
	searched     meter          // users, by the second
	underWay     map[string]int // requests, by slot
}

// Limits bound the uploads of one endpoint. A zero field means the documented
// limit, a negative one that there is none.
type Limits struct {
	// MaxBytes is the size of the largest request, in bytes after
	// decompression: 1,000,000 for HTTP V2, 20,000,000 for Batch.
	MaxBytes int
	// MaxEvents is the number of events in the largest request: 2,000.
	MaxEvents int
	// EventsPerSecond is what one user or device may send, averaged over the
	// last 30 seconds: 30 for HTTP V2, 1,000 for Batch. An id is throttled
	// once it has been over it and until the average has come down; what a
	// request brings does not count against that request. Amplitude tells its
	// clients not to measure rates themselves, so no request of theirs may
	// be too much for ever.
	EventsPerSecond int
}

func (l Limits) or(documented Limits) Limits {
	return Limits{
		MaxBytes:        cmp.Or(l.MaxBytes, documented.MaxBytes),
		MaxEvents:       cmp.Or(l.MaxEvents, documented.MaxEvents),
		EventsPerSecond: cmp.Or(l.EventsPerSecond, documented.EventsPerSecond),
	}
}

// limits are those of an upload path; false for any other path.
//
// Sources: https://amplitude.com/docs/apis/analytics/http-v2 and
// https://amplitude.com/docs/apis/analytics/batch-event-upload. The first has
// said "fewer than 2,000" and "up to 2,000" events; the second is the newer.
// Whether its megabyte is decimal it does not say; decimal is the smaller.
func (f *Fake) limits(path string) (Limits, bool) {
	switch path {
	case pathHTTPV2:
		return f.HTTPV2.or(Limits{MaxBytes: 1_000_000, MaxEvents: 2000, EventsPerSecond: 30}), true
	case pathBatch:
		return f.Batch.or(Limits{MaxBytes: 20_000_000, MaxEvents: 2000, EventsPerSecond: 1000}), true
	}
	return Limits{}, false
}

func (f *Fake) apiKey() string    { return cmp.Or(f.APIKey, "test-key") }
func (f *Fake) secretKey() string { return cmp.Or(f.SecretKey, "test-secret") }

func (f *Fake) now() time.Time {
	if f.Now != nil {
		return f.Now()
	}
	return time.Now()
}

// ServeHTTP answers what the package comment lists; any other path is not
// found.
func (f *Fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	now := f.now()
	log := &logged{ResponseWriter: w, fake: f, entry: Request{Time: now, Method: r.Method, Path: r.URL.Path}}
	defer log.end()
	c := &call{r: r, now: now, entry: &log.entry}
	defer f.leave(c)
	serve := f.endpoint(c)
	if h := f.interceptor(); h == nil || !h(log, r) {
		f.misbehave(log, r, serve)
	}
	log.finished = true
}
