package verify

import (
	"fmt"
	"time"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// Outside returns an error that wraps ErrOutsideWindow when s begins outside ws: a run
// with the time of its first update, a head with when it was issued. Of a run that
// begins within them more may lie outside (see FirstOutside): where runs begin and end is
// not the author's word alone, since who passes them on may join and cut them. A proof
// lies nowhere: it says that the author's key has signed two histories, whenever.
func Outside(s wire.Statement, ws keys.Windows) error {
	switch s := s.(type) {
	case *wire.Run:
		if at := s.Entries()[0].Time; !ws.Admit(at) {
			return outside(fmt.Sprintf("update %d", s.First()), at, ws)
		}
	case *wire.Head:
		if !ws.Admit(s.Issued()) {
			return outside("a head", s.Issued(), ws)
		}
	}
	return nil
}

// FirstOutside returns the seq of the first update of r whose signed time lies outside ws,
// 0 if there is none. Of an author, exactly the updates before the first such one count.
func FirstOutside(r *wire.Run, ws keys.Windows) uint64 {
	for i, e := range r.Entries() {
		if !ws.Admit(e.Time) {
			return r.First() + uint64(i)
		}
	}
	return 0
}

func outside(what string, ns uint64, ws keys.Windows) error {
	return fmt.Errorf("%w: %s says %s, admitted %v", ErrOutsideWindow, what, time.Unix(0, int64(ns)).UTC().Format(time.RFC3339), ws)
}
