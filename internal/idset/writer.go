package idset

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
)

const (
	chunkSize   = 32 << 10
	firstBuffer = 512 // most sets are small, and so are their buffers
)

var (
	// ErrInvalid is the error of an id or a state that no set can hold. Nothing
	// was written then, and the Writer goes on.
	ErrInvalid = errors.New("idset: an id has 1 to 4096 bytes, and its state is not 0")

	errFull = errors.New("too many ids for one set")
	errDone = errors.New("idset: the Writer has been committed or aborted")
)

// A Writer writes a new set. Nothing is seen of it until Commit. After a write
// that failed it refuses everything but Abort: who knows what the disk has kept.
//
// A Writer is not safe for concurrent use, and there must be only one for a name
// at a time.
type Writer struct {
	root    *os.Root
	name    string
	file    file // nil once it is closed
	out     *bufio.Writer
	parts   [partitions]outgoing
	chunks  []chunkLength // in the order of the file
	renamed bool
	err     error // of all that follows
}

// outgoing is what a Writer knows of a partition.
type outgoing struct {
	buf     []byte // not yet in a chunk
	crc     uint32 // of its chunks
	size    int    // of all records
	records int
}

type chunkLength struct {
	part   uint8
	length uint32
}

// file is what a Writer needs of its *os.File.
type file interface {
	io.Writer
	io.WriterAt
	Sync() error
	Close() error
}

// Create begins the set called name, which may contain directories. It is
// written as name + ".tmp"; what an earlier process left there is removed. The
// root must stay open until the Writer is committed or aborted.
func Create(root *os.Root, name string) (*Writer, error) {
	tmp := temporary(name)
	if err := root.Remove(tmp); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("idset: %w", err)
	}
	// O_EXCL does not follow a symbolic link.
	f, err := root.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, fmt.Errorf("idset: %w", err)
	}
	return newWriter(root, name, f), nil
}

func temporary(name string) string { return name + ".tmp" }

func newWriter(root *os.Root, name string, f file) *Writer {
	// Full chunks are larger than the buffer, so they are not copied into it.
	w := &Writer{root: root, name: name, file: f, out: bufio.NewWriterSize(f, chunkSize/2)}
	w.out.Write(make([]byte, headerSize))
	w.out.Flush() // an error is that of all later writes too
	return w
}

// Put adds an id, or gives it another state: the last one counts. It keeps
// nothing of the slice. The errors are [ErrInvalid] and those of the disk.
func (w *Writer) Put(state byte, id []byte) error {
	switch {
	case w.err != nil:
		return w.err
	case state == 0 || len(id) == 0 || len(id) > MaxID:
		return ErrInvalid
	}
	part := partitionOf(id)
	p, n := &w.parts[part], recordHead+len(id)
	if len(p.buf)+n > cap(p.buf) {
		if err := w.makeRoom(part, n); err != nil {
			return err
		}
	}
	p.buf = appendRecord(p.buf, state, id)
	p.size += n
	p.records++
	return nil
}

// makeRoom sees to it that the buffer of a partition takes n more bytes.
func (w *Writer) makeRoom(part, n int) error {
	p := &w.parts[part]
	switch {
	case p.size > maxPartition-chunkSize:
		return w.fail(errFull)
	case cap(p.buf) == chunkSize:
		return w.flush(part)
	}
	size := min(max(8*cap(p.buf), len(p.buf)+n, firstBuffer), chunkSize)
	if len(p.buf)+n > size {
		if err := w.flush(part); err != nil {
			return err
		}
	}
	p.buf = append(make([]byte, 0, size), p.buf...)
	return nil
}

// flush makes a chunk of what is in the buffer of a partition.
func (w *Writer) flush(part int) error {
	p := &w.parts[part]
	if len(p.buf) == 0 {
		return nil
	}
	if _, err := w.out.Write(p.buf); err != nil {
		return w.fail(err)
	}
	p.crc = crc32.Update(p.crc, castagnoli, p.buf)
	w.chunks = append(w.chunks, chunkLength{part: uint8(part), length: uint32(len(p.buf))})
	p.buf = p.buf[:0]
	return nil
}

// fail remembers the first error for all calls that follow.
func (w *Writer) fail(err error) error {
	if w.err == nil {
		w.err = fmt.Errorf("idset: %w", err)
	}
	return w.err
}

// Commit makes the set durable, puts it in the place of the one that had its
// name, if any, and opens it. After an error the name stands for the former set
// or, if all but the last step was done, for the new one; never for a part.
//
// On Windows a set that is open cannot be replaced.
func (w *Writer) Commit() (*Set, error) { return w.commit(w.finish, w.sync, w.rename) }

// CommitUnsynced is Commit for a set that can be had again: it is faster, but a
// power cut may damage or lose it. What is damaged is found when it is read.
func (w *Writer) CommitUnsynced() (*Set, error) { return w.commit(w.finish, w.close, w.rename) }

func (w *Writer) commit(steps ...func() error) (*Set, error) {
	for _, step := range steps {
		if w.err != nil {
			return nil, w.err
		}
		if err := step(); err != nil {
			return nil, w.fail(err)
		}
	}
	w.err = errDone
	return Open(w.root, w.name)
}

// finish writes all that is still in memory. The header comes last.
func (w *Writer) finish() error {
	for part := range w.parts {
		if err := w.flush(part); err != nil {
			return err
		}
	}
	offset := int64(headerSize)
	for _, c := range w.chunks {
		offset += int64(c.length)
	}
	footer := w.footer()
	w.out.Write(footer) // an error is that of Flush too
	if err := w.out.Flush(); err != nil {
		return err
	}
	_, err := w.file.WriteAt(header(offset, footer), 0)
	return err
}

func (w *Writer) footer() []byte {
	var b []byte
	for i := range w.parts {
		b = binary.AppendUvarint(b, uint64(w.parts[i].records))
		b = binary.LittleEndian.AppendUint32(b, w.parts[i].crc)
	}
	for _, c := range w.chunks {
		b = append(b, c.part)
		b = binary.AppendUvarint(b, uint64(c.length))
	}
	return b
}

func (w *Writer) sync() error {
	if err := w.file.Sync(); err != nil {
		return err
	}
	return w.close()
}

func (w *Writer) close() error {
	f := w.file
	w.file = nil
	return f.Close()
}

func (w *Writer) rename() error {
	if err := w.root.Rename(temporary(w.name), w.name); err != nil {
		return err
	}
	w.renamed = true
	return syncDir(w.root, w.name)
}

// Abort gives the set up and removes the temporary file. After Commit it does
// nothing, so it may be deferred.
func (w *Writer) Abort() error {
	var err error
	if w.file != nil {
		err = w.close()
	}
	if !w.renamed {
		w.renamed = true // there is nothing to remove any more
		err = errors.Join(err, w.root.Remove(temporary(w.name)))
	}
	if w.err == nil {
		w.err = errDone
	}
	return err
}
