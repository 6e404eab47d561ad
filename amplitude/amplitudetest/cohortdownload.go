package amplitudetest

import (
	"cmp"
	"maps"
	"net/http"
	"strconv"
	"time"
)

// DownloadLimits bound the downloads of cohorts. A zero field means the
// documented limit, a negative one that there is none. What is over a limit is
// answered 429.
//
// Source: https://amplitude.com/docs/apis/analytics/behavioral-cohorts
type DownloadLimits struct {
	// PerMonth is how many cohorts may be requested in a month of the calendar,
	// by UTC: 500. Every request counts that is not refused by a limit or for
	// its key, one of a cohort that does not exist too.
	PerMonth int
	// PerTenMinutes is how many may be requested in ten minutes: 60.
	PerTenMinutes int
	// Parallel is how many such requests may be under way at once: 4. The
	// reference has them "per minute", and could also mean 4 a minute.
	Parallel int
	// Concurrent is how many requests may be under way at once to request a
	// cohort, to ask for the status or to get the file: 5. A request is under
	// way while [Fake.Intercept] looks at it, so that a test can make it last.
	Concurrent int
}

func requestSlots(f *Fake, c *call) []slot {
	return append(downloadSlots(f, c), slot{"request", cmp.Or(f.Downloads.Parallel, 4)})
}

func downloadSlots(f *Fake, _ *call) []slot {
	return []slot{{"download", cmp.Or(f.Downloads.Concurrent, 5)}}
}

// downloadLife is how long a request of a cohort can be used.
const downloadLife = 7 * 24 * time.Hour

// download is a requested cohort, with the members it had then.
type download struct {
	id, cohortID string
	requested    time.Time
	members      []*person
	withProps    bool
	props        []string // the ones asked for, nil means all
}

// usage counts the cohorts requested in a month.
type usage struct {
	month time.Time
	n     int
}

func (u *usage) roll(now time.Time) {
	year, month, _ := now.UTC().Date()
	if first := time.Date(year, month, 1, 0, 0, 0, 0, time.UTC); !u.month.Equal(first) {
		*u = usage{month: first}
	}
}

// requestCohort answers GET /api/5/cohorts/request/{id}. Refusals are
// documented as "an error".
func (f *Fake) requestCohort(c *call, w http.ResponseWriter) {
	d, refused := f.startDownload(c)
	if refused != nil {
		refused.write(w)
		return
	}
	writeJSON(w, http.StatusAccepted, map[string]any{"request_id": d.id, "cohort_id": d.cohortID})
}

func (f *Fake) startDownload(c *call) (*download, *refusal) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if refused := f.countDownload(c.now); refused != nil {
		return nil, refused
	}
	maps.DeleteFunc(f.downloads, func(_ string, d *download) bool { return c.now.Sub(d.requested) >= downloadLife })
	cohort := f.cohort(c.args[0])
	if cohort == nil {
		return nil, new(notFound("Cohort not found"))
	}
	if f.downloads == nil {
		f.downloads = make(map[string]*download)
	}
	query := c.r.URL.Query()
	f.lastDownload++
	d := &download{
		id:        strconv.FormatInt(firstDownloadID+f.lastDownload, 36),
		cohortID:  cohort.ID,
		requested: c.now,
		members:   cohort.members,
		withProps: query.Get("props") == "1",
		props:     query["propKeys"],
	}
	f.downloads[d.id] = d
	return d, nil
}

// firstDownloadID is q00000.
const firstDownloadID = 26 * 36 * 36 * 36 * 36 * 36

func (f *Fake) countDownload(now time.Time) *refusal {
	perMonth, perTenMinutes := cmp.Or(f.Downloads.PerMonth, 500), cmp.Or(f.Downloads.PerTenMinutes, 60)
	f.usage.roll(now)
	if perMonth >= 0 && f.usage.n >= perMonth {
		return new(tooManyRequests("Monthly limit of cohort downloads reached"))
	}
	if perTenMinutes >= 0 && f.requested.total(now, time.Second, 600) >= perTenMinutes {
		return new(tooManyRequests("Limit of cohort requests in 10 minutes reached"))
	}
	f.usage.n++
	f.requested.add(now, time.Second)
	return nil
}

// downloadUsage answers GET /api/3/cohorts/usage. The form of resets_at is not
// documented. Without a limit, limit is null.
func (f *Fake) downloadUsage(c *call, w http.ResponseWriter) {
	if f.NoUsage {
		http.NotFound(w, c.r)
		return
	}
	var limit *int
	if n := cmp.Or(f.Downloads.PerMonth, 500); n >= 0 {
		limit = &n
	}
	f.mu.Lock()
	f.usage.roll(c.now)
	now := f.usage
	f.mu.Unlock()
	writeJSON(w, http.StatusOK, map[string]any{"rest_download": map[string]any{
		"limit": limit, "usage": now.n, "resets_at": now.month.AddDate(0, 1, 0).Format(time.RFC3339),
	}})
}

// cohortStatus answers GET /api/5/cohorts/request-status/{request_id}.
func (f *Fake) cohortStatus(c *call, w http.ResponseWriter) {
	d := f.download(c.args[0], c.now)
	if d == nil {
		notFound("Request not found").write(w)
		return
	}
	status, text := http.StatusOK, "JOB COMPLETED"
	if !f.done(d, c.now) {
		status, text = http.StatusAccepted, "JOB INPROGRESS"
	}
	writeJSON(w, status, map[string]any{"request_id": d.id, "cohort_id": d.cohortID, "async_status": text})
}

// download returns nil for a request that is not known, or not any more.
func (f *Fake) download(id string, now time.Time) *download {
	f.mu.Lock()
	defer f.mu.Unlock()
	d := f.downloads[id]
	if d == nil || now.Sub(d.requested) >= downloadLife {
		return nil
	}
	return d
}

func (f *Fake) done(d *download, now time.Time) bool { return now.Sub(d.requested) >= f.CohortDelay }
