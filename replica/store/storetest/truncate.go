package storetest

import (
	"errors"
	"testing"

	"github.com/hearsaynet/hearsay/replica/internal/wiretest"
	"github.com/hearsaynet/hearsay/replica/store"
	"github.com/hearsaynet/hearsay/replica/wire"
)

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
