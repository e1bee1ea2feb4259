package replica_test

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/internal/wiretest"
	"github.com/hearsaynet/hearsay/replica/store"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// windowed admits one key for some signed times.
type windowed struct {
	*keys.Memory
	key keys.PublicKey

	mu sync.Mutex // guards ws, then
	ws keys.Windows
	// then is called once, between finding an answer and giving it.
	then func()
}

func newWindowed(a *wiretest.Author, ws ...keys.Window) *windowed {
	return &windowed{Memory: keys.NewMemory(a.Key()), key: a.Key(), ws: ws}
}

func (w *windowed) LookupAdmission(ctx context.Context, id keys.NodeID) (keys.Admission, error) {
	k, err := w.Lookup(ctx, id)
	w.mu.Lock()
	ws, then := w.ws, w.then
	w.then = nil
	w.mu.Unlock()
	if then != nil {
		then()
	}
	return keys.Admission{Key: k, Windows: ws}, err
}

// set changes the windows and tells.
func (w *windowed) set(ws ...keys.Window) {
	w.mu.Lock()
	w.ws = ws
	w.mu.Unlock()
	w.Add(w.key)
}

func until(second int64) keys.Window { return keys.Window{Before: time.Unix(second, 0)} }

// by has a replica go by what ks says, and keep its updates in s.
func by(ks keys.Keystore, s store.Store) func(*replica.Config) {
	return func(c *replica.Config) { c.Verify, c.Keystore, c.Store = nil, ks, s }
}

// runsAt are runs of so many updates each behind prev, signed at the given seconds.
func runsAt(a *wiretest.Author, prev wire.Ref, lens []int, seconds ...uint64) (runs []*wire.Run) {
	for _, n := range lens {
		var entries []wire.Entry
		for i, s := range seconds[:n] {
			entries = append(entries, wiretest.Change(s*1e9, "test", fmt.Sprint(prev.Seq+uint64(i)+1)))
		}
		run := a.Run(topic, prev, entries...)
		runs, prev, seconds = append(runs, run), run.End(), seconds[n:]
	}
	return runs
}

// exported is an export of statements.
func exported[S wire.Statement](t *testing.T, statements ...S) []byte {
	t.Helper()
	var file bytes.Buffer
	w, err := wire.NewExportWriter(&file, "test", topic)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range statements {
		if err := w.Write(s); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

func (p *peer) take(t *testing.T, file []byte) {
	t.Helper()
	p.Import(t.Context(), bytes.NewReader(file)) // what it refuses it says, too
}

// counts lets a minute of fake time pass, and then wants exactly the first n updates of
// id in the model, in the history and in the status.
func (p *peer) counts(t *testing.T, id keys.NodeID, n uint64) {
	t.Helper()
	rest(time.Minute)
	if got := p.journal.of(id); !slices.Equal(got, count(n)) {
		t.Errorf("%v is in the model, want 1 to %d", got, n)
	}
	var history []uint64
	for u, err := range p.History(nil, replica.ByAuthor) {
		if err != nil {
			t.Error(err)
		}
		history = append(history, u.Seq)
	}
	if p.Clock()[id].Seq > 0 && !slices.Equal(history, count(n)) {
		t.Errorf("%v is the history, want 1 to %d", history, n)
	}
	if got := p.Status().Counts.Applied; got != n {
		t.Errorf("the status counts %d updates, want %d", got, n)
	}
}

// lengths are all the ways to make n of runs.
func lengths(n int) (all [][]int) {
	if n == 0 {
		return [][]int{nil}
	}
	for first := 1; first <= n; first++ {
		for _, behind := range lengths(n - first) {
			all = append(all, append([]int{first}, behind...))
		}
	}
	return all
}

// TestRunsDoNotDecideWhatCounts: who passes updates on may join runs and cut them. What
// counts of an author is what comes before its first update outside its windows.
func TestRunsDoNotDecideWhatCounts(t *testing.T) {
	a := wiretest.NewAuthor("a")
	at := []uint64{100, 101, 110, 102, 103} // the third is outside
	for _, lens := range lengths(len(at)) {
		for _, have := range []int{0, 1, 2} { // that come in runs of one before
			t.Run(fmt.Sprint(have, lens), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					ks, disk := newWindowed(a, until(105)), store.NewMemory()
					p := open(t, "", by(ks, disk))
					single := runsAt(a, a.Start(), []int{1, 1, 1, 1, 1}, at...)
					p.take(t, exported(t, append(single[:have:have], runsAt(a, a.Start(), lens, at...)...)...))
					p.counts(t, a.ID(), 2)
					ends := p.Clock()[a.ID()].Seq
					x := p.explain(t, a.ID(), 2)
					if x.State != replica.StateApplied {
						t.Errorf("Explain 2 = %v %q", x.State, x.Reason)
					}
					for seq := uint64(3); seq <= ends; seq++ {
						if x := p.explain(t, a.ID(), seq); x.State != replica.StateUnknown || !strings.Contains(x.Reason, "update 3 is signed outside") || !strings.Contains(x.Reason, "admitted for, until 1970-01-01T00:01:45Z") {
							t.Errorf("Explain %d = %v %q", seq, x.State, x.Reason)
						}
					}
					if x := p.explain(t, a.ID(), 0); ends > 2 && !strings.Contains(x.Reason, fmt.Sprintf("%d updates stored, of which 2 count", ends)) {
						t.Errorf("Explain = %v %q", x.State, x.Reason)
					}
					p.Close()
					open(t, "", by(down{}, disk)).counts(t, a.ID(), 2)
					open(t, "", by(ks, disk)).counts(t, a.ID(), 2)
				})
			})
		}
	}
}

