package object_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/model/internal/livetest"
	"github.com/hearsaynet/hearsay/replica/model/object"
)

func detached() (*object.Object, object.Model) { return object.Detached(keys.NodeID{}, 1) }

// set and remove make updates of author a, at times that are their seqs too.
func set(time uint64, path, value string) replica.Update {
	return livetest.Update("a", time, time, object.Must(object.Op{Path: path, Value: []byte(value)}))
}

func remove(time uint64, path string) replica.Update {
	return livetest.Update("a", time, time, object.Must(object.Op{Path: path}))
}

// permutations calls f with the updates in every order.
func permutations(us []replica.Update, f func([]replica.Update)) {
	var permute func(int)
	permute = func(n int) {
		if n == len(us) {
			f(us)
		}
		for i := n; i < len(us); i++ {
			us[n], us[i] = us[i], us[n]
			permute(n + 1)
			us[n], us[i] = us[i], us[n]
		}
	}
	permute(0)
}

func TestMeaning(t *testing.T) {
	for _, tt := range []struct {
		name    string
		updates []replica.Update
		want    string
	}{
		{"nothing", nil, `{}`},
		{"paths apart", []replica.Update{set(1, "/a/x", "1"), set(2, "/a/y", "2"), set(3, "/b", "3")}, `{"a":{"x":1,"y":2},"b":3}`},
		{"the later", []replica.Update{set(1, "/a", "1"), set(2, "/a", "2")}, `{"a":2}`},
		{"a branch and a newer member", []replica.Update{set(1, "/a", `{"x":1,"y":1}`), set(2, "/a/x", "2")}, `{"a":{"x":2,"y":1}}`},
		{"a branch and an older member", []replica.Update{set(1, "/a/x", "1"), set(2, "/a", `{"y":2}`)}, `{"a":{"y":2}}`},
		{"a branch and a newer member below", []replica.Update{set(1, "/a", `{"x":{"z":1}}`), set(2, "/a/x/w/v", "2")}, `{"a":{"x":{"w":{"v":2},"z":1}}}`},
		{"two branches", []replica.Update{set(1, "/a", `{"x":1,"y":1}`), set(2, "/a", `{"y":2,"z":2}`)}, `{"a":{"y":2,"z":2}}`},
		{"below what is no object", []replica.Update{set(1, "/a", "1"), set(2, "/a/x", "2")}, `{"a":{"x":2}}`},
		{"what is no object, and older below", []replica.Update{set(1, "/a/x", "1"), set(2, "/a", "2")}, `{"a":2}`},
		{"between two below", []replica.Update{set(1, "/a/x", "1"), set(2, "/a", "2"), set(3, "/a/y", "3")}, `{"a":{"y":3}}`},
		{"what was replaced stays gone", []replica.Update{set(1, "/a", "1"), set(2, "/a/x", "2"), remove(3, "/a/x")}, `{"a":{}}`},
		{"a remove", []replica.Update{set(1, "/a/x", "1"), set(2, "/a/y", "2"), remove(3, "/a/x")}, `{"a":{"y":2}}`},
		{"a remove of a branch", []replica.Update{set(1, "/a/x", "1"), remove(2, "/a"), set(3, "/a/y", "3")}, `{"a":{"y":3}}`},
		{"a remove below what is no object", []replica.Update{set(1, "/a", "1"), remove(2, "/a/x")}, `{"a":1}`},
		{"a remove that is older", []replica.Update{remove(1, "/a"), set(2, "/a", "2")}, `{"a":2}`},
		{"a remove of nothing", []replica.Update{remove(1, "/a/b/c")}, `{}`},
		{"a remove of the root", []replica.Update{set(1, "/a", "1"), remove(2, ""), set(3, "/b", "3")}, `{"b":3}`},
		{"an older write below a newer remove counts above it", []replica.Update{set(1, "/a", "1"), set(2, "/a/b/c", "2"), remove(3, "/a/b")}, `{"a":{}}`},
		{"the root", []replica.Update{set(1, "/a", "1"), set(2, "", `{"b":2}`), set(3, "/c", "3")}, `{"b":2,"c":3}`},
		{"an empty object", []replica.Update{set(1, "/a", "{}"), set(2, "/b", `{"x":{}}`)}, `{"a":{},"b":{"x":{}}}`},
		{"an empty object over members", []replica.Update{set(1, "/a", `{"x":1}`), set(2, "/a", "{}")}, `{"a":{}}`},
		{"arrays are whole", []replica.Update{set(1, "/a", `[1,{"x":2}]`), set(2, "/a/0", "3")}, `{"a":{"0":3}}`},
		{"null is a value", []replica.Update{set(1, "/a", `null`)}, `{"a":null}`},
		{"names with slashes", []replica.Update{set(1, "/a~1b", `1`), set(2, "/a/b", "2"), set(3, "/~0~01", "3"), set(4, "/ ", `{"~0":4}`)}, `{" ":{"~0":4},"a":{"b":2},"a/b":1,"~~1":3}`},
		{"numbers as they came", []replica.Update{set(1, "/a", `[1.10,1e400,-0]`)}, `{"a":[1.10,1e400,-0]}`},
		{"at the same time, the higher author", []replica.Update{
			livetest.Update("a", 1, 1, object.Must(object.Op{Path: "/k", Value: []byte(`"a"`)})),
			livetest.Update("b", 1, 1, object.Must(object.Op{Path: "/k", Value: []byte(`"b"`)})),
		}, `{"k":"b"}`},
		{"in one update, the later write", []replica.Update{
			livetest.Update("a", 1, 1, object.Must(object.Op{Path: "/k", Value: []byte(`{"x":1,"y":1}`)}, object.Op{Path: "/k/x"}, object.Op{Path: "/k/y", Value: []byte(`{"z":[]}`)})),
		}, `{"k":{"y":{"z":[]}}}`},
		{"in one update, a value between others", []replica.Update{
			livetest.Update("a", 1, 1, object.Must(object.Op{Path: "/k/x", Value: []byte(`1`)}, object.Op{Path: "/k", Value: []byte(`2`)}, object.Op{Path: "/k/y", Value: []byte(`3`)})),
		}, `{"k":{"y":3}}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			permutations(tt.updates, func(us []replica.Update) {
				o, model := detached()
				livetest.Apply(t, model, us...)
				if got := string(o.Snapshot()); got != tt.want {
					t.Errorf("got %s, want %s", got, tt.want)
				}
				if err := o.Sound(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

func TestReads(t *testing.T) {
	o, model := detached()
	one, two := set(1, "/a", `{"x":1,"y":{"z":"s"},"~":{}}`), set(2, "/a/w", `[{}]`)
	livetest.Apply(t, model, one, two, set(3, "/b", "1"), remove(4, "/b"))
	for path, want := range map[string]string{
		"": `{"a":{"w":[{}],"x":1,"y":{"z":"s"},"~":{}}}`, "/a": `{"w":[{}],"x":1,"y":{"z":"s"},"~":{}}`, "/a/x": "1", "/a/y/z": `"s"`, "/a/~0": "{}",
	} {
		if e, ok := o.Get(path); !ok || string(e.JSON) != want || e.Path != path {
			t.Errorf("%q: %s, %v, want %s", path, e.JSON, ok, want)
		}
	}
	for _, path := range []string{"/", "a", "/b", "/a/x/z", "/a/w/0", "/c", "/a/~", strings.Repeat("/a", 70), "/constructor"} {
		if e, ok := o.Get(path); ok || slices.Collect(o.Keys(path)) != nil || len(slices.Collect(o.Each(path))) > 0 {
			t.Errorf("%q: %s", path, e.JSON)
		}
	}
	if e, _ := o.Get("/a/x"); e.Ref != one.Ref || e.Time != 1 {
		t.Errorf("/a/x is by %+v", e)
	}
	if e, _ := o.Get("/a"); e.Ref != two.Ref || e.Time != 2 {
		t.Errorf("/a is by %+v", e)
	}
	if got := slices.Collect(o.Keys("/a")); !slices.Equal(got, []string{"w", "x", "y", "~"}) {
		t.Errorf("the names in /a are %q", got)
	}
	if got := slices.Collect(o.Keys("")); !slices.Equal(got, []string{"a"}) {
		t.Errorf("the names are %q", got)
	}
	var all []string
	for e := range o.Each("") {
		all = append(all, fmt.Sprintf("%s=%s %d", e.Path, e.JSON, e.Seq))
	}
	if want := []string{"/a/w=[{}] 2", "/a/x=1 1", `/a/y/z="s" 1`, "/a/~0={} 1"}; !slices.Equal(all, want) {
		t.Errorf("each is %q, want %q", all, want)
	}
	for e := range o.Each("/a/x") {
		if e.Path != "/a/x" {
			t.Errorf("below /a/x is %+v", e)
		}
	}
	for range o.Each("/a") {
		break
	}
	if b, err := json.Marshal(o); err != nil || string(b) != string(o.Snapshot()) {
		t.Errorf("as JSON it is %s (%v)", b, err)
	}
}

// drawn is an update with its writes, for the reference.
type drawn struct {
	replica.Update
	ops []object.Op
}

var drawnPaths = []string{"", "/a", "/b", "/a/x", "/a/y", "/a/x/p", "/a/x/q", "/b/x", "/b/x/p/d"}

var drawnValues = []string{"1", `"s"`, "[1]", "{}", `{"x":1}`, `{"x":{"p":2},"y":[]}`, `{"x":{"p":{"d":3}}}`, `{"y":{}}`}

// history is updates of several authors that meet on few paths and few times.
func history(rng *rand.Rand, authors, most int) (us []drawn) {
	for a := range authors {
		for seq := range rng.IntN(most) {
			var d drawn
			for range 1 + rng.IntN(3)*rng.IntN(2) {
				o := object.Op{Path: drawnPaths[rng.IntN(len(drawnPaths))]}
				if rng.IntN(4) > 0 {
					o.Value = []byte(drawnValues[rng.IntN(len(drawnValues))])
					if o.Path == "" {
						o.Value = []byte(`{"a":{"x":7}}`)
					}
				}
				d.ops = append(d.ops, o)
			}
			d.Update = livetest.Update(string(rune('a'+a)), uint64(seq+1), uint64(rng.IntN(20)), object.Must(d.ops...))
			us = append(us, d)
		}
	}
	return us
}

// reference is the package documentation's definition, the slow way.
func reference(us []drawn) string {
	us = slices.Clone(us)
	slices.SortFunc(us, func(a, b drawn) int {
		if a.Before(&b.Update) {
			return -1
		}
		return 1
	})
	cleared, claimed, says := map[string]int{}, map[string]int{}, map[string]any{}
	order := 0
	var say func(path string, v any)
	say = func(path string, v any) {
		claimed[path] = order
		says[path] = v
		if m, ok := v.(map[string]any); ok {
			says[path] = nil // an object
			for name, v := range m {
				say(path+"/"+name, v)
			}
		}
	}
	above := func(path string, f func(string)) {
		for i := strings.LastIndexByte(path, '/'); i >= 0; i = strings.LastIndexByte(path, '/') {
			path = path[:i]
			f(path)
		}
	}
	for _, u := range us {
		for _, o := range u.ops {
			order++
			cleared[o.Path] = order
			if o.Value == nil {
				continue
			}
			above(o.Path, func(p string) { claimed[p], says[p] = order, nil })
			var v any
			if err := json.Unmarshal(o.Value, &v); err != nil {
				panic(err)
			}
			say(o.Path, v)
		}
	}
	counts := func(path string) bool {
		last := cleared[path]
		above(path, func(p string) { last = max(last, cleared[p]) })
		return claimed[path] > 0 && claimed[path] >= last
	}
	var build func(path string) any
	build = func(path string) any {
		if says[path] != nil && path != "" {
			return says[path]
		}
		m := map[string]any{}
		for p := range claimed {
			if name, ok := strings.CutPrefix(p, path+"/"); ok && !strings.Contains(name, "/") && counts(p) {
				m[name] = build(p)
			}
		}
		return m
	}
	b, err := json.Marshal(build(""))
	if err != nil {
		panic(err)
	}
	return string(b)
}

// TestStateIsAFunctionOfTheSet folds updates in any order, with rebuilds in between that
// take some authors out, and a watcher who keeps a copy.
func TestStateIsAFunctionOfTheSet(t *testing.T) {
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 0))
	for range 500 {
		synctest.Test(t, func(t *testing.T) {
			o, model := object.Detached(keys.NodeID{}, 1<<16)
			changes := watch(t, o, "")
			us := history(rng, 4, 10)
			rng.Shuffle(len(us), func(i, j int) { us[i], us[j] = us[j], us[i] })
			var counted []drawn
			for _, u := range us {
				before := string(o.Snapshot())
				changed, err := model.ApplyUpdate(u.Update)
				if err != nil {
					t.Fatal(err)
				}
				if !changed && before != string(o.Snapshot()) {
					t.Fatalf("seed %d: an update that changes nothing does", seed)
				}
				counted = append(counted, u)
				if rng.IntN(15) == 0 {
					counted = slices.DeleteFunc(counted, func(c drawn) bool { return c.Author == u.Author })
					var plain []replica.Update
					for _, c := range counted {
						plain = append(plain, c.Update)
					}
					livetest.Rebuild(t, model, plain...)
				}
				if err := o.Sound(); err != nil {
					t.Fatalf("seed %d: %v", seed, err)
				}
				if got, want := string(o.Snapshot()), reference(counted); got != want {
					t.Fatalf("seed %d: after %d updates the object is\n%s\nwant\n%s", seed, len(counted), got, want)
				}
			}
			if got, want := replay(t, livetest.Drain(changes)), leaves(o); !slices.Equal(got, want) {
				t.Fatalf("seed %d: the watcher's copy is\n%q\nwant\n%q", seed, got, want)
			}
			o.Close()
		})
	}
}

// leaves lists what is no object.
func leaves(o *object.Object) (all []string) {
	for e := range o.Each("") {
		if string(e.JSON) != "{}" {
			all = append(all, line(&e))
		}
	}
	slices.Sort(all)
	return all
}

func line(e *object.Entry) string {
	if e == nil {
		return "nothing"
	}
	if e.JSON == nil {
		return "an object"
	}
	return fmt.Sprintf("%s=%s %d %x", e.Path, e.JSON, e.Time, e.Hash[:4])
}

// replay makes a list of leaves of changes, and checks that each starts where the one
// before ended.
func replay(t *testing.T, changes []object.Change) (all []string) {
	t.Helper()
	stands := map[string]string{}
	for _, c := range changes {
		before, ok := stands[c.Path]
		if !ok {
			before = "nothing"
		}
		if line(c.Old) != before || line(c.New) == before {
			t.Errorf("%s: from %s to %s, and it was %s", c.Path, line(c.Old), line(c.New), before)
		}
		stands[c.Path] = line(c.New)
	}
	for _, l := range stands {
		if l != "nothing" && l != "an object" {
			all = append(all, l)
		}
	}
	slices.Sort(all)
	return all
}

// TestRebuildIsNotSeen: readers see the state before until the rebuild is over.
func TestRebuildIsNotSeen(t *testing.T) {
	o, model := detached()
	livetest.Apply(t, model, set(1, "/a", "1"), set(2, "/b", "2"))
	before := string(o.Snapshot())
	model.Reset()
	livetest.Apply(t, model, set(1, "/a", "1"))
	if got := string(o.Snapshot()); got != before {
		t.Errorf("during the rebuild: %s", got)
	}
	model.Rebuilt()
	model.Rebuilt() // without a Reset
	if got := string(o.Snapshot()); got != `{"a":1}` {
		t.Errorf("after the rebuild: %s", got)
	}
	livetest.Rebuild(t, model)
	if got := string(o.Snapshot()); got != "{}" {
		t.Errorf("a rebuild without updates leaves %s", got)
	}
}

// TestReadsAreOneMoment: what is written during an iteration is not in it, and a change of
// many writes is seen whole.
func TestReadsAreOneMoment(t *testing.T) {
	o, model := detached()
	for i := range uint64(1000) {
		livetest.Apply(t, model, set(i+1, fmt.Sprintf("/k%03d", i), "1"))
	}
	n, time := 0, uint64(1000)
	for e := range o.Each("") {
		time++
		n++
		livetest.Apply(t, model, set(time, fmt.Sprintf("/k%03d", 1000-n), "2"))
		if string(e.JSON) != "1" {
			t.Fatalf("%s is %s", e.Path, e.JSON)
		}
	}
	if n != 1000 {
		t.Errorf("%d values", n)
	}
}

// TestValuesBelongToTheCaller: what comes out can be written to, and the change that
// came in can be reused.
func TestValuesBelongToTheCaller(t *testing.T) {
	o, model := detached()
	u := set(1, "/name", `{"inner":"value"}`)
	livetest.Apply(t, model, u)
	clear(u.Change)
	for e := range o.Each("") {
		clear(e.JSON)
	}
	if got := string(o.Snapshot()); got != `{"name":{"inner":"value"}}` {
		t.Errorf("now %s", got)
	}
}

// TestConcurrentUse is for the race detector; a change of two writes is never seen in half.
func TestConcurrentUse(t *testing.T) {
	o, model := object.Detached(keys.NodeID{}, 4)
	changes := watch(t, o, "/k*")
	done := make(chan struct{})
	var readers sync.WaitGroup
	readers.Go(func() {
		for range changes {
		}
	})
	for range 2 {
		readers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				var v struct{ K, L map[string]int }
				if err := json.Unmarshal(o.Snapshot(), &v); err != nil {
					t.Error(err)
				}
				if len(v.K) != len(v.L) {
					t.Errorf("%d and %d", len(v.K), len(v.L))
				}
			}
		})
	}
	for i := range uint64(2000) {
		value := fmt.Append(nil, i)
		u := livetest.Update("a", i+1, i+1, object.Must(
			object.Op{Path: fmt.Sprintf("/K/%d", i%100), Value: value}, object.Op{Path: fmt.Sprintf("/L/%d", i%100), Value: value}))
		if i%500 == 499 {
			livetest.Rebuild(t, model, u)
			continue
		}
		livetest.Apply(t, model, u)
	}
	close(done)
	o.Close()
	readers.Wait()
}

// TestWatchWhileWriting: who watches first and reads the object afterwards misses nothing,
// also of a change that is being made meanwhile.
func TestWatchWhileWriting(t *testing.T) {
	var value strings.Builder
	for i := range 5_000 {
		fmt.Fprintf(&value, `,"%05d":0`, i)
	}
	update := set(1, "/a", "{"+value.String()[1:]+"}")
	const rounds = 20
	turns := 0 // that the change takes
	for round := range rounds + 1 {
		synctest.Test(t, func(t *testing.T) {
			o, model := object.Detached(keys.NodeID{}, 1)
			applied := make(chan struct{})
			go func() {
				defer close(applied)
				model.ApplyUpdate(update)
			}()
			for i := 0; round == 0 || i < turns*round/rounds; i++ {
				runtime.Gosched()
				select {
				case <-applied:
					turns = max(turns, i)
					return
				default:
				}
			}
			changes := watch(t, o, "/a")
			missing := string(o.Snapshot()) == "{}"
			<-applied
			if got := told(changes); missing && !slices.Equal(got, []string{"/a ->{…}"}) {
				t.Errorf("told %q", got)
			}
			o.Close()
		})
	}
}
