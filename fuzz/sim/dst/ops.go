package dst

import (
	"fmt"
	"time"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica/model/kv"
)

// do carries out an op. What makes no sense at its time is left out.
func (w *world) do(i int, o Op) {
	n := w.nodes[o.Node]
	a := w.authors[o.Author]
	w.note("op %d: %v", i, o)
	switch o.Kind {
	case Write:
		channel, list := changes(o)
		n.write(channel, list...)
	case Change:
		n.change(o.Model, o.N, o.Salt)
	case Remount:
		n.remount(o.Model, o.For)
	case Crash, CrashAt, Restore, Cut, Stall, Skew, Withdraw:
		if time.Now().After(w.guarded) { // else a restored node is being told what it wrote
			w.harm(n, a, o)
		}
	case Admit:
		if a != nil {
			w.admit(a, true, nil, o.Salt)
		}
	case Window:
		if a != nil && !a.rogue && !w.outside[a.id] {
			until := time.Now().Add(era + o.For)
			w.admit(a, true, keys.Windows{{Before: until}}, o.Salt)
		}
	case Outage:
		w.ail(n, down, o)
	case Hang:
		w.ail(n, hanging, o)
	case WrongKey:
		w.ail(n, wrong, o)
	default:
		if n.replica != nil && a != nil {
			w.attack(i, n, a, o)
		}
	}
}

func (w *world) harm(n *node, a *author, o Op) {
	switch o.Kind {
	case Crash:
		n.crash(o.For)
	case CrashAt:
		if n.vol != nil {
			n.rises = o.For
			n.vol.arm(o.N, o.Alt)
		}
	case Restore:
		n.restore(o.N)
	case Cut:
		l := w.links[o.Link]
		l.down = time.Now().Add(o.For)
		l.hangUp()
		l.redial(o.For)
	case Stall:
		w.links[o.Link].stall = time.Now().Add(o.For)
	case Skew:
		n.setSkew(o.For)
	case Withdraw:
		if a != nil {
			w.admit(a, false, nil, o.Salt)
		}
	}
}

// guardTime is how long a restored node is left in peace.
const guardTime = 45 * time.Second

// restore gives a node an old disk, if a neighbour knows all that it ever wrote: nobody
// else can tell it. Its clock must not have been set back: heads that it signed before are
// in the future then, as those of another node with its key would be.
func (n *node) restore(without int) {
	w := n.world
	if n.author == nil || n.replica == nil || n.suspect || n.writing || n.now().Before(n.ever) || w.outside[n.author.id] {
		return
	}
	told := false
	for _, l := range w.links {
		if peer := l.other(n); peer != nil && l.carries() && peer.replica != nil {
			told = told || peer.replica.Clock()[n.author.id] == n.author.frontier
		}
	}
	if !told || n.author.frontier.Seq == 0 {
		return
	}
	w.note("node %d loses %d writes", n.index, without)
	w.guarded = time.Now().Add(guardTime)
	n.suspect = true
	n.crash(time.Second)
	n.disk.image(without)
	if n.ks != nil {
		n.ks.forget(chaos)
	}
}

// admit changes who is admitted; the nodes learn it one after another.
func (w *world) admit(a *author, admitted bool, ws keys.Windows, salt uint64) {
	if w.plan.Open || w.outside[a.id] == !admitted && w.windows[a.id].Equal(ws) {
		return
	}
	w.outside[a.id], w.windows[a.id] = !admitted, ws
	for i, n := range w.nodes {
		delay := time.Duration(fate(5000, salt, i)) * time.Millisecond
		w.after(delay, "", func() { n.ks.set(a.signer.Public(), !w.outside[a.id], w.windows[a.id]) })
	}
}

// ail makes a node's keystore fail for a while.
func (w *world) ail(n *node, h health, o Op) {
	if n.ks == nil {
		return
	}
	n.ks.turn(h, true)
	w.after(o.For, "", func() {
		w.note("the keystore of node %d is well", n.index)
		n.ks.turn(well, o.Alt)
	})
}

// changes makes the changes of a Write.
func changes(o Op) (channel string, list [][]byte) {
	d := newDice(o.Salt, 2)
	if d.in(50) {
		for i := range o.N {
			list = append(list, fmt.Appendf(nil, "%x %d", o.Salt, i))
		}
		return ledgerChannel, list
	}
	for range o.N {
		list = append(list, mapChange(d))
	}
	return kv.DefaultChannel, list
}

// mapChange makes a change of one of few keys.
func mapChange(d dice) []byte {
	key := fmt.Sprintf("key %d", d.IntN(4))
	if d.in(20) {
		return deleteChange(key)
	}
	n := d.Uint32()
	value := fmt.Appendf(nil, "%x", n)
	b, err := kv.SetChange(key, value)
	switch n % 8 { // what expires does so at no time that clocks here may show
	case 0:
		b, err = kv.SetUntilChange(key, value, longAgo)
	case 1:
		b, err = kv.SetUntilChange(key, value, farAhead)
	}
	if err != nil {
		panic(err)
	}
	return b
}
