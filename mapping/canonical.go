package mapping

import (
	"slices"
	"strings"

	"github.com/iteramp/iteramp/internal/jsonscan"
)

// canonicalBody writes dataFields so that one event always gives one text:
// without white space, keys sorted, the last of equal keys only, escapes only
// where JSON requires them. What exports add (itblInternal) is left out.
func canonicalBody(data []byte) []byte {
	if len(data) == 0 {
		return []byte("{}")
	}
	root, _, _ := readNode(data, 0)
	root.children = slices.DeleteFunc(root.children, func(n node) bool {
		return strings.HasPrefix(n.key, "itblInternal")
	})
	return root.append(make([]byte, 0, len(data)))
}

// node is a JSON value. A tree of them is read and written in one pass each,
// however deep a sender nests.
type node struct {
	key      string // if it is a member
	scalar   []byte // if it is no container
	children []node
	bracket  byte // of a container
}

// readNode reads the valid value at in[i]. Objects come out sorted.
func readNode(in []byte, i int) (n node, end int, ok bool) {
	switch n.bracket = in[i]; n.bracket {
	case '{':
		end, ok = jsonscan.Object(in, i, 0, func(key []byte, i int) (int, bool) {
			child, end, ok := readNode(in, i)
			child.key = string(jsonscan.Text(key))
			n.children = append(n.children, child)
			return end, ok
		})
		slices.Reverse(n.children) // so that of equal keys the last is left
		slices.SortStableFunc(n.children, func(a, b node) int { return strings.Compare(a.key, b.key) })
		n.children = slices.CompactFunc(n.children, func(a, b node) bool { return a.key == b.key })
	case '[':
		end, ok = jsonscan.Array(in, i, 0, func(i int) (int, bool) {
			child, end, ok := readNode(in, i)
			n.children = append(n.children, child)
			return end, ok
		})
	default:
		end, ok = jsonscan.Value(in, i, 0)
		n.scalar = in[i:end]
	}
	return n, end, ok
}

func (n node) append(dst []byte) []byte {
	switch n.bracket {
	case '{', '[':
	case '"':
		return jsonscan.AppendString(dst, jsonscan.Text(n.scalar))
	default:
		return append(dst, n.scalar...) // numbers keep their digits
	}
	dst = append(dst, n.bracket)
	for i, child := range n.children {
		if i > 0 {
			dst = append(dst, ',')
		}
		if n.bracket == '{' {
			dst = append(jsonscan.AppendString(dst, child.key), ':')
		}
		dst = child.append(dst)
	}
	return append(dst, n.bracket+2) // in ASCII the closing one is two further
}
