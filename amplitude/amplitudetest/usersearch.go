package amplitudetest

import (
	"cmp"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Of user searches 10 may be under way at once, and 360 come in an hour.
//
// Source: https://amplitude.com/docs/apis/analytics/dashboard-rest
const (
	maxSearches     = 10
	searchesPerHour = 360
)

func searchSlots(*Fake, *call) []slot { return []slot{{"search", maxSearches}} }

// maxMatches bounds what a prefix finds. Amplitude does not say at how many it
// stops.
const maxMatches = 100

// searchUsers answers GET /api/2/usersearch, to which nobody found is an
// answer as well. The types of matches are observed, but for the first.
func (f *Fake) searchUsers(c *call, w http.ResponseWriter) {
	user := c.r.URL.Query().Get("user")
	if user == "" {
		badRequest("user is required").write(w)
		return
	}
	answer := f.search(user, c.now)
	if answer == nil {
		tooManyRequests("Limit of user searches in an hour reached").write(w)
		return
	}
	writeJSON(w, http.StatusOK, answer)
}

// search returns nil if there were too many.
func (f *Fake) search(user string, now time.Time) map[string]any {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.searched.total(now, time.Second, 3600) >= searchesPerHour {
		return nil
	}
	f.searched.add(now, time.Second)
	kind, found := f.people.search(user)
	matches := make([]map[string]any, len(found))
	for i, p := range found {
		matches[i] = map[string]any{"user_id": orNull(p.userID), "amplitude_id": p.amplitudeID}
	}
	return map[string]any{"type": kind, "matches": matches}
}

// search finds persons by an exact id, else by the beginning of a user id.
func (p *people) search(user string) (kind string, found []*person) {
	if who := cmp.Or(p.byUser[user], p.byDevice[user]); who != nil {
		return "match_user_or_device_id", []*person{who}
	}
	if who := p.numbered(user); who != nil {
		return "match_amplitude_id", []*person{who}
	}
	for id, who := range p.byUser {
		if strings.HasPrefix(id, user) {
			found = append(found, who)
		}
	}
	if found == nil {
		return "nomatch", nil
	}
	slices.SortFunc(found, func(a, b *person) int { return cmp.Compare(a.userID, b.userID) })
	return "match_user_prefix", found[:min(len(found), maxMatches)]
}
