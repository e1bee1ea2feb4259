package text_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/model/internal/livetest"
	"github.com/hearsaynet/hearsay/replica/model/text"
)

// interleave mixes the authors' updates, each author's in order.
func interleave(rng *rand.Rand, us []replica.Update) []replica.Update {
	by := make(map[keys.NodeID][]replica.Update)
	var turns []keys.NodeID
	for _, u := range us {
		by[u.Author] = append(by[u.Author], u)
		turns = append(turns, u.Author)
	}
	rng.Shuffle(len(turns), func(i, j int) { turns[i], turns[j] = turns[j], turns[i] })
	mixed := make([]replica.Update, 0, len(us))
	for _, id := range turns {
		mixed, by[id] = append(mixed, by[id][0]), by[id][1:]
	}
	return mixed
}

func without(us []replica.Update, author keys.NodeID) []replica.Update {
	return slices.DeleteFunc(slices.Clone(us), func(u replica.Update) bool { return u.Author == author })
}

// TestThreeAtOnce: 100,000 characters that three authors type at once are the same text
// everywhere, in whatever order they come.
func TestThreeAtOnce(t *testing.T) {
	_, pens := threeAtOnce(t, 100_000)
	want := pens[0].String()
	if len(want) != 100_000 {
		t.Fatalf("%d characters", len(want))
	}
	for _, p := range pens[1:] {
		if p.String() != want {
			t.Errorf("%s has another text than %s", p.name, pens[0].name)
		}
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	// The rest with fewer, as it takes longer.
	us, few := threeAtOnce(t, 10_000)
	want = few[0].String()
	p := newPen("reader")
	livetest.Apply(t, p.model, interleave(rng, us)...)
	if p.String() != want {
		t.Error("interleaved: another text")
	}
	slices.Reverse(us)
	p.Reset(t, us)
	if p.String() != want {
		t.Error("backwards: another text")
	}
	p.Reset(t, without(us, few[1].id))
	if n := p.Len(); n != 10_000-int(few[1].seq) {
		t.Errorf("%d characters without one author, who wrote %d", n, few[1].seq)
	}
}

// Reset makes the text one of other updates.
func (p *pen) Reset(t testing.TB, us []replica.Update) { livetest.Rebuild(t, p.model, us...) }

// TestWordsStayWhole: what is typed at one place at once is not mixed.
func TestWordsStayWhole(t *testing.T) {
	for _, each := range []int{1, 3, 100} {
		ada, ben := newPen("ada"), newPen("ben")
		start := ada.replace(t, 1, 0, 0, "[]")
		livetest.Apply(t, ben.model, start)
		words := map[*pen]string{ada: " from ada, who types", ben: " from ben, who does too"}
		var us []replica.Update
		for p, word := range words {
			at := 1
			for chunk := range slices.Chunk([]byte(word), each) {
				us = append(us, p.replace(t, uint64(10+at), at, 0, string(chunk)))
				at += len(chunk)
			}
		}
		reader := newPen("reader")
		livetest.Apply(t, reader.model, append(us, start)...)
		got := reader.String()
		if got != "["+words[ada]+words[ben]+"]" && got != "["+words[ben]+words[ada]+"]" {
			t.Errorf("%d at a time: %q", each, got)
		}
	}
}

// TestWithdrawn: without an author its text and its deletes are gone, and what others wrote
// into its text is there and in order.
func TestWithdrawn(t *testing.T) {
	ada, ben, cyd := newPen("ada"), newPen("ben"), newPen("cyd")
	var us []replica.Update
	write := func(p *pen, at, n int, s string) {
		t.Helper()
		u := p.replace(t, uint64(len(us)+1), at, n, s)
		us = append(us, u)
		for _, other := range []*pen{ada, ben, cyd} {
			if other != p {
				livetest.Apply(t, other.model, u)
			}
		}
	}
	write(ada, 0, 0, "one two three four")
	write(ben, 18, 0, " five")
	write(cyd, 23, 0, " six")
	write(cyd, 13, 0, "(3)")
	write(cyd, 7, 0, "(2)")
	write(cyd, 3, 0, "(1)")
	write(ben, 0, 3, "")
	write(ada, 0, 4, "")
	write(ben, 0, 0, "0")
	whole := "0two(2) three(3) four five six"
	for _, tt := range []struct {
		out  []*pen
		want string
	}{
		{nil, whole},
		{[]*pen{ben}, "onetwo(2) three(3) four six"},
		{[]*pen{ada}, "0(1)(2)(3) five six"},
		{[]*pen{cyd}, "0two three four five"},
		{[]*pen{ada, ben}, "(1)(2)(3) six"},
		{[]*pen{ada, ben, cyd}, ""},
	} {
		us := us
		for _, p := range tt.out {
			us = without(us, p.id)
		}
		reader := newPen("reader")
		livetest.Apply(t, reader.model, us...)
		if got := reader.String(); got != tt.want {
			t.Errorf("without %d authors: %q, want %q", len(tt.out), got, tt.want)
		}
	}
}

// TestNotesStayInOrder: what one writes all over the text of another, which is in many pieces,
// is in order without that.
func TestNotesStayInOrder(t *testing.T) {
	ada, cyd := newPen("ada"), newPen("cyd")
	rng := rand.New(rand.NewPCG(1, 1))
	for i := range 2000 {
		livetest.Apply(t, cyd.model, ada.replace(t, uint64(i+1), rng.IntN(ada.Len()+1), 0, "ab"))
	}
	var us []replica.Update
	var want strings.Builder
	for i := range 20 {
		note := fmt.Sprintf("(%d)", i)
		want.WriteString(note)
		us = append(us, cyd.replace(t, uint64(10_000+i), 200*i+10, 0, note))
	}
	reader := newPen("reader")
	livetest.Apply(t, reader.model, us...)
	if reader.String() != want.String() {
		t.Errorf("got %q, want %q", reader, want.String())
	}
}

// TestMovesBack: text whose place arrives late moves there from where it was meanwhile.
func TestMovesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ada, ben, cyd := newPen("ada"), newPen("ben"), newPen("cyd")
		a := ada.replace(t, 1, 0, 0, "ada ")
		livetest.Apply(t, ben.model, a)
		b := ben.replace(t, 2, 4, 0, "ben ")
		livetest.Apply(t, cyd.model, a, b)
		c := cyd.replace(t, 3, 8, 0, "cyd ")
		reader := newPen("reader")
		edits := watch(t, reader.Text)
		var got []string
		for _, u := range []replica.Update{c, a, b} {
			livetest.Apply(t, reader.model, u)
			got = append(got, reader.String())
		}
		if want := []string{"cyd ", "ada cyd ", "ada ben cyd "}; !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
		if got := mirror(t, "", edits); got != reader.String() {
			t.Errorf("the edits make %q", got)
		}
		reader.Close()
	})
}

