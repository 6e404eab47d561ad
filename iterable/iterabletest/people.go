package iterabletest

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/iteramp/iteramp/iterable"
)

func (f *Fake) projectType() iterable.ProjectType {
	return cmp.Or(f.ProjectType, iterable.ProjectTypeEmail)
}

func (f *Fake) emailBased() bool  { return f.projectType() == iterable.ProjectTypeEmail }
func (f *Fake) userIDBased() bool { return f.projectType() == iterable.ProjectTypeUserID }

// person is a user profile. There may be millions, so what few have is apart.
type person struct {
	email, userID string
	number        int64   // in the order of creation
	next          *person // another holder of the userId, in email-based projects
	fields        map[string]any
	on            []membership
	events        []*event
	extra         *extra
	created       int64 // ms since 1970
	updated       int64
}

// extra is what few profiles have.
type extra struct {
	channels, messageTypes []int64 // unsubscribed from
	optedIn                []int64 // message types subscribed to
	devices                []map[string]any
	browsers               []string
	sent                   []SentMessage
}

func (p *person) more() *extra {
	if p.extra == nil {
		p.extra = new(extra)
	}
	return p.extra
}

// people finds users by their ids. Addresses are not unique in a userID-based
// project and find nobody there.
type people struct {
	byEmail, byUserID map[string]*person
	last              int64
}

// create makes a profile. One of an email-based project that has no address
// gets a placeholder.
func (f *Fake) create(id identity, now time.Time) *person {
	all := &f.people
	if all.byEmail == nil {
		all.byEmail, all.byUserID = make(map[string]*person), make(map[string]*person)
	}
	all.last++
	p := &person{number: all.last, created: now.UnixMilli(), updated: now.UnixMilli()}
	if f.emailBased() && !id.hasEmail {
		id.email, id.hasEmail = placeholder(id.userID, all.last), true
	}
	f.identify(p, id)
	return p
}

// placeholder has the form of the one example that Iterable shows:
// user123+147178873@placeholder.email.
//
// Source: https://support.iterable.com/hc/en-us/articles/360035402531
func placeholder(userID string, number int64) string {
	return fmt.Sprintf("%s+%d@placeholder.email", strings.ToLower(userID), 147_000_000+number*7919)
}

// identify gives a user the identifiers of id; the ones it does not have stay.
func (f *Fake) identify(p *person, id identity) {
	if id.hasEmail && p.email != id.email {
		f.people.unlinkEmail(p)
		p.email = id.email
		if !f.userIDBased() {
			f.people.byEmail[p.email] = p
		}
	}
	if id.hasUserID && p.userID != id.userID {
		f.people.unlinkUserID(p)
		p.userID = id.userID
		f.people.linkUserID(p)
	}
}

func (all *people) unlinkEmail(p *person) {
	if all.byEmail[p.email] == p {
		delete(all.byEmail, p.email)
	}
}

func (all *people) linkUserID(p *person) {
	first := all.byUserID[p.userID]
	if first == nil {
		all.byUserID[p.userID] = p
		return
	}
	for first.next != nil {
		first = first.next
	}
	first.next = p
}

func (all *people) unlinkUserID(p *person) {
	first := all.byUserID[p.userID]
	switch {
	case first == nil:
	case first != p:
		for first.next != nil && first.next != p {
			first = first.next
		}
		first.next = p.next
	case p.next != nil:
		all.byUserID[p.userID] = p.next
	default:
		delete(all.byUserID, p.userID)
	}
	p.next = nil
}

// remove deletes a profile.
func (f *Fake) remove(p *person) {
	f.people.unlinkEmail(p)
	if p.userID != "" {
		f.people.unlinkUserID(p)
	}
	for len(p.on) > 0 {
		f.leave(p, p.on[0].list)
	}
	f.tracked.drop(p)
}

// everybody is all users in the order of creation.
func (all *people) everybody() []*person {
	everyone := make([]*person, 0, max(len(all.byEmail), len(all.byUserID)))
	for _, p := range all.byEmail {
		everyone = append(everyone, p)
	}
	for _, p := range all.byUserID {
		for ; p != nil; p = p.next {
			if p.email == "" || all.byEmail[p.email] != p {
				everyone = append(everyone, p)
			}
		}
	}
	slices.SortFunc(everyone, func(a, b *person) int { return cmp.Compare(a.number, b.number) })
	return everyone
}
