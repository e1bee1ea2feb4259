package dst

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/model/kv"
	"github.com/hearsaynet/hearsay/replica/wire"
	"github.com/hearsaynet/hearsay/verify"
)

// node is an honest node, which lives several times.
type node struct {
	world  *world
	index  int
	author *author // nil if it only reads
	disk   *disk
	ks     *keystore
	skew   time.Duration
	latest time.Time // that its clock has shown in this life
	ever   time.Time // and in all
	lives  int
	fell   time.Time // when it went down last
	// suspect: the disk may have forgotten something, and the peers have not said what.
	suspect bool
	writing bool                   // a LocalUpdate has not returned
	known   map[keys.NodeID]uint64 // the cuts that it knew when it went down

	// Nil while it is down.
	replica *replica.Replica
	vol     *volume
	ledger  *ledger
	unmount func()            // unmounts the ledger; nil while it is not mounted
	kv      *kv.Map           // nil also while it is not mounted
	models  map[string]driven // those that are mounted, by their nouns
	ctx     context.Context
	cancel  context.CancelFunc
	rises   time.Duration // how long it stays down
}

func newNode(w *world, i int) *node {
	n := &node{world: w, index: i, author: w.authors[i], disk: &disk{}, skew: w.plan.Nodes[i].Skew}
	if !w.plan.Open {
		n.ks = newKeystore(func(id keys.NodeID) time.Duration {
			return time.Duration(fate(200, w.plan.Seed, "look-up", i, id.String())) * time.Millisecond
		}, w.stranger().signer.Public())
		for _, a := range w.authors {
			if a != nil && !w.outside[a.id] {
				n.ks.admit[a.id] = keys.Admission{Key: a.signer.Public()}
			}
		}
	}
	return n
}

// stranger is an author that nobody admits.
func (w *world) stranger() *author { return newAuthor("stranger", true) }

func (n *node) now() time.Time {
	n.world.mu.Lock()
	defer n.world.mu.Unlock()
	now := time.Now().Add(era + n.skew)
	if now.After(n.latest) {
		n.latest = now
	}
	if now.After(n.ever) {
		n.ever = now
	}
	return now
}

// latestNow is the latest that the node's clock has shown since it was started: what has
// had its effect keeps it when the clock is set back.
func (n *node) latestNow() time.Time {
	n.world.mu.Lock()
	defer n.world.mu.Unlock()
	return n.latest
}

func (n *node) setSkew(d time.Duration) {
	n.world.mu.Lock()
	defer n.world.mu.Unlock()
	n.skew = d
}

func (n *node) gone() bool { return n.world.plan.Nodes[n.index].Gone }

// start opens a replica on what the disk holds.
func (n *node) start() {
	w := n.world
	if n.gone() {
		return
	}
	if n.lives > 0 && n.ks != nil { // what it heard just before it went down, or later, in its grave, is not stored
		n.ks.forget(time.Since(n.fell) + 2*time.Second)
	}
	n.lives++
	n.latest = time.Time{}
	v := &volume{Memory: n.disk.image(0), disk: n.disk, self: n.self()}
	v.checks = func(runs []*wire.Run) { n.stores(runs) }
	v.crashed = func() { w.net.report(fmt.Sprintf("node %d", n.index), func() { n.fall(v) }) }
	if ref, err := v.Frontier(topic, n.self()); err == nil {
		v.own = ref.Seq
	}
	n.vol = v
	ctx, cancel := context.WithCancel(background)
	n.ctx, n.cancel = ctx, cancel
	cfg := n.config(v)
	w.tasks.Go(func() {
		r, err := replica.Open(ctx, cfg)
		w.net.report(fmt.Sprintf("node %d", n.index), func() { n.opened(v, r, err) })
	})
}

