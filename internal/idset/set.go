package idset

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
)

// A Set is a set in a file, open for reading. It never changes and is safe for
// concurrent use.
type Set struct {
	file    io.ReaderAt
	parts   [partitions]incoming
	records int
}

// incoming is what a Set knows of a partition.
type incoming struct {
	chunks  []chunk
	crc     uint32
	size    int
	records int
}

type chunk struct {
	offset int64
	length int
}

// Open opens a set. It reads the header and the footer and returns
// [ErrDamaged] if they are not those of a whole set. The ids are checked when
// they are read. A symbolic link is not followed.
func Open(root *os.Root, name string) (*Set, error) {
	f, size, err := openFile(root, name)
	if err != nil {
		return nil, fmt.Errorf("idset: %w", err)
	}
	s, err := read(f, size)
	if err != nil {
		f.Close()
		return nil, err
	}
	return s, nil
}

var errNoFile = errors.New("not a regular file")

func openFile(root *os.Root, name string) (*os.File, int64, error) {
	entry, err := root.Lstat(name)
	switch {
	case err != nil:
		return nil, 0, err
	case !entry.Mode().IsRegular():
		return nil, 0, errNoFile
	}
	f, err := root.Open(name)
	if err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	if err == nil && !os.SameFile(entry, info) {
		err = errNoFile // it was replaced, perhaps by a link
	}
	if err != nil {
		f.Close()
		return nil, 0, err
	}
	return f, info.Size(), nil
}

// read makes a Set of a file of this size.
func read(f io.ReaderAt, size int64) (*Set, error) {
	footer, offset, err := readFooter(f, size)
	if err != nil {
		return nil, err
	}
	s := &Set{file: f}
	rest, ok := s.readCounts(footer)
	if !ok || !s.readChunks(rest, offset) {
		return nil, damaged("footer")
	}
	for i := range s.parts {
		p := &s.parts[i]
		if p.records > p.size/(recordHead+1) || (p.records == 0) != (p.size == 0) {
			return nil, damaged("number of records")
		}
		s.records += p.records
	}
	return s, nil
}

func (s *Set) readCounts(b []byte) (rest []byte, ok bool) {
	for i := range s.parts {
		records, n := binary.Uvarint(b)
		if n <= 0 || records > math.MaxInt32 || len(b)-n < 4 {
			return nil, false
		}
		s.parts[i].records = int(records)
		s.parts[i].crc = binary.LittleEndian.Uint32(b[n:])
		b = b[n+4:]
	}
	return b, true
}

// readChunks reports whether the chunks fill the file up to the footer.
func (s *Set) readChunks(b []byte, footer int64) bool {
	offset := int64(headerSize)
	for len(b) > 0 {
		part := b[0]
		length, n := binary.Uvarint(b[1:])
		if part >= partitions || n <= 0 || length == 0 || length > maxPartition {
			return false
		}
		p := &s.parts[part]
		p.chunks = append(p.chunks, chunk{offset: offset, length: int(length)})
		offset += int64(length)
		if p.size += int(length); p.size > maxPartition || offset > footer {
			return false
		}
		b = b[1+n:]
	}
	return offset == footer
}

// Records returns how many records the file has: one for each Put. It is the
// number of ids if none was put twice.
func (s *Set) Records() int { return s.records }

// Close closes the file.
func (s *Set) Close() error {
	if c, ok := s.file.(io.Closer); ok {
		return c.Close()
	}
	return nil
}

// load appends the bytes of a partition to data, which has room for them.
func (s *Set) load(ctx context.Context, part int, data []byte) ([]byte, error) {
	start := len(data)
	for _, c := range s.parts[part].chunks {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		at := len(data)
		data = data[:at+c.length]
		if err := readFull(s.file, data[at:], c.offset); err != nil {
			return nil, err
		}
	}
	if crc32.Checksum(data[start:], castagnoli) != s.parts[part].crc {
		return nil, damaged("checksum of the ids")
	}
	return data, nil
}

// syncDir makes the entry of a file durable, where directories can be synced.
func syncDir(root *os.Root, name string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	dir, err := root.Open(filepath.Dir(name))
	if err != nil {
		return err
	}
	defer dir.Close()
	err = dir.Sync()
	if errors.Is(err, errors.ErrUnsupported) || errors.Is(err, syscall.EINVAL) {
		return nil
	}
	return err
}
