package doc_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/model/doc"
	"github.com/hearsaynet/hearsay/replica/model/internal/livetest"
)

type fields = doc.Fields

// text is a row as JSON behind its name.
func text(r doc.Row) string {
	b, err := json.Marshal(r)
	if err != nil {
		return err.Error()
	}
	return r.ID() + string(b)
}

// rows are those of a Doc or Set, as text.
func rows(d interface {
	Rows() iter.Seq[doc.Row]
}) string {
	var all []string
	for r := range d.Rows() {
		all = append(all, text(r))
	}
	return strings.Join(all, " ")
}

// dump is all that readers can see of a Doc or Set.
func dump(d interface {
	Rows() iter.Seq[doc.Row]
}) string {
	var b strings.Builder
	for r := range d.Rows() {
		b.WriteString(line(r))
	}
	return b.String()
}

func line(r doc.Row) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%q:", r.ID())
	for name, f := range r.Fields() {
		fmt.Fprintf(&b, " %q=%s %q/%d %d", name, f.Value, f.Ref.Author[2:4], f.Ref.Seq, f.Time)
	}
	return b.String() + "\n"
}

func set(author string, seq, time uint64, row string, f fields) replica.Update {
	return livetest.Update(author, seq, time, doc.MustSet(row, f))
}

func del(author string, seq, time uint64, row string) replica.Update {
	return livetest.Update(author, seq, time, doc.MustDelete(row))
}

