// Campaign breaks iteramp on purpose and judges what is lost. It is run from the
// root of the repository:
//
//	go run ./internal/campaign                      # tier P: some minutes
//	go run ./internal/campaign -tier N              # an hour
//	go run ./internal/campaign -tier R              # a night
//	go run ./internal/campaign -row F05 -n 1 -seed 7   # what a table has named
//	go run ./internal/campaign -bugs                # that the proof can fail; writes BUGS.md
//	go run ./internal/campaign -compare             # the same faults for Amplitude's own Go SDK
//
// A row is a kind of fault and a test here. It is run so many times, each time with
// the next seed, from which all that is random follows; only what the operating
// system does in between does not. The table says how often it failed.
//
// # What is judged
//
// The driver posts webhooks made from a number, and notes a number as owed only
// when it was answered 200. The Amplitude is a fake in the driver's process, which
// outlives the relay. At the end, with all faults off, each number that is owed must
// be in Amplitude or in the dead letter, and not in both; nothing else may be there,
// and nothing twice. A run in which the fault did not happen fails too.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"text/tabwriter"
	"time"
)

var (
	tier    = flag.String("tier", "", "how much: P, N or R")
	row     = flag.String("row", "", "only the rows that match this `pattern`, such as F05")
	but     = flag.String("skip", "", "not the rows that match this `pattern`")
	times   = flag.Int("n", 0, "how often each row is run, instead of the tier's number")
	seed    = flag.Uint64("seed", uint64(time.Now().UnixNano()), "of the first run of each row")
	race    = flag.Bool("race", false, "with the race detector")
	bugs    = flag.Bool("bugs", false, "apply each seeded bug to a copy and see that a row fails")
	bug     = flag.String("bug", "", "the same for those bugs only whose name matches this `pattern`")
	compare = flag.Bool("compare", false, "compare with Amplitude's Go SDK under the same faults")
)

func main() {
	flag.Parse()
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "campaign:", err)
		os.Exit(1)
	}
}

func run() error {
	switch {
	case *compare:
		return compareAll(os.Stdout)
	case *bugs || *bug != "":
		return seedBugs(os.Stdout)
	}
	if *tier == "" {
		*tier = "P"
	}
	dir, err := module()
	if err != nil {
		return err
	}
	results, failed := runRows(dir, os.Stdout)
	fmt.Print("\n", table(results))
	if failed != nil {
		return fmt.Errorf("tier %s: %w", *tier, failed)
	}
	return nil
}

// module is where the source of the campaign is.
func module() (dir string, err error) {
	out, err := exec.Command("go", "list", "-f", "{{.Dir}}", "github.com/iteramp/iteramp/internal/campaign").Output()
	return strings.TrimSpace(string(out)), err
}

// result is what a row says of itself at its end.
type result struct {
	Row        string
	What       string
	Iterations int
	Failures   int
	Seconds    float64
	Seed       uint64
	Whole      bool   // all of its iterations in one go
	Skipped    string // why, if it was
}

// resultsFile is in the environment of the tests.
const resultsFile = "ITERAMP_CAMPAIGN_RESULTS"

// rowsWithin ends a run of rows that does not end by itself.
var rowsWithin = 12 * time.Hour

// runRows runs the tests in a directory.
func runRows(dir string, out io.Writer) (results []result, err error) {
	f, err := os.CreateTemp("", "campaign")
	if err != nil {
		return nil, err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	// Without a package's name go test shows what is printed as it comes.
	args := []string{"test", "-count=1", fmt.Sprint("-timeout=", rowsWithin), "-parallel=12", fmt.Sprint("-race=", *race), "-run=^TestF[0-9]+"}
	if *row != "" {
		args[len(args)-1] = "-run=^Test(" + *row + ")"
	}
	if *but != "" {
		args = append(args, "-skip=^Test("+*but+")")
	}
	args = append(args, "-args", "-tier="+*tier, "-row="+*row, fmt.Sprint("-n=", *times), fmt.Sprint("-seed=", *seed))
	cmd := exec.Command("go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), resultsFile+"="+f.Name())
	cmd.Stdout, cmd.Stderr = out, out
	failed := cmd.Run()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		var r result
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			return results, err
		}
		results = append(results, r)
	}
	if len(results) == 0 && failed == nil {
		failed = errors.New("no such row")
	}
	return results, failed
}

// report appends the result of a row to the file that the environment names.
func report(r result) {
	name := os.Getenv(resultsFile)
	if name == "" {
		return
	}
	f, err := os.OpenFile(name, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return
	}
	defer f.Close()
	_ = json.NewEncoder(f).Encode(r)
	fmt.Printf("%s: %d runs, %d failures, %.1f s\n", r.Row, r.Iterations, r.Failures, r.Seconds)
}

func table(results []result) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "row\tfault\truns\tfailures\tseconds\tseed")
	for _, r := range results {
		if r.Skipped != "" {
			fmt.Fprintf(w, "%s\t%s\tskipped: %s\n", r.Row, r.What, r.Skipped)
			continue
		}
		fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%.1f\t%d\n", r.Row, r.What, r.Iterations, r.Failures, r.Seconds, r.Seed)
	}
	w.Flush()
	return b.String()
}
