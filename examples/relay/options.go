package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"github.com/iteramp/iteramp/amplitude"
)

const description = `Takes Iterable's system webhooks and delivers them to Amplitude.

Each flag may be written with one dash or two, or be given by the environment variable in brackets.

For a single route, set RELAY_AMPLITUDE_KEY and RELAY_SECRET: the two halves of the webhook's token,
"<amplitude_api_key>:<secret>". RELAY_SECRET_OLD is taken as well, while you change the secret. The secrets are read
from the environment only: everybody on the machine can see flags. For more routes, or rules of your own, write a -routes file.

Exit codes: 0 stopped, or checked and well; 1 failed; 2 wrong settings.`

// options are the settings, each a flag and an environment variable.
type options struct {
	Listen string   `default:":8080" placeholder:"ADDR" help:"Where webhooks arrive."`
	Path   []string `default:"/iterable" placeholder:"PATH" help:"The path they arrive at; repeatable."`
	Admin  string   `default:"127.0.0.1:8081" placeholder:"ADDR" help:"Where metrics, health and dead letters are served, to anybody who can connect."`

	AdminPublic bool `help:"Allow -admin to be no loopback address. Keep strangers from it yourself, and web pages too."`

	Routes       string           `placeholder:"FILE" help:"The routes, as JSON; see routes.example.json."`
	AmplitudeKey string           `placeholder:"KEY" help:"Without -routes: the project's API key."`
	Region       amplitude.Region `placeholder:"US|EU" help:"Without -routes: where the project lives (default US)."`

	Data      string   `placeholder:"DIR" help:"Keep the queue in files here (default relay-data)."`
	NATS      string   `name:"nats" placeholder:"URL" help:"Keep the queue in a NATS cluster instead."`
	NATSCreds string   `name:"nats-creds" placeholder:"FILE" help:"With -nats: the credentials file."`
	Replicas  int      `default:"3" placeholder:"N" help:"With -nats: how many servers keep each webhook."`
	Monitor   []string `placeholder:"URL" help:"With -nats: a server's monitoring address, of all servers, such as http://10.0.0.1:8222: the start checks that each syncs every write; repeatable."`
	Direct    bool     `help:"No queue: answer each webhook when Amplitude has it."`

	MaxBytes     size `default:"10GiB" placeholder:"SIZE" help:"Bytes of each route that may wait."`
	MaxDeadBytes size `default:"1GiB" placeholder:"SIZE" help:"Bytes of dead letters that are kept, of all routes together."`

	AnswerWithin   time.Duration `default:"5s" placeholder:"TIME" help:"When a webhook is answered 503 if it is not stored."`
	MaxBody        size          `default:"1MiB" placeholder:"SIZE" help:"Bytes of one webhook."`
	MaxWaiting     int           `default:"10000" placeholder:"N" help:"Webhooks held at a time; more are answered 503."`
	MaxConnections int           `default:"1024" placeholder:"N" help:"Connections at a time; more wait."`

	TLSCert string `name:"tls-cert" placeholder:"FILE" help:"The certificates, as PEM: serve HTTPS."`
	TLSKey  string `name:"tls-key" placeholder:"FILE" help:"The certificate's key, as PEM."`

	StopWithin time.Duration `default:"25s" placeholder:"TIME" help:"How long a stop may take."`
	LogLevel   slog.Level    `default:"info" placeholder:"LEVEL" help:"debug, info, warn or error."`
	Check      bool          `help:"Try the settings and the vendors, send no event, and exit."`
	Version    bool          `help:"Print the version and exit."`
}

var errHelp = errors.New("help was printed")

// parse reads flags and environment. All mistakes are in the one error, but for
// those of a flag's form, which come one at a time.
func parse(args []string, stdout io.Writer, getenv func(string) string) (options, error) {
	var opts options
	helped := false
	parser, err := kong.New(&opts, kong.Name("relay"), kong.Description(description),
		kong.Writers(stdout, io.Discard), // run prints the error
		kong.Exit(func(int) { helped = true }),
		kong.Resolvers(kong.ResolverFunc(func(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
			if v := getenv(variable(flag.Name)); v != "" && !commandOnly(flag.Name) {
				return v, nil
			}
			return nil, nil
		})),
		kong.ValueFormatter(withVariable))
	if err != nil {
		return opts, err
	}
	_, err = parser.Parse(twoDashes(args))
	switch {
	case helped:
		return opts, errHelp
	case err != nil:
		return opts, err
	}
	if !opts.Direct && opts.NATS == "" {
		opts.Data = cmp.Or(opts.Data, "relay-data")
	}
	return opts, opts.validate(getenv)
}

