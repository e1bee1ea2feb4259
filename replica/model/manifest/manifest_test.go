package manifest_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/model/events"
	"github.com/hearsaynet/hearsay/replica/model/internal/livetest"
	"github.com/hearsaynet/hearsay/replica/model/kv"
	"github.com/hearsaynet/hearsay/replica/model/manifest"
)

// real are kinds of models that there are.
var real = map[string]manifest.Kind{
	"kv": func(r *replica.Replica, channel string) (manifest.Mounted, error) {
		return kv.Mount(r, channel, kv.Config{})
	},
	"events": func(r *replica.Replica, channel string) (manifest.Mounted, error) {
		return events.Mount(r, channel, events.Config{})
	},
}

func mount(t *testing.T, n *livetest.Node, cfg manifest.Config) *manifest.Manifest {
	return livetest.MustMount[*manifest.Manifest](t)(manifest.Mount(n.Replica, "", cfg))
}

func add(t *testing.T, m *manifest.Manifest, channel, kind string) {
	t.Helper()
	if _, err := m.Add(t.Context(), channel, kind); err != nil {
		t.Fatal(err)
	}
}

func settle(t *testing.T, m *manifest.Manifest) {
	t.Helper()
	if err := m.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// states lists the channels as "channel kind state".
func states(m *manifest.Manifest) string {
	var lines []string
	for e := range m.All() {
		lines = append(lines, fmt.Sprintf("%s %s %v", e.Channel, e.Kind, e.State))
	}
	return strings.Join(lines, ", ")
}

// TestUnmountedChannel: updates of a channel that nobody has mounted are kept, passed on,
// and given to the model when somebody mounts it, by the list or by hand.
func TestUnmountedChannel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, c := livetest.NewNode(t, "alice", "bob", "carol"), livetest.NewNode(t, "bob", "alice", "carol"), livetest.NewNode(t, "carol", "alice", "bob")
		hosts := livetest.MustMount[*kv.Map](t)(kv.Mount(a.Replica, "hosts", kv.Config{}))
		if _, err := hosts.Set(t.Context(), "alpha", []byte("up")); err != nil {
			t.Fatal(err)
		}
		theirs, hers := mount(t, b, manifest.Config{Kinds: real}), mount(t, c, manifest.Config{Kinds: real})
		livetest.Join(t, a, b)
		livetest.Join(t, b, c) // carol hears of it through bob, who has not mounted it either
		synctest.Wait()
		for _, m := range []*manifest.Manifest{theirs, hers} {
			if _, ok := m.Get("hosts"); ok {
				t.Error("hosts is on the list")
			}
		}
		add(t, theirs, "hosts", "kv")
		settle(t, theirs)
		synctest.Wait()
		settle(t, hers)
		for name, m := range map[string]*manifest.Manifest{"bob": theirs, "carol": hers} {
			e, ok := m.Get("hosts")
			if !ok || e.State != manifest.Running || e.Err != nil || e.Author != b.Author.ID() {
				t.Fatalf("%s: %+v", name, e)
			}
			if v, ok := e.Model.(*kv.Map).Get("alpha"); !ok || string(v.Value) != "up" {
				t.Errorf("%s: alpha is %+v, %v", name, v, ok)
			}
		}
		// What comes afterwards arrives too.
		if _, err := hosts.Set(t.Context(), "alpha", []byte("down")); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		e, _ := hers.Get("hosts")
		if v, _ := e.Model.(*kv.Map).Get("alpha"); string(v.Value) != "down" {
			t.Errorf("alpha is %s", v.Value)
		}
	})
}

