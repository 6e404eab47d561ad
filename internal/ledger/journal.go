package ledger

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"

	"github.com/iteramp/iteramp/internal/idset"
)

// A journal is a row of records: a header of the body's length, the checksum of
// that length and the checksum of the body, 4 bytes each, then the body. The
// length has a checksum of its own, so that a damaged one cannot pass for a record
// that was cut off by a crash.
const headerSize = 12

// maxBody is far above a batch of 1,000 ids.
const maxBody = 16 << 20

// Bodies begin with their kind.
const (
	intent   = 'i' // ids of a batch that is about to be sent
	verdicts = 'v' // of the batch before: the standing of most, then of the others
	dropped  = 'g' // ids that are not to be kept any more
)

type journal struct {
	file  *os.File
	buf   []byte // not written yet
	empty bool
}

// Intend notes a batch that is about to be sent, and syncs it with all that was
// noted before.
func (l *Ledger) Intend(ids [][]byte) error {
	body := []byte{intent}
	for _, id := range ids {
		body = appendID(body, id)
	}
	return l.note(body, true)
}

// Settle notes what became of the batch that was intended last. It is safe after
// the next Intend or Sync.
func (l *Ledger) Settle(most Standing, others map[string]Standing) error {
	body := []byte{verdicts, most}
	for id, s := range others {
		body = appendID(append(body, s), []byte(id))
		if s == Forgotten {
			l.forgotten[forgottenHash([]byte(id))] = true
		}
	}
	return l.note(body, false)
}

// Drop notes ids that need not be kept any more. It is safe after the next Intend
// or Sync.
func (l *Ledger) Drop(id []byte) error {
	return l.note(appendID([]byte{dropped}, id), false)
}

// Sync makes all that was noted safe.
func (l *Ledger) Sync() error {
	if l.journal == nil {
		return l.failed
	}
	return l.try(l.journal.sync)
}

func appendID(b, id []byte) []byte {
	return append(binary.AppendUvarint(b, uint64(len(id))), id...)
}

func (l *Ledger) note(body []byte, sync bool) error {
	return l.try(func() error {
		if err := l.begin(); err != nil {
			return err
		}
		l.journal.add(body)
		if sync || len(l.journal.buf) > 1<<20 {
			return l.journal.sync()
		}
		return nil
	})
}

// begin makes the journal if there is none: first the file, then the state that
// names it.
func (l *Ledger) begin() error {
	if l.journal != nil {
		return nil
	}
	name := l.Name("journal")
	f, err := l.root.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	l.journal = &journal{file: f, empty: true}
	if err := syncDir(l.root); err != nil {
		return err
	}
	l.State.Journal = name
	return writeState(l.root, l.State)
}

func (j *journal) add(body []byte) {
	var header [headerSize]byte
	binary.LittleEndian.PutUint32(header[:], uint32(len(body)))
	binary.LittleEndian.PutUint32(header[4:], crc32.Checksum(header[:4], table))
	binary.LittleEndian.PutUint32(header[8:], crc32.Checksum(body, table))
	j.buf = append(append(j.buf, header[:]...), body...)
	j.empty = false
}

func (j *journal) sync() error {
	if _, err := j.file.Write(j.buf); err != nil {
		return err
	}
	j.buf = j.buf[:0]
	return j.file.Sync()
}

// replay reads the journal into a set that lies over the members, and cuts off
// what a crash left half written at its end.
func (l *Ledger) replay() error {
	if l.since != nil {
		l.since.Close()
		l.since = nil
	}
	if l.State.Journal == "" {
		return nil
	}
	if l.journal == nil {
		f, err := l.root.OpenFile(l.State.Journal, os.O_RDWR|os.O_APPEND, 0)
		if errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%w: %s is missing", ErrDamaged, l.State.Journal)
		}
		if err != nil {
			return err
		}
		l.journal = &journal{file: f, empty: true}
	} else if err := l.journal.sync(); err != nil {
		return err
	}
	return l.replayFile()
}

