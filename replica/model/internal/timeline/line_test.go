package timeline_test

import (
	"cmp"
	"context"
	"iter"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/model/internal/livetest"
	"github.com/hearsaynet/hearsay/replica/model/internal/timeline"
	"github.com/hearsaynet/hearsay/replica/wire"
)

type (
	line      = timeline.Line[string]
	entry     = timeline.Entry[string]
	selection = timeline.Selection[string]
)

// at makes an entry whose value is author and seq.
func at(author string, seq, time uint64) *entry {
	u := livetest.Update(author, seq, time, nil)
	return &entry{Ref: u.Ref, Time: time, Value: author + string(rune('0'+seq))}
}

func add(t *testing.T, l *line, es ...*entry) {
	t.Helper()
	for _, e := range es {
		c := *e
		if added, _ := l.Add(&c); !added {
			t.Fatalf("%s was not added", e.Value)
		}
	}
}

func values(seq iter.Seq[*entry]) string {
	var all []string
	for e := range seq {
		all = append(all, e.Value)
	}
	return strings.Join(all, " ")
}

func TestAuthors(t *testing.T) {
	l := timeline.New[string](time.Now, true)
	defer l.Close()
	if got := values(l.Author(keys.NodeID{})); got != "" {
		t.Errorf("an empty line has %q", got)
	}
	b1, b2, a3, a1 := at("b", 1, 4), at("b", 2, 3), at("a", 3, 1), at("a", 1, 2)
	add(t, l, b1, b2, a3, a1)
	if added, _ := l.Add(b1); added || l.Len() != 4 {
		t.Errorf("an entry was added twice: %d", l.Len())
	}
	for e := range l.Entries(selection{Last: 1}) {
		if e == b1 {
			t.Error("the entry that came again took the first one's place")
		}
	}
	if got := values(l.Entries(selection{})); got != "a3 a1 b2 b1" {
		t.Errorf("by time: %q", got)
	}
	if got := values(l.Author(a1.Author)) + ", " + values(l.Author(b1.Author)); got != "a1 a3, b1 b2" {
		t.Errorf("by author: %q", got)
	}
	if got := slices.Collect(l.Authors()); !slices.Equal(got, []keys.NodeID{a1.Author, b1.Author}) {
		t.Errorf("the authors are %v", got)
	}
	for range l.Authors() {
		break
	}
	for range l.Author(a1.Author) {
		break
	}
	if e := l.Get(b1.Author, 2); e == nil || e.Value != "b2" {
		t.Errorf("Get: %v", e)
	}
	for _, e := range []*entry{l.Get(a1.Author, 2), l.Get(b1.Author, 3), l.Get(keys.NodeID{}, 1)} {
		if e != nil {
			t.Errorf("Get: %v", e)
		}
	}
	if e, seen := l.Remove(b1.Author, 1); e == nil || e.Value != "b1" || !seen {
		t.Errorf("Remove: %v, %v", e, seen)
	}
	if e, _ := l.Remove(b1.Author, 1); e != nil {
		t.Errorf("removed twice: %v", e)
	}
	if got := values(l.Entries(selection{})); got != "a3 a1 b2" || values(l.Author(b1.Author)) != "b2" || l.Len() != 3 {
		t.Errorf("after a removal: %q", got)
	}
}

