package dst

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/model/kv"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// The rules, by the name that a Failure has. As it goes:
//
//	authentic      nothing is stored, sent or applied that its author has not signed
//	well-formed    an honest node sends no malformed frame
//	durable first  nothing of its own leaves a node before it is durable
//	one history    an honest author never publishes two updates of one seq
//	innocent       nobody has a proof against an honest author
//	honest peers   no honest node is blamed by another
//	applied once   each update comes to a model once between two resets
//	parked         no update has its effect before its time
//	clock          what a node writes is dated after all that it has seen, and not ahead of its clock
//	acknowledged   what LocalUpdate has returned is on the disk after every crash
//	crash-safe     a node opens after every crash, and knows the proofs that it knew
//	three verdicts what cannot be verified for now is not refused
//	one way        a session that only sends asks for nothing, one that only receives tells nothing
//	other authors  a session about some authors tells and asks of no others
//	admitted       nothing of an author has its effect once the keystore has said no, and nothing else since
//
// In the end, when the faults are over:
//
//	converged      see compare

// checkAcked looks whether a node still has all that it acknowledged, after a crash.
func (n *node) checkAcked() {
	if n.author == nil || n.suspect {
		return
	}
	have := make(map[uint64]wire.Hash)
	for ref := range n.vol.history(n.author.id) {
		have[ref.Seq] = ref.Hash
	}
	n.author.mu.Lock()
	defer n.author.mu.Unlock()
	for seq, h := range n.author.acked {
		if have[seq] != h {
			n.world.fail("acknowledged", "node %d has lost its update %d", n.index, seq)
		}
	}
}

// checkCuts looks whether a node still knows who has forked, after a crash.
func (n *node) checkCuts() {
	if n.suspect {
		return
	}
	cuts := make(map[keys.NodeID]uint64) // also of authors that are not admitted as far as the node knows
	for _, a := range n.replica.Status().Authors {
		cuts[a.ID] = a.Cut
	}
	for id, seq := range n.known {
		if got := cuts[id]; got == 0 || got > seq {
			n.world.fail("crash-safe", "node %d knew that %v is cut at %d, and has forgotten", n.index, id, seq)
		}
	}
}

// compare says what is not as it must be at some node, "" if all is: every honest node
// has of each author that it admits the whole history or, of one that has forked, what is
// below the lowest proof; of an honest author from whose node no path leads to it that is
// neither hostile nor leaves out authors, it has some of the history; its models hold that
// and nothing else, but for what waits for its time; it knows the same proofs as all others;
// and it may write.
func (w *world) compare() string {
	for _, n := range w.nodes {
		if n.gone() {
			continue
		}
		if n.replica == nil {
			return fmt.Sprintf("node %d is not up", n.index)
		}
		if why := n.compare(); why != "" {
			return w.names(fmt.Sprintf("node %d: %s", n.index, why))
		}
	}
	return ""
}

func (n *node) compare() string {
	w := n.world
	clock, cuts := n.replica.Clock(), n.cuts()
	limit := newest(n.now())
	records := make(map[string]update)
	var counts []history
	for _, a := range w.authors {
		if a == nil {
			continue
		}
		want, cut := wire.Ref{Author: a.id}, uint64(0)
		got := clock[a.id]
		switch {
		case !n.admits(a):
		case !w.reaches(a, n):
			want.Seq, want.Hash = got.Seq, got.Hash
		default:
			want, cut = a.verdict()
		}
		ws := n.windows(a)
		if len(ws) > 0 {
			want = lastWithin(a.chain(want), want, ws) // what is stored beyond depends on what came when
		} else if got.Seq != want.Seq || got.Hash != want.Hash {
			return fmt.Sprintf("the frontier of %s is %d %v, not %d %v: %s", a.name, got.Seq, got.Hash, want.Seq, want.Hash, n.explain(a.id, got.Seq+1))
		}
		if cuts[a.id] != cut {
			return fmt.Sprintf("%s is cut at %d, not %d", a.name, cuts[a.id], cut)
		}
		if why := n.compareLedger(a, a.chain(want), limit); why != "" {
			return why
		}
		counts = append(counts, history{a, a.chain(want)})
		for _, u := range a.chain(want) {
			if u.channel == kv.DefaultChannel && u.time <= limit {
				fold(records, u)
			}
		}
	}
	if why := n.compareMap(records); why != "" {
		return why
	}
	if why := n.compareStatus(); why != "" {
		return why
	}
	return n.compareModels(counts)
}

// reaches reports whether a node surely gets all of an author: what rogues have signed is
// shown in the end to one from which all are reached.
func (w *world) reaches(a *author, n *node) bool {
	return a.rogue || w.plan.reached(slices.Index(w.authors, a))[n.index]
}

// admits says whether an author counts at the node: its own always does.
func (n *node) admits(a *author) bool {
	if n.ks == nil || a == n.author {
		return true
	}
	in, _ := n.ks.admits(a.id)
	return in
}

// windows are the times that an author is admitted for at the node.
func (n *node) windows(a *author) keys.Windows {
	if n.ks == nil || a == n.author {
		return nil
	}
	_, ws := n.ks.admits(a.id)
	return ws
}

