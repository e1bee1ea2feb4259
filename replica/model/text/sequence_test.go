package text

import (
	"cmp"
	"fmt"
	"iter"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/model/internal/livetest"
)

// naive is what doc.go says of a set of updates, in so many words.
func naive(us []replica.Update) string {
	type char struct {
		u        *replica.Update
		index    int
		r        rune
		deleted  bool
		children []*char
		next     *char // of the same insert
	}
	less := func(a, b *char) bool {
		return cmp.Or(cmp.Compare(a.u.Time, b.u.Time), a.u.Author.Compare(b.u.Author), cmp.Compare(a.u.Seq, b.u.Seq), cmp.Compare(a.index, b.index)) < 0
	}
	type insert struct {
		first   *char
		anchors []charID
	}
	chars := make(map[charID]*char)
	var inserts []insert
	type removal struct {
		u      *replica.Update
		author keys.NodeID
		e      extent
	}
	var removals []removal
	for i := range us {
		u := &us[i]
		c, err := parseChange(u.Change)
		if err != nil {
			panic(err)
		}
		id := func(k int) keys.NodeID {
			if k == 0 {
				return u.Author
			}
			return c.other(k - 1)
		}
		index := 0
		for p := range c.parts {
			if p.text == nil {
				for e := range p.extents {
					removals = append(removals, removal{u, id(p.author), e})
				}
				continue
			}
			in := insert{}
			var last *char
			for _, r := range string(p.text) {
				x := &char{u: u, index: index, r: r}
				if last == nil {
					in.first = x
				} else {
					last.next = x
				}
				last = x
				chars[charID{u.Author, placeOf(u.Seq, index)}] = x
				index++
			}
			for _, a := range p.anchors[:p.n] {
				in.anchors = append(in.anchors, charID{id(a.author), a.place})
			}
			inserts = append(inserts, in)
		}
	}
	root := &char{deleted: true}
	for _, in := range inserts {
		parent := root
		for _, a := range in.anchors {
			if x := chars[a]; x != nil && less(x, in.first) {
				parent = x
				break
			}
		}
		parent.children = append(parent.children, in.first)
	}
	for _, d := range removals {
		for k := d.e.from; k < d.e.to; k++ {
			x := chars[charID{d.author, placeOf(d.e.seq, k)}]
			if x == nil {
				break // nor are there any behind it
			}
			if cmp.Or(cmp.Compare(x.u.Time, d.u.Time), x.u.Author.Compare(d.u.Author), cmp.Compare(x.u.Seq, d.u.Seq)) < 0 {
				x.deleted = true
			}
		}
	}
	var b strings.Builder
	stack := []*char{root}
	for len(stack) > 0 {
		x := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if !x.deleted {
			b.WriteRune(x.r)
		}
		if x.next != nil {
			x.children = append(x.children, x.next)
		}
		slices.SortFunc(x.children, func(a, b *char) int {
			if less(a, b) {
				return -1
			}
			return 1
		})
		stack = append(stack, x.children...) // the highest is popped first
	}
	return b.String()
}

func testID(author string) keys.NodeID { return livetest.Update(author, 1, 1, nil).Author }

// wild is a history that honours nothing but the encoding. A narrow one is of single
// characters, of which many are deleted.
func wild(rng *rand.Rand, narrow bool) []replica.Update {
	authors := []string{"a", "b", "c"}
	counts := make(map[string]uint64)
	var us []replica.Update
	texts := []string{"x", "yz", "ä€𝄞", "hello world", strings.Repeat("long", 70)}
	if narrow {
		authors, texts = authors[:2], []string{"a", "b", "c", "d", "e", "f", "g"}
	}
	for range 1 + rng.IntN(40) {
		who := authors[rng.IntN(len(authors))]
		counts[who]++
		e := newEncoder(testID(who))
		some := func() charID {
			return charID{testID(authors[rng.IntN(len(authors))]), placeOf(1+uint64(rng.IntN(14)), rng.IntN(6))}
		}
		for range 1 + rng.IntN(3) {
			if rng.IntN(4) == 0 || narrow && rng.IntN(3) == 0 {
				var es []extent
				for seq := range uint64(14) {
					if rng.IntN(5) == 0 {
						from := rng.IntN(5)
						es = append(es, extent{seq + 1, from, from + 1 + rng.IntN(10)})
					}
				}
				if es != nil {
					e.delete(testID(authors[rng.IntN(len(authors))]), es)
					continue
				}
			}
			var anchors []charID
			for range rng.IntN(MaxAnchors + 1) {
				anchors = append(anchors, some())
			}
			e.insert(anchors, texts[rng.IntN(len(texts))])
		}
		us = append(us, livetest.Update(who, counts[who], uint64(rng.IntN(30)), e.change()))
	}
	return us
}

