package iteramp

import (
	"bufio"
	"encoding/binary"
	"io"
	"iter"
	"os"
)

// spool is a file of ids, each with a standing: written once, then read as often as
// wanted.
type spool struct {
	root *os.Root
	name string
	file *os.File
	out  *bufio.Writer
	len  int
}

func newSpool(root *os.Root, name string) (*spool, error) {
	f, err := root.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	return &spool{root: root, name: name, file: f, out: bufio.NewWriterSize(f, 64<<10)}, nil
}

func (s *spool) add(standing byte, id []byte) error {
	var head [1 + binary.MaxVarintLen64]byte
	head[0] = standing
	n := 1 + binary.PutUvarint(head[1:], uint64(len(id)))
	s.out.Write(head[:n]) // an error stays until Flush
	_, err := s.out.Write(id)
	s.len++
	return err
}

func (s *spool) finish() error { return s.out.Flush() }

// entries ranges over all ids in the order they were added. The bytes are valid
// until the next turn.
func (s *spool) entries() iter.Seq2[entry, error] {
	return func(yield func(entry, error) bool) {
		in := bufio.NewReaderSize(io.NewSectionReader(s.file, 0, 1<<62), 64<<10)
		var e entry
		for {
			standing, err := in.ReadByte()
			if err == io.EOF {
				return
			}
			var n uint64
			if err == nil {
				n, err = binary.ReadUvarint(in)
			}
			if err == nil {
				e.standing, e.id = standing, append(e.id[:0], make([]byte, n)...)
				_, err = io.ReadFull(in, e.id)
			}
			if !yield(e, err) || err != nil {
				return
			}
		}
	}
}

type entry struct {
	standing byte
	id       []byte
}

func (s *spool) ids() iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		if s == nil {
			yield("", errPlanClosed)
			return
		}
		for e, err := range s.entries() {
			if !yield(string(e.id), err) {
				return
			}
		}
	}
}

func (s *spool) remove() {
	if s != nil {
		s.file.Close()
		_ = s.root.Remove(s.name) // or the ledger does when it is opened the next time
	}
}
