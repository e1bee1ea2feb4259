package replica

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// lookWhetherCurrent tells of it when the replica has become current.
func (r *Replica) lookWhetherCurrent() {
	r.mu.Lock()
	current, _ := r.currentLocked(r.Now())
	news := current && !r.current
	r.current = current
	r.mu.Unlock()
	if news {
		r.notices.send(Notice{Kind: Current})
	}
}

// currentLocked says whether the frontier has reached every fresh head known of every
// admitted author, each heard over two links or from the author itself; else why not.
func (r *Replica) currentLocked(now time.Time) (bool, string) {
	if len(r.lanes) == 0 {
		return false, "there is no link to anybody"
	}
	alive, alone := 0, ""
	for id, a := range r.authors {
		if id == r.self || !a.admitted || a.cut != nil || a.word == nil || !r.fresh(a.word.head.Issued(), now) {
			continue
		}
		alive++
		if a.doubt != nil {
			return false, fmt.Sprintf("%v has signed a second history, and where it begins is being looked for", id)
		}
		w := a.word
		if seq := w.head.Ref().Seq; a.frontier.Seq < seq {
			return false, fmt.Sprintf("%v has written up to seq %d, and %d is here", id, seq, a.frontier.Seq)
		}
		if !w.heard() && !(w.before.heard && r.fresh(w.before.issued, now)) {
			alone = "this node's own store"
			if len(w.links) > 0 {
				alone = w.links[0].name
			}
		}
	}
	switch {
	case alive == 0:
		return false, fmt.Sprintf("no other author has given a sign of life in the last %v", headFresh*r.cfg.HeadInterval)
	case alone != "":
		return false, fmt.Sprintf("only %s tells how far the others have written", alone)
	}
	return true, ""
}

// Word is an author's newest signed head, as far as this replica knows.
type Word struct {
	Seq    uint64    `json:"seq"`
	Issued time.Time `json:"issued"` // as the author dated it
	Fresh  bool      `json:"fresh"`  // so lately that the author is alive
	Links  []string  `json:"links"`  // who brought it, up to three
	Direct bool      `json:"direct"` // the author itself did
}

func (r *Replica) wordLocked(a *author, now time.Time) *Word {
	if a.word == nil {
		return nil
	}
	h := a.word.head
	w := &Word{Seq: h.Ref().Seq, Issued: instant(h.Issued()), Fresh: r.fresh(h.Issued(), now), Direct: a.word.direct}
	for _, link := range a.word.links {
		w.Links = append(w.Links, link.name)
	}
	return w
}

// LinkState is how what a link brings compares to what authors have signed.
type LinkState string

// The states of links.
const (
	LinkOK     LinkState = "ok"
	LinkBehind LinkState = "behind" // the peer has less than an author's signed head
	LinkStale  LinkState = "stale"  // nothing that it carries has a fresh head
	LinkSilent LinkState = "silent" // the peer never says what it has
)

// LinkStatus is one session of a replica.
type LinkStatus struct {
	Peer    string    `json:"peer"` // as in SyncConfig.Name
	Topic   string    `json:"topic"`
	State   LinkState `json:"state"`
	Reason  string    `json:"reason,omitempty"`
	Since   time.Time `json:"since,omitzero"` // of a stale link, the newest head of what it carries
	Drained bool      `json:"drained"`        // it has sent all that it had for us
	// As in SyncConfig, and as the peer says that it holds its side. What a peer lacks that we
	// only send to is not known.
	SendOnly        bool `json:"send_only,omitempty"`
	ReceiveOnly     bool `json:"receive_only,omitempty"`
	PeerSendOnly    bool `json:"peer_send_only,omitempty"`
	PeerReceiveOnly bool `json:"peer_receive_only,omitempty"`
}

// Links returns the sessions of the replica, by peer.
func (r *Replica) Links() []LinkStatus {
	var out []LinkStatus
	for _, l := range r.allLanes() {
		out = append(out, l.status())
	}
	slices.SortFunc(out, func(a, b LinkStatus) int { return cmp.Compare(a.Peer, b.Peer) })
	return out
}

func (l *lane) status() LinkStatus {
	r, s := l.r, l.s
	s.mu.Lock()
	defer s.mu.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	x := LinkStatus{Peer: l.name(), Topic: r.cfg.Topic, State: LinkOK, Drained: l.drained,
		SendOnly: s.scope.sendOnly, ReceiveOnly: s.scope.receiveOnly,
		PeerSendOnly: s.way.Has(wire.WaySends), PeerReceiveOnly: s.way.Has(wire.WayReceives)}
	if s.scope.sendOnly {
		return x
	}
	now := r.Now()
	carries, alive, lacking := 0, false, 0
	var newest uint64
	for id, acc := range l.accounts {
		a := r.authors[id]
		if id == r.self || a == nil || !a.admitted || a.cut != nil {
			continue
		}
		if acc.lacks > 0 {
			lacking++
			x.Reason = fmt.Sprintf("it has %v up to seq %d of %d", id, acc.claimed, acc.lacks)
		}
		if acc.claimed == 0 {
			continue
		}
		carries++
		if a.word != nil {
			newest = max(newest, a.word.head.Issued())
			alive = alive || r.fresh(a.word.head.Issued(), now)
		}
	}
	switch {
	case lacking > 0 && carries == 0 && !l.speaks && x.PeerReceiveOnly:
		x.Reason = ""
	case lacking > 0 && carries == 0 && !l.speaks:
		x.State, x.Reason = LinkSilent, "it has never said what it has, nor that it only receives"
	case lacking > 1:
		x.State = LinkBehind
		x.Reason += fmt.Sprintf(", and lacks updates of %d more authors", lacking-1)
	case lacking == 1:
		x.State = LinkBehind
	case carries > 0 && !alive && time.Since(l.began) >= r.cfg.HeadInterval:
		x.State, x.Reason = LinkStale, "no signed head of what it carries has come"
		if newest > 0 {
			x.Since = instant(newest)
			x.Reason = "the newest head of what it carries is of " + x.Since.Format(time.RFC3339) + ": its authors are silent, or it withholds what they write"
		}
	}
	return x
}

// expect compares what the peer says it has with the heads that were known the last
// time: what it lacks still, an honest peer would have told us since.
func (l *lane) expect() {
	r, s := l.r, l.s
	s.mu.Lock()
	defer s.mu.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	for id, a := range r.authors {
		if id == r.self || a.word == nil || !l.wantsLocked(id) || !s.scope.asks(id) {
			continue
		}
		acc := l.account(id)
		acc.lacks = 0
		if acc.claimed < acc.expected {
			acc.lacks = acc.expected
		}
		acc.expected = min(a.word.head.Ref().Seq, a.frontier.Seq)
	}
}

func (r *Replica) allLanes() []*lane {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.lanesLocked()
}

// staleSinceLocked returns when an author was last known to be alive, if that is long ago
// enough to say so.
func (r *Replica) staleSinceLocked(id keys.NodeID, a *author, now time.Time) (since time.Time, stale bool) {
	if id == r.self || a.word == nil || a.cut != nil || r.fresh(a.word.head.Issued(), now) {
		return time.Time{}, false
	}
	return instant(a.word.head.Issued()), true
}
