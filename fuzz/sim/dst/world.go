package dst

import (
	"cmp"
	"container/heap"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/model/kv"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// Options tell Run what a plan does not.
type Options struct {
	// Replica changes how each replica is made, if set.
	Replica func(*replica.Config)
	// Map changes how each kv.Map is made, if set.
	Map func(*kv.Config)
	// Only says which plans FirstFailing plays; nil: all.
	Only func(Plan) bool
	// Trace is given a line for each thing that happens, if set.
	Trace func(string)
}

// Result is how a simulation went.
type Result struct {
	Failure *Failure // nil if every invariant held
	// Trace is a hash over everything that happened, in order.
	Trace   string
	Virtual time.Duration // simulated
	Frames  int           // delivered
}

// Failure is an invariant that did not hold.
type Failure struct {
	Rule string // in two words
	What string
	At   time.Duration
}

func (f *Failure) String() string { return fmt.Sprintf("%s, after %v: %s", f.Rule, f.At, f.What) }

// Run simulates a plan in a bubble of virtual time.
func Run(t *testing.T, plan Plan, o Options) (res Result) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(plan, o)
		w.play()
		res = w.result()
	})
	return res
}

// era is what the nodes' clocks are ahead of the bubble's, which begins in the year 2000.
const era = 27 * 365 * 24 * time.Hour

// world is one simulation. One goroutine plays it; replicas run in their own.
type world struct {
	plan    Plan
	options Options
	net     *network
	nodes   []*node
	links   []*link
	authors []*author // by number; nil for a node that only reads
	byID    map[keys.NodeID]*author
	outside map[keys.NodeID]bool // not admitted
	windows map[keys.NodeID]keys.Windows
	began   time.Time
	guarded time.Time // until then a restored node asks its peers, and nothing else goes wrong
	calm    bool      // no more faults
	queue   agenda
	count   int
	frames  int
	tasks   sync.WaitGroup
	seen    map[[sha256.Size]byte]bool   // frames that were checked before; under network.mu
	times   map[string]int               // how often the same frame was written
	shows   map[string]map[string]string // what models show, by what was folded: see shown

	mu      sync.Mutex // guards the fields below
	failure *Failure
	hash    hash.Hash
}

func newWorld(plan Plan, o Options) *world {
	w := &world{
		plan: plan, options: o, net: newNetwork(), hash: sha256.New(), began: time.Now(),
		byID: make(map[keys.NodeID]*author), outside: make(map[keys.NodeID]bool), windows: make(map[keys.NodeID]keys.Windows),
		seen: make(map[[sha256.Size]byte]bool), times: make(map[string]int),
	}
	for i, n := range plan.Nodes {
		var a *author
		if n.Author && !n.Gone {
			a = newAuthor(fmt.Sprintf("node %d", i), false)
		}
		w.authors = append(w.authors, a)
	}
	for i := range plan.Rogues {
		w.authors = append(w.authors, newAuthor(fmt.Sprintf("rogue %d", i), true))
	}
	for i, a := range w.authors {
		if a != nil {
			w.byID[a.id] = a
			w.outside[a.id] = slices.Contains(plan.Outside, i)
		}
	}
	for i := range plan.Nodes {
		w.nodes = append(w.nodes, newNode(w, i))
	}
	for i, l := range plan.Links {
		w.links = append(w.links, &link{world: w, index: i, plan: l})
	}
	return w
}

// note adds a line to the trace.
func (w *world) note(format string, args ...any) {
	line := fmt.Sprintf("%v ", time.Since(w.began)) + fmt.Sprintf(format, args...)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.hash.Write([]byte(line + "\n"))
	if w.options.Trace != nil {
		w.options.Trace(line)
	}
}

// fail ends the simulation: an invariant does not hold. It may be called by anybody.
func (w *world) fail(rule, format string, args ...any) {
	w.mu.Lock()
	if w.failure == nil {
		w.failure = &Failure{rule, w.names(fmt.Sprintf(format, args...)), time.Since(w.began)}
	}
	w.mu.Unlock()
	w.net.ring()
}

