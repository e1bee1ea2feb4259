package text

import "bytes"

// edits gathers what one update does to the text that is shown. Nothing is gathered into
// nil.
type edits struct {
	list []edit
	lost uint64 // it is too much to tell
}

// edit is one thing that is done, after those before it.
type edit struct {
	at                int
	deleted, inserted []byte
}

// insert tells of text that comes before next, or at the end if that is nil.
func (e *edits) insert(next, root *span, text []byte) {
	if e != nil {
		e.list = append(e.list, edit{at: rankBefore(next, root), inserted: bytes.Clone(text)})
	}
}

// rankBefore returns how many shown characters stand before next, or in all if it is nil.
func rankBefore(next, root *span) int {
	switch {
	case next != nil:
		return next.rank()
	case root != nil:
		return root.shown
	}
	return 0
}

// delete tells of a span that is about to be deleted.
func (e *edits) delete(x *span) {
	if e == nil {
		return
	}
	at := x.rank()
	if n := len(e.list); n > 0 && e.list[n-1].inserted == nil && e.list[n-1].at == at {
		e.list[n-1].deleted = append(e.list[n-1].deleted, x.text...)
		return
	}
	e.list = append(e.list, edit{at: at, deleted: bytes.Clone(x.text)})
}

// move tells of spans that stood at a rank, and come before next.
func (e *edits) move(from int, moved, next, root *span) {
	switch {
	case e == nil || moved.shown == 0:
		return
	case moved.shown > maxMoved:
		e.lost++
		return
	}
	var text []byte
	sub := sequence{tree: tree{moved}}
	for x := range sub.all {
		text = append(text, x.text...)
	}
	e.list = append(e.list, edit{at: from, deleted: text}, edit{at: rankBefore(next, root), inserted: text})
}
