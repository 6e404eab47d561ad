package jetstream

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSpansCountEachSequenceOnce(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		var s spans
		set := make(map[uint64]bool)
		for range 30 {
			from := rng.Uint64N(60) + 1
			more := span{from, from + rng.Uint64N(8)}
			var fresh, want int64
			s, fresh = s.add(more)
			for seq := more.From; seq <= more.To; seq++ {
				if !set[seq] {
					want++
				}
				set[seq] = true
			}
			require.Equal(t, want, fresh)
			require.EqualValues(t, len(set), s.count(span{1, 100}))
			for i := 1; i < len(s); i++ {
				require.Greater(t, s[i].From, s[i-1].To+1)
			}
		}
		s = s.upTo(30)
		n := 0
		for seq := range set {
			if seq <= 30 {
				n++
			}
		}
		require.EqualValues(t, n, s.count(span{1, 100}))
	}
	s, n := spans(nil).add(span{5, 4})
	require.Empty(t, s)
	require.Zero(t, n)
}
