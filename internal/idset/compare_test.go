package idset

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
)

func TestCompareAgreesWithAMap(t *testing.T) {
	t.Parallel()
	seeds := uint64(40)
	if testing.Short() {
		seeds = 10
	}
	for seed := range seeds {
		r := rand.New(rand.NewPCG(seed, 1))
		root := tempRoot(t)
		want := make(map[string]Change)
		var layers []*Set
		for i := range r.IntN(5) {
			puts := randomPuts(r)
			layers = append(layers, writeSet(t, root, fmt.Sprint("layer", i), puts...))
			for _, p := range puts {
				want[p.id] = Change{Old: p.state}
			}
		}
		var new *Set
		if r.IntN(4) > 0 {
			puts := randomPuts(r)
			new = writeSet(t, root, "new", puts...)
			for _, p := range puts {
				want[p.id] = Change{want[p.id].Old, p.state}
			}
		}
		require.Equal(t, want, changes(t, layers, new), "seed %d", seed)
	}
}

// randomPuts has ids of all lengths, most of them several times.
func randomPuts(r *rand.Rand) []put {
	puts := make([]put, r.IntN([]int{1, 10, 100, 1000}[r.IntN(4)])+r.IntN(2))
	for i := range puts {
		id := fmt.Sprint("id", r.IntN(1500))
		if r.IntN(20) == 0 {
			id = strings.Repeat(id, 1+r.IntN(600))
		}
		puts[i] = put{byte(1 + r.IntN(255)), id}
	}
	return puts
}

func TestIDsAreComparedByteByByte(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", MaxID-1)
	ids := []string{
		"a", "A", "a ", " a", "a\x00", "a\x00\x00", "\x00", "\x00\x00", "a\n", "a\r", "a\r\n", "\n", "\xff", "\xff\xfe", "é", "e\u0301",
		"a,b", `"a"`, long, long + "y", long + "z", "z" + long, long[1:],
		strings.Repeat("b", 255), strings.Repeat("b", 256), strings.Repeat("b", 257),
	}
	var puts []put
	want := make(map[string]Change)
	for i, id := range ids {
		puts = append(puts, put{byte(i + 1), id})
		want[id] = Change{Old: byte(i + 1)}
	}
	s := setOf(t, puts...)
	require.Equal(t, len(ids), s.Records())
	require.Equal(t, want, changes(t, []*Set{s}, nil))
	for i, id := range ids { // one alone, against all
		want[id] = Change{byte(i + 1), 'n'}
		require.Equal(t, want, changes(t, []*Set{s}, setOf(t, put{'n', id})))
		want[id] = Change{Old: byte(i + 1)}
	}
}

func TestSmallSets(t *testing.T) {
	t.Parallel()
	empty, a, ab := setOf(t), setOf(t, put{'m', "a"}), setOf(t, put{'m', "a"}, put{'r', "b"})
	require.Zero(t, empty.Records())
	require.Empty(t, changes(t, nil, nil))
	require.Empty(t, changes(t, nil, empty))
	require.Empty(t, changes(t, []*Set{empty, empty}, empty))
	require.Equal(t, map[string]Change{"a": {0, 'm'}}, changes(t, nil, a))
	require.Equal(t, map[string]Change{"a": {'m', 0}}, changes(t, []*Set{a}, nil))
	require.Equal(t, map[string]Change{"a": {'m', 'm'}}, changes(t, []*Set{a}, a), "one set on both sides")
	require.Equal(t, map[string]Change{"a": {'m', 'm'}, "b": {'r', 0}}, changes(t, []*Set{ab, empty}, a))
	require.Equal(t, map[string]Change{"a": {'m', 'm'}, "b": {0, 'r'}}, changes(t, []*Set{a}, ab))
}

func TestTheLastPutAndTheLastLayerWin(t *testing.T) {
	t.Parallel()
	one := setOf(t, put{'1', "a"}, put{'2', "b"}, put{'3', "a"})
	two := setOf(t, put{'4', "b"}, put{'5', "b"}, put{'6', "c"}, put{'6', "c"})
	require.Equal(t, 3, one.Records(), "a record for each Put")
	require.Equal(t, map[string]Change{"a": {'3', 0}, "b": {'5', 0}, "c": {'6', 0}}, changes(t, []*Set{one, two}, nil))
	require.Equal(t, map[string]Change{"a": {'3', 0}, "b": {'2', 0}, "c": {'6', 0}}, changes(t, []*Set{two, one}, nil))
	require.Equal(t, map[string]Change{"a": {0, '3'}, "b": {0, '2'}}, changes(t, nil, one))
}

func TestAllInOnePartition(t *testing.T) {
	if testing.Short() {
		t.Skip("a matter of volume")
	}
	t.Parallel()
	for _, part := range []int{0, partitions - 1} {
		puts := inPartition(part, 1500) // several chunks, in buffers of all sizes
		require.Len(t, changes(t, []*Set{setOf(t, puts[:1000]...)}, setOf(t, puts[500:]...)), 1500)
	}
}

