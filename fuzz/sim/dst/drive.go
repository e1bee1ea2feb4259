package dst

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/model/events"
	"github.com/hearsaynet/hearsay/replica/model/kv"
	"github.com/hearsaynet/hearsay/replica/node/models"
	"github.com/hearsaynet/hearsay/replica/store"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// driven is a mounted model that a simulation drives.
type driven interface {
	// write writes something, and returns the updates, some perhaps without their hashes,
	// also when not all could be written.
	write(ctx context.Context, d dice, n *node) ([]wire.Ref, error)
	// dump writes down all that readers see.
	dump() (string, error)
	close()
}

// mountKind mounts a model of a kind.
func mountKind(r *replica.Replica, noun string) (driven, error) {
	if noun == events.DefaultChannel {
		l, err := events.Mount(r, "", events.Config{})
		return eventLog{l}, err
	}
	o := &operated{set: models.NewSet(r), kind: kindOf(noun)}
	_, err := o.dump() // an operation mounts it
	return o, err
}

// operated is a model that is driven through the operations of package models.
type operated struct {
	set  *models.Set
	kind kind
	refs []wire.Ref // what the operations under way have written
}

func (o *operated) write(ctx context.Context, d dice, n *node) ([]wire.Ref, error) {
	o.refs = nil
	err := o.kind.write(&scribe{d, ctx, o, n.self()})
	return o.refs, err
}

// Do implements models.Doer.
func (o *operated) Do(ctx context.Context, name, channel string, request json.RawMessage) iter.Seq2[json.RawMessage, error] {
	return func(yield func(json.RawMessage, error) bool) {
		for a, err := range o.set.Do(ctx, name, channel, request) {
			if err != nil {
				yield(nil, err)
				return
			}
			switch a := a.(type) {
			case wire.Ref:
				o.refs = append(o.refs, a)
			case models.Inserted:
				o.refs = append(o.refs, wire.Ref{Author: a.Author, Seq: a.Seq})
			}
			answer, err := json.Marshal(a)
			if !yield(answer, err) {
				return
			}
		}
	}
}

func (o *operated) dump() (string, error) {
	var b strings.Builder
	for _, show := range o.kind.shows {
		for answer, err := range o.Do(background, show, "", json.RawMessage("null")) {
			if err != nil {
				return "", err
			}
			b.WriteString(string(answer) + "\n")
		}
	}
	return b.String(), nil
}

func (o *operated) close() { o.set.Close() }

// eventLog is an events.Log, which package models does not have.
type eventLog struct{ *events.Log }

func (l eventLog) write(ctx context.Context, d dice, n *node) ([]wire.Ref, error) {
	s := &scribe{dice: d}
	data := [][]byte{s.bytes()}
	for s.in(30) {
		data = append(data, s.bytes())
	}
	if s.in(20) {
		return l.PublishFor(ctx, s.name(), 1000*time.Hour, data...)
	}
	return l.PublishMany(ctx, s.name(), data...)
}

func (l eventLog) dump() (string, error) {
	all, err := l.Replay("**", events.From{})
	if err != nil {
		return "", err
	}
	return each(all), nil
}

func (l eventLog) close() { l.Close() }

// mountAll mounts all models of a node.
func (n *node) mountAll() (err error) {
	n.models = make(map[string]driven)
	if n.unmount, err = n.replica.Mount(ledgerChannel, n.ledger); err != nil {
		return err
	}
	for _, noun := range append([]string{kv.DefaultChannel}, n.world.plan.Models...) {
		if err := n.mount(noun); err != nil {
			return err
		}
	}
	return nil
}

// mount mounts one of a node's models, if it is not.
func (n *node) mount(noun string) (err error) {
	if noun == kv.DefaultChannel {
		if n.kv == nil {
			cfg := kv.Config{}
			if n.world.options.Map != nil {
				n.world.options.Map(&cfg)
			}
			n.kv, err = kv.Mount(n.replica, "", cfg)
		}
		return err
	}
	if n.models[noun] == nil {
		n.models[noun], err = mountKind(n.replica, noun)
	}
	return err
}

// remount takes a model away for a while.
func (n *node) remount(noun string, away time.Duration) {
	v := n.vol
	switch m := n.models[noun]; {
	case noun == ledgerChannel && n.unmount != nil:
		n.unmount()
		n.unmount = nil
	case noun == kv.DefaultChannel && n.kv != nil:
		n.kv.Close()
		n.kv = nil
	case m != nil:
		m.close()
		delete(n.models, noun)
	default:
		return
	}
	n.world.after(away, "", func() {
		switch {
		case n.vol != v || n.replica == nil:
		case noun == ledgerChannel:
			n.mountSlowly()
		default:
			n.remounted(noun, n.mount(noun))
		}
	})
}

