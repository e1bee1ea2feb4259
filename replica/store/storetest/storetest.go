// Package storetest holds what every store.Store must do.
package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica/internal/wiretest"
	"github.com/hearsaynet/hearsay/replica/store"
	"github.com/hearsaynet/hearsay/replica/wire"
)

const topic = "topic"

// Run runs the suite. open returns a new, empty store, which the suite closes.
func Run(t *testing.T, open func(t *testing.T) store.Store) {
	tests := []struct {
		name string
		test func(*testing.T, store.Store)
	}{
		{"Empty", testEmpty},
		{"AppendAndRead", testAppendAndRead},
		{"NotContiguous", testNotContiguous},
		{"AllOrNothing", testAllOrNothing},
		{"Topics", testTopics},
		{"Frontiers", testFrontiers},
		{"ManyRuns", testManyRuns},
		{"LargestRun", testLargestRun},
		{"Truncate", testTruncate},
		{"TruncateInside", testTruncateInside},
		{"TruncateToNothing", testTruncateToNothing},
		{"Records", testRecords},
		{"RecordBounds", testRecordBounds},
		{"Concurrent", testConcurrent},
		{"ReadWhileWriting", testReadWhileWriting},
		{"StopEarly", testStopEarly},
		{"Context", testContext},
		{"Closed", testClosed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := open(t)
			defer func() {
				if err := s.Close(); err != nil {
					t.Errorf("Close: %v", err)
				}
			}()
			tt.test(t, s)
			if tt.name != "Closed" {
				CheckClean(t, s)
			}
		})
	}
}

// CheckClean fails the test when s.Check finds anything.
func CheckClean(t *testing.T, s store.Store) {
	t.Helper()
	err := s.Check(t.Context(), func(f store.Fault) { t.Errorf("Check: %v", &f) })
	if err != nil {
		t.Errorf("Check: %v", err)
	}
}

// Dump returns the whole content of s as text, one line for each thing. Two stores
// have the same content when their dumps are equal.
func Dump(s store.Store, kinds ...string) (string, error) {
	var b strings.Builder
	topics, err := s.Topics()
	if err != nil {
		return "", err
	}
	for _, topic := range topics {
		for ref, err := range s.Frontiers(topic) {
			if err != nil {
				return "", err
			}
			k, err := s.Key(topic, ref.Author)
			if err != nil {
				return "", err
			}
			fmt.Fprintf(&b, "%q frontier %v %d %v %v\n", topic, ref.Author, ref.Seq, ref.Hash, k)
			for r, err := range s.Runs(topic, wire.Ref{Author: ref.Author}) {
				if err != nil {
					return "", err
				}
				fmt.Fprintf(&b, "%q run %x\n", topic, r.Body())
			}
		}
		for _, kind := range kinds {
			for rec, err := range s.Records(topic, kind) {
				if err != nil {
					return "", err
				}
				fmt.Fprintf(&b, "%q record %q %v %x\n", topic, kind, rec.Author, rec.Body)
			}
		}
	}
	return b.String(), nil
}

func appendRuns(t *testing.T, s store.Store, runs ...*wire.Run) {
	t.Helper()
	if err := s.Append(t.Context(), runs...); err != nil {
		t.Fatalf("Append: %v", err)
	}
}

func wantFrontier(t *testing.T, s store.Store, topic string, want wire.Ref) {
	t.Helper()
	got, err := s.Frontier(topic, want.Author)
	if err != nil || got != want {
		t.Errorf("Frontier = %v, %v, want %v", got, err, want)
	}
}

// readRuns returns what Runs yields, as text: first and last seq and bytes of each.
func readRuns(t *testing.T, s store.Store, topic string, a keys.NodeID, after uint64) []*wire.Run {
	t.Helper()
	var out []*wire.Run
	for r, err := range s.Runs(topic, wire.Ref{Author: a, Seq: after}) {
		if err != nil {
			t.Fatalf("Runs after %d: %v", after, err)
		}
		out = append(out, r)
	}
	return out
}

