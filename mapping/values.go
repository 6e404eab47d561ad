package mapping

import (
	"bytes"
	"unicode/utf8"

	"github.com/iteramp/iteramp/internal/jsonscan"
)

// Limits of Amplitude's event properties.
//
// Reference: https://amplitude.com/docs/apis/analytics/http-v2 (event_properties)
const (
	maxLevels     = 40    // of objects and arrays; event_properties is the first
	maxCharacters = 1_024 // of a string
)

// typed gives a value the type that its key should have.
func typed(key, v []byte) []byte {
	if v[0] != '"' {
		return v
	}
	if integral(key) && decimal(v[1:len(v)-1]) {
		return v[1 : len(v)-1]
	}
	if string(key) == "transactionalData" {
		if object := jsonscan.Text(v); len(object) == 0 || jsonscan.IsObject(object) {
			return bytes.TrimSpace(object)
		}
	}
	return v
}

// decimal reports whether s is an integer in the only way JSON writes it, and
// of a size that every reader takes for an integer.
func decimal(s []byte) bool {
	if len(s) == 0 || len(s) > 18 || s[0] == '0' && len(s) > 1 {
		return false
	}
	for _, c := range s {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}

// empty reports whether v is nothing that is worth a property. An empty string
// is: it says which part of an embedded message was tapped.
func empty(v []byte) bool {
	switch {
	case len(v) == 0, string(v) == "null":
		return true
	case v[0] == '[', v[0] == '{':
		return jsonscan.Space(v, 1) == len(v)-1
	}
	return false
}

// limited returns v within Amplitude's limits, and without the queries of its
// URLs if cut is set. It is v itself if nothing has to change.
func limited(key, v []byte, cut bool) []byte {
	l := limiter{in: v, cut: cut}
	switch v[0] {
	case '"':
		return l.text(v, isURL(key))
	case '[', '{':
		if !l.fits() {
			l.value(0, 2, false)
			return l.out
		}
	}
	return v
}

// limiter copies a value from in to out, in one pass: a sender chooses the
// depth.
type limiter struct {
	in, out []byte
	cut     bool
}

// fits reports whether the value can stay as it is. It may be wrong about keys
// that look like values, which costs a copy only.
func (l *limiter) fits() bool {
	if l.cut && bytes.ContainsAny(l.in, `?\`) {
		return false
	}
	level := 1
	for i := 0; i < len(l.in); i++ {
		switch l.in[i] {
		case '[', '{':
			if level++; level > maxLevels {
				return false
			}
		case ']', '}':
			level--
		case '"':
			end, _ := jsonscan.Value(l.in, i, 0)
			if end-i > maxCharacters+2 {
				return false
			}
			i = end - 1
		}
	}
	return true
}

func (l *limiter) value(i, level int, url bool) (end int, ok bool) {
	start := len(l.out)
	switch c := l.in[i]; c {
	case '[':
		l.out = append(l.out, '[')
		end, ok = jsonscan.Array(l.in, i, 0, func(i int) (int, bool) {
			return l.child(start, nil, i, level, url)
		})
		l.out = append(l.out, ']')
	case '{':
		l.out = append(l.out, '{')
		end, ok = jsonscan.Object(l.in, i, 0, func(key []byte, i int) (int, bool) {
			return l.child(start, key, i, level, isURL(jsonscan.Text(key)))
		})
		l.out = append(l.out, '}')
	default:
		end, ok = jsonscan.Value(l.in, i, 0)
		if v := l.in[i:end]; c == '"' {
			l.out = append(l.out, l.text(v, url)...)
		} else {
			l.out = append(l.out, v...)
		}
	}
	return end, ok
}

// child copies one part of the container that was opened at start of out, or
// leaves it out if it would be too deep.
func (l *limiter) child(start int, key []byte, i, level int, url bool) (end int, ok bool) {
	if level == maxLevels && (l.in[i] == '[' || l.in[i] == '{') {
		return jsonscan.Value(l.in, i, 0)
	}
	if len(l.out) > start+1 {
		l.out = append(l.out, ',')
	}
	if key != nil {
		l.out = append(append(l.out, key...), ':')
	}
	return l.value(i, level+1, url)
}

// text cuts a string, in its quotes.
func (l *limiter) text(v []byte, url bool) []byte {
	if l.cut {
		v = withoutQuery(v, url)
	}
	if len(v) <= maxCharacters+2 {
		return v
	}
	in := v[1 : len(v)-1]
	n := 0
	for range maxCharacters {
		if n == len(in) {
			return v
		}
		n += jsonscan.Width(in[n:])
	}
	if n == len(in) {
		return v
	}
	return append(bytes.Clone(v[:1+n]), '"')
}

// isURL reports whether texts under this key are URLs, with a scheme or not.
func isURL(key []byte) bool {
	return bytes.HasSuffix(key, []byte("Url")) || string(key) == "url" || string(key) == "webPushClickAction"
}

// withoutQuery cuts a string, in its quotes, before the first question mark, if
// it is a URL: by its key, or by its looks.
func withoutQuery(v []byte, url bool) []byte {
	s := jsonscan.Text(v)
	query := bytes.IndexByte(s, '?')
	if query < 0 || !url && !hasScheme(s) {
		return v
	}
	if len(s) == len(v)-2 { // no escapes: the same bytes
		return append(bytes.Clone(v[:1+query]), '"')
	}
	return jsonscan.AppendString(nil, s[:query])
}

func hasScheme(s []byte) bool {
	scheme, _, ok := bytes.Cut(s, []byte("://"))
	for i, c := range scheme {
		letter := 'a' <= c|0x20 && c|0x20 <= 'z'
		if c >= utf8.RuneSelf || !letter && (i == 0 || bytes.IndexByte([]byte("+-.0123456789"), c) < 0) {
			return false
		}
	}
	return ok && len(scheme) > 0
}
