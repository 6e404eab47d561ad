package mapping

import (
	"slices"
	"strings"

	"github.com/iteramp/iteramp/internal/jsonscan"
)

// canonicalBody writes dataFields so that one event always gives one text:
// without white space, keys sorted, the last of equal keys only, escapes only
// where JSON requires them. What exports add (itblInternal) is left out.
func canonicalBody(data []byte) string {
	if len(data) == 0 {
		return "{}"
	}
	c := canonical{in: data, out: make([]byte, 0, len(data))}
	c.object(0, func(key string) bool { return !strings.HasPrefix(key, "itblInternal") })
	return string(c.out)
}

// canonical copies valid JSON from in to out, in one pass: a sender chooses the
// depth.
type canonical struct{ in, out []byte }

func (c *canonical) value(i int) (end int, ok bool) {
	switch c.in[i] {
	case '{':
		return c.object(i, nil)
	case '[':
		return c.array(i)
	}
	end, ok = jsonscan.Value(c.in, i, 0)
	if c.in[i] == '"' {
		c.out = jsonscan.AppendString(c.out, jsonscan.Text(c.in[i:end]))
	} else {
		c.out = append(c.out, c.in[i:end]...) // numbers keep their digits
	}
	return end, ok
}

func (c *canonical) array(i int) (end int, ok bool) {
	c.out = append(c.out, '[')
	first := len(c.out)
	end, ok = jsonscan.Array(c.in, i, 0, func(i int) (int, bool) {
		if len(c.out) > first {
			c.out = append(c.out, ',')
		}
		return c.value(i)
	})
	c.out = append(c.out, ']')
	return end, ok
}

// member is where a member was written to.
type member struct {
	key      string
	from, to int
}

func (c *canonical) object(i int, keep func(key string) bool) (end int, ok bool) {
	start := len(c.out)
	var members []member
	end, ok = jsonscan.Object(c.in, i, 0, func(raw []byte, i int) (int, bool) {
		key := string(jsonscan.Text(raw))
		if keep != nil && !keep(key) {
			return jsonscan.Value(c.in, i, 0)
		}
		from := len(c.out)
		c.out = append(jsonscan.AppendString(c.out, key), ':')
		end, ok := c.value(i)
		members = append(members, member{key, from - start, len(c.out) - start})
		return end, ok
	})
	slices.Reverse(members) // so that of equal keys the last is left
	slices.SortStableFunc(members, func(a, b member) int { return strings.Compare(a.key, b.key) })
	members = slices.CompactFunc(members, func(a, b member) bool { return a.key == b.key })

	written := slices.Clone(c.out[start:])
	c.out = append(c.out[:start], '{')
	for n, m := range members {
		if n > 0 {
			c.out = append(c.out, ',')
		}
		c.out = append(c.out, written[m.from:m.to]...)
	}
	c.out = append(c.out, '}')
	return end, ok
}