// typed is a history of two authors who type character by character, an update each, for
// long; and who delete and insert in each other's text, with whatever dates.
func typed(rng *rand.Rand) []replica.Update {
	authors := []string{"a", "b"}
	counts := make(map[string]uint64)
	var us []replica.Update
	write := func(who string, time uint64, e *encoder) {
		counts[who]++
		us = append(us, livetest.Update(who, counts[who], time, e.change()))
	}
	for range 1 + rng.IntN(8) {
		who := authors[rng.IntN(2)]
		other := authors[rng.IntN(2)]
		some := func() charID { return charID{testID(other), placeOf(1+rng.Uint64N(counts[other]+2), 0)} }
		for range rng.IntN(300) {
			e := newEncoder(testID(who))
			e.insert([]charID{{testID(who), placeOf(max(1, counts[who]), 0)}}, string(rune('a'+counts[who]%26)))
			write(who, uint64(1000*len(us)), e)
		}
		for range rng.IntN(20) {
			e := newEncoder(testID(who))
			for range 1 + rng.IntN(3) {
				if c := some(); rng.IntN(2) == 0 {
					e.insert([]charID{c, some()}, "[ß]")
				} else {
					es := []extent{{c.place.seq(), 0, 1}}
					for seq := range rng.Uint64N(8) {
						es = append(es, extent{c.place.seq() + 1 + seq, 0, 1 + rng.IntN(2)})
					}
					e.delete(testID(other), es)
				}
			}
			write(who, uint64(rng.IntN(1500*len(us)+1)), e)
		}
	}
	return us
}

// TestTyped is TestNaive for spans that many updates made.
func TestTyped(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	for i := range 40 {
		us := typed(rng)
		want := naive(us)
		for range 3 {
			s := fold(t, us, false)
			if s.check(t); s.text() != want {
				t.Fatalf("history %d: got %q, want %q", i, s.text(), want)
			}
			for range rng.IntN(20) {
				n := rng.IntN(len(us) + 1)
				us = append(us[n:], us[:n]...)
				if rng.IntN(4) == 0 {
					rng.Shuffle(n, func(i, j int) { us[i], us[j] = us[j], us[i] })
				}
			}
		}
	}
}

// fold applies updates and checks the sequence after each.
func fold(t testing.TB, us []replica.Update, check bool) *sequence {
	t.Helper()
	s := newSequence()
	for i := range us {
		c, err := parseChange(us[i].Change)
		if err != nil {
			t.Fatal(err)
		}
		before := s.text()
		s.edits = new(edits)
		s.apply(&us[i], &c)
		if !check {
			continue
		}
		s.check(t)
		if s.edits.lost == 0 {
			if got := replay(before, s.edits.list); got != s.text() {
				t.Fatalf("the edits %v\nmake %q\nof   %q\nbut the text is %q", s.edits.list, got, before, s.text())
			}
		}
	}
	return s
}

func replay(text string, list []edit) string {
	rs := []rune(text)
	for _, e := range list {
		n := utf8.RuneCount(e.deleted)
		if string(rs[e.at:e.at+n]) != string(e.deleted) {
			return fmt.Sprintf("%q is not at %d of %q", e.deleted, e.at, string(rs))
		}
		rs = slices.Replace(rs, e.at, e.at+n, []rune(string(e.inserted))...)
	}
	return string(rs)
}

// all walks through the spans in order.
func (s *sequence) all(yield func(*span) bool) {
	x := spanOf(s.root)
	for x != nil && x.left != nil {
		x = x.left.span
	}
	for ; x != nil && yield(x); x = x.next() {
	}
}

// pathOf returns the path to a span.
func pathOf(x *span) (p path) {
	for ; x != nil; x = x.parent {
		p = append(p, x.node)
	}
	slices.Reverse(p)
	return p
}

