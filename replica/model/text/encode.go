package text

import (
	"unicode/utf8"

	"github.com/hearsaynet/hearsay/keys"
)

// encoder makes a change of at most MaxChange bytes.
type encoder struct {
	self   keys.NodeID
	others map[keys.NodeID]int
	ids    []byte
	body   []byte
	chars  int // inserted so far
}

func newEncoder(self keys.NodeID) *encoder {
	return &encoder{self: self, others: make(map[keys.NodeID]int)}
}

// Bounds of what parts take, in bytes, with the ids of authors that were not named before.
const (
	maxInsertSize = 1 + 1 + MaxAnchors*(keys.IDSize+1+8+4) + 4
	maxDeleteSize = 1 + keys.IDSize + 1 + 4
	maxExtentSize = 8 + 4 + 4
)

// room returns how many bytes are left, none when no more authors can be named.
func (e *encoder) room() int {
	if len(e.others)+MaxAnchors > maxOthers {
		return 0
	}
	return MaxChange - 2 - len(e.ids) - len(e.body)
}

func (e *encoder) author(id keys.NodeID) byte {
	if id == e.self {
		return 0
	}
	n, ok := e.others[id]
	if !ok {
		n = len(e.others) + 1
		e.others[id] = n
		e.ids = append(e.ids, id[:]...)
	}
	return byte(n)
}

// insert adds text, behind the first of some characters that is there.
func (e *encoder) insert(anchors []charID, text string) {
	e.body = append(e.body, partInsert, byte(len(anchors)))
	for _, a := range anchors {
		e.body = append(e.body, e.author(a.author))
		e.body = appendVarint(e.body, a.place.seq())
		e.body = appendVarint(e.body, uint64(a.place.index()))
	}
	e.body = appendVarint(e.body, uint64(len(text)))
	e.body = append(e.body, text...)
	e.chars += utf8.RuneCountInString(text)
}

// delete adds ranges of an author, which are in order.
func (e *encoder) delete(author keys.NodeID, extents []extent) {
	e.body = append(e.body, partDelete, e.author(author))
	e.body = appendVarint(e.body, uint64(len(extents)))
	last := uint64(0)
	for _, x := range extents {
		e.body = appendVarint(e.body, x.seq-last)
		e.body = appendVarint(e.body, uint64(x.from))
		e.body = appendVarint(e.body, uint64(x.to-x.from))
		last = x.seq
	}
}

func (e *encoder) change() []byte {
	b := append(make([]byte, 0, 2+len(e.ids)+len(e.body)), opEdit, byte(len(e.others)))
	return append(append(b, e.ids...), e.body...)
}
