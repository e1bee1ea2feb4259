package text

import "github.com/hearsaynet/hearsay/keys"

// place names a character among those of its author: the seq of the update that inserted
// it, and its index among the characters of that update.
type place uint64

const indexBits = 16

func placeOf(seq uint64, index int) place { return place(seq<<indexBits | uint64(index)) }

func (p place) seq() uint64 { return uint64(p) >> indexBits }
func (p place) index() int  { return int(p & (maxIndex - 1)) }

// charID names a character.
type charID struct {
	author keys.NodeID
	place  place
}

// key is a character's rank among all: by time, author, and place, which says the same as
// the hash would, as one author's updates have different seqs. A text that hangs on a
// character always has the higher key.
type key struct {
	time   uint64
	author *author
	place  place
}

func (k key) less(o key) bool {
	if k.time != o.time {
		return k.time < o.time
	}
	if k.author != o.author {
		return k.author.id.Compare(o.author.id) < 0
	}
	return k.place < o.place
}
