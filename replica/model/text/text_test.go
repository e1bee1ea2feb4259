package text_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hearsaynet/hearsay/replica/model/internal/livetest"
	"github.com/hearsaynet/hearsay/replica/model/text"
	"github.com/hearsaynet/hearsay/replica/wire"
)

func mount(t testing.TB, n *livetest.Node) *text.Text {
	return livetest.MustMount[*text.Text](t)(text.Mount(n.Replica, "", text.Config{}))
}

// ok fails the test if something was not written.
func ok(t testing.TB) func(refs []wire.Ref, err error) []wire.Ref {
	return func(refs []wire.Ref, err error) []wire.Ref {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return refs
	}
}

func TestTwoReplicas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := livetest.NewNode(t, "alice", "bob"), livetest.NewNode(t, "bob", "alice")
		ours, theirs := mount(t, a), mount(t, b)
		ok(t)(ours.Insert(t.Context(), 0, "alice's\n"))
		ok(t)(theirs.Insert(t.Context(), 0, "bob's\n")) // in the same nanosecond
		livetest.Join(t, a, b)
		synctest.Wait()
		if ours.String() != theirs.String() || ours.Len() != 14 {
			t.Fatalf("alice has %q, bob has %q", ours, theirs)
		}
		// Both type into the other's line at once.
		var typing sync.WaitGroup
		for _, who := range []struct {
			txt  *text.Text
			line string
			word string
		}{{ours, "bob's", "not "}, {theirs, "alice's", "neither "}} {
			typing.Go(func() {
				from, err := who.txt.Position(strings.Index(who.txt.String(), who.line), text.Before)
				if err != nil {
					t.Error(err)
				}
				for _, c := range who.word {
					at, err := who.txt.At(from)
					if err != nil {
						t.Error(err)
					}
					ok(t)(who.txt.Insert(t.Context(), at, string(c)))
				}
			})
		}
		typing.Wait()
		synctest.Wait()
		if s := ours.String(); s != theirs.String() || !strings.Contains(s, "not bob's\n") || !strings.Contains(s, "neither alice's\n") {
			t.Errorf("alice has %q, bob has %q", s, theirs)
		}
		theirs.Close()
		if again := mount(t, b); again.String() != ours.String() {
			t.Errorf("mounted again: %q", again)
		}
		var spans []string
		for s := range ours.Spans() {
			who := map[bool]string{true: "alice", false: "bob"}[s.Author == a.Author.ID()]
			spans = append(spans, fmt.Sprintf("%d %s %q", s.At, who, s.Text))
		}
		if len(spans) != 3 || !strings.Contains(strings.Join(spans, ""), `not `) {
			t.Errorf("spans %q", spans)
		}
	})
}

// TestWithdrawnAuthor: watchers of a rebuilt text hear what became of it.
func TestWithdrawnAuthor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := livetest.NewNode(t, "alice", "bob"), livetest.NewNode(t, "bob", "alice")
		ours, theirs := mount(t, a), mount(t, b)
		livetest.Join(t, a, b)
		ok(t)(ours.Insert(t.Context(), 0, "hello world"))
		synctest.Wait()
		ok(t)(theirs.Insert(t.Context(), 5, ", dear"))
		synctest.Wait()
		ok(t)(ours.Delete(t.Context(), 5, 2))
		synctest.Wait()
		if theirs.String() != "hellodear world" {
			t.Fatalf("bob has %q", theirs)
		}
		edits := watch(t, theirs)
		end, err := theirs.Position(theirs.Len(), text.Behind)
		if err != nil {
			t.Fatal(err)
		}
		b.Admitted.Remove(a.Author.ID())
		time.Sleep(time.Second)
		if got := mirror(t, "hellodear world", edits); got != ", dear" || theirs.String() != got {
			t.Errorf("without alice: %q, watched %q", theirs, got)
		}
		if _, err := theirs.At(end); !errors.Is(err, text.ErrNotThere) {
			t.Errorf("a position in what is withdrawn: %v", err)
		}
		b.Admitted.Add(a.Author.Key())
		time.Sleep(time.Minute)
		if got := mirror(t, ", dear", edits); got != ours.String() || theirs.String() != got {
			t.Errorf("with alice again: %q, watched %q", theirs, got)
		}
	})
}

// TestClockSetBack: what was dated ahead hangs where it belongs when its time comes, and
// what was written meanwhile stays.
func TestClockSetBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := livetest.NewNode(t, "alice", "bob"), livetest.NewNode(t, "bob", "alice")
		ours, theirs := mount(t, a), mount(t, b)
		livetest.Join(t, a, b)
		ok(t)(theirs.Insert(t.Context(), 0, "begin end"))
		synctest.Wait()
		a.Ahead.Add(int64(time.Hour))
		ok(t)(ours.Insert(t.Context(), 5, " middle"))
		a.Ahead.Add(-int64(time.Hour))
		ok(t)(ours.Insert(t.Context(), 0, "we "))
		synctest.Wait()
		if got := theirs.String(); got != "we begin end" {
			t.Errorf("bob has %q", got)
		}
		ok(t)(theirs.Delete(t.Context(), 8, 4))
		time.Sleep(2 * time.Hour)
		if got := theirs.String(); got != "we begin middle" || ours.String() != got {
			t.Errorf("bob has %q, alice has %q", got, ours)
		}
	})
}

func TestErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := livetest.NewNode(t, "alice")
		if _, err := text.Mount(n.Replica, "", text.Config{WatchBuffer: -1}); err == nil {
			t.Error("mounted with a negative buffer")
		}
		txt := mount(t, n)
		ok(t)(txt.Insert(t.Context(), 0, "ä𝄞\x00\r"))
		for name, tt := range map[string]struct {
			at, n int
			text  string
			want  error
		}{
			"before the beginning":  {-1, 0, "x", text.ErrRange},
			"behind the end":        {5, 0, "x", text.ErrRange},
			"less than nothing":     {1, -1, "x", text.ErrRange},
			"more than there is":    {1, 4, "", text.ErrRange},
			"more than can be":      {4, 1<<63 - 1, "", text.ErrRange},
			"not UTF-8":             {0, 0, "a\xff", text.ErrNotUTF8},
			"a surrogate":           {0, 0, "\xed\xa0\x80", text.ErrNotUTF8},
			"nothing":               {2, 0, "", nil},
			"nothing, at the end":   {4, 0, "", nil},
			"nothing, at the begin": {0, 0, "", nil},
		} {
			refs, err := txt.Replace(t.Context(), tt.at, tt.n, tt.text)
			if !errors.Is(err, tt.want) || refs != nil {
				t.Errorf("%s: %v, %v; want %v", name, refs, err, tt.want)
			}
			if errors.Is(err, text.ErrRange) && !strings.Contains(err.Error(), "the text has 4") {
				t.Errorf("%s: %v does not say the length", name, err)
			}
		}
		if _, err := txt.Apply(t.Context(), "\xff"); !errors.Is(err, text.ErrNotUTF8) {
			t.Errorf("Apply: %v", err)
		}
		d := txt.Draft()
		ok(t)(d.Apply(t.Context(), d.String()+"!"))
		if _, err := d.Apply(t.Context(), "again"); !errors.Is(err, text.ErrApplied) {
			t.Errorf("a draft, again: %v", err)
		}
		if got, err := txt.Slice(1, 5); err != nil || got != "𝄞\x00\r!" {
			t.Errorf("Slice: %q, %v", got, err)
		}
		if _, err := txt.Slice(3, 2); !errors.Is(err, text.ErrRange) {
			t.Errorf("Slice backwards: %v", err)
		}
		if _, err := txt.Position(6, text.Before); !errors.Is(err, text.ErrRange) {
			t.Errorf("Position: %v", err)
		}
		txt.Close()
		if _, err := txt.Insert(t.Context(), 0, "x"); !errors.Is(err, text.ErrClosed) {
			t.Errorf("Insert after Close: %v", err)
		}
		if _, err := txt.Watch(t.Context()); !errors.Is(err, text.ErrClosed) {
			t.Errorf("Watch after Close: %v", err)
		}
		if txt.Len() != 5 {
			t.Errorf("%d characters after Close", txt.Len())
		}
	})
}

func TestPositions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		txt := mount(t, livetest.NewNode(t, "alice"))
		ok(t)(txt.Insert(t.Context(), 0, "abcdef"))
		var all []text.Position
		for at := range 7 {
			for _, side := range []text.Side{text.Before, text.Behind} {
				p, err := txt.Position(at, side)
				if err != nil {
					t.Fatal(err)
				}
				all = append(all, p)
			}
		}
		where := func() (got []int) {
			for _, p := range all {
				at, err := txt.At(p)
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, at)
				if again, err := text.ParsePosition(p.String()); err != nil || again != p {
					t.Errorf("%v is parsed as %v, %v", p, again, err)
				}
			}
			return got
		}
		if got := where(); !slices.Equal(got, []int{0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6}) {
			t.Errorf("at first: %v", got)
		}
		ok(t)(txt.Insert(t.Context(), 3, "12"))
		if got := where(); !slices.Equal(got, []int{0, 0, 1, 1, 2, 2, 5, 3, 6, 6, 7, 7, 8, 8}) {
			t.Errorf("after an insert: %v", got)
		}
		ok(t)(txt.Delete(t.Context(), 1, 5))
		if txt.String() != "aef" {
			t.Fatalf("%q", txt)
		}
		if got := where(); !slices.Equal(got, []int{0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 3, 3}) {
			t.Errorf("after a delete: %v", got)
		}
	})
	for _, s := range []string{"", "beginning", "x/1/1/before", strings.Repeat("x", 1<<20), all0 + "/0/0/before", all0 + "/1/65536/before", all0 + "/1/0/after", all0 + "/1/0", all0 + "/-1/0/before"} {
		if p, err := text.ParsePosition(s); !errors.Is(err, text.ErrBadPosition) || len(err.Error()) > 300 {
			t.Errorf("%.40q: %v, %v", s, p, err)
		}
	}
	if _, err := text.ParsePosition(all0 + "/1/0/before"); err != nil {
		t.Error(err)
	}
}

