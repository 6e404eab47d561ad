package amplitude

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/iteramp/iteramp/internal/rest"
)

// Region is where an Amplitude organisation keeps its data. A key belongs to one
// region and is refused in the other.
type Region string

// The regions of Amplitude.
const (
	RegionUS Region = "US"
	RegionEU Region = "EU"
)

// Limiter spaces requests out, not events: a request may hold a thousand. Wait is
// called before each attempt; its error ends the call. A
// [golang.org/x/time/rate.Limiter] is one; the same value in several Configs makes
// Clients share it.
type Limiter interface {
	Wait(context.Context) error
}

// Config says how a Client connects. Only APIKey is required.
//
// A Config prints, marshals and logs without its keys. A struct that holds one
// in an unexported field does not: fmt cannot call methods there.
type Config struct {
	// APIKey is the project's API key, found in its settings.
	APIKey string
	// SecretKey is the project's secret key. The APIs under /api need it, such as
	// that of cohorts; uploads do not.
	SecretKey string
	// Region is where the project lives, zero means RegionUS.
	Region Region
	// BaseURL stands for every host of the region, for proxies and tests. It
	// is https, or http on a loopback address.
	BaseURL string
	// HTTPClient sends the requests, zero means one with sane limits and 30
	// seconds for each attempt. It is copied, and the copy follows no redirect.
	// One of yours brings its own Timeout; without it only the context bounds an
	// attempt.
	HTTPClient *http.Client
	// MaxAttempts bounds the attempts of a request, zero means 3, one turns
	// repetition off. It also bounds how often an upload turns to the events of
	// throttled users, with 30 seconds between. Parts of an upload that was
	// refused as a whole are requests of their own.
	MaxAttempts int
	// DisableCompression sends uploads of events of 2 KiB and more as they are
	// instead of as gzip.
	DisableCompression bool
	// Limits spaces requests out by operation, as [Attempt.Op] has it: "POST
	// /batch" for UploadBatch. Operations that are not named keep the documented
	// limit. Of those with a method only requests of cohorts have one: Amplitude
	// asks senders of events to go at full speed and to obey its 429. A nil Limiter
	// means none. What else [Client.Do] calls is not limited.
	Limits map[string]Limiter
	// Logger gets a debug record for each repetition and a warning for each
	// request given up, zero means none.
	Logger *slog.Logger
	// OnAttempt is called after each attempt, from the goroutine that made it,
	// with the call's own context. It must not block, and must be ready to
	// be called by several goroutines at once.
	OnAttempt func(context.Context, Attempt)
}

// Attempt is one request as it went. Op comes from a fixed set and is fit for a
// label; it is never a full path or a query. Of [Client.Do] it is the method and
// [Request.Path] with its braces, of the link to a cohort's file "GET {Location}".
type Attempt struct {
	Op         string        // "POST /2/httpapi"
	N          int           // 1 for the first attempt
	StatusCode int           // zero if there was no answer
	Err        error         // nil if there was one, whatever its status
	Limited    time.Duration // spent waiting for the limiter, and for others to end
	Took       time.Duration // after that, to the last byte of the answer, of a stream to its first; connecting included
	RetryIn    time.Duration // zero: this was the last attempt
}

// Client is a client of Amplitude's HTTP APIs. It is safe for concurrent use,
// starts no goroutines and needs no closing. The zero value answers each call
// with an error.
type Client struct {
	// Events uploads events.
	Events EventsService
	// Cohorts reads and writes behavioral cohorts.
	Cohorts CohortsService

	core *core
}

// core is what the services of a Client share. The keys sit behind it, where no
// print of a Client reaches them.
type core struct {
	// A verb that does not fit its value makes fmt follow one pointer: these are
	// a second one.
	rest *rest.Client
	keys *keys

	ingestion string // base URL of the upload APIs
	analytics string // base URL of the APIs under /api
	gate      rest.Gate
	trusted   atomic.Bool // something was accepted since an event was last condemned without a witness
	ceilings  struct{ httpV2, batch ceiling }

	requests  rest.Slots         // of cohorts
	downloads rest.Slots         // of cohorts, and calls of the Dashboard REST API
	members   rest.Keyed[string] // one writing request at a time for a cohort
}

type keys struct{ api, secret string }

func (c *core) ceiling(ep endpoint) *ceiling {
	if ep == batchUpload {
		return &c.ceilings.batch
	}
	return &c.ceilings.httpV2
}

var hosts = map[Region]struct{ ingestion, analytics string }{
	RegionUS: {"https://api2.amplitude.com", "https://amplitude.com"},
	RegionEU: {"https://api.eu.amplitude.com", "https://analytics.eu.amplitude.com"},
}

// Amplitude takes 4 requests of a cohort at a time, and 5 requests to download
// cohorts and to its Dashboard REST API together.
//
// Reference: https://amplitude.com/docs/apis/analytics/behavioral-cohorts
const (
	parallelRequests  = 4
	parallelDownloads = 5
)

