package node

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/link"
)

// bans remembers the peers whose sessions ended through their own fault. Ids are
// free, so this spares work and tells people; it protects nothing.
type bans struct {
	mu   sync.Mutex // guards byID
	byID map[keys.NodeID]*ban
}

type ban struct {
	id     keys.NodeID
	name   string
	reason string
	until  time.Time
	length time.Duration
}

// forgotten reports whether a new fault starts at banFirst again.
func (b *ban) forgotten(now time.Time) bool { return now.Sub(b.until) > banMost }

// judge looks at how a session ended, and bans a peer that is to blame.
func (b *bans) judge(id keys.NodeID, name string, err error) error {
	ce, ok := errors.AsType[*replica.CloseError](err)
	if !ok || !ce.Blames() {
		return err
	}
	b.add(id, name, reasonText(err), time.Now())
	return b.refusal(id)
}

func (b *bans) add(id keys.NodeID, name, reason string, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	old := b.byID[id]
	length := banFirst
	if old != nil && !old.forgotten(now) {
		length = min(2*old.length, banMost)
	}
	if old == nil {
		b.makeRoomLocked(now)
	}
	b.byID[id] = &ban{id: id, name: name, reason: reason, until: now.Add(length), length: length}
}

// makeRoomLocked drops what is forgotten, and else the ban that ends first.
func (b *bans) makeRoomLocked(now time.Time) {
	if b.byID == nil {
		b.byID = make(map[keys.NodeID]*ban)
	}
	if len(b.byID) < maxBans {
		return
	}
	var first *ban
	for id, x := range b.byID {
		if x.forgotten(now) {
			delete(b.byID, id)
		} else if first == nil || x.until.Before(first.until) {
			first = x
		}
	}
	if len(b.byID) >= maxBans {
		delete(b.byID, first.id)
	}
}

// refusal returns why a link with id is refused now, as link.Maintain understands it.
func (b *bans) refusal(id keys.NodeID) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	x := b.byID[id]
	if x == nil || !time.Now().Before(x.until) {
		return nil
	}
	return &link.HandshakeError{Addr: x.name, Reason: link.ReasonProtocol, ID: id,
		Err: fmt.Errorf("refused until %s: %s", x.until.UTC().Format(time.RFC3339), x.reason)}
}

// active returns the bans in force, by id.
func (b *bans) active() []ban {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []ban
	for _, x := range b.byID {
		if time.Now().Before(x.until) {
			out = append(out, *x)
		}
	}
	slices.SortFunc(out, func(a, b ban) int { return a.id.Compare(b.id) })
	return out
}

func sortedPeers(set map[*peer]struct{}) []*peer {
	out := make([]*peer, 0, len(set))
	for p := range set {
		out = append(out, p)
	}
	slices.SortFunc(out, func(a, b *peer) int { return strings.Compare(a.name, b.name) })
	return out
}
