package ledger

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
)

const sharingViolation = syscall.Errno(32)

// takeLock takes the lock of a ledger: a file that cannot be opened twice. It ends
// with the process, however that dies.
func takeLock(root *os.Root) (*os.File, error) {
	path := filepath.Join(root.Name(), "lock")
	name, err := syscall.UTF16PtrFromString(path)
	if err != nil {
		return nil, err
	}
	h, err := syscall.CreateFile(name, syscall.GENERIC_READ|syscall.GENERIC_WRITE, 0, nil,
		syscall.OPEN_ALWAYS, syscall.FILE_ATTRIBUTE_NORMAL, 0)
	if errors.Is(err, sharingViolation) {
		return nil, ErrBusy
	}
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(h), path), nil
}

func giveUpLock(f *os.File) error { return f.Close() }

// syncDir does nothing: a directory cannot be synced here.
func syncDir(*os.Root) error { return nil }

// openToOthers cannot be told from the mode here.
func openToOthers(os.FileMode) bool { return false }
