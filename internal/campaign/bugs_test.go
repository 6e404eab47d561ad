package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// Each bug can still be applied to the source as it is now.
func TestEachBugIsAChangeOfTheSource(t *testing.T) {
	t.Parallel()
	for _, b := range seededBugs {
		undo, err := b.apply(copyOf(t, b.file))
		require.NoError(t, err)
		require.NoError(t, undo())
	}
}

// copyOf is a directory with one file of the repository.
func copyOf(t *testing.T, file string) (root string) {
	root = t.TempDir()
	to := filepath.Join(root, file)
	require.NoError(t, os.MkdirAll(filepath.Dir(to), 0o700))
	require.NoError(t, copyFile(filepath.Join("../..", file), to))
	return root
}
