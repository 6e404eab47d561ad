package iterabletest

import (
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// User is a user profile.
type User struct {
	Email, UserID string
	// DataFields are what the API returns, lists and subscriptions included,
	// with numbers as float64 and ids of lists, channels and message types as
	// []int64.
	DataFields map[string]any
	Lists      []int64 // the lists that the user is on, ascending
}

// List is a list and how many users are on it.
type List struct {
	ID                int64
	Name, Description string
	Size              int
	Created           time.Time
}

// Event is an event of a user.
type Event struct {
	ID         string
	Name       string // the eventName of a custom event, or the eventType of a system event such as emailSubscribe
	Email      string
	UserID     string
	CreatedAt  time.Time
	CampaignID int64
	TemplateID int64
	ListID     int64 // of emailSubscribe and emailUnSubscribe
	DataFields map[string]any
}

// lock takes the lock with everything settled that is due: the methods below
// show what a read of Iterable would show now.
func (f *Fake) lock() func() {
	now := f.now()
	f.mu.Lock()
	f.settle(now)
	return f.mu.Unlock
}

// Users returns all users in the order of their creation.
func (f *Fake) Users() []User {
	defer f.lock()()
	everybody := f.people.everybody()
	users := make([]User, len(everybody))
	for i, p := range everybody {
		users[i] = f.user(p)
	}
	return users
}

// User returns the user with this userId or e-mail address, whichever there
// is. It is zero, without either, for an unknown one.
func (f *Fake) User(id string) User {
	defer f.lock()()
	p := f.lookUp(id)
	if p == nil {
		return User{}
	}
	return f.user(p)
}

func (f *Fake) lookUp(id string) *person {
	if p := f.people.byUserID[id]; p != nil {
		return p
	}
	return f.people.byEmail[strings.ToLower(id)]
}

func (f *Fake) user(p *person) User {
	all, _ := plain(f.profile(p)).(map[string]any)
	return User{Email: p.email, UserID: p.userID, DataFields: all, Lists: p.listIDs()}
}

// Lists returns all lists in the order of their creation.
func (f *Fake) Lists() []List {
	defer f.lock()()
	all := make([]List, len(f.lists.all))
	for i, r := range f.lists.all {
		all[i] = List{r.id, r.name, r.description, len(r.members), r.created}
	}
	return all
}

// Members returns who is on a list, sorted: by userId, or by e-mail address in
// an email-based project and where there is no userId. It returns nil if there
// is no such list.
func (f *Fake) Members(listID int64) []string {
	defer f.lock()()
	r := f.lists.find(listID)
	if r == nil {
		return nil
	}
	members := make([]string, len(r.members))
	for i, p := range r.members {
		members[i] = f.line(p, true)
	}
	slices.Sort(members)
	return members
}

// Events returns the events of the user with this userId or e-mail address,
// the newest first.
func (f *Fake) Events(id string) []Event {
	defer f.lock()()
	p := f.lookUp(id)
	if p == nil {
		return nil
	}
	newest := p.newest()
	events := make([]Event, len(newest))
	for i, e := range newest {
		events[i] = Event{
			ID: e.id, Name: e.name + e.system, Email: p.email, UserID: p.userID, CreatedAt: e.at,
			CampaignID: e.campaignID, TemplateID: e.templateID, ListID: e.listID,
		}
		events[i].DataFields, _ = plain(e.fields).(map[string]any)
	}
	return events
}

// AddList adds a list with these members, without events, and returns its id.
// It can be used at once. The ids are e-mail addresses, or user ids: all of
// them in a userID-based project, in the others those that are no addresses.
func (f *Fake) AddList(name string, ids ...string) int64 {
	now := f.now()
	defer f.lock()()
	r := f.lists.add(name, "", now)
	for _, id := range ids {
		f.join(f.seed(id, now), r)
	}
	return r.id
}

// AddUser adds a user, or sets the fields of the one there is. The id is an
// e-mail address or a userId, as in [Fake.AddList].
func (f *Fake) AddUser(id string, dataFields map[string]any) {
	now := f.now()
	defer f.lock()()
	p := f.seed(id, now)
	sent := asJSON(dataFields)
	fields := f.userFields(call{})
	fields.take(sent)
	fields.apply()
	for name, v := range sent {
		f.write(p, name, v, false)
	}
}

// asJSON is an object as it would come over the wire; it panics if it cannot.
func asJSON(o map[string]any) map[string]any {
	b, err := json.Marshal(o)
	if err != nil {
		panic(err)
	}
	v, err := parse(b)
	if err != nil {
		panic(err)
	}
	sent, _ := v.(map[string]any)
	return sent
}

func (f *Fake) seed(id string, now time.Time) *person {
	who := f.whoever(id)
	if p, _ := f.find(who); p != nil {
		return p
	}
	return f.create(who, now)
}

// whoever tells an address from a userId.
func (f *Fake) whoever(id string) identity {
	if !f.userIDBased() && isEmail(id) {
		return identity{email: strings.ToLower(id), hasEmail: true}
	}
	return identity{userID: id, hasUserID: true}
}

// Forget has users forgotten, known or not, as users/forget does with known
// ones.
func (f *Fake) Forget(ids ...string) {
	defer f.lock()()
	for _, id := range ids {
		f.block(f.whoever(id))
	}
}

// LockList says whether a campaign or journey uses the list: to delete it is a
// conflict then.
func (f *Fake) LockList(listID int64, inUse bool) {
	defer f.lock()()
	if r := f.lists.find(listID); r != nil {
		r.inUse = inUse
	}
}