// TestIterationIsASnapshot: what is added or removed meanwhile shows in no iteration
// that has begun.
func TestIterationIsASnapshot(t *testing.T) {
	l := timeline.New[string](time.Now, true)
	defer l.Close()
	a, b, c := at("a", 1, 1), at("a", 2, 5), at("a", 3, 9)
	add(t, l, a, b, c)
	var got []string
	for e := range l.Entries(selection{}) {
		if len(got) == 0 {
			l.Remove(b.Author, 2)
			add(t, l, at("a", 4, 6))
		}
		got = append(got, e.Value)
	}
	if want := []string{"a1", "a2", "a3"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := values(l.Entries(selection{})); got != "a1 a4 a3" {
		t.Errorf("afterwards %q", got)
	}
}

func TestRebuiltTellsDifferences(t *testing.T) {
	l := timeline.New[string](time.Now, true)
	defer l.Close()
	a1, a2, b1, b2, c1 := at("a", 1, 1), at("a", 2, 4), at("b", 1, 2), at("b", 2, 5), at("c", 1, 3)
	add(t, l, a1, a2, b1)
	if gone, added := l.Rebuilt(); gone != nil || added != nil {
		t.Error("a rebuild ended that had not begun")
	}
	kept := l.Get(b1.Author, 1)
	l.Reset()
	add(t, l, b2, c1, b1)
	if e, seen := l.Remove(a1.Author, 1); e != nil || seen {
		t.Errorf("removed %v, seen %v, of what the rebuild has not made", e, seen)
	}
	if got := values(l.Entries(selection{})); got != "a1 b1 a2" || l.Len() != 3 {
		t.Errorf("during the rebuild %q", got)
	}
	gone, added := l.Rebuilt()
	if got := values(slices.Values(gone)) + ", " + values(slices.Values(added)); got != "a1 a2, c1 b2" {
		t.Errorf("gone and added: %q", got)
	}
	if l.Get(b1.Author, 1) != kept {
		t.Error("an entry that stays is kept twice")
	}
	if got := values(l.Entries(selection{})); got != "b1 c1 b2" || values(l.Author(a1.Author)) != "" {
		t.Errorf("after the rebuild %q", got)
	}
}

// TestSlowFollowerAndRemoval: what is removed before a follower comes to it is not told.
func TestSlowFollowerAndRemoval(t *testing.T) {
	l := timeline.New[string](time.Now, true)
	f := l.Join()
	defer f.Leave()
	a1 := at("a", 1, 1)
	add(t, l, a1, at("a", 2, 2))
	l.Remove(a1.Author, 1)
	l.Close()
	if got := values(f.All(t.Context(), selection{})); got != "a2" {
		t.Errorf("followed %q", got)
	}
	if got := values(l.Entries(selection{New: true})); got != "" {
		t.Errorf("of what is there none is %q", got)
	}
}

// TestNothingIsKeptForFollowers: what has ended or was removed takes no room, however many
// followers have not come to it; they get the rest.
func TestNothingIsKeptForFollowers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := timeline.New[string](time.Now, true)
		slow, gone, quick := l.Join(), l.Join(), l.Join()
		defer slow.Leave()
		before := heap()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		read := 0
		for i := range uint64(64) {
			for j := range uint64(3) { // one ends, one is removed, and one stays
				e := at("a", 3*i+j+1, i)
				if j < 2 {
					e.Value = strings.Repeat("v", 256<<10)
				}
				if j == 0 {
					e.Until = uint64(time.Now().Add(time.Second).UnixNano())
				}
				add(t, l, e)
			}
			if i == 32 {
				gone.Leave()
				for range quick.All(ctx, selection{}) {
					if read++; read == 9 {
						cancel()
					}
				}
			}
			l.Remove(at("a", 0, 0).Author, 3*i+2)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if took := heap() - before; took > 2<<20 {
			t.Errorf("32 MiB that are there no more take %d bytes", took)
		}
		l.Close()
		count := 0
		for range slow.All(t.Context(), selection{}) {
			count++
		}
		if count != 64 || l.Len() != 64 {
			t.Errorf("a slow follower got %d of %d", count, l.Len())
		}
		if n := l.Unread(); n != 60 { // the other has stopped behind nine, of which four stay
			t.Errorf("%d entries wait for a follower, want 60", n)
		}
		quick.Leave()
		if n := l.Unread(); n != 0 {
			t.Errorf("%d entries wait for a follower", n)
		}
	})
}

// heap returns how many bytes are in use.
func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// TestNothingIsRemembered: what a rebuild takes out neither waits for its end, nor for
// followers if it was removed.
func TestNothingIsRemembered(t *testing.T) {
	l := timeline.New[string](time.Now, true)
	defer l.Close()
	f := l.Join()
	defer f.Leave()
	a1, a2, b1 := at("a", 1, 1), at("a", 2, 2), at("b", 1, 3)
	a1.Until = uint64(time.Now().Add(time.Hour).UnixNano())
	add(t, l, a1, a2, b1)
	l.Reset()
	add(t, l, a2)
	l.Remove(a2.Author, 2)
	l.Rebuilt()
	if _, back := l.Followers(); l.Waiting() != 0 || back != 2 || l.Len() != 0 {
		t.Errorf("%d wait for their end, %d are remembered for followers, want 0 and 2", l.Waiting(), back)
	}
}

// TestResetTwice: what a rebuild that began again had made does not wait for its end.
func TestResetTwice(t *testing.T) {
	l := timeline.New[string](time.Now, true)
	defer l.Close()
	a1, a2, b1 := at("a", 1, 1), at("a", 2, 2), at("b", 1, 3)
	for _, e := range []*entry{a1, a2, b1} {
		e.Until = uint64(time.Now().Add(time.Hour).UnixNano())
	}
	add(t, l, a1)
	l.Reset()
	add(t, l, a1, a2, b1)
	l.Reset()
	add(t, l, a2)
	if n := l.Waiting(); n != 2 { // a1, which readers see, and a2
		t.Errorf("%d wait for their end, want 2", n)
	}
	l.Rebuilt()
	if n := l.Waiting(); n != 1 || l.Len() != 1 {
		t.Errorf("%d of %d wait for their end, want 1 of 1", n, l.Len())
	}
}

