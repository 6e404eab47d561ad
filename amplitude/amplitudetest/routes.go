package amplitudetest

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"time"
)

const (
	pathHTTPV2 = "/2/httpapi"
	pathBatch  = "/batch"
	pathExport = "/api/2/export"
)

// route is an endpoint by its method and path, in which {} is any one part.
type route struct {
	method, path string
	// arrive is called when a request comes. It reads the body, so that a
	// request is logged whole, and takes what the request occupies while it is
	// under way. What it returns answers, unless something else does.
	arrive func(*Fake, *call) func(http.ResponseWriter)
}

var routes = []route{
	{"POST", pathHTTPV2, (*Fake).uploads},
	{"POST", pathBatch, (*Fake).uploads},
	{"GET", pathExport, private((*Fake).export, nil)},

	{"GET", "/api/3/cohorts", private((*Fake).listCohorts, nil)},
	{"GET", "/api/3/cohorts/usage", private((*Fake).downloadUsage, nil)},
	{"POST", "/api/3/cohorts/upload", private((*Fake).uploadCohort, nil)},
	{"POST", "/api/3/cohorts/membership", private((*Fake).updateMembership, membershipSlots)},
	{"GET", "/api/5/cohorts/request/{}", private((*Fake).requestCohort, requestSlots)},
	{"GET", "/api/5/cohorts/request-status/{}", private((*Fake).cohortStatus, downloadSlots)},
	{"GET", "/api/5/cohorts/request/{}/file", private((*Fake).cohortFile, downloadSlots)},
	{"GET", "/s3/{}/{}", storage},
	{"GET", "/api/2/usersearch", private((*Fake).searchUsers, searchSlots)},
}

// call is one request on its way.
type call struct {
	r      *http.Request
	now    time.Time
	entry  *Request
	args   []string       // the parts of the path that are {}
	held   []string       // the slots it occupies
	fields map[string]any // the body, nil if it is no JSON object
}

// endpoint chooses what serves a request.
func (f *Fake) endpoint(c *call) func(http.ResponseWriter) {
	var allowed string
	for _, route := range routes {
		args, ok := match(route.path, c.r.URL.Path)
		if ok && route.method == c.r.Method {
			c.args = args
			return route.arrive(f, c)
		}
		if ok {
			allowed = route.method
		}
	}
	if allowed == "" {
		return func(w http.ResponseWriter) { http.NotFound(w, c.r) }
	}
	return func(w http.ResponseWriter) {
		w.Header().Set("Allow", allowed)
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
	}
}

func match(pattern, path string) (args []string, ok bool) {
	want, got := strings.Split(pattern, "/"), strings.Split(path, "/")
	if len(want) != len(got) {
		return nil, false
	}
	for i, part := range got {
		if want[i] == "{}" && part != "" {
			args = append(args, part)
		} else if want[i] != part {
			return nil, false
		}
	}
	return args, true
}

// slot is one of a number of requests that may be under way at once.
type slot struct {
	name string
	of   int // negative means any number
}

// private is an endpoint that needs the secret key. slots are those that a
// request to it takes, all of them or none.
func private(serve func(*Fake, *call, http.ResponseWriter), slots func(*Fake, *call) []slot) func(*Fake, *call) func(http.ResponseWriter) {
	return func(f *Fake, c *call) func(http.ResponseWriter) {
		c.read()
		key, secret, _ := c.r.BasicAuth()
		if key != f.apiKey() || secret != f.secretKey() {
			// That it is a 403 is observed of Amplitude; the body is documented nowhere.
			return func(w http.ResponseWriter) {
				http.Error(w, "Invalid API key or secret key", http.StatusForbidden)
			}
		}
		if slots != nil && !f.enter(c, slots(f, c)) {
			return tooManyRequests("Too many concurrent requests").write
		}
		return func(w http.ResponseWriter) { serve(f, c, w) }
	}
}

// maxBody leaves room for 100,000 long ids.
const maxBody = 64 << 20

// read reads the body of a call and puts it back for an interceptor.
func (c *call) read() {
	sent, err := readUpTo(c.r.Body, maxBody, 0)
	if err != nil {
		panic(http.ErrAbortHandler) // the sender went away in the middle
	}
	c.r.Body = io.NopCloser(bytes.NewReader(sent))
	c.entry.Bytes, c.fields = len(sent), decodeObject(sent)
}

// decodeObject returns nil for what is no JSON object.
func decodeObject(raw []byte) (fields map[string]any) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber() // a 64-bit id is no float64
	if d.Decode(&fields) != nil || d.More() {
		return nil
	}
	return fields
}

// enter takes all of the slots, or none if one is not free.
func (f *Fake) enter(c *call, slots []slot) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, s := range slots {
		if s.of >= 0 && f.underWay[s.name] >= s.of {
			return false
		}
	}
	if f.underWay == nil {
		f.underWay = make(map[string]int)
	}
	for _, s := range slots {
		f.underWay[s.name]++
		c.held = append(c.held, s.name)
	}
	return true
}

// leave gives the slots back.
func (f *Fake) leave(c *call) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, name := range c.held {
		if f.underWay[name]--; f.underWay[name] == 0 {
			delete(f.underWay, name)
		}
	}
}
