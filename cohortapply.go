package iteramp

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/iteramp/iteramp/amplitude"
	"github.com/iteramp/iteramp/internal/ledger"
	"github.com/iteramp/iteramp/internal/rest"
	"github.com/iteramp/iteramp/iterable"
)

var (
	errPlanClosed = errors.New("iteramp: the plan is closed")
	errApplied    = errors.New("iteramp: the plan was applied already")
)

// batchSize is how many ids one request holds.
const batchSize = 1000

// Apply does what is planned: adds first, then removals, each batch noted in the
// ledger before it is sent and after it is answered. What Refused holds back is not
// sent, and Refused is the error then. Whatever the error, the report says what
// became of each id, and the next sync takes up the rest.
func (p *CohortPlan) Apply(ctx context.Context) (CohortReport, error) {
	start := time.Now()
	a := applying{CohortPlan: p, report: p.settled}
	r := &a.report
	r.CohortID, r.CohortName, r.ListName, r.ListID = p.CohortID, p.CohortName, p.ListName, p.ListID
	r.NoUserID, r.DownloadsLeft, r.SnapshotAt = p.NoUserID, p.DownloadsLeft, p.SnapshotAt
	err := a.run(ctx)
	r.Failed = r.Members + r.Left - r.Total()
	r.Started, r.Finished = start, time.Now()
	return *r, ledgerError(err)
}

// applying is an Apply under way.
type applying struct {
	*CohortPlan
	report  CohortReport
	retried bool // an id is to be sent again a day later
}

func (a *applying) run(ctx context.Context) error {
	switch {
	case a.adds == nil:
		return errPlanClosed
	case a.applied:
		return errApplied
	}
	a.applied = true
	err := a.send(ctx)
	// What was answered is kept whatever happened then, even to the context.
	if synced := a.ledger.Sync(); err == nil {
		err = synced
	}
	if err != nil {
		return err
	}
	if err := a.finish(ctx); err != nil {
		return err
	}
	if a.Refused != nil {
		return a.Refused
	}
	return nil
}

func (a *applying) send(ctx context.Context) error {
	if err := a.settleKnown(); err != nil {
		return err
	}
	if a.Refused != nil && a.Refused.Doubt != DoubtTooMany {
		return errors.Join(a.hold(a.adds), a.hold(a.removes))
	}
	if a.managed == 0 {
		a.ledger.State.Emails = a.ledger.State.Snapshot.Emails
	}
	if err := a.makeList(ctx); err != nil {
		return err
	}
	if err := a.batches(ctx, PhaseAdding, a.adds, a.subscribe); err != nil {
		return err
	}
	if a.Refused != nil {
		return a.hold(a.removes)
	}
	return a.batches(ctx, PhaseRemoving, a.removes, a.unsubscribe)
}

// settleKnown tells of ids that need not be sent, and forgets those who were
// refused once and have left the cohort.
func (a *applying) settleKnown() error {
	for e, err := range a.known.entries() {
		if err != nil {
			return err
		}
		switch e.standing {
		case ledger.Gone:
			if err := a.ledger.Drop(e.id); err != nil {
				return err
			}
		case ledger.Unconfirmed, ledger.Leaving:
			a.outcome(string(e.id), Unconfirmed, "")
		default:
			a.outcome(string(e.id), Rejected, reasons[e.standing])
		}
	}
	return nil
}

func (a *applying) hold(ids *spool) error {
	for e, err := range ids.entries() {
		if err != nil {
			return err
		}
		a.report.Held++
		a.outcome(string(e.id), Held, "")
	}
	return nil
}

// makeList makes the list if there is none, and notes it down at once. One that a
// crash leaves unnoted is found by its name.
func (a *applying) makeList(ctx context.Context) error {
	st := &a.ledger.State
	if st.ListID != 0 {
		return nil
	}
	id, err := a.sync.cfg.Iterable.Lists.Create(ctx, iterable.ListCreateRequest{Name: a.ListName})
	if err != nil {
		return err
	}
	st.ListID, st.ListMade = id, time.Now()
	a.ListID, a.report.ListID = id, id
	return a.ledger.Save()
}