// check checks what must hold between the spans, the tree and the authors.
func (s *sequence) check(t testing.TB) {
	t.Helper()
	spans, total, size := 0, 0, 0
	next, stop := iter.Pull(s.between(0, s.len()))
	defer stop()
	for x := range s.all {
		spans++
		if !x.deleted {
			if got, _ := next(); got != (cut{x.node, 0, int(x.n)}) {
				t.Fatalf("what is shown next is %v, want %v", got, x)
			}
		}
		if x.rank() != total {
			t.Fatalf("rank %d, want %d", x.rank(), total)
		}
		total += x.own()
		size += len(x.text)
		if got, ok := x.author.spans.Get(entry{first: x.first}); !ok || got.span != x {
			t.Fatalf("a span is not found by its place")
		}
		if _, ok := x.author.live.Get(entry{first: x.first}); ok == x.deleted {
			t.Fatalf("live: %v, deleted: %v", ok, x.deleted)
		}
		if x.n == 0 || x.n > maxSpan || !x.deleted && utf8.RuneCount(x.text) != int(x.n) || x.deleted && x.text != nil {
			t.Fatalf("span of %d with %q, deleted %v", x.n, x.text, x.deleted)
		}
		for i := 1; i < int(x.n); i += 1 + int(x.n)/16 {
			if !x.keyOf(i-1).less(x.keyOf(i)) || x.search(x.place(i)) != i {
				t.Fatalf("characters %d and %d: %v, %v", i-1, i, x.keyOf(i-1), x.keyOf(i))
			}
		}
		for _, c := range []*node{x.left, x.right} {
			switch {
			case c == nil:
			case c.span.node != c || c.span.parent != x:
				t.Fatal("a child has another parent, or is not what it was")
			case c.generation == s.generation && x.generation != s.generation:
				t.Fatal("readers may see a node, and not one below it")
			}
		}
		shown, least, only := x.shown, x.least, x.only
		if x.update(); shown != x.shown || least != x.least || only != x.only {
			t.Fatalf("a span says %d, %v, %v of its subtree; it is %d, %v, %v", shown, least.key(), only, x.shown, x.least.key(), x.only)
		}
		other := x.prev()
		for other != nil && other.author == x.author {
			other = other.prev()
		}
		if got := pathOf(x).prevOther(); got == nil && other != nil || got != nil && (other == nil || !slices.Equal(got, pathOf(other))) {
			t.Fatalf("the way to the span of another author before is %v, want that to %v", got, other)
		}
	}
	if got, more := next(); more {
		t.Fatalf("a further span is shown: %v", got)
	}
	for _, a := range s.authors {
		spans -= a.spans.Len()
		if n := a.spans.Len(); n > 0 && a.spans.At(n-1).span != a.tail {
			t.Fatal("another span is the last")
		}
		end := place(0)
		for e := range a.spans.From(0) {
			if e.first != e.span.first || e.first < end {
				t.Fatalf("spans of %q overlap: %d after %d", a.id[2:3], e.first, end)
			}
			end = e.last() + 1
		}
	}
	if spans != 0 || total != s.len() || size != s.size {
		t.Fatalf("%d spans too many, %d characters of %d, %d bytes of %d", spans, total, s.len(), size, s.size)
	}
}

// TestNaive: whatever is written, in whatever order it comes, the text is that of the
// definition, and the edits tell all of it.
func TestNaive(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	for i := range 300 {
		us := wild(rng, i%2 == 0)
		want := naive(us)
		for range 3 {
			if s := fold(t, us, true); s.text() != want {
				t.Fatalf("history %d: got %q, want %q", i, s.text(), want)
			}
			rng.Shuffle(len(us), func(i, j int) { us[i], us[j] = us[j], us[i] })
		}
	}
}

