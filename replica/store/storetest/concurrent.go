package storetest

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/hearsaynet/hearsay/replica/internal/wiretest"
	"github.com/hearsaynet/hearsay/replica/store"
)

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
