package iteramp

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/iteramp/iteramp/amplitude"
	"github.com/iteramp/iteramp/internal/idset"
	"github.com/iteramp/iteramp/internal/ledger"
	"github.com/iteramp/iteramp/iterable"
	"github.com/iteramp/iteramp/mapping"
)

// CohortPlan is what a sync would do. It holds the cohort's ledger until Close:
// meanwhile another sync of the cohort is [ErrBusy].
type CohortPlan struct {
	CohortID   string
	CohortName string
	ListName   string
	ListID     int64 // zero: Apply makes the list

	Members  int // of the cohort, with a user id, each once
	NoUserID int // rows without one
	Adds     int // ids to put on the list
	Removes  int // ids to take off

	SnapshotAt    time.Time // when the members were downloaded
	DownloadsLeft int       // this month; -1 if unknown

	// Refused is why removals, and after some doubts all else too, are held back;
	// nil if nothing is.
	Refused *RemovalsRefusedError

	sync    *CohortSync
	ledger  *ledger.Ledger
	retry   bool         // ids that were left open are due to be sent again
	managed int          // ids the sync has put on the list
	settled CohortReport // what is known without sending anything
	adds    *spool
	removes *spool
	known   *spool // ids that need not be sent, with the standing they have
	applied bool
}

// Plan finds out what a sync would do, and writes at neither vendor. It may cost
// one of the month's cohort downloads, unless the cohort was not computed anew since
// the last. The plan must be closed.
func (s *CohortSync) Plan(ctx context.Context, cohortID string) (*CohortPlan, error) {
	l, err := ledger.Open(ctx, s.cfg.LedgerDir, cohortID)
	if err != nil {
		return nil, ledgerError(err)
	}
	p := &CohortPlan{CohortID: cohortID, DownloadsLeft: -1, sync: s, ledger: l}
	if err := p.prepare(ctx); err != nil {
		p.Close()
		return nil, ledgerError(err)
	}
	return p, nil
}

// ledgerError gives the errors of a ledger their public kinds.
func ledgerError(err error) error {
	switch {
	case errors.Is(err, ledger.ErrBusy):
		return ErrBusy
	case errors.Is(err, ledger.ErrDamaged), errors.Is(err, ledger.ErrForeign), errors.Is(err, idset.ErrDamaged):
		return fmt.Errorf("%w: %w", ErrLedger, err)
	}
	return err
}

func (p *CohortPlan) prepare(ctx context.Context) error {
	cohort, err := p.sync.cohort(ctx, p.CohortID)
	if err != nil {
		return err
	}
	p.CohortName = cohort.Name
	if err := p.chooseList(ctx); err != nil {
		return err
	}
	if err := p.seed(ctx); err != nil {
		return err
	}
	members, fresh, err := p.snapshot(ctx, cohort)
	if err != nil {
		return err
	}
	defer members.Close()
	st := p.ledger.State
	p.SnapshotAt, p.NoUserID = st.Snapshot.TakenAt, st.Snapshot.NoUserID
	// More than a day ahead is a clock that was wrong.
	p.retry = fresh && (!time.Now().Before(st.RetryAt) || time.Until(st.RetryAt) > retryAfter)
	if err := p.compare(ctx, members); err != nil {
		return err
	}
	p.Refused = p.doubt()
	return nil
}

// cohort finds the cohort among those of the project.
func (s *CohortSync) cohort(ctx context.Context, id string) (amplitude.Cohort, error) {
	var cohorts []amplitude.Cohort
	err := again(ctx, func() (err error) {
		cohorts, err = s.cfg.Amplitude.Cohorts.List(ctx, amplitude.CohortListOptions{})
		return err
	})
	if err != nil {
		return amplitude.Cohort{}, err
	}
	i := slices.IndexFunc(cohorts, func(c amplitude.Cohort) bool { return c.ID == id })
	if i < 0 || cohorts[i].Archived {
		return amplitude.Cohort{}, ErrCohortGone
	}
	return cohorts[i], nil
}

// chooseList finds the list of the cohort and claims it. With a ledger the list is
// known by its id alone: cohorts get renamed.
func (p *CohortPlan) chooseList(ctx context.Context) error {
	var lists []iterable.List
	err := again(ctx, func() (err error) {
		lists, err = p.sync.cfg.Iterable.Lists.List(ctx)
		return err
	})
	if err != nil {
		return err
	}
	unlock, err := ledger.LockNames(ctx, p.sync.cfg.LedgerDir)
	if err != nil {
		return err
	}
	defer unlock()
	list, err := p.findList(lists)
	if err != nil {
		return err
	}
	if err := p.claim(list); err != nil {
		return err
	}
	st := &p.ledger.State
	st.CohortName, st.ListID, st.ListName = p.CohortName, list.ID, list.Name
	p.ListID, p.ListName = list.ID, list.Name
	return p.ledger.Save()
}