func wantRuns(t *testing.T, s store.Store, topic string, a keys.NodeID, after uint64, want []*wire.Run) {
	t.Helper()
	got := readRuns(t, s, topic, a, after)
	same := slices.EqualFunc(got, want, func(g, w *wire.Run) bool {
		return bytes.Equal(g.Body(), w.Body()) && g.Topic() == w.Topic() && g.Key() == w.Key() && g.End() == w.End()
	})
	if !same {
		t.Errorf("Runs after %d = %s, want %s", after, ranges(got), ranges(want))
	}
}

func ranges(runs []*wire.Run) string {
	var b strings.Builder
	for _, r := range runs {
		fmt.Fprintf(&b, "[%d-%d]", r.First(), r.Last())
	}
	return b.String()
}

func testEmpty(t *testing.T, s store.Store) {
	a := wiretest.NewAuthor("a")
	wantFrontier(t, s, topic, a.Start())
	wantRuns(t, s, topic, a.ID(), 0, nil)
	if _, err := s.Key(topic, a.ID()); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("Key: %v, want ErrNotFound", err)
	}
	if _, err := s.Record(topic, "head", a.ID()); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("Record: %v, want ErrNotFound", err)
	}
	if topics, err := s.Topics(); err != nil || len(topics) > 0 {
		t.Errorf("Topics = %q, %v", topics, err)
	}
	for ref, err := range s.Frontiers(topic) {
		t.Errorf("Frontiers yields %v, %v", ref, err)
	}
	if err := s.Append(t.Context()); err != nil {
		t.Errorf("Append of nothing: %v", err)
	}
	if err := s.Truncate(t.Context(), topic, a.ID(), 0); err != nil {
		t.Errorf("Truncate of nothing: %v", err)
	}
}

func testAppendAndRead(t *testing.T, s store.Store) {
	a := wiretest.NewAuthor("a")
	runs := a.Chain(topic, a.Start(), 3, 1, 4)
	appendRuns(t, s, runs[0])
	appendRuns(t, s, runs[1], runs[2])
	wantFrontier(t, s, topic, runs[2].End())
	if k, err := s.Key(topic, a.ID()); err != nil || k != a.Key() {
		t.Errorf("Key = %v, %v", k, err)
	}
	for after := range uint64(8) {
		var want []*wire.Run
		for _, r := range runs {
			if r.Last() > after {
				want = append(want, r.CutFront(after))
			}
		}
		wantRuns(t, s, topic, a.ID(), after, want)
	}
	for _, after := range []uint64{8, 9, 1 << 40, 1<<64 - 1} {
		wantRuns(t, s, topic, a.ID(), after, nil)
	}
	cut := readRuns(t, s, topic, a.ID(), 1)[0]
	if cut.Prev() != runs[0].Ref(0) {
		t.Errorf("the cut run continues %v, want %v", cut.Prev(), runs[0].Ref(0))
	}
	if _, err := wiretest.Unverified(cut).Open(a.Key()); err != nil {
		t.Errorf("the cut run does not verify: %v", err)
	}
}

func testNotContiguous(t *testing.T, s store.Store) {
	a := wiretest.NewAuthor("a")
	runs := a.Chain(topic, a.Start(), 2, 2, 2)
	other := a.Run(topic, a.Start(), wiretest.Change(1, "", "x"), wiretest.Change(2, "", "y"))
	appendRuns(t, s, runs[0])
	tests := []struct {
		name string
		run  *wire.Run
	}{
		{"gap", runs[2]},
		{"again", runs[0]},
		{"second history", other},
		{"on a second history", a.Run(topic, other.End(), wiretest.Change(3, "", "z"))},
		{"overlap", a.Run(topic, runs[0].Ref(0), wiretest.Change(2, "", "y"), wiretest.Change(3, "", "z"))},
		{"other topic", a.Chain("other", a.Start(), 2, 1)[1]},
		{"other author", wiretest.NewAuthor("b").Chain(topic, wire.Ref{}, 2, 1)[1]},
	}
	for _, tt := range tests {
		if err := s.Append(t.Context(), tt.run); !errors.Is(err, store.ErrNotContiguous) {
			t.Errorf("%s: %v, want ErrNotContiguous", tt.name, err)
		}
	}
	wantFrontier(t, s, topic, runs[0].End())
	appendRuns(t, s, runs[1], runs[2])
	wantRuns(t, s, topic, a.ID(), 0, runs)
}

