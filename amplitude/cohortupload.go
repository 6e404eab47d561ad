package amplitude

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/iteramp/iteramp/internal/rest"
)

// CohortIDType says what the ids of an upload are.
type CohortIDType string

// The kinds of ids of an upload.
const (
	CohortIDTypeUserID      CohortIDType = "BY_USER_ID"
	CohortIDTypeAmplitudeID CohortIDType = "BY_AMP_ID"
)

// CohortUploadRequest is a cohort with its members. Only users that Amplitude knows
// can be in one.
type CohortUploadRequest struct {
	Name      string       `json:"name"`
	AppID     int64        `json:"app_id"`    // the project
	IDType    CohortIDType `json:"id_type"`   // zero means CohortIDTypeUserID
	IDs       []string     `json:"ids"`       // at least one, any number
	Owner     string       `json:"owner"`     // login address of an Amplitude user
	Published bool         `json:"published"` // others can find it

	// CountGroup is an existing group type to count by, zero means users.
	CountGroup string `json:"cg,omitzero"`
	// SkipSave only validates.
	SkipSave bool `json:"skip_save,omitzero"`
	// SkipInvalidIDs false has an invalid id abort the request; nil means true.
	SkipInvalidIDs *bool `json:"skip_invalid_ids,omitzero"`
	// ExistingCohortID is the cohort whose whole membership is replaced, zero means
	// a new one.
	ExistingCohortID string `json:"existing_cohort_id,omitzero"`
}

// CohortUploadResult is what came of an upload.
type CohortUploadResult struct {
	CohortID string // "" if nothing was saved
	Matched  int    // ids that are users of Amplitude
	Total    int    // ids that Amplitude has looked at
	// InvalidIDsSample are some of the others, 1,000 at most.
	InvalidIDsSample []string
}

const (
	maxUploadIDs = 100_000
	maxSample    = 1000
)

var errNoIDs = errors.New("amplitude: CohortUploadRequest.IDs is empty: Amplitude makes no empty cohort")

// Upload makes a cohort, or replaces the members of one. Amplitude takes 100,000
// ids in a request: more are added as [CohortsService.UpdateMembership] does, one
// request after another, and with SkipSave validated in requests of their own. An
// invalid id after the first 100,000, with SkipInvalidIDs false, leaves the cohort
// with those before it.
//
// To make a new cohort is not repeated after it was cut off, which would make a
// second one; to replace or to validate is safe to repeat. If the error comes after
// the cohort was made, the result has its id and how far it came.
func (s *CohortsService) Upload(ctx context.Context, req CohortUploadRequest) (CohortUploadResult, error) {
	var result CohortUploadResult
	switch {
	case s.core == nil:
		return result, errNoClient
	case len(req.IDs) == 0:
		return result, errNoIDs
	}
	req.IDType = cmp.Or(req.IDType, CohortIDTypeUserID)
	if req.ExistingCohortID != "" {
		leave, err := s.core.members.Enter(ctx, req.ExistingCohortID)
		if err != nil {
			return result, err
		}
		defer leave()
	}
	all := req.IDs
	for part := range slices.Chunk(all, maxUploadIDs) {
		req.IDs = part
		if err := s.upload(ctx, req, &result); err != nil {
			return result, err
		}
		if !req.SkipSave {
			break
		}
	}
	if rest := all[min(maxUploadIDs, len(all)):]; len(rest) > 0 && !req.SkipSave {
		req.IDs = rest
		err := s.addRest(ctx, req, &result)
		return result, err
	}
	return result, nil
}

func (s *CohortsService) upload(ctx context.Context, req CohortUploadRequest, result *CohortUploadResult) error {
	resp, err := s.core.send(ctx, rest.Call{
		Method: "POST", Path: pathCohortUpload, Body: req, Idempotent: req.SkipSave || req.ExistingCohortID != "",
		Private: func() []string { return append(slices.Clone(req.IDs), req.Owner) },
	})
	if err != nil {
		return err
	}
	var body struct {
		CohortID  string `json:"cohortId"`
		CohortID2 string `json:"cohort_id"` // as it was called until 2023
		Metadata  struct {
			Matched integer `json:"matched"`
			Totals  integer `json:"totals"`
			Sample  idList  `json:"invalid_ids_sample"`
		} `json:"metadata"`
	}
	ok := decode(resp.Body, &body)
	result.CohortID = cmp.Or(body.CohortID, body.CohortID2)
	result.count(int(body.Metadata.Matched.n), int(body.Metadata.Totals.n), body.Metadata.Sample)
	if !ok || !body.Metadata.Matched.valid || !body.Metadata.Totals.valid || result.CohortID == "" && !req.SkipSave {
		return newError(resp, otherShape)
	}
	return nil
}

// addRest adds the ids that the upload had no room for.
func (s *CohortsService) addRest(ctx context.Context, req CohortUploadRequest, result *CohortUploadResult) error {
	idType := MembershipIDTypeName
	if req.IDType == CohortIDTypeAmplitudeID {
		idType = MembershipIDTypeID
	}
	added, err := s.updateMembership(ctx, CohortMembershipRequest{
		CohortID: result.CohortID, CountGroup: req.CountGroup, SkipInvalidIDs: req.SkipInvalidIDs,
		Memberships: []Membership{{IDs: req.IDs, IDType: idType, Operation: MembershipOperationAdd}},
	})
	for _, m := range added.Memberships {
		result.count(m.Answered-len(m.SkippedIDs), m.Answered, m.SkippedIDs)
	}
	return err
}

func (r *CohortUploadResult) count(matched, total int, invalid []string) {
	r.Matched += matched
	r.Total += total
	room := maxSample - len(r.InvalidIDsSample)
	r.InvalidIDsSample = append(r.InvalidIDsSample, invalid[:min(room, len(invalid))]...)
}
