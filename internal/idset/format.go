package idset

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
)

// MaxID is the length of the longest id in bytes.
const MaxID = 4096

const (
	partitions = 128 // part of the format, as the CRC that chooses among them
	version    = 1
	magic      = "idset\x00"
	headerSize = 32
	recordHead = 3 // state and length

	// maxPartition keeps the partitions of two sets together below 2 GiB, which
	// is what an int can count on all machines.
	maxPartition = math.MaxInt32 / 2
)

// ErrDamaged is the error of a file that is not a whole set, whose bytes have
// changed, or that a newer version has written.
var ErrDamaged = errors.New("idset: damaged file")

func damaged(what string) error { return fmt.Errorf("%w: %s", ErrDamaged, what) }

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func partitionOf(id []byte) int {
	return int(uint64(crc32.Checksum(id, castagnoli)) * partitions >> 32)
}

// record returns the record at b[at], and the index behind it or 0 if there is
// no whole record.
func record(b []byte, at int) (state byte, id []byte, next int) {
	if len(b)-at < recordHead {
		return 0, nil, 0
	}
	n := int(binary.LittleEndian.Uint16(b[at+1:]))
	start, end := at+recordHead, at+recordHead+n
	if b[at] == 0 || n == 0 || n > MaxID || end > len(b) {
		return 0, nil, 0
	}
	return b[at], b[start:end:end], end
}

func appendRecord(b []byte, state byte, id []byte) []byte {
	b = append(b, state, byte(len(id)), byte(len(id)>>8))
	return append(b, id...)
}

// header returns the first bytes of a file whose footer is at offset.
func header(offset int64, footer []byte) []byte {
	b := append(make([]byte, 0, headerSize), magic...)
	b = binary.LittleEndian.AppendUint16(b, version)
	b = binary.LittleEndian.AppendUint64(b, uint64(offset))
	b = binary.LittleEndian.AppendUint64(b, uint64(offset)+uint64(len(footer)))
	b = binary.LittleEndian.AppendUint32(b, crc32.Checksum(footer, castagnoli))
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

// readFooter returns the footer of a file of this size, and its offset.
func readFooter(f io.ReaderAt, size int64) (footer []byte, offset int64, err error) {
	var b [headerSize]byte
	if size < headerSize {
		return nil, 0, damaged("it is too short")
	}
	if err := readFull(f, b[:], 0); err != nil {
		return nil, 0, err
	}
	if err := checkHeader(b[:], size); err != nil {
		return nil, 0, err
	}
	// The lengths are under the checksum and agree with the size of the file.
	offset = int64(binary.LittleEndian.Uint64(b[8:]))
	footer = make([]byte, size-offset)
	if err := readFull(f, footer, offset); err != nil {
		return nil, 0, err
	}
	if crc32.Checksum(footer, castagnoli) != binary.LittleEndian.Uint32(b[24:]) {
		return nil, 0, damaged("checksum of the footer")
	}
	return footer, offset, nil
}

func checkHeader(b []byte, size int64) error {
	offset, end := binary.LittleEndian.Uint64(b[8:]), binary.LittleEndian.Uint64(b[16:])
	switch v := binary.LittleEndian.Uint16(b[6:]); {
	case string(b[:len(magic)]) != magic:
		return damaged("it is no set, or was not finished")
	case v != version:
		return damaged(fmt.Sprintf("version %d, and %d is the only one known", v, version))
	case crc32.Checksum(b[:28], castagnoli) != binary.LittleEndian.Uint32(b[28:]):
		return damaged("checksum of the header")
	case end != uint64(size):
		return damaged("length of the file")
	case offset < headerSize || offset > end || end-offset > math.MaxInt32:
		return damaged("place of the footer")
	}
	return nil
}

// readFull fills b. A file that ends too early is damaged: its length was known.
func readFull(f io.ReaderAt, b []byte, offset int64) error {
	n, err := f.ReadAt(b, offset)
	switch {
	case n == len(b):
		return nil
	case err == io.EOF:
		return damaged("it has become shorter")
	}
	return fmt.Errorf("idset: %w", err)
}