func watch(t *testing.T, txt *text.Text) <-chan text.Edit {
	t.Helper()
	edits, err := txt.Watch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return edits
}

// mirror makes of a text what edits say, of which there must be no Lost.
func mirror(t *testing.T, old string, edits <-chan text.Edit) string {
	t.Helper()
	rs := []rune(old)
	for _, e := range livetest.Drain(edits) {
		if e.Lost > 0 {
			t.Fatalf("lost %d edits", e.Lost)
		}
		n := len([]rune(e.Deleted))
		if string(rs[e.At:e.At+n]) != e.Deleted {
			t.Fatalf("%q is not at %d of %q", e.Deleted, e.At, string(rs))
		}
		rs = slices.Replace(rs, e.At, e.At+n, []rune(e.Inserted)...)
	}
	return string(rs)
}

// TestBounded: what hostile authors write costs what its bytes do.
func TestBounded(t *testing.T) {
	const many = 10_000
	t.Run("falling times", func(t *testing.T) {
		p := newPen("reader")
		for i := range uint64(many) {
			livetest.Apply(t, p.model, livetest.Update(fmt.Sprint("author ", i%1000), i/1000+1, many-i, []byte("\x01\x00\x01\x00\x01x")))
		}
		if p.Len() != many {
			t.Errorf("%d characters", p.Len())
		}
	})
	t.Run("a deep chain, backwards", func(t *testing.T) {
		p := newPen("reader")
		var us []replica.Update
		for i := range many {
			name := []string{"ada", "ben"}[i%2]
			other := livetest.Update([]string{"ben", "ada"}[i%2], 1, 1, nil).Author
			seq := uint64(i/2 + 1)
			before := uint64((i-1)/2 + 1)
			change := []byte("\x01\x00\x01\x00\x01x")
			if i > 0 {
				change = append([]byte("\x01\x01"), other[:]...)
				change = append(change, "\x01\x01\x01"...)
				change = append(change, 0x80, 0, byte(before>>8), byte(before))
				if before < 1<<14 {
					change = append(change[:len(change)-4], 0x40|byte(before>>8), byte(before))
				}
				if before < 1<<6 {
					change = append(change[:len(change)-2], byte(before))
				}
				change = append(change, 0, 1, "ab"[i%2])
			}
			us = append(us, livetest.Update(name, seq, uint64(i+1), change))
		}
		slices.Reverse(us)
		livetest.Apply(t, p.model, us...)
		if want := "x" + strings.Repeat("ba", many/2)[:many-1]; p.String() != want {
			t.Errorf("%d characters of %d", p.Len(), len(want))
		}
	})
	t.Run("the same deleted again and again", func(t *testing.T) {
		p := newPen("reader")
		livetest.Apply(t, p.model, livetest.Update("ada", 1, 1, append([]byte("\x01\x00\x01\x00\x80\x00\xf0\x00"), strings.Repeat("x", 0xf000)...)))
		// Torn into pieces first, one character of two.
		change := []byte("\x01\x00\x02\x00\x40\x00")
		n := 0
		for i := 0; len(change) < 60_000 && i < 0xf000; i += 2 {
			change = append(change, 0, 0x80, 0, byte(i>>8), byte(i), 1)
			if i < 1<<14 {
				change = append(change[:len(change)-5], 0x40|byte(i>>8), byte(i), 1)
			}
			if i < 1<<6 {
				change = append(change[:len(change)-3], byte(i), 1)
			}
			n++
		}
		change[6], change[4], change[5] = 1, 0x40|byte(n>>8), byte(n)
		self := livetest.Update("ada", 2, 2, change)
		livetest.Apply(t, p.model, self)
		if p.Len() != 0xf000-n {
			t.Fatalf("%d characters left", p.Len())
		}
		for i := range uint64(many) {
			livetest.Apply(t, p.model, livetest.Update("ada", 3+i, 3+i, []byte("\x01\x00\x02\x00\x01\x01\x00\x80\x00\xf0\x00")))
		}
		if p.Len() != 0 {
			t.Errorf("%d characters left", p.Len())
		}
	})
}