// lastWithin returns the last update before the first that is dated outside of ws.
func lastWithin(chain []update, end wire.Ref, ws keys.Windows) wire.Ref {
	for i, u := range chain {
		switch {
		case ws.Admit(u.time):
		case i == 0:
			return wire.Ref{Author: end.Author}
		default:
			return chain[i-1].Ref
		}
	}
	return end
}

func (n *node) cuts() map[keys.NodeID]uint64 {
	cuts := make(map[keys.NodeID]uint64)
	for proof, err := range n.replica.Proofs() {
		if err == nil {
			cuts[proof.Author()] = proof.Seq()
		}
	}
	return cuts
}

func (n *node) explain(id keys.NodeID, seq uint64) string {
	x, err := n.replica.Explain(background, id, seq)
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("%v: %s", x.State, x.Reason)
}

func (n *node) compareLedger(a *author, chain []update, limit uint64) string {
	want := make(map[uint64]wire.Hash)
	for _, u := range chain {
		if u.channel == ledgerChannel && u.time <= limit {
			want[u.Seq] = u.Hash
		}
	}
	if n.unmount == nil {
		return "the ledger is not mounted"
	}
	got := n.ledger.of(a.id)
	if !maps.Equal(got, want) {
		return fmt.Sprintf("the ledger has %d updates of %s, %v, not %d, %v", len(got), a.name, seqs(got), len(want), seqs(want))
	}
	return ""
}

func seqs(m map[uint64]wire.Hash) (list []uint64) {
	for seq := uint64(1); len(list) < len(m) && seq < 1<<20; seq++ {
		if _, ok := m[seq]; ok {
			list = append(list, seq)
		}
	}
	return list
}

// fold is what the key-value map must do: the last by (time, author, hash) counts.
func fold(records map[string]update, u update) {
	key, _, ok := readChange(u.change)
	if !ok {
		return
	}
	if old, ok := records[key]; !ok || before(old, u) {
		records[key] = u
	}
}

func before(a, b update) bool {
	if a.time != b.time {
		return a.time < b.time
	}
	if c := a.Author.Compare(b.Author); c != 0 {
		return c < 0
	}
	return string(a.Hash[:]) < string(b.Hash[:])
}

func (n *node) compareMap(records map[string]update) string {
	if n.kv == nil {
		return "the map is not mounted"
	}
	live := 0
	for key, u := range records {
		_, value, _ := readChange(u.change)
		got, ok := n.kv.Get(key)
		if ok != (value != "") || ok && (got.Hash != u.Hash || string(got.Value) != value) {
			return fmt.Sprintf("the map has %q for %s, set by %v %d, not %q by %v %d", got.Value, key, got.Author, got.Seq, value, u.Author, u.Seq)
		}
		if value != "" {
			live++
		}
	}
	if n.kv.Len() != live {
		return fmt.Sprintf("the map has %d keys, not %d", n.kv.Len(), live)
	}
	return ""
}

// compareStatus looks whether the node itself says that something is amiss.
func (n *node) compareStatus() string {
	s := n.replica.Status()
	switch {
	case s.Rebuild != nil:
		return "a rebuild is due"
	case n.author != nil && s.Write != nil:
		return fmt.Sprintf("it does not write: %v", s.Write)
	case s.Counts.Waiting > 0:
		return fmt.Sprintf("%d runs wait for the keystore", s.Counts.Waiting)
	}
	for _, a := range s.Authors {
		if b := n.world.byID[a.ID]; b == nil || !n.admits(b) || !n.world.reaches(b, n) || a.Seq == 0 || len(n.windows(b)) > 0 {
			continue
		}
		switch a.State {
		case replica.StateOK, replica.StateParked:
		case replica.StateForked:
			if a.Cut == 0 {
				return fmt.Sprintf("%v is forked, and not cut: %s", a.ID, a.Reason)
			}
		default:
			return fmt.Sprintf("%v is %v: %s", a.ID, a.State, a.Reason)
		}
	}
	return ""
}

// heal ends all faults, and has every history that was shown to somebody shown whole to
// one honest node.
func (w *world) heal() {
	w.note("the faults end")
	w.calm = true
	for _, n := range w.nodes {
		if n.ks != nil {
			n.ks.turn(well, fate(2, w.plan.Seed, "quiet", n.index) == 0)
		}
		if n.vol != nil {
			n.vol.arm(0, false)
		}
	}
	now := time.Now()
	for _, l := range w.links {
		l.down, l.stall = now, now
		l.redial(0)
	}
	w.advance(90 * time.Second) // all are up
	for i, a := range w.authors {
		if a == nil || !a.rogue {
			continue
		}
		n := w.nodes[fate(len(w.nodes), w.plan.Seed, "confess", i)]
		for n.gone() || !w.plan.reachesAll(n.index) {
			n = w.nodes[(n.index+1)%len(w.nodes)]
		}
		for j, b := range a.branches {
			if b.shown && n.replica != nil {
				w.show(n, fmt.Sprintf("confession %d %d", i, j), a.signer.Public(), b.runs...)
				w.advance(6 * time.Second)
			}
		}
	}
}