func (p *peer) explain(t *testing.T, id keys.NodeID, seq uint64) replica.Explanation {
	t.Helper()
	x, err := p.Explain(t.Context(), id, seq)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// TestWholeRunsArePassedOn: the run in which the windows end is passed on as it is, since
// its signature is the only one that what counts of it has.
func TestWholeRunsArePassedOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := wiretest.NewAuthor("a")
		p := open(t, "", by(newWindowed(a, until(101)), store.NewMemory()))
		q := open(t, "", by(newWindowed(a, until(101)), store.NewMemory()))
		p.take(t, exported(t, runsAt(a, a.Start(), []int{3}, 100, 101, 102)...))
		link(t, p.Replica, q.Replica)
		q.counts(t, a.ID(), 2)
		if got := q.Clock()[a.ID()].Seq; got != 3 {
			t.Errorf("%d updates are stored, want 3", got)
		}
	})
}

// TestWindowsOfWhatIsStored: a replica that had stored updates before they fell outside
// the times of their author ends in the state of one that was never given them.
func TestWindowsOfWhatIsStored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := wiretest.NewAuthor("a")
		file := exported(t, runsAt(a, a.Start(), []int{2, 2, 2}, 100, 101, 102, 103, 104, 105)...)
		ks, disk := newWindowed(a), store.NewMemory()
		p := open(t, "", by(ks, disk))
		p.take(t, file)
		p.counts(t, a.ID(), 6)

		ks.set(until(102)) // in the middle of the second run
		p.counts(t, a.ID(), 3)
		late := open(t, "", by(ks, store.NewMemory()))
		late.take(t, file)
		late.counts(t, a.ID(), 3)
		open(t, "", by(ks, disk)).counts(t, a.ID(), 3) // as after a restart

		// What it signs later does not count either, and moves nothing.
		p.take(t, file)
		p.counts(t, a.ID(), 3)

		ks.set(until(103))
		p.counts(t, a.ID(), 4)
		ks.set(keys.Window{After: time.Unix(101, 0)}) // the first does not count: nor does what stands on it
		p.counts(t, a.ID(), 0)
		ks.set()
		p.counts(t, a.ID(), 6)
	})
}

// TestVerdictOlderThanTheWindows has runs accepted and stored that the windows, as they
// are by then, do not admit.
func TestVerdictOlderThanTheWindows(t *testing.T) {
	a := wiretest.NewAuthor("a")
	runs := runsAt(a, a.Start(), []int{2, 2, 2}, 100, 101, 102, 103, 104, 105)
	for name, have := range map[string]int{"known": 2, "new": 0} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				disk := store.NewMemory()
				first := open(t, "", func(c *replica.Config) { c.Store = disk })
				first.take(t, exported(t, runs[:have/2]...))
				first.counts(t, a.ID(), uint64(have))
				first.Close()
				ks := newWindowed(a, until(102))
				p := open(t, "", func(c *replica.Config) { c.Store, c.Keystore = disk, ks }) // and a Verify that knows no windows
				p.take(t, exported(t, runs...))
				if got := p.Clock()[a.ID()].Seq; got != 6 {
					t.Fatalf("%d updates are stored, want 6", got)
				}
				p.counts(t, a.ID(), 3)
				ks.set()
				p.counts(t, a.ID(), 6)
			})
		})
	}
}

