package text

import "bytes"

// edits gathers what one update does to the text that is shown. Nothing is gathered into
// nil.
type edits struct {
	list    []edit
	version uint64 // of the text in which readers will see what is done next
	moved   int    // characters of the text that moved so far
	lost    uint64 // edits of an update that does too much to tell: then list is empty
}

// edit is one thing that is done, after those before it.
type edit struct {
	at                int
	deleted, inserted []byte
	version           uint64
}

// next says that readers see what has been done so far.
func (e *edits) next() {
	if e != nil {
		e.version++
	}
}

// ignores counts an edit that is not told, if none are any more, or there is nobody to tell.
func (e *edits) ignores() bool {
	if e != nil && e.lost > 0 {
		e.lost++
	}
	return e == nil || e.lost > 0
}

// insert tells of text that comes before next, or at the end if that is nil.
func (e *edits) insert(next *span, root *node, text []byte) {
	if !e.ignores() {
		e.list = append(e.list, edit{at: rankBefore(next, root), inserted: bytes.Clone(text), version: e.version})
	}
}

// rankBefore returns how many shown characters stand before next, or in all if it is nil.
func rankBefore(next *span, root *node) int {
	if next == nil {
		return root.length()
	}
	return next.rank()
}

// delete tells of a span that is about to be deleted.
func (e *edits) delete(x *span) {
	if e.ignores() {
		return
	}
	at := x.rank()
	if n := len(e.list); n > 0 {
		if last := &e.list[n-1]; last.inserted == nil && last.at == at && last.version == e.version {
			last.deleted = append(last.deleted, x.text...)
			return
		}
	}
	e.list = append(e.list, edit{at: at, deleted: bytes.Clone(x.text), version: e.version})
}

// move tells of spans that stood at a rank, and come before next.
func (e *edits) move(from int, moved *node, next *span, root *node) {
	if moved.shown == 0 || e.ignores() {
		return
	}
	if e.moved += moved.shown; e.moved > maxMoved {
		e.lost, e.list = uint64(len(e.list))+1, nil
		return
	}
	var text []byte
	moved.between(0, moved.shown, func(x cut) bool {
		text = append(text, x.text...)
		return true
	})
	e.list = append(e.list, edit{at: from, deleted: text, version: e.version},
		edit{at: rankBefore(next, root), inserted: text, version: e.version})
}

// tell tells the edits of one update, of which about says by whom it is.
func (e *edits) tell(tell func(event), about Edit) {
	switch {
	case e == nil:
	case e.lost > 0:
		tell(event{Edit{Lost: e.lost, Version: e.version}})
	default:
		for _, x := range e.list {
			about.At, about.Deleted, about.Inserted, about.Version = x.at, string(x.deleted), string(x.inserted), x.version
			tell(event{about})
		}
	}
}
