package jetstream

import "slices"

// span is a range of sequences, both ends included.
type span struct {
	From uint64 `json:"from"`
	To   uint64 `json:"to"`
}

// spans are ranges in order that do not touch.
type spans []span

const maxSpans = 1000 // that are remembered; the last ones

// add adds a range and returns how many sequences are new.
func (s spans) add(more span) (spans, int64) {
	if more.From > more.To {
		return s, 0
	}
	before := s.count(more)
	merged, rest := more, make(spans, 0, len(s)+1)
	for _, old := range s {
		if old.To+1 < merged.From || merged.To+1 < old.From {
			rest = append(rest, old)
			continue
		}
		merged = span{min(old.From, merged.From), max(old.To, merged.To)}
	}
	rest = append(rest, merged)
	slices.SortFunc(rest, func(a, b span) int {
		if a.From < b.From {
			return -1
		}
		return 1
	})
	return rest[max(0, len(rest)-maxSpans):], int64(more.To-more.From+1) - before
}

// count is how many sequences of a range are in the spans.
func (s spans) count(in span) (n int64) {
	for _, old := range s {
		if from, to := max(old.From, in.From), min(old.To, in.To); from <= to {
			n += int64(to - from + 1)
		}
	}
	return n
}

// upTo leaves out what is above a sequence.
func (s spans) upTo(last uint64) spans {
	var kept spans
	for _, old := range s {
		if old.From <= last {
			kept = append(kept, span{old.From, min(old.To, last)})
		}
	}
	return kept
}