// TestKeystoreChangesBeforeTheFirstVerdict: nothing was stored of the author when the
// keystore changed, and its first run was judged by what it said before.
func TestKeystoreChangesBeforeTheFirstVerdict(t *testing.T) {
	a := wiretest.NewAuthor("a")
	for name, tt := range map[string]struct {
		change func(*windowed)
		count  uint64
	}{
		"windows":   {func(w *windowed) { w.set(until(101)) }, 2},
		"withdrawn": {func(w *windowed) { w.Remove(a.ID()) }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ks := newWindowed(a)
				ks.then = func() {
					tt.change(ks)
					time.Sleep(time.Second) // the replica has followed, and knew nothing of the author
				}
				p := open(t, "", by(ks, store.NewMemory()))
				p.take(t, exported(t, runsAt(a, a.Start(), []int{3}, 100, 101, 102)...))
				p.counts(t, a.ID(), tt.count)
			})
		})
	}
}

// TestKeystoreChangesAfterTheFirstVerdict: the keystore changes, and is followed, when the
// first run of an author has been judged and nothing has come of it yet.
func TestKeystoreChangesAfterTheFirstVerdict(t *testing.T) {
	a := wiretest.NewAuthor("a")
	synctest.Test(t, func(t *testing.T) {
		ks, disk := newWindowed(a), store.NewMemory()
		var once sync.Once
		p := open(t, "", func(c *replica.Config) {
			by(ks, disk)(c)
			replica.WhenDecided(c, func() {
				once.Do(func() {
					ks.set(until(101))
					time.Sleep(time.Second)
				})
			})
		})
		p.take(t, exported(t, runsAt(a, a.Start(), []int{3}, 100, 101, 102)...))
		p.counts(t, a.ID(), 2)
	})
}

// TestForkWhateverTheWindows: a thief parts from an author's history at 3, later than the
// key was withdrawn from. That is a fork for who hears of it before and after.
func TestForkWhateverTheWindows(t *testing.T) {
	a := wiretest.NewAuthor("a")
	honest := runsAt(a, a.Start(), []int{2, 2}, 100, 101, 102, 103)
	thief := a.Run(topic, honest[0].End(), wiretest.Change(110*1e9, "test", "stolen"))
	proof, err := wire.NewProof(honest[1], thief, 3)
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		file := exported(t, []wire.Statement{honest[0], honest[1], proof}...)
		ks, disk := newWindowed(a), store.NewMemory()
		p := open(t, "", by(ks, disk))
		p.take(t, file)
		p.counts(t, a.ID(), 2)
		ks.set(until(105))
		p.counts(t, a.ID(), 2)

		fresh := open(t, "", by(ks, store.NewMemory()))
		fresh.take(t, file)
		fresh.counts(t, a.ID(), 2)
		linked := open(t, "", by(ks, store.NewMemory()))
		link(t, p.Replica, linked.Replica)
		linked.counts(t, a.ID(), 2)
		for _, r := range []*peer{p, fresh, linked} {
			if got := r.proofs(t); !slices.Equal(got, []uint64{3}) {
				t.Errorf("the proofs are of %v, want 3", got)
			}
		}
		p.Close()
		open(t, "", by(ks, disk)).counts(t, a.ID(), 2)
		open(t, "", by(down{}, disk)).counts(t, a.ID(), 2)
		ks.set(until(100))
		fresh.counts(t, a.ID(), 1)
	})
}

// TestForkBeyondTheWindows: two replicas have one branch each, and the windows admit
// nothing of the one. They find out that there are two.
func TestForkBeyondTheWindows(t *testing.T) {
	a := wiretest.NewAuthor("a")
	common := runsAt(a, a.Start(), []int{2}, 100, 101)
	for _, lens := range [][2]int{{1, 3}, {2, 2}, {3, 1}, {3, 3}} {
		for _, each := range []int{1, 3} {
			t.Run(fmt.Sprint(lens, each), func(t *testing.T) {
				cut := func(n int) (parts []int) {
					for ; n > 0; n -= each {
						parts = append(parts, min(n, each))
					}
					return parts
				}
				inside := runsAt(a, common[0].End(), cut(lens[0]), 102, 103, 104)
				outside := runsAt(a, common[0].End(), cut(lens[1]), 110, 111, 112)
				synctest.Test(t, func(t *testing.T) {
					ks := newWindowed(a)
					p, q := open(t, "", by(ks, store.NewMemory())), open(t, "", by(ks, store.NewMemory()))
					p.take(t, exported(t, append(common[:1:1], inside...)...))
					q.take(t, exported(t, append(common[:1:1], outside...)...))
					ks.set(until(105))
					p.counts(t, a.ID(), uint64(2+lens[0]))
					q.counts(t, a.ID(), 2)
					link(t, p.Replica, q.Replica)
					rest(5 * time.Minute)
					p.counts(t, a.ID(), 2)
					q.counts(t, a.ID(), 2)
				})
			})
		}
	}
}
