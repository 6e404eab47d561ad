package amplitude

import (
	"cmp"
	"context"
	"slices"

	"github.com/iteramp/iteramp/internal/rest"
)

// MembershipIDType says what the ids of a membership are.
type MembershipIDType string

// The kinds of ids of a membership.
const (
	MembershipIDTypeName MembershipIDType = "BY_NAME" // user ids, or names of groups
	MembershipIDTypeID   MembershipIDType = "BY_ID"   // Amplitude IDs, or ids of groups
)

// MembershipOperation is what becomes of the members.
type MembershipOperation string

// The operations on members.
const (
	MembershipOperationAdd    MembershipOperation = "ADD"
	MembershipOperationRemove MembershipOperation = "REMOVE"
)

// Membership puts users into a cohort or takes them out.
type Membership struct {
	IDs       []string            `json:"ids"`     // any number
	IDType    MembershipIDType    `json:"id_type"` // zero means MembershipIDTypeName
	Operation MembershipOperation `json:"operation"`
}

// CohortMembershipRequest changes the members of a cohort, entry by entry.
type CohortMembershipRequest struct {
	CohortID    string       `json:"cohort_id"`
	CountGroup  string       `json:"count_group,omitzero"` // that of the cohort, zero means User
	Memberships []Membership `json:"memberships"`
	// SkipInvalidIDs false has an invalid id abort a request of 10,000 ids as a
	// whole; nil means true.
	SkipInvalidIDs *bool `json:"skip_invalid_ids,omitzero"`
}

// CohortMembershipResult is what came of each of the request's Memberships.
type CohortMembershipResult struct {
	Memberships []MembershipResult
}

// MembershipResult is what came of the Membership with the same index.
type MembershipResult struct {
	Answered   int      // its first so many ids; all, if there is no error
	SkippedIDs []string // of those, users that Amplitude does not know
}

const maxMembershipIDs = 10_000

// UpdateMembership puts users into a cohort and takes users out. It sends at most
// 10,000 ids in a request, in their order, one request at a time for a cohort:
// Amplitude answers 429 to others. It is safe to repeat. An error leaves what was
// answered before done; the result then says how far it came.
func (s *CohortsService) UpdateMembership(ctx context.Context, req CohortMembershipRequest) (CohortMembershipResult, error) {
	if s.core == nil {
		return CohortMembershipResult{}, errNoClient
	}
	leave, err := s.core.members.Enter(ctx, req.CohortID)
	if err != nil {
		return CohortMembershipResult{}, err
	}
	defer leave()
	return s.updateMembership(ctx, req)
}

// updateMembership must have the cohort to itself.
func (s *CohortsService) updateMembership(ctx context.Context, req CohortMembershipRequest) (CohortMembershipResult, error) {
	result := CohortMembershipResult{make([]MembershipResult, len(req.Memberships))}
	for _, p := range membershipParts(req.Memberships) {
		req.Memberships = p.entries
		skipped, err := s.sendMembership(ctx, req)
		if err != nil {
			return result, err
		}
		for i, whole := range p.of {
			r := &result.Memberships[whole]
			r.Answered += len(p.entries[i].IDs)
			r.SkippedIDs = append(r.SkippedIDs, skipped[i]...)
		}
	}
	return result, nil
}

// membershipPart is what one request holds: pieces of some memberships, and which.
type membershipPart struct {
	entries []Membership
	of      []int
}

func membershipParts(all []Membership) (parts []membershipPart) {
	room := 0
	for i, m := range all {
		for ids := m.IDs; len(ids) > 0; {
			if room == 0 {
				parts, room = append(parts, membershipPart{}), maxMembershipIDs
			}
			n := min(room, len(ids))
			p := &parts[len(parts)-1]
			p.entries = append(p.entries, Membership{ids[:n], cmp.Or(m.IDType, MembershipIDTypeName), m.Operation})
			p.of = append(p.of, i)
			ids, room = ids[n:], room-n
		}
	}
	return parts
}

// sendMembership makes one request and returns the skipped ids of each entry.
func (s *CohortsService) sendMembership(ctx context.Context, req CohortMembershipRequest) ([][]string, error) {
	resp, err := s.core.send(ctx, rest.Call{
		Method: "POST", Path: pathCohortMembers, Body: req, Idempotent: true,
		Private: func() []string { return idsOf(req.Memberships) },
	})
	if err != nil {
		return nil, err
	}
	var body struct {
		CohortID string         `json:"cohort_id"`
		Results  []wireSkipping `json:"memberships_result"`
	}
	if !decode(resp.Body, &body) || body.CohortID != req.CohortID {
		return nil, newError(resp, otherShape)
	}
	skipped := make([][]string, len(req.Memberships))
	for i, r := range body.Results {
		at := r.entry(req.Memberships, i)
		if at < 0 {
			return nil, newError(resp, otherShape)
		}
		skipped[at] = append(skipped[at], r.SkippedIDs...)
	}
	if len(body.Results) == 0 {
		return nil, newError(resp, otherShape)
	}
	return skipped, nil
}

type wireSkipping struct {
	SkippedIDs idList              `json:"skipped_ids"`
	IDType     MembershipIDType    `json:"id_type"`
	Operation  MembershipOperation `json:"operation"`
}

// entry finds which entry a result is of: the one with its index, or the first of
// its kind, as nobody says that results keep the order.
func (r wireSkipping) entry(entries []Membership, index int) int {
	same := func(m Membership) bool { return m.IDType == r.IDType && m.Operation == r.Operation }
	if index < len(entries) && same(entries[index]) {
		return index
	}
	return slices.IndexFunc(entries, same)
}

func idsOf(memberships []Membership) (ids []string) {
	for _, m := range memberships {
		ids = append(ids, m.IDs...)
	}
	return ids
}
