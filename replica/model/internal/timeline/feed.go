package timeline

import "github.com/hearsaynet/hearsay/replica/wire"

// cell is one place of the feed, which followers walk. The last cell is empty; what
// is behind all of them is garbage.
type cell[Value any] struct {
	*Entry[Value] // nil also if it has ended, or was removed, before all came to it
	// since is, for an entry that had been taken back, the number of the rebuild that
	// did so: who followed before then has had it.
	since   uint64
	next    *cell[Value]
	readers int // the followers who are here
}

// MaxBack bounds the entries that are remembered as taken back, which take about 150 bytes
// each: an author that is cut takes back as many as it likes. Those beyond it are forgotten,
// and come to followers again if they count again.
const MaxBack = 1 << 17

// feed passes entries to the followers in the order in which they come.
type feed[Value any] struct {
	end       *cell[Value] // empty
	oldest    *cell[Value] // where the last follower is; end if there is none
	followers int
	more      chan struct{} // closed when the feed grows; nil if nobody waits
	closed    bool
	rebuilds  uint64
	// back holds the entries that followers may have had and that do not count now, with
	// the number of the rebuild that took them back.
	back map[wire.Ref]uint64
}

func (f *feed[Value]) init() {
	f.end = &cell[Value]{}
	f.oldest = f.end
	f.back = make(map[wire.Ref]uint64)
}

func (f *feed[Value]) push(e *Entry[Value]) {
	since := f.back[e.Ref]
	delete(f.back, e.Ref)
	if f.followers == 0 {
		return
	}
	end := &cell[Value]{}
	f.end.Entry, f.end.since, f.end.next = e, since, end
	e.cell, f.end = f.end, end
	f.wake()
}

// drop takes an entry from the followers who have not come to it, so that it is not kept
// in memory for them.
func (f *feed[Value]) drop(e *Entry[Value]) {
	if e.cell != nil {
		e.cell.Entry, e.cell = nil, nil
	}
}

// join returns where a follower begins.
func (f *feed[Value]) join() *cell[Value] {
	f.followers++
	f.end.readers++
	return f.end
}

// pass takes a follower on, to the cell behind the one where it is.
func (f *feed[Value]) pass(at *cell[Value]) *cell[Value] {
	at.next.readers++
	f.left(at)
	return at.next
}

// leave forgets a follower.
func (f *feed[Value]) leave(at *cell[Value]) {
	f.followers--
	f.left(at)
}

// left is called when a follower is not in a cell any more.
func (f *feed[Value]) left(at *cell[Value]) {
	at.readers--
	for ; f.oldest != f.end && f.oldest.readers == 0; f.oldest = f.oldest.next {
		if e := f.oldest.Entry; e != nil {
			e.cell = nil
		}
	}
}

func (f *feed[Value]) wake() {
	if f.more != nil {
		close(f.more)
		f.more = nil
	}
}

func (f *feed[Value]) rebuilt(gone, added []*Entry[Value]) {
	f.rebuilds++
	for _, e := range added {
		f.push(e)
	}
	if f.followers == 0 || len(f.back)+len(gone) > MaxBack {
		f.back = make(map[wire.Ref]uint64)
	}
	if f.followers == 0 {
		return
	}
	for _, e := range gone[max(0, len(gone)-MaxBack):] {
		if !e.removed {
			f.back[e.Ref] = f.rebuilds
		}
	}
}

func (f *feed[Value]) close() {
	f.closed = true
	f.wake()
}
