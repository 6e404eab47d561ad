package iterabletest

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"
)

var (
	listShape      = object(fields{"name": {text, true}, "description": {kind: text}})
	subscribeShape = object(fields{
		"listId": {integer, true}, "subscribers": {list(object(recordFields)), true}, "updateExistingUsersOnly": {kind: boolean},
	})
	unsubscribeShape = object(fields{
		"listId": {integer, true}, "subscribers": {list(identityShape), true},
		"campaignId": {kind: integer}, "channelUnsubscribe": {kind: boolean},
	})
)

// roll is a list and who is on it, in an order that changes when users leave.
type roll struct {
	id                int64
	name, description string
	created           time.Time
	usable            time.Time // for lists/subscribe and lists/unsubscribe
	members           []*person
	inUse             bool
	reads             int
}

// membership says where in a list its user stands.
type membership struct {
	list *roll
	at   int
}

// lists are all lists, in the order of creation.
type lists struct {
	all  []*roll
	last int64
}

// firstList is beyond 32 bits, so that a client that keeps ids in them fails
// here.
const firstList = 5_000_000_000

func (l *lists) add(name, description string, now time.Time) *roll {
	if l.last == 0 {
		l.last = firstList
	}
	l.last++
	r := &roll{id: l.last, name: name, description: description, created: now, usable: now}
	l.all = append(l.all, r)
	return r
}

func (l *lists) find(id int64) *roll {
	i, found := slices.BinarySearchFunc(l.all, id, func(r *roll, id int64) int { return cmp.Compare(r.id, id) })
	if !found {
		return nil
	}
	return l.all[i]
}

func (p *person) place(r *roll) int {
	return slices.IndexFunc(p.on, func(m membership) bool { return m.list == r })
}

func (f *Fake) join(p *person, r *roll) {
	if p.place(r) >= 0 {
		return
	}
	p.on = append(p.on, membership{r, len(r.members)})
	r.members = append(r.members, p)
}

// leave has the last member of the list take the place of the one who leaves.
func (f *Fake) leave(p *person, r *roll) {
	i := p.place(r)
	if i < 0 {
		return
	}
	at, end := p.on[i].at, len(r.members)-1
	last := r.members[end]
	r.members[at], r.members[end] = last, nil
	r.members = r.members[:end]
	last.on[last.place(r)].at = at
	p.on = slices.Delete(p.on, p.place(r), p.place(r)+1)
}

// setLists replaces the lists that a user is on; unknown ones are left out.
func (f *Fake) setLists(p *person, ids []int64) {
	for _, m := range slices.Clone(p.on) {
		if !slices.Contains(ids, m.list.id) {
			f.leave(p, m.list)
		}
	}
	for _, id := range ids {
		if r := f.lists.find(id); r != nil {
			f.join(p, r)
		}
	}
}

func (p *person) listIDs() []int64 {
	ids := make([]int64, len(p.on))
	for i, m := range p.on {
		ids[i] = m.list.id
	}
	slices.Sort(ids)
	return ids
}

// listField is what a profile calls the lists that its user is on.
func (f *Fake) listField() string {
	if f.emailBased() {
		return "emailListIds"
	}
	return "userListIds"
}

// getLists is GET /api/lists: all of them.
func (f *Fake) getLists(call) reply {
	type details struct {
		ID          int64  `json:"id"`
		Name        string `json:"name"`
		Description string `json:"description,omitzero"`
		ListType    string `json:"listType"`
		CreatedAt   int64  `json:"createdAt"`
	}
	all := make([]details, len(f.lists.all))
	for i, r := range f.lists.all {
		all[i] = details{r.id, r.name, r.description, "Standard", r.created.UnixMilli()}
	}
	return ok(map[string]any{"lists": all})
}

