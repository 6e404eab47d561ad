// Package jsonscan reads JSON as the bytes it is: it validates, walks and
// unquotes without building values, so that what is only passed on is copied
// as it came, number by number and escape by escape.
//
// It takes the language that [encoding/json.Valid] takes, depth limit
// included. As there, strings may hold bytes that are not UTF-8; who needs
// UTF-8 asks [unicode/utf8.Valid] as well.
package jsonscan

import (
	"encoding/binary"
	"iter"
	"math/bits"
)

// MaxDepth is how many containers may be open at once, as in encoding/json.
const MaxDepth = 10_000

// Valid reports whether b is exactly one JSON value.
func Valid(b []byte) bool {
	end, ok := Value(b, Space(b, 0), 0)
	return ok && Space(b, end) == len(b)
}

// IsObject reports whether b is exactly one JSON object.
func IsObject(b []byte) bool {
	i := Space(b, 0)
	return i < len(b) && b[i] == '{' && Valid(b[i:])
}

// Space returns the index of the first byte from b[i] on that is no white
// space, or len(b).
func Space(b []byte, i int) int {
	for i < len(b) && b[i] <= ' ' && (b[i] == ' ' || b[i] == '\n' || b[i] == '\r' || b[i] == '\t') {
		i++
	}
	return i
}

// Value checks the value that begins at b[i], inside of depth open containers,
// and returns the index behind it.
func Value(b []byte, i, depth int) (end int, ok bool) {
	if i >= len(b) {
		return i, false
	}
	switch b[i] {
	case '"':
		return text(b, i)
	case '{':
		return Object(b, i, depth, nil)
	case '[':
		return Array(b, i, depth, nil)
	case 't':
		return word(b, i, "true")
	case 'f':
		return word(b, i, "false")
	case 'n':
		return word(b, i, "null")
	}
	return number(b, i)
}

// Object checks the object that begins at b[i], inside of depth open
// containers, and returns the index behind it. Member, if not nil, is called
// with every key, in its quotes, and the index of its value; it returns the
// index behind the value, or false to stop.
func Object(b []byte, i, depth int, member func(key []byte, i int) (end int, ok bool)) (end int, ok bool) {
	if depth++; i >= len(b) || b[i] != '{' || depth > MaxDepth {
		return i, false
	}
	if i = Space(b, i+1); i < len(b) && b[i] == '}' {
		return i + 1, true
	}
	for {
		if i >= len(b) || b[i] != '"' {
			return i, false
		}
		start := i
		if i, ok = text(b, i); !ok {
			return i, false
		}
		key := b[start:i]
		if i = Space(b, i); i >= len(b) || b[i] != ':' {
			return i, false
		}
		i = Space(b, i+1)
		if member == nil {
			i, ok = Value(b, i, depth)
		} else {
			i, ok = member(key, i)
		}
		if i = Space(b, i); !ok || i >= len(b) || b[i] != ',' {
			return closed(b, i, ok, '}')
		}
		i = Space(b, i+1)
	}
}

// Array is Object for arrays.
func Array(b []byte, i, depth int, element func(i int) (end int, ok bool)) (end int, ok bool) {
	if depth++; i >= len(b) || b[i] != '[' || depth > MaxDepth {
		return i, false
	}
	if i = Space(b, i+1); i < len(b) && b[i] == ']' {
		return i + 1, true
	}
	for {
		if element == nil {
			i, ok = Value(b, i, depth)
		} else {
			i, ok = element(i)
		}
		if i = Space(b, i); !ok || i >= len(b) || b[i] != ',' {
			return closed(b, i, ok, ']')
		}
		i = Space(b, i+1)
	}
}

// closed is the end of a container: it has one if all was well so far and the
// bracket follows.
func closed(b []byte, i int, ok bool, bracket byte) (int, bool) {
	if !ok || i >= len(b) || b[i] != bracket {
		return i, false
	}
	return i + 1, true
}

// Members ranges over the keys, in their quotes, and the values of a valid
// object, as slices of it. On anything else it stops where it stops to make
// sense.
func Members(object []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(key, value []byte) bool) {
		Object(object, Space(object, 0), 0, func(key []byte, i int) (int, bool) {
			end, ok := Value(object, i, 1)
			return end, ok && yield(key, object[i:end:end])
		})
	}
}

// Elements ranges over the elements of a valid array, as Members does.
func Elements(array []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		Array(array, Space(array, 0), 0, func(i int) (int, bool) {
			end, ok := Value(array, i, 1)
			return end, ok && yield(array[i:end:end])
		})
	}
}

func word(b []byte, i int, w string) (int, bool) {
	if len(b)-i < len(w) || string(b[i:i+len(w)]) != w {
		return i, false
	}
	return i + len(w), true
}

func number(b []byte, i int) (int, bool) {
	if b[i] == '-' {
		i++
	}
	switch start := i; {
	case i < len(b) && b[i] == '0':
		i++
	default:
		if i = digits(b, i); i == start {
			return i, false
		}
	}
	if i < len(b) && b[i] == '.' {
		start := i + 1
		if i = digits(b, start); i == start {
			return i, false
		}
	}
	if i < len(b) && (b[i] == 'e' || b[i] == 'E') {
		if i++; i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		start := i
		if i = digits(b, start); i == start {
			return i, false
		}
	}
	return i, true
}

func digits(b []byte, i int) int {
	for i < len(b) && b[i]-'0' <= 9 {
		i++
	}
	return i
}

// text checks the string that begins at b[i].
func text(b []byte, i int) (int, bool) {
	i = plain(b, i+1)
	for i < len(b) && b[i] == '\\' {
		n := escape(b[i:])
		if n == 0 {
			return i, false
		}
		i = plain(b, i+n)
	}
	return closed(b, i, true, '"')
}

// escape returns the length of the escape that b begins with, or 0.
func escape(b []byte) int {
	if len(b) < 2 {
		return 0
	}
	switch b[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
		if _, ok := hex4(b); ok {
			return 6
		}
	}
	return 0
}

const (
	ones   = 0x0101010101010101
	highs  = 0x80 * ones
	quotes = '"' * ones
	slants = '\\' * ones
)

// plain returns the index of the first byte from b[i] on that ends a run of
// plain text: a quote, a backslash or a control character. It looks at eight
// bytes at once: subtracting n from a byte below n, and 1 from a byte that is
// 0, sets its high bit. The borrow can only spoil the bytes after the first
// hit, and the first hit is all that counts.
func plain(b []byte, i int) int {
	for ; len(b)-i >= 8; i += 8 {
		x := binary.LittleEndian.Uint64(b[i:])
		hit := ((x - ' '*ones) | ((x ^ quotes) - ones) | ((x ^ slants) - ones)) &^ x & highs
		if hit != 0 {
			return i + bits.TrailingZeros64(hit)/8
		}
	}
	for i < len(b) && b[i] >= ' ' && b[i] != '"' && b[i] != '\\' {
		i++
	}
	return i
}
