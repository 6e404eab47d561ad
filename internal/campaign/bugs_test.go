package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
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

// Each bug names rows that there are.
func TestEachBugNamesItsRows(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("*_test.go")
	require.NoError(t, err)
	var tests []string
	for _, file := range files {
		source, err := os.ReadFile(file)
		require.NoError(t, err)
		for _, m := range regexp.MustCompile(`(?m)^func (TestF\d\w*)`).FindAllSubmatch(source, -1) {
			tests = append(tests, string(m[1]))
		}
	}
	for _, b := range seededBugs {
		for _, row := range strings.Split(b.rows, "|") {
			require.True(t, slices.ContainsFunc(tests, regexp.MustCompile("^Test("+row+")").MatchString), "%s: there is no row %s", b.name, row)
		}
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
