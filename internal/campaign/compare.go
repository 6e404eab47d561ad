package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"text/tabwriter"
	"time"

	sdk "github.com/amplitude/analytics-go/amplitude"

	"github.com/iteramp/iteramp/amplitude"
	"github.com/iteramp/iteramp/amplitude/amplitudetest"
)

const users = 40

func user(n int) string { return fmt.Sprintf("user-%d", n%users) }

// library is what is compared: it takes events and sends them in the background.
type library interface {
	add(n int)
	// close sends what is left, within a time if the library can be given one.
	close(within time.Duration)
	// reported is how many events the program was told of as lost.
	reported() int
}

// ours is an Uploader with its defaults.
type ours struct {
	up   *amplitude.Uploader
	lost atomic.Int64
}

func newOurs(url string) (library, error) {
	o := new(ours)
	client, err := amplitude.NewClient(amplitude.Config{APIKey: "test-key", BaseURL: url})
	if err != nil {
		return nil, err
	}
	o.up, err = amplitude.NewUploader(client, amplitude.UploaderConfig{MinIDLength: 1, OnResult: func(r amplitude.Result) {
		if r.Err != nil {
			o.lost.Add(1)
		}
	}})
	return o, err
}

func (o *ours) add(n int) {
	_ = o.up.Add(context.Background(), amplitude.Event{UserID: user(n), EventType: "compared", EventProperties: map[string]any{"n": n}})
}

func (o *ours) close(within time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	_ = o.up.Close(ctx)
}

func (o *ours) reported() int { return int(o.lost.Load()) }

// theirs is Amplitude's Go SDK with its defaults.
type theirs struct {
	client sdk.Client
	lost   atomic.Int64
}

func newTheirs(url string) (library, error) {
	v := new(theirs)
	cfg := sdk.NewConfig("test-key")
	cfg.ServerURL, cfg.Logger = url+"/2/httpapi", silent{}
	cfg.ExecuteCallback = func(r sdk.ExecuteResult) {
		if r.Code != http.StatusOK {
			v.lost.Add(1)
		}
	}
	v.client = sdk.NewClient(cfg)
	return v, nil
}

func (v *theirs) add(n int) {
	v.client.Track(sdk.Event{EventType: "compared", EventOptions: sdk.EventOptions{UserID: user(n)}, EventProperties: map[string]any{"n": n}})
}

func (v *theirs) close(time.Duration) { v.client.Shutdown() }

func (v *theirs) reported() int { return int(v.lost.Load()) }

// end closes a library, and waits no longer than half a minute more for one that
// takes no deadline.
func end(l library, within time.Duration) {
	closed := make(chan struct{})
	go func() { l.close(within); close(closed) }()
	select {
	case <-closed:
	case <-time.After(within + 30*time.Second):
	}
}

type silent struct{}

func (silent) Debugf(string, ...any) {}
func (silent) Infof(string, ...any)  {}
func (silent) Warnf(string, ...any)  {}
func (silent) Errorf(string, ...any) {}

// mebibyte is written again and again, so that the rig allocates nothing where what
// a library allocates is counted.
var mebibyte = make([]byte, 1<<20)

// rig is an Amplitude with faults, on a port of its own.
type rig struct {
	fake     amplitudetest.Fake
	srv      *httptest.Server
	mode     atomic.Value // of a fault, "" for none
	requests atomic.Int64
}

func newRig(mode string) *rig {
	r := new(rig)
	r.fake.HTTPV2.EventsPerSecond = -1
	r.mode.Store(mode)
	r.srv = httptest.NewUnstartedServer(r)
	if mode != "closed" {
		r.srv.Start()
		return r
	}
	// The port is known, but nobody listens yet.
	r.srv.URL = "http://" + r.srv.Listener.Addr().String()
	_ = r.srv.Listener.Close()
	return r
}

