package amplitude

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
)

// Member is a user in a cohort.
type Member struct {
	AmplitudeID string // "" if the file does not have it
	UserID      string // "" for a user who was never identified
	// Properties are the user's, as text; one the user does not have is "". It is
	// nil if none were asked for.
	Properties map[string]string
}

const (
	maxRow       = 4 << 20 // bytes: a user has at most 1,000 properties, most of them below 1 KiB
	maxRatio     = 100     // of gzip, beyond the first MiB
	columnID     = "amplitude_id"
	columnUserID = "user_id"
)

var (
	errEmpty   = errors.New("it is empty")
	errMarkup  = errors.New("it is a page of HTML or XML")
	errNoUsers = errors.New("it has no column user_id")
	errLongRow = errors.New("a row is longer than 4 MiB")
	errBomb    = errors.New("it is packed more than a hundredfold")
)

// eachMember passes on the rows of a cohort file until the file or the interest
// ends. It returns nil at the end of a whole file alone.
func eachMember(body io.Reader, yield func(Member, error) bool) error {
	src := &source{r: body}
	err := src.eachMember(yield)
	switch {
	case err == nil:
		return nil
	case src.err != nil:
		return kindOf{ErrCutOff, src.err}
	}
	return fmt.Errorf("%w: %w", ErrCohortFile, err)
}

// source counts what is read of a stream and keeps its error, so that a file cut
// off is told from one that is wrong.
type source struct {
	r   io.Reader
	n   int64
	err error // other than io.EOF
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	s.n += int64(n)
	if err != nil && err != io.EOF {
		s.err = err
	}
	return n, err
}

func (s *source) eachMember(yield func(Member, error) bool) error {
	text, err := s.unpack()
	if err != nil {
		return err
	}
	rows := &bounded{r: text, limit: maxRow}
	in := bufio.NewReaderSize(rows, 64<<10)
	if err := skipMark(in); err != nil {
		return err
	}
	r := csv.NewReader(in) // reads from in itself, and wants rows as wide as the first
	r.ReuseRecord = true
	columns, err := readColumns(r)
	if err != nil {
		return err
	}
	for {
		rows.limit = r.InputOffset() + maxRow
		row, err := r.Read()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if !yield(columns.member(row), nil) {
			return nil
		}
	}
}

// unpack finds gzip by its first bytes: no header is documented to tell it.
func (s *source) unpack() (io.Reader, error) {
	in := bufio.NewReaderSize(s, 64<<10)
	if head, _ := in.Peek(2); !bytes.Equal(head, []byte{0x1f, 0x8b}) {
		return in, nil
	}
	z, err := gzip.NewReader(in)
	if err != nil {
		return nil, err
	}
	return &unpacked{z: z, packed: s}, nil
}

// unpacked reads gzip, whose checksums it has compared by the time of io.EOF.
type unpacked struct {
	z      *gzip.Reader
	packed *source
	n      int64
}

func (u *unpacked) Read(p []byte) (int, error) {
	n, err := u.z.Read(p)
	if u.n += int64(n); u.n > 1<<20 && u.n > maxRatio*u.packed.n {
		return 0, errBomb
	}
	return n, err
}

// bounded reads up to a limit, which its owner moves on row by row: a quote that
// is never closed would otherwise be read into memory whole.
type bounded struct {
	r        io.Reader
	n, limit int64
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.n >= b.limit {
		return 0, errLongRow
	}
	n, err := b.r.Read(p)
	b.n += int64(n)
	return n, err
}

// skipMark skips a byte order mark, and refuses what is no CSV at first sight.
func skipMark(in *bufio.Reader) error {
	if head, _ := in.Peek(3); string(head) == "\ufeff" {
		_, _ = in.Discard(3)
	}
	head, _ := in.Peek(64)
	if bytes.HasPrefix(bytes.TrimLeft(head, " \t\r\n"), []byte("<")) {
		return errMarkup
	}
	return nil
}

// columns says where a row has what.
type columns struct {
	id, userID int // -1 if there is none
	properties []int
	names      []string
}

func readColumns(r *csv.Reader) (columns, error) {
	header, err := r.Read()
	if err == io.EOF {
		return columns{}, errEmpty
	}
	if err != nil {
		return columns{}, err
	}
	// A property may be called like an id, whose column stands before it.
	c := columns{id: slices.Index(header, columnID), userID: slices.Index(header, columnUserID)}
	if c.userID < 0 {
		return columns{}, errNoUsers
	}
	for i, name := range header {
		if i != c.id && i != c.userID {
			c.properties, c.names = append(c.properties, i), append(c.names, name)
		}
	}
	return c, nil
}

// member shares no memory with the reader: the texts of a row are its own.
func (c columns) member(row []string) Member {
	m := Member{UserID: row[c.userID]}
	if c.id >= 0 {
		m.AmplitudeID = row[c.id]
	}
	if len(c.names) > 0 {
		m.Properties = make(map[string]string, len(c.names))
		for i, name := range c.names {
			m.Properties[name] = row[c.properties[i]]
		}
	}
	return m
}
