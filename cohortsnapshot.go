package iteramp

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/iteramp/iteramp/amplitude"
	"github.com/iteramp/iteramp/internal/idset"
	"github.com/iteramp/iteramp/internal/ledger"
	"github.com/iteramp/iteramp/mapping"
)

// resumeWithin is how long the download of a run that was cut off is taken up
// again. Amplitude keeps it for seven days, the cohort moves on.
const resumeWithin = 24 * time.Hour

// snapshot returns the members of the cohort: those of the last download if the
// cohort was not computed since, else new ones.
func (p *CohortPlan) snapshot(ctx context.Context, cohort amplitude.Cohort) (members *idset.Set, fresh bool, err error) {
	p.askQuota(ctx)
	if members := p.lastSnapshot(ctx, cohort); members != nil {
		return members, false, nil
	}
	resumed, err := p.request(ctx, cohort)
	if err != nil {
		return nil, false, err
	}
	members, err = p.download(ctx)
	if !useless(err, resumed) {
		return members, true, err
	}
	p.ledger.State.Request = nil
	if saved := p.ledger.Save(); saved != nil || !resumed || errors.Is(err, amplitude.ErrCohortFile) {
		return nil, false, errors.Join(err, saved)
	}
	if _, err := p.request(ctx, cohort); err != nil {
		return nil, false, err
	}
	members, err = p.download(ctx)
	return members, true, err
}

// useless says of a download that it is not to be taken up again: Amplitude has
// lost it or given it up, or its file was wrong twice.
func useless(err error, resumed bool) bool {
	return errors.Is(err, amplitude.ErrCohortFailed) ||
		resumed && (errors.Is(err, amplitude.ErrNotFound) || errors.Is(err, amplitude.ErrCohortFile))
}

// lastSnapshot is nil if there is none that is still true. One that is damaged is
// none either: it can be had again.
func (p *CohortPlan) lastSnapshot(ctx context.Context, cohort amplitude.Cohort) *idset.Set {
	snap := p.ledger.State.Snapshot
	if snap == nil || cohort.LastComputed.IsZero() || cohort.LastComputed.After(snap.Computed) {
		return nil
	}
	members, err := idset.Open(p.ledger.Root(), snap.File)
	if err != nil {
		return nil
	}
	none := func(idset.Change) bool { return false }
	if _, err := idset.Compare(ctx, nil, members, none, nil); err != nil {
		members.Close()
		return nil
	}
	return members
}

func (p *CohortPlan) askQuota(ctx context.Context) {
	usage, err := p.sync.cfg.Amplitude.Cohorts.Usage(ctx)
	if err == nil { // not every project can tell
		p.DownloadsLeft = max(0, usage.Limit-usage.Used)
	}
}

// request asks for a download, unless one is under way, and notes it down at once.
func (p *CohortPlan) request(ctx context.Context, cohort amplitude.Cohort) (resumed bool, err error) {
	st := &p.ledger.State
	now := time.Now()
	if r := st.Request; r != nil && now.Sub(r.At).Abs() < resumeWithin {
		return true, nil
	}
	if p.DownloadsLeft == 0 {
		return false, ErrDownloadQuota
	}
	r, err := p.sync.cfg.Amplitude.Cohorts.Request(ctx, p.CohortID, amplitude.CohortRequestOptions{})
	if err != nil {
		return false, err
	}
	if p.DownloadsLeft > 0 {
		p.DownloadsLeft--
	}
	st.Request = &ledger.Request{ID: r.RequestID, At: now, Computed: cohort.LastComputed, Size: cohort.Size}
	return false, p.ledger.Save()
}

// download waits for the file and reads it whole into a set, which then is the
// snapshot.
func (p *CohortPlan) download(ctx context.Context) (*idset.Set, error) {
	if err := again(ctx, func() error { return p.wait(ctx) }); err != nil {
		return nil, err
	}
	snap := &ledger.Snapshot{File: p.ledger.Name("snapshot"), Size: p.ledger.State.Request.Size}
	var members *idset.Set
	err := again(ctx, func() (err error) {
		members, err = p.fetch(ctx, snap)
		return err
	})
	if err != nil {
		return nil, err
	}
	st := &p.ledger.State
	before := st.Snapshot
	snap.TakenAt, snap.Computed = time.Now(), st.Request.Computed
	st.Snapshot, st.Request = snap, nil
	if err := p.ledger.Save(); err != nil {
		members.Close()
		return nil, err
	}
	if before != nil {
		_ = p.ledger.Root().Remove(before.File) // or the ledger does when it is opened the next time
	}
	return members, nil
}

func (p *CohortPlan) wait(ctx context.Context) error {
	cohorts := &p.sync.cfg.Amplitude.Cohorts
	id := p.ledger.State.Request.ID
	p.progress(PhaseWaiting, 0, 0)
	if err := cohorts.Wait(ctx, id, amplitude.CohortWaitOptions{}); err != nil {
		return err
	}
	status, err := cohorts.Status(ctx, id)
	if err == nil && (status.CohortID != p.CohortID || status.RequestID != id) {
		err = ErrSnapshot
	}
	return err
}

// fetch reads the file into a set. It is whole: a stream that was cut off, is no
// cohort file or has no end ends in an error.
func (p *CohortPlan) fetch(ctx context.Context, snap *ledger.Snapshot) (*idset.Set, error) {
	w, err := idset.Create(p.ledger.Root(), snap.File)
	if err != nil {
		return nil, err
	}
	defer w.Abort()
	size := 0
	if snap.Size != nil {
		size = *snap.Size
	}
	snap.Rows, snap.NoUserID = 0, 0
	emails := 0
	for m, err := range p.sync.cfg.Amplitude.Cohorts.Download(ctx, p.ledger.State.Request.ID) {
		if err != nil {
			return nil, err
		}
		snap.Rows++
		if snap.Rows%progressEvery == 0 {
			p.progress(PhaseDownloading, snap.Rows, size)
		}
		standing := inCohort
		switch _, err := mapping.Subscriber(m); {
		case errors.Is(err, mapping.ErrNoUserID):
			snap.NoUserID++
			continue
		case err != nil:
			standing = refusedID
		}
		if strings.Contains(m.UserID, "@") {
			emails++
		}
		if err := w.Put(standing, []byte(m.UserID[:min(len(m.UserID), maxID)])); err != nil {
			return nil, err
		}
	}
	snap.Emails = 2*emails > snap.Rows-snap.NoUserID
	p.progress(PhaseDownloading, snap.Rows, size)
	return w.CommitUnsynced() // after a power cut it is downloaded again
}

const (
	progressEvery = 10_000
	// maxID bounds what is kept of an id. Amplitude takes 1,024 characters; Iterable,
	// which takes 52, is not sent such ids.
	maxID = 4096
)