// heal ends the fault.
func (r *rig) heal() error {
	if r.mode.Swap("") != "closed" {
		return nil
	}
	at := strings.TrimPrefix(r.srv.URL, "http://")
	l, err := net.Listen("tcp", at)
	if err != nil {
		return err
	}
	r.srv.URL, r.srv.Listener = "", l
	r.srv.Start()
	return nil
}

func (r *rig) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if req.URL.Path == "/login" {
		fmt.Fprint(w, "<html>Sign in</html>")
		return
	}
	r.requests.Add(1)
	mode, _ := r.mode.Load().(string)
	if mode != "" && mode != "slow" {
		_, _ = io.Copy(io.Discard, req.Body)
	}
	switch mode {
	case "slow":
		time.Sleep(200 * time.Millisecond)
		r.fake.ServeHTTP(w, req)
	case "reset":
		conn, _, err := http.NewResponseController(w).Hijack()
		if err == nil {
			_ = conn.(*net.TCPConn).SetLinger(0)
			_ = conn.Close()
		}
	case "302":
		http.Redirect(w, req, "/login", http.StatusFound)
	case "429 HTML":
		w.WriteHeader(http.StatusTooManyRequests)
		fmt.Fprint(w, "<html>slow down</html>")
	case "512 MiB":
		w.WriteHeader(http.StatusBadRequest)
		for range 512 {
			if _, err := w.Write(mebibyte); err != nil {
				return
			}
		}
	case "":
		r.fake.ServeHTTP(w, req)
	default:
		status := 0
		fmt.Sscan(mode, &status)
		w.WriteHeader(status)
	}
}

func (r *rig) delivered() int {
	seen := make(map[float64]bool)
	for _, e := range r.fake.Events() {
		n, _ := e.EventProperties["n"].(float64)
		seen[n] = true
	}
	return len(seen)
}

// run gives a library so many events, evenly over a time. After healAfter the fault
// is over.
func (r *rig) run(l library, events int, over, healAfter time.Duration) error {
	healed := make(chan error, 1)
	time.AfterFunc(healAfter, func() { healed <- r.heal() })
	paced(l, events, over)
	return <-healed
}

// compared is one line of the table: the figure of each library.
type compared struct {
	test, unit string
	figures    [2]string
}

