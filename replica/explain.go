package replica

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica/store"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// State is where an author or an update stands. The texts are stable.
type State string

// The states of authors and updates.
const (
	StateOK      State = "ok"      // an author: all that is known of it counts
	StateApplied State = "applied" // an update: stored, and its effect counts
	StateUnknown State = "unknown" // the author's key is not admitted
	StateWaiting State = "waiting" // the keystore is unavailable
	StateGap     State = "gap"     // something before it is missing
	StateParked  State = "parked"  // stored; its effect waits for its time
	StateForked  State = "forked"  // the author has signed two histories and is frozen
	StateRefused State = "refused" // refused; the reason says why and who brought it
	StateNewer   State = "newer"   // needs a newer hearsay
	StateUnseen  State = "unseen"  // nobody has offered it
)

// Explanation says where an author or one of its updates stands, and why.
type Explanation struct {
	Author   keys.NodeID `json:"author"`
	Seq      uint64      `json:"seq,omitempty"`
	State    State       `json:"state"`
	Reason   string      `json:"reason"`
	Frontier wire.Ref    `json:"frontier"` // the author's last stored update
	Channel  string      `json:"channel,omitempty"`
	Time     *time.Time  `json:"time,omitempty"` // as the author dated it
	Details  []string    `json:"details,omitempty"`
	// Offered is the key of an author that is not admitted, as a peer gave it; zero otherwise.
	Offered keys.PublicKey `json:"-"`
}

