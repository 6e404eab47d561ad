package rest

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// NoAnswer is a call that got no response. Its text is clean; its cause is kept
// for errors.Is and errors.As.
type NoAnswer struct {
	text  string
	kinds []error
}

func (e *NoAnswer) Error() string   { return e.text }
func (e *NoAnswer) Unwrap() []error { return e.kinds }

func (c *Client) noAnswer(r *request, unsure bool, cause error) error {
	return c.kind(unsure, &NoAnswer{
		text:  fmt.Sprintf("%s: %s: %s", c.Name, r.op, scrub(cause.Error(), slices.Concat(r.hidden(), c.Secrets))),
		kinds: []error{cause},
	})
}

// stopped is a call whose context ended while it waited to be repeated.
func (c *Client) stopped(last, stopped error, unsure bool) error {
	return c.kind(unsure, &NoAnswer{
		text:  fmt.Sprintf("%v (%v)", last, stopped),
		kinds: []error{last, stopped},
	})
}

func (c *Client) kind(unsure bool, e *NoAnswer) error {
	if unsure && c.Ambiguous != nil {
		e.kinds = append(e.kinds, c.Ambiguous)
	}
	return e
}

const (
	maxText = 2 << 10
	removed = "[removed]"
)

var (
	address  = regexp.MustCompile(`[^\s"'<>()\[\]{},;:=&?]+(@|%40)[^\s"'<>()\[\]{},;=&?]+`)
	urlQuery = regexp.MustCompile(`\?[^\s"'<>]*`)
)

// scrub makes foreign text fit for an error: no secrets, addresses and URL
// queries, one line, 2 KiB.
func scrub(text string, secrets []string) string {
	text = cut(text, 4*maxText)
	// The longest first: one may be part of another.
	secrets = slices.SortedFunc(slices.Values(secrets), func(a, b string) int { return len(b) - len(a) })
	for _, s := range secrets {
		if len(s) > 2 {
			text = strings.ReplaceAll(text, s, removed)
		}
	}
	text = address.ReplaceAllString(text, removed)
	text = urlQuery.ReplaceAllString(text, "?"+removed)
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == utf8.RuneError {
			return ' '
		}
		return r
	}, text)
	return cut(strings.TrimSpace(text), maxText)
}

// cut shortens s to at most n bytes, at a rune boundary.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
