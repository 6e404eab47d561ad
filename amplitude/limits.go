package amplitude

import (
	"maps"
	"time"

	"golang.org/x/time/rate"

	"github.com/iteramp/iteramp/internal/rest"
)

// allowance is how many requests Amplitude takes in a time. Zero stands for
// operations of which it does not say.
type allowance struct {
	requests int
	per      time.Duration
	burst    int // how many of them may come at once
}

// rates are the operations with a method of their own, the keys that
// Config.Limits takes, with their documented limits. All hold for a project.
//
// Reference: https://amplitude.com/docs/apis/analytics/behavioral-cohorts
var rates = map[string]allowance{
	httpV2.op():      {},
	batchUpload.op(): {},

	"GET " + pathCohorts:        {},
	"GET " + pathCohortUsage:    {},
	"GET " + pathCohortRequest:  {requests: 60, per: 10 * time.Minute, burst: 10},
	"GET " + pathCohortStatus:   {},
	"GET " + pathCohortFile:     {},
	"POST " + pathCohortUpload:  {},
	"POST " + pathCohortMembers: {},
}

// limiters are those of a Client: the documented ones, replaced by the caller's.
func limiters(own map[string]Limiter) map[string]rest.Limiter {
	all := make(map[string]rest.Limiter)
	for op, a := range rates {
		if a.requests > 0 {
			all[op] = a.limiter()
		}
	}
	for op, l := range own {
		all[op] = l
	}
	maps.DeleteFunc(all, func(_ string, l rest.Limiter) bool { return l == nil })
	return all
}

// limiter keeps a hundredth below what is allowed. Its pace is what the burst
// leaves of that, so that no window holds more, wherever it begins.
func (a allowance) limiter() rest.Limiter {
	pace := (0.99*float64(a.requests) - float64(a.burst)) / a.per.Seconds()
	return rate.NewLimiter(rate.Limit(pace), a.burst)
}
