package main

import (
	"encoding/json"
	"fmt"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// TestMain is the process that is broken, if the environment says so. Else it runs
// the rows and looks at what they left behind, which is a row too.
func TestMain(m *testing.M) {
	if raw := os.Getenv(orderVariable); raw != "" {
		var o order
		err := json.Unmarshal([]byte(raw), &o)
		if err == nil {
			err = serve(o)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if raw := os.Getenv(syncVariable); raw != "" {
		var o syncOrder
		err := json.Unmarshal([]byte(raw), &o)
		if err == nil {
			err = syncOnce(o)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	start, files := time.Now(), openFiles()
	code := m.Run()
	if *tier != "" {
		r := result{Row: "F24", What: "leaks, and secrets in logs", Iterations: 1, Seed: *seed, Seconds: time.Since(start).Seconds()}
		if err := leftovers(files); err != nil {
			fmt.Println("F24:", err)
			r.Failures, code = 1, 1
		}
		report(r)
	}
	os.Exit(code)
}

// leftovers is an error if goroutines or files are still open, or if a log named
// somebody.
func leftovers(files int) error {
	watched.mu.Lock()
	defer watched.mu.Unlock()
	if len(watched.leaks) > 0 {
		return fmt.Errorf("%d of %d log lines name keys, addresses or users, the first is %.300q", len(watched.leaks), watched.lines, watched.leaks[0])
	}
	if watched.lines == 0 && *row == "" && os.Getenv(resultsFile) != "" {
		return fmt.Errorf("nothing was logged")
	}
	theirs := []goleak.Option{ // toxiproxy forgets some of those that move its bytes
		goleak.IgnoreAnyFunction("github.com/Shopify/toxiproxy/v2/toxics.(*ToxicStub).Run"),
		goleak.IgnoreAnyFunction("github.com/Shopify/toxiproxy/v2.(*ToxicLink).write"),
		goleak.IgnoreAnyFunction("github.com/Shopify/toxiproxy/v2.(*ToxicLink).read"),
	}
	if err := goleak.Find(theirs...); err != nil {
		return err
	}
	for range 50 { // what the runtime closes takes a moment
		if openFiles() <= files+1 {
			return nil
		}
		time.Sleep(100 * time.Millisecond)
	}
	return fmt.Errorf("%d files are open, %d were at the start", openFiles(), files)
}

// openFiles is 0 where the system does not say.
func openFiles() int {
	entries, _ := os.ReadDir("/proc/self/fd")
	return len(entries)
}
