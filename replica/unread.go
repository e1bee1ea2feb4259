package replica

import (
	"fmt"
	"strings"
	"sync"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// unread remembers, for Explain, what models could not read: of each author the newest.
type unread struct {
	mu sync.Mutex // guards refusals
	refusals
}

func (n *unread) reset() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.refusals = refusals{origins: make(map[string]*ring)}
}

// note remembers why an update could not be read, and returns it.
func (n *unread) note(ref wire.Ref, err error) (why string) {
	why = err.Error()
	if len(why) > maxUnreadReason { // it may quote the change
		why = strings.ToValidUTF8(why[:maxUnreadReason], "") + "…"
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.add(string(ref.Author[:]), refusal{author: ref.Author, first: ref.Seq, last: ref.Seq, why: why})
	return why
}

// why returns why a model could not read an update.
func (n *unread) why(id keys.NodeID, seq uint64) (string, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if found := n.of(id, seq); len(found) > 0 {
		return found[0].why, true
	}
	return "", false
}

// effect says what became of an update that counts.
func (m *models) effect(ref wire.Ref, channel string) (State, string) {
	m.mu.Lock()
	_, mounted := m.mounts[channel]
	m.mu.Unlock()
	if !mounted {
		return StateApplied, fmt.Sprintf("stored and verified; nothing is mounted on channel %q here now", channel)
	}
	if why, ignored := m.unread.why(ref.Author, ref.Seq); ignored {
		return StateIgnored, "stored and verified, and has no effect: " + why
	}
	return StateApplied, "stored, verified and applied"
}