func (n *node) config(v *volume) replica.Config {
	w := n.world
	cfg := replica.Config{Topic: topic, Store: v, Now: n.now, HeadInterval: time.Minute + time.Duration(n.index+1)*37*time.Millisecond}
	cfg.Pipeline.Jitter = func() float64 { return 0.5 }
	if w.plan.Tight {
		cfg.Pipeline.MaxWaitingRuns = 32
	}
	if n.author != nil {
		cfg.Signer = pen{n.author}
	}
	switch {
	case n.ks == nil:
		cfg.Verify = verify.AnyKey()
	case w.plan.Lists:
		cfg.Keystore = lister{n.ks}
	default:
		cfg.Keystore = n.ks
	}
	if n.suspect {
		cfg.Guard = replica.Guard{Suspect: true, Peers: n.honestPeers(), Confirmed: func() {
			w.net.report(fmt.Sprintf("node %d confirmed", n.index), func() { n.confirmed(v) })
		}}
	}
	if w.options.Replica != nil {
		w.options.Replica(&cfg)
	}
	return cfg
}

func (n *node) confirmed(v *volume) {
	if n.vol == v {
		n.suspect = false
		n.world.note("node %d may write again", n.index)
	}
}

// honestPeers names the peers that tell a restored node what it wrote.
func (n *node) honestPeers() (names []string) {
	for _, l := range n.world.links {
		if peer := l.other(n); peer != nil && !l.plan.Hostile && !l.plan.narrow() {
			names = append(names, fmt.Sprintf("node %d over link %d", peer.index, l.index))
		}
	}
	return names
}

// opened follows Open.
func (n *node) opened(v *volume, r *replica.Replica, err error) {
	w := n.world
	if n.vol != v {
		if err == nil {
			w.tasks.Go(func() { r.Close() })
		}
		return
	}
	if err != nil {
		if !v.isDead() && n.ctx.Err() == nil {
			w.fail("crash-safe", "node %d does not open: %v", n.index, err)
		}
		return
	}
	w.note("node %d is up", n.index)
	n.replica = r
	n.ledger = &ledger{limit: func() uint64 { return newest(n.latestNow()) }, fail: w.fail, known: w.known, refused: n.refuses, dead: v.isDead}
	w.tasks.Go(func() { n.listen(r.Notices(background)) })
	if err := n.mountAll(); err != nil {
		w.fail("crash-safe", "node %d does not mount its models: %v", n.index, err)
		return
	}
	n.checkAcked()
	n.checkCuts()
	for _, l := range w.links {
		if l.other(n) != nil {
			l.redial(0)
		}
	}
}

// refuses reports whether the node's keystore has said that an author is not admitted.
func (n *node) refuses(id keys.NodeID) bool {
	return n.ks != nil && id != n.self() && n.ks.refused(id)
}

// listen reads what a replica tells of itself, until it is closed.
func (n *node) listen(notices <-chan replica.Notice) {
	for x := range notices {
		if x.Kind == replica.Rejected && strings.Contains(x.Reason, errOutage.Error()) {
			n.world.fail("three verdicts", "node %d has refused update %d of %v because its keystore is down: %s", n.index, x.Ref.Seq, x.Ref.Author, x.Reason)
		}
	}
}