// names makes ids readable.
func (w *world) names(s string) string {
	for id, a := range w.byID {
		s = strings.ReplaceAll(s, id.String(), a.name)
	}
	return s
}

func (w *world) failed() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.failure != nil
}

func (w *world) result() Result {
	w.mu.Lock()
	defer w.mu.Unlock()
	r := Result{Failure: w.failure, Trace: hex.EncodeToString(w.hash.Sum(nil)), Virtual: time.Since(w.began), Frames: w.frames}
	return r
}

// play is the whole simulation.
func (w *world) play() {
	defer w.stop()
	for _, n := range w.nodes {
		n.start()
	}
	for i, op := range w.plan.Ops {
		if op.Kind != "" {
			w.at(op.At, fmt.Sprintf("op %d", i), func() { w.do(i, op) })
		}
	}
	w.advance(chaos)
	if !w.failed() {
		w.settle()
	}
}

// settle ends all faults, and waits until all nodes are as they must be.
func (w *world) settle() {
	w.heal()
	if !w.converge("after the faults have ended") {
		return
	}
	for _, n := range w.nodes {
		n.last()
	}
	w.converge("after a last change of everybody")
}

// patience is how long the nodes have to become as they must be. It covers a clock that is
// set back by as much as can be: until then what had its effect before keeps it.
const patience = 12 * time.Minute

func (w *world) converge(when string) bool {
	began := time.Now()
	step := time.Second
	for {
		w.advance(step)
		if w.failed() {
			return false
		}
		why := w.compare()
		if why == "" {
			w.note("as it must be %s", when)
			return true
		}
		if time.Since(began) > patience {
			w.fail("converged", "%s: %s", when, why)
			return false
		}
		step = min(2*step, 15*time.Second)
	}
}

// stop ends everything that was started.
func (w *world) stop() {
	for _, l := range w.links {
		l.hangUp()
	}
	for _, n := range w.nodes {
		n.stop()
	}
	w.tasks.Wait()
}

// event is something that the world does at a time.
type event struct {
	at    time.Time
	count int
	name  string
	f     func()
}

type agenda []event

func (e agenda) Len() int { return len(e) }
func (e agenda) Less(i, j int) bool {
	return cmp.Or(e[i].at.Compare(e[j].at), cmp.Compare(e[i].count, e[j].count)) < 0
}
func (e agenda) Swap(i, j int) { e[i], e[j] = e[j], e[i] }
func (e *agenda) Push(x any)   { *e = append(*e, x.(event)) }
func (e *agenda) Pop() any {
	old := *e
	last := old[len(old)-1]
	*e = old[:len(old)-1]
	return last
}

// at has the world do f a while after its beginning.
func (w *world) at(after time.Duration, name string, f func()) {
	w.count++
	heap.Push(&w.queue, event{w.began.Add(after), w.count, name, f})
}

// after has the world do f a while from now.
func (w *world) after(d time.Duration, name string, f func()) {
	w.at(time.Since(w.began)+d, name, f)
}

// advance plays until so much later, or until something has failed. All that follows from
// one event has happened before the next begins.
func (w *world) advance(d time.Duration) {
	until := time.Now().Add(d)
	for {
		synctest.Wait()
		w.gather()
		if w.failed() {
			return
		}
		if len(w.queue) > 0 && !w.queue[0].at.After(time.Now()) {
			e := heap.Pop(&w.queue).(event)
			e.f()
			continue
		}
		next := until
		if len(w.queue) > 0 && w.queue[0].at.Before(until) {
			next = w.queue[0].at
		}
		if !next.After(time.Now()) {
			return
		}
		timer := time.NewTimer(time.Until(next))
		select {
		case <-timer.C:
		case <-w.net.wake:
		}
		timer.Stop()
	}
}

