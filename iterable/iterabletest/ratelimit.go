package iterabletest

import (
	"fmt"
	"math"
	"net/http"
	"slices"
	"time"
)

// Rate is how many requests are served in any stretch of time of the length
// Per; zero means a second. A refused request does not count.
type Rate struct {
	Requests int
	Per      time.Duration
}

func perSecond(n int) []Rate { return []Rate{{n, time.Second}} }
func perMinute(n int) []Rate { return []Rate{{n, time.Minute}} }

// perDay is what forget and unforget have beside their three a second.
func perDay() []Rate { return []Rate{{3, time.Second}, {1000, 24 * time.Hour}} }

func (r Rate) per() time.Duration {
	if r.Per <= 0 {
		return time.Second
	}
	return r.Per
}

// rates are those an operation is held to. The reference states some per
// project and some per key; a fake has one of each.
func (f *Fake) rates(op *operation) []Rate {
	if r, ok := f.Rates[op.name()]; ok {
		return []Rate{r}
	}
	if f.RateLimits {
		return op.rates
	}
	return nil
}

// throttle counts the call, or returns the rate that it exceeds and how long
// until another is served.
func (f *Fake) throttle(c call) (exceeded Rate, wait time.Duration) {
	rates := f.rates(c.op)
	longest := time.Duration(0)
	times, now := f.served[c.op.name()], c.now
	if n := len(times); n > 0 && times[n-1].After(now) {
		now = times[n-1] // requests at once need not come in the order of their clocks
	}
	for _, r := range rates {
		longest = max(longest, r.per())
		if r.Requests <= 0 || len(times) < r.Requests {
			continue
		}
		oldest := times[len(times)-r.Requests]
		if wait := oldest.Add(r.per()).Sub(now); wait > 0 {
			return r, wait
		}
	}
	if longest == 0 {
		return Rate{}, 0
	}
	if f.served == nil {
		f.served = make(map[string][]time.Time)
	}
	old, _ := slices.BinarySearchFunc(times, now.Add(-longest), time.Time.Compare)
	f.served[c.op.name()] = append(times[old:], now)
	return Rate{}, 0
}

// documented is a rate to speak of in a 429 that nothing has earned.
func (o *operation) documented() (Rate, time.Duration) {
	if o != nil && len(o.rates) > 0 {
		return o.rates[0], o.rates[0].per()
	}
	return Rate{Requests: 10, Per: time.Second}, time.Second
}

// exceeded is a 429. Retry-After was never seen of Iterable; users/update and
// users/bulkUpdate say in params when to come again.
//
// Source: https://api.iterable.com/api/docs#users_updateUser
func (c call) exceeded(r Rate, wait time.Duration) reply {
	unit := "second"
	switch r.per() {
	case time.Second:
	case time.Minute:
		unit = "minute"
	default:
		unit = r.per().String()
	}
	params := map[string]any{}
	if c.op != nil && c.op.bucket {
		params["rateLimitLimit"] = r.Requests
		params["rateLimitRemaining"] = 0
		params["rateLimitReset"] = int(math.Ceil(wait.Seconds()))
	}
	msg := fmt.Sprintf("Exceeded rate limit of %d.0 per %s for endpoint: %s, project: %d ", r.Requests, unit, c.endpoint(), projectID)
	return said(http.StatusTooManyRequests, "RateLimitExceeded", msg, params)
}