// TestTakenBackIsBounded: however much is taken back, little is remembered for followers,
// to whom the rest comes again if it counts again.
func TestTakenBackIsBounded(t *testing.T) {
	l := timeline.New[string](time.Now, true)
	f := l.Join()
	defer f.Leave()
	first := at("a", 1, 1)
	rebuildWith := func(es ...*entry) (back int) {
		l.Reset()
		add(t, l, es...)
		l.Rebuilt()
		_, back = l.Followers()
		return back
	}
	add(t, l, first)
	if back := rebuildWith(); back != 1 {
		t.Errorf("%d are remembered, want 1", back)
	}
	many := make([]*entry, timeline.MaxBack+1)
	for i := range many {
		many[i] = &entry{Ref: wire.Ref{Author: first.Author, Seq: uint64(i + 2)}, Time: uint64(i)}
	}
	add(t, l, many...)
	if back := rebuildWith(); back != timeline.MaxBack {
		t.Errorf("%d are remembered, want %d", back, timeline.MaxBack)
	}
	if back := rebuildWith(append(many, first)...); back != 0 {
		t.Errorf("%d are remembered, want 0", back)
	}
	l.Close()
	times := make(map[uint64]int)
	for e := range f.All(t.Context(), selection{}) {
		times[e.Seq]++
	}
	if times[1] != 2 || times[2] != 2 || times[3] != 1 || times[timeline.MaxBack+2] != 1 {
		t.Errorf("the first came %d times, of the many the first %d, the second %d, the last %d",
			times[1], times[2], times[3], times[timeline.MaxBack+2])
	}
}

// TestEnded: memory of what has ended is free, and a clock that is set is believed.
func TestEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var ahead time.Duration
		l := timeline.New[string](func() time.Time {
			mu.Lock()
			defer mu.Unlock()
			return time.Now().Add(ahead)
		}, true)
		defer l.Close()
		begin := uint64(time.Now().UnixNano())
		for i := range uint64(1000) {
			e := at("a", i+1, i+1)
			e.Until = begin + uint64(time.Second) + i%3
			add(t, l, e)
		}
		last := at("b", 1, 1)
		last.Until = begin + uint64(time.Hour)
		add(t, l, last)
		time.Sleep(time.Second + 3)
		synctest.Wait()
		if n := l.Waiting(); n != 1 {
			t.Errorf("%d entries wait for their end, want 1", n)
		}
		if got := values(l.Entries(selection{})); got != "b1" || l.Len() != 1 {
			t.Errorf("%d are there: %.80q", l.Len(), got)
		}
		mu.Lock()
		ahead = time.Hour
		mu.Unlock()
		if e := l.Get(last.Author, 1); e != nil || values(l.Author(last.Author)) != "" || l.Len() != 0 {
			t.Errorf("after the clock was set there is %v", e)
		}
	})
}

// TestAgainstReference does the same to a line and to a slice, with rebuilds.
func TestAgainstReference(t *testing.T) {
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 0))
	l := timeline.New[string](time.Now, true)
	defer l.Close()
	var want []*entry
	now, pending := &want, []*entry(nil)
	for range 3000 {
		switch n := rng.IntN(100); {
		case n < 60:
			e := at(string(rune('a'+rng.IntN(5))), uint64(rng.IntN(400)+1), uint64(rng.IntN(50)))
			has := slices.ContainsFunc(*now, func(o *entry) bool { return o.Ref == e.Ref })
			other := slices.ContainsFunc(*now, func(o *entry) bool { return o.Author == e.Author && o.Seq == e.Seq })
			if other && !has {
				continue // no author has two of one seq
			}
			if added, _ := l.Add(e); added == has {
				t.Fatalf("seed %d: added %v", seed, added)
			}
			if !has {
				*now = append(*now, e)
			}
		case n < 90 && len(*now) > 0:
			i := rng.IntN(len(*now))
			e := (*now)[i]
			if got, _ := l.Remove(e.Author, e.Seq); got == nil || got.Ref != e.Ref {
				t.Fatalf("seed %d: removed %v, want %v", seed, got, e)
			}
			*now = slices.Delete(*now, i, i+1)
		case n < 92 && now == &want:
			l.Reset()
			pending = nil
			now = &pending
		case n < 96 && now == &pending:
			l.Rebuilt()
			want, now = pending, &want
		}
		slices.SortFunc(want, (*entry).Compare)
		if got := values(l.Entries(selection{})); got != values(slices.Values(want)) || l.Len() != len(want) {
			t.Fatalf("seed %d: %q, want %q", seed, got, values(slices.Values(want)))
		}
		author := at(string(rune('a'+rng.IntN(5))), 1, 1).Author
		theirs := slices.DeleteFunc(slices.Clone(want), func(e *entry) bool { return e.Author != author })
		slices.SortFunc(theirs, func(a, b *entry) int { return cmp.Compare(a.Seq, b.Seq) })
		if got := values(l.Author(author)); got != values(slices.Values(theirs)) {
			t.Fatalf("seed %d: of one author %q, want %q", seed, got, values(slices.Values(theirs)))
		}
	}
}