// TestNoCycle: updates that hang on each other are where one of them is not there.
func TestNoCycle(t *testing.T) {
	ada, ben := livetest.Update("ada", 1, 1, nil).Author, livetest.Update("ben", 1, 1, nil).Author
	on := func(other keys.NodeID, s string) []byte {
		return append(append(append([]byte("\x01\x01"), other[:]...), "\x01\x01\x01\x01\x00\x01"...), s...)
	}
	us := []replica.Update{
		livetest.Update("ada", 1, 5, on(ben, "a")),
		livetest.Update("ben", 1, 4, on(ada, "b")),
		livetest.Update("ada", 2, 6, []byte("\x01\x00\x01\x01\x00\x01\x00\x01!")),
	}
	for range 2 {
		p := newPen("reader")
		livetest.Apply(t, p.model, us...)
		if got := p.String(); got != "ba!" {
			t.Errorf("got %q", got)
		}
		slices.Reverse(us)
	}
}

// TestNotInAdvance: a delete takes what is older, also if it comes later, and nothing that
// its author could not have seen.
func TestNotInAdvance(t *testing.T) {
	ben := livetest.Update("ben", 1, 1, nil).Author
	change := append(append([]byte("\x01\x01"), ben[:]...), "\x02\x01\x02\x01\x00\x05\x01\x00\x05"...)
	p := newPen("reader")
	livetest.Apply(t, p.model,
		livetest.Update("mallory", 1, 10, change),
		livetest.Update("ben", 1, 9, []byte("\x01\x00\x01\x00\x03old")),
		livetest.Update("ben", 2, 11, []byte("\x01\x00\x01\x00\x03new")))
	if p.String() != "new" {
		t.Errorf("got %q", p)
	}
}

// TestDoesNotKeep: nothing of an update's bytes is kept.
func TestDoesNotKeep(t *testing.T) {
	p := newPen("reader")
	u := livetest.Update("ada", 1, 1, []byte("\x01\x00\x01\x00\x05hello"))
	livetest.Apply(t, p.model, u)
	clear(u.Change)
	if p.String() != "hello" {
		t.Errorf("got %q", p)
	}
}

