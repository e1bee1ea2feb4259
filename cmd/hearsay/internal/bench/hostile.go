package bench

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/wire"
	"github.com/hearsaynet/hearsay/verify"
)

// crowd is single updates of 100 honest authors, as one link carries them. All cases of
// a run have the same.
type crowd struct {
	perAuthor int

	frames  []byte // nil before they are signed
	keys    *keys.Memory
	updates int
}

const crowdAuthors = 100

// sign makes the frames, the first time that it is called.
func (c *crowd) sign(ctx context.Context) error {
	if c.frames != nil {
		return nil
	}
	authors, err := newAuthors("author", crowdAuthors)
	if err != nil {
		return err
	}
	runs := make([][]*wire.Run, len(authors))
	var frames []byte
	c.keys = keys.NewMemory()
	for i, a := range authors {
		c.keys.Add(a.signer.Public())
		frames = appendFrame(frames, wire.FrameKey, a.signer.Public().Wire())
		if runs[i], err = a.runs(ctx, 1, c.perAuthor); err != nil {
			return err
		}
	}
	for n := range c.perAuthor {
		for i := range authors {
			frames = appendFrame(frames, wire.FrameRun, runs[i][n].Body())
		}
	}
	c.frames, c.updates = frames, c.perAuthor*len(authors)
	return nil
}

// attack is what one hostile link brings meanwhile, and what is there before.
type attack struct {
	frames []byte                 // nil: there is no such link
	before []*wire.Run            // what the replica holds already
	keys   int                    // how many keys that sets, besides the attacker's
	took   func(*target) []Figure // says what became of the attack
	verify verify.Func            // also of the updates of the crowd; nil: any key
}

// through measures how fast the crowd's updates are verified, stored and applied.
func (c *crowd) through(ctx context.Context, dir string, a attack) (measured, error) {
	name := fmt.Sprintf("live-%d", stores.Add(1))
	if a.verify == nil {
		a.verify = verify.AnyKey()
	}
	t, err := openTargetFor(ctx, dir, name, a.verify, nil, a.before)
	if err != nil {
		return measured{}, err
	}
	defer t.close()
	resets := &resetCounter{}
	unmount, err := t.Mount("resets", resets)
	if err != nil {
		return measured{}, err
	}
	defer unmount()
	resets.n.Store(0)
	m := startMeter()
	used := cpuTime()
	if a.frames != nil {
		_, stop, err := joined(ctx, t.Replica, "hostile", says(a.frames))
		if err != nil {
			return measured{}, err
		}
		defer stop()
	}
	_, stop, err := joined(ctx, t.Replica, "honest", says(c.frames))
	if err != nil {
		return measured{}, err
	}
	defer stop()
	if err := t.reach(ctx, a.keys+c.updates); err != nil {
		return measured{}, err
	}
	got := m.rate(c.updates)
	got.cpu = cpuTime() - used
	if a.took != nil {
		got.figures = append(a.took(t), Figure{"rebuilds", float64(resets.n.Load()), ""})
	}
	return got, nil
}

// stores numbers the stores of a process.
var stores atomic.Int64

// resetCounter is a model that counts rebuilds.
type resetCounter struct{ n atomic.Int64 }

func (c *resetCounter) ApplyUpdate(replica.Update) (bool, error) { return true, nil }

func (c *resetCounter) Reset() { c.n.Add(1) }

// attacks is how often a crowd is measured under an attack, each time between two
// measures without: a machine that others use changes its pace.
const attacks = 2

// beside measures the crowd under an attack, and without.
func (c *crowd) beside(ctx context.Context, dir string, a attack) (measured, error) {
	if err := c.sign(ctx); err != nil {
		return measured{}, err
	}
	calm := a
	calm.frames, calm.took = nil, nil
	var without, under pace
	for range attacks {
		if err := errors.Join(without.add(c.through(ctx, dir, calm)), under.add(c.through(ctx, dir, a))); err != nil {
			return measured{}, err
		}
	}
	if err := without.add(c.through(ctx, dir, calm)); err != nil {
		return measured{}, err
	}
	m := under.measured
	m.rate, m.base, m.to = under.mean(), without.mean(), "the same without"
	m.figures = append(m.figures, Figure{"ratio by CPU time", without.meanCPU() / under.meanCPU(), ""}, Figure{"without", m.base, "/s"}, Figure{"heap without", float64(without.memory.Heap), "B"})
	return m, nil
}