// Explain says why an update is or is not applied; with seq 0, how the author stands.
func (r *Replica) Explain(_ context.Context, id keys.NodeID, seq uint64) (Explanation, error) {
	x := r.explainAuthor(id)
	if seq == 0 {
		return x, nil
	}
	x.Seq = seq
	if seq <= x.Frontier.Seq {
		return r.explainStored(x)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, ref := range slices.Backward(r.refused.newestLast()) {
		if ref.author == id && ref.first <= seq && seq <= ref.last {
			x.Details = append(x.Details, fmt.Sprintf("seq %d to %d from %s at %s: %s", ref.first, ref.last, ref.peer, ref.at.UTC().Format(time.RFC3339), ref.why))
			if x.State == StateOK || x.State == StateUnseen {
				x.State, x.Reason = StateRefused, "refused, from "+ref.peer+": "+ref.why
			}
		}
	}
	if a := r.authors[id]; x.State == StateGap && a != nil && a.gap != nil && seq > a.gap.seen || x.State == StateOK || x.State == StateParked {
		x.State, x.Reason = StateUnseen, fmt.Sprintf("no peer has offered it; the newest is %d", x.Frontier.Seq)
	}
	return x, nil
}

func (r *Replica) explainAuthor(id keys.NodeID) Explanation {
	r.mu.Lock()
	defer r.mu.Unlock()
	x := Explanation{Author: id, Frontier: wire.Ref{Author: id}}
	a := r.authors[id]
	if a != nil {
		x.Frontier = a.frontier
	}
	x.State, x.Reason = r.stateLocked(id, a)
	if st := r.unknown[id]; st != nil {
		x.Offered = st.key
		x.Details = append(x.Details, fmt.Sprintf("offered %d times, last by %s at %s", st.count, st.peer, st.at.UTC().Format(time.RFC3339)))
	}
	return x
}

// stateLocked is the one answer to how an author stands.
func (r *Replica) stateLocked(id keys.NodeID, a *author) (State, string) {
	if w, waits := r.pipe.WaitingFor(id); waits {
		return StateWaiting, fmt.Sprintf("%d runs wait for the keystore since %s: %v", w.Runs, w.Since.UTC().Format(time.RFC3339), w.Err)
	}
	if a == nil {
		if st := r.unknown[id]; st != nil {
			return StateUnknown, st.why
		}
		return StateUnseen, "nothing of this author has been offered"
	}
	switch {
	case a.fork != nil:
		return StateForked, fmt.Sprintf("the author has signed two histories; it is frozen at seq %d", a.frontier.Seq)
	case !a.admitted:
		return StateUnknown, "the author's key was withdrawn; its stored updates do not count"
	case a.newer != nil:
		return StateNewer, fmt.Sprintf("update %d is a %v: needs a newer hearsay", a.newer.seq, a.newer.kind)
	case a.gap != nil:
		return StateGap, fmt.Sprintf("seq %d is missing; up to %d was offered by %s, since %s", a.gap.want, a.gap.seen, a.gap.peer, a.gap.since.UTC().Format(time.RFC3339))
	}
	if n, earliest := r.models.waits.of(id); n > 0 {
		return StateParked, fmt.Sprintf("%d updates wait for their time, the first until %s", n, formatTime(earliest))
	}
	return StateOK, fmt.Sprintf("%d updates stored", a.frontier.Seq)
}

// explainStored adds what the store says of an update that it has.
func (r *Replica) explainStored(x Explanation) (Explanation, error) {
	for run, err := range r.store.Runs(r.cfg.Topic, wire.Ref{Author: x.Author, Seq: x.Seq - 1}) {
		if err != nil {
			return x, fmt.Errorf("replica: explain: %w", err)
		}
		i := int(x.Seq - run.First())
		e := run.Entries()[i]
		at := time.Unix(0, int64(e.Time)).UTC()
		x.Channel, x.Time = e.Channel, &at
		x.Details = append(x.Details, "hash "+run.Ref(i).Hash.String(), fmt.Sprintf("signed with seq %d", run.Last()))
		switch {
		case x.State == StateUnknown:
		case r.models.isParked(x.Author, x.Seq, e.Time):
			x.State, x.Reason = StateParked, "stored; its effect waits until "+formatTime(e.Time)
		default:
			x.State, x.Reason = StateApplied, "stored, verified and applied"
		}
		return x, nil
	}
	return x, fmt.Errorf("replica: explain: update %d of %v: %w", x.Seq, x.Author, store.ErrNotFound)
}

func (g *ring) newestLast() []refusal {
	return append(slices.Clone(g.items[g.next:]), g.items[:g.next]...)
}

// AuthorStatus is one author of a topic.
type AuthorStatus struct {
	ID     keys.NodeID `json:"id"`
	Topic  string      `json:"topic"`
	Seq    uint64      `json:"seq"`
	State  State       `json:"state"`
	Reason string      `json:"reason,omitempty"`
}

// Counts are a replica's totals. Applied counts the updates in the store that
// count, and all since; the others begin when the replica opens.
type Counts struct {
	Applied  uint64 `json:"applied"`
	Rejected uint64 `json:"rejected"`
	Parked   uint64 `json:"parked"`
	Waiting  uint64 `json:"waiting"`
	Ignored  uint64 `json:"ignored"`
}

// Status is a replica at a glance.
type Status struct {
	Authors []AuthorStatus
	Counts  Counts
	// Write is why LocalUpdate does not write now, nil if it does.
	Write error
}

// Status returns the state of all known authors, ascending by id.
func (r *Replica) Status() Status {
	var s Status
	r.mu.Lock()
	for id, a := range r.authors {
		state, why := r.stateLocked(id, a)
		s.Authors = append(s.Authors, AuthorStatus{id, r.cfg.Topic, a.frontier.Seq, state, why})
		n, _ := r.models.waits.of(id)
		s.Counts.Parked += uint64(n)
	}
	for id := range r.unknown {
		state, why := r.stateLocked(id, nil)
		s.Authors = append(s.Authors, AuthorStatus{id, r.cfg.Topic, 0, state, why})
	}
	r.mu.Unlock()
	for _, id := range r.pipe.WaitingAuthors() {
		if !slices.ContainsFunc(s.Authors, func(a AuthorStatus) bool { return a.ID == id }) {
			s.Authors = append(s.Authors, AuthorStatus{id, r.cfg.Topic, 0, StateWaiting, "its runs wait for the keystore"})
		}
	}
	slices.SortFunc(s.Authors, func(a, b AuthorStatus) int { return a.ID.Compare(b.ID) })
	s.Counts.Applied, s.Counts.Rejected = r.counts.applied.Load(), r.counts.rejected.Load()
	s.Counts.Ignored, s.Counts.Waiting = r.counts.ignored.Load(), uint64(r.pipe.Waiting().Runs)
	s.Write = r.guard.status()
	if err := r.storeTrouble.Load(); err != nil && *err != nil && s.Write == nil {
		s.Write = *err
	}
	if r.cfg.Signer == nil {
		s.Write = ErrReadOnly
	}
	return s
}

// errNoTopic is returned by Import for a file that does not hold the replica's topic.
var errNoTopic = errors.New("replica: the file holds nothing of this topic")