// TestFalling: of deleted text whose times fall, each piece keeps its rank.
func TestFalling(t *testing.T) {
	change := func(author string, f func(e *encoder)) []byte {
		e := newEncoder(testID(author))
		f(e)
		return e.change()
	}
	behind := func(seq uint64) []charID { return []charID{{testID("a"), placeOf(seq, 0)}} }
	us := []replica.Update{
		livetest.Update("a", 1, 10, change("a", func(e *encoder) { e.insert(nil, "x") })),
		livetest.Update("a", 2, 5, change("a", func(e *encoder) { e.insert(nil, "y") })),
		livetest.Update("a", 3, 30, change("a", func(e *encoder) { e.delete(testID("a"), []extent{{1, 0, 1}, {2, 0, 1}}) })),
		livetest.Update("b", 1, 7, change("b", func(e *encoder) { e.insert(nil, "z") })),
		livetest.Update("b", 2, 20, change("b", func(e *encoder) { e.insert(behind(2), "v") })),
	}
	if got := fold(t, us, true).text(); got != "zv" || naive(us) != got {
		t.Errorf("got %q, want %q", got, naive(us))
	}
}

// TestPassingBy: text that names a place in the middle of a span, but belongs behind all of
// that by its date, costs no more than its bytes do.
func TestPassingBy(t *testing.T) {
	var us []replica.Update
	for seq := range uint64(maxSpan) {
		e := newEncoder(testID("a"))
		e.insert([]charID{{testID("a"), placeOf(max(1, seq), 0)}}, "a")
		us = append(us, livetest.Update("a", seq+1, 10*(seq+1), e.change()))
	}
	s := fold(t, us, false)
	e := newEncoder(testID("b"))
	for len(e.body) < 10_000 {
		e.insert([]charID{{testID("a"), placeOf(maxSpan/2, 0)}}, "b")
	}
	u := livetest.Update("b", 1, 10*maxSpan/2+1, e.change())
	c, err := parseChange(u.Change)
	if err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	s.apply(&u, &c)
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > 100*uint64(len(u.Change)) {
		t.Errorf("%d bytes for a change of %d", n, len(u.Change))
	}
	if s.check(t); s.authors[testID("a")].spans.Len() != 1 {
		t.Errorf("the text passed by is in %d pieces", s.authors[testID("a")].spans.Len())
	}
}

// TestPastDeleted: however much deleted text moves or is read past, it costs nothing.
func TestPastDeleted(t *testing.T) {
	const chain, deleted = 4000, 30_000
	apply := func(s *sequence, author string, seq, time uint64, fill func(e *encoder)) {
		e := newEncoder(testID(author))
		fill(e)
		u := livetest.Update(author, seq, time, e.change())
		c, err := parseChange(u.Change)
		if err != nil {
			t.Fatal(err)
		}
		s.edits = new(edits)
		s.apply(&u, &c)
	}
	s := newSequence()
	// Each hangs on an update that is missing or, meanwhile, on the one before.
	apply(s, "a", 2, 2, func(e *encoder) {
		for i := range chain {
			e.insert([]charID{{testID("a"), placeOf(1, 0)}, {testID("a"), placeOf(2, max(1, i)-1)}}, "x")
		}
	})
	apply(s, "a", 3, 3, func(e *encoder) { e.delete(testID("a"), []extent{{2, 0, chain - 1}}) })
	// On the last of them hang as many pieces as can be, of two authors so that they stay pieces.
	for i := range uint64(deleted) {
		apply(s, "bc"[i%2:][:1], i+1, 10+i, func(e *encoder) {
			e.insert([]charID{{testID("a"), placeOf(2, chain-1)}}, "y")
		})
	}
	for i, author := range []string{"b", "c"} {
		apply(s, author, deleted+1, 2*deleted, func(e *encoder) {
			var es []extent
			for seq := uint64(i + 1); seq <= deleted; seq += 2 {
				es = append(es, extent{seq, 0, 1})
			}
			e.delete(testID(author), es)
		})
	}
	apply(s, "a", 4, 0, func(e *encoder) { e.insert(nil, "z") })
	s.check(t)
	begun := time.Now()
	apply(s, "a", 1, 1, func(e *encoder) { e.insert(nil, "x") })
	for range chain {
		s.slice(0, s.len())
		s.pieces(testID("a"), []replacement{{from: 0, to: s.len()}})
	}
	if took := time.Since(begun); took > 2*time.Second {
		t.Errorf("it took %v", took)
	}
	s.check(t)
	if s.text() != "xxz" {
		t.Errorf("got %q", s.text())
	}
}

