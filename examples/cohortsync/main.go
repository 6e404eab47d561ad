// Cohortsync makes Amplitude cohorts Iterable lists and keeps them equal:
// go run ./examples/cohortsync -h
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

const usage = `Cohortsync makes Amplitude cohorts Iterable lists and keeps them equal.

usage: cohortsync -cohort ID [-cohort ID ...] -project-type TYPE -ledger DIR          plan
       cohortsync -cohort ID [-cohort ID ...] -project-type TYPE -ledger DIR -apply   write

Without -apply it shows what would be done and writes at neither vendor. What it
has downloaded is kept and used by -apply, so that both cost one download. The
cohort "Lapsed" becomes the list "[Amplitude] Lapsed".

  -cohort ID            a cohort, by the id in the address of its page; repeatable
  -project-type TYPE    of the Iterable project: email, userId or hybrid
  -ledger DIR           where to keep what was put on each list; keep it
  -apply                write
  -every DURATION       with -apply: again and again, such as 1h or 24h, until
                        interrupted; without it once
  -list COHORT=ID       the list of a cohort, where its name does not tell;
                        repeatable
  -existing-users-only  leave out users whom Iterable does not know
  -full                 send every member again, for a list edited by hand
  -seed-from-list       take the list's members for our own if the ledger is lost
                        (userId and hybrid projects)
  -max-removals N       how many members a run may take off a list
                        (default the larger of 100 and a tenth)
  -allow-removals N     with -apply, without -every: allow this run N removals of
                        each list, and trust a doubtful download
  -json                 print plans or reports as JSON, one in a line, and all else
                        on standard error; "error" says why a cohort failed
  -amplitude-region R   US or EU (default US)
  -iterable-region R    US or EU (default US)
  -amplitude-url URL    ask here instead of the region's host, for the sandbox
  -iterable-url URL     likewise
  -h                    print this

environment:
  AMPLITUDE_API_KEY, AMPLITUDE_SECRET_KEY   the project's two keys
  ITERABLE_API_KEY                          a server-side key of the project

An interrupt ends it at once; the next run takes up the rest.

exit codes, the first that holds:
  2   wrong flags or settings
  1   a cohort could not be synced, or without -every interrupted
  4   removals were held back: too many, or the download is doubtful
  3   Iterable rejected ids, or left some open
  0   all done; with -every, interrupted
`

// The exit codes.
const (
	exitClean    = 0
	exitFailed   = 1
	exitUsage    = 2
	exitRejected = 3
	exitHeld     = 4
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second interrupt ends the process at once
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr, os.Getenv))
}

// run is main without the process: tests call it.
func run(ctx context.Context, args []string, stdout, stderr io.Writer, getenv func(string) string) int {
	opts, err := parse(args, getenv)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Fprint(stdout, usage)
		return exitClean
	}
	var job *job
	if err == nil {
		job, err = newJob(ctx, opts, stdout, stderr)
	}
	if err != nil {
		fmt.Fprintf(stderr, "cohortsync: %v\ncohortsync -h shows how to use it\n", err)
		return exitUsage
	}
	return job.run(ctx)
}
