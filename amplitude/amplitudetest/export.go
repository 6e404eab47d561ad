package amplitudetest

import (
	"archive/zip"
	"cmp"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"time"
)

// projectID is in the names of exported files and in the app of their rows.
const projectID = 123456

// rowsPerFile is small, so that a client meets hours of several files.
const rowsPerFile = 100

const (
	maxExport   = 365 * 24 * time.Hour
	exportHour  = "20060102T15"
	exportStamp = "2006-01-02 15:04:05.000000" // in UTC, although it does not say so
)

// export answers GET /api/2/export: a zip file of gzipped JSON lines, for the
// hours of receipt from start to end, both included.
//
// Source: https://amplitude.com/docs/apis/analytics/export. The bodies of
// refusals are documented nowhere.
func (f *Fake) export(c *call, w http.ResponseWriter) {
	query := c.r.URL.Query()
	start, err1 := time.Parse(exportHour, query.Get("start"))
	end, err2 := time.Parse(exportHour, query.Get("end"))
	if err1 != nil || err2 != nil || end.Before(start) || end.Sub(start) >= maxExport {
		http.Error(w, "start and end must be hours as 20060102T15, in order and at most 365 days apart", http.StatusBadRequest)
		return
	}
	files := f.files(start, end, c.now)
	if len(files) == 0 {
		http.Error(w, "no data", http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", "application/zip")
	_ = writeZip(w, files) // fails only if the client has gone
}

// file is a part of one hour.
type file struct {
	name    string
	records []record
}

func (f *Fake) files(start, end, now time.Time) []file {
	f.mu.Lock()
	records := f.records
	f.mu.Unlock()
	hours := make(map[time.Time][]record)
	for _, r := range records {
		hour := r.received.UTC().Truncate(time.Hour)
		ready := hour.Add(time.Hour + f.ExportDelay)
		if hour.Before(start) || hour.After(end) || f.ExportDelay > 0 && now.Before(ready) {
			continue
		}
		hours[hour] = append(hours[hour], r)
	}
	var files []file
	for hour, records := range hours {
		n := 0
		for part := range slices.Chunk(records, rowsPerFile) {
			name := fmt.Sprintf("%d_%s_%d#%d.json.gz", projectID, hour.Format(time.DateOnly), hour.Hour(), n)
			files = append(files, file{name, part})
			n++
		}
	}
	slices.SortFunc(files, func(a, b file) int { return cmp.Compare(a.records[0].number, b.records[0].number) })
	return files
}

func writeZip(w io.Writer, files []file) error {
	z := zip.NewWriter(w)
	for _, f := range files {
		// Stored: what is in it is compressed already.
		entry, err := z.CreateHeader(&zip.FileHeader{Name: f.name, Method: zip.Store})
		if err != nil {
			return err
		}
		if err := writeLines(entry, f.records); err != nil {
			return err
		}
	}
	return z.Close()
}

func writeLines(w io.Writer, records []record) error {
	z := gzip.NewWriter(w)
	lines := json.NewEncoder(z)
	for _, r := range records {
		if err := lines.Encode(r.row()); err != nil {
			return err
		}
	}
	return z.Close()
}

// row is a record as the export has it. Every documented key is there, with
// null for what is unknown.
func (r record) row() map[string]any {
	received := r.received.UTC().Format(exportStamp)
	row := map[string]any{
		"$insert_id":                r.fields["insert_id"],
		"amplitude_attribution_ids": nil,
		"amplitude_event_type":      nil,
		"amplitude_id":              r.amplitudeID,
		"app":                       projectID,
		"client_event_time":         r.time().Format(exportStamp),
		"client_upload_time":        orElse(r.clientTime, r.received).UTC().Format(exportStamp),
		"data":                      map[string]any{},
		"device_carrier":            r.fields["carrier"],
		"device_family":             r.fields["device_model"],
		"device_id":                 cmp.Or(text(r.fields, "device_id"), derivedDeviceID(r.userID)),
		"device_type":               r.fields["device_model"],
		"event_properties":          orEmpty(object(r.fields, "event_properties")),
		"event_time":                r.eventTime().Format(exportStamp),
		"group_properties":          r.groupProps,
		"groups":                    orEmptyGroups(r.groups),
		"ip_address":                r.ip(),
		"library":                   cmp.Or(text(r.fields, "library"), "http/1.0"),
		"paying":                    r.paying,
		"processed_time":            received,
		"sample_rate":               nil,
		"server_received_time":      received,
		"server_upload_time":        received,
		"session_id":                r.sessionID(),
		"start_version":             orNull(r.startVersion),
		"user_creation_time":        r.created.UTC().Format(exportStamp),
		"user_id":                   orNull(r.userID),
		"user_properties":           orEmpty(r.properties),
		"uuid":                      fmt.Sprintf("00000000-0000-4000-8000-%012x", r.number),
		"version_name":              orNull(cmp.Or(text(r.fields, "version_name"), text(r.fields, "app_version"))),
	}
	for _, name := range []string{
		"adid", "city", "country", "device_brand", "device_manufacturer", "device_model", "dma", "event_id",
		"event_type", "idfa", "language", "location_lat", "location_lng", "os_name", "os_version", "partner_id",
		"plan", "platform", "region",
	} {
		row[name] = r.fields[name]
	}
	return row
}

// eventTime is the client's time, put right by how far its clock was off when
// it uploaded; under a minute Amplitude leaves it alone.
func (r record) eventTime() time.Time {
	if r.clientTime.IsZero() {
		return r.time()
	}
	if off := r.received.Sub(r.clientTime); off.Abs() >= time.Minute {
		return r.time().Add(off)
	}
	return r.time()
}

// ip is the address sent, or the sender's own for "$remote".
func (r record) ip() any {
	ip := text(r.fields, "ip")
	if ip == "$remote" {
		ip, _, _ = net.SplitHostPort(r.remote)
	}
	return orNull(ip)
}

// derivedDeviceID stands in where a client sent none. Amplitude hashes the
// user id; how is its own affair.
func derivedDeviceID(userID string) string {
	sum := sha256.Sum256([]byte(userID))
	return hex.EncodeToString(sum[:16])
}

func orElse(t, other time.Time) time.Time {
	if t.IsZero() {
		return other
	}
	return t
}

func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func orEmpty(o map[string]any) map[string]any {
	if o == nil {
		return map[string]any{}
	}
	return o
}

func orEmptyGroups(g map[string][]string) map[string][]string {
	if g == nil {
		return map[string][]string{}
	}
	return g
}