// TestMeaning folds updates as they are, and backwards.
func TestMeaning(t *testing.T) {
	ab := set("a", 1, 10, "r", fields{"x": 1, "y": 2})
	for _, tt := range []struct {
		name    string
		updates []replica.Update
		want    string
	}{
		{"set", []replica.Update{ab}, `r{"x":1,"y":2}`},
		{"nothing", []replica.Update{set("a", 1, 10, "r", nil)}, `r{}`},
		{"other fields", []replica.Update{ab, set("b", 1, 9, "r", fields{"z": 3})}, `r{"x":1,"y":2,"z":3}`},
		{"the later write of a field", []replica.Update{ab, set("b", 1, 11, "r", fields{"y": "late", "x": "late"}), set("c", 1, 12, "r", fields{"y": "later"})}, `r{"x":"late","y":"later"}`},
		{"an older write", []replica.Update{ab, set("b", 1, 9, "r", fields{"x": "early"})}, `r{"x":1,"y":2}`},
		{"at one time, the higher author", []replica.Update{ab, set("b", 1, 10, "r", fields{"x": "b"})}, `r{"x":"b","y":2}`},
		{"a field taken away", []replica.Update{ab, set("b", 1, 11, "r", fields{"x": nil})}, `r{"y":2}`},
		{"and older writes of it", []replica.Update{ab, set("b", 1, 12, "r", fields{"x": nil}), set("c", 1, 11, "r", fields{"x": 3})}, `r{"y":2}`},
		{"all fields taken away", []replica.Update{ab, set("b", 1, 12, "r", fields{"x": nil, "y": nil})}, `r{}`},
		{"null", []replica.Update{ab, set("b", 1, 12, "r", fields{"x": json.RawMessage("null")})}, `r{"x":null,"y":2}`},
		{"delete", []replica.Update{ab, del("b", 1, 11, "r")}, ``},
		{"delete before", []replica.Update{ab, del("b", 1, 9, "r")}, `r{"x":1,"y":2}`},
		{"delete between", []replica.Update{ab, del("b", 1, 11, "r"), set("c", 1, 12, "r", fields{"y": 3})}, `r{"y":3}`},
		{"delete and an older set", []replica.Update{ab, del("b", 1, 13, "r"), set("c", 1, 12, "r", fields{"y": 3})}, ``},
		{"delete and set to nothing", []replica.Update{ab, del("b", 1, 11, "r"), set("c", 1, 12, "r", nil)}, `r{}`},
		{"delete, then take away", []replica.Update{ab, del("b", 1, 11, "r"), set("c", 1, 12, "r", fields{"x": nil})}, `r{}`},
		{"two deletes", []replica.Update{ab, del("b", 1, 11, "r"), set("c", 1, 12, "r", fields{"x": 3}), del("b", 2, 13, "r"), set("c", 2, 14, "r", fields{"y": 4})}, `r{"y":4}`},
		{"delete of nothing", []replica.Update{del("a", 1, 1, "r")}, ``},
		{"rows apart", []replica.Update{set("a", 1, 1, "r", fields{"x": 1}), set("a", 2, 2, "R", fields{"x": 2}), set("a", 3, 3, "constructor", fields{"__proto__": 3})}, `R{"x":2} constructor{"__proto__":3} r{"x":1}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for range 2 {
				d, model := doc.Detached(keys.NodeID{}, 1)
				livetest.Apply(t, model, tt.updates...)
				if got := rows(d); got != tt.want {
					t.Errorf("got %s, want %s", got, tt.want)
				}
				consistent(t, d)
				slices.Reverse(tt.updates)
			}
		})
	}
}

// consistent fails unless all ways to read a Doc say the same.
func consistent(t testing.TB, d *doc.Doc) {
	t.Helper()
	if row := doc.Miscounted(d); row != "" {
		t.Errorf("the size of row %q is another", row)
	}
	n := 0
	for r := range d.Rows() {
		got, ok := d.Get(r.ID())
		if !ok || line(got) != line(r) {
			t.Errorf("row %s; Get says %s, %v", line(r), line(got), ok)
		}
		for name, f := range r.Fields() {
			if g, ok := r.Get(name); !ok || g.Ref != f.Ref || string(g.Value) != string(f.Value) {
				t.Errorf("field %q of %q: Get says %v, %v", name, r.ID(), g, ok)
			}
		}
		n++
	}
	if d.Len() != n {
		t.Errorf("%d rows, Len is %d", n, d.Len())
	}
}

// history is updates of several authors that meet on few rows, fields and times.
func history(rng *rand.Rand) (us []replica.Update) {
	for a := range 4 {
		author := string(rune('a' + a))
		for seq := range uint64(rng.IntN(30)) {
			row, at := fmt.Sprintf("r%d", rng.IntN(6)), uint64(rng.IntN(20))
			if rng.IntN(5) == 0 {
				us = append(us, del(author, seq+1, at, row))
				continue
			}
			f := fields{}
			for range rng.IntN(3) {
				f[string(rune('x'+rng.IntN(3)))] = rng.IntN(3)
			}
			switch rng.IntN(4) {
			case 0:
				f["x"] = nil
			case 1:
				f[doc.DefaultSort] = fmt.Sprintf("%02x", 1+rng.IntN(9))
			}
			us = append(us, set(author, seq+1, at, row, f))
		}
	}
	return us
}

// follower is a Set, and what it must be.
type follower struct {
	name   string
	set    *doc.Set
	match  func(doc.Row) bool
	sorted bool
}

func follow(t *testing.T, d *doc.Doc) []*follower {
	t.Helper()
	is := func(name, value string) func(doc.Row) bool {
		return func(r doc.Row) bool { f, ok := r.Get(name); return ok && string(f.Value) == value }
	}
	odd := func(r doc.Row) bool { return strings.ContainsAny(r.ID(), "135") }
	return []*follower{
		{name: "x is 1", match: is("x", "1"), set: must[*doc.Set](t)(d.Select(doc.Where("x", 1)))},
		{name: "x is 2", match: is("x", "2"), set: must[*doc.Set](t)(d.Select(doc.Where("x", 2.0)))},
		{name: "y is 1", match: is("y", "1"), set: must[*doc.Set](t)(d.Select(doc.Where("y", 1)))},
		{name: "odd", match: odd, set: must[*doc.Set](t)(d.Select(doc.Match(odd)))},
		{name: "all", match: func(doc.Row) bool { return true }, set: must[*doc.Set](t)(d.Select(doc.Query{}))},
		{name: "all in order", sorted: true, match: func(doc.Row) bool { return true }, set: must[*doc.Sequence](t)(d.Sequence(doc.Query{}, "")).Set},
		{name: "x is 1 in order", sorted: true, match: is("x", "1"), set: must[*doc.Sequence](t)(d.Sequence(doc.Where("x", 1), "")).Set},
	}
}

// check compares a Set with the Doc.
func (f *follower) check(t *testing.T, d *doc.Doc) {
	t.Helper()
	var want []doc.Row
	for r := range d.Rows() {
		if f.match(r) {
			want = append(want, r)
		}
	}
	if f.sorted {
		slices.SortStableFunc(want, func(a, b doc.Row) int { return strings.Compare(sortKey(a), sortKey(b)) })
	}
	same := func(a, b doc.Row) bool { return line(a) == line(b) }
	got := slices.Collect(f.set.Rows())
	if !slices.EqualFunc(got, want, same) || f.set.Len() != len(want) {
		t.Fatalf("%s: the set has %s, want %d rows", f.name, rows(f.set), len(want))
	}
	for i, r := range want {
		at, ok := f.set.Index(r.ID())
		one, ok1 := f.set.At(i)
		two, ok2 := f.set.Get(r.ID())
		if at != i || !ok || !ok1 || !ok2 || !same(one, r) || !same(two, r) {
			t.Fatalf("%s: row %d is %sIndex says %d, %v, At %sGet %s", f.name, i, line(r), at, ok, line(one), line(two))
		}
	}
}

func sortKey(r doc.Row) string {
	if f, ok := r.Get(doc.DefaultSort); ok {
		return string(f.Value)
	}
	return "~"
}

// must fails the test on an error.
func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// TestStateIsAFunctionOfTheSet folds the same updates in many interleavings, with rebuilds
// in between that take some authors out; Sets follow.
func TestStateIsAFunctionOfTheSet(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	for range 30 {
		synctest.Test(t, func(t *testing.T) {
			d, model := doc.Detached(keys.NodeID{}, 1<<16)
			sets := follow(t, d)
			us := history(rng)
			check := func(counted []replica.Update) {
				t.Helper()
				fresh, other := doc.Detached(keys.NodeID{}, 1)
				livetest.Apply(t, other, counted...)
				if got, want := dump(d), dump(fresh); got != want {
					t.Fatalf("the rows are\n%swant\n%s", got, want)
				}
				consistent(t, d)
				for _, s := range sets {
					s.check(t, d)
				}
			}
			rng.Shuffle(len(us), func(i, j int) { us[i], us[j] = us[j], us[i] })
			for i, u := range us {
				livetest.Apply(t, model, u)
				if rng.IntN(10) == 0 {
					check(us[:i+1])
				}
			}
			check(us)
			without := slices.DeleteFunc(slices.Clone(us), func(u replica.Update) bool { return u.Author[2] == 'b' })
			livetest.Rebuild(t, model, without...)
			check(without)
			for _, u := range us {
				if u.Author[2] == 'b' {
					livetest.Apply(t, model, u)
				}
			}
			check(us)
			d.Close()
		})
	}
}

// TestRebuildIsNotSeen: readers see the state before until the rebuild is over.
func TestRebuildIsNotSeen(t *testing.T) {
	d, model := doc.Detached(keys.NodeID{}, 1)
	s := must[*doc.Set](t)(d.Select(doc.Where("x", 1)))
	a, b := set("a", 1, 1, "r", fields{"x": 1}), set("b", 1, 2, "s", fields{"x": 1})
	livetest.Apply(t, model, a, b)
	before := s.Snapshot()
	model.Reset()
	livetest.Apply(t, model, a)
	if d.Len() != 2 || s.Len() != 2 {
		t.Errorf("during the rebuild: %s; %s", rows(d), rows(s))
	}
	model.Rebuilt()
	if got := rows(s); got != `r{"x":1}` || rows(d) != got || s.Snapshot().Version() <= before.Version() {
		t.Errorf("after the rebuild: %s; %s, version %d after %d", rows(d), got, s.Snapshot().Version(), before.Version())
	}
	if before.Len() != 2 {
		t.Error("a snapshot has changed")
	}
	model.Rebuilt() // without a Reset
	model.Reset()
	model.Rebuilt()
	if d.Len() != 0 || s.Len() != 0 {
		t.Errorf("a rebuild without updates leaves %s; %s", rows(d), rows(s))
	}
}

// TestValuesBelongToTheCaller: what comes out can be written to, and the change that came
// in can be reused.
func TestValuesBelongToTheCaller(t *testing.T) {
	d, model := doc.Detached(keys.NodeID{}, 1)
	u := set("a", 1, 1, "row", fields{"name": "value"})
	livetest.Apply(t, model, u)
	clear(u.Change)
	r, _ := d.Get("row")
	for _, f := range r.Fields() {
		clear(f.Value)
	}
	if got := rows(d); got != `row{"name":"value"}` {
		t.Errorf("the rows are now %s", got)
	}
}

func TestRow(t *testing.T) {
	d, model := doc.Detached(keys.NodeID{}, 1)
	livetest.Apply(t, model, set("a", 1, 1, "r", fields{"a<": []int{1}, "n": 7, "s": "text"}))
	r, _ := d.Get("r")
	var n int
	if ok, err := r.Decode("n", &n); !ok || err != nil || n != 7 {
		t.Errorf("Decode: %v, %v, %d", ok, err, n)
	}
	if ok, err := r.Decode("s", &n); !ok || err == nil || !strings.Contains(err.Error(), `"s" of row "r"`) {
		t.Errorf("Decode of a string: %v, %v", ok, err)
	}
	if ok, err := r.Decode("none", &n); ok || err != nil {
		t.Errorf("Decode of nothing: %v, %v", ok, err)
	}
	if b, err := r.MarshalJSON(); err != nil || string(b) != `{"a<":[1],"n":7,"s":"text"}` {
		t.Errorf("%s, %v", b, err)
	}
	var zero doc.Row
	if _, ok := zero.Get("x"); ok || zero.ID() != "" || text(zero) != "{}" {
		t.Errorf("the zero row is %s", text(zero))
	}
	for range zero.Fields() {
		t.Error("the zero row has a field")
	}
}

func TestHostileChanges(t *testing.T) {
	long := strings.Repeat("k", 60_000)
	for name, change := range map[string]string{
		"empty": "", "op 0": "\x00\x01r", "op 3": "\x03\x01r", "no row": "\x01\x00", "cut short": "\x01\x05r", "delete with more": "\x02\x01rx", "row of 60 kB": "\x01\xff" + long,
		"field of 60 kB": "\x01\x01r\xff" + long, "bad JSON": "\x01\x01r\x01a\x00\x00\x00\x01{", "a value of 4 GiB": "\x01\x01r\x01a\xff\xff\xff\xff", "deep": "\x01\x01r\x01a\x00\x00\xc3\x50" + strings.Repeat("[", 50000),
		"twice": "\x01\x01r\x01a\x00\x00\x00\x011\x01a\x00\x00\x00\x011", "a good field first": "\x01\x01r\x01a\x00\x00\x00\x011\x00", "an event": "\x05hello world", "JSON": `["r",{"a":1}]`,
	} {
		t.Run(name, func(t *testing.T) {
			d, model := doc.Detached(keys.NodeID{}, 16)
			livetest.Apply(t, model, set("a", 1, 1, "r", fields{"x": 1}))
			before := dump(d)
			changed, err := model.ApplyUpdate(livetest.Update("a", 2, 2, []byte(change)))
			if changed || !errors.Is(err, doc.ErrMalformed) {
				t.Errorf("got %v, %v; want an error that wraps ErrMalformed", changed, err)
			}
			if got := dump(d); got != before {
				t.Errorf("the rows are %s, were %s", got, before)
			}
		})
	}
}

// TestReports checks what the replica is told of an update.
func TestReports(t *testing.T) {
	_, model := doc.Detached(keys.NodeID{}, 1)
	for i, tt := range []struct {
		u    replica.Update
		want bool
	}{
		{set("a", 1, 10, "r", fields{"x": 1}), true},
		{set("b", 1, 9, "r", fields{"x": 2}), false},
		{set("b", 2, 9, "r", nil), false},
		{set("b", 3, 9, "r", fields{"x": 2, "y": 2}), true},
		{set("b", 4, 11, "r", nil), true},
		{del("c", 1, 20, "r"), true},
		{del("c", 2, 19, "r"), false},
		{set("b", 5, 18, "r", fields{"z": 1}), false},
		{set("b", 6, 21, "r", fields{"z": 1}), true},
	} {
		if got, err := model.ApplyUpdate(tt.u); got != tt.want || err != nil {
			t.Errorf("%d: changed %v, %v; want %v", i, got, err, tt.want)
		}
	}
}

// TestManyFields: a change of a row with very many fields costs no more than one of a row
// with few, and neither does a delete that ends some of them.
func TestManyFields(t *testing.T) {
	const n = 20_000
	d, model := doc.Detached(keys.NodeID{}, 1)
	s := must[*doc.Set](t)(d.Select(doc.Where("f00001", 1)))
	for seq := range uint64(n / 100) {
		f := fields{}
		for i := range 100 {
			f[fmt.Sprintf("f%05d", int(seq)*100+i)] = 1
		}
		livetest.Apply(t, model, set("a", seq+1, 10_000_000+seq, "r", f))
	}
	perChange := testing.AllocsPerRun(1, func() {
		for seq := range uint64(1000) {
			livetest.Apply(t, model, del("b", seq+1, seq, "r"), set("c", seq+1, 20_000_000+seq, "r", fields{"x": 1}))
		}
	}) / 1000
	if perChange > 200 {
		t.Errorf("%.0f allocations for each change", perChange)
	}
	if s.Len() != 1 {
		t.Errorf("the set has %d rows", s.Len())
	}
	livetest.Apply(t, model, del("b", 2001, 10_000_001, "r"))
	if s.Len() != 0 {
		t.Error("a field that was deleted is still found")
	}
	r, _ := d.Get("r")
	count := 0
	for range r.Fields() {
		count++
	}
	if count != n-2*100+1 {
		t.Errorf("%d fields are left", count)
	}
}

// TestConcurrentUse is for the race detector.
func TestConcurrentUse(t *testing.T) {
	d, model := doc.Detached(keys.NodeID{}, 4)
	s := must[*doc.Set](t)(d.Select(doc.Where("x", 1)))
	q := must[*doc.Sequence](t)(d.Sequence(doc.Query{}, ""))
	changes := must[<-chan doc.Change](t)(d.Watch(t.Context(), "r*"))
	members := must[<-chan doc.MemberChange](t)(q.Watch(t.Context()))
	stop := make(chan struct{})
	var readers sync.WaitGroup
	readers.Go(func() {
		for range changes {
		}
	})
	readers.Go(func() {
		for range members {
		}
	})
	for range 2 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				for r := range s.Rows() {
					d.Get(r.ID())
					s.Get(r.ID())
					q.Index(r.ID())
				}
				c := q.Snapshot()
				n := 0
				for range c.Rows() {
					n++
				}
				if n != c.Len() {
					t.Errorf("%d rows, Len is %d", n, c.Len())
				}
				other, err := d.Select(doc.Where("x", 2))
				if err != nil {
					t.Error(err)
				}
				other.Len()
				other.Close()
			}
		})
	}
	rng := rand.New(rand.NewPCG(1, 1))
	for seq := range uint64(1000) {
		row := fmt.Sprintf("r%d", rng.IntN(50))
		u := set("a", seq+1, seq+1, row, fields{"x": rng.IntN(3), doc.DefaultSort: fmt.Sprintf("%02x", 1+rng.IntN(200))})
		if rng.IntN(4) == 0 {
			u = del("a", seq+1, seq+1, row)
		}
		if seq%300 == 299 {
			livetest.Rebuild(t, model, u)
			continue
		}
		livetest.Apply(t, model, u)
	}
	close(stop)
	d.Close()
	readers.Wait()
}

// TestIndexOfWhatMoves: a row that is in a Sequence has an index at each moment.
func TestIndexOfWhatMoves(t *testing.T) {
	d, model := doc.Detached(keys.NodeID{}, 1)
	s := must[*doc.Sequence](t)(d.Sequence(doc.Query{}, ""))
	livetest.Apply(t, model, set("a", 1, 1, "r", fields{doc.DefaultSort: "80"}))
	done := make(chan struct{})
	go func() {
		defer close(done)
		for seq := range uint64(5_000) {
			model.ApplyUpdate(set("a", seq+2, seq+2, "r", fields{doc.DefaultSort: fmt.Sprintf("%02x", 1+seq%255)}))
		}
	}()
	for moving := true; moving; {
		select {
		case <-done:
			moving = false
		default:
		}
		if at, ok := s.Index("r"); at != 0 || !ok {
			t.Fatalf("it is at %d, %v", at, ok)
		}
	}
}

// TestSlowWatcher: of large rows that are written again and again, 64 MiB wait at most.
func TestSlowWatcher(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, model := doc.Detached(keys.NodeID{}, 1024)
		s := must[*doc.Set](t)(d.Select(doc.Query{}))
		rows := must[<-chan doc.Change](t)(d.Watch(t.Context(), ""))
		members := must[<-chan doc.MemberChange](t)(s.Watch(t.Context()))
		const writes = 100
		for i := range uint64(writes) {
			livetest.Apply(t, model, set("a", i+1, i+1, "r", fields{"f": strings.Repeat("x", 1<<20-5000)}))
		}
		var lost, lostMembers uint64
		for _, c := range livetest.Drain(rows) {
			lost += c.Lost
		}
		for _, c := range livetest.Drain(members) {
			lostMembers += c.Lost
		}
		if lost < writes/2 || lostMembers < writes/2 {
			t.Errorf("%d and %d of %d changes were lost", lost, lostMembers, writes)
		}
		d.Close()
	})
}