// known reports whether an update is one that its author has signed.
func (w *world) known(u replica.Update) bool {
	a := w.byID[u.Author]
	if a == nil {
		return false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	x, ok := a.updates[u.Hash]
	return ok && x.Ref == u.Ref && x.time == u.Time && x.channel == u.Channel && x.change == string(u.Change)
}

// stores checks what a replica gives to its disk.
func (n *node) stores(runs []*wire.Run) {
	w := n.world
	for _, run := range runs {
		a := w.byID[run.Author()]
		switch {
		case a == nil:
			w.fail("authentic", "node %d stores a run of nobody: %v", n.index, run.Author())
		case a == n.author && a.know(run) != nil && a.wrote(run): // else it comes back to a restored node
			a.record(run)
			a.mu.Lock()
			a.frontier, a.own = run.End(), append(a.own, run)
			a.mu.Unlock()
		default:
			if err := a.know(run); err != nil {
				w.fail("authentic", "node %d stores: %v", n.index, err)
			}
		}
	}
}

// crash stops a node as if the power had gone: it is back after down.
func (n *node) crash(down time.Duration) {
	if n.vol == nil {
		return
	}
	n.rises = down
	n.vol.kill()
	n.fall(n.vol)
}

// fall follows a crash.
func (n *node) fall(v *volume) {
	w := n.world
	if n.vol != v {
		return
	}
	w.note("node %d is down", n.index)
	for _, l := range w.links {
		if l.other(n) != nil {
			l.hangUp()
		}
	}
	if n.replica != nil {
		n.known = n.cuts()
	}
	end := n.closing()
	n.fell = time.Now()
	n.cancel()
	n.replica, n.vol, n.ledger, n.unmount, n.kv, n.models = nil, nil, nil, nil, nil, nil
	w.tasks.Go(end)
	w.after(max(n.rises, time.Second), "", func() {
		if n.vol == nil {
			n.start()
		}
	})
}

func (n *node) stop() {
	if n.vol == nil {
		return
	}
	n.vol.kill()
	n.cancel()
	n.closing()()
	n.vol, n.replica = nil, nil
}

// closing returns what closes the node's replica, if any, and its models.
func (n *node) closing() func() {
	r, models := n.replica, slices.Collect(maps.Values(n.models))
	return func() {
		for _, m := range models {
			m.close()
		}
		if r != nil {
			r.Close()
		}
	}
}

// write has the node write changes.
func (n *node) write(channel string, changes ...[]byte) {
	n.writes(func(ctx context.Context, r *replica.Replica) ([]wire.Ref, error) {
		return r.LocalUpdates(ctx, channel, changes...)
	})
}

// writes has the node carry out what writes updates, one at a time. What was written is
// returned, some perhaps without their hashes, beside an error too.
func (n *node) writes(f func(context.Context, *replica.Replica) ([]wire.Ref, error)) {
	if n.author == nil || n.replica == nil || n.writing {
		return
	}
	w, r, v, ctx := n.world, n.replica, n.vol, n.ctx
	n.writing = true
	floor := n.newestFolded()
	if n.suspect || n.setBack() { // it is dated later, or from the clock alone
		floor = 0
	}
	w.tasks.Go(func() {
		refs, err := f(ctx, r)
		if len(refs) > 0 && v.ownDurable() < refs[len(refs)-1].Seq {
			w.fail("acknowledged", "node %d has acknowledged its update %d, and only %d are durable", n.index, refs[len(refs)-1].Seq, v.ownDurable())
		}
		w.net.report(fmt.Sprintf("node %d wrote", n.index), func() { n.wrote(v, refs, err, floor) })
	})
}

// wrote follows LocalUpdates.
func (n *node) wrote(v *volume, refs []wire.Ref, err error, floor uint64) {
	w := n.world
	n.writing = false
	if err != nil {
		w.note("node %d did not write: %v", n.index, err)
		if n.vol == v && !v.isDead() && errors.Is(err, replica.ErrForked) {
			w.fail("one history", "node %d: %v", n.index, err)
		}
	}
	if len(refs) == 0 {
		return
	}
	own := n.author.chain(n.author.frontier)
	for i, ref := range refs {
		if ref.Hash == (wire.Hash{}) {
			refs[i] = own[ref.Seq-1].Ref
		}
		n.author.acked[ref.Seq] = refs[i].Hash
	}
	first := n.author.updates[refs[0].Hash]
	w.note("node %d wrote up to %d %v", n.index, refs[len(refs)-1].Seq, refs[len(refs)-1].Hash)
	if first.time <= floor {
		w.fail("clock", "node %d dated update %d before one that it had seen", n.index, first.Seq)
	}
	if first.time > newest(n.now()) && n.vol == v {
		w.fail("clock", "node %d dated update %d %v ahead of its clock", n.index, first.Seq, time.Duration(first.time-uint64(n.now().UnixNano())))
	}
}

// setBack reports whether the node's clock is so far behind what it has shown in this life
// that what had its effect then may be dated ahead of it.
func (n *node) setBack() bool { return n.now().Before(n.latestNow()) }

// newestFolded is the date of the newest update in the ledger.
func (n *node) newestFolded() (at uint64) {
	for _, a := range n.world.authors {
		if a == nil {
			continue
		}
		for _, h := range n.ledger.of(a.id) {
			a.mu.Lock()
			at = max(at, a.updates[h].time)
			a.mu.Unlock()
		}
	}
	return at
}

// last is a node's write at the end, which must succeed.
func (n *node) last() {
	n.write(ledgerChannel, []byte("the last one"))
}
