package dst

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hearsaynet/hearsay/replica/model/kv"
)

// Plan is what is simulated. It follows from its seed alone.
type Plan struct {
	Seed    uint64
	Nodes   []Node
	Links   []Link
	Rogues  int   // authors whose keys are in the attacker's hands
	Open    bool  // every author counts whose key hashes to its id; else a keystore admits
	Lists   bool  // the keystores can name whom they admit
	Outside []int // authors, by number, that are not admitted at the start
	Tight   bool  // only one or two runs of an author may wait for a keystore
	// Models are what the nodes mount besides a kv.Map and a ledger: some of Kinds.
	Models []string
	Ops    []Op
}

// Node is an honest node.
type Node struct {
	Author bool          // it writes; else it reads and passes on
	Skew   time.Duration // its clock is ahead by that much
	Gone   bool          // it is left out: see Plan.Without
}

// Link joins two nodes. From some node all others are reached over links that are not
// hostile, and do not leave out authors.
type Link struct {
	A, B int
	// Hostile: who carries the frames drops, repeats, reorders and alters some.
	Hostile bool
	// Way is how A holds its sessions, and Back how B does; "" is both ways.
	Way, Back Way
	Authors   []int // that A's sessions are about, by number; nil: all
}

// Way is how one side of a link holds its sessions.
type Way string

// The ways that are not both, as in replica.SyncConfig.
const (
	Sends    Way = "sends"    // SendOnly
	Receives Way = "receives" // ReceiveOnly and SendClock
	Listens  Way = "listens"  // ReceiveOnly
)

// narrow reports whether not all goes both ways.
func (l Link) narrow() bool { return l.Way != "" || l.Back != "" || l.Authors != nil }

// passes reports whether the node at one side is sent what the one at the other has.
func (l Link) passes(from, to Way) bool { return from != Receives && from != Listens && to != Sends }

// Kind is what an Op does.
type Kind string

// The kinds of ops, and what their fields mean.
const (
	Write     Kind = "write"      // Node writes N changes
	Crash     Kind = "crash"      // Node stops, for For
	CrashAt   Kind = "crash-at"   // Node stops in the Nth write to its disk from now, before it is durable or, with Alt, after
	Restore   Kind = "restore"    // Node stops and comes back with its disk as it was N writes ago
	Cut       Kind = "cut"        // Link is down, for For
	Stall     Kind = "stall"      // Link carries nothing, for For
	Outage    Kind = "outage"     // Node's keystore fails, for For; with Alt nobody says when it is back
	Hang      Kind = "hang"       // Node's keystore does not answer, for For
	WrongKey  Kind = "wrong-key"  // Node's keystore answers with another's key, for For
	Skew      Kind = "skew"       // Node's clock is ahead by For from now on
	Withdraw  Kind = "withdraw"   // Author is not admitted any more
	Admit     Kind = "admit"      // Author is admitted
	Window    Kind = "window"     // the honest Author is admitted for what it dates up to For from now
	Publish   Kind = "publish"    // the rogue Author signs N updates, dated For from now, and shows them to Node
	Fork      Kind = "fork"       // the rogue Author signs a second history and shows it to Node
	Gap       Kind = "gap"        // the rogue Author signs two runs and shows only the second to Node
	BadCopy   Kind = "bad-copy"   // Node is shown Author's newest run with a wrong signature
	Forge     Kind = "forge"      // Node is shown a run in Author's name that it never signed, of the Nth kind
	Replay    Kind = "replay"     // Node is shown again what Author signed
	LieDigest Kind = "lie-digest" // Node is told of histories that do not exist
	Change    Kind = "change"     // Node writes to Model, N times
	Remount   Kind = "remount"    // Node unmounts Model, and mounts it again after For
	Borrow    Kind = "borrow"     // the rogue Author signs N changes to Model that were another's, some damaged, and shows them to Node
)

// Op is one thing that happens.
type Op struct {
	At     time.Duration
	Kind   Kind
	Node   int
	Link   int
	Author int // honest nodes' first, by number of node, then rogues
	N      int
	For    time.Duration
	Alt    bool
	Model  string
	Salt   uint64 // chance within the op
}

