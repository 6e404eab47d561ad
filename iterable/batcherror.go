package iterable

import "fmt"

// Reason says why a record was not accepted. The set is fixed, fit for a label.
type Reason string

// The reasons.
const (
	// ReasonInvalidID is a malformed e-mail address or userId.
	ReasonInvalidID Reason = "invalid_id"
	// ReasonInvalidData is a record whose dataFields Iterable refuses, or that
	// cannot be encoded.
	ReasonInvalidData Reason = "invalid_data"
	// ReasonConflict is an identifier that belongs to another user.
	ReasonConflict Reason = "conflict"
	// ReasonForgotten is a user forgotten by privacy request. Nothing may be
	// written to them any more.
	ReasonForgotten Reason = "forgotten"
	// ReasonNotFound is a user Iterable does not know, perhaps not yet: a profile
	// takes up to a minute to appear.
	ReasonNotFound Reason = "not_found"
	// ReasonDisallowed is an event whose name the project has blocked.
	ReasonDisallowed Reason = "disallowed"
	// ReasonTooLarge is a record that is too large alone.
	ReasonTooLarge Reason = "too_large"
	// ReasonFailed is a record that failed inside Iterable; it may be sent again.
	ReasonFailed Reason = "failed"
	// ReasonRefused is a record whose whole request was refused for a reason that
	// is not the record's: the key, the list, the rate of the project.
	ReasonRefused Reason = "refused"
	// ReasonAmbiguous is a record of a request that was cut off: it may have taken
	// effect.
	ReasonAmbiguous Reason = "ambiguous"
	// ReasonUnsent is a record that never left: there was no connection, the
	// context had ended, or the call had stopped at the failure of others.
	ReasonUnsent Reason = "unsent"
)

// Permanent says that the fault is the record's own, so that sending it again
// cannot help.
func (r Reason) Permanent() bool {
	switch r {
	case ReasonInvalidID, ReasonInvalidData, ReasonConflict, ReasonForgotten, ReasonDisallowed, ReasonTooLarge:
		return true
	}
	return false
}

// BatchError is the fate of the records of a bulk call that were not accepted; all
// others were. It is always a pointer: errors.AsType[*iterable.BatchError](err).
// Its Unwrap gives the distinct causes, so that errors.Is finds an ErrUnauthorized
// or a context's end behind it.
type BatchError struct {
	Accepted int
	Rejected []ItemError // by rising Index
	// Unnamed is how many more records Iterable's counts leave open: it counted a
	// failure and named nobody, or a success less than there are records.
	Unnamed int
}

// ItemError is one record that was not accepted.
type ItemError struct {
	Index  int // in the slice that was sent
	Reason Reason
	Err    error
}

// Error says "record 17: conflict: named in conflictUserIds".
func (e ItemError) Error() string {
	return fmt.Sprintf("record %d: %s: %v", e.Index, e.Reason, e.Err)
}

// Unwrap gives the cause.
func (e ItemError) Unwrap() error { return e.Err }

// Error counts the records and shows the first.
func (e *BatchError) Error() string {
	total := e.Accepted + len(e.Rejected) + e.Unnamed
	switch {
	case len(e.Rejected) == 0 && e.Unnamed == 0:
		return "iterable: no record was rejected"
	case len(e.Rejected) == 0:
		return fmt.Sprintf("iterable: %d of %d records were not confirmed, and not named", e.Unnamed, total)
	case e.Unnamed > 0:
		return fmt.Sprintf("iterable: %d of %d records were not accepted, %d of them not named, first: %v",
			len(e.Rejected)+e.Unnamed, total, e.Unnamed, e.Rejected[0])
	}
	return fmt.Sprintf("iterable: %d of %d records were not accepted, first: %v", len(e.Rejected), total, e.Rejected[0])
}

// Unwrap gives each cause once, however many records share it.
func (e *BatchError) Unwrap() []error {
	var causes []error
	seen := make(map[error]bool)
	for _, item := range e.Rejected {
		if item.Err != nil && !seen[item.Err] {
			seen[item.Err] = true
			causes = append(causes, item.Err)
		}
	}
	return causes
}
