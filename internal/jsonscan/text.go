package jsonscan

import (
	"bytes"
	"unicode/utf16"
	"unicode/utf8"
)

// Text returns what a valid JSON string says: a slice of raw if there is no
// escape in it, else a new one. Half of a surrogate pair becomes U+FFFD, as in
// encoding/json. It is nil if raw is no string.
func Text(raw []byte) []byte {
	if len(raw) < 2 || raw[0] != '"' {
		return nil
	}
	in := raw[1 : len(raw)-1]
	i := bytes.IndexByte(in, '\\')
	if i < 0 {
		return in
	}
	return unescape(append(make([]byte, 0, len(in)), in[:i]...), in[i:])
}

func unescape(dst, in []byte) []byte {
	for len(in) > 0 {
		if in[0] != '\\' {
			n := bytes.IndexByte(in, '\\')
			if n < 0 {
				n = len(in)
			}
			dst, in = append(dst, in[:n]...), in[n:]
			continue
		}
		n := escape(in)
		switch {
		case n == 0: // not valid, so not ours to repair
			return append(dst, in...)
		case n == 2:
			dst = append(dst, unescaped(in[1]))
		default:
			var r rune
			r, n = unicodeEscape(in)
			dst = utf8.AppendRune(dst, r)
		}
		in = in[n:]
	}
	return dst
}

func unescaped(c byte) byte {
	switch c {
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	}
	return c
}

// unicodeEscape returns the character of the escape \uXXXX that in begins
// with, and its length: 12 for a surrogate pair.
func unicodeEscape(in []byte) (rune, int) {
	r, _ := hex4(in)
	if !utf16.IsSurrogate(r) {
		return r, 6
	}
	if len(in) >= 12 && in[6] == '\\' && in[7] == 'u' {
		if low, ok := hex4(in[6:]); ok {
			if pair := utf16.DecodeRune(r, low); pair != utf8.RuneError {
				return pair, 12
			}
		}
	}
	return utf8.RuneError, 6
}

// hex4 reads the four digits of the escape \uXXXX that b begins with.
func hex4(b []byte) (r rune, ok bool) {
	if len(b) < 6 {
		return 0, false
	}
	for _, c := range b[2:6] {
		switch {
		case c-'0' <= 9:
			c -= '0'
		case c|0x20-'a' <= 5:
			c = c | 0x20 - 'a' + 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

// Width returns the length of the character, escape or pair of escapes that
// the inside of a valid string begins with.
func Width(in []byte) int {
	switch {
	case in[0] < utf8.RuneSelf && in[0] != '\\':
		return 1
	case in[0] != '\\':
		_, n := utf8.DecodeRune(in)
		return n
	case len(in) >= 6 && in[1] == 'u':
		_, n := unicodeEscape(in)
		return n
	}
	return min(2, len(in))
}

// AppendString appends s as a JSON string. Only what JSON requires is escaped;
// bytes that are not UTF-8 become U+FFFD.
func AppendString[T string | []byte](dst []byte, s T) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' && c < utf8.RuneSelf {
			i++
			continue
		}
		if c >= utf8.RuneSelf {
			_, n := utf8.DecodeRuneInString(string(s[i:min(i+utf8.UTFMax, len(s))]))
			if n > 1 {
				i += n
				continue
			}
		}
		dst = append(dst, s[start:i]...)
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\b':
			dst = append(dst, `\b`...)
		case '\f':
			dst = append(dst, `\f`...)
		case '\n':
			dst = append(dst, `\n`...)
		case '\r':
			dst = append(dst, `\r`...)
		case '\t':
			dst = append(dst, `\t`...)
		default:
			if c >= utf8.RuneSelf {
				dst = append(dst, "\uFFFD"...)
			} else {
				dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
			}
		}
		i++
		start = i
	}
	return append(append(dst, s[start:]...), '"')
}
