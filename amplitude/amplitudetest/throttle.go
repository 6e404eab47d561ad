package amplitudetest

import (
	"cmp"
	"slices"
	"time"
)

// window is the time over which Amplitude averages the rate of an id. The page
// of the Batch API states it; that of HTTP V2 says "recent" and asks for a
// pause of 30 seconds.
const window = 30 * time.Second

// defaultQuota is for a rolling day, in steps of an hour.
//
// Source: https://amplitude.com/docs/apis/analytics/batch-event-upload
const defaultQuota = 500_000

// idKey tells the user u-1 from a device of that name.
type idKey struct{ field, id string }

// rateKey keeps the endpoints apart: each has a rate of its own.
type rateKey struct {
	path string
	idKey
}

// meter counts the events of one id.
type meter struct{ counts []count }

type count struct {
	step   int64 // since the epoch
	events int
}

// total is the sum of the last steps, the one of now included.
func (m *meter) total(now time.Time, step time.Duration, steps int64) int {
	if m == nil {
		return 0
	}
	oldest := now.UnixNano()/int64(step) - steps
	m.counts = slices.DeleteFunc(m.counts, func(c count) bool { return c.step <= oldest })
	n := 0
	for _, c := range m.counts {
		n += c.events
	}
	return n
}

func (m *meter) add(now time.Time, step time.Duration) {
	at := now.UnixNano() / int64(step)
	if last := len(m.counts) - 1; last >= 0 && m.counts[last].step == at {
		m.counts[last].events++
		return
	}
	m.counts = append(m.counts, count{at, 1})
}

// count adds an accepted event, repeats included, to what its ids have sent.
// Refused ones do not count: an id would never come out of it.
func (f *Fake) count(up upload, fields map[string]any) {
	if f.rates == nil {
		f.rates, f.quotas = make(map[rateKey]*meter), make(map[idKey]*meter)
	}
	for _, key := range idsOf(fields) {
		rate := rateKey{up.path, key}
		if f.rates[rate] == nil {
			f.rates[rate] = new(meter)
		}
		if f.quotas[key] == nil {
			f.quotas[key] = new(meter)
		}
		f.rates[rate].add(up.now, time.Second)
		f.quotas[key].add(up.now, time.Hour)
	}
}

func idsOf(fields map[string]any) []idKey {
	keys := make([]idKey, 0, 2)
	for _, field := range []string{"user_id", "device_id"} {
		if id := text(fields, field); id != "" {
			keys = append(keys, idKey{field, id})
		}
	}
	return keys
}

func (f *Fake) refuseSilenced(up upload) *reply {
	if len(f.silenced) == 0 {
		return nil
	}
	r := refused("Events silenced for device_id")
	r.EPSThreshold = max(0, up.limits.EventsPerSecond)
	r.ThrottledDevices, r.ThrottledEvents, r.QuotaDevices = map[string]int{}, []int{}, map[string]int{}
	for i, e := range up.events {
		id := text(e, "device_id")
		if !f.silenced[id] {
			continue
		}
		r.SilencedEvents = append(r.SilencedEvents, i)
		if !slices.Contains(r.SilencedDevices, id) {
			r.SilencedDevices = append(r.SilencedDevices, id)
		}
	}
	if r.SilencedEvents == nil {
		return nil
	}
	return &r
}

// refuseThrottled answers 429 if an id of the request is over its rate or its
// quota. throttled_events holds the events of both, and HTTP V2 names quotas
// too although its page does not show them: the SDKs expect it so.
func (f *Fake) refuseThrottled(up upload) *reply {
	r := tooMany(up.limits)
	r.QuotaUsers, r.QuotaDevices = map[string]int{}, map[string]int{}
	for i, e := range up.events {
		over := false
		for _, key := range idsOf(e) {
			throttled, quota := r.ThrottledUsers, r.QuotaUsers
			if key.field == "device_id" {
				throttled, quota = r.ThrottledDevices, r.QuotaDevices
			}
			if rate, is := f.overRate(up, key); is {
				throttled[key.id], over = rate, true
			}
			if events, is := f.overQuota(up, key); is {
				quota[key.id], over = events, true
			}
		}
		if over {
			r.ThrottledEvents = append(r.ThrottledEvents, i)
		}
	}
	if len(r.ThrottledEvents) == 0 {
		return nil
	}
	return &r
}

// overRate returns the events a second of an id, and whether that is too much:
// the page of the Batch API has 30,000 events in 30 seconds trip its limit.
func (f *Fake) overRate(up upload, key idKey) (int, bool) {
	const seconds = int(window / time.Second)
	limit := up.limits.EventsPerSecond
	events := f.rates[rateKey{up.path, key}].total(up.now, time.Second, int64(seconds))
	rate := (events + seconds - 1) / seconds
	if f.throttled[key.id] {
		return max(rate, limit+1, 1), true
	}
	return rate, limit >= 0 && events >= limit*seconds
}

// overQuota returns the events of an id in the last 24 hours, and whether they
// are too many.
func (f *Fake) overQuota(up upload, key idKey) (int, bool) {
	limit := cmp.Or(f.DailyQuota, defaultQuota)
	events := f.quotas[key].total(up.now, time.Hour, 24)
	if f.exhausted[key.id] {
		return max(events, limit+1, 1), true
	}
	return events, limit >= 0 && events >= limit
}
