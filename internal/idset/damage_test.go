package idset

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

var fewPuts = []put{{'m', "a"}, {'m', "b"}, {'r', "a user with a longer id"}, {'m', "\x00\n"}, {'p', "a"}}

func TestEveryTruncationIsFound(t *testing.T) {
	t.Parallel()
	file := bytesOf(t, fewPuts...)
	for n := range file {
		_, err := content(t, file[:n])
		require.ErrorIs(t, err, ErrDamaged, "cut to %d bytes", n)
	}
	_, err := content(t, append(file, 0))
	require.ErrorIs(t, err, ErrDamaged, "a byte more")
}

func TestEveryFlippedBitIsFound(t *testing.T) {
	t.Parallel()
	for _, puts := range [][]put{nil, fewPuts} {
		file := bytesOf(t, puts...)
		for bit := range 8 * len(file) {
			file[bit/8] ^= 1 << (bit % 8)
			_, err := content(t, file)
			require.ErrorIs(t, err, ErrDamaged, "bit %d", bit)
			file[bit/8] ^= 1 << (bit % 8)
		}
	}
}

func TestAFileThatIsCutWhileItIsOpenIsFound(t *testing.T) {
	t.Parallel()
	root := tempRoot(t)
	s := writeSet(t, root, "set", fewPuts...)
	f, err := root.OpenFile("set", os.O_RDWR, 0)
	require.NoError(t, err)
	defer f.Close()
	require.NoError(t, f.Truncate(headerSize+1))
	_, err = Compare(t.Context(), nil, s, nil, func([]byte, Change) error { return nil })
	require.ErrorIs(t, err, ErrDamaged)
}

// craft is a file with right checksums, whatever else is wrong with it.
func craft(data []byte, footer ...byte) []byte {
	offset := int64(headerSize + len(data))
	return append(append(header(offset, footer), data...), footer...)
}

// counts is the first part of a footer, for data that is all in partition 0.
func counts(records uint64, data []byte) []byte {
	b := binary.LittleEndian.AppendUint32(binary.AppendUvarint(nil, records), crc32.Checksum(data, castagnoli))
	return append(b, make([]byte, 5*(partitions-1))...)
}

func TestSenseIsCheckedBesideTheChecksums(t *testing.T) {
	t.Parallel()
	id := appendRecord(nil, 'm', []byte("id"))
	n := byte(len(id))
	part0 := func(records uint64, data []byte, chunks ...byte) []byte {
		return craft(data, append(counts(records, data), chunks...)...)
	}
	got, err := content(t, part0(1, id, 0, n))
	require.NoError(t, err)
	require.Equal(t, map[string]byte{"id": 'm'}, got)

	two := append(id[:n:n], id...)
	futures := part0(1, id, 0, n)
	futures[len(magic)] = 2
	for name, file := range map[string][]byte{
		"a later version":           futures,
		"no footer":                 craft(id),
		"no chunks":                 part0(1, id),
		"a chunk too few":           part0(2, two, 0, n),
		"a chunk too many":          part0(1, id, 0, n, 0, n),
		"an empty chunk":            part0(1, id, 0, n, 0, 0),
		"a chunk without length":    part0(1, id, 0, n, 0),
		"an endless length":         part0(1, id, 0, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1),
		"a chunk of 1 TB":           part0(1, id, 0, 128, 128, 128, 128, 128, 32),
		"a partition that is none":  part0(1, id, partitions, n),
		"another partition":         part0(1, id, 1, n),
		"fewer records than bytes":  part0(1, two, 0, 2*n),
		"more records than bytes":   part0(2, id, 0, n),
		"more than there can be":    part0(1<<40, id, 0, n),
		"no records":                part0(0, id, 0, n),
		"records without bytes":     craft(nil, counts(1, nil)...),
		"state 0":                   part0(1, []byte{0, 1, 0, 'x'}, 0, 4),
		"an empty id":               part0(1, []byte{'m', 0, 0, 'x'}, 0, 4),
		"an id behind the end":      part0(1, []byte{'m', 2, 0, 'x'}, 0, 4),
		"an id that is too long":    part0(1, appendRecord(nil, 'm', make([]byte, MaxID+1)), 0, 0x84, 0x20),
		"a footer before the start": append(header(headerSize-1, []byte{0, 0}), 0)[:headerSize+1],
	} {
		_, err := content(t, file)
		require.ErrorIs(t, err, ErrDamaged, name)
	}
}

func FuzzCompare(f *testing.F) {
	id := appendRecord(nil, 'm', []byte("id"))
	f.Add(bytesOf(f, fewPuts...), []byte{})
	f.Add(id, append(counts(1, id), 0, byte(len(id))))
	f.Add(append(id, id...), append(counts(2, append(id, id...)), 0, byte(len(id)), 0, byte(len(id))))
	f.Fuzz(func(t *testing.T, a, b []byte) {
		content(t, a)
		file := craft(a, b...) // which gets behind the checksum of the footer
		if got, err := content(t, file); err == nil {
			s, err := read(bytes.NewReader(file), int64(len(file)))
			require.NoError(t, err)
			require.LessOrEqual(t, len(got), s.Records())
			require.Len(t, changes(t, []*Set{s}, s), len(got))
		} else {
			require.ErrorIs(t, err, ErrDamaged)
		}
	})
}
