package bench

import (
	"context"
	"fmt"
	"net"
	"runtime"
	"time"

	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/link"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// forkConverge measures what follows when the holder of one branch, to which a watcher
// is linked that has it too, is linked to the holder of the other branch. Both branches
// stand on one run and have that many updates of their own.
func forkConverge(perRun, updates int) measure {
	return func(ctx context.Context, dir string) (measured, error) {
		x, err := newAuthor("fork")
		if err != nil {
			return measured{}, err
		}
		shared, err := x.runs(ctx, perRun, perRun)
		if err != nil {
			return measured{}, err
		}
		y := x.branch()
		one, err := x.runs(ctx, perRun, updates)
		if err != nil {
			return measured{}, err
		}
		two, err := y.runs(ctx, perRun, updates)
		if err != nil {
			return measured{}, err
		}
		return converge(ctx, dir, shared, one, two)
	}
}

// converge links replicas of the branches. It returns when all show the shared updates
// and nothing else.
func converge(ctx context.Context, dir string, common, branch, other []*wire.Run) (measured, error) {
	before := heapLive()
	var all []*target
	for i, runs := range [][]*wire.Run{branch, other, branch} {
		t, err := openTarget(ctx, dir, fmt.Sprint(i), nil, common, runs)
		if err != nil {
			return measured{}, err
		}
		defer t.close()
		all = append(all, t)
	}
	one, two, watcher := all[0], all[1], all[2]
	shared, above := updatesIn(common), updatesIn(branch)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	w, err := tie(ctx, one, watcher, "watcher")
	if err != nil {
		return measured{}, err
	}
	defer w.stop()
	if err := until(ctx, w.drained); err != nil {
		return measured{}, err
	}
	m := startMeter()
	b, err := tie(ctx, one, two, "other branch")
	if err != nil {
		return measured{}, err
	}
	defer b.stop()
	if err := until(ctx, each(all, func(t *target) bool { return len(t.cuts()) > 0 })); err != nil {
		return measured{}, err
	}
	cut := time.Since(m.began).Seconds()
	if err := until(ctx, each(all, func(t *target) bool { return t.kv.Len() == shared })); err != nil {
		return measured{}, err
	}
	seconds, memory := m.end()
	got := measured{rate: float64(above) / seconds, memory: memory}
	got.figures = append(got.figures, Figure{"all cut after", cut, "s"}, Figure{"all rebuilt after", seconds, "s"})
	got.figures = append(got.figures, b.figures("between the branches")...)
	got.figures = append(got.figures, w.figures("to the watcher")...)
	got.figures = append(got.figures,
		Figure{"heap at most, a replica", float64(memory.Heap+m.base-before) / 3, "B"},
		Figure{"heap in the end, a replica", (float64(heapLive()) - float64(before)) / 3, "B"})
	runtime.KeepAlive([][]*wire.Run{common, branch, other}) // they are in before
	return got, nil
}

func updatesIn(runs []*wire.Run) (n int) {
	for _, r := range runs {
		n += r.Len()
	}
	return n
}

func each(all []*target, so func(*target) bool) func() bool {
	return func() bool {
		for _, t := range all {
			if !so(t) {
				return false
			}
		}
		return true
	}
}

// linked is a link between two replicas, and what it has carried.
type linked struct {
	conn     *link.Conn // the dialing side
	stop     func()
	drained  func() bool // the dialing side has what the other had
	counters replica.Counters
}

// tie links two replicas; name is what the accepting one calls the link.
func tie(ctx context.Context, accepts, dials *target, name string) (*linked, error) {
	l := &linked{drained: func() bool {
		for _, s := range dials.Links() {
			if s.Peer == "accepting" && s.Drained {
				return true
			}
		}
		return false
	}}
	var err error
	l.conn, l.stop, err = joined(ctx, accepts.Replica, name, func(ctx context.Context, c net.Conn) error {
		return dials.Sync(ctx, c, replica.SyncConfig{Name: "accepting", Counters: &l.counters})
	})
	return l, err
}

func (l *linked) figures(where string) []Figure {
	return []Figure{
		{"bytes " + where, float64(l.conn.BytesIn() + l.conn.BytesOut()), "B"},
		{"updates " + where, float64(l.counters.UpdatesIn.Load() + l.counters.UpdatesOut.Load()), ""},
	}
}

// fork signs the author's next update and another in its place.
func (a *author) fork(ctx context.Context) (*wire.Run, *wire.Proof, error) {
	other, err := a.branch().run(ctx, 1)
	if err != nil {
		return nil, nil, err
	}
	run, err := a.run(ctx, 1)
	if err != nil {
		return nil, nil, err
	}
	p, err := wire.NewProof(run, other, run.First())
	return run, p, err
}
