package mapping

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/iteramp/iteramp/internal/jsonscan"
)

// canonicalBody writes dataFields so that one event always gives one text:
// without white space, keys sorted, the last of equal keys only, escapes only
// where JSON requires them. What exports add (itblInternal) is left out.
func canonicalBody(data []byte) []byte {
	if len(data) == 0 {
		return []byte("{}")
	}
	c := canonical{in: data}
	c.allocate()
	c.read(0)
	if len(c.objects) > 0 {
		root := &c.objects[0]
		kept := slices.DeleteFunc(c.members[root.from:root.to], func(m member) bool {
			return bytes.HasPrefix(c.name(m), []byte("itblInternal"))
		})
		root.to = root.from + uint32(len(kept))
	}
	c.out = make([]byte, 0, len(data))
	c.write(0, 0)
	return c.out
}

// canonical reads a body and writes it in one pass each, however deep a sender
// nests. Of what it read it keeps the order of keys only: a tree of values
// would take up to a hundred times the body's memory. Offsets are of 32 bits
// for the same reason; no webhook comes near the 2 GiB that they are good for.
type canonical struct {
	in, out []byte
	names   []byte   // of members, where they were written with escapes
	objects []object // those that are not empty, as they begin in the text
	// Members of an object that has ended are together and sorted, in
	// members[:done]; those of objects that have not are a stack that grows
	// down, members[open:].
	members    []member
	done, open int
}

type object struct {
	from, to uint32 // its members
	end      uint32 // of its text
	next     uint32 // object that begins after that
}

type member struct {
	name, nameEnd uint32 // in the text without its quotes, or behind it: in names
	value         uint32
	object        uint32 // the first one that begins in value or after it
}

func (c *canonical) name(m member) []byte {
	if n := uint32(len(c.in)); m.name >= n {
		return c.names[m.name-n : m.nameEnd-n]
	}
	return c.in[m.name:m.nameEnd]
}

// allocate makes room once: growing would take several times as much.
func (c *canonical) allocate() {
	objects := 0
	for i := 0; i < len(c.in); i++ {
		switch c.in[i] {
		case '{':
			objects++
		case ':':
			c.open++
		case '"':
			end, _ := jsonscan.Value(c.in, i, 0)
			i = end - 1
		}
	}
	c.members = make([]member, c.open)
	c.objects = make([]object, 0, min(objects, c.open)) // one that is not empty has a member
}

// read notes the objects in the valid value at in[i].
func (c *canonical) read(i int) (end int, ok bool) {
	switch c.in[i] {
	case '{':
		own, base := len(c.objects), c.open
		end, ok = jsonscan.Object(c.in, i, 0, func(key []byte, i int) (int, bool) {
			if c.open == base { // the first
				c.objects = append(c.objects, object{})
			}
			c.open--
			c.members[c.open] = c.member(key, i)
			return c.read(i)
		})
		if c.open < base {
			c.close(own, base, end)
		}
		return end, ok
	case '[':
		return jsonscan.Array(c.in, i, 0, c.read)
	}
	return jsonscan.Value(c.in, i, 0)
}

func (c *canonical) member(key []byte, value int) member {
	m := member{value: uint32(value), object: uint32(len(c.objects))}
	if bytes.IndexByte(key, '\\') >= 0 {
		m.name = uint32(len(c.in) + len(c.names))
		c.names = append(c.names, jsonscan.Text(key)...)
		m.nameEnd = uint32(len(c.in) + len(c.names))
		return m
	}
	quote := bytes.LastIndexByte(c.in[:value], '"') // only a colon and space are between
	m.name, m.nameEnd = uint32(quote-len(key)+2), uint32(quote)
	return m
}

// close sorts the members of an object and keeps the last of equal ones.
func (c *canonical) close(own, base, end int) {
	all := c.members[c.open:base]
	slices.SortFunc(all, func(a, b member) int {
		return cmp.Or(bytes.Compare(c.name(a), c.name(b)), cmp.Compare(b.value, a.value))
	})
	all = slices.CompactFunc(all, func(a, b member) bool { return bytes.Equal(c.name(a), c.name(b)) })
	from := c.done
	c.done += copy(c.members[from:], all)
	c.open = base
	c.objects[own] = object{uint32(from), uint32(c.done), uint32(end), uint32(len(c.objects))}
}

// write writes the value at in[i]. The first object that begins there or later
// is given and returned.
func (c *canonical) write(i int, first uint32) (end int, next uint32) {
	switch c.in[i] {
	case '{':
		if end = jsonscan.Space(c.in, i+1); c.in[end] == '}' {
			c.out = append(c.out, "{}"...)
			return end + 1, first
		}
		o := c.objects[first]
		c.out = append(c.out, '{')
		for n, m := range c.members[o.from:o.to] {
			if n > 0 {
				c.out = append(c.out, ',')
			}
			c.out = append(jsonscan.AppendString(c.out, c.name(m)), ':')
			c.write(int(m.value), m.object)
		}
		c.out = append(c.out, '}')
		return int(o.end), o.next
	case '[':
		c.out = append(c.out, '[')
		start := len(c.out)
		end, _ = jsonscan.Array(c.in, i, 0, func(i int) (int, bool) {
			if len(c.out) > start {
				c.out = append(c.out, ',')
			}
			i, first = c.write(i, first)
			return i, true
		})
		c.out = append(c.out, ']')
		return end, first
	}
	end, _ = jsonscan.Value(c.in, i, 0)
	if v := c.in[i:end]; v[0] == '"' {
		c.out = jsonscan.AppendString(c.out, jsonscan.Text(v))
	} else {
		c.out = append(c.out, v...) // numbers keep their digits
	}
	return end, first
}