// mountSlowly mounts the ledger, at which time passes and more comes.
func (n *node) mountSlowly() {
	w, v, l, r := n.world, n.vol, n.ledger, n.replica
	pause := func(ref wire.Ref) time.Duration {
		return time.Duration(fate(3000, w.plan.Seed, "mount", n.index, ref.Author.String(), ref.Seq)) * time.Millisecond
	}
	w.tasks.Go(func() {
		unmount, err := l.mountSlowly(r, pause)
		w.net.report(fmt.Sprintf("node %d mounts", n.index), func() {
			if n.vol == v {
				n.unmount = unmount
				n.remounted(ledgerChannel, err)
			}
		})
	})
}

func (n *node) remounted(noun string, err error) {
	if err != nil && !n.vol.isDead() {
		n.world.fail("crash-safe", "node %d does not mount %q again: %v", n.index, noun, err)
	}
	n.world.note("node %d has mounted %q again", n.index, noun)
}

// change has a node write to a model, times times.
func (n *node) change(noun string, times int, salt uint64) {
	if noun == ledgerChannel {
		n.write(ledgerChannel, fmt.Appendf(nil, "%x", salt))
		return
	}
	m := n.models[noun]
	if m == nil {
		return
	}
	d := newDice(salt, 4)
	n.writes(func(ctx context.Context, _ *replica.Replica) (refs []wire.Ref, err error) {
		for range times {
			more, err := m.write(ctx, d, n)
			if refs = append(refs, more...); err != nil {
				return refs, err
			}
		}
		return refs, nil
	})
}

// borrowed is a change to a model, as some honest author has made it or damaged.
func (w *world) borrowed(d dice, noun string) []byte {
	var all []string
	for _, a := range w.authors {
		if a == nil || a.rogue {
			continue
		}
		for _, u := range a.chain(a.frontier) {
			if u.channel == noun {
				all = append(all, u.change)
			}
		}
	}
	if len(all) == 0 {
		return []byte{byte(d.IntN(4)), byte(d.IntN(4))}
	}
	b := []byte(all[d.IntN(len(all))])
	if len(b) > 0 && d.in(40) {
		b[d.IntN(len(b))] ^= 1 << d.IntN(8)
	}
	return b
}

// compareModels looks whether the node's models show what a replica's do that got of each
// author, in one run after another, what must count, and nothing else ever.
func (n *node) compareModels(chains []history) string {
	if len(n.world.plan.Models) == 0 {
		return ""
	}
	want, err := n.world.shown(n, chains)
	if err != nil {
		return err.Error()
	}
	for _, noun := range n.world.plan.Models {
		m := n.models[noun]
		if m == nil {
			return fmt.Sprintf("the %s is not mounted", noun)
		}
		got, err := m.dump()
		if err != nil {
			return fmt.Sprintf("the %s cannot be read: %v", noun, err)
		}
		if got != want[noun] {
			return fmt.Sprintf("the %s shows %s", noun, differ(got, want[noun]))
		}
	}
	return ""
}

// differ shows where two dumps part.
func differ(got, want string) string {
	a, b := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range max(len(a), len(b)) {
		a, b := line(a, i), line(b, i)
		if a != b {
			return fmt.Sprintf("in line %d %.300s, not %.300s", i+1, cmp.Or(a, "nothing"), cmp.Or(b, "nothing"))
		}
	}
	return "nothing else"
}

func line(lines []string, i int) string {
	if i < len(lines) {
		return lines[i]
	}
	return ""
}

// history is what counts of an author.
type history struct {
	author  *author
	updates []update
}

// shown is what the models of a replica show that knows some histories at a node's time.
func (w *world) shown(n *node, chains []history) (map[string]string, error) {
	now := n.now()
	var due []byte
	for _, h := range chains {
		for _, u := range h.updates {
			if u.time <= newest(now) {
				due = append(due, u.Hash[:]...)
			}
		}
	}
	if w.shows == nil {
		w.shows = make(map[string]map[string]string)
	}
	if s := w.shows[string(due)]; s != nil {
		return s, nil
	}
	s, err := w.fold(now, chains)
	w.shows[string(due)] = s
	return s, err
}

// fold has a new replica, whose clock stands at now, show some histories.
func (w *world) fold(now time.Time, chains []history) (map[string]string, error) {
	ks, memory := keys.NewMemory(), store.NewMemory()
	for _, h := range chains {
		ks.Add(h.author.signer.Public())
		prev := wire.Ref{Author: h.author.id}
		for part := range slices.Chunk(h.updates, 16) {
			run := h.author.sign(topic, prev, entriesOf(part))
			if err := memory.Append(background, run); err != nil {
				return nil, err
			}
			prev = run.End()
		}
	}
	r, err := replica.Open(background, replica.Config{Topic: topic, Store: memory, Keystore: ks, Now: func() time.Time { return now }})
	if err != nil {
		return nil, err
	}
	defer r.Close()
	shown := make(map[string]string)
	for _, noun := range w.plan.Models {
		m, err := mountKind(r, noun)
		if err != nil {
			return nil, err
		}
		defer m.close()
		if shown[noun], err = m.dump(); err != nil {
			return nil, err
		}
	}
	return shown, nil
}
