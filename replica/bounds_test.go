package replica

import (
	"encoding/binary"
	"testing"

	"github.com/hearsaynet/hearsay/keys"
)

// Ids cost nothing: what is remembered of those that were dropped must not grow with
// them, nor may it crowd out an author that is stored.
func TestDroppedIsBounded(t *testing.T) {
	known := keys.NodeID{1}
	r := &Replica{dropped: map[keys.NodeID]struct{}{}, authors: map[keys.NodeID]*author{known: {id: known}}}
	for i := range uint64(3 * maxDropped) {
		var id keys.NodeID
		binary.BigEndian.PutUint64(id[2:], i+1)
		r.droppedLocked(id)
	}
	r.droppedLocked(known)
	if n := len(r.dropped); n > maxDropped+2 {
		t.Errorf("%d authors are remembered, want at most %d", n, maxDropped+2)
	}
	if _, ok := r.dropped[known]; !ok {
		t.Error("a stored author was crowded out")
	}
}