// TestWatch: the edits of random writing make the text, over a rebuild as well.
func TestWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		us, _ := threeAtOnce(t, 300)
		deleter := newPen("dan")
		livetest.Apply(t, deleter.model, us...)
		for i := range 20 {
			us = append(us, deleter.replace(t, uint64(1000+i), i*10, 5, "ß𝄞"))
		}
		p := newPen("dan")
		edits := watch(t, p.Text)
		for _, u := range us[:250] {
			livetest.Apply(t, p.model, u)
		}
		half := mirror(t, "", edits)
		if half != p.String() || half == "" {
			t.Fatalf("the edits make %q, not %q", half, p)
		}
		for _, u := range us[250:] {
			livetest.Apply(t, p.model, u)
		}
		all := mirror(t, half, edits)
		if all != deleter.String() || all != p.String() {
			t.Fatalf("the edits make %q, not %q", all, p)
		}
		p.Reset(t, without(us, us[0].Author))
		if got := mirror(t, all, edits); got != p.String() || got == all {
			t.Errorf("after a rebuild: %q, not %q", got, p)
		}
		_, version := p.Snapshot()
		p.Reset(t, without(us, us[0].Author))
		if got := livetest.Drain(edits); len(got) != 0 {
			t.Errorf("after a rebuild to the same: %+v", got)
		}
		if _, again := p.Snapshot(); again <= version {
			t.Errorf("version %d after %d", again, version)
		}
		p.Close()
	})
}

// TestEdits looks at what an edit says.
func TestEdits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ada := newPen("ada")
		ben := newPen("ben")
		edits := watch(t, ada.Text)
		livetest.Apply(t, ben.model, ada.replace(t, 1, 0, 0, "hällo"))
		livetest.Apply(t, ada.model, ben.replace(t, 2, 1, 3, "ALL"))
		_, version := ada.Snapshot()
		want := []text.Edit{
			{Inserted: "hällo", Author: ada.id, Local: true, Version: 1},
			{At: 1, Inserted: "ALL", Author: ben.id, Version: version},
			{At: 4, Deleted: "äll", Author: ben.id, Version: version},
		}
		if got := livetest.Drain(edits); !slices.Equal(got, want) {
			t.Errorf("got %+v\nwant %+v", got, want)
		}
		ada.Close()
	})
}

// TestManyMoves: nor are they told a text as often as it moves.
func TestManyMoves(t *testing.T) {
	const texts, chars = 20, 200
	synctest.Test(t, func(t *testing.T) {
		reader := newPen("reader")
		edits := watch(t, reader.Text)
		// Each hangs on one of an update that is missing, or on the one before.
		change := []byte("\x01\x00")
		for i := range texts {
			change = append(change, "\x01\x02\x00\x01\x00\x00\x02"...)
			last := max(0, i*chars-1)
			change = append(change, 0x80, 0, byte(last>>8), byte(last))
			if last < 1<<14 {
				change = append(change[:len(change)-4], 0x40|byte(last>>8), byte(last))
			}
			if last < 1<<6 {
				change = append(change[:len(change)-2], byte(last))
			}
			change = append(change, 0x40|chars>>8, chars&0xff)
			change = append(change, strings.Repeat("x", chars)...)
		}
		livetest.Apply(t, reader.model, livetest.Update("ada", 2, 2, change))
		livetest.Drain(edits)
		livetest.Apply(t, reader.model, livetest.Update("ada", 1, 1, []byte("\x01\x00\x01\x00\x01y")))
		if got := livetest.Drain(edits); len(got) != 1 || got[0].Lost < texts || got[0].Version != 2 {
			t.Errorf("told %d edits, the first %.100v", len(got), got[0])
		}
		reader.Close()
	})
}

// TestLongMove: watchers are not told a long text for 40 bytes.
func TestLongMove(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ada, ben, reader := newPen("ada"), newPen("ben"), newPen("reader")
		a := ada.replace(t, 1, 0, 0, "x")
		livetest.Apply(t, ben.model, a)
		b := ben.replace(t, 2, 1, 0, strings.Repeat("long ", 1000))
		livetest.Apply(t, reader.model, b, livetest.Update("cyd", 1, 1, []byte("\x01\x00\x01\x00\x01y")))
		edits := watch(t, reader.Text)
		livetest.Apply(t, reader.model, a)
		if got := livetest.Drain(edits); len(got) != 1 || got[0].Lost != 2 || got[0].Version == 0 {
			t.Errorf("got %+v", got)
		}
		reader.Close()
	})
}

