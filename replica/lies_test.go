package replica_test

import (
	"crypto/rand"
	"runtime"
	"sort"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/internal/wiretest"
	"github.com/hearsaynet/hearsay/replica/wire"
)

func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// Full digests that name ever new ids are not all remembered.
func TestAccountsAreBounded(t *testing.T) {
	p := open(t, "", nil)
	link := dial(t, p)
	send := func(n int) {
		for i := range n {
			refs := make([]wire.Ref, wire.MaxDigestRefs)
			for j := range refs {
				var d [34]byte
				rand.Read(d[:])
				d[0], d[1] = 0x12, 0x20
				id, _ := keys.NodeIDFromBytes(d[:])
				refs[j] = wire.Ref{Author: id}
			}
			sort.Slice(refs, func(a, b int) bool { return refs[a].Author.Compare(refs[b].Author) < 0 })
			link.digest(uint64(i+1), wire.UnnamedWanted, refs...)
		}
		link.sync()
	}
	send(10)
	before := heap()
	send(90)
	grown := int64(heap()) - int64(before)
	if grown > 20<<20 {
		t.Errorf("memory grows with digests: %d MB", grown>>20)
	}
	runtime.KeepAlive(p)
}

// A forged run far ahead does not put its author in state gap.
func TestForgedRunMakesNoGap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := wiretest.NewAuthor("x")
		p := open(t, "", atModern)
		runs := x.Chain(topic, x.Start(), 2, 1)
		good := dialBy(t, p, x, runs[0])
		evil := dialAs(t, p, "evil")
		far := x.Run(topic, wire.Ref{Author: x.ID(), Seq: 1 << 40, Hash: wire.Hash{1}}, wiretest.Change(1, "test", "no such update"))
		evil.send(wire.FrameRun, tampered(far, 5))
		rest(time.Second)
		good.run(runs[1])
		good.sync()
		rest(time.Hour)
		if a := p.authorOf(t, x.ID()); a.State != replica.StateOK {
			t.Errorf("an hour after one forged run: %v: %v", a.State, a.Reason)
		}
	})
}

// Forged heads do not use up an author's pace.
func TestForgedHeadsStarveNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := wiretest.NewAuthor("x")
		p := open(t, "", atModern)
		runs := x.Chain(topic, x.Start(), 1, 1)
		good := dialBy(t, p, x, runs[0])
		good.head(head(x, runs[0].End(), modern()))
		good.sync()
		rest(10 * time.Minute)
		for range 3 {
			evil := dialAs(t, p, "evil")
			evil.key(x)
			evil.send(wire.FrameHead, tampered(head(x, runs[0].End(), modern()), 5))
			rest(time.Second)
		}
		good.head(head(x, runs[1].End(), modern()))
		good.sync()
		rest(30 * time.Second)
		if a := p.authorOf(t, x.ID()); a.Word == nil || a.Word.Seq != 2 {
			t.Errorf("three forged heads, and the genuine one was dropped: word %+v", a.Word)
		}
	})
}

// A replica is not current while a second history of a living author is looked for.
func TestNotCurrentInDoubt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := wiretest.NewAuthor("x")
		p := open(t, "", atModern)
		runs := x.Chain(topic, x.Start(), 1, 1)
		good := dialBy(t, p, x, runs...)
		good.head(head(x, wire.Ref{Seq: 2, Hash: wire.Hash{9}}, modern()))
		good.sync()
		rest(3 * time.Second)
		s := p.Status()
		if s.Current && s.Authors[0].State == replica.StateForked {
			t.Errorf("current, while %v", s.Authors[0].Reason)
		}
	})
}
