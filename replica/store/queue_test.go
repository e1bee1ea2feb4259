package store

import (
	"context"
	"errors"
	"path/filepath"
	"runtime"
	"testing"

	bolt "go.etcd.io/bbolt"

	"github.com/hearsaynet/hearsay/replica/internal/wiretest"
)

func openTest(t *testing.T) *Bolt {
	t.Helper()
	b, err := OpenBolt(filepath.Join(t.TempDir(), "store.db"), BoltOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

// waitQueued waits until n ops wait for a transaction.
func waitQueued(b *Bolt, n int) {
	for {
		b.queue.mu.Lock()
		have := len(b.queue.ops)
		b.queue.mu.Unlock()
		if have == n {
			return
		}
		runtime.Gosched()
	}
}

// hold keeps the writer in a transaction, which writes one record, until release is
// called.
func hold(t *testing.T, b *Bolt) (release func() error) {
	t.Helper()
	started, proceed, done := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	o := &op{apply: func(t *batch) error {
		close(started)
		<-proceed
		key := recordKey("t", "held", wiretest.NewAuthor("a").ID())
		t.put(bucketRecords, key, seal(bucketRecords, key, nil))
		return nil
	}}
	go func() { done <- b.submit(t.Context(), o) }()
	<-started
	return func() error {
		close(proceed)
		return <-done
	}
}

func transactions(t *testing.T, b *Bolt) (n int) {
	t.Helper()
	if err := b.view(func(tx *bolt.Tx) error { n = tx.ID(); return nil }); err != nil {
		t.Fatal(err)
	}
	return n
}

// TestGroupCommit has callers wait behind a transaction: they share the next one, and
// the one that calls wrongly fails alone.
func TestGroupCommit(t *testing.T) {
	b := openTest(t)
	before := transactions(t, b)
	release := hold(t, b)
	authors := wiretest.NewAuthors("author", 64)
	good, bad := make(chan error, len(authors)), make(chan error, 1)
	for _, a := range authors {
		r := a.Chain("t", a.Start(), 1)[0]
		go func() { good <- b.Append(t.Context(), r) }()
	}
	a := wiretest.NewAuthor("bad")
	hole := a.Chain("t", a.Start(), 1, 1)[1]
	go func() { bad <- b.Append(t.Context(), hole) }()
	waitQueued(b, len(authors)+1)
	if err := release(); err != nil {
		t.Fatal(err)
	}
	for range authors {
		if err := <-good; err != nil {
			t.Error(err)
		}
	}
	if err := <-bad; !errors.Is(err, ErrNotContiguous) {
		t.Errorf("a run with a hole before it: %v", err)
	}
	if n := transactions(t, b) - before; n != 2 {
		t.Errorf("%d transactions, want 2", n)
	}
}

// TestRecordsAreOneTransaction checks what a call of PutRecords costs, also one of more
// than a transaction gathers of others.
func TestRecordsAreOneTransaction(t *testing.T) {
	b := openTest(t)
	var records []Record
	for _, a := range wiretest.NewAuthors("author", 1+maxBatchBytes/MaxRecord) {
		records = append(records, Record{a.ID(), make([]byte, MaxRecord)})
	}
	for _, n := range []int{0, 1, 16, len(records)} {
		before := transactions(t, b)
		if err := b.PutRecords(t.Context(), "t", "head", records[:n]...); err != nil {
			t.Fatal(err)
		}
		if got, want := transactions(t, b)-before, min(n, 1); got != want {
			t.Errorf("%d transactions for %d records, want %d", got, n, want)
		}
	}
}

// TestWithdraw cancels a call that waits for its turn, and one whose turn it is.
func TestWithdraw(t *testing.T) {
	b := openTest(t)
	release := hold(t, b)
	a := wiretest.NewAuthor("a")
	r := a.Chain("t", a.Start(), 1)[0]
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- b.Append(ctx, r) }()
	waitQueued(b, 1)
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("a call that waited: %v, want context.Canceled", err)
	}
	waitQueued(b, 0)
	if err := release(); err != nil {
		t.Fatal(err)
	}

	ctx, cancel = context.WithCancel(t.Context())
	o := &op{apply: func(*batch) error {
		cancel()
		return ErrNotFound
	}}
	if err := b.submit(ctx, o); !errors.Is(err, ErrNotFound) {
		t.Errorf("a call that was taken: %v, want its verdict", err)
	}
	if ref, err := b.Frontier("t", a.ID()); err != nil || ref.Seq != 0 {
		t.Errorf("the withdrawn run is stored: %v, %v", ref, err)
	}
}

func TestTakeIsBounded(t *testing.T) {
	tests := []struct {
		name  string
		runs  []int
		bytes int
		want  []int // ops in each transaction
	}{
		{"all fit", []int{1, 1, 1}, 1, []int{3}},
		{"runs", []int{1000, 24, 1, 1}, 1, []int{2, 2}},
		{"one too large", []int{5000, 1}, 1, []int{1, 1}},
		{"bytes", []int{1, 1, 1}, maxBatchBytes / 2, []int{2, 1}},
	}
	for _, tt := range tests {
		q := &queue{wake: make(chan struct{}, 1)}
		for _, n := range tt.runs {
			if err := q.add(&op{runs: n, bytes: tt.bytes, done: make(chan struct{})}); err != nil {
				t.Fatal(err)
			}
		}
		for _, want := range tt.want {
			<-q.wake
			if ops, open := q.take(); len(ops) != want || !open {
				t.Errorf("%s: took %d, want %d", tt.name, len(ops), want)
			}
		}
		if len(q.wake) > 0 {
			t.Errorf("%s: awake with nothing to do", tt.name)
		}
	}
}

// TestCloseRefusesWhatWaits closes a store whose writer is busy: what was taken is
// stored, what waited is refused.
func TestCloseRefusesWhatWaits(t *testing.T) {
	b := openTest(t)
	release := hold(t, b)
	a := wiretest.NewAuthor("a")
	waits, closed := make(chan error, 1), make(chan error, 1)
	go func() { waits <- b.Append(t.Context(), a.Chain("t", a.Start(), 1)...) }()
	waitQueued(b, 1)
	go func() { closed <- b.Close() }()
	if err := <-waits; !errors.Is(err, ErrClosed) {
		t.Errorf("a call that waited: %v, want ErrClosed", err)
	}
	if err := release(); err != nil {
		t.Errorf("a call that was taken: %v", err)
	}
	if err := <-closed; err != nil {
		t.Error(err)
	}
}