// TestSlowWatcher: however often a long text comes and goes, at most 64 MiB of it wait.
func TestSlowWatcher(t *testing.T) {
	const size, rebuilds = 12 << 20, 9
	synctest.Test(t, func(t *testing.T) {
		ada := newPen("ada")
		edits := watch(t, ada.Text)
		var us []replica.Update
		for i := range uint64(size / 60_000) {
			us = append(us, livetest.Update("ada", i+1, i+1, append([]byte("\x01\x00\x01\x00\x80\x00\xea\x60"), strings.Repeat("x", 60_000)...)))
		}
		for i := range rebuilds {
			ada.Reset(t, us[:i%2*len(us)])
		}
		var told, lost uint64
		for _, e := range livetest.Drain(edits) {
			told += uint64(len(e.Deleted) + len(e.Inserted))
			lost += e.Lost
		}
		if told > (64+2*12)<<20 || lost == 0 {
			t.Errorf("told %d bytes, lost %d edits", told, lost)
		}
		ada.Close()
	})
}

// TestLargeUpdate: of an update that does much readers see parts, each with a version that
// tells watchers which edits they have.
func TestLargeUpdate(t *testing.T) {
	const chars = 900
	ada, ben := newPen("ada"), newPen("ben")
	for i := range chars {
		from, to := ada, ben
		if i%2 == 1 {
			from, to = to, from
		}
		livetest.Apply(t, to.model, from.replace(t, uint64(i+1), i/2, 0, string(rune('a'+i%26))))
	}
	begin, first := ada.Snapshot()
	last, err := ada.Position(chars-1, text.Behind)
	if err != nil {
		t.Fatal(err)
	}
	edits := watch(t, ada.Text)
	seen := map[uint64]string{first: begin}
	var reader sync.WaitGroup
	reader.Go(func() {
		for s := begin; s != "all new"; {
			var version uint64
			s, version = ada.Snapshot()
			seen[version] = s
			if at, err := ada.At(last); err != nil || at > chars+len("all new") {
				t.Errorf("the last character is at %d, %v", at, err)
			}
		}
	})
	livetest.Apply(t, ada.model, ben.replace(t, chars+1, 0, chars, "all new"))
	reader.Wait()
	now, at := begin, first
	for now != "all new" {
		e := <-edits
		if s, ok := seen[at]; ok && e.Version > at && s != now {
			t.Fatalf("version %d was %q, its edits make %q", at, s, now)
		}
		at = e.Version
		if !strings.HasPrefix(now[e.At:], e.Deleted) {
			t.Fatalf("%q is not at %d of %q", e.Deleted, e.At, now)
		}
		now = now[:e.At] + e.Inserted + now[e.At+len(e.Deleted):]
	}
	_, version := ada.Snapshot()
	if s, ok := seen[at]; ok && s != now || at+1 < version || version < first+chars/300 {
		t.Errorf("of versions %d to %d the last edit has %d, which was %q", first, version, at, s)
	}
	ada.Close()
}

// TestConcurrentUse is for the race detector.
func TestConcurrentUse(t *testing.T) {
	us, _ := threeAtOnce(t, 1500)
	p := newPen("reader")
	livetest.Apply(t, p.model, us[:500]...)
	edits := watch(t, p.Text)
	stop := make(chan struct{})
	var readers sync.WaitGroup
	readers.Go(func() {
		for range edits {
		}
	})
	for range 2 {
		readers.Go(func() {
			for rng := rand.New(rand.NewPCG(1, 1)); ; {
				select {
				case <-stop:
					return
				default:
				}
				s := p.String()
				at := rng.IntN(len(s) + 1)
				text.Writer{Text: p.Text}.Version(s[:at] + "!" + s[at:])
				if pos, err := p.Position(min(at, p.Len()/2), text.Behind); err == nil {
					p.At(pos)
				}
				p.Slice(0, p.Len()/2)
				for span := range p.Spans() {
					_ = span.Author
				}
			}
		})
	}
	for i, u := range us[500:] {
		livetest.Apply(t, p.model, u)
		if i%400 == 399 {
			p.Reset(t, us[:500+i])
		}
		if i%3 == 0 {
			livetest.Apply(t, p.model, livetest.Update("dan", uint64(i+1), uint64(2000+i), text.Writer{Text: p.Text}.Replace(i%400, 2, "")))
		}
	}
	close(stop)
	p.Close()
	readers.Wait()
}