// TestTurnover: what is removed is closed, what changes its kind is replaced, and what
// comes back has all that was written to it.
func TestTurnover(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := livetest.NewNode(t, "alice")
		m := mount(t, n, manifest.Config{Kinds: real})
		get := func() manifest.Entry {
			t.Helper()
			settle(t, m)
			e, ok := m.Get("c")
			if !ok || e.State != manifest.Running {
				t.Fatalf("%+v", e)
			}
			return e
		}
		add(t, m, "c", "kv")
		first := get().Model.(*kv.Map)
		if _, err := first.Set(t.Context(), "k", []byte("v")); err != nil {
			t.Fatal(err)
		}
		add(t, m, "c", "kv") // again: nothing happens to the model
		if get().Model != first {
			t.Error("mounted anew though it is the same")
		}
		add(t, m, "c", "events")
		log := get().Model.(*events.Log)
		if _, err := first.Set(t.Context(), "k", nil); !errors.Is(err, kv.ErrClosed) {
			t.Errorf("the model before: %v", err)
		}
		if _, err := m.Remove(t.Context(), "c"); err != nil {
			t.Fatal(err)
		}
		settle(t, m)
		if _, ok := m.Get("c"); ok {
			t.Error("it is still on the list")
		}
		if _, err := log.Publish(t.Context(), "e", nil); !errors.Is(err, events.ErrClosed) {
			t.Errorf("the removed model: %v", err)
		}
		add(t, m, "c", "kv")
		last := get().Model.(*kv.Map)
		if v, ok := last.Get("k"); !ok || string(v.Value) != "v" {
			t.Errorf("k is %+v, %v", v, ok)
		}
		m.Close()
		if _, err := last.Set(t.Context(), "k", nil); !errors.Is(err, kv.ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
	})
}

func TestStates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := livetest.NewNode(t, "alice")
		taken := livetest.MustMount[*kv.Map](t)(kv.Mount(n.Replica, "taken", kv.Config{}))
		// Another of its authors may list what this program would not.
		for _, c := range [][]byte{manifest.MustAdd("manifest", "kv"), manifest.MustAdd("own", "kv")} {
			if _, err := n.LocalUpdate(t.Context(), "manifest", c); err != nil {
				t.Fatal(err)
			}
		}
		m := mount(t, n, manifest.Config{Kinds: real, Reserved: []string{"own"}})
		add(t, m, "a", "kv")
		add(t, m, "taken", "kv")
		add(t, m, "u", "nobody's")
		settle(t, m)
		want := "a kv running, manifest kv reserved, own kv reserved, taken kv failed, u nobody's unknown kind"
		if got := states(m); got != want {
			t.Errorf("got %s\nwant %s", got, want)
		}
		if e, _ := m.Get("taken"); e.Err == nil || e.Model != nil {
			t.Errorf("taken is %+v", e)
		}
		for _, channel := range []string{"manifest", "own"} {
			if _, err := m.Add(t.Context(), channel, "kv"); !errors.Is(err, manifest.ErrReserved) {
				t.Errorf("Add of %s: %v", channel, err)
			}
		}
		if own, err := kv.Mount(n.Replica, "own", kv.Config{}); err != nil {
			t.Errorf("a reserved channel is not free: %v", err)
		} else {
			own.Close()
		}

		// What failed is tried again.
		taken.Close()
		time.Sleep(time.Minute)
		if e, _ := m.Get("taken"); e.State != manifest.Running || e.Err != nil {
			t.Errorf("a minute later taken is %+v", e)
		}
	})
}

// stub is a kind that counts what is mounted.
type stub struct {
	t      *testing.T
	most   int
	open   map[string]bool
	opened atomic.Int64
	fail   map[string]int // how often each channel's mounting fails; -1: panics
	during func()         // called while something is mounted, if not nil
}

type stubModel struct {
	*stub
	channel string
}

func (s *stub) kind(_ *replica.Replica, channel string) (manifest.Mounted, error) {
	switch n := s.fail[channel]; {
	case n < 0:
		panic("stub")
	case n > 0:
		s.fail[channel]--
		return nil, errors.New("stub fails")
	}
	if s.open[channel] {
		s.t.Errorf("%s is mounted twice", channel)
	}
	if s.during != nil {
		s.during()
	}
	s.open[channel] = true
	s.opened.Add(1)
	s.most = max(s.most, len(s.open))
	return stubModel{s, channel}, nil
}

func (m stubModel) Close() {
	if !m.open[m.channel] {
		m.t.Errorf("%s is closed twice", m.channel)
	}
	delete(m.open, m.channel)
}

func newStub(t *testing.T, most int) (*stub, *manifest.Manifest, manifest.Model) {
	s := &stub{t: t, open: map[string]bool{}, fail: map[string]int{}}
	m, model := manifest.Detached(keys.NodeID{}, manifest.Config{Kinds: map[string]manifest.Kind{"stub": s.kind}, MaxMounts: most, WatchBuffer: 1 << 10})
	return s, m, model
}

