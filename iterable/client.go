package iterable

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
	"time"

	"github.com/iteramp/iteramp/internal/rest"
)

// Region is the data center of an Iterable project. A key belongs to one project
// and is refused in the other data center.
type Region string

// The data centers of Iterable.
const (
	RegionUS Region = "US"
	RegionEU Region = "EU"
)

// ProjectType is what identifies the users of a project. It is fixed when the
// project is made; no endpoint tells it.
type ProjectType string

// The types of projects.
const (
	// ProjectTypeEmail identifies users by e-mail address. A user known by userId
	// alone gets a placeholder address. Such projects exist in the US only.
	ProjectTypeEmail ProjectType = "email"
	// ProjectTypeUserID identifies users by userId.
	ProjectTypeUserID ProjectType = "userId"
	// ProjectTypeHybrid identifies users by either.
	ProjectTypeHybrid ProjectType = "hybrid"
)

// Limiter spaces requests out, not records: a request may hold a thousand. Wait is
// called before each attempt; its error ends the call. A
// [golang.org/x/time/rate.Limiter] is one; the same value in several Configs makes
// Clients share it, as Iterable's limits are those of a project.
type Limiter interface {
	Wait(context.Context) error
}

// Config says how a Client connects. Only APIKey is required.
//
// A Config prints, marshals and logs without its key. A struct that holds one in
// an unexported field does not: fmt cannot call methods there.
type Config struct {
	// APIKey is a server-side key of the project, found under Integrations > API
	// Keys.
	APIKey string
	// Region is where the project lives, zero means RegionUS.
	Region Region
	// ProjectType is what identifies the project's users. The methods of this
	// package send what they are given and do not need it; flows that choose
	// between the two identifiers do.
	ProjectType ProjectType
	// BaseURL stands for the region's host, for proxies and tests. It is https,
	// or http on a loopback address.
	BaseURL string
	// HTTPClient sends the requests, zero means one with sane limits and 30
	// seconds for each attempt. It is copied, and the copy follows no redirect.
	// Its Timeout does not hold for streams such as [ListsService.Members], which
	// end with their context.
	HTTPClient *http.Client
	// MaxAttempts bounds the attempts of a request, zero means 3, one turns
	// repetition off. Parts of a bulk call that was refused as a whole are
	// requests of their own.
	MaxAttempts int
	// Limits spaces requests out by operation: "POST /api/lists/subscribe", as
	// [Attempt.Op] has it. Operations that are not named keep the documented limit
	// or, where Iterable states none, 10 requests a second. A nil Limiter means
	// none. What [Client.Do] calls has the limit of its operation too.
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
// [Request.Path] with its braces.
type Attempt struct {
	Op         string        // "GET /api/lists/{listId}/size"
	N          int           // 1 for the first attempt
	StatusCode int           // zero if there was no answer
	Err        error         // nil if there was one, whatever its status
	Limited    time.Duration // spent waiting for the limiter
	Took       time.Duration // after that, to the last byte of the answer, of a stream to its first
	RetryIn    time.Duration // zero: this was the last attempt
}

// Client is a client of Iterable's API. It is safe for concurrent use, starts no
// goroutines and needs no closing. The zero value answers each call with an
// error.
type Client struct {
	// Users are user profiles, their subscriptions, devices and privacy requests.
	Users UsersService
	// Lists are static lists and their members.
	Lists ListsService
	// Events are custom events.
	Events EventsService
	// Subscriptions subscribe users to lists, message types and channels.
	Subscriptions SubscriptionsService
	// Webhooks are the system webhooks of the project.
	Webhooks WebhooksService
	// Campaigns are the project's campaigns, to read.
	Campaigns CampaignsService
	// MessageTypes are the kinds of messages that users subscribe to.
	MessageTypes MessageTypesService
	// Channels hold the message types.
	Channels ChannelsService

	core *core
}

// core is what the services of a Client share. fmt follows the pointer to it where a
// verb does not fit, so the key sits one step further, in a func and behind rest.
type core struct {
	rest        *rest.Client
	auth        func(*http.Request)
	base        string
	projectType ProjectType
	lists       rest.Keyed[int64] // one writing request at a time for a list
}

var hosts = map[Region]string{
	RegionUS: "https://api.iterable.com",
	RegionEU: "https://api.eu.iterable.com",
}

// NewClient checks cfg and returns a Client that uses it. It sends nothing.
// All mistakes are in the one error, by field and without the value.
func NewClient(cfg Config) (*Client, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	c := &core{
		auth:        func(req *http.Request) { req.Header.Set("Api-Key", cfg.APIKey) },
		base:        cmp.Or(cfg.BaseURL, hosts[cmp.Or(cfg.Region, RegionUS)]),
		projectType: cfg.ProjectType,
		rest: &rest.Client{
			Name:        "iterable",
			HTTP:        rest.HTTPClient(cfg.HTTPClient),
			MaxAttempts: cmp.Or(cfg.MaxAttempts, 3),
			Limits:      limiters(cfg.Limits),
			Log:         cfg.Logger,
			Secrets:     []string{cfg.APIKey},
			Pause:       pause,
			Refused:     func(r *rest.Response, problem string) error { return newError(r, problem) },
			Ambiguous:   ErrAmbiguous,
			Unsure:      func(_ string, status int) bool { return ambiguous(status) },
		},
	}
	if hook := cfg.OnAttempt; hook != nil {
		c.rest.OnAttempt = func(ctx context.Context, a rest.Attempt) { hook(ctx, Attempt(a)) }
	}
	return &Client{
		Users: UsersService{c}, Lists: ListsService{c}, Events: EventsService{c}, Subscriptions: SubscriptionsService{c},
		Webhooks: WebhooksService{c}, Campaigns: CampaignsService{c}, MessageTypes: MessageTypesService{c}, Channels: ChannelsService{c},
		core: c,
	}, nil
}

func (cfg Config) validate() error {
	var errs []error
	field := func(name string, err error) {
		if err != nil {
			errs = append(errs, fmt.Errorf("iterable: Config.%s %w", name, err))
		}
	}
	if cfg.APIKey == "" {
		field("APIKey", errors.New("is missing"))
	}
	field("APIKey", rest.CheckKey(cfg.APIKey))
	if _, ok := hosts[cmp.Or(cfg.Region, RegionUS)]; !ok {
		field("Region", fmt.Errorf("must be %s or %s", RegionUS, RegionEU))
	}
	switch cfg.ProjectType {
	case "", ProjectTypeUserID, ProjectTypeHybrid:
	case ProjectTypeEmail:
		if cfg.Region == RegionEU {
			field("ProjectType", errors.New("is email, which the EU data center does not have"))
		}
	default:
		field("ProjectType", fmt.Errorf("must be %s, %s or %s", ProjectTypeEmail, ProjectTypeUserID, ProjectTypeHybrid))
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

// ProjectType is that of the Config.
func (c *Client) ProjectType() ProjectType {
	if c == nil || c.core == nil {
		return ""
	}
	return c.core.projectType
}

// Request is a call of an endpoint that the package has no method for.
type Request struct {
	Method string
	// Path is as the reference prints it, "/api/snippets/{identifier}". Args take
	// the place of the braces, in order, and are escaped. Path is shown in errors,
	// logs and [Attempt.Op], Args never: an id belongs there.
	Path string
	Args []string
	// Query is a url.Values, or a struct with url tags of go-querystring.
	Query any
	// Body is sent as JSON, a []byte as it is.
	Body any
	// Idempotent says that a second execution cannot harm: the call may be
	// repeated after it was cut off or answered by a 5xx. A GET always may.
	Idempotent bool
}

// Do calls an endpoint that the package has no method for, with the Client's
// host, key, repetition and errors.
//
// Any 2xx is a success. Its body, of 8 MiB at most, is decoded into out: nil drops
// it, a *[]byte takes it as it is, anything else is decoded as JSON. Any other
// status is an [*Error].
func (c *Client) Do(ctx context.Context, req Request, out any) error {
	if c == nil || c.core == nil {
		return errNoClient
	}
	return c.core.rest.Do(ctx, c.core.complete(rest.Call{
		Method: req.Method, Path: req.Path, Args: req.Args, Query: req.Query, Body: req.Body,
		Idempotent: req.Idempotent || req.Method == http.MethodGet,
		Status:     successes,
	}), out)
}

// successes are the statuses by which Iterable says that it has taken a call.
var successes = []int{http.StatusOK, http.StatusCreated, http.StatusAccepted, http.StatusNoContent}

// complete adds what all calls have in common.
func (c *core) complete(call rest.Call) rest.Call {
	call.Base, call.Auth = c.base, c.auth
	return call
}

var errNoClient = errors.New("iterable: the Client was not made by NewClient")

// Format prints cfg without its key, whatever the verb.
func (cfg Config) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "iterable.Config{Region: %s}", cmp.Or(cfg.Region, RegionUS))
}

// MarshalJSON encodes cfg without its key.
func (cfg Config) MarshalJSON() ([]byte, error) {
	return fmt.Appendf(nil, `{"region":%q}`, cmp.Or(cfg.Region, RegionUS)), nil
}

// LogValue logs cfg without its key.
func (cfg Config) LogValue() slog.Value {
	return slog.GroupValue(slog.String("region", string(cmp.Or(cfg.Region, RegionUS))))
}

// Format prints c without its key, whatever the verb.
func (c *Client) Format(f fmt.State, _ rune) { io.WriteString(f, "iterable.Client") }