func TestOnlyWantedChangesAreVisited(t *testing.T) {
	t.Parallel()
	old, new := setOf(t, manyPuts(0, 20_000)...), setOf(t, manyPuts(100, 20_100)...)
	visits := 0
	counts, err := Compare(t.Context(), []*Set{old}, new, isChange, func(_ []byte, c Change) error {
		require.True(t, isChange(c))
		visits++
		return nil
	})
	require.NoError(t, err)
	require.Equal(t, 200, visits)
	require.Equal(t, map[Change]int{{'m', 'm'}: 19_900, {'m', 0}: 100, {0, 'm'}: 100}, counts)
}

func manyPuts(from, to int) []put {
	puts := make([]put, 0, to-from)
	for i := from; i < to; i++ {
		puts = append(puts, put{'m', string(uuid(nil, uint64(i)))})
	}
	return puts
}

func TestTheOrderIsTheSameEachTime(t *testing.T) {
	t.Parallel()
	old, new := setOf(t, manyPuts(0, 3000)...), setOf(t, manyPuts(1000, 4000)...)
	list := func() (ids []string) {
		_, err := Compare(t.Context(), []*Set{old}, new, nil, func(id []byte, _ Change) error {
			ids = append(ids, string(id))
			return nil
		})
		require.NoError(t, err)
		return ids
	}
	first := list()
	for range 5 {
		require.Equal(t, first, list())
	}
}

func TestTheErrorOfVisitEndsTheComparison(t *testing.T) {
	t.Parallel()
	s, stop, visits := setOf(t, manyPuts(0, 5000)...), errors.New("stop"), 0
	counts, err := Compare(t.Context(), nil, s, nil, func([]byte, Change) error {
		if visits++; visits == 1234 {
			return stop
		}
		return nil
	})
	require.ErrorIs(t, err, stop)
	require.Nil(t, counts)
	require.Equal(t, 1234, visits)
}

func TestCompareEndsWithItsContext(t *testing.T) {
	t.Parallel()
	s, cause, visits := setOf(t, manyPuts(0, 5000)...), errors.New("enough"), 0
	ctx, cancel := context.WithCancelCause(t.Context())
	_, err := Compare(ctx, nil, s, nil, func([]byte, Change) error {
		if visits++; visits == 1234 {
			cancel(cause)
		}
		return nil
	})
	require.ErrorIs(t, err, cause)
	require.Equal(t, 1234, visits)

	_, err = Compare(ctx, nil, s, nil, func([]byte, Change) error { panic("visited") })
	require.ErrorIs(t, err, cause, "done before it began")
}

// slow is a file whose reads take until the context is done.
type slow struct{ ctx context.Context }

func (s slow) ReadAt(b []byte, _ int64) (int, error) {
	<-s.ctx.Done()
	return len(b), nil
}

func TestAPartitionIsNotReadToItsEndAfterTheContext(t *testing.T) {
	t.Parallel()
	s := setOf(t, inPartition(0, 3000)...)
	ctx, cancel := context.WithCancel(t.Context())
	require.Greater(t, len(s.parts[0].chunks), 1)
	file := s.file
	s.file = slow{ctx}
	t.Cleanup(func() { s.file = file })
	cancel()
	_, err := s.load(ctx, 0, make([]byte, 0, s.parts[0].size))
	require.ErrorIs(t, err, context.Canceled)

	s.file = file
	table := newTable(s.parts[0].size, s.records, comparison{}.seed)
	require.ErrorIs(t, table.add(ctx, s, 0, after), context.Canceled)
}

func TestNoGoroutineSurvives(t *testing.T) {
	t.Parallel()
	for name, visit := range map[string]func(context.CancelFunc) error{
		"nil": func(context.CancelFunc) error { return nil }, "error": func(context.CancelFunc) error { return os.ErrInvalid },
		"panic": func(context.CancelFunc) error { panic("visit") }, "cancel": func(stop context.CancelFunc) error { stop(); return nil },
	} {
		synctest.Test(t, func(t *testing.T) { // fails if one is left
			s := setOf(t, manyPuts(0, 5000)...)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			defer func() { require.Equal(t, name == "panic", recover() != nil) }()
			Compare(ctx, []*Set{s}, s, nil, func([]byte, Change) error { return visit(cancel) })
		})
	}
}

func TestAClosedSetIsAnError(t *testing.T) {
	t.Parallel()
	s := setOf(t, manyPuts(0, 100)...)
	require.NoError(t, s.Close())
	_, err := Compare(t.Context(), nil, s, nil, nil)
	require.ErrorIs(t, err, os.ErrClosed)
}

func TestSetsThatDoNotFitTogetherAreRefused(t *testing.T) {
	t.Parallel()
	large := &Set{}
	large.parts[7].size = maxPartition
	_, err := Compare(t.Context(), []*Set{large, large}, large, nil, nil)
	require.ErrorIs(t, err, errTooLarge)
}
