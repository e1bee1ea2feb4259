package esjson

import (
	"cmp"
	"slices"
)

// Canonical appends what JSON.stringify(JSON.parse(text)) gives to dst.
func Canonical(dst, text []byte) ([]byte, error) {
	canonical, err := Check(text)
	switch {
	case err != nil:
		return dst, err
	case canonical:
		return append(dst, text...), nil
	}
	t := &tree{b: text, nodes: make([]node, 1, 1+len(text)/8)}
	s := scanner{b: text}
	if err := s.document(t); err != nil {
		return dst, err
	}
	return t.append(dst, 1), nil
}

// tree is a text's values, in the order in which they begin. The first node is none, so
// that 0 ends a list.
type tree struct {
	b     []byte
	nodes []node
}

// node is a value: where it stands in the text, and its elements as a list.
type node struct {
	start, end  int32
	key         int32 // where its name stands, if it is a member
	child, next int32
}

func (t *tree) add(start int) int32 {
	if t == nil {
		return 0
	}
	t.nodes = append(t.nodes, node{start: int32(start)})
	return int32(len(t.nodes) - 1)
}

func (t *tree) end(at int32, end int) {
	if t != nil {
		t.nodes[at].end = int32(end)
	}
}

// link makes child the element of parent that follows last, which is 0 for the first.
func (t *tree) link(parent, last, child int32, key int) {
	if t == nil {
		return
	}
	t.nodes[child].key = int32(key)
	if last == 0 {
		t.nodes[parent].child = child
	} else {
		t.nodes[last].next = child
	}
}

func (t *tree) append(dst []byte, at int32) []byte {
	n := t.nodes[at]
	text := t.b[n.start:n.end]
	switch c := text[0]; {
	case c == '[':
		dst = append(dst, '[')
		for child := n.child; child != 0; child = t.nodes[child].next {
			if child != n.child {
				dst = append(dst, ',')
			}
			dst = t.append(dst, child)
		}
		return append(dst, ']')
	case c == '{':
		dst = append(dst, '{')
		for i, m := range t.members(n.child) {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(AppendString(dst, m.name), ':')
			dst = t.append(dst, m.value)
		}
		return append(dst, '}')
	case c == '"':
		return AppendString(dst, Unquote(text))
	case c == '-', '0' <= c && c <= '9':
		f, _ := Number(text)
		return AppendNumber(dst, f)
	default:
		return append(dst, text...)
	}
}

type member struct {
	name  string
	value int32
}

// members returns an object's members in JavaScript's order, each name once.
func (t *tree) members(first int32) []member {
	var all []member
	place := make(map[string]int)
	ordered := true
	for at := first; at != 0; at = t.nodes[at].next {
		key := scanner{b: t.b, i: int(t.nodes[at].key)}
		key.str() // it has been read before
		name := Unquote(t.b[t.nodes[at].key:key.i])
		if i, twice := place[name]; twice {
			all[i].value = at
			continue
		}
		place[name] = len(all)
		all = append(all, member{name, at})
		if _, index := arrayIndex(name); index {
			ordered = false
		}
	}
	if !ordered {
		slices.SortStableFunc(all, compareNames)
	}
	return all
}

// compareNames puts array indices first, in their order.
func compareNames(a, b member) int {
	x, xIndex := arrayIndex(a.name)
	y, yIndex := arrayIndex(b.name)
	switch {
	case xIndex && yIndex:
		return cmp.Compare(x, y)
	case xIndex:
		return -1
	case yIndex:
		return 1
	}
	return 0
}
