package iteramp

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"regexp"
	"strings"
	"time"

	"github.com/iteramp/iteramp/amplitude"
	"github.com/iteramp/iteramp/internal/hook"
	"github.com/iteramp/iteramp/mapping"
)

// RelayConfig says what a Relay serves. Only Routes are required. It prints,
// marshals and logs without its secrets.
type RelayConfig struct {
	// Routes are the Amplitude projects served, at least one.
	Routes []Route
	// Queue is where webhooks wait until [Relay.Run] has delivered them; a webhook
	// is answered when it is stored there. Nil means that each is delivered before
	// it is answered. Whoever opened the queue closes it, after the server has shut
	// down and Run has returned.
	Queue Queue
	// DeadLetter keeps the webhooks that are not delivered in the end. A Queue
	// requires one. Without a Queue it may be nil; else what Amplitude refuses for
	// good is stored there before it is answered.
	DeadLetter DeadLetter
	// AnswerWithin is how long a webhook is held at most before it is answered
	// 503, zero means 5 seconds. Reading the request comes before: the server's
	// ReadTimeout bounds that. Iterable's own time limit is not documented.
	AnswerWithin time.Duration
	// MaxBody bounds a webhook's size, zero means 1 MiB.
	MaxBody int64
	// MaxWaiting bounds the requests held at a time, zero means 10,000. Those
	// beyond are answered 503 with their body unread.
	MaxWaiting int
	// Logger is told when Amplitude begins to fail and when it is back (with a
	// Queue, the Client's Logger is), when the queue does, of each event that is
	// refused for good, of secrets that are short, of the first
	// request that is no system webhook, and of panics; never of data. Zero means
	// none.
	Logger *slog.Logger
	// OnOutcome is told of each webhook once, when its fate is known and before
	// it is answered, by the goroutine of its request and with the request's own
	// context, which ends when the sender goes away. Of a webhook that was queued it
	// is told by Run, with Run's context. It must not block, and
	// must be ready to be called by several goroutines at once; if it panics, the
	// webhook is answered 503. What is answered before there is a webhook (400, 401, 405,
	// 413, 415, a 503 for too many requests or a body that broke off) has no
	// outcome and is counted in [RelayStats.Answers] only.
	OnOutcome func(context.Context, RelayOutcome)
}

// Route is one way through a Relay: the webhooks that carry the client's API key
// and one of the secrets become events of the client's project. Two Iterable
// projects may feed one Amplitude project by routes with different secrets.
type Route struct {
	// Name labels logs, outcomes and errors, zero means "default". It is up to
	// 64 letters, digits, "-" and "_".
	Name string
	// Amplitude sends the events and, by its API key, says which webhooks are
	// this route's. AnswerWithin bounds its repetition.
	Amplitude *amplitude.Client
	// Secrets are what may follow the colon in the webhook's token; the vendors
	// call it the Iterable authentication key. Keep the one in use, or make up a
	// long random text. Several allow a new one, which comes first, to be taken
	// before the old one is gone. Each is at least 8 bytes; less than 16 is
	// warned about.
	Secrets []string
	// Rules say what becomes of a webhook. The zero value does what the vendors'
	// own integration does.
	Rules mapping.Rules
}

var routeName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

func (cfg RelayConfig) validate() error {
	var errs []error
	mistake := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("iteramp: "+format, args...))
	}
	if len(cfg.Routes) == 0 {
		mistake("Routes is empty")
	}
	if cfg.Queue != nil && cfg.DeadLetter == nil {
		mistake("Queue without a DeadLetter")
	}
	names := make(map[string]int)
	tokens := make(map[string]string)
	for i, rt := range cfg.Routes {
		field := fmt.Sprintf("Routes[%d].", i)
		name := cmp.Or(rt.Name, "default")
		if !routeName.MatchString(name) {
			mistake("%sName must be up to 64 letters, digits, - and _", field)
		}
		if first, taken := names[name]; taken {
			mistake("%sName is that of Routes[%d]", field, first)
		} else {
			names[name] = i
		}
		key := ""
		if rt.Amplitude != nil {
			key = rt.Amplitude.APIKey()
		}
		if key == "" {
			mistake("%sAmplitude is missing, or was not made by NewClient", field)
		}
		if len(rt.Secrets) == 0 {
			mistake("%sSecrets is empty: anyone could send events", field)
		}
		for j, secret := range rt.Secrets {
			secretField := fmt.Sprintf("%sSecrets[%d]", field, j)
			if err := checkSecret(key, secret); err != nil {
				mistake("%s %w", secretField, err)
			}
			if first, taken := tokens[key+":"+secret]; taken && secret != "" {
				mistake("%s is that of %s, with the same API key", secretField, first)
			} else {
				tokens[key+":"+secret] = secretField
			}
		}
	}
	for _, f := range []struct {
		name     string
		negative bool
	}{
		{"AnswerWithin", cfg.AnswerWithin < 0},
		{"MaxBody", cfg.MaxBody < 0},
		{"MaxWaiting", cfg.MaxWaiting < 0},
	} {
		if f.negative {
			mistake("%s is negative", f.name)
		}
	}
	return errors.Join(errs...)
}

// checkSecret also finds the whole token in the place of the secret, which would
// be answered 401 for ever.
func checkSecret(key, secret string) error {
	if key != "" && strings.HasPrefix(secret, key+":") {
		return errors.New("begins with the API key and a colon: leave them out")
	}
	return hook.CheckSecret(secret)
}

// redacted is what may be known of a route.
func (rt Route) redacted() string {
	return fmt.Sprintf("{Name:%s Secrets:[%d redacted]}", cmp.Or(rt.Name, "default"), len(rt.Secrets))
}

// Format prints the route without its secrets, whatever the verb.
func (rt Route) Format(s fmt.State, _ rune) { io.WriteString(s, rt.redacted()) }

// MarshalText encodes the route without its secrets.
func (rt Route) MarshalText() ([]byte, error) { return []byte(rt.redacted()), nil }

// LogValue logs the route without its secrets.
func (rt Route) LogValue() slog.Value { return slog.StringValue(rt.redacted()) }

func (cfg RelayConfig) redacted() string {
	return fmt.Sprintf("{Routes:%v AnswerWithin:%s MaxBody:%d MaxWaiting:%d}", cfg.Routes, cfg.AnswerWithin, cfg.MaxBody, cfg.MaxWaiting)
}

// Format prints the config without its secrets, whatever the verb.
func (cfg RelayConfig) Format(s fmt.State, _ rune) { io.WriteString(s, cfg.redacted()) }

// MarshalText encodes the config without its secrets.
func (cfg RelayConfig) MarshalText() ([]byte, error) { return []byte(cfg.redacted()), nil }

// LogValue logs the config without its secrets.
func (cfg RelayConfig) LogValue() slog.Value { return slog.StringValue(cfg.redacted()) }