func (l *Ledger) replayFile() error {
	info, err := l.journal.file.Stat()
	if err != nil {
		return err
	}
	w, err := idset.Create(l.root, l.Name("since"))
	if err != nil {
		return err
	}
	defer w.Abort()
	r := replayer{put: w.Put, forget: func(id []byte) { l.forgotten[forgottenHash(id)] = true }}
	good, err := r.run(l.journal.file, info.Size())
	if err != nil {
		return err
	}
	if good < info.Size() {
		if err := l.journal.file.Truncate(good); err != nil {
			return err
		}
	}
	l.journal.empty = good == 0
	l.since, err = w.CommitUnsynced()
	return err
}

// replayer turns records into standings.
type replayer struct {
	put    func(Standing, []byte) error
	forget func([]byte)
	batch  [][]byte // intended last
}

// run reads records from a file of that size and returns how many bytes of it are
// whole ones.
func (r *replayer) run(file io.ReaderAt, size int64) (good int64, err error) {
	in := bufio.NewReaderSize(io.NewSectionReader(file, 0, size), 64<<10)
	for good < size {
		body, err := r.next(in, size-good)
		if err != nil || body == nil {
			return good, err
		}
		if err := r.record(body); err != nil {
			return good, err
		}
		good += headerSize + int64(len(body))
	}
	return good, nil
}

var errRecord = fmt.Errorf("%w: a record of the journal", ErrDamaged)

// next reads one record of what is left of the file. It is nil if a crash cut it
// off: the file ends within it or, where its length had reached the disk and its
// content had not, goes on with nothing but zeros.
func (r *replayer) next(in *bufio.Reader, left int64) ([]byte, error) {
	var header [headerSize]byte
	if left < headerSize {
		return nil, nil
	}
	if _, err := io.ReadFull(in, header[:]); err != nil {
		return nil, err
	}
	n := binary.LittleEndian.Uint32(header[:])
	if crc32.Checksum(header[:4], table) != binary.LittleEndian.Uint32(header[4:]) || n > maxBody || n == 0 {
		return nil, zeros(header[:], in)
	}
	if left < headerSize+int64(n) {
		return nil, nil
	}
	body := make([]byte, n)
	if _, err := io.ReadFull(in, body); err != nil {
		return nil, err
	}
	if crc32.Checksum(body, table) != binary.LittleEndian.Uint32(header[8:]) {
		return nil, zeros(body, in)
	}
	return body, nil
}

// zeros is nil if what was read ends in a zero and nothing else follows.
func zeros(read []byte, in *bufio.Reader) error {
	if read[len(read)-1] != 0 {
		return errRecord
	}
	return onlyZeros(in)
}

func onlyZeros(in io.ByteReader) error {
	for {
		b, err := in.ReadByte()
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		case b != 0:
			return errRecord
		}
	}
}

func (r *replayer) record(body []byte) error {
	switch kind, rest := body[0], body[1:]; kind {
	case intent:
		r.batch = r.batch[:0]
		return each(rest, false, func(_ Standing, id []byte) error {
			r.batch = append(r.batch, id)
			return r.put(InFlight, id)
		})
	case dropped:
		return each(rest, false, func(_ Standing, id []byte) error { return r.put(Gone, id) })
	case verdicts:
		return r.verdicts(rest)
	default:
		return errRecord
	}
}

func (r *replayer) verdicts(rest []byte) error {
	if len(rest) == 0 {
		return errRecord
	}
	for _, id := range r.batch {
		if err := r.put(rest[0], id); err != nil {
			return err
		}
	}
	r.batch = r.batch[:0]
	return each(rest[1:], true, func(s Standing, id []byte) error {
		if s == Forgotten {
			r.forget(id)
			s = Gone
		}
		return r.put(s, id)
	})
}

// each reads ids, with a standing before each or without.
func each(raw []byte, standing bool, use func(Standing, []byte) error) error {
	for len(raw) > 0 {
		var s Standing
		if standing {
			s, raw = raw[0], raw[1:]
		}
		n, w := binary.Uvarint(raw)
		if w <= 0 || n == 0 || n > uint64(len(raw)-w) || standing && s == 0 {
			return errRecord
		}
		if err := use(s, raw[w:w+int(n)]); err != nil {
			return err
		}
		raw = raw[w+int(n):]
	}
	return nil
}
