package amplitudetest

import (
	"maps"
	"time"
)

// person is whom an Amplitude ID stands for: a user with devices, or a device
// that no user was seen on yet.
type person struct {
	amplitudeID  int64
	userID       string
	created      time.Time
	startVersion string
	paying       bool
	marked       int            // in which round
	properties   map[string]any // never changed, only replaced: records point to it
}

// people finds persons by their ids.
//
// Source: https://amplitude.com/docs/data/sources/instrument-track-unique-users
type people struct {
	byUser, byDevice map[string]*person
	byID             map[int64]*person
	last             int64 // Amplitude ID
	round            int   // of marking
}

// firstAmplitudeID has the length of Amplitude's own, so that a client that
// keeps them in 32 bits fails here.
const firstAmplitudeID = 410_000_000_000

// find returns the person an event belongs to: the user it names, else the
// user last seen on its device, else the device itself. A user takes over the
// history of a device on which nobody was seen before.
func (p *people) find(userID, deviceID string, now time.Time) *person {
	device := p.byDevice[deviceID]
	who := p.byUser[userID]
	if userID == "" {
		who = device
	}
	if who == nil && device != nil && device.userID == "" {
		who = device
	}
	if who == nil {
		who = p.add(0, now)
	}
	p.name(who, userID)
	if deviceID != "" {
		if device != nil && device != who && device.userID == "" {
			who.adopt(device)
		}
		p.byDevice[deviceID] = who
	}
	return who
}

// grow makes room for n persons, which spares most of the time of a large
// cohort.
func (p *people) grow(n int) {
	if p.byID == nil {
		p.byUser, p.byDevice = make(map[string]*person, n), make(map[string]*person)
		p.byID = make(map[int64]*person, n)
		p.last = firstAmplitudeID
	}
}

// add makes a person with an Amplitude ID, zero means the next one.
func (p *people) add(amplitudeID int64, now time.Time) *person {
	p.grow(0)
	for amplitudeID == 0 || p.byID[amplitudeID] != nil {
		p.last++
		amplitudeID = p.last
	}
	who := &person{amplitudeID: amplitudeID, created: now}
	p.byID[amplitudeID] = who
	return who
}

// mark is true for the first time that a round meets a person. It stands in
// for a set, which two million would make slow.
func (p *people) mark(who *person) bool {
	first := who.marked != p.round
	who.marked = p.round
	return first
}

func (p *people) name(who *person, userID string) {
	if userID != "" {
		who.userID = userID
		p.byUser[userID] = who
	}
}

// adopt merges an anonymous device into a user; what the user has stays.
func (p *person) adopt(device *person) {
	merged := maps.Clone(device.properties)
	if merged == nil {
		merged = make(map[string]any)
	}
	maps.Copy(merged, p.properties)
	p.properties = merged
}

// update applies an event's user properties and returns the ones that the
// event carries from then on.
func (p *person) update(fields map[string]any) map[string]any {
	sent := object(fields, "user_properties")
	if skip, _ := fields["$skip_user_properties_sync"].(bool); skip {
		return sent // what is stored is neither read nor changed
	}
	if len(sent) > 0 {
		p.properties = apply(p.properties, sent)
	}
	return p.properties
}

// UserProperties returns the properties of a user, or of a device on which no
// user was seen yet; nil if the id is unknown. Amplitude may silently drop
// changes past 1,800 an hour for a user, the fake keeps them all.
func (f *Fake) UserProperties(id string) map[string]any {
	f.mu.Lock()
	defer f.mu.Unlock()
	if p := f.people.byUser[id]; p != nil {
		return plain(p.properties)
	}
	if p := f.people.byDevice[id]; p != nil && p.userID == "" {
		return plain(p.properties)
	}
	return nil
}

type groupKey struct{ groupType, name string }

// GroupProperties returns the properties of a group, as $groupidentify events
// have set them; nil if there are none.
func (f *Fake) GroupProperties(groupType, name string) map[string]any {
	f.mu.Lock()
	defer f.mu.Unlock()
	return plain(f.groups[groupKey{groupType, name}])
}

func (f *Fake) updateGroups(groups map[string][]string, change map[string]any) {
	if f.groups == nil {
		f.groups = make(map[groupKey]map[string]any)
	}
	for groupType, names := range groups {
		for _, name := range names {
			key := groupKey{groupType, name}
			f.groups[key] = apply(f.groups[key], change)
		}
	}
}

// groupProperties are those of all groups of an event, for its export.
func (f *Fake) groupProperties(groups map[string][]string) map[string]map[string]any {
	found := make(map[string]map[string]any)
	for groupType, names := range groups {
		for _, name := range names {
			properties := f.groups[groupKey{groupType, name}]
			if properties == nil {
				continue
			}
			if found[groupType] == nil {
				found[groupType] = make(map[string]any)
			}
			found[groupType][name] = properties
		}
	}
	return found
}
