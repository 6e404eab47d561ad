//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package jetstream

import (
	"errors"
	"os"
	"syscall"
)

// lockFile takes the lock of a directory. It ends with the file, and so with the
// process, however that dies.
func lockFile(root *os.Root) (*os.File, error) {
	f, err := root.OpenFile(lockName, os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err == nil {
		return f, nil
	}
	f.Close()
	if errors.Is(err, syscall.EWOULDBLOCK) {
		err = ErrBusy
	}
	return nil, err
}

// unlockFile gives the lock up at once. Closing alone would not, while a process
// that is being started still shares the file.
func unlockFile(f *os.File) error {
	return errors.Join(syscall.Flock(int(f.Fd()), syscall.LOCK_UN), f.Close())
}

// writableByOthers: anybody could take frames out, or put some in.
func writableByOthers(mode os.FileMode) bool { return mode.Perm()&0o022 != 0 }
