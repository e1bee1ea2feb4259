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
	StateIgnored State = "ignored" // an update: stored, and the model of its channel could not read it
	StateUnknown State = "unknown" // the author's key is not admitted
	StateWaiting State = "waiting" // the keystore is unavailable
	StateGap     State = "gap"     // something before it is missing
	StateParked  State = "parked"  // stored; its effect waits for its time
	StateBehind  State = "behind"  // the author has signed that there is more, and nobody has sent it
	StateForked  State = "forked"  // the author has signed two histories: nothing counts from the first difference on
	StateCut     State = "cut"     // an update of a forked author that does not count
	StateQuota   State = "quota"   // the topic has as many authors as this node admits
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
	Word     *Word       `json:"word,omitempty"`
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
	if a := r.authors[id]; a != nil && a.cut != nil && seq >= a.cut.seq {
		x.State = StateCut
		x.Reason = fmt.Sprintf("the author has signed two updates with seq %d: nothing of it counts from there on", a.cut.seq)
		return x, nil
	}
	for _, ref := range r.refused.of(id, seq) {
		x.Details = append(x.Details, fmt.Sprintf("seq %d to %d from %s at %s: %s", ref.first, ref.last, ref.peer, ref.at.UTC().Format(time.RFC3339), ref.why))
		why := "refused, from " + ref.peer + ": " + ref.why
		switch x.State {
		case StateBehind:
			x.State, x.Reason = StateRefused, why+"; "+signedUpTo(r.authors[id].word.head)
		case StateOK, StateUnseen:
			x.State, x.Reason = StateRefused, why
		}
	}
	a := r.authors[id]
	switch {
	case a != nil && a.word != nil && seq <= a.word.head.Ref().Seq && (x.State == StateOK || x.State == StateParked):
		x.State, x.Reason = StateBehind, r.behindReasonLocked(a)
	case x.State == StateBehind && seq > a.word.head.Ref().Seq,
		x.State == StateGap && a.gap != nil && seq > a.gap.seen && (a.word == nil || seq > a.word.head.Ref().Seq),
		x.State == StateOK, x.State == StateParked:
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
	now := r.Now()
	if a != nil {
		x.Word = r.wordLocked(a, now)
		if since, stale := r.staleSinceLocked(id, a, now); stale {
			x.Details = append(x.Details, "stale since "+since.Format(time.RFC3339)+": no signed head of it is newer, as far as the links bring")
		}
	}
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
			return st.state(), st.why
		}
		return StateUnseen, "nothing of this author has been offered"
	}
	switch {
	case a.cut != nil:
		return StateForked, fmt.Sprintf("the author has signed two updates with seq %d: nothing of it counts from there on", a.cut.seq)
	case a.doubt != nil:
		return StateForked, fmt.Sprintf("the author has signed a second history, which differs at seq %d or below: where they part is being looked for, since %s, with %s",
			a.doubt.at, a.doubt.since.UTC().Format(time.RFC3339), a.doubt.peer)
	case !a.admitted:
		return StateUnknown, "the author's key was withdrawn; its stored updates do not count"
	case a.newer != nil:
		return StateNewer, fmt.Sprintf("update %d is a %v: needs a newer hearsay", a.newer.seq, a.newer.kind)
	case a.gap != nil:
		return StateGap, fmt.Sprintf("seq %d is missing; up to %d was offered by %s, since %s", a.gap.want, a.gap.seen, a.gap.peer, a.gap.since.UTC().Format(time.RFC3339))
	case a.word != nil && a.word.head.Ref().Seq > a.frontier.Seq:
		return StateBehind, r.behindReasonLocked(a)
	}
	if n, earliest := r.models.waits.of(id); n > 0 {
		return StateParked, fmt.Sprintf("%d updates wait for their time, the first until %s", n, formatTime(earliest))
	}
	stored := fmt.Sprintf("%d updates stored", a.frontier.Seq)
	if b := r.models.bounds.of(id); b.last(a.frontier.Seq) < a.frontier.Seq {
		stored += fmt.Sprintf(", of which %d count: %s", b.last(a.frontier.Seq), b.why())
	}
	return StateOK, stored
}