func (s *stub) channels() string {
	var all []string
	for c := range s.open {
		all = append(all, c)
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

// TestHostileList: an author who lists a million names has some of them mounted, and
// nobody else's away.
func TestHostileList(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, m, model := newStub(t, 5)
		const names = 20_000
		model.Reset()
		for i := range names { // backdated, so that they come first by time
			model.ApplyUpdate(livetest.Update("m", uint64(i+1), uint64(i), manifest.MustAdd(fmt.Sprintf("m%07d", i), "stub")))
		}
		livetest.Apply(t, model,
			livetest.Update("a", 1, 1<<40, manifest.MustAdd("a1", "stub")), livetest.Update("a", 2, 1<<40+1, manifest.MustAdd("a2", "stub")), livetest.Update("a", 3, 1<<40+2, manifest.MustAdd("a3", "stub")),
			livetest.Update("b", 1, 1<<41, manifest.MustAdd("b1", "stub")), livetest.Update("b", 2, 1<<41, manifest.MustAdd("not mine", "another's")))
		model.Rebuilt()
		m.Start()
		settle(t, m)
		if got, want := s.channels(), "a1 a2 b1 m0000000 m0000001"; got != want || s.most != 5 || s.opened.Load() != 5 {
			t.Errorf("mounted %s of %d at most, %d in all; want %s", got, s.most, s.opened.Load(), want)
		}
		for channel, want := range map[string]manifest.State{"m0000001": manifest.Running, "m0000002": manifest.Excess, "a3": manifest.Excess} {
			if e, _ := m.Get(channel); e.State != want {
				t.Errorf("%s is %v, want %v", channel, e.State, want)
			}
		}
		livetest.Apply(t, model, livetest.Update("b", 3, 1<<42, manifest.MustRemove("m0000000")), livetest.Update("b", 4, 1<<42, manifest.MustRemove("a1")))
		settle(t, m)
		if got, want := s.channels(), "a2 a3 b1 m0000001 m0000002"; got != want || s.most != 5 {
			t.Errorf("mounted %s of %d at most, want %s", got, s.most, want)
		}
		m.Close()
		if len(s.open) > 0 {
			t.Errorf("after Close %s are open", s.channels())
		}
	})
}

// TestAnyOrder: what is mounted in the end depends on the list only.
func TestAnyOrder(t *testing.T) {
	us := []replica.Update{
		livetest.Update("a", 1, 5, manifest.MustAdd("x", "stub")), livetest.Update("a", 2, 6, manifest.MustAdd("y", "stub")), livetest.Update("a", 3, 1, manifest.MustAdd("z", "stub")),
		livetest.Update("b", 1, 2, manifest.MustAdd("y", "other")), livetest.Update("b", 2, 7, manifest.MustAdd("w", "stub")), livetest.Update("b", 3, 8, manifest.MustRemove("x")),
	}
	for range 20 {
		synctest.Test(t, func(t *testing.T) {
			s, m, model := newStub(t, 2)
			m.Start()
			for _, i := range rand.Perm(len(us)) {
				livetest.Apply(t, model, us[i])
				if i%2 == 0 {
					synctest.Wait()
				}
			}
			settle(t, m)
			if got := s.channels(); got != "w z" || states(m) != "w stub running, y stub excess, z stub running" {
				t.Errorf("mounted %s: %s", got, states(m))
			}
			m.Close()
		})
	}
}

func TestFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, m, model := newStub(t, 0)
		s.fail["twice"], s.fail["panics"] = 2, -1
		changes, err := m.Watch(t.Context(), "")
		if err != nil {
			t.Fatal(err)
		}
		m.Start()
		for i, channel := range []string{"fine", "panics", "twice"} {
			livetest.Apply(t, model, livetest.Update("a", uint64(i+1), uint64(i+1), manifest.MustAdd(channel, "stub")))
		}
		settle(t, m)
		if got, want := states(m), "fine stub running, panics stub failed, twice stub failed"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		time.Sleep(35 * time.Second)
		if e, _ := m.Get("twice"); e.State != manifest.Failed {
			t.Errorf("tried once more, it is %v", e.State)
		}
		time.Sleep(30 * time.Second)
		if got, want := states(m), "fine stub running, panics stub failed, twice stub running"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		if e, _ := m.Get("panics"); e.Err == nil || !strings.Contains(e.Err.Error(), "panicked: stub") {
			t.Errorf("panics: %v", e.Err)
		}
		var got []string
		for _, c := range livetest.Drain(changes) {
			var l strings.Builder
			l.WriteString(c.Channel)
			for _, e := range []*manifest.Entry{c.Old, c.New} {
				if e == nil {
					l.WriteString(" -")
				} else {
					l.WriteString(" " + e.State.String())
				}
			}
			got = append(got, l.String())
		}
		slices.Sort(got)
		want := []string{"fine - waiting", "fine waiting running", "panics - waiting", "panics waiting failed", "twice - waiting", "twice failed running", "twice waiting failed"}
		if !slices.Equal(got, want) {
			t.Errorf("told %q\nwant %q", got, want)
		}
		m.Close()
	})
}

// TestListedAgainWhileMounted: what watchers hear leads to what is, though another update
// has listed a channel while it was being mounted.
func TestListedAgainWhileMounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, m, model := newStub(t, 1)
		s.during = func() {
			livetest.Apply(t, model, livetest.Update("b", 1, 2, manifest.MustAdd("c", "stub")))
		}
		changes, err := m.Watch(t.Context(), "")
		if err != nil {
			t.Fatal(err)
		}
		m.Start()
		livetest.Apply(t, model, livetest.Update("a", 1, 1, manifest.MustAdd("c", "stub")))
		settle(t, m)
		want := []string{"- waiting of 1", "waiting of 1 waiting of 2", "waiting of 2 running of 2"}
		var got []string
		for _, c := range livetest.Drain(changes) {
			old := "-"
			if c.Old != nil {
				old = fmt.Sprint(c.Old.State, " of ", c.Old.Time)
			}
			got = append(got, fmt.Sprint(old, " ", c.New.State, " of ", c.New.Time))
		}
		if !slices.Equal(got, want) {
			t.Errorf("told %q\nwant %q", got, want)
		}
		m.Close()
	})
}

// TestHostileTurnover: an author who lists ever other channels has them mounted half of the
// time at most: to mount one, a replica reads all that it has.
func TestHostileTurnover(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const takes = 10 * time.Second
		s, m, model := newStub(t, 2)
		s.during = func() { time.Sleep(takes) }
		m.Start()
		began := time.Now()
		for i := range uint64(600) {
			livetest.Apply(t, model,
				livetest.Update("m", 2*i+1, 2*i, manifest.MustAdd(fmt.Sprint(i), "stub")),
				livetest.Update("m", 2*i+2, 2*i+1, manifest.MustRemove(fmt.Sprint(max(i, 2)-2))))
			time.Sleep(time.Second)
		}
		if busy, all := time.Duration(s.opened.Load())*takes, time.Since(began); busy > all/2+2*takes || busy < all/3 {
			t.Errorf("mounting took %v of %v", busy, all)
		}
		settle(t, m)
		if got := s.channels(); got != "598 599" {
			t.Errorf("mounted %s in the end", got)
		}
		m.Close()
	})
}

// TestWithdrawnAuthor: what an author listed goes with its key.
func TestWithdrawnAuthor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := livetest.NewNode(t, "alice", "bob"), livetest.NewNode(t, "bob", "alice")
		hers, his := mount(t, a, manifest.Config{Kinds: real}), mount(t, b, manifest.Config{Kinds: real})
		add(t, hers, "one", "kv")
		add(t, his, "two", "events")
		livetest.Join(t, a, b)
		synctest.Wait()
		settle(t, his)
		if got := states(his); got != "one kv running, two events running" || states(hers) != got {
			t.Fatalf("bob has %s, alice %s", got, states(hers))
		}
		changes, err := his.Watch(t.Context(), "o*")
		if err != nil {
			t.Fatal(err)
		}
		b.Admitted.Remove(a.Author.ID())
		time.Sleep(time.Second)
		settle(t, his)
		if got := states(his); got != "two events running" {
			t.Errorf("without alice bob has %s", got)
		}
		got := livetest.Drain(changes)
		if len(got) != 1 || got[0].New != nil || got[0].Old.Kind != "kv" || got[0].Old.State != manifest.Running {
			t.Errorf("bob was told %+v", got)
		}
		if m, err := kv.Mount(b.Replica, "one", kv.Config{}); err != nil {
			t.Errorf("the channel is not free: %v", err)
		} else {
			m.Close()
		}
		b.Admitted.Add(a.Author.Key())
		time.Sleep(time.Minute)
		settle(t, his)
		if got := states(his); got != states(hers) {
			t.Errorf("with alice bob has %s", got)
		}
	})
}