func testAllOrNothing(t *testing.T, s store.Store) {
	a, b := wiretest.NewAuthor("a"), wiretest.NewAuthor("b")
	as, bs := a.Chain(topic, a.Start(), 1, 1, 1), b.Chain(topic, b.Start(), 1, 1)
	for _, runs := range [][]*wire.Run{{as[0], bs[0], as[2]}, {as[0], as[1], bs[1]}, {as[0], as[0]}} {
		if err := s.Append(t.Context(), runs...); !errors.Is(err, store.ErrNotContiguous) {
			t.Errorf("Append: %v, want ErrNotContiguous", err)
		}
	}
	wantFrontier(t, s, topic, a.Start())
	wantFrontier(t, s, topic, b.Start())
	wantRuns(t, s, topic, a.ID(), 0, nil)
	if topics, err := s.Topics(); err != nil || len(topics) > 0 {
		t.Errorf("Topics = %q, %v after refused calls", topics, err)
	}
	appendRuns(t, s, as[0], bs[0], as[1], bs[1], as[2])
	wantRuns(t, s, topic, a.ID(), 0, as)
	wantRuns(t, s, topic, b.ID(), 0, bs)
}

func testTopics(t *testing.T, s store.Store) {
	a, b := wiretest.NewAuthor("a"), wiretest.NewAuthor("b")
	topics := []string{"a", "aa", "ab", "b", "é", strings.Repeat("t", wire.MaxTopic)}
	for _, topic := range topics {
		appendRuns(t, s, a.Chain(topic, a.Start(), 1, 2)...)
	}
	if err := s.PutRecords(t.Context(), "record only", "head", store.Record{Author: a.ID(), Body: []byte("x")}); err != nil {
		t.Fatal(err)
	}
	appendRuns(t, s, b.Chain("aa", b.Start(), 5)...)
	for _, topic := range topics {
		wantRuns(t, s, topic, a.ID(), 0, a.Chain(topic, a.Start(), 1, 2))
	}
	wantRuns(t, s, "ab", b.ID(), 0, nil)
	got, err := s.Topics()
	want := append(slices.Clone(topics), "record only")
	slices.Sort(want)
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("Topics = %q, %v, want %q", got, err, want)
	}
}

func testFrontiers(t *testing.T, s store.Store) {
	var want []wire.Ref
	for _, a := range wiretest.NewAuthors("author", 100) {
		r := a.Chain(topic, a.Start(), 1)[0]
		appendRuns(t, s, r)
		appendRuns(t, s, a.Chain("other", a.Start(), 2)...)
		want = append(want, r.End())
	}
	slices.SortFunc(want, func(a, b wire.Ref) int { return a.Author.Compare(b.Author) })
	var got []wire.Ref
	for ref, err := range s.Frontiers(topic) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, ref)
	}
	if !slices.Equal(got, want) {
		t.Errorf("Frontiers = %v, want %v", got, want)
	}
}

func testManyRuns(t *testing.T, s store.Store) {
	a := wiretest.NewAuthor("a")
	lens := make([]int, 300)
	for i := range lens {
		lens[i] = 1 + i%3
	}
	runs := a.Chain(topic, a.Start(), lens...)
	appendRuns(t, s, runs...)
	wantRuns(t, s, topic, a.ID(), 0, runs)
	wantRuns(t, s, topic, a.ID(), runs[150].Last(), runs[151:])
}

func testLargestRun(t *testing.T, s store.Store) {
	a := wiretest.NewAuthor("a")
	big := wiretest.Change(1, "", strings.Repeat("x", wire.MaxChange))
	one := a.Run(topic, a.Start(), big)
	runs := []*wire.Run{one, a.Run(topic, one.End(), big), a.Chain(topic, a.Start(), wire.MaxEntries)[0]}
	runs[2] = a.Run(topic, runs[1].End(), runs[2].Entries()...)
	appendRuns(t, s, runs...)
	wantRuns(t, s, topic, a.ID(), 0, runs)
}

