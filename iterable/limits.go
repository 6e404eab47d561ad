package iterable

import (
	"maps"
	"time"

	"golang.org/x/time/rate"

	"github.com/iteramp/iteramp/internal/rest"
)

// allowance is how many requests Iterable takes in a time. Zero stands for
// operations of which it does not say.
type allowance struct {
	requests int
	per      time.Duration
}

func perSecond(n int) allowance { return allowance{n, time.Second} }
func perMinute(n int) allowance { return allowance{n, time.Minute} }

// unstated is the pace for operations without a documented one.
var unstated = perSecond(10)

// rates are the operations with a method of their own, the keys that
// Config.Limits takes, with their documented limits. All hold for a project.
//
// Reference: https://api.iterable.com/api/docs
var rates = map[string]allowance{
	"GET /api/lists":               perSecond(100),
	"POST /api/lists":              {},
	"DELETE /api/lists/{listId}":   {},
	"POST /api/lists/subscribe":    {},
	"POST /api/lists/unsubscribe":  {},
	"GET /api/lists/getUsers":      perMinute(5),
	"GET /api/lists/previewUsers":  perMinute(5),
	"GET /api/lists/{listId}/size": perMinute(5),
}

// limiters are those of a Client: the documented ones, replaced by the caller's.
func limiters(own map[string]Limiter) map[string]rest.Limiter {
	all := make(map[string]rest.Limiter, len(rates))
	for op, a := range rates {
		all[op] = a.limiter()
	}
	for op, l := range own {
		all[op] = l
	}
	maps.DeleteFunc(all, func(_ string, l rest.Limiter) bool { return l == nil })
	return all
}

// limiter keeps a hundredth below what is allowed and lets nothing gather: a
// burst would pass the limit in the window it falls into.
func (a allowance) limiter() *rate.Limiter {
	if a.requests == 0 {
		a = unstated
	}
	return rate.NewLimiter(rate.Limit(0.99*float64(a.requests)/a.per.Seconds()), 1)
}
