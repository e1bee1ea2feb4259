package node

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/link"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// bans remembers the peers whose sessions ended through their own fault. Ids are
// free, so this spares work and tells people; what protects is that package link
// counts the same faults by address.
type bans struct {
	mu   sync.Mutex // guards byID
	byID map[keys.NodeID]*ban
}

type ban struct {
	id     keys.NodeID
	name   string
	why    wire.Close // as the peer was told when its session ended
	until  time.Time
	length time.Duration
}

// text says what the peer is told while it is banned.
func (b *ban) text() string {
	return fmt.Sprintf("banned until %s: %s", b.until.UTC().Format(time.RFC3339), cmp.Or(b.why.Text, b.why.Code.String()))
}

// forgotten reports whether a new fault starts at banFirst again.
func (b *ban) forgotten(now time.Time) bool { return now.Sub(b.until) > banMost }

// judge looks at how a session ended, and bans a peer that is to blame.
func (b *bans) judge(c *link.Conn, name string, err error) {
	ce, ok := errors.AsType[*replica.CloseError](err)
	if !ok || !ce.Blames() {
		return
	}
	if b.add(c.PeerID(), name, ce.Close, time.Now()) {
		c.Blame(ce)
	}
}

// add bans a peer, unless it is banned already: it may have several links.
func (b *bans) add(id keys.NodeID, name string, why wire.Close, now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	old := b.byID[id]
	if old != nil && now.Before(old.until) {
		return false
	}
	length := banFirst
	if old != nil && !old.forgotten(now) {
		length = min(2*old.length, banMost)
	}
	if old == nil {
		b.makeRoomLocked(now)
	}
	b.byID[id] = &ban{id: id, name: name, why: why, until: now.Add(length), length: length}
	return true
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

// of returns the ban of id that is in force; nil: none is.
func (b *bans) of(id keys.NodeID) *ban {
	b.mu.Lock()
	defer b.mu.Unlock()
	x := b.byID[id] // not changed once it is there
	if x == nil || !time.Now().Before(x.until) {
		return nil
	}
	return x
}

// refusal returns why a link is refused, as package link understands it.
func (b *ban) refusal() error {
	return &link.HandshakeError{Addr: b.name, Reason: link.ReasonBanned, ID: b.id, Err: errors.New(b.text())}
}

// What a peer that is turned away has to read why.
const (
	turnAwayTimeout = time.Second
	turnAwayBytes   = 64 << 10 // that it sent meanwhile are read
)

// turnAway tells a banned peer what it is banned for, and returns the refusal.
func (b *bans) turnAway(c *link.Conn) error {
	x := b.of(c.PeerID())
	if x == nil {
		return nil
	}
	told := wire.Close{Code: x.why.Code, Text: x.text()}
	c.SetDeadline(time.Now().Add(turnAwayTimeout))
	if _, err := c.Write(wire.AppendFrame(nil, wire.Frame{Type: wire.FrameClose, Body: told.Append(nil)})); err == nil {
		// Closing with unread data would reset the connection and lose the reason.
		io.CopyN(io.Discard, c, turnAwayBytes)
	}
	return x.refusal()
}

// byPeer returns a refusal for a session that the peer ended and blames this node
// for, so that it is not dialed again at once.
func byPeer(name string, err error) error {
	ce, ok := errors.AsType[*replica.CloseError](err)
	if !ok || !ce.ByPeer || ce.Code != wire.CloseProtocol && ce.Code != wire.CloseRefused {
		return err
	}
	return &link.HandshakeError{Addr: name, Reason: link.ReasonByPeer, Err: fmt.Errorf("ended the session: %v: %s", ce.Code, ce.Text)}
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