func (o Op) String() string {
	s := fmt.Sprintf("%v %s", o.At.Round(time.Millisecond), o.Kind)
	switch o.Kind {
	case Cut, Stall:
		return s + fmt.Sprintf(" link %d for %v", o.Link, o.For)
	case Withdraw, Admit, Window:
		s += fmt.Sprintf(" author %d", o.Author)
	case Write, Change, Remount, Crash, CrashAt, Restore, Outage, Hang, WrongKey, Skew:
		s += fmt.Sprintf(" node %d", o.Node)
	default:
		s += fmt.Sprintf(" author %d to node %d", o.Author, o.Node)
	}
	if o.Model != "" {
		s += " " + o.Model
	}
	if o.N != 0 {
		s += fmt.Sprintf(" n=%d", o.N)
	}
	if o.For != 0 {
		s += fmt.Sprintf(" for=%v", o.For)
	}
	if o.Alt {
		s += " alt"
	}
	return s
}

// String lists the plan, an op a line, with the numbers that Keep takes.
func (p Plan) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "seed %d: %d rogue authors", p.Seed, p.Rogues)
	if p.Open {
		b.WriteString(", open to everybody")
	} else {
		fmt.Fprintf(&b, ", keystores (listing: %v, little room to wait: %v), at first without %v", p.Lists, p.Tight, p.Outside)
	}
	if len(p.Models) > 0 {
		fmt.Fprintf(&b, ", models %v", p.Models)
	}
	b.WriteByte('\n')
	for i, n := range p.Nodes {
		if !n.Gone {
			fmt.Fprintf(&b, "  node %d: writes %v, its clock is ahead by %v\n", i, n.Author, n.Skew)
		}
	}
	for i, l := range p.Links {
		if !p.Nodes[l.A].Gone && !p.Nodes[l.B].Gone {
			fmt.Fprintf(&b, "  link %d: %d–%d, hostile %v", i, l.A, l.B, l.Hostile)
			if l.narrow() {
				fmt.Fprintf(&b, ", %d %s, %d %s", l.A, cmp.Or(l.Way, "both"), l.B, cmp.Or(l.Back, "both"))
			}
			if l.Authors != nil {
				fmt.Fprintf(&b, ", authors %v", l.Authors)
			}
			b.WriteByte('\n')
		}
	}
	for i, o := range p.Ops {
		if o.Kind != "" {
			fmt.Fprintf(&b, "  op %d: %v\n", i, o)
		}
	}
	return b.String()
}

// Keep drops all ops but those with the given numbers, which stay as they are.
func (p Plan) Keep(numbers []int) Plan {
	ops := make([]Op, len(p.Ops))
	for i, o := range p.Ops {
		if slices.Contains(numbers, i) {
			ops[i] = o
		}
	}
	p.Ops = ops
	return p
}

// Without leaves a node out, and what happens to it. It is not ok when it was out before,
// or when the others would not all be joined any more.
func (p Plan) Without(node int) (less Plan, ok bool) {
	if p.Nodes[node].Gone {
		return p, false
	}
	p.Nodes = slices.Clone(p.Nodes)
	p.Nodes[node].Gone = true
	return p, p.joined()
}

// joined reports whether from some node all that there are are reached.
func (p *Plan) joined() bool {
	for i, n := range p.Nodes {
		if !n.Gone && p.reachesAll(i) {
			return true
		}
	}
	return false
}

func (p *Plan) reachesAll(from int) bool {
	reached := p.reached(from)
	for i, n := range p.Nodes {
		if !n.Gone && !reached[i] {
			return false
		}
	}
	return true
}

// reached returns the nodes that get all that a node has, whatever happens on the way.
func (p *Plan) reached(from int) map[int]bool {
	reached := map[int]bool{from: true}
	for range p.Nodes {
		for _, l := range p.Links {
			if l.Hostile || l.Authors != nil || p.Nodes[l.A].Gone || p.Nodes[l.B].Gone {
				continue
			}
			if reached[l.A] && l.passes(l.Way, l.Back) {
				reached[l.B] = true
			}
			if reached[l.B] && l.passes(l.Back, l.Way) {
				reached[l.A] = true
			}
		}
	}
	return reached
}

// Kept returns the numbers of the ops that are left.
func (p Plan) Kept() (numbers []int) {
	for i, o := range p.Ops {
		if o.Kind != "" {
			numbers = append(numbers, i)
		}
	}
	return numbers
}

// chaos is how long things go wrong.
const chaos = 2 * time.Minute

