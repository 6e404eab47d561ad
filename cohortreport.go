package iteramp

import (
	"fmt"
	"time"

	"github.com/iteramp/iteramp/iterable"
)

// The fates of a cohort's member.
const (
	// Added is put on the list, or was there already without the sync's doing:
	// Iterable does not tell.
	Added Fate = "added"
	// Kept was put on the list by an earlier sync.
	Kept Fate = "kept"
	// Removed has left the cohort and is taken off the list.
	Removed Fate = "removed"
	// Held is not sent because of a [RemovalsRefusedError].
	Held Fate = "held"
	// Unconfirmed is sent, and left open by the counts of Iterable's answer. It is
	// sent again a day later. Where an answer leaves some of its ids open and names
	// none, OnOutcome is told this of each, the report counts as many as are open.
	Unconfirmed Fate = "unconfirmed"
	// Rejected is refused by Iterable, now or by an earlier sync. It is not sent
	// again while it stays in the cohort, unless the reason is not_found.
	Rejected Fate = "rejected"
)

// CohortReport is what became of a cohort's members. The members with a user id,
// and those who left, are together Added, Kept, Removed, Held, Unconfirmed,
// Rejected and Failed: Members + Left.
type CohortReport struct {
	CohortID   string `json:"cohort_id"`
	CohortName string `json:"cohort_name"`
	ListName   string `json:"list_name"` // as it is called at Iterable
	ListID     int64  `json:"list_id"`

	Members int `json:"members"` // of the cohort, with a user id, each once
	Left    int `json:"left"`    // were put on the list once and are in the cohort no more

	Added       int                     `json:"added"`
	Kept        int                     `json:"kept"`
	Removed     int                     `json:"removed"`
	Held        int                     `json:"held"`
	Unconfirmed int                     `json:"unconfirmed"`
	Rejected    map[iterable.Reason]int `json:"rejected,omitempty"`
	Failed      int                     `json:"failed"` // not sent, or not answered: the next run's

	NoUserID      int       `json:"no_user_id"`     // rows without a user id, in Members nowhere
	DownloadsLeft int       `json:"downloads_left"` // this month; -1 if unknown
	SnapshotAt    time.Time `json:"snapshot_at"`    // when the members were downloaded
	Started       time.Time `json:"started"`
	Finished      time.Time `json:"finished"`
}

// Total is the number of ids that have a fate in the report.
func (r CohortReport) Total() int {
	n := r.Added + r.Kept + r.Removed + r.Held + r.Unconfirmed + r.Failed
	for _, m := range r.Rejected {
		n += m
	}
	return n
}

func (r *CohortReport) reject(reason iterable.Reason, n int) {
	if r.Rejected == nil {
		r.Rejected = make(map[iterable.Reason]int)
	}
	r.Rejected[reason] += n
}

// CohortOutcome is the fate of one id.
type CohortOutcome struct {
	CohortID string
	UserID   string
	Fate     Fate
	Reason   iterable.Reason // why, if it is rejected
}

// Phase is what a sync is doing. The set is fixed, fit for a label.
type Phase string

// The phases, in their order.
const (
	PhaseWaiting     Phase = "waiting" // for Amplitude to make the download
	PhaseDownloading Phase = "downloading"
	PhaseComparing   Phase = "comparing"
	PhaseAdding      Phase = "adding"
	PhaseRemoving    Phase = "removing"
)

// CohortProgress is how far a sync has come: Done of Total ids, Total zero if
// nobody knows.
type CohortProgress struct {
	CohortID string
	Phase    Phase
	Done     int
	Total    int
}

// Doubt is why removals are refused. The set is fixed, fit for a label.
type Doubt string

// The doubts. After all but the first nothing at all is sent.
const (
	DoubtTooMany Doubt = "too_many" // removals, more than [CohortSyncConfig.MaxRemovals]
	DoubtEmpty   Doubt = "empty"    // the cohort has no member any more
	DoubtSize    Doubt = "size"     // the download has not as many rows as Amplitude says the cohort has
	DoubtIDs     Doubt = "ids"      // the ids were addresses and are none now, or the other way round
)

// RemovalsRefusedError says that a sync held back what looks like an accident. Its
// ids are Held. [CohortPlan.AllowRemovals] lets them go.
type RemovalsRefusedError struct {
	CohortID string
	Doubt    Doubt
	Removes  int
	Limit    int // how many were allowed
}

// Error says what was held back, and why.
func (e *RemovalsRefusedError) Error() string {
	why := map[Doubt]string{
		DoubtTooMany: "that is too many",
		DoubtEmpty:   "the cohort is empty",
		DoubtSize:    "the download has not as many rows as the cohort has members",
		DoubtIDs:     "the ids are of another kind than before",
	}[e.Doubt]
	return fmt.Sprintf("iteramp: cohort %s: %d removals held back, %d allowed: %s", e.CohortID, e.Removes, e.Limit, why)
}