// retryAfter is when ids that Iterable did not know or left open are sent again.
const retryAfter = 24 * time.Hour

// youngList is how long a list may be missing from Iterable's lists after it was
// made.
const youngList = 2 * time.Minute

func (p *CohortPlan) findList(lists []iterable.List) (iterable.List, error) {
	st := &p.ledger.State
	chosen := p.sync.cfg.Lists[p.CohortID]
	if chosen != 0 && st.ListID != 0 && chosen != st.ListID {
		return iterable.List{}, fmt.Errorf("%w: it is of list %d, not %d", ErrLedger, st.ListID, chosen)
	}
	if id := max(chosen, st.ListID); id != 0 {
		list, err := p.listByID(lists, id)
		if !errors.Is(err, ErrListGone) || !p.sync.cfg.Full || chosen != 0 {
			return list, err
		}
		if err := p.ledger.Reset(); err != nil {
			return list, err
		}
	}
	return listByName(lists, mapping.ListName(p.CohortName))
}

func (p *CohortPlan) listByID(lists []iterable.List, id int64) (iterable.List, error) {
	st := p.ledger.State
	i := slices.IndexFunc(lists, func(l iterable.List) bool { return l.ID == id })
	switch {
	case i >= 0:
		return lists[i], checkStatic(lists[i])
	case id == st.ListID && time.Since(st.ListMade).Abs() < youngList:
		return iterable.List{ID: id, Name: st.ListName, Type: iterable.ListTypeStandard}, nil
	}
	return iterable.List{}, fmt.Errorf("%w: %d", ErrListGone, id)
}

// listByName returns a list without an id if there is none of that name.
func listByName(lists []iterable.List, name string) (iterable.List, error) {
	list := iterable.List{Name: name, Type: iterable.ListTypeStandard}
	var ids []int64
	for _, l := range lists {
		if l.Name == name {
			list = l
			ids = append(ids, l.ID)
		}
	}
	if len(ids) > 1 {
		return list, fmt.Errorf("%w: the lists %d have it", ErrListName, ids)
	}
	return list, checkStatic(list)
}

func checkStatic(l iterable.List) error {
	if l.Type != iterable.ListTypeStandard {
		return fmt.Errorf("%w: list %d is of type %s", ErrListName, l.ID, l.Type)
	}
	return nil
}

// claim fails if another cohort of the ledger's directory has the list, or has
// planned to make one of that name.
func (p *CohortPlan) claim(list iterable.List) error {
	others, err := ledger.Others(p.sync.cfg.LedgerDir, p.CohortID)
	if err != nil {
		return err
	}
	for _, o := range others {
		taken := o.ListID == list.ID && list.ID != 0
		planned := (o.ListID == 0 || list.ID == 0) && o.ListName == list.Name
		if taken || planned {
			return fmt.Errorf("%w: cohorts %s and %s have the same", ErrListName, o.CohortID, p.CohortID)
		}
	}
	return nil
}

// seed takes the members of a list that the sync has not made for its own, if that
// is wanted and nothing was put there yet.
func (p *CohortPlan) seed(ctx context.Context) error {
	st := p.ledger.State
	if !p.sync.cfg.SeedFromList || st.ListID == 0 || !st.ListMade.IsZero() || !p.ledger.Empty() {
		return nil
	}
	members := p.sync.cfg.Iterable.Lists.Members(ctx, st.ListID, iterable.ListMembersOptions{PreferUserID: true})
	if err := again(ctx, func() error { return p.ledger.Seed(members) }); err != nil {
		return err
	}
	return p.ledger.Save()
}

// compare sorts all ids of the cohort and the ledger.
func (p *CohortPlan) compare(ctx context.Context, members *idset.Set) error {
	for _, s := range []**spool{&p.adds, &p.removes, &p.known} {
		var err error
		if *s, err = newSpool(p.ledger.Root(), p.ledger.Name("plan")); err != nil {
			return err
		}
	}
	p.progress(PhaseComparing, 0, 0)
	counts, err := idset.Compare(ctx, p.ledger.Layers(), members, p.matters, p.sort)
	if err != nil {
		return err
	}
	for c, n := range counts {
		if c.New != 0 {
			p.Members += n
		}
		if ledger.Managed(c.Old) {
			p.managed += n
		}
		if !p.matters(c) && c.Old == ledger.Member {
			p.settled.Kept += n
		}
	}
	p.Adds, p.Removes = p.adds.len, p.removes.len
	p.settled.Members, p.settled.Left = p.Members, p.settled.Left+p.Removes
	return errors.Join(p.adds.finish(), p.removes.finish(), p.known.finish())
}

// standings as a snapshot has them.
const (
	inCohort  byte = 'm'
	refusedID byte = 'i' // Iterable would refuse the id, so it is not sent
)

