package idset

import (
	"context"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMergeMakesOneSetOfLayers(t *testing.T) {
	t.Parallel()
	root := tempRoot(t)
	base := writeSet(t, root, "base", put{'m', "a"}, put{'m', "b"}, put{'m', "c"})
	change := writeSet(t, root, "change", put{'r', "b"}, put{'m', "d"}, put{'p', "e"})
	layers := []*Set{base, change}

	all, err := Merge(t.Context(), layers, root, "all", nil)
	require.NoError(t, err)
	defer all.Close()
	require.Equal(t, 5, all.Records())
	require.Equal(t, changes(t, layers, nil), changes(t, []*Set{all}, nil))

	keep := func(state byte) byte { return map[byte]byte{'m': 'm', 'p': 'm'}[state] }
	some, err := Merge(t.Context(), layers, root, "some", keep)
	require.NoError(t, err)
	defer some.Close()
	m := Change{New: 'm'}
	require.Equal(t, map[string]Change{"a": m, "c": m, "d": m, "e": m}, changes(t, nil, some))

	none, err := Merge(t.Context(), nil, root, "none", nil)
	require.NoError(t, err)
	defer none.Close()
	require.Zero(t, none.Records())
}

func TestMergeMayReplaceALayer(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("a set that is open cannot be replaced")
	}
	root := tempRoot(t)
	base := writeSet(t, root, "base", manyPuts(0, 1000)...)
	merged, err := Merge(t.Context(), []*Set{base, writeSet(t, root, "change", manyPuts(900, 1200)...)}, root, "base", nil)
	require.NoError(t, err)
	defer merged.Close()
	require.Equal(t, 1200, merged.Records())
	require.Len(t, changes(t, []*Set{base}, merged), 1200, "the former base is still there for who has it open")
}

func TestMergeThatFailsLeavesNothing(t *testing.T) {
	t.Parallel()
	root := tempRoot(t)
	base := writeSet(t, root, "base", manyPuts(0, 1000)...)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := Merge(ctx, []*Set{base}, root, "merged", nil)
	require.ErrorIs(t, err, context.Canceled)
	_, err = Merge(t.Context(), []*Set{base}, root, "none/merged", nil)
	require.Error(t, err)
	require.Equal(t, []string{"base"}, names(t, root, "."))
}
