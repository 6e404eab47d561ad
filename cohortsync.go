package iteramp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/iteramp/iteramp/amplitude"
	"github.com/iteramp/iteramp/internal/ledger"
	"github.com/iteramp/iteramp/iterable"
)

// Kinds of failure of a cohort sync, for [errors.Is].
var (
	// ErrBusy says that another sync of the cohort is under way, in this process or
	// another.
	ErrBusy = errors.New("iteramp: another sync of the cohort is under way")
	// ErrDownloadQuota says that Amplitude allows no more cohort downloads this
	// month. Nothing was asked for.
	ErrDownloadQuota = errors.New("iteramp: no cohort download is left this month")
	// ErrCohortGone says that the cohort is archived, or that Amplitude does not list
	// it: it is deleted, or not discoverable. The list stays as it is.
	ErrCohortGone = errors.New("iteramp: the cohort is archived or not listed")
	// ErrListGone says that the list of the ledger does not exist any more. With
	// [CohortSyncConfig.Full] the sync makes a new one.
	ErrListGone = errors.New("iteramp: the list is gone")
	// ErrListName says that the cohort's list cannot be told: several lists have its
	// name, it is no static list, or another cohort has it. The text says which.
	// [CohortSyncConfig.Lists] chooses another. A cohort that was deleted keeps its
	// list until its directory is removed from the LedgerDir.
	ErrListName = errors.New("iteramp: the list cannot be told by its name")
	// ErrLedger says that the ledger is damaged, of a later version, or another
	// cohort's. Nothing was written.
	ErrLedger = errors.New("iteramp: the ledger cannot be used")
	// ErrSnapshot says that Amplitude gave another cohort's download.
	ErrSnapshot = errors.New("iteramp: the download is not of this cohort")
)

// CohortSync makes Amplitude cohorts Iterable lists and keeps them equal. The list
// of a cohort is called "[Amplitude] " and the cohort's name, as in the vendors'
// own integration. Only user ids are sent; Iterable creates users it does not know,
// in e-mail based projects with a placeholder address, unless
// [CohortSyncConfig.ExistingUsersOnly] is set.
//
// What a sync has put on a list is kept in a ledger, and nobody else is ever taken
// off. A run that was cut off is taken up by the next; a run with nothing to do
// writes nothing. Its methods may be called from several goroutines: a second sync
// of the same cohort is [ErrBusy].
type CohortSync struct {
	cfg     CohortSyncConfig
	running atomic.Bool
}

// CohortSyncConfig says what a CohortSync keeps equal. Amplitude, Iterable and
// LedgerDir are required.
type CohortSyncConfig struct {
	// Amplitude reads the cohorts. It needs its SecretKey.
	Amplitude *amplitude.Client
	// Iterable writes the lists. It needs its ProjectType.
	Iterable *iterable.Client
	// LedgerDir keeps what was put on each list, and the last downloads: ids in
	// clear, so nobody else may write there, and best not read. It is made if its
	// parent exists. Programs on several machines must share it or not sync the
	// same cohort.
	LedgerDir string
	// Lists chooses the list of a cohort by their ids, where its name does not.
	Lists map[string]int64

	// Cohorts are the ids that Run syncs, as in the address of a cohort's page.
	Cohorts []string
	// Every is the time from one start of Run's rounds to the next, such as an hour
	// or a day; zero means once.
	Every time.Duration

	// ExistingUsersOnly puts only users on the list whom Iterable knows. It does not
	// name the others: they are counted as Unconfirmed or Rejected, and tried again
	// a day later.
	ExistingUsersOnly bool
	// Full sends every member again, for a list that was edited by hand. It makes a
	// new list in the place of one that is gone.
	Full bool
	// SeedFromList takes the members of an existing list for the sync's own when
	// there is no ledger yet, because it was lost: those who are not in the cohort
	// are taken off. Iterable lists members by user id in userId based and hybrid
	// projects only.
	SeedFromList bool
	// MaxRemovals is how many members a sync may take off a list, zero means the
	// larger of 100 and a tenth of those it has put there. If there are more, none is.
	MaxRemovals int

	// Logger gets a warning for each sync that failed and each schedule that may
	// run out of downloads, zero means none.
	Logger *slog.Logger
	// OnReport is called by Sync and Run after each sync, failed ones too.
	OnReport func(CohortReport, error)
	// OnOutcome is told the fate of each id but those kept, in no order. The
	// ids are the data themselves.
	OnOutcome func(CohortOutcome)
	// OnProgress is called several times in each phase. All three funcs are called
	// from the goroutine that syncs.
	OnProgress func(CohortProgress)
}