// all0 is a node id.
const all0 = "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

// TestDraft: what others write while a draft is edited stays.
func TestDraft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := livetest.NewNode(t, "alice", "bob"), livetest.NewNode(t, "bob", "alice")
		ours, theirs := mount(t, a), mount(t, b)
		livetest.Join(t, a, b)
		ok(t)(ours.Insert(t.Context(), 0, "one line\nanother line\nthe last line\n"))
		synctest.Wait()
		draft := ours.Draft()
		ok(t)(theirs.Insert(t.Context(), theirs.Len(), "bob's line\n"))
		ok(t)(theirs.Replace(t.Context(), strings.Index(theirs.String(), "last"), 4, "ultimate"))
		synctest.Wait()
		refs := ok(t)(draft.Apply(t.Context(), "a line\nthe last line, of alice\n"))
		synctest.Wait()
		if got := ours.String(); got != "a line\nthe ultimate line, of alice\nbob's line\n" || theirs.String() != got || len(refs) != 1 {
			t.Errorf("alice has %q, bob has %q, in %d updates", got, theirs, len(refs))
		}
	})
}

// TestDraftOfWithdrawn: what one version inserts in several places of another's text stays in
// order without it.
func TestDraftOfWithdrawn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := livetest.NewNode(t, "alice", "bob"), livetest.NewNode(t, "bob", "alice")
		ours, theirs := mount(t, a), mount(t, b)
		livetest.Join(t, a, b)
		ok(t)(ours.Insert(t.Context(), 0, "one\ntwo\nthree\n"))
		synctest.Wait()
		if refs := ok(t)(theirs.Apply(t.Context(), "one\n(1)\ntwo\n(2)\nthree\n(3)\n")); len(refs) != 1 {
			t.Errorf("%d updates", len(refs))
		}
		b.Admitted.Remove(a.Author.ID())
		time.Sleep(time.Second)
		if got := theirs.String(); got != "(1)\n(2)\n(3)\n" {
			t.Errorf("got %q", got)
		}
	})
}

// TestLong: what does not fit an update takes several.
func TestLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := livetest.NewNode(t, "alice")
		txt := mount(t, n)
		for shift := range 4 {
			var b strings.Builder
			b.WriteString(strings.Repeat("x", shift))
			for i := 0; b.Len() < 200_000; i++ {
				fmt.Fprint(&b, "𝄞𝄞", i)
			}
			before := txt.String()
			if refs := ok(t)(txt.Insert(t.Context(), 0, b.String())); len(refs) != 4 || txt.String() != b.String()+before {
				t.Errorf("%d updates, %d bytes of %d", len(refs), len(txt.String()), b.Len()+len(before))
			}
		}
		// A delete of characters that were typed backwards, one by one, names each.
		other := livetest.MustMount[*text.Text](t)(text.Mount(n.Replica, "other", text.Config{}))
		for range 300 {
			ok(t)(other.Insert(t.Context(), 0, "x"))
		}
		if refs := ok(t)(other.Replace(t.Context(), 0, 300, "y")); len(refs) != 1 || other.String() != "y" {
			t.Errorf("%d updates, %q", len(refs), other)
		}
		if refs := ok(t)(txt.Apply(t.Context(), "")); len(refs) != 1 || txt.Len() != 0 {
			t.Errorf("%d updates, %d characters", len(refs), txt.Len())
		}
	})
}

// TestApply: versions of random edits are reached, and cost about what is different.
func TestApply(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		txt := mount(t, livetest.NewNode(t, "alice"))
		seed := rand.Uint64()
		t.Logf("seed %d", seed)
		rng := rand.New(rand.NewPCG(seed, 0))
		words := []string{"all ", "work ", "and\n", "ßö ", "𝄞\n", "play\n\n", "\x00", "dull "}
		var b strings.Builder
		for range 3000 {
			b.WriteString(words[rng.IntN(len(words))])
		}
		version := b.String()
		ok(t)(txt.Apply(t.Context(), version))
		for range 20 {
			rs := []rune(version)
			for range rng.IntN(1 + rng.IntN(300)) {
				at := rng.IntN(len(rs))
				rs = slices.Replace(rs, at, min(len(rs), at+rng.IntN(6)), []rune(words[rng.IntN(len(words))])...)
			}
			version = string(rs)
			ok(t)(txt.Apply(t.Context(), version))
			if txt.String() != version {
				t.Fatalf("got %q, want %q", txt, version)
			}
		}
	})
}
