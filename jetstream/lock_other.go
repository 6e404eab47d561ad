//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd || windows)

package jetstream

import (
	"errors"
	"os"
)

func lockFile(*os.Root) (*os.File, error) {
	return nil, errors.New("jetstream: this system has no lock for the directory")
}

func unlockFile(f *os.File) error { return f.Close() }

func writableByOthers(os.FileMode) bool { return false }
