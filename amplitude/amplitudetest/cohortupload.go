package amplitudetest

import (
	"cmp"
	"net/http"
	"strconv"
	"time"
)

// maxIDs is how many ids one request may hold. The reference says it of any
// request; in one to change memberships the fake counts all of its entries.
//
// Source: https://amplitude.com/docs/apis/analytics/behavioral-cohorts
const maxIDs = 100_000

// maxSample is how many invalid ids an answer shows. How many Amplitude shows
// it does not say.
const maxSample = 10

// uploadCohort answers POST /api/3/cohorts/upload. Where the reference is
// silent: an upload to an existing cohort gives it its name and whether it is
// published too; there is one project, which any app_id stands for, and no
// group type but User; an id that is twice there counts twice.
func (f *Fake) uploadCohort(c *call, w http.ResponseWriter) {
	ids, refused := c.checkUpload()
	if refused != nil {
		refused.write(w)
		return
	}
	id, invalid, refused := f.takeUpload(c, ids)
	if refused != nil {
		refused.write(w)
		return
	}
	answer := map[string]any{"metadata": map[string]any{
		"matched": len(ids) - len(invalid), "totals": len(ids), "invalid_ids_sample": sample(invalid),
	}}
	if id != "" { // with skip_save there may be none
		answer[f.idSpelling()] = id
	}
	writeJSON(w, http.StatusOK, answer)
}

func (f *Fake) idSpelling() string {
	if f.OldSpelling {
		return "cohort_id"
	}
	return "cohortId"
}

// checkUpload returns the ids of an upload whose fields are as documented.
func (c *call) checkUpload() ([]string, *refusal) {
	var ids []string
	switch kind := c.fields["id_type"]; {
	case c.fields == nil:
		return nil, new(badRequest("Invalid JSON request body"))
	case text(c.fields, "name") == "" || text(c.fields, "owner") == "":
		return nil, new(badRequest("name and owner are required"))
	case !isInteger(c.fields["app_id"]) || !isBool(c.fields["published"]):
		return nil, new(badRequest("app_id and published are required"))
	case kind != "BY_AMP_ID" && kind != "BY_USER_ID":
		return nil, new(badRequest("id_type must be BY_AMP_ID or BY_USER_ID"))
	case cmp.Or(text(c.fields, "cg"), "User") != "User":
		return nil, new(badRequest("cg is no group type of this project"))
	}
	ids, ok := texts(c.fields["ids"])
	switch {
	case !ok || len(ids) == 0:
		return nil, new(badRequest("ids must be a list of texts that is not empty"))
	case len(ids) > maxIDs:
		return nil, new(badRequest("ids has more than 100,000 ids"))
	}
	return ids, nil
}

func (f *Fake) takeUpload(c *call, ids []string) (id string, invalid []string, refused *refusal) {
	f.mu.Lock()
	defer f.mu.Unlock()
	members, invalid := f.people.lookUp(ids, text(c.fields, "id_type") == "BY_AMP_ID")
	id, refused = f.saveUpload(c, members, invalid)
	return id, invalid, refused
}

// saveUpload returns the id of the cohort, unless the upload is only to be
// validated and has none.
func (f *Fake) saveUpload(c *call, members []*person, invalid []string) (id string, refused *refusal) {
	name, private := text(c.fields, "name"), c.fields["published"] == false
	id = text(c.fields, "existing_cohort_id")
	cohort := f.cohort(id)
	switch {
	case len(members) == 0 || len(invalid) > 0 && c.fields["skip_invalid_ids"] == false:
		r := badRequest("Invalid ids")
		r.Metadata = map[string]any{"invalid_ids": invalid}
		return "", &r
	case id != "" && cohort == nil:
		return "", new(notFound("Cohort not found"))
	case c.fields["skip_save"] == true:
		return id, nil
	case id == "":
		owners := []string{text(c.fields, "owner")}
		return f.addCohort(Cohort{Name: name, Type: "manual_upload", Owners: owners, Private: private}, members, c.now).ID, nil
	}
	cohort.Name, cohort.Private = name, private
	cohort.replace(members, c.now)
	return id, nil
}

// replace is how the API changes members: it counts as a computation too.
func (c *cohort) replace(members []*person, now time.Time) {
	c.members, c.LastMod = members, now
	c.compute(now)
}

// lookUp finds users by user id or Amplitude ID, each of them once. The others
// are invalid: a cohort holds only users that Amplitude knows.
func (p *people) lookUp(ids []string, byAmplitudeID bool) (found []*person, invalid []string) {
	p.round++
	for _, id := range ids {
		who := p.byUser[id]
		if byAmplitudeID {
			who = p.numbered(id)
		}
		if who == nil {
			invalid = append(invalid, id)
		} else if p.mark(who) {
			found = append(found, who)
		}
	}
	return found, invalid
}

func (p *people) numbered(id string) *person {
	n, err := strconv.ParseInt(id, 10, 64)
	if err != nil {
		return nil
	}
	return p.byID[n]
}

// texts are the strings of a list; false if it is none, or not only.
func texts(v any) ([]string, bool) {
	list, ok := v.([]any)
	texts := make([]string, len(list))
	for i := range list {
		if ok {
			texts[i], ok = list[i].(string)
		}
	}
	return texts, ok
}

func sample(ids []string) []string {
	return append([]string{}, ids[:min(len(ids), maxSample)]...)
}
