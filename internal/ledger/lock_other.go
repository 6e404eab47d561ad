//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd || windows)

package ledger

import (
	"errors"
	"os"
)

func takeLock(*os.Root) (*os.File, error) {
	return nil, errors.New("this system has no lock for the ledger")
}

func syncDir(*os.Root) error { return nil }

func giveUpLock(f *os.File) error { return f.Close() }

func openToOthers(os.FileMode) bool { return false }