// TestAgain: an update that comes twice does nothing.
func TestAgain(t *testing.T) {
	e := newEncoder(testID("a"))
	e.insert(nil, "once")
	e.delete(testID("b"), []extent{{1, 0, 1}})
	u := livetest.Update("a", 1, 1, e.change())
	m := newModel(testID("a"))
	for i := range 2 {
		if changed, err := m.ApplyUpdate(u); changed != (i == 0) || err != nil {
			t.Errorf("time %d: %v, %v", i+1, changed, err)
		}
	}
	if got := m.state.Now().text(); got != "once" {
		t.Errorf("got %q", got)
	}
}

func TestDifference(t *testing.T) {
	for _, tt := range []struct{ old, now, want string }{
		{"", "", "0 - > -"},
		{"same", "same", "4 - > -"},
		{"aaa", "aa", "2 -a > -"},
		{"ß", "ä", "0 -ß > -ä"},     // c3 9f, c3 a4
		{"xéx", "xĩx", "1 -é > -ĩ"}, // c3 a9, c4 a9
		{"𝄞𝄟", "𝄞", "1 -𝄟 > -"},     // the same but for the last byte
		{"one two", "one ß two", "4 - > -ß "},
	} {
		e := difference(tt.old, tt.now)
		if got := fmt.Sprintf("%d -%s > -%s", e.At, e.Deleted, e.Inserted); got != tt.want {
			t.Errorf("%q to %q: got %s, want %s", tt.old, tt.now, got, tt.want)
		}
	}
}

// TestContentsStay: what readers have does not change with the text.
func TestContentsStay(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	for i := range 50 {
		us := wild(rng, i%2 == 0)
		if i%10 == 0 {
			us = typed(rng)
		}
		s := newSequence()
		var had []*contents
		var said []string
		say := func(c *contents) string {
			return fmt.Sprint(c.len(), c.version, c.text(), c.spans(), c.pieces(testID("a"), []replacement{{from: c.len() / 2, to: c.len(), text: "x"}}))
		}
		for k := range us {
			if rng.IntN(4) == 0 {
				had = append(had, s.read())
				said = append(said, say(s.read()))
			}
			c, err := parseChange(us[k].Change)
			if err != nil {
				t.Fatal(err)
			}
			s.apply(&us[k], &c)
		}
		for k, c := range had {
			if got := say(c); got != said[k] {
				t.Fatalf("history %d: contents were %s, and are %s", i, said[k], got)
			}
		}
		s.check(t)
	}
}

// TestSteps: whatever an update does a great many times, readers and who waits have their
// turn meanwhile.
func TestSteps(t *testing.T) {
	const many = 10 * maxSteps
	s := newSequence()
	steps := func(name, author string, seq, time uint64, fill func(e *encoder)) {
		e := newEncoder(testID(author))
		fill(e)
		u := livetest.Update(author, seq, time, e.change())
		c, err := parseChange(u.Change)
		if err != nil {
			t.Fatal(err)
		}
		s.read()
		before := s.generation
		s.apply(&u, &c)
		if n := s.generation - before; n < many/maxSteps {
			t.Errorf("%s: readers had %d turns, want %d", name, n, many/maxSteps)
		}
	}
	var every2nd []extent
	for i := range many {
		every2nd = append(every2nd, extent{2, 2 * i, 2*i + 1})
	}
	steps("inserts that wait", "b", 1, 10, func(e *encoder) {
		for range many {
			e.insert([]charID{{testID("a"), placeOf(1, 0)}}, "y")
		}
	})
	steps("inserts that waited", "a", 1, 1, func(e *encoder) { e.insert(nil, "x") })
	steps("deletes that wait", "c", 1, 20, func(e *encoder) { e.delete(testID("a"), every2nd) })
	steps("deletes that waited", "a", 2, 2, func(e *encoder) { e.insert(nil, strings.Repeat("x", 2*many)) })
	steps("deletes of nothing", "c", 2, 21, func(e *encoder) { e.delete(testID("a"), every2nd) })
	steps("a delete of many pieces", "c", 3, 22, func(e *encoder) { e.delete(testID("a"), []extent{{1, 0, 1}, {2, 0, 2 * many}}) })
	s.check(t)
	if got := s.text(); got != strings.Repeat("y", many) {
		t.Errorf("%d characters are left", len(got))
	}
}