func (r *Replica) behindReasonLocked(a *author) string {
	return fmt.Sprintf("%s; %d is missing, and no peer has sent it", signedUpTo(a.word.head), a.frontier.Seq+1)
}

func signedUpTo(h *wire.Head) string {
	return fmt.Sprintf("the author signed at %s that it has written up to seq %d", instant(h.Issued()).Format(time.RFC3339), h.Ref().Seq)
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
		b := r.models.bounds.of(x.Author)
		switch {
		case x.State == StateUnknown:
		case x.Seq > b.last(x.Seq):
			x.State, x.Reason = StateUnknown, "stored, and does not count: "+b.why()
		case r.models.isParked(x.Author, x.Seq, e.Time):
			x.State, x.Reason = StateParked, "stored; its effect waits until "+formatTime(e.Time)
		default:
			x.State, x.Reason = r.models.effect(run.Ref(i), e.Channel)
		}
		return x, nil
	}
	return x, fmt.Errorf("replica: explain: update %d of %v: %w", x.Seq, x.Author, store.ErrNotFound)
}

// AuthorStatus is one author of a topic.
type AuthorStatus struct {
	ID     keys.NodeID `json:"id"`
	Topic  string      `json:"topic"`
	Seq    uint64      `json:"seq"`
	State  State       `json:"state"`
	Reason string      `json:"reason,omitempty"`
	Word   *Word       `json:"word,omitempty"` // its newest signed head
	Stale  time.Time   `json:"stale,omitzero"` // when it was last known to be alive, if that is long ago
	Cut    uint64      `json:"cut,omitempty"`  // the seq from which on nothing counts, of a forked author
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
	// Current says that all that living authors have signed is here; NotCurrent, why that
	// is not known.
	Current    bool
	NotCurrent string
	// Rebuild is set while the models show what does not count any more.
	Rebuild *RebuildStatus
}

// Status returns the state of all known authors, ascending by id.
func (r *Replica) Status() Status {
	var s Status
	now := r.Now()
	r.mu.Lock()
	s.Current, s.NotCurrent = r.currentLocked(now)
	for id, a := range r.authors {
		state, why := r.stateLocked(id, a)
		x := AuthorStatus{ID: id, Topic: r.cfg.Topic, Seq: a.frontier.Seq, State: state, Reason: why, Word: r.wordLocked(a, now)}
		x.Stale, _ = r.staleSinceLocked(id, a, now)
		if a.cut != nil {
			x.Cut = a.cut.seq
		}
		s.Authors = append(s.Authors, x)
		n, _ := r.models.waits.of(id)
		s.Counts.Parked += uint64(n)
	}
	for id := range r.unknown {
		state, why := r.stateLocked(id, nil)
		s.Authors = append(s.Authors, AuthorStatus{ID: id, Topic: r.cfg.Topic, State: state, Reason: why})
	}
	r.mu.Unlock()
	for _, id := range r.pipe.WaitingAuthors() {
		if !slices.ContainsFunc(s.Authors, func(a AuthorStatus) bool { return a.ID == id }) {
			s.Authors = append(s.Authors, AuthorStatus{ID: id, Topic: r.cfg.Topic, State: StateWaiting, Reason: "its runs wait for the keystore"})
		}
	}
	slices.SortFunc(s.Authors, func(a, b AuthorStatus) int { return a.ID.Compare(b.ID) })
	s.Counts.Applied, s.Counts.Rejected = r.counts.applied.Load(), r.counts.rejected.Load()
	s.Counts.Ignored, s.Counts.Waiting = r.counts.ignored.Load(), uint64(r.pipe.Waiting().Runs)
	s.Rebuild = r.models.rebuilds.status()
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
