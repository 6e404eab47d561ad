package ledger

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/iteramp/iteramp/internal/idset"
)

// Errors to compare.
var (
	// ErrBusy is a ledger that another sync has open.
	ErrBusy = errors.New("another sync has the ledger open")
	// ErrDamaged is a ledger whose files are not what was written, or were written
	// by a later version. It must be put back from a copy, or removed.
	ErrDamaged = errors.New("the ledger is damaged")
	// ErrForeign is a ledger of another cohort.
	ErrForeign = errors.New("the ledger is that of another cohort")
)

// Standing is what the ledger knows of an id.
type Standing = byte

// The standings. Zero is an id that the ledger does not have.
const (
	Member      Standing = 'm' // on the list, put there by the sync
	InFlight    Standing = '?' // sent without an answer: on the list or not
	Unconfirmed Standing = 'u' // sent, and left open by the counts of the answer
	Leaving     Standing = 'v' // taken off, and left open by the counts of the answer
	NotFound    Standing = 'n' // refused: a user Iterable does not know
	InvalidID   Standing = 'x' // refused: a malformed id
	InvalidData Standing = 'd' // refused: bad data
	Conflict    Standing = 'c' // refused: the id belongs to another user
	Forgotten   Standing = 'f' // refused: forgotten; kept as a hash and nowhere else
	Gone        Standing = '-' // none of the above any more
)

// Managed says that the id may be on the list by the sync's doing, so that the sync
// is to take it off.
func Managed(s Standing) bool {
	return s == Member || s == InFlight || s == Unconfirmed || s == Leaving
}

// Ledger is the open ledger of a cohort. It is not safe for concurrent use.
type Ledger struct {
	State State

	root      *os.Root
	lock      *os.File
	members   *idset.Set // nil if there are none yet
	since     *idset.Set // the journal, as a layer over members
	forgotten map[[sha256.Size]byte]bool
	journal   *journal
	failed    error // a write has failed
}

// Open opens the ledger of a cohort under dir, and makes it if there is none.
func Open(ctx context.Context, dir, cohortID string) (*Ledger, error) {
	name, err := dirName(cohortID)
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, name)
	if err := makeDir(path); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, err
	}
	l := &Ledger{root: root, forgotten: make(map[[sha256.Size]byte]bool)}
	if err := l.open(ctx, cohortID); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

func (l *Ledger) open(ctx context.Context, cohortID string) (err error) {
	if l.lock, err = takeLock(l.root); err != nil {
		return err
	}
	if l.State, err = readState(l.root); err != nil {
		return err
	}
	if l.State.CohortID == "" {
		if err := l.unused(); err != nil {
			return err
		}
		l.State.CohortID = cohortID
	}
	if l.State.CohortID != cohortID {
		return ErrForeign
	}
	if err := l.tidy(); err != nil {
		return err
	}
	return l.load(ctx)
}

// unused is an error if the directory has files that only a ledger with a state has:
// the state has been lost, and with it whom the sync has put on the list.
func (l *Ledger) unused() error {
	entries, err := fs.ReadDir(l.root.FS(), ".")
	if err != nil {
		return err
	}
	for _, e := range entries {
		for _, kind := range []string{"members-", "journal-", "forgotten-"} {
			if strings.HasPrefix(e.Name(), kind) {
				return fmt.Errorf("%w: %s is missing", ErrDamaged, stateFile)
			}
		}
	}
	return nil
}

// dirName is a name for the directory of a cohort that leads nowhere else.
func dirName(cohortID string) (string, error) {
	if cohortID == "" || len(cohortID) > 128 {
		return "", errors.New("a cohort's id has 1 to 128 bytes")
	}
	return "cohort-" + url.PathEscape(cohortID), nil
}

// tidy removes what an earlier process left and the state does not name.
func (l *Ledger) tidy() error {
	entries, err := fs.ReadDir(l.root.FS(), ".")
	if err != nil {
		return err
	}
	valid := []string{"lock", stateFile, l.State.Members, l.State.Journal, l.State.Forgotten}
	if l.State.Snapshot != nil {
		valid = append(valid, l.State.Snapshot.File)
	}
	for _, e := range entries {
		if slices.Contains(valid, e.Name()) {
			continue
		}
		if err := l.root.Remove(e.Name()); err != nil {
			return err
		}
	}
	return nil
}

// load opens the files that the state names.
func (l *Ledger) load(ctx context.Context) (err error) {
	if l.State.Members != "" {
		if l.members, err = l.openSet(l.State.Members); err != nil {
			return err
		}
	}
	if l.State.Forgotten != "" {
		if err := l.loadForgotten(ctx); err != nil {
			return err
		}
	}
	return l.replay()
}

func (l *Ledger) openSet(name string) (*idset.Set, error) {
	s, err := idset.Open(l.root, name)
	switch {
	case errors.Is(err, idset.ErrDamaged):
		return nil, fmt.Errorf("%w: %s", ErrDamaged, name)
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%w: %s is missing", ErrDamaged, name)
	}
	return s, err
}