// variable is a flag's environment variable.
func variable(flag string) string {
	return "RELAY_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// commandOnly are the flags that no environment sets: images like to have a variable
// for their version.
func commandOnly(flag string) bool { return flag == "help" || flag == "version" }

func withVariable(v *kong.Value) string {
	if commandOnly(v.Name) {
		return v.Help
	}
	text := v.Help
	if v.HasDefault {
		text = strings.TrimSuffix(text, ".") + " (default " + v.Default + ")."
	}
	return text + " [" + variable(v.Name) + "]"
}

// twoDashes lets flags have one dash, as those of the other programs do.
func twoDashes(args []string) []string {
	args = slices.Clone(args)
	for i, arg := range args {
		if len(arg) > 2 && arg[0] == '-' && arg[1] != '-' {
			args[i] = "-" + arg
		}
	}
	return args
}

func (o options) validate(getenv func(string) string) error {
	var errs []error
	mistake := func(wrong bool, text string) {
		if wrong {
			errs = append(errs, errors.New(text))
		}
	}
	queues := 0
	for _, chosen := range []bool{o.Data != "", o.NATS != "", o.Direct} {
		if chosen {
			queues++
		}
	}
	mistake(queues > 1, "choose one of -data, -nats and -direct")
	mistake(o.NATS == "" && (len(o.Monitor) > 0 || o.NATSCreds != ""), "-monitor and -nats-creds go with -nats")
	mistake(o.Routes == "" && o.AmplitudeKey == "", "-routes is missing, or RELAY_AMPLITUDE_KEY for a single route")
	mistake(o.Routes != "" && (o.AmplitudeKey != "" || o.Region != ""), "-amplitude-key and -region do not go with -routes")
	mistake(o.Routes == "" && o.AmplitudeKey != "" && getenv("RELAY_SECRET") == "", "RELAY_SECRET is not set: anyone could send events")
	mistake((o.TLSCert == "") != (o.TLSKey == ""), "-tls-cert and -tls-key go together")
	mistake(!o.AdminPublic && !isLoopback(o.Admin), "-admin is not on a loopback address such as 127.0.0.1:8081: -admin-public would allow that")
	for _, p := range o.Path {
		mistake(!strings.HasPrefix(p, "/") || strings.ContainsAny(p, "?#"), "-path must begin with a slash and have no query")
	}
	for _, f := range []struct {
		name string
		n    int64
	}{
		{"max-bytes", int64(o.MaxBytes)}, {"max-dead-bytes", int64(o.MaxDeadBytes)}, {"answer-within", int64(o.AnswerWithin)},
		{"max-body", int64(o.MaxBody)}, {"max-waiting", int64(o.MaxWaiting)}, {"max-connections", int64(o.MaxConnections)},
		{"stop-within", int64(o.StopWithin)}, {"replicas", int64(o.Replicas)},
	} {
		mistake(f.n <= 0, "-"+f.name+" must be more than zero")
	}
	return errors.Join(errs...)
}

// isLoopback tells whether only this machine can reach an address.
func isLoopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	return err == nil && loopbackHost(host)
}

func loopbackHost(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}

// mode is what the log calls the kind of queue.
func (o options) mode() string {
	switch {
	case o.Direct:
		return "direct"
	case o.NATS != "":
		return "cluster"
	}
	return "embedded"
}

// size is a number of bytes, written as 1048576, 1024KiB or 1MiB.
type size int64

var units = []struct {
	name string
	size size
}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40}}

// UnmarshalText reads what a user wrote.
func (s *size) UnmarshalText(text []byte) error {
	number, unit := string(text), size(1)
	for _, u := range units {
		if rest, ok := strings.CutSuffix(number, u.name); ok {
			number, unit = strings.TrimSpace(rest), u.size
		}
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n < 0 || n > math.MaxInt64/int64(unit) {
		return fmt.Errorf("want a number of bytes, such as 512MiB")
	}
	*s = size(n) * unit
	return nil
}

func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	return cmp.Or(info.Main.Version, "unknown")
}