// pace is several measures of the same updates.
type pace struct {
	measured         // the last, with the most memory of all
	seconds  float64 // an update, of all
	used     time.Duration
	n        int
}

func (p *pace) add(m measured, err error) error {
	if err != nil {
		return err
	}
	m.memory = Memory{max(m.memory.Heap, p.memory.Heap), max(m.memory.RSS, p.memory.RSS)}
	p.measured = m
	p.seconds += 1 / m.rate
	p.used += m.cpu
	p.n++
	return nil
}

// mean is the updates a second of all measures together.
func (p *pace) mean() float64 { return float64(p.n) / p.seconds }

// meanCPU is the CPU seconds of a measure; 1 where that is not known.
func (p *pace) meanCPU() float64 {
	if p.used == 0 {
		return 1
	}
	return p.used.Seconds() / float64(p.n)
}

// liveFlood has one author send updates on another link.
func liveFlood(c *crowd, perRun, updates int) measure {
	return func(ctx context.Context, dir string) (measured, error) {
		x, err := newAuthor("flood")
		if err != nil {
			return measured{}, err
		}
		x.same = true
		runs, err := x.runs(ctx, perRun, updates)
		if err != nil {
			return measured{}, err
		}
		frames := appendFrame(nil, wire.FrameKey, x.signer.Public().Wire())
		for _, r := range runs {
			frames = appendFrame(frames, wire.FrameRun, r.Body())
		}
		return c.beside(ctx, dir, attack{frames: frames, took: func(t *target) []Figure {
			return []Figure{{"of the flood taken", float64(t.Clock()[x.prev.Author].Seq), "updates"}}
		}})
	}
}

// liveForkStorm has one author whose updates are known prove a fork of itself at every
// seq, from the highest down to the first.
func liveForkStorm(c *crowd, before, forks int) measure {
	return func(ctx context.Context, dir string) (measured, error) {
		x, err := newAuthor("fork")
		if err != nil {
			return measured{}, err
		}
		x.same = true
		a := attack{before: make([]*wire.Run, forks)}
		proofs := make([]*wire.Proof, forks)
		for i := range forks {
			if a.before[i], proofs[i], err = x.fork(ctx); err != nil {
				return measured{}, err
			}
		}
		a.frames = appendFrame(nil, wire.FrameKey, x.signer.Public().Wire())
		for _, p := range slices.Backward(proofs) {
			a.frames = appendFrame(a.frames, wire.FrameFork, p.Body())
		}
		a.took = func(t *target) []Figure {
			proved := 0
			if cuts := t.cuts(); len(cuts) > 0 {
				proved = forks + 1 - int(cuts[0])
			}
			return []Figure{{"forks taken", float64(proved), ""}}
		}
		return c.stormed(ctx, dir, before, a)
	}
}

// liveForkCrowd has many authors, of each of which an update is known, prove a fork
// there.
func liveForkCrowd(c *crowd, before, forks int) measure {
	return func(ctx context.Context, dir string) (measured, error) {
		authors, err := newAuthors("fork", forks)
		if err != nil {
			return measured{}, err
		}
		var a attack
		for _, x := range authors {
			x.label, x.same = "fork", true
			run, proof, err := x.fork(ctx)
			if err != nil {
				return measured{}, err
			}
			a.before = append(a.before, run)
			a.frames = appendFrame(a.frames, wire.FrameKey, x.signer.Public().Wire())
			a.frames = appendFrame(a.frames, wire.FrameFork, proof.Body())
		}
		a.took = func(t *target) []Figure {
			return []Figure{{"forks taken", float64(len(t.cuts())), ""}}
		}
		return c.stormed(ctx, dir, before, a)
	}
}

// stormed measures a crowd under an attack on a replica that holds updates of others
// too, which every rebuild folds again.
func (c *crowd) stormed(ctx context.Context, dir string, before int, a attack) (measured, error) {
	runs, err := manyAuthors(ctx, 100, before)
	if err != nil {
		return measured{}, err
	}
	a.keys = updatesIn(runs)
	a.before = append(a.before, runs...)
	return c.beside(ctx, dir, a)
}

// manyAuthors signs about that many updates, in runs of up to 100.
func manyAuthors(ctx context.Context, authors, updates int) (all []*wire.Run, err error) {
	as, err := newAuthors("old", authors)
	if err != nil {
		return nil, err
	}
	each := max(1, updates/authors)
	for _, a := range as {
		runs, err := a.runs(ctx, min(100, each), each)
		if err != nil {
			return nil, err
		}
		all = append(all, runs...)
	}
	return all, nil
}
