// Quickstart shows Iterable webhooks becoming Amplitude events and an Amplitude
// cohort becoming an Iterable list, without an account:
// go run ./examples/quickstart
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"

	"github.com/iteramp/iteramp/amplitude"
)

const usage = `Quickstart shows Iterable webhooks becoming Amplitude events, and an Amplitude
cohort becoming an Iterable list.

usage: quickstart                          no account, no network
       quickstart -durable                 a relay is killed and started again
       quickstart -preview FILE [-email]   what would become of one webhook
       quickstart -live [-region EU]       with a project of yours at Amplitude

Without flags it starts a fake Amplitude and a relay on this machine, sends the
relay 98 example webhooks as Iterable would, reads back what arrived through
Amplitude's export API, and prints it: what arrived, what came twice, what was
skipped or refused and why, and one event before and after. Then it syncs a
cohort twice between that and a fake Iterable.

  -durable        send the 98 examples to a relay with a queue while Amplitude
                  is down, kill it, start it again, and count what arrives.
                  Takes about a minute.
  -preview FILE   read one webhook, "-" for standard input, and print the event
                  it would become, field by field. Nothing is sent.
  -email          with -preview: users without a userId go by e-mail address
  -live           send the 98 examples to Amplitude itself. They show up in your
                  project as events of a few invented users; use a test project.
  -region REGION  with -live: US or EU (default $AMPLITUDE_REGION, else US)
  -base-url URL   with -live: send here instead of to the region's host,
                  for a proxy or the sandbox
  -h              print this

environment, read with -live only:
  AMPLITUDE_API_KEY   the project's API key, required
  AMPLITUDE_REGION    US or EU

exit codes:
  0   all as expected; with -preview, the event would be sent
  1   not as expected, or it failed; with -preview, it would be skipped
  2   wrong flags or settings; with -preview, no system webhook, or unreadable
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	if at := strings.Fields(os.Getenv(relayEnv)); len(at) == 2 {
		if err := serveRelay(ctx, at[0], at[1], os.Stdout); err != nil {
			fmt.Fprintf(os.Stderr, "quickstart: the relay: %v\n", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr, os.Getenv)
	stop()
	os.Exit(code)
}

// run is main without the process: tests call it.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer, getenv func(string) string) int {
	opts, err := parse(args, getenv)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Fprint(stdout, usage)
		return 0
	}
	if err != nil {
		fmt.Fprintf(stderr, "quickstart: %v\nquickstart -h shows how to use it\n", err)
		return 2
	}
	if opts.preview != "" {
		return preview(opts, stdin, stdout, stderr)
	}
	if opts.durable {
		code, err := durable(ctx, stdout)
		if err != nil {
			fmt.Fprintf(stderr, "quickstart: %v\n", err)
		}
		return code
	}
	outcome, err := demo(ctx, opts.live)
	if err != nil {
		fmt.Fprintf(stderr, "quickstart: %v\n", err)
		return 1
	}
	code := report(stdout, outcome)
	if opts.live != nil {
		return code
	}
	cohort, err := syncCohort(ctx)
	if err != nil {
		fmt.Fprintf(stderr, "quickstart: %v\n", err)
		return 1
	}
	return max(code, reportCohort(stdout, cohort))
}

type options struct {
	live    *amplitude.Config // nil means the fake
	preview string            // a file's name, "-" for standard input
	email   bool
	durable bool
}

func parse(args []string, getenv func(string) string) (options, error) {
	var opts options
	fs := flag.NewFlagSet("quickstart", flag.ContinueOnError)
	fs.SetOutput(io.Discard) // run prints the error
	live := fs.Bool("live", false, "")
	region := fs.String("region", "", "")
	baseURL := fs.String("base-url", "", "")
	fs.StringVar(&opts.preview, "preview", "", "")
	fs.BoolVar(&opts.email, "email", false, "")
	fs.BoolVar(&opts.durable, "durable", false, "")
	if err := fs.Parse(args); err != nil {
		return opts, err
	}
	switch {
	case fs.NArg() > 0:
		return opts, fmt.Errorf("%q is no flag", fs.Arg(0))
	case *live && opts.preview != "":
		return opts, errors.New("-live sends and -preview does not: choose one")
	case opts.durable && (*live || opts.preview != ""):
		return opts, errors.New("-durable goes alone")
	case opts.email && opts.preview == "":
		return opts, errors.New("-email goes with -preview")
	case !*live && (*region != "" || *baseURL != ""):
		return opts, errors.New("-region and -base-url go with -live")
	case !*live:
		return opts, nil // whatever the environment holds
	}
	key := getenv("AMPLITUDE_API_KEY")
	if key == "" {
		return opts, errors.New("-live needs the API key of your project in AMPLITUDE_API_KEY")
	}
	opts.live = &amplitude.Config{
		APIKey:  key,
		Region:  amplitude.Region(cmp.Or(*region, getenv("AMPLITUDE_REGION"))),
		BaseURL: *baseURL,
	}
	_, err := amplitude.NewClient(*opts.live) // sends nothing, finds every mistake
	return opts, err
}
