package amplitudetest

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strconv"
)

// defaultInlineRows stands in for a line that Amplitude does not draw in
// public.
const defaultInlineRows = 1000

// TamperFile has change see the CSV of each cohort file before it is sent, and
// sends what it returns, with the Content-Length of that: a file may be empty,
// half, another cohort's or a page of HTML. It may change csv itself. A later
// call replaces it, nil takes it away.
//
//	fake.TamperFile(func(csv []byte) []byte { return csv[:len(csv)/2] })
func (f *Fake) TamperFile(change func(csv []byte) []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.tamper = change
}

// cohortFile answers GET /api/5/cohorts/request/{request_id}/file: the file, or
// where it is. What comes of a job that is not done is not documented.
func (f *Fake) cohortFile(c *call, w http.ResponseWriter) {
	d := f.download(c.args[0], c.now)
	switch {
	case d == nil:
		notFound("Request not found").write(w)
	case !f.done(d, c.now):
		notFound("File not ready").write(w)
	case len(d.members) > cmp.Or(f.InlineRows, defaultInlineRows):
		w.Header().Set("Location", f.link(c, d))
		w.WriteHeader(http.StatusFound)
	default:
		f.writeFile(w, d, "text/csv; charset=utf-8")
	}
}

func (f *Fake) writeFile(w http.ResponseWriter, d *download, contentType string) {
	file, tamper := f.render(d)
	if tamper != nil {
		file = tamper(file)
	}
	if f.GzipFiles {
		var z bytes.Buffer
		zip := gzip.NewWriter(&z)
		_, _ = zip.Write(file)
		_ = zip.Close()
		file = z.Bytes()
	}
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(file)))
	_, _ = w.Write(file) // fails only if the client has gone
}

// render returns the file as it should be, and what is to be done to it.
func (f *Fake) render(d *download) (csv []byte, tamper func([]byte) []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return d.csv(), f.tamper
}

// csv has a header and a row for each member. All values are quoted, as in a
// sample of Amplitude's, and lines end as RFC 4180 has it. Properties have
// columns in the order in which they were asked for, or that of the alphabet;
// one that is no text stands as JSON, in which form Amplitude has it is not
// documented.
func (d *download) csv() []byte {
	columns := d.columns()
	size := 64
	for _, p := range d.members {
		size += len(p.userID) + 22 // without quotes in it and properties, just enough
	}
	file := appendRow(make([]byte, 0, size), "amplitude_id", "user_id", columns...)
	values := make([]string, len(columns))
	for _, p := range d.members {
		for i, name := range columns {
			values[i] = cell(p.properties[name])
		}
		file = appendRow(file, strconv.FormatInt(p.amplitudeID, 10), p.userID, values...)
	}
	return file
}

// columns are the properties of the file.
func (d *download) columns() []string {
	if !d.withProps {
		return nil
	}
	if d.props != nil {
		return d.props
	}
	names := make(map[string]bool)
	for _, p := range d.members {
		for name := range p.properties {
			names[name] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}

func cell(value any) string {
	switch value := value.(type) {
	case nil:
		return ""
	case string:
		return value
	}
	text, _ := json.Marshal(value) // it was JSON once
	return string(text)
}

func appendRow(file []byte, amplitudeID, userID string, properties ...string) []byte {
	file = appendQuoted(file, amplitudeID)
	file = appendQuoted(append(file, ','), userID)
	for _, p := range properties {
		file = appendQuoted(append(file, ','), p)
	}
	return append(file, "\r\n"...)
}

func appendQuoted(file []byte, value string) []byte {
	file = append(file, '"')
	for i := range len(value) {
		if value[i] == '"' {
			file = append(file, '"')
		}
		file = append(file, value[i])
	}
	return append(file, '"')
}
