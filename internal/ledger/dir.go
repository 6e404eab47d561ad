package ledger

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// CheckDir makes the directory of all ledgers if only it is missing, and refuses
// one that others may write to.
func CheckDir(dir string) error {
	if err := makeDir(dir); err != nil {
		return err
	}
	info, err := os.Stat(dir)
	switch {
	case err != nil:
		return err
	case !info.IsDir():
		return errors.New("is not a directory")
	case openToOthers(info.Mode()):
		return errors.New("may be written to by others")
	}
	return nil
}

// makeDir makes a directory if only it is missing, and has that survive a power cut:
// a ledger that is gone knows nobody whom it may take off.
func makeDir(dir string) error {
	err := os.Mkdir(dir, 0o700)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	parent, err := os.OpenRoot(filepath.Dir(dir))
	if err != nil {
		return err
	}
	defer parent.Close()
	return syncDir(parent)
}

// LockNames keeps all other cohorts under dir from choosing a list until unlock.
func LockNames(ctx context.Context, dir string) (unlock func(), err error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	for wait := 5 * time.Millisecond; ; wait = min(2*wait, time.Second) {
		lock, err := takeLock(root)
		if err == nil {
			return func() { _ = giveUpLock(lock) }, nil
		}
		if !errors.Is(err, ErrBusy) {
			return nil, err
		}
		t := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			t.Stop()
			return nil, ctx.Err()
		case <-t.C:
		}
	}
}