// gather takes what the replicas have written, and what their goroutines report.
func (w *world) gather() {
	for {
		reports := w.net.reports()
		for _, f := range reports {
			f()
		}
		packets := w.net.written()
		for _, p := range packets {
			w.send(p)
		}
		if len(reports) == 0 && len(packets) == 0 {
			return
		}
		synctest.Wait()
	}
}

// send decides what becomes of a frame.
func (w *world) send(p *packet) {
	if p.from == 0 && strings.HasPrefix(p.pipe.name, "rogue") {
		return // nobody listens there
	}
	what := p.place()
	key := fmt.Sprint(p.pipe.name, p.from, p.frame.Type, what, p.fin)
	w.times[key]++
	chance := func(n int, why string) int { return fate(n, w.plan.Seed, key, w.times[key], why) }
	wait := time.Duration(1+chance(40, "latency")) * time.Millisecond
	copies := 1
	late := time.Duration(0)
	if l := w.linkOf(p.pipe); l != nil {
		if l.plan.Hostile && !w.calm && !p.fin {
			copies, late = l.tamper(p, chance)
		}
		wait += l.stalled(time.Now().Add(wait))
	}
	due := time.Now().Add(wait)
	if late == 0 {
		if last := p.pipe.last[p.from]; due.Before(last) {
			due = last
		}
		p.pipe.last[p.from] = due
	}
	for range copies {
		w.after(time.Until(due)+late, key, func() {
			w.frames++
			if !p.pipe.isDown() {
				sum := sha256.Sum256(p.frame.Body)
				w.note("%s from %d: %v %x%s", p.pipe.name, p.from, p.frame.Type, sum[:4], w.describe(p.frame))
			}
			p.give()
		})
	}
}

// describe says what a frame is about, for the trace.
func (w *world) describe(f wire.Frame) string {
	switch f.Type {
	case wire.FrameDigest:
		d, err := wire.ParseDigest(f.Body)
		if err != nil {
			break
		}
		var s strings.Builder
		s.WriteString(fmt.Sprintf(" %d", d.Nonce))
		if d.Unnamed == wire.UnnamedWanted {
			s.WriteString(" all")
		}
		for _, ref := range d.Refs {
			s.WriteString(fmt.Sprintf(", %s %d", w.nameOf(ref.Author), ref.Seq))
		}
		return s.String()
	case wire.FrameRun:
		if u, err := wire.ParseRun(topic, f.Body); err == nil {
			return fmt.Sprintf(" %s %d–%d", w.nameOf(u.Author()), u.First(), u.Last())
		}
	case wire.FrameHead:
		if u, err := wire.ParseHead(topic, f.Body); err == nil {
			return fmt.Sprintf(" %s %d", w.nameOf(u.Author()), u.Ref().Seq)
		}
	case wire.FrameFork:
		if u, err := wire.ParseProof(topic, f.Body); err == nil {
			return fmt.Sprintf(" %s %d", w.nameOf(u.Author()), u.UnverifiedSeq())
		}
	case wire.FrameKey:
		if k, err := wire.ParseKey(f.Body); err == nil {
			return " " + w.nameOf(k.ID())
		}
	case wire.FrameDone:
		if nonce, err := wire.ParseDone(f.Body); err == nil {
			return fmt.Sprintf(" %d", nonce)
		}
	}
	return ""
}

func (w *world) nameOf(id keys.NodeID) string {
	if a := w.byID[id]; a != nil {
		return a.name
	}
	return id.String()
}

func (w *world) linkOf(p *pipe) *link {
	for _, l := range w.links {
		if l.pipe == p {
			return l
		}
	}
	return nil
}

// newest is the newest date that may have an effect at a node.
func newest(now time.Time) uint64 { return uint64(now.Add(replica.DefaultMaxSkew).UnixNano()) }

var background = context.Background()
