package iterabletest

import (
	"bytes"
	"cmp"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/iteramp/iteramp/iterable"
)

// Fake is an Iterable project in memory: an [http.Handler] that answers as
// Iterable's API does. Its zero value is ready, it is an email-based project
// without rate limits in which every write is visible at once. It must not be
// copied after first use. The exported fields are to be set before the first
// request, the methods may be called at any time and from several goroutines.
type Fake struct {
	APIKey string // zero means "test-api-key"
	// ProjectType is what identifies users. Zero means [iterable.ProjectTypeEmail].
	//
	// Source: https://support.iterable.com/hc/en-us/articles/9216719179796
	ProjectType iterable.ProjectType

	// Now is the clock of the fake: it dates what is written, lets it settle
	// and rolls the windows of the rates. Zero means time.Now, which is
	// virtual inside a testing/synctest bubble.
	Now func() time.Time

	// SettleAfter is how long a write that was accepted stays unseen, by reads
	// and by the rules that later writes are judged by: to track an event of a
	// user created less than that ago fails with notFound. Iterable asks to
	// leave 60 seconds between dependent calls. Zero means that writes are
	// seen at once.
	SettleAfter time.Duration
	// ListSettleAfter is how long a new list answers invalidListId to
	// lists/subscribe and lists/unsubscribe, as Iterable's do for some
	// seconds. Zero means SettleAfter, negative means that it does not.
	ListSettleAfter time.Duration

	// RateLimits holds requests to the documented rates. Without it only those
	// of Rates hold, so that tests are fast.
	RateLimits bool
	// Rates stands for the documented rates of operations, by name: the method
	// and the path as the reference has them, such as "POST /api/lists/subscribe"
	// and "GET /api/lists/{listId}/size". A rate of zero requests means that
	// the operation has no limit.
	Rates map[string]Rate

	// MaxBytes is the size of the largest request body. Zero means 4,000,000,
	// what users/bulkUpdate is documented to take; the fake holds all
	// operations to it and reads "4 MB" as decimal, which is the smaller.
	// Larger bodies are answered 400 BatchTooLarge, the code that the
	// reference has; clients should expect a 413 too, see [Fake.FailNext].
	MaxBytes int

	// DropNewFields is the setting of a project that takes no new fields: what
	// is unknown is left out of profiles and events, unless a request says
	// createNewFields.
	DropNewFields bool
	// DisallowedEvents are names of custom events that the project blocks:
	// they are answered 200 and not stored.
	DisallowedEvents []string
	// OptInMessageTypes lets updateSubscriptions set subscribedMessageTypeIds,
	// which Iterable has to enable for a project.
	OptInMessageTypes bool
	// Channels and MessageTypes are those of the project. Zero means a few of
	// e-mail, as a new project has them.
	Channels     []Channel
	MessageTypes []MessageType
	// NoSubscriptions makes the operations under /api/subscriptions answer
	// 404, as in a project for which Iterable has not enabled them.
	NoSubscriptions bool

	// OldReplies leaves failedUpdates out of bulk answers, so that
	// invalidEmails and invalidUserIds are the only detail, as observed of
	// Iterable in the past.
	OldReplies bool
	// SkipsUncounted has lists/subscribe leave whom updateExistingUsersOnly
	// skipped out of both counts. Without it they are failures by notFound.
	// The reference does not say which it is.
	SkipsUncounted bool

	mu        sync.Mutex
	intercept func(http.ResponseWriter, *http.Request) bool
	script    []step
	refusals  map[string][]Reason
	effects   []effect
	requests  []Request
	served    map[string][]time.Time // by operation, for the rates

	people    people
	forgotten identifiers
	schema    schema // of user profiles
	lists     lists
	tracked   tracked
	webhooks  []Webhook
	campaigns campaigns
}

// effect is a write that was accepted and is not yet seen.
type effect struct {
	at    time.Time
	apply func()
}

func (f *Fake) apiKey() string { return cmp.Or(f.APIKey, "test-api-key") }

func (f *Fake) now() time.Time {
	if f.Now != nil {
		return f.Now()
	}
	return time.Now()
}

// later applies a write once it is due.
func (f *Fake) later(now time.Time, apply func()) {
	if f.SettleAfter <= 0 {
		apply()
		return
	}
	f.effects = append(f.effects, effect{now.Add(f.SettleAfter), apply})
}

// settle applies the writes that are due, in the order they came in.
func (f *Fake) settle(now time.Time) {
	n := 0
	for n < len(f.effects) && !f.effects[n].at.After(now) {
		f.effects[n].apply()
		f.effects[n].apply = nil
		n++
	}
	if f.effects = f.effects[n:]; len(f.effects) == 0 {
		f.effects = nil
	}
}

// ServeHTTP answers the operations that the package's documentation lists; any
// other path or method is not found.
func (f *Fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := call{now: f.now(), query: r.URL.Query(), key: r.Header.Get("Api-Key"), host: r.Host, path: r.URL.Path}
	c.op, c.args = route(r.Method, r.URL.EscapedPath())
	body, whole := f.receive(r)
	c.read(body, whole)
	log := &logged{ResponseWriter: w, fake: f, entry: Request{
		Time: c.now, Method: r.Method, Path: r.URL.Path, Op: c.op.name(), Records: c.records(), Bytes: len(body),
	}}
	defer log.end()
	if h := f.interceptor(); h == nil || !h(log, r) {
		f.misbehave(log, c)
	}
	log.finished = true
}

// receive reads the body here, so that a request is logged whole, whatever is
// answered to it, and leaves a copy to the one who intercepts it. It stops
// where the body gets too large.
func (f *Fake) receive(r *http.Request) (body []byte, whole bool) {
	limit := cmp.Or(f.MaxBytes, 4_000_000)
	body, _ = io.ReadAll(io.LimitReader(r.Body, int64(limit)+1)) // what was cut off is no JSON
	r.Body = io.NopCloser(io.MultiReader(bytes.NewReader(body), r.Body))
	return body, len(body) <= limit
}