// TestRebuild: readers see the list before until the rebuild is over, and watchers hear
// what is different.
func TestRebuild(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, model := manifest.Detached(livetest.Update("a", 1, 1, nil).Author, manifest.Config{})
		changes, err := m.Watch(t.Context(), "")
		if err != nil {
			t.Fatal(err)
		}
		one, two := livetest.Update("a", 1, 1, manifest.MustAdd("c", "kv")), livetest.Update("b", 1, 2, manifest.MustAdd("c", "list"))
		livetest.Apply(t, model, one)
		model.Reset()
		livetest.Apply(t, model, two)
		if got := states(m); got != "c kv unknown kind" {
			t.Errorf("during the rebuild: %s", got)
		}
		model.Rebuilt()
		model.Rebuilt() // without a Reset
		livetest.Rebuild(t, model, one)
		livetest.Apply(t, model, livetest.Update("a", 2, 3, manifest.MustRemove("c")))
		livetest.Rebuild(t, model, two)
		livetest.Rebuild(t, model)
		var got []string
		for _, c := range livetest.Drain(changes) {
			kind := func(e *manifest.Entry) string {
				if e == nil {
					return "-"
				}
				return e.Kind
			}
			got = append(got, fmt.Sprint(kind(c.Old), ">", kind(c.New), " ", c.Local))
		}
		if want := []string{"->kv true", "kv>list false", "list>kv true", "kv>- true", "->list false", "list>- false"}; !slices.Equal(got, want) {
			t.Errorf("told %q, want %q", got, want)
		}
		m.Close()
	})
}

func TestErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := livetest.NewNode(t, "alice")
		for _, cfg := range []manifest.Config{
			{MaxMounts: -1}, {WatchBuffer: -1}, {Kinds: map[string]manifest.Kind{"": real["kv"]}}, {Kinds: map[string]manifest.Kind{"kv": nil}},
		} {
			if _, err := manifest.Mount(n.Replica, "", cfg); err == nil {
				t.Errorf("mounted with %+v", cfg)
			}
		}
		m := mount(t, n, manifest.Config{})
		if _, err := manifest.Mount(n.Replica, manifest.DefaultChannel, manifest.Config{}); err == nil {
			t.Error("mounted twice on one channel")
		}
		_, channel := m.Add(t.Context(), "", "kv")
		_, kind := m.Add(t.Context(), "c", "")
		_, glob := m.Watch(t.Context(), "[")
		m.Close()
		m.Close()
		_, closed := m.Remove(t.Context(), "c")
		_, ended := m.Watch(t.Context(), "")
		for _, tt := range []struct{ got, want error }{
			{channel, manifest.ErrBadName}, {kind, manifest.ErrBadName}, {glob, manifest.ErrBadGlob}, {closed, manifest.ErrClosed}, {ended, manifest.ErrClosed},
		} {
			if !errors.Is(tt.got, tt.want) {
				t.Errorf("got %v, want %v", tt.got, tt.want)
			}
		}
		if manifest.State(0).String() != "none" || manifest.State(17).String() != "State(17)" {
			t.Error("states without a name")
		}
	})
}

// TestSettleEnds: who waits for a list that is never kept is not kept for ever.
func TestSettleEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, m, model := newStub(t, 1)
		livetest.Apply(t, model, livetest.Update("a", 1, 1, manifest.MustAdd("c", "stub")))
		if e, _ := m.Get("c"); e.State != manifest.Waiting {
			t.Errorf("before Start it is %v", e.State)
		}
		waits := make(chan error)
		go func() { waits <- m.Settle(t.Context()) }()
		synctest.Wait()
		m.Close()
		if err := <-waits; !errors.Is(err, manifest.ErrClosed) {
			t.Errorf("got %v", err)
		}
	})
}