// createList is POST /api/lists. Two lists may have one name.
func (f *Fake) createList(c call) reply {
	r := f.lists.add(textOf(c.sent, "name"), textOf(c.sent, "description"), c.now)
	wait := f.ListSettleAfter
	if wait == 0 {
		wait = f.SettleAfter
	}
	r.usable = c.now.Add(max(wait, 0))
	return ok(map[string]any{"listId": r.id})
}

// deleteList is DELETE /api/lists/{listId}.
func (f *Fake) deleteList(c call) reply {
	r, refused := f.listOf(c.args[0])
	if r == nil {
		return refused
	}
	if r.inUse {
		return said(http.StatusConflict, "Conflict", fmt.Sprintf("List %d is in use and cannot be deleted.", r.id), nil)
	}
	for len(r.members) > 0 {
		f.leave(r.members[len(r.members)-1], r)
	}
	f.lists.all = slices.DeleteFunc(f.lists.all, func(other *roll) bool { return other == r })
	return success(fmt.Sprintf("List %d in Project %d was successfully deleted.", r.id, projectID))
}

// listOf finds the list of a parameter, or returns the 400 that says that
// there is none. Its params are quoted numbers, as observed.
func (f *Fake) listOf(id string) (*roll, reply) {
	n, err := strconv.ParseInt(id, 10, 64)
	if r := f.lists.find(n); err == nil && r != nil {
		return r, reply{}
	}
	return nil, badParams("Invalid email list id", map[string]any{"projectId": strconv.Itoa(projectID), "listId": id})
}

// listSize is GET /api/lists/{listId}/size.
func (f *Fake) listSize(c call) reply {
	r, refused := f.listOf(c.args[0])
	if r == nil {
		return refused
	}
	return reply{status: http.StatusOK, text: strconv.Itoa(len(r.members))}
}

// getListUsers is GET /api/lists/getUsers. The order is unspecified; the fake
// turns it around and begins elsewhere with every call.
func (f *Fake) getListUsers(c call) reply {
	r, prefer, refused := f.listRead(c)
	if r == nil {
		return refused
	}
	return reply{status: http.StatusOK, lines: f.memberLines(r, prefer, len(r.members))}
}

// previewListUsers is GET /api/lists/previewUsers: some of the members, others
// with every call.
func (f *Fake) previewListUsers(c call) reply {
	r, prefer, refused := f.listRead(c)
	if r == nil {
		return refused
	}
	size, err := 1000, error(nil)
	if s := c.query.Get("size"); s != "" {
		size, err = strconv.Atoi(s)
	}
	if err != nil || size < 1 || size > 5000 {
		return badParams("size must be between 1 and 5000", nil)
	}
	return reply{status: http.StatusOK, lines: f.memberLines(r, prefer, min(size, len(r.members)))}
}

// listRead reads the parameters that the two have in common.
func (f *Fake) listRead(c call) (r *roll, prefer bool, refused reply) {
	if r, refused = f.listOf(c.query.Get("listId")); r == nil {
		return nil, false, refused
	}
	switch c.query.Get("preferUserId") {
	case "true":
		prefer = true
	case "", "false":
	default:
		return nil, false, badParams("preferUserId must be true or false", nil)
	}
	return r, prefer, reply{}
}

// memberLines names n members, from another one on with every call.
func (f *Fake) memberLines(r *roll, prefer bool, n int) []string {
	lines := make([]string, n)
	r.reads++
	for i := range lines {
		at := (i + r.reads*7919) % len(r.members)
		if r.reads%2 == 0 {
			at = len(r.members) - 1 - at
		}
		lines[i] = f.line(r.members[at], prefer)
	}
	return lines
}

// line names a member: by address, or by userId where there is no address,
// where a hybrid project is told to prefer it, and in a userID-based project.
// What the last does with an address is not stated; it is no identifier there.
func (f *Fake) line(p *person, prefer bool) string {
	if p.email == "" || p.userID != "" && (f.userIDBased() || prefer && !f.emailBased()) {
		return p.userID
	}
	return p.email
}
