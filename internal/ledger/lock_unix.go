//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package ledger

import (
	"errors"
	"os"
	"syscall"
)

// takeLock takes the lock of a ledger. It ends with the file, and so with the
// process, however that dies.
func takeLock(root *os.Root) (*os.File, error) {
	f, err := root.OpenFile("lock", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	switch err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); {
	case errors.Is(err, syscall.EWOULDBLOCK):
		f.Close()
		return nil, ErrBusy
	case err != nil:
		f.Close()
		return nil, err
	}
	return f, nil
}

// giveUpLock gives it up at once. Closing alone would not, while a process that is
// being started still shares the file.
func giveUpLock(f *os.File) error {
	return errors.Join(syscall.Flock(int(f.Fd()), syscall.LOCK_UN), f.Close())
}

// syncDir makes what was created, renamed or removed in the directory safe.
func syncDir(root *os.Root) error {
	d, err := root.Open(".")
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// open to others: anybody could change what is on the list.
func openToOthers(mode os.FileMode) bool { return mode.Perm()&0o022 != 0 }
