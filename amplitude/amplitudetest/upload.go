package amplitudetest

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"math"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"
)

// upload is one request to /2/httpapi or /batch, read but not judged.
type upload struct {
	path   string
	limits Limits
	remote string // address of the sender
	now    time.Time
	sent   int // bytes on the wire
	size   int // bytes after decompression

	apiKey      string
	minIDLength int
	clientTime  time.Time // client_upload_time, zero if not sent
	events      []map[string]any
	raw         []json.RawMessage // the events as they were sent

	refusal *reply // why the request as a whole is refused, nil if it is not
}

// defaultMinIDLength is what options.min_id_length overrides.
const defaultMinIDLength = 5

// uploads answers POST /2/httpapi and POST /batch.
func (f *Fake) uploads(c *call) func(http.ResponseWriter) {
	limits, _ := f.limits(c.r.URL.Path)
	up := f.receive(c.r, c.now, limits)
	c.entry.Events, c.entry.Bytes = len(up.events), up.sent
	return func(w http.ResponseWriter) { f.judge(up).write(w) }
}

// receive reads the request and puts its body back for an interceptor.
func (f *Fake) receive(r *http.Request, now time.Time, limits Limits) upload {
	up := upload{path: r.URL.Path, limits: limits, remote: r.RemoteAddr, now: now, minIDLength: defaultMinIDLength}
	// Data that does not compress grows a little when it is, hence the slack.
	sent, err := readUpTo(r.Body, limits.MaxBytes, 64<<10)
	if err != nil {
		panic(http.ErrAbortHandler) // the sender went away in the middle
	}
	r.Body = io.NopCloser(bytes.NewReader(sent))
	up.sent = len(sent)
	if refusal := up.read(sent, r.Header.Get("Content-Encoding")); refusal != nil {
		up.refusal = refusal
	} else if up.apiKey != f.apiKey() {
		// The SDKs know this refusal by "Invalid API key:", with the colon.
		up.refusal = new(refused("Invalid API key: " + up.apiKey))
	} else if limits.MaxEvents >= 0 && len(up.events) > limits.MaxEvents {
		up.refusal = new(tooLarge())
	}
	return up
}

// read decodes a body. The content type is not looked at: the reference asks
// for application/json, Amplitude's browser SDK sends text/plain from beacons.
func (up *upload) read(sent []byte, encoding string) *reply {
	body := sent
	if strings.EqualFold(encoding, "gzip") {
		var err error
		if body, err = gunzip(sent, up.limits.MaxBytes); err != nil {
			return new(refused("Invalid JSON request body"))
		}
	}
	up.size = len(body)
	switch {
	case up.limits.MaxBytes >= 0 && len(body) > up.limits.MaxBytes:
		return new(tooLarge())
	case len(bytes.TrimSpace(body)) == 0:
		return new(refused("Missing request body"))
	case !utf8.Valid(body): // encoding/json would put something else in its place
		return new(refused("Invalid JSON request body"))
	}
	return up.decode(body)
}

func (up *upload) decode(body []byte) *reply {
	// Maps rather than a struct, because encoding/json would also take "Events"
	// for "events", which Amplitude does not.
	var request, options map[string]json.RawMessage
	if json.Unmarshal(body, &request) != nil || request == nil {
		return new(refused("Invalid JSON request body"))
	}
	if o := request["options"]; o != nil {
		if json.Unmarshal(o, &options) != nil {
			return new(refused("Invalid JSON request body"))
		}
	}
	if n := options["min_id_length"]; n != nil && json.Unmarshal(n, &up.minIDLength) != nil {
		return new(refused("Invalid JSON request body"))
	}
	var uploaded string
	if json.Unmarshal(request["client_upload_time"], &uploaded) == nil {
		up.clientTime, _ = time.Parse(time.RFC3339, uploaded) // not documented: what cannot be read is ignored
	}
	if key := request["api_key"]; absent(key) || string(key) == `""` {
		return new(missing("api_key"))
	}
	if json.Unmarshal(request["api_key"], &up.apiKey) != nil {
		up.apiKey = string(request["api_key"])
	}
	return up.decodeEvents(request["events"])
}

func (up *upload) decodeEvents(events json.RawMessage) *reply {
	if absent(events) {
		return new(missing("events"))
	}
	if json.Unmarshal(events, &up.raw) != nil {
		return new(refused("Invalid JSON request body"))
	}
	if len(up.raw) == 0 { // not documented; an empty list is taken for none
		return new(missing("events"))
	}
	decoded := make([]map[string]any, len(up.raw))
	for i, raw := range up.raw {
		d := json.NewDecoder(bytes.NewReader(raw))
		d.UseNumber() // a 64-bit id is no float64
		if d.Decode(&decoded[i]) != nil || decoded[i] == nil {
			return new(refused("Invalid event JSON"))
		}
		for name, value := range decoded[i] {
			if value == nil { // null says the same as nothing
				delete(decoded[i], name)
			}
		}
	}
	up.events = decoded
	return nil
}

func absent(raw json.RawMessage) bool { return raw == nil || string(raw) == "null" }

// gunzip unpacks at most one byte more than limit: enough to see that there is
// more, and no room for a bomb.
func gunzip(sent []byte, limit int) ([]byte, error) {
	z, err := gzip.NewReader(bytes.NewReader(sent))
	if err != nil {
		return nil, err
	}
	return readUpTo(z, limit, 0)
}

// readUpTo reads limit+slack bytes and one more, or all if limit is negative.
func readUpTo(r io.Reader, limit, slack int) ([]byte, error) {
	if limit >= 0 {
		r = io.LimitReader(r, int64(min(limit, math.MaxInt32))+int64(slack)+1)
	}
	return io.ReadAll(r)
}
