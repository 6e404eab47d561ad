package iterable

import (
	"context"
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
	daily    int // the most in any 24 hours as well, if it says so
}

func perSecond(n int) allowance { return allowance{requests: n, per: time.Second} }
func perMinute(n int) allowance { return allowance{requests: n, per: time.Minute} }

func (a allowance) andDaily(n int) allowance { a.daily = n; return a }

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

	"POST /api/users/update":                  perSecond(500),
	"POST /api/users/bulkUpdate":              perSecond(5),
	"GET /api/users/getByEmail":               perSecond(100),
	"GET /api/users/{email}":                  perSecond(100),
	"GET /api/users/byUserId":                 perSecond(100),
	"GET /api/users/byUserId/{userId}":        perSecond(100),
	"DELETE /api/users/{email}":               perSecond(100),
	"DELETE /api/users/byUserId/{userId}":     perSecond(100),
	"GET /api/users/getFields":                perSecond(3),
	"GET /api/users/getSentMessages":          perSecond(3),
	"POST /api/users/updateEmail":             {},
	"POST /api/users/merge":                   perSecond(50),
	"POST /api/users/forget":                  perSecond(3).andDaily(1000),
	"POST /api/users/unforget":                perSecond(3).andDaily(1000),
	"GET /api/users/forgotten":                perSecond(3),
	"GET /api/users/forgottenUserIds":         perSecond(3),
	"POST /api/users/updateSubscriptions":     {},
	"POST /api/users/bulkUpdateSubscriptions": {},
	"POST /api/users/registerDeviceToken":     perSecond(500),
	"POST /api/users/disableDevice":           {},
	"POST /api/users/registerBrowserToken":    {},
	"POST /api/auth/jwts/invalidate":          {},

	"POST " + trackPath:                 perSecond(2000),
	"POST " + trackBulkPath:             perSecond(10),
	"GET /api/events/{email}":           perSecond(100),
	"GET /api/events/byUserId/{userId}": perSecond(100),

	"PUT " + groupPath:                               {},
	"PATCH " + groupPath + "/byUserId/{userId}":      {},
	"PATCH " + groupPath + "/user/{userEmail}":       {},
	"DELETE " + groupPath + "/byUserId/{userId}":     {},
	"DELETE " + groupPath + "/user/{userEmail}":      {},
	"POST /api/subscriptions/subscribeToDoubleOptIn": {},

	"GET /api/webhooks":  {},
	"POST /api/webhooks": {},

	"GET /api/campaigns":                               perSecond(100),
	"GET /api/campaigns/{id}":                          perSecond(100),
	"GET /api/campaigns/recurring/{id}/childCampaigns": perSecond(100),
	"GET /api/campaigns/metrics":                       perMinute(10),

	"GET /api/messageTypes": perSecond(100),
	"GET /api/channels":     perSecond(100),
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
func (a allowance) limiter() rest.Limiter {
	if a.requests == 0 {
		a = unstated
	}
	pace := rate.NewLimiter(rate.Limit(0.99*float64(a.requests)/a.per.Seconds()), 1)
	if a.daily == 0 {
		return pace
	}
	return both{&window{size: a.daily * 99 / 100, per: 24 * time.Hour}, pace}
}

// both waits for one limiter, then for the other.
type both [2]rest.Limiter

func (b both) Wait(ctx context.Context) error {
	if err := b[0].Wait(ctx); err != nil {
		return err
	}
	return b[1].Wait(ctx)
}