// matters says which ids sort has to look at: not those that stay, nor those that
// the ledger has struck out and the cohort does not have.
func (p *CohortPlan) matters(c idset.Change) bool {
	switch c {
	case idset.Change{Old: ledger.Member, New: inCohort}:
		return p.sync.cfg.Full
	case idset.Change{Old: ledger.Gone}:
		return false
	}
	return true
}

// sort decides about one id: c.Old is its standing in the ledger, c.New that in the
// snapshot, zero for none.
func (p *CohortPlan) sort(id []byte, c idset.Change) error {
	switch c.New {
	case inCohort:
		return p.sortMember(id, c.Old)
	case refusedID:
		p.settled.reject(iterable.ReasonInvalidID, 1)
		return p.known.add(ledger.InvalidID, id)
	}
	switch {
	case !ledger.Managed(c.Old):
		return p.known.add(ledger.Gone, id)
	case c.Old == ledger.Leaving && !p.retry:
		p.settled.Unconfirmed++
		p.settled.Left++
		return p.known.add(c.Old, id)
	}
	return p.removes.add(c.Old, id)
}

func (p *CohortPlan) sortMember(id []byte, before byte) error {
	switch {
	case (before == 0 || before == ledger.Gone) && p.ledger.IsForgotten(id):
		p.settled.reject(iterable.ReasonForgotten, 1)
		return p.known.add(ledger.Forgotten, id)
	case p.sync.cfg.Full, before == 0, before == ledger.Gone, before == ledger.InFlight, before == ledger.Leaving,
		p.retry && (before == ledger.Unconfirmed || before == ledger.NotFound):
		return p.adds.add(before, id)
	case before == ledger.Unconfirmed:
		p.settled.Unconfirmed++
	default:
		p.settled.reject(reasons[before], 1)
	}
	return p.known.add(before, id)
}

// reasons are those of the standings that stand for a refusal.
var reasons = map[ledger.Standing]iterable.Reason{
	ledger.NotFound:    iterable.ReasonNotFound,
	ledger.InvalidID:   iterable.ReasonInvalidID,
	ledger.InvalidData: iterable.ReasonInvalidData,
	ledger.Conflict:    iterable.ReasonConflict,
	ledger.Forgotten:   iterable.ReasonForgotten,
}

// doubt finds what looks like an accident.
func (p *CohortPlan) doubt() *RemovalsRefusedError {
	limit := p.sync.cfg.MaxRemovals
	if limit == 0 {
		limit = max(100, p.managed/10)
	}
	snap := p.ledger.State.Snapshot
	refused := &RemovalsRefusedError{CohortID: p.CohortID, Removes: p.Removes, Limit: limit}
	switch {
	case p.Adds+p.Removes == 0:
		return nil
	case p.managed > 0 && p.Members > 0 && snap.Emails != p.ledger.State.Emails:
		refused.Doubt = DoubtIDs
	case p.Members == 0:
		refused.Doubt = DoubtEmpty
	case snap.Size != nil && diff(snap.Rows, *snap.Size) > max(100, *snap.Size/100):
		refused.Doubt = DoubtSize
	case p.Removes > limit:
		refused.Doubt = DoubtTooMany
	default:
		return nil
	}
	return refused
}

func diff(a, b int) int { return max(a-b, b-a) }

// AllowRemovals allows up to n removals, and trusts the download whatever the
// doubt, for this plan. Where there are more removals than n, Refused stays.
func (p *CohortPlan) AllowRemovals(n int) {
	if p.Removes <= n {
		p.Refused = nil
	} else if p.Refused != nil {
		p.Refused.Limit = n
	}
}

// Added ranges over the ids that Apply puts on the list.
func (p *CohortPlan) Added() iter.Seq2[string, error] { return p.adds.ids() }

// Removed ranges over the ids that Apply takes off the list.
func (p *CohortPlan) Removed() iter.Seq2[string, error] { return p.removes.ids() }

// Close gives up the cohort's ledger and the plan's files. Closing twice is
// harmless.
func (p *CohortPlan) Close() error {
	for _, s := range []*spool{p.adds, p.removes, p.known} {
		s.remove()
	}
	p.adds, p.removes, p.known = nil, nil, nil
	return p.ledger.Close()
}

func (p *CohortPlan) progress(phase Phase, done, total int) {
	if f := p.sync.cfg.OnProgress; f != nil {
		f(CohortProgress{CohortID: p.CohortID, Phase: phase, Done: done, Total: total})
	}
}

func (p *CohortPlan) outcome(id string, fate Fate, reason iterable.Reason) {
	if f := p.sync.cfg.OnOutcome; f != nil {
		f(CohortOutcome{CohortID: p.CohortID, UserID: strings.Clone(id), Fate: fate, Reason: reason})
	}
}