// TestReadersAndWriter is for the race detector.
func TestReadersAndWriter(t *testing.T) {
	l := timeline.New[string](time.Now, true)
	ctx, cancel := context.WithCancel(t.Context())
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for ctx.Err() == nil {
				for range l.Entries(selection{Last: 10, After: replica.Clock{}}) {
				}
				for id := range l.Authors() {
					for e := range l.Author(id) {
						l.Get(id, e.Seq)
						break
					}
				}
				l.Len()
			}
		})
		readers.Go(func() {
			for range l.Follow(ctx, selection{}) {
			}
		})
	}
	for i := range uint64(3000) {
		e := at("a", i+1, i)
		if i%3 == 0 {
			e.Until = uint64(time.Now().Add(time.Millisecond).UnixNano())
		}
		l.Add(e)
		if i%10 == 0 {
			l.Remove(e.Author, i/2)
		}
		if i%500 == 0 {
			l.Reset()
			l.Add(e)
			l.Rebuilt()
		}
	}
	cancel()
	readers.Wait()
	l.Close()
}

// TestReadersSeeWholeStates: while entries arrive, a little out of order, readers see all
// that came before the last one that they see, each once and in order, and the more the later
// they look.
func TestReadersSeeWholeStates(t *testing.T) {
	const n = 5000
	l := timeline.New[string](time.Now, true)
	defer l.Close()
	author := at("a", 1, 1).Author
	var readers sync.WaitGroup
	whole := func(read func() iter.Seq[*entry], order func(a, b *entry) int) {
		readers.Go(func() {
			for seen := 0; seen < n; {
				before := l.Len()
				all := slices.Collect(read())
				after := l.Len()
				var last uint64
				for i, e := range all {
					last = max(last, e.Seq)
					if i > 0 && order(all[i-1], e) >= 0 {
						t.Errorf("entry %d is not before %d", all[i-1].Seq, e.Seq)
						return
					}
				}
				if len(all) < max(seen, before) || len(all) > after || last != uint64(len(all)) {
					t.Errorf("read %d entries, the last %d, after %d, between %d and %d", len(all), last, seen, before, after)
					return
				}
				seen = len(all)
			}
		})
	}
	whole(func() iter.Seq[*entry] { return l.Entries(selection{}) }, (*entry).Compare)
	whole(func() iter.Seq[*entry] { return l.Author(author) }, func(a, b *entry) int { return cmp.Compare(a.Seq, b.Seq) })
	readers.Go(func() {
		for l.Len() < n {
			newest := slices.Collect(l.Entries(selection{Last: 100}))
			if !slices.IsSortedFunc(newest, (*entry).Compare) || len(newest) > 100 {
				t.Errorf("the newest %d are out of order", len(newest))
				return
			}
		}
	})
	for i := range uint64(n) {
		e := &entry{Ref: wire.Ref{Author: author, Seq: i + 1, Hash: wire.Hash{byte(i >> 8), byte(i)}}, Time: i + i*5%16}
		if i%100 == 0 {
			e.Time /= 2
		}
		l.Add(e)
	}
	readers.Wait()
}

// TestEndsMeetRebuild: what ends while a rebuild is under way is in neither log behind it.
func TestEndsMeetRebuild(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := timeline.New[string](time.Now, true)
		defer l.Close()
		one, two := at("a", 1, 1), at("a", 2, 2)
		one.Until = uint64(time.Now().Add(time.Second).UnixNano())
		add(t, l, one, two)
		l.Reset()
		add(t, l, one, two)
		time.Sleep(2 * time.Second)
		gone, added := l.Rebuilt()
		if len(gone)+len(added) > 0 || l.Len() != 1 || l.Waiting() != 0 {
			t.Errorf("gone %d, added %d; %d are left, %d wait for their end", len(gone), len(added), l.Len(), l.Waiting())
		}
	})
}