// NewClient checks cfg and returns a Client that uses it. It sends nothing.
// All mistakes are in the one error, by field and without the value.
func NewClient(cfg Config) (*Client, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	host := hosts[cmp.Or(cfg.Region, RegionUS)]
	c := &core{
		keys:      &keys{cfg.APIKey, cfg.SecretKey},
		ingestion: cmp.Or(cfg.BaseURL, host.ingestion),
		analytics: cmp.Or(cfg.BaseURL, host.analytics),
		requests:  rest.NewSlots(parallelRequests),
		downloads: rest.NewSlots(parallelDownloads),
		rest: &rest.Client{
			Name:        "amplitude",
			HTTP:        rest.HTTPClient(cfg.HTTPClient),
			MaxAttempts: cmp.Or(cfg.MaxAttempts, 3),
			Limits:      limiters(cfg.Limits),
			Log:         cfg.Logger,
			Secrets:     []string{cfg.APIKey, cfg.SecretKey},
			Pause:       pause,
			Refused:     func(r *rest.Response, problem string) error { return newError(r, problem) },
			Ambiguous:   ErrAmbiguous,
			Unsure:      ambiguous,
		},
	}
	if !cfg.DisableCompression {
		c.rest.GzipFrom = 2 << 10
	}
	if hook := cfg.OnAttempt; hook != nil {
		c.rest.OnAttempt = func(ctx context.Context, a rest.Attempt) { hook(ctx, Attempt(a)) }
	}
	return &Client{Events: EventsService{c}, Cohorts: CohortsService{c}, core: c}, nil
}

func (cfg Config) validate() error {
	var errs []error
	field := func(name string, err error) {
		if err != nil {
			errs = append(errs, fmt.Errorf("amplitude: Config.%s %w", name, err))
		}
	}
	if cfg.APIKey == "" {
		field("APIKey", errors.New("is missing"))
	}
	field("APIKey", rest.CheckKey(cfg.APIKey))
	field("SecretKey", rest.CheckKey(cfg.SecretKey))
	if _, ok := hosts[cmp.Or(cfg.Region, RegionUS)]; !ok {
		field("Region", fmt.Errorf("must be %s or %s", RegionUS, RegionEU))
	}
	if cfg.BaseURL != "" {
		field("BaseURL", rest.CheckBaseURL(cfg.BaseURL))
	}
	if cfg.MaxAttempts < 0 {
		field("MaxAttempts", errors.New("is negative"))
	}
	for _, op := range slices.Sorted(maps.Keys(cfg.Limits)) {
		if _, ok := rates[op]; !ok {
			field("Limits", fmt.Errorf("names %q, which is no operation", op))
		}
	}
	return errors.Join(errs...)
}

// APIKey is the key the Client sends events under. It is no secret: Amplitude
// has it in every web page. The secret key cannot be read back.
func (c *Client) APIKey() string {
	if c.core == nil {
		return ""
	}
	return c.core.keys.api
}

// Request is a call of an endpoint that the package has no method for.
type Request struct {
	Method string
	// Path is as the reference prints it, "/api/3/annotations/{id}". Args take
	// the place of the braces, in order, and are escaped. Path is shown in errors,
	// logs and [Attempt.Op], Args never: an id belongs there.
	Path string
	Args []string
	// Query is a url.Values, or a struct with url tags of go-querystring.
	Query any
	// Body is sent as JSON, a url.Values as a form, a []byte as it is.
	Body any
	// Idempotent says that a second execution cannot harm: the call may be
	// repeated after it was cut off or answered by a 5xx. A GET always may.
	Idempotent bool
}

// Do calls an endpoint that the package has no method for, with the Client's
// hosts, repetition and errors. Paths under /api go to the analytics host, with
// the keys as Basic credentials; all others to the ingestion host, which takes
// its API key from the body.
//
// Only status 200 is a success. Its body, of 8 MiB at most, is decoded into out:
// nil drops it, a *[]byte takes it as it is, anything else is decoded as JSON. Any
// other status is an [*Error].
func (c *Client) Do(ctx context.Context, req Request, out any) error {
	if c.core == nil {
		return errNoClient
	}
	call := rest.Call{
		Method: req.Method, Base: c.core.ingestion, Path: req.Path, Args: req.Args,
		Query: req.Query, Body: req.Body, Idempotent: req.Idempotent || req.Method == http.MethodGet,
	}
	if strings.HasPrefix(req.Path, "/api/") {
		call.Base, call.Auth, call.Plain = c.core.analytics, c.core.basic, true
	}
	return c.core.rest.Do(ctx, call, out)
}

func (c *core) basic(req *http.Request) { req.SetBasicAuth(c.keys.api, c.keys.secret) }

var errNoClient = errors.New("amplitude: the Client was not made by NewClient")

// Format prints cfg without its keys, whatever the verb.
func (cfg Config) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "amplitude.Config{Region: %s}", cmp.Or(cfg.Region, RegionUS))
}

// MarshalJSON encodes cfg without its keys.
func (cfg Config) MarshalJSON() ([]byte, error) {
	return fmt.Appendf(nil, `{"region":%q}`, cmp.Or(cfg.Region, RegionUS)), nil
}

// LogValue logs cfg without its keys.
func (cfg Config) LogValue() slog.Value {
	return slog.GroupValue(slog.String("region", string(cmp.Or(cfg.Region, RegionUS))))
}

// Format prints c without its keys, whatever the verb.
func (c *Client) Format(f fmt.State, _ rune) { io.WriteString(f, "amplitude.Client") }
