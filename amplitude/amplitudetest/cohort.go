package amplitudetest

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"
)

// Cohort is a cohort of users. Every field may be zero. One that was made by
// POST /api/3/cohorts/upload has the type manual_upload.
//
// Source: https://amplitude.com/docs/apis/analytics/behavioral-cohorts
type Cohort struct {
	ID          string // zero means a new one
	Name        string
	Description string          // zero means null
	Type        string          // zero means redshift, a cohort that is computed
	Definition  json.RawMessage // Amplitude's own affair, zero means a small one
	Owners      []string        // login addresses
	Viewers     []string

	// Members are its users, each of them once. Those not known before are
	// known afterwards, as if they had sent an event.
	Members []Member

	Private  bool // not discoverable: missing from the list, but not by its id
	Hidden   bool
	Archived bool // in the list still

	Created      time.Time // zero means when it was added
	LastMod      time.Time // likewise
	LastComputed time.Time // likewise

	// The list has null for these.
	NoSize, NoLastComputed bool

	// Syncs are where the cohort is sent to, for includeSyncInfo.
	Syncs []SyncInfo
}

// Member is a user in a cohort.
type Member struct {
	// UserID is zero for a user who was never identified: a device.
	UserID string
	// AmplitudeID of a user not known before, zero means a new one. A user
	// known keeps the own, and nobody gets one that is another's.
	AmplitudeID int64
	// Properties are set for the user, and stand in the file when asked for.
	// They are what encoding/json takes. In what the fake returns, they are all
	// that the user has, numbers as float64.
	Properties map[string]any
}

// SyncInfo is a destination that Amplitude keeps equal to a cohort.
type SyncInfo struct {
	Target         string    // such as braze or webhook
	Frequency      string    // minute, hourly or daily
	LastSuccessful time.Time // zero means null
	LastFailure    time.Time // likewise
	Params         map[string]any
}

// cohort is a Cohort with its users in members instead.
type cohort struct {
	Cohort
	members []*person // never changed, only replaced: downloads share it
}

// firstCohortID is k000000, which is as long as Amplitude's are.
const firstCohortID = 20 * 36 * 36 * 36 * 36 * 36 * 36

// AddCohort adds a cohort and returns its id. It panics if the id is taken.
func (f *Fake) AddCohort(c Cohort) (id string) {
	now := f.now()
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.addCohort(c, f.people.members(c.Members, now), now).ID
}

func (f *Fake) addCohort(c Cohort, members []*person, now time.Time) *cohort {
	if c.ID == "" {
		f.lastCohort++
		c.ID = strconv.FormatInt(firstCohortID+f.lastCohort, 36)
	}
	if f.cohort(c.ID) != nil {
		panic("amplitudetest: there is a cohort " + c.ID + " already")
	}
	if c.Type == "" {
		c.Type = "redshift"
	}
	if c.Definition == nil {
		c.Definition = json.RawMessage(`{"version":3,"countGroup":{"name":"User","is_computed":false},"andClauses":[]}`)
	}
	c.Created, c.LastMod, c.LastComputed = orElse(c.Created, now), orElse(c.LastMod, now), orElse(c.LastComputed, now)
	added := &cohort{c.clone(), members}
	f.cohorts = append(f.cohorts, added)
	return added
}

// SetMembers makes a cohort have these users and no others, as when Amplitude
// computes it anew: lastComputed moves, by a second if the clock has not, so
// that the change can be seen.
//
// The methods that name a cohort panic if there is none.
func (f *Fake) SetMembers(cohortID string, userIDs ...string) {
	f.change(cohortID, func(c *cohort, now time.Time) {
		c.members = f.people.named(userIDs, now)
		c.compute(now)
	})
}

// Recompute moves lastComputed of a cohort, the members stay.
func (f *Fake) Recompute(cohortID string) { f.change(cohortID, (*cohort).compute) }

// RenameCohort gives a cohort another name.
func (f *Fake) RenameCohort(cohortID, name string) {
	f.change(cohortID, func(c *cohort, now time.Time) { c.Name, c.LastMod = name, now })
}

// ArchiveCohort archives a cohort.
func (f *Fake) ArchiveCohort(cohortID string) {
	f.change(cohortID, func(c *cohort, now time.Time) { c.Archived, c.LastMod = true, now })
}

// DeleteCohort deletes a cohort. What was requested of it before can be
// downloaded.
func (f *Fake) DeleteCohort(cohortID string) {
	f.change(cohortID, func(c *cohort, _ time.Time) {
		f.cohorts = slices.DeleteFunc(f.cohorts, func(other *cohort) bool { return other == c })
	})
}

func (f *Fake) change(id string, change func(*cohort, time.Time)) {
	now := f.now()
	f.mu.Lock()
	defer f.mu.Unlock()
	c := f.cohort(id)
	if c == nil {
		panic("amplitudetest: there is no cohort " + id)
	}
	change(c, now)
}

// Cohorts returns the cohorts, in the order in which they were added. The
// caller may change what it gets.
func (f *Fake) Cohorts() []Cohort {
	f.mu.Lock()
	defer f.mu.Unlock()
	cohorts := make([]Cohort, len(f.cohorts))
	for i, c := range f.cohorts {
		cohorts[i] = c.clone()
		cohorts[i].Members = make([]Member, len(c.members))
		for j, p := range c.members {
			cohorts[i].Members[j] = Member{p.userID, p.amplitudeID, plain(p.properties)}
		}
	}
	return cohorts
}

// clone copies all but the members.
func (c Cohort) clone() Cohort {
	c.Members = nil
	c.Definition = slices.Clone(c.Definition)
	c.Owners, c.Viewers, c.Syncs = slices.Clone(c.Owners), slices.Clone(c.Viewers), slices.Clone(c.Syncs)
	for i, s := range c.Syncs {
		c.Syncs[i].Params = plain(s.Params)
	}
	return c
}

func (f *Fake) cohort(id string) *cohort {
	i := slices.IndexFunc(f.cohorts, func(c *cohort) bool { return c.ID == id })
	if i < 0 {
		return nil
	}
	return f.cohorts[i]
}

// compute dates a computation. The list tells seconds, so that is the least by
// which the date moves.
func (c *cohort) compute(now time.Time) {
	if least := c.LastComputed.Add(time.Second); now.Before(least) {
		now = least
	}
	c.LastComputed = now
}

// members are the persons in a list of members, each of them once.
func (p *people) members(list []Member, now time.Time) []*person {
	p.grow(len(list))
	p.round++
	members := make([]*person, 0, len(list))
	for _, m := range list {
		who := p.member(m, now)
		if m.Properties != nil {
			who.properties = apply(who.properties, decoded(m.Properties))
		}
		if p.mark(who) {
			members = append(members, who)
		}
	}
	return members
}

func (p *people) member(m Member, now time.Time) *person {
	who := p.byUser[m.UserID]
	if m.UserID == "" {
		who = p.byID[m.AmplitudeID]
	}
	if who == nil {
		who = p.add(m.AmplitudeID, now)
		p.name(who, m.UserID)
	}
	return who
}

// named are the persons with these user ids.
func (p *people) named(userIDs []string, now time.Time) []*person {
	members := make([]Member, len(userIDs))
	for i, id := range userIDs {
		members[i].UserID = id
	}
	return p.members(members, now)
}

// decoded are properties as they would have come over the wire.
func decoded(properties map[string]any) map[string]any {
	raw, err := json.Marshal(properties)
	if err != nil {
		panic(fmt.Sprintf("amplitudetest: properties of a member: %v", err))
	}
	return decodeObject(raw)
}