// NewPlan makes the plan of a seed.
func NewPlan(seed uint64) Plan {
	d := newDice(seed, 1)
	p := Plan{Seed: seed, Open: d.in(25), Lists: d.in(50), Tight: d.in(50), Rogues: d.between(0, 2)}
	for range d.between(2, 5) {
		n := Node{Author: d.in(75)}
		if d.in(20) {
			n.Skew = time.Duration(d.between(-300, 300)) * time.Second
		}
		p.Nodes = append(p.Nodes, n)
	}
	p.Nodes[0].Author = true
	for i := 1; i < len(p.Nodes); i++ {
		p.Links = append(p.Links, Link{A: d.IntN(i), B: i})
	}
	for range d.between(0, 2) {
		if a, b := d.IntN(len(p.Nodes)), d.IntN(len(p.Nodes)); a != b {
			p.Links = append(p.Links, Link{A: min(a, b), B: max(a, b), Hostile: d.in(70)})
		}
	}
	if !p.Open && d.in(30) {
		p.Outside = append(p.Outside, d.IntN(p.authors()))
	}
	p.add(d, d.between(5, 40))
	if d.in(5) { // a busy one
		p.add(d, d.between(50, 120))
	}
	slices.SortStableFunc(p.Ops, func(a, b Op) int { return int(a.At - b.At) })
	// By themselves, and last, so that the ops before are as they were without.
	p.narrow(newDice(seed, 3))
	p.drive(newDice(seed, 4))
	return p
}

// drive adds models, and what happens to them.
func (p *Plan) drive(d dice) {
	if !d.in(60) {
		return
	}
	for _, i := range d.Perm(len(kinds))[:d.between(1, 3)] {
		p.Models = append(p.Models, kinds[i].noun)
	}
	for range d.between(3, 8) * len(p.Models) {
		o := Op{At: time.Duration(d.Int64N(int64(chaos))), Kind: Change, Salt: d.Uint64(), N: d.between(1, 3)}
		o.Node, o.Model = d.IntN(len(p.Nodes)), p.Models[d.IntN(len(p.Models))]
		switch n := d.IntN(100); {
		case n < 12:
			o.Kind, o.N, o.For = Remount, 0, time.Duration(d.between(0, 20))*time.Second
			if n < 2 {
				o.Model = kv.DefaultChannel
			}
		case n < 24 && p.Rogues > 0:
			o.Kind, o.Author, o.For = Borrow, len(p.Nodes)+d.IntN(p.Rogues), when(d)
		}
		p.Ops = append(p.Ops, o)
	}
	if d.in(30) {
		p.mountBusily(d)
	}
}

// mountBusily has a node mount its ledger again, which takes a while, and all write to it
// meanwhile, so much that more comes while what came meanwhile is read.
func (p *Plan) mountBusily(d dice) {
	o := Op{At: time.Duration(d.Int64N(int64(chaos / 2))), Kind: Remount, Node: d.IntN(len(p.Nodes)), Model: ledgerChannel, For: time.Second}
	p.Ops = append(p.Ops, o)
	for range 40 {
		write := Op{Kind: Change, Node: d.IntN(len(p.Nodes)), Model: ledgerChannel, N: 1, Salt: d.Uint64()}
		write.At = o.At + time.Duration(d.Int64N(int64(chaos/3)))
		p.Ops = append(p.Ops, write)
	}
}

// narrow adds a link that does not go both ways, or not for all authors, and makes of a
// node that has one link a slave or a master of the others.
func (p *Plan) narrow(d dice) {
	a, b := d.IntN(len(p.Nodes)), d.IntN(len(p.Nodes))
	ways := []Way{Sends, Receives, Listens, ""}
	if a != b && d.in(60) {
		l := Link{A: a, B: b, Hostile: d.in(30), Way: ways[d.IntN(3)], Back: ways[d.IntN(4)]}
		if d.in(40) {
			l.Authors = d.Perm(p.authors())[:d.between(1, 2)]
		}
		p.Links = append(p.Links, l)
	}
	if leaf := d.IntN(len(p.Nodes)); leaf > 0 && d.in(40) && p.links(leaf) == 1 {
		p.Links[leaf-1].Back = ways[d.IntN(3)] // the link that joins it to those before
	}
}

// links is how many a node has.
func (p *Plan) links(node int) (n int) {
	for _, l := range p.Links {
		if l.A == node || l.B == node {
			n++
		}
	}
	return n
}

func (p *Plan) add(d dice, ops int) {
	for range ops {
		o := p.op(d)
		p.Ops = append(p.Ops, o)
		p.Ops = append(p.Ops, p.sequel(o, d)...)
	}
}

// authors is how many there are, as they are numbered: readers have a number and no key.
func (p *Plan) authors() int { return len(p.Nodes) + p.Rogues }

