package amplitude

import "fmt"

// Reason says why an event was not accepted. The set is fixed, fit for a label.
type Reason string

// The reasons. Of the first three another try cannot help.
const (
	// ReasonInvalid is an event Amplitude named as invalid, or one that it
	// refuses alone, or one that cannot be encoded.
	ReasonInvalid Reason = "invalid"
	// ReasonSilenced is an event of a device that Amplitude has silenced.
	ReasonSilenced Reason = "silenced"
	// ReasonTooLarge is an event that is too large alone.
	ReasonTooLarge Reason = "too_large"
	// ReasonThrottled is an event of a user or device that sends too fast; a
	// pause of 30 seconds helps.
	ReasonThrottled Reason = "throttled"
	// ReasonQuota is an event of a user or device past its daily quota; it is
	// free again within a day.
	ReasonQuota Reason = "quota"
	// ReasonRefused is an event whose whole request was refused for a reason
	// that is not the event's: the key, a firewall, the rate of the project, or a
	// 503, after which nothing is stored.
	ReasonRefused Reason = "refused"
	// ReasonAmbiguous is an event of a request that was cut off: it may be
	// stored. Sending it again with the same InsertID is harmless.
	ReasonAmbiguous Reason = "ambiguous"
	// ReasonUnsent is an event that never left: there was no connection, the
	// context had ended, or the upload had stopped at the failure of others.
	ReasonUnsent Reason = "unsent"
)

// Permanent says that the fault is the event's own, so that sending it again
// cannot help.
func (r Reason) Permanent() bool {
	return r == ReasonInvalid || r == ReasonSilenced || r == ReasonTooLarge
}

// BatchError is the fate of the events of an upload that were not accepted; all
// others were. It is always a pointer: errors.AsType[*amplitude.BatchError](err).
// Its Unwrap gives the distinct causes, so that errors.Is finds an ErrUnauthorized
// or a context's end behind it.
type BatchError struct {
	Accepted int
	Rejected []ItemError // by rising Index
}

// ItemError is one event that was not accepted.
type ItemError struct {
	Index  int // in the slice that was uploaded
	Reason Reason
	Err    error
}

// Error says "event 17: invalid: event_type is missing".
func (e ItemError) Error() string {
	return fmt.Sprintf("event %d: %s: %v", e.Index, e.Reason, e.Err)
}

// Unwrap gives the cause.
func (e ItemError) Unwrap() error { return e.Err }

// Error counts the events and shows the first.
func (e *BatchError) Error() string {
	if len(e.Rejected) == 0 {
		return "amplitude: no event was rejected"
	}
	return fmt.Sprintf("amplitude: %d of %d events were not accepted, first: %v",
		len(e.Rejected), e.Accepted+len(e.Rejected), e.Rejected[0])
}

// Unwrap gives each cause once, however many events share it.
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