// batches sends ids a batch at a time.
func (a *applying) batches(ctx context.Context, phase Phase, ids *spool, send func(context.Context, []entry) error) error {
	if ids.len == 0 {
		return nil
	}
	done := 0
	batch := make([]entry, 0, batchSize)
	flush := func() error {
		if err := a.ledger.Intend(bytesOf(batch)); err != nil {
			return err
		}
		if err := send(ctx, batch); err != nil {
			return err
		}
		done += len(batch)
		batch = batch[:0]
		a.progress(phase, done, ids.len)
		return nil
	}
	for e, err := range ids.entries() {
		if err != nil {
			return err
		}
		if batch = append(batch, entry{e.standing, bytes.Clone(e.id)}); len(batch) == batchSize {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	if len(batch) == 0 {
		return nil
	}
	return flush()
}

func bytesOf(batch []entry) [][]byte {
	ids := make([][]byte, len(batch))
	for i, e := range batch {
		ids[i] = e.id
	}
	return ids
}

func (a *applying) subscribe(ctx context.Context, batch []entry) error {
	req := iterable.ListSubscribeRequest{ListID: a.ListID, UpdateExistingUsersOnly: a.sync.cfg.ExistingUsersOnly}
	for _, e := range batch {
		req.Subscribers = append(req.Subscribers, iterable.Subscriber{
			UserID: string(e.id), PreferUserID: !a.sync.cfg.ExistingUsersOnly,
		})
	}
	return a.settle(ctx, batch, Added, func() error {
		_, err := a.sync.cfg.Iterable.Lists.Subscribe(ctx, req)
		return err
	})
}

func (a *applying) unsubscribe(ctx context.Context, batch []entry) error {
	req := iterable.ListUnsubscribeRequest{ListID: a.ListID}
	for _, e := range batch {
		req.Subscribers = append(req.Subscribers, iterable.Unsubscriber{UserID: string(e.id)})
	}
	return a.settle(ctx, batch, Removed, func() error {
		_, err := a.sync.cfg.Iterable.Lists.Unsubscribe(ctx, req)
		return err
	})
}

// settle sends a batch until it is answered, and gives each id its fate.
func (a *applying) settle(ctx context.Context, batch []entry, fate Fate, call func() error) error {
	err := again(ctx, func() error { return a.young(ctx, call) })
	if unsettled(err) != nil {
		if errors.Is(err, iterable.ErrNotFound) {
			err = fmt.Errorf("%w: %w", ErrListGone, err)
		}
		return err
	}
	failed, _ := errors.AsType[*iterable.BatchError](err)
	if failed == nil {
		failed = &iterable.BatchError{Accepted: len(batch)}
	}
	most, mostFate := ledger.Member, fate
	if fate == Removed {
		most = ledger.Gone
	}
	if failed.Unnamed > 0 {
		mostFate, a.retried = Unconfirmed, true
		if most = ledger.Unconfirmed; fate == Removed {
			most = ledger.Leaving
		}
	}
	others := a.verdicts(batch, fate, failed)
	a.report.Unconfirmed += failed.Unnamed
	if fate == Added {
		a.report.Added += failed.Accepted
	} else {
		a.report.Removed += failed.Accepted
	}
	for _, e := range batch {
		if _, named := others[string(e.id)]; !named {
			a.outcome(string(e.id), mostFate, "")
		}
	}
	return a.ledger.Settle(most, others)
}

// verdicts are the standings of the ids that the answer names.
func (a *applying) verdicts(batch []entry, fate Fate, failed *iterable.BatchError) map[string]ledger.Standing {
	others := make(map[string]ledger.Standing, len(failed.Rejected))
	for _, r := range failed.Rejected {
		e := batch[r.Index]
		standing := cmp.Or(standings[r.Reason], ledger.Unconfirmed)
		unknown := r.Reason == iterable.ReasonNotFound || r.Reason == iterable.ReasonForgotten // so on no list
		switch {
		case fate == Removed && r.Reason == iterable.ReasonNotFound:
			standing = ledger.Gone
		case fate == Removed && !unknown:
			standing = ledger.Leaving
		case mayBeListed(e.standing, r.Reason):
			standing = ledger.Unconfirmed // so it stays the sync's to take off
		}
		others[string(e.id)] = standing
		a.retried = a.retried || standing == ledger.NotFound || standing == ledger.Leaving || standing == ledger.Unconfirmed
		if fate == Removed && unknown {
			a.report.Removed++
			a.outcome(string(e.id), Removed, "")
			continue
		}
		a.report.reject(r.Reason, 1)
		a.outcome(string(e.id), Rejected, r.Reason)
	}
	return others
}

// mayBeListed says of an id that is refused now whether an earlier sending may have
// put it on the list. The profile of a user who is not found may just not show yet,
// unless that sending is a day ago.
func mayBeListed(before ledger.Standing, reason iterable.Reason) bool {
	return ledger.Managed(before) && reason != iterable.ReasonForgotten &&
		!(reason == iterable.ReasonNotFound && before == ledger.Unconfirmed)
}

// standings are those of the reasons that concern one id.
var standings = map[iterable.Reason]ledger.Standing{
	iterable.ReasonNotFound:    ledger.NotFound,
	iterable.ReasonInvalidID:   ledger.InvalidID,
	iterable.ReasonInvalidData: ledger.InvalidData,
	iterable.ReasonTooLarge:    ledger.InvalidData,
	iterable.ReasonConflict:    ledger.Conflict,
	iterable.ReasonForgotten:   ledger.Forgotten,
}

// finish makes the ledger that of the new state of the list.
func (a *applying) finish(ctx context.Context) error {
	st := &a.ledger.State
	if a.Refused == nil || a.Refused.Doubt == DoubtTooMany {
		st.Emails = st.Snapshot.Emails
	}
	if a.retried && (a.retry || st.RetryAt.IsZero()) {
		st.RetryAt = time.Now().Add(retryAfter)
	}
	if err := a.ledger.Compact(ctx); err != nil {
		return err
	}
	return a.ledger.Save()
}

// young repeats a call for as long as a list that was just made may be unknown to
// the rest of Iterable.
func (a *applying) young(ctx context.Context, call func() error) error {
	made := a.ledger.State.ListMade
	for wait := 2 * time.Second; ; wait *= 2 {
		err := call()
		if !errors.Is(err, iterable.ErrNotFound) || unsettled(err) == nil || time.Since(made).Abs()+wait > youngList {
			return err
		}
		if pause(ctx, wait) != nil {
			return err
		}
	}
}

// unsettled is the cause of a failure that leaves records without a verdict of
// their own.
func unsettled(err error) error {
	failed, ok := errors.AsType[*iterable.BatchError](err)
	if !ok {
		return err
	}
	for _, r := range failed.Rejected {
		switch r.Reason {
		case iterable.ReasonRefused, iterable.ReasonAmbiguous, iterable.ReasonUnsent:
			return r.Err
		}
	}
	return nil
}

// outageWithin is how long a sync waits out an outage of a vendor before it leaves
// the rest to the next one.
const outageWithin = time.Hour

// again makes a call that is safe to repeat until the vendor answers it.
func again(ctx context.Context, call func() error) error {
	start := time.Now()
	for wait := 5 * time.Second; ; wait = min(2*wait, rest.MaxPause) {
		err := call()
		after, ok := transient(err)
		if !ok || ctx.Err() != nil {
			return err
		}
		if after = max(wait, min(after, rest.MaxPause)); time.Since(start)+after > outageWithin {
			return err
		}
		if pause(ctx, after) != nil {
			return err
		}
	}
}

// transient says whether a failure may pass, and what wait the vendor asks for.
func transient(err error) (after time.Duration, ok bool) {
	err = unsettled(err)
	if err == nil {
		return 0, false
	}
	if e, ok := errors.AsType[*amplitude.Error](err); ok {
		return e.RetryAfter, passing(e.StatusCode)
	}
	if e, ok := errors.AsType[*iterable.Error](err); ok {
		return e.RetryAfter, passing(e.StatusCode)
	}
	_, ok = errors.AsType[*rest.NoAnswer](err)
	return 0, ok
}

func passing(status int) bool { return status == 408 || status == 429 || status >= 500 }