// odds says how often an op is of a kind.
var odds = []struct {
	kind  Kind
	times int
	needs func(*Plan) bool
}{
	{Write, 40, nil},
	{Crash, 4, nil},
	{CrashAt, 6, nil},
	{Restore, 3, nil},
	{Cut, 6, nil},
	{Stall, 3, nil},
	{Outage, 5, keystores},
	{Hang, 2, keystores},
	{WrongKey, 1, keystores},
	{Skew, 3, nil},
	{Withdraw, 4, keystores},
	{Admit, 5, keystores},
	{Window, 3, keystores},
	{Publish, 14, rogues},
	{Fork, 7, rogues},
	{Gap, 3, rogues},
	{BadCopy, 5, nil},
	{Forge, 4, nil},
	{Replay, 2, nil},
	{LieDigest, 2, nil},
}

func keystores(p *Plan) bool { return !p.Open }
func rogues(p *Plan) bool    { return p.Rogues > 0 }

func (p *Plan) op(d dice) Op {
	total := 0
	for _, o := range odds {
		total += o.times
	}
	o := Op{At: time.Duration(d.Int64N(int64(chaos))), Salt: d.Uint64(), Alt: d.in(50)}
	for o.Kind == "" {
		n := d.IntN(total)
		for _, k := range odds {
			if n -= k.times; n < 0 {
				if k.needs == nil || k.needs(p) {
					o.Kind = k.kind
				}
				break
			}
		}
	}
	p.fill(&o, d)
	return o
}

func (p *Plan) fill(o *Op, d dice) {
	o.Node, o.Author = d.IntN(len(p.Nodes)), d.IntN(p.authors())
	o.Link = d.IntN(len(p.Links))
	o.N = d.between(1, 4)
	o.For = time.Duration(d.between(1, 60)) * time.Second
	switch o.Kind {
	case CrashAt:
		o.For = time.Duration(d.between(1, 15)) * time.Second
	case Restore:
		o.N = d.between(1, 12)
	case Publish, Fork, Gap:
		o.Author = len(p.Nodes) + d.IntN(p.Rogues)
		o.For = when(d)
	case Window:
		o.For = time.Duration(d.between(-60, 60)) * time.Second
	case Skew:
		o.For = time.Duration(d.between(-300, 300)) * time.Second // see patience
		if d.in(50) {
			o.For = 0
		}
	case Forge:
		o.N = d.IntN(forgeries)
	}
}

// sequel is what goes with an op, often enough that the two meet.
func (p *Plan) sequel(o Op, d dice) []Op {
	next := Op{Node: o.Node, Author: o.Author, Link: o.Link, N: 1, For: 5 * time.Second, Salt: d.Uint64(), Alt: d.in(50)}
	if !d.in(35) {
		return nil
	}
	switch o.Kind {
	case Write: // while the genuine run is under way
		next.Kind, next.Author, next.Node = BadCopy, o.Node, d.IntN(len(p.Nodes))
		next.At = o.At + time.Duration(d.IntN(20))*time.Millisecond
	case Restore: // as soon as the node is up
		next.Kind, next.At = Write, o.At+time.Second+time.Duration(d.IntN(60))*time.Millisecond
	case Fork:
		if d.in(50) { // while the author is being cut
			next.Kind, next.At, next.N = CrashAt, o.At-time.Millisecond, d.between(1, 3)
		} else { // and a third history, elsewhere
			next.Kind, next.At, next.Node = Fork, o.At+time.Duration(d.IntN(5000))*time.Millisecond, d.IntN(len(p.Nodes))
		}
	case Outage, Hang: // while much of one author comes
		var some []Op
		for i := range 4 * min(p.Rogues, 1) {
			next.Kind, next.Author, next.For = Publish, len(p.Nodes), 0
			next.At, next.Salt = o.At+time.Duration(i+1)*100*time.Millisecond, d.Uint64()
			some = append(some, next)
		}
		return some
	case Withdraw: // and nobody says so to a node that starts
		next.Kind, next.At, next.For = Outage, o.At+8*time.Second, 20*time.Second
		crash := next
		crash.Kind, crash.At, crash.For = Crash, o.At+10*time.Second, time.Second
		return []Op{next, crash}
	default:
		return nil
	}
	return []Op{next}
}

// when is how a rogue dates its updates.
func when(d dice) time.Duration {
	switch d.IntN(6) {
	case 0:
		return -time.Duration(d.between(1, 3600)) * time.Second
	case 1:
		return time.Duration(d.between(60, 400)) * time.Second // parked, and due before the end
	case 2:
		return time.Duration(d.between(1, 10)) * 24 * time.Hour // parked for good
	case 3:
		return tie
	}
	return 0
}

// tie is the date of an update that is dated as another author's newest.
const tie time.Duration = 1