// compareAll runs the faults against both libraries and prints a table.
func compareAll(out io.Writer) error {
	makers := [2]func(string) (library, error){newTheirs, newOurs}
	var lines []*compared
	var wg sync.WaitGroup
	var mu sync.Mutex
	var failed error
	each := func(test, unit, mode string, apart bool, figure func(r *rig, l library) (string, error)) {
		line := &compared{test: test, unit: unit}
		lines = append(lines, line)
		for i, make := range makers {
			run := func() {
				r := newRig(mode)
				l, err := make(r.srv.URL)
				if err == nil {
					line.figures[i], err = figure(r, l)
				}
				if err != nil {
					mu.Lock()
					failed = err
					mu.Unlock()
				}
				r.srv.CloseClientConnections()
				fmt.Fprintf(os.Stderr, "%s: %s %s\n", test, []string{"analytics-go", "iteramp"}[i], line.figures[i])
			}
			if apart {
				wg.Wait()
				run()
				continue
			}
			wg.Go(run)
		}
	}
	lost := func(events int, over, healAfter time.Duration) func(*rig, library) (string, error) {
		return func(r *rig, l library) (string, error) {
			err := r.run(l, events, over, healAfter)
			<-time.After(40 * time.Second) // more than any pause between two attempts
			end(l, 30*time.Second)
			<-time.After(time.Second)
			gone := events - r.delivered()
			return perThousand(gone, l.reported(), events), err
		}
	}
	each("T1: the port is closed for 10 s of 20 s", "lost per 1,000", "closed", false, lost(1000, 20*time.Second, 10*time.Second))
	each("T2: 503 for 60 s of 70 s", "lost per 1,000", "503", false, lost(3500, 70*time.Second, 60*time.Second))
	each("T3: the connection is reset after the request, 5 s of 10 s", "lost per 1,000", "reset", false, lost(500, 10*time.Second, 5*time.Second))
	each("T4: 302 to a page of HTML, 5 s of 10 s", "lost per 1,000", "302", false, lost(500, 10*time.Second, 5*time.Second))
	wg.Wait()
	for _, mode := range []string{"429", "429 HTML", "400", "403"} {
		each("T5: refused for 5 s by a bare "+mode, "requests", mode, true, func(r *rig, l library) (string, error) {
			paced(l, 250, 5*time.Second)
			n := r.requests.Load()
			_ = r.heal()
			end(l, 10*time.Second)
			return fmt.Sprint(n), nil
		})
	}
	each("T6: closed with 1,000 events waiting while 503 lasts 300 ms", "lost per 1,000", "503", true, func(r *rig, l library) (string, error) {
		for n := range 1000 {
			l.add(n)
		}
		time.AfterFunc(300*time.Millisecond, func() { _ = r.heal() })
		end(l, 30*time.Second)
		<-time.After(2 * time.Second)
		return fmt.Sprint(1000 - r.delivered()), nil
	})
	each("T7: 100,000 events at once, 200 ms an answer, then closed", "lost per 1,000", "slow", true, func(r *rig, l library) (string, error) {
		for n := range 100_000 {
			l.add(n)
		}
		end(l, 2*time.Minute)
		<-time.After(2 * time.Second)
		return perThousand(100_000-r.delivered(), l.reported(), 100_000), nil
	})
	each("T9: a 400 with a body of 512 MiB", "MiB allocated for each", "512 MiB", true, func(r *rig, l library) (string, error) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		l.add(1)
		<-time.After(20 * time.Second)
		runtime.ReadMemStats(&after)
		per := float64(after.TotalAlloc-before.TotalAlloc) / float64(max(1, r.requests.Load()))
		_ = r.heal()
		end(l, 10*time.Second)
		return fmt.Sprintf("%.1f", per/(1<<20)), nil
	})
	each("T11: closed within 1 s while 503 lasts", "ms too late", "503", true, func(_ *rig, l library) (string, error) {
		for n := range 100 {
			l.add(n)
		}
		begun := time.Now()
		closed := make(chan struct{})
		go func() { l.close(time.Second); close(closed) }()
		select {
		case <-closed:
			return fmt.Sprint(max(0, (time.Since(begun) - time.Second).Milliseconds())), nil
		case <-time.After(30 * time.Second):
			return "more than 29,000", nil
		}
	})
	each("T17: 500 for 20 s, 50 events a second", "requests", "500", true, func(r *rig, l library) (string, error) {
		paced(l, 1000, 20*time.Second)
		n := r.requests.Load()
		_ = r.heal()
		end(l, 10*time.Second)
		return fmt.Sprint(n), nil
	})
	wg.Wait()
	w := tabwriter.NewWriter(out, 0, 0, 1, ' ', 0)
	fmt.Fprintln(w, "| fault\t| counted\t| analytics-go v1.3.1\t| iteramp\t|")
	fmt.Fprintln(w, "|---\t|---\t|---\t|---\t|")
	for _, l := range lines {
		fmt.Fprintf(w, "| %s\t| %s\t| %s\t| %s\t|\n", l.test, l.unit, l.figures[0], l.figures[1])
	}
	_ = w.Flush()
	return failed
}

// perThousand is how many of so many events were lost, and how many of those reported.
func perThousand(lost, reported, of int) string {
	if lost == 0 {
		return "0"
	}
	return fmt.Sprintf("%d (%d reported)", lost*1000/of, reported*1000/of)
}

// paced gives a library so many events, evenly over a time.
func paced(l library, events int, over time.Duration) {
	pace := time.NewTicker(over / time.Duration(events))
	defer pace.Stop()
	for n := range events {
		<-pace.C
		l.add(n)
	}
}
