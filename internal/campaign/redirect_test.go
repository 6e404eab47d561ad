package main

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// An answer sends the client elsewhere. Nobody but the vendor gets a request, only
// the file of a cohort may be behind one link, and that gets no credentials.
func TestF21(t *testing.T) {
	// The combinations are few enough for every tier to have all of them, in one go.
	whole(t, "F21", "redirects", counts{1, 1, 1}, func(t *testing.T, _ *rand.Rand, _ int) {
		redirected := 0
		synctest.Test(t, func(t *testing.T) {
			for _, c := range calls {
				v := newVendors(t)
				for _, status := range redirects {
					for name, target := range targets {
						redirected += redirectedCall(t, v, c, status, name, target)
					}
				}
			}
		})
		require.Equal(t, len(calls)*len(redirects)*len(targets), redirected, "a call was not answered with a redirect")
		for _, status := range redirects {
			for name, target := range targets {
				synctest.Test(t, func(t *testing.T) { redirectedRelay(t, status, name, target) })
			}
		}
	})
}

var redirects = []int{301, 302, 303, 307, 308}

const (
	otherHost = "https://files.example.net/f?signature=test-signature"
	itself    = "loop"
	noURL     = "no URL"
)

// targets are where an answer may send a client. The chain is a host that sends on to
// itself.
var targets = map[string]string{
	"other host":       otherHost,
	"sub-domain":       "https://a.amplitudetest.invalid/x",
	"sister":           "https://iterabletest.invalid.example.net/x",
	"port":             "https://amplitudetest.invalid:8443/x",
	"http":             "http://amplitudetest.invalid/x",
	"address":          "https://203.0.113.7/x",
	"localhost":        "http://localhost:8080/x",
	"loopback":         "http://127.0.0.1/x",
	"loopback, v6":     "http://[::1]/x",
	"metadata":         "http://169.254.169.254/latest/meta-data",
	"metadata, https":  "https://169.254.169.254/latest/meta-data",
	"file":             "file:///etc/passwd",
	"userinfo":         "https://name:password@amplitudetest.invalid/x",
	"userinfo of host": "https://amplitudetest.invalid@files.example.net/x",
	"without scheme":   "//files.example.net/x",
	"path":             "/x",
	"nothing":          "",
	noURL:              "https://[::1/x",
	"chain":            "https://chain.example.net/x",
	itself:             itself,
}

// world is what was asked of whom.
type world struct {
	mu       sync.Mutex
	vendor   []string // methods
	stranger []string // methods and hosts
	leaks    []string // names of headers
}

// answer redirects what comes to the vendor. A stranger would have a file for it.
func (o *world) answer(status int, target string) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool {
		o.mu.Lock()
		defer o.mu.Unlock()
		hop := !vendorHosts[r.Host] || strings.HasPrefix(r.URL.Path, "/x")
		if hop {
			o.stranger = append(o.stranger, r.Method+" "+r.Host)
		} else {
			o.vendor = append(o.vendor, r.Method)
		}
		if hop || target == itself && len(o.vendor) > 1 {
			for _, name := range []string{"Authorization", "Api-Key", "Cookie", "Referer"} {
				if r.Header.Get(name) != "" {
					o.leaks = append(o.leaks, name)
				}
			}
		}
		if !hop || strings.HasPrefix(r.Host, "chain.") {
			if target == itself {
				w.Header().Set("Location", "https://"+r.Host+r.URL.RequestURI())
			} else if target != "" {
				w.Header().Set("Location", target)
			}
			w.WriteHeader(status)
			fmt.Fprint(w, `{"code":200,"events_ingested":3,"cohorts":[],"lists":[]}`)
			return true
		}
		w.Header().Set("Content-Length", "32")
		fmt.Fprint(w, "amplitude_id,user_id\n1,stranger\n")
		return true
	}
}

var vendorHosts = map[string]bool{"amplitudetest.invalid": true, "iterabletest.invalid": true}

// redirectedCall makes one call.
func redirectedCall(t *testing.T, v *vendors, c call, status int, name, target string) int {
	what := fmt.Sprintf("%s, %d to %s", c.name, status, name)
	o := &world{}
	v.intercept(o.answer(status, target))
	begun := time.Now()
	err := c.do(t.Context(), &v.clients)
	require.Empty(t, o.leaks, what)
	if name == noURL { // net/http hides an answer whose Location it cannot read: it passes for none
		require.Empty(t, o.stranger, what)
		require.LessOrEqual(t, len(o.vendor), 3, what)
		require.True(t, ambiguous(err), "%s: %v", what, err)
		namesNobody(t, err)
		return 1
	}
	if c.name == "download cohort" && slices.Contains([]int{302, 303, 307}, status) {
		hop := plainLink(target)
		require.LessOrEqual(t, len(o.stranger)+len(o.vendor), 2, what)
		require.Equal(t, hop, len(o.stranger)+len(o.vendor) == 2, what)
		for _, asked := range o.stranger {
			require.Equal(t, "GET "+hostOf(target), asked, what)
		}
		if !hop || target == itself || name == "chain" {
			require.Equal(t, status, statusOf(err), what)
			namesNobody(t, err)
		} else {
			require.NoError(t, err, what)
		}
		return len(o.vendor) - toItself(hop, target)
	}
	require.Empty(t, o.stranger, what)
	require.Len(t, o.vendor, 1, what)
	require.Equal(t, status, statusOf(err), "%s: %v", what, err)
	require.NotContains(t, err.Error(), "signature", what)
	require.NotContains(t, err.Error(), "password", what)
	namesNobody(t, err)
	require.Less(t, time.Since(begun), time.Minute, what)
	return len(o.vendor)
}

// plainLink says whether a target is one that a cohort's file may be behind.
func plainLink(target string) bool {
	return target == itself || strings.HasPrefix(target, "https://") && !strings.Contains(target, "@") && !strings.HasPrefix(target, "https://[::1/")
}

func toItself(hop bool, target string) int {
	if hop && target == itself {
		return 1
	}
	return 0
}

func hostOf(target string) string {
	host, _, _ := strings.Cut(strings.TrimPrefix(target, "https://"), "/")
	return host
}

// redirectedRelay has a relay meet the redirect for a while.
func redirectedRelay(t *testing.T, status int, name, target string) {
	what := fmt.Sprintf("the relay, %d to %s", status, name)
	s := newSite(t)
	o := &world{}
	s.fake.Intercept(o.answer(status, target))
	for range 3 {
		s.post()
		time.Sleep(7 * time.Second)
	}
	require.Empty(t, s.fake.Events(), what)
	o.mu.Lock()
	require.Empty(t, o.stranger, what)
	require.Empty(t, slices.DeleteFunc(slices.Clone(o.vendor), func(method string) bool { return method == http.MethodPost }), what)
	require.NotEmpty(t, o.vendor, what)
	require.LessOrEqual(t, len(o.vendor), 12, what)
	o.mu.Unlock()
	v := s.settle(t)
	require.Equal(t, v.owed, v.delivered, what)
}
