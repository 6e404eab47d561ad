package amplitudetest

import (
	"cmp"
	"net/http"
	"slices"
)

// membershipSlots lets one request at a time change a cohort: Amplitude is
// observed to answer 429 to others.
func membershipSlots(_ *Fake, c *call) []slot {
	return []slot{{"membership/" + text(c.fields, "cohort_id"), 1}}
}

// membership is an entry of a request to change a cohort's members.
type membership struct {
	ids           []string
	idType        string
	operation     string
	byAmplitudeID bool
	members       []*person
	skipped       []string
}

// updateMembership answers POST /api/3/cohorts/membership. Entries are applied
// in their order. It changes cohorts of any type; whether Amplitude does, the
// reference does not say.
//
// Source: https://amplitude.com/docs/apis/analytics/behavioral-cohorts
func (f *Fake) updateMembership(c *call, w http.ResponseWriter) {
	entries, refused := c.memberships()
	if refused == nil {
		refused = f.changeMembers(c, entries)
	}
	if refused != nil {
		refused.write(w)
		return
	}
	writeJSON(w, http.StatusOK, membershipAnswer(c, entries))
}

func membershipAnswer(c *call, entries []membership) map[string]any {
	results := make([]map[string]any, len(entries))
	for i, e := range entries {
		results[i] = map[string]any{
			"skipped_ids": append([]string{}, e.skipped...), "id_type": e.idType, "operation": e.operation,
		}
	}
	return map[string]any{"cohort_id": text(c.fields, "cohort_id"), "memberships_result": results}
}

// memberships returns the entries of a request whose fields are as documented.
func (c *call) memberships() ([]membership, *refusal) {
	list, _ := c.fields["memberships"].([]any)
	switch {
	case c.fields == nil:
		return nil, new(badRequest("Invalid JSON request body"))
	case text(c.fields, "cohort_id") == "" || len(list) == 0:
		return nil, new(badRequest("cohort_id and memberships are required"))
	case cmp.Or(text(c.fields, "count_group"), "User") != "User": // the fake has no cohorts of other groups
		return nil, new(badRequest("count_group is not that of the cohort"))
	}
	entries, total := make([]membership, len(list)), 0
	for i := range list {
		e, ok := newMembership(list[i])
		if !ok {
			return nil, new(badRequest("memberships need ids, id_type and operation"))
		}
		entries[i] = e
		total += len(e.ids)
	}
	if total > maxIDs {
		return nil, new(badRequest("memberships have more than 100,000 ids"))
	}
	return entries, nil
}

// newMembership takes the id types of an upload too, which a widely used
// sender of others has in the place of the documented ones.
func newMembership(v any) (membership, bool) {
	fields, _ := v.(map[string]any)
	ids, ok := texts(fields["ids"])
	e := membership{ids: ids, idType: text(fields, "id_type"), operation: text(fields, "operation")}
	e.byAmplitudeID = e.idType == "BY_ID" || e.idType == "BY_AMP_ID"
	ok = ok && (e.byAmplitudeID || e.idType == "BY_NAME" || e.idType == "BY_USER_ID")
	return e, ok && (e.operation == "ADD" || e.operation == "REMOVE")
}

func (f *Fake) changeMembers(c *call, entries []membership) *refusal {
	f.mu.Lock()
	defer f.mu.Unlock()
	cohort := f.cohort(text(c.fields, "cohort_id"))
	if cohort == nil {
		return new(notFound("Cohort not found"))
	}
	skipped := 0
	for i := range entries {
		e := &entries[i]
		e.members, e.skipped = f.people.lookUp(e.ids, e.byAmplitudeID)
		skipped += len(e.skipped)
	}
	if skipped > 0 && c.fields["skip_invalid_ids"] == false {
		r := badRequest("Invalid ids")
		r.Metadata = membershipAnswer(c, entries)
		return &r
	}
	members := cohort.members
	for _, e := range entries {
		members = e.apply(members)
	}
	cohort.replace(members, c.now)
	return nil
}

// apply returns members with the change; it leaves its argument alone, which
// downloads share.
func (e membership) apply(members []*person) []*person {
	named := make(map[*person]bool, len(e.members))
	for _, p := range e.members {
		named[p] = true
	}
	if e.operation == "REMOVE" {
		return slices.DeleteFunc(slices.Clone(members), func(p *person) bool { return named[p] })
	}
	for _, p := range members {
		delete(named, p)
	}
	added := slices.DeleteFunc(slices.Clone(e.members), func(p *person) bool { return !named[p] })
	return slices.Concat(members, added)
}