// NewCohortSync checks cfg and returns a CohortSync. It asks neither vendor. All
// mistakes are in the one error, by field.
func NewCohortSync(cfg CohortSyncConfig) (*CohortSync, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	cfg.Cohorts = slices.Clone(cfg.Cohorts)
	return &CohortSync{cfg: cfg}, nil
}

func (cfg CohortSyncConfig) validate() error {
	var errs []error
	mistake := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("iteramp: "+format, args...))
	}
	if cfg.Amplitude == nil || cfg.Amplitude.APIKey() == "" {
		mistake("Amplitude is missing, or was not made by NewClient")
	}
	switch {
	case cfg.Iterable == nil:
		mistake("Iterable is missing")
	case cfg.Iterable.ProjectType() == "":
		mistake("Iterable has no ProjectType in its Config, or was not made by NewClient")
	case cfg.SeedFromList && cfg.Iterable.ProjectType() == iterable.ProjectTypeEmail:
		mistake("SeedFromList needs a project that lists members by user id, not by e-mail")
	}
	if cfg.LedgerDir == "" {
		mistake("LedgerDir is missing")
	} else if err := ledger.CheckDir(cfg.LedgerDir); err != nil {
		mistake("LedgerDir %w", err)
	}
	seen := make(map[string]bool)
	for i, id := range cfg.Cohorts {
		if id == "" || seen[id] {
			mistake("Cohorts[%d] is empty or twice there", i)
		}
		seen[id] = true
	}
	if cfg.Every < 0 || cfg.MaxRemovals < 0 {
		mistake("Every or MaxRemovals is negative")
	}
	return errors.Join(errs...)
}

// monthlyDownloads is what Amplitude allows a project.
//
// Reference: https://amplitude.com/docs/apis/analytics/behavioral-cohorts
const monthlyDownloads = 500

// MonthlyDownloads is how many cohort downloads a month of Run costs at most;
// Amplitude allows 500. A cohort that was not computed anew costs none.
func (s *CohortSync) MonthlyDownloads() int {
	if s.cfg.Every == 0 {
		return len(s.cfg.Cohorts)
	}
	const month = 30 * 24 * time.Hour
	return len(s.cfg.Cohorts) * int((month+s.cfg.Every-1)/s.cfg.Every)
}

// Sync makes one list equal to its cohort: Plan and Apply.
func (s *CohortSync) Sync(ctx context.Context, cohortID string) (CohortReport, error) {
	report, err := s.sync(ctx, cohortID)
	if err != nil && s.cfg.Logger != nil && ctx.Err() == nil {
		s.cfg.Logger.LogAttrs(ctx, slog.LevelWarn, "cohort not in sync", slog.String("cohort", cohortID), slog.Any("error", err))
	}
	if s.cfg.OnReport != nil {
		s.cfg.OnReport(report, err)
	}
	return report, err
}

func (s *CohortSync) sync(ctx context.Context, cohortID string) (CohortReport, error) {
	start := time.Now()
	plan, err := s.Plan(ctx, cohortID)
	if err != nil {
		return CohortReport{CohortID: cohortID, DownloadsLeft: -1, Started: start, Finished: time.Now()}, err
	}
	defer plan.Close()
	report, err := plan.Apply(ctx)
	report.Started = start
	return report, err
}

// Run syncs all Cohorts, one after another, once or Every so often until ctx is
// done; it then returns nil. The failure of one stops no other: OnReport is told,
// and without Every all failures are in the error. Run while another is under way
// is [ErrRunning].
func (s *CohortSync) Run(ctx context.Context) error {
	if !s.running.CompareAndSwap(false, true) {
		return ErrRunning
	}
	defer s.running.Store(false)
	if n := s.MonthlyDownloads(); n > monthlyDownloads && s.cfg.Logger != nil {
		s.cfg.Logger.LogAttrs(ctx, slog.LevelWarn, "the schedule may need more cohort downloads than Amplitude allows",
			slog.Int("a month", n), slog.Int("allowed", monthlyDownloads))
	}
	for next := time.Now(); ; {
		errs := s.round(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if s.cfg.Every == 0 {
			return errors.Join(errs...)
		}
		for !next.After(time.Now()) {
			next = next.Add(s.cfg.Every)
		}
		if pause(ctx, time.Until(next)) != nil {
			return nil
		}
	}
}

func (s *CohortSync) round(ctx context.Context) (errs []error) {
	for _, id := range s.cfg.Cohorts {
		if ctx.Err() != nil {
			break
		}
		if _, err := s.Sync(ctx, id); err != nil {
			errs = append(errs, fmt.Errorf("cohort %s: %w", id, err))
		}
	}
	return errs
}

// pause waits, or returns why it could not.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