func testTruncate(t *testing.T, s store.Store) {
	a, b := wiretest.NewAuthor("a"), wiretest.NewAuthor("b")
	as, bs := a.Chain(topic, a.Start(), 2, 2, 2, 2), b.Chain(topic, b.Start(), 2, 2)
	appendRuns(t, s, append(as, bs...)...)
	for _, keep := range []uint64{8, 9, 1 << 63} {
		if err := s.Truncate(t.Context(), topic, a.ID(), keep); err != nil {
			t.Errorf("Truncate to %d of 8: %v", keep, err)
		}
	}
	wantFrontier(t, s, topic, as[3].End())
	if err := s.Truncate(t.Context(), topic, a.ID(), 4); err != nil {
		t.Fatal(err)
	}
	wantFrontier(t, s, topic, as[1].End())
	wantRuns(t, s, topic, a.ID(), 0, as[:2])
	wantRuns(t, s, topic, a.ID(), 4, nil)
	wantRuns(t, s, topic, b.ID(), 0, bs)
	if err := s.Append(t.Context(), as[3]); !errors.Is(err, store.ErrNotContiguous) {
		t.Errorf("Append above the cut: %v, want ErrNotContiguous", err)
	}
	next := a.Run(topic, as[1].End(), wiretest.Change(9, "", "another history"))
	appendRuns(t, s, next)
	wantRuns(t, s, topic, a.ID(), 2, []*wire.Run{as[1], next})
}

func testTruncateInside(t *testing.T, s store.Store) {
	a := wiretest.NewAuthor("a")
	runs := a.Chain(topic, a.Start(), 2, 4, 2)
	appendRuns(t, s, runs...)
	for _, keep := range []uint64{5, 4, 3} {
		if err := s.Truncate(t.Context(), topic, a.ID(), keep); err != nil {
			t.Fatal(err)
		}
		want := runs[1].Ref(int(keep - 3))
		wantFrontier(t, s, topic, want)
		wantRuns(t, s, topic, a.ID(), 0, runs[:2])
		wantRuns(t, s, topic, a.ID(), keep, []*wire.Run{runs[1].CutFront(keep)})
		next := a.Run(topic, want, wiretest.Change(9, "", "x"))
		if err := s.Append(t.Context(), next); !errors.Is(err, store.ErrNotContiguous) {
			t.Errorf("Append to an author that is cut inside a run: %v, want ErrNotContiguous", err)
		}
		CheckClean(t, s)
	}
	if err := s.Truncate(t.Context(), topic, a.ID(), 2); err != nil {
		t.Fatal(err)
	}
	wantFrontier(t, s, topic, runs[0].End())
	appendRuns(t, s, runs[1:]...)
	wantRuns(t, s, topic, a.ID(), 0, runs)
}

func testTruncateToNothing(t *testing.T, s store.Store) {
	a := wiretest.NewAuthor("a")
	runs := a.Chain(topic, a.Start(), 2, 2)
	appendRuns(t, s, runs...)
	if err := s.PutRecords(t.Context(), topic, "fork", store.Record{Author: a.ID(), Body: []byte("proof")}); err != nil {
		t.Fatal(err)
	}
	if err := s.Truncate(t.Context(), topic, a.ID(), 0); err != nil {
		t.Fatal(err)
	}
	wantFrontier(t, s, topic, a.Start())
	wantRuns(t, s, topic, a.ID(), 0, nil)
	for ref := range s.Frontiers(topic) {
		t.Errorf("Frontiers yields %v", ref)
	}
	if _, err := s.Key(topic, a.ID()); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("Key: %v, want ErrNotFound", err)
	}
	if body, err := s.Record(topic, "fork", a.ID()); err != nil || string(body) != "proof" {
		t.Errorf("Record = %q, %v", body, err)
	}
	CheckClean(t, s)
	appendRuns(t, s, runs...)
	wantRuns(t, s, topic, a.ID(), 0, runs)
}

