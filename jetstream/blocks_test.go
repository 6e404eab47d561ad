package jetstream

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestNumbersMislead(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		numbers []uint64
		tail    string
		want    bool
	}{
		"none":                       {},
		"rising":                     {numbers: []uint64{7, 8, 9}},
		"with a gap":                 {numbers: []uint64{7, 800, 801}},
		"erased":                     {numbers: []uint64{7, isErased | 8, 9}},
		"a mark of one that is gone": {numbers: []uint64{7, isMark | 1, isMark | 1<<40, 8}},
		"a torn tail":                {numbers: []uint64{7, 8}, tail: "torn"},
		"zeros":                      {numbers: []uint64{7, 8}, tail: string(make([]byte, 4096))},
		"cut off":                    {numbers: []uint64{7, 8}, tail: string(record(1 << 40)[:recordSize])},
		"higher than the last":       {numbers: []uint64{7, 24, 9}, want: true},
		"and then torn":              {numbers: []uint64{7, 24, 9}, tail: "torn", want: true},
		"the last too high":          {numbers: []uint64{7, 8, 9 | 1<<40}, want: true},
		"lower":                      {numbers: []uint64{7, 8, 1, 10}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var block bytes.Buffer
			for _, n := range c.numbers {
				block.Write(record(n))
			}
			block.WriteString(c.tail)
			require.Equal(t, c.want, numbersMislead(&block))
		})
	}
}

func record(number uint64) []byte {
	b := binary.LittleEndian.AppendUint32(nil, hasHeaders|100)
	b = binary.LittleEndian.AppendUint64(b, number)
	return append(b, make([]byte, 100-len(b))...)
}
