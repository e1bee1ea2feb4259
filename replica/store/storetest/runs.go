package storetest

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/hearsaynet/hearsay/replica/internal/wiretest"
	"github.com/hearsaynet/hearsay/replica/store"
	"github.com/hearsaynet/hearsay/replica/wire"
)

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