func testRecords(t *testing.T, s store.Store) {
	authors := wiretest.NewAuthors("author", 200)
	put := func(topic, kind string, a *wiretest.Author, body string) {
		t.Helper()
		b := []byte(body)
		if err := s.PutRecords(t.Context(), topic, kind, store.Record{Author: a.ID(), Body: b}); err != nil {
			t.Fatal(err)
		}
		clear(b) // the store has its own
	}
	for i, a := range authors {
		put(topic, "head", a, "old")
		put(topic, "head", a, fmt.Sprint("head ", i))
	}
	put(topic, "he", authors[0], "he")
	put("topi", "head", authors[0], "")
	bodies := make(map[keys.NodeID]string)
	var last keys.NodeID
	for r, err := range s.Records(topic, "head") {
		if err != nil {
			t.Fatal(err)
		}
		if r.Author.Compare(last) <= 0 {
			t.Errorf("Records: %v after %v", r.Author, last)
		}
		last = r.Author
		bodies[r.Author] = string(r.Body)
		clear(r.Body)
	}
	if len(bodies) != len(authors) {
		t.Errorf("%d records, want %d", len(bodies), len(authors))
	}
	for i, a := range authors {
		want := fmt.Sprint("head ", i)
		body, err := s.Record(topic, "head", a.ID())
		if err != nil || string(body) != want || bodies[a.ID()] != want {
			t.Errorf("Record = %q, %v, Records has %q, want %q", body, err, bodies[a.ID()], want)
		}
	}
	if body, err := s.Record("topi", "head", authors[0].ID()); err != nil || len(body) > 0 {
		t.Errorf("empty record = %q, %v", body, err)
	}
	for range 2 {
		if err := s.DeleteRecord(t.Context(), topic, "head", authors[0].ID()); err != nil {
			t.Errorf("DeleteRecord: %v", err)
		}
	}
	if _, err := s.Record(topic, "head", authors[0].ID()); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("Record: %v, want ErrNotFound", err)
	}
	if body, err := s.Record(topic, "he", authors[0].ID()); err != nil || string(body) != "he" {
		t.Errorf("Record = %q, %v", body, err)
	}
}

func testRecordBounds(t *testing.T, s store.Store) {
	a := wiretest.NewAuthor("a").ID()
	longest := strings.Repeat("k", store.MaxRecordKind)
	most := bytes.Repeat([]byte("x"), store.MaxRecord)
	if err := s.PutRecords(t.Context(), topic, longest, store.Record{Author: a, Body: most}); err != nil {
		t.Errorf("the largest record: %v", err)
	}
	if body, err := s.Record(topic, longest, a); err != nil || !bytes.Equal(body, most) {
		t.Errorf("the largest record comes back as %d bytes, %v", len(body), err)
	}
	for _, bad := range []struct {
		topic, kind string
		body        []byte
	}{
		{"", "head", nil},
		{strings.Repeat("t", 256), "head", nil},
		{topic, "", nil},
		{topic, longest + "k", nil},
		{topic, "head", append(most, 'x')},
	} {
		if err := s.PutRecords(t.Context(), bad.topic, bad.kind, store.Record{Author: a, Body: bad.body}); err == nil {
			t.Errorf("a record of topic %.9q, kind %.9q, %d bytes was taken", bad.topic, bad.kind, len(bad.body))
		}
	}
}

// testConcurrent has many callers at once, every third of whom calls wrongly.
func testConcurrent(t *testing.T, s store.Store) {
	authors := wiretest.NewAuthors("author", 30)
	var tasks sync.WaitGroup
	for i, a := range authors {
		tasks.Go(func() {
			runs := a.Chain(topic, a.Start(), 1, 2, 1, 3, 1)
			if i%3 == 0 {
				runs = append(runs, runs[4])
			}
			for j, r := range runs {
				err := s.Append(t.Context(), r)
				if j < 5 && err != nil || j == 5 && !errors.Is(err, store.ErrNotContiguous) {
					t.Errorf("run %d: %v", j, err)
				}
				if got, err := s.Frontier(topic, a.ID()); err != nil || got != r.End() {
					t.Errorf("Frontier = %v, %v behind Append of %v", got, err, r.End())
				}
			}
		})
	}
	tasks.Wait()
	for _, a := range authors {
		wantRuns(t, s, topic, a.ID(), 0, a.Chain(topic, a.Start(), 1, 2, 1, 3, 1))
	}
}

