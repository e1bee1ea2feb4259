package replica

import (
	"errors"
	"math"
	"slices"
	"time"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// stranger is an author whose runs were refused before anything of it was stored.
type stranger struct {
	key   keys.PublicKey // as offered, zero if none was
	why   string
	peer  string
	at    time.Time
	count uint64
	full  bool // the topic had no room for it
}

func (s *stranger) state() State {
	if s.full {
		return StateQuota
	}
	return StateUnknown
}

// refusal is one run that was refused, for Explain.
type refusal struct {
	author      keys.NodeID
	first, last uint64
	why         string
	peer        string
	at          time.Time
}

// refusals keeps the newest refusals of each origin apart, so that one cannot push out
// what the others were told.
type refusals struct {
	origins map[string]*ring
	turn    uint64
}

// ring keeps the newest refusals of one origin.
type ring struct {
	items []refusal
	next  int
	used  uint64 // the turn when it was used last
}

func (g *refusals) add(origin string, x refusal) {
	r := g.origins[origin]
	if r == nil {
		if len(g.origins) >= maxRefusalOrigins {
			g.dropOldest()
		}
		r = &ring{}
		g.origins[origin] = r
	}
	g.turn++
	r.used = g.turn
	if len(r.items) < maxRefusals {
		r.items = append(r.items, x)
		return
	}
	r.items[r.next] = x
	r.next = (r.next + 1) % maxRefusals
}

func (g *refusals) dropOldest() {
	var oldest string
	least := uint64(math.MaxUint64)
	for name, r := range g.origins {
		if r.used < least {
			oldest, least = name, r.used
		}
	}
	delete(g.origins, oldest)
}

// of returns the refusals of an author's update, the newest first.
func (g *refusals) of(id keys.NodeID, seq uint64) (found []refusal) {
	for _, r := range g.origins {
		for _, x := range r.items {
			if x.author == id && x.first <= seq && seq <= x.last {
				found = append(found, x)
			}
		}
	}
	slices.SortFunc(found, func(a, b refusal) int { return b.at.Compare(a.at) })
	return found
}

// refuseLocked remembers why a statement was refused. Nothing is decided by it. An
// author that is not admitted is remembered once for all its heads.
func (r *Replica) refuseLocked(u wire.Unverified, offered keys.PublicKey, from source, why error) {
	peer, id := from.name(), u.Author()
	if r.authors[id] == nil && !errors.Is(why, errSendOnly) && !errors.Is(why, errOtherAuthor) {
		r.strangerLocked(id, offered, peer, why)
	}
	x := refusal{author: id, peer: peer, at: r.Now(), why: why.Error()}
	n := uint64(0)
	switch u := u.(type) {
	case *wire.UnverifiedRun:
		x.first, x.last, n = u.First(), u.Last(), uint64(u.Len())
	case *wire.UnverifiedProof:
		x.first, x.last, x.why = u.UnverifiedSeq(), u.UnverifiedSeq(), "a fork proof: "+x.why
	case *wire.UnverifiedHead:
		if errors.Is(why, keys.ErrUnknown) {
			return
		}
		x.first, x.last, x.why = u.Ref().Seq, u.Ref().Seq, "a head: "+x.why
	}
	r.counts.rejected.Add(n)
	r.refused.add(from.origin(), x)
	r.notices.send(Notice{Kind: Rejected, Ref: wire.Ref{Author: id, Seq: x.first}, Peer: peer, Reason: x.why, N: n})
}

// strangerLocked remembers an author that is not admitted, the newest maxUnknown of them.
func (r *Replica) strangerLocked(id keys.NodeID, offered keys.PublicKey, peer string, why error) {
	st := r.unknown[id]
	if st == nil {
		if len(r.unknown) >= maxUnknown {
			for old := range r.unknown { // any one: ids are free, and a flood must not cost more
				delete(r.unknown, old)
				break
			}
		}
		st = &stranger{}
		r.unknown[id] = st
	}
	if !offered.IsZero() && offered.ID() == id {
		st.key = offered
	}
	st.why, st.peer, st.at, st.full = why.Error(), peer, r.Now(), errors.Is(why, errTooMany)
	st.count++
}
