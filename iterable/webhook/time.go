package webhook

import (
	"bytes"
	"math"
	"strconv"
	"time"

	"github.com/iteramp/iteramp/internal/jsonscan"
)

// layouts are the forms in which a date comes, the usual one first. A 'T' in
// the middle was made a blank before; time.Parse takes a fraction of a second
// in all of them.
var layouts = [...]string{
	"2006-01-02 15:04:05 -07:00",
	"2006-01-02 15:04:05Z07:00",
	"2006-01-02 15:04:05 -0700",
	"2006-01-02 15:04:05Z0700",
	"2006-01-02 15:04:05", // UTC
}

// instant reads a date, or returns the zero time if it is none.
func instant(raw []byte) time.Time {
	switch {
	case len(raw) == 0:
		return time.Time{}
	case raw[0] != '"':
		return epoch(raw)
	}
	var buf [64]byte
	text := jsonscan.Text(raw)
	if len(text) < len("2006-01-02 15:04:05") || len(text) > len(buf) {
		return time.Time{}
	}
	text = buf[:copy(buf[:], text)]
	if text[10] == 'T' {
		text[10] = ' '
	}
	text = oneFraction(text)
	for _, layout := range layouts {
		if t, err := time.Parse(layout, string(text)); err == nil {
			return t.UTC()
		}
	}
	return time.Time{}
}

// oneFraction takes the second fraction out of "31:12.134105.000Z", which one
// of Iterable's exports is known to write.
func oneFraction(text []byte) []byte {
	last := bytes.LastIndexByte(text, '.')
	if last == bytes.IndexByte(text, '.') {
		return text
	}
	rest := bytes.TrimLeft(text[last+1:], "0123456789")
	return append(text[:last], rest...)
}

// epoch reads a number: milliseconds from 100,000,000,000 on, else seconds.
func epoch(raw []byte) time.Time {
	const year10000 = 253_402_300_800_000 // in milliseconds
	n, err := strconv.ParseFloat(string(raw), 64)
	if err == nil && n < 100_000_000_000 {
		n *= 1000
	}
	if err != nil || n < 0 || n >= year10000 {
		return time.Time{}
	}
	return time.UnixMilli(int64(math.Round(n))).UTC()
}