// testReadWhileWriting reads a chain that grows and is cut meanwhile. What is read is a
// part of it, without holes, and no error.
func testReadWhileWriting(t *testing.T, s store.Store) {
	a := wiretest.NewAuthor("a")
	lens := make([]int, 100)
	for i := range lens {
		lens[i] = 1 + i%2
	}
	runs := a.Chain(topic, a.Start(), lens...)
	ctx, cancel := context.WithCancel(t.Context())
	var tasks sync.WaitGroup
	for range 3 {
		tasks.Go(func() {
			for ctx.Err() == nil {
				at := uint64(0)
				for r, err := range s.Runs(topic, a.Start()) {
					if err != nil || r.First() != at+1 {
						t.Errorf("run %v, %v behind seq %d", r, err, at)
						return
					}
					at = r.Last()
				}
				if err := s.Check(ctx, func(f store.Fault) { t.Errorf("Check: %v", &f) }); err != nil && ctx.Err() == nil {
					t.Errorf("Check: %v", err)
				}
			}
		})
	}
	for range 3 {
		for i := 0; i < len(runs); i += 10 {
			appendRuns(t, s, runs[i:i+10]...)
		}
		for _, keep := range []int{80, 40, 0} {
			seq := uint64(0)
			if keep > 0 {
				seq = runs[keep-1].Last()
			}
			if err := s.Truncate(t.Context(), topic, a.ID(), seq); err != nil {
				t.Error(err)
			}
		}
	}
	cancel()
	tasks.Wait()
}

func testStopEarly(t *testing.T, s store.Store) {
	a := wiretest.NewAuthor("a")
	appendRuns(t, s, a.Chain(topic, a.Start(), 1, 1, 1)...)
	for range s.Runs(topic, a.Start()) {
		// A reader may write.
		if err := s.PutRecords(t.Context(), topic, "head", store.Record{Author: a.ID(), Body: []byte("x")}); err != nil {
			t.Error(err)
		}
		break
	}
	for range s.Records(topic, "head") {
		if err := s.DeleteRecord(t.Context(), topic, "head", a.ID()); err != nil {
			t.Error(err)
		}
		break
	}
	for range s.Frontiers(topic) {
		if err := s.Truncate(t.Context(), topic, a.ID(), 2); err != nil {
			t.Error(err)
		}
		break
	}
}

func testContext(t *testing.T, s store.Store) {
	a := wiretest.NewAuthor("a")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r := a.Chain(topic, a.Start(), 1)[0]
	for name, err := range map[string]error{
		"Append":       s.Append(ctx, r),
		"PutRecords":   s.PutRecords(ctx, topic, "head", store.Record{Author: a.ID()}),
		"DeleteRecord": s.DeleteRecord(ctx, topic, "head", a.ID()),
		"Truncate":     s.Truncate(ctx, topic, a.ID(), 1),
	} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v, want context.Canceled", name, err)
		}
	}
	wantFrontier(t, s, topic, a.Start())
}

func testClosed(t *testing.T, s store.Store) {
	a := wiretest.NewAuthor("a")
	runs := a.Chain(topic, a.Start(), 1, 1)
	appendRuns(t, s, runs[0])
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	_, frontier := s.Frontier(topic, a.ID())
	_, key := s.Key(topic, a.ID())
	_, record := s.Record(topic, "head", a.ID())
	_, topics := s.Topics()
	errs := map[string]error{
		"Append":       s.Append(t.Context(), runs[1]),
		"Truncate":     s.Truncate(t.Context(), topic, a.ID(), 0),
		"PutRecords":   s.PutRecords(t.Context(), topic, "head", store.Record{Author: a.ID()}),
		"DeleteRecord": s.DeleteRecord(t.Context(), topic, "head", a.ID()),
		"Check":        s.Check(t.Context(), func(store.Fault) {}),
		"Frontier":     frontier, "Key": key, "Record": record, "Topics": topics,
	}
	for _, err := range s.Runs(topic, a.Start()) {
		errs["Runs"] = err
	}
	for _, err := range s.Frontiers(topic) {
		errs["Frontiers"] = err
	}
	for _, err := range s.Records(topic, "head") {
		errs["Records"] = err
	}
	if len(errs) != 12 {
		t.Errorf("a closed store's iterators yield nothing")
	}
	for name, err := range errs {
		if !errors.Is(err, store.ErrClosed) {
			t.Errorf("%s: %v, want ErrClosed", name, err)
		}
	}
}