func (l *Ledger) loadForgotten(ctx context.Context) error {
	set, err := l.openSet(l.State.Forgotten)
	if err != nil {
		return err
	}
	defer set.Close()
	_, err = idset.Compare(ctx, []*idset.Set{set}, nil, nil, func(id []byte, _ idset.Change) error {
		if len(id) != sha256.Size {
			return fmt.Errorf("%w: %s", ErrDamaged, l.State.Forgotten)
		}
		l.forgotten[[sha256.Size]byte(id)] = true
		return nil
	})
	if errors.Is(err, idset.ErrDamaged) {
		return fmt.Errorf("%w: %s", ErrDamaged, l.State.Forgotten)
	}
	return err
}

// Layers are the sets that say each id's standing, the later over the earlier.
func (l *Ledger) Layers() []*idset.Set {
	return slices.DeleteFunc([]*idset.Set{l.members, l.since}, func(s *idset.Set) bool { return s == nil })
}

// Empty says that the sync has not sent anything yet.
func (l *Ledger) Empty() bool { return l.members == nil && l.since == nil }

// IsForgotten says whether Iterable has once refused the user as forgotten.
func (l *Ledger) IsForgotten(id []byte) bool {
	return len(l.forgotten) > 0 && l.forgotten[forgottenHash(id)]
}

// forgottenHash is Iterable's own hash of an identifier it has forgotten.
//
// Reference: https://api.iterable.com/api/docs#users_exportProjectForgottenUserIds
func forgottenHash(id []byte) [sha256.Size]byte {
	return sha256.Sum256([]byte(strings.ToLower(strings.TrimSpace(string(id)))))
}

// Root is the ledger's directory. Files in it that the State does not name are
// removed when the ledger is opened the next time.
func (l *Ledger) Root() *os.Root { return l.root }

// Name makes a name for a new file that no file had before.
func (l *Ledger) Name(kind string) string {
	l.State.Files++
	return fmt.Sprintf("%s-%d", kind, l.State.Files)
}

// Save writes the State.
func (l *Ledger) Save() error {
	return l.try(func() error { return writeState(l.root, l.State) })
}

// try runs a write unless one before has failed.
func (l *Ledger) try(write func() error) error {
	if l.failed == nil {
		l.failed = write()
	}
	return l.failed
}

// Compact writes the members anew with all that the journal says, and begins an
// empty journal.
func (l *Ledger) Compact(ctx context.Context) error {
	return l.try(func() error { return l.compact(ctx) })
}

func (l *Ledger) compact(ctx context.Context) error {
	if l.journal == nil || l.journal.empty {
		return nil
	}
	if err := l.replay(); err != nil {
		return err
	}
	old, name := l.State, l.Name("members")
	members, err := idset.Merge(ctx, l.Layers(), l.root, name, func(s byte) byte {
		if s == Gone || s == Forgotten {
			return 0
		}
		return s
	})
	if err != nil {
		return err
	}
	next := l.State
	next.Members, next.Journal = name, ""
	if err := l.saveForgotten(&next); err != nil {
		members.Close()
		return err
	}
	if err := writeState(l.root, next); err != nil {
		members.Close()
		return err
	}
	l.closeFiles()
	l.State, l.members = next, members
	for _, name := range []string{old.Members, old.Journal, old.Forgotten} {
		if name != "" && name != next.Forgotten {
			_ = l.root.Remove(name) // or the next Open does
		}
	}
	return nil
}

// saveForgotten writes the hashes if there are new ones.
func (l *Ledger) saveForgotten(next *State) error {
	if len(l.forgotten) == next.ForgottenCount {
		return nil
	}
	next.Forgotten, next.ForgottenCount = l.Name("forgotten"), len(l.forgotten)
	next.Files = l.State.Files
	w, err := idset.Create(l.root, next.Forgotten)
	if err != nil {
		return err
	}
	defer w.Abort()
	for hash := range l.forgotten {
		if err := w.Put(Forgotten, hash[:]); err != nil {
			return err
		}
	}
	set, err := w.Commit()
	if err != nil {
		return err
	}
	return set.Close()
}

func (l *Ledger) closeFiles() {
	for _, s := range l.Layers() {
		s.Close()
	}
	if l.journal != nil {
		l.journal.file.Close()
	}
	l.members, l.since, l.journal = nil, nil, nil
}

// Close gives up the lock. Closing twice is harmless.
func (l *Ledger) Close() error {
	l.closeFiles()
	if l.lock != nil {
		_ = giveUpLock(l.lock)
		l.lock = nil
	}
	return l.root.Close()
}

// Reset forgets all members, for a list that is gone.
func (l *Ledger) Reset() error {
	l.closeFiles()
	l.State.Members, l.State.Journal = "", ""
	l.State.ListID, l.State.ListName, l.State.ListMade = 0, "", time.Time{}
	return l.Save()
}

// Seed makes ids the members of a ledger that has none. It is saved with the State.
func (l *Ledger) Seed(ids iter.Seq2[string, error]) error {
	name := l.Name("members")
	w, err := idset.Create(l.root, name)
	if err != nil {
		return err
	}
	defer w.Abort()
	all, emails := 0, 0
	for id, err := range ids {
		if err != nil {
			return err
		}
		if all++; strings.Contains(id, "@") {
			emails++
		}
		if err := w.Put(Member, []byte(id)); err != nil {
			return err
		}
	}
	if l.members, err = w.Commit(); err != nil {
		return err
	}
	l.State.Members, l.State.Emails = name, 2*emails > all
	return nil
}
