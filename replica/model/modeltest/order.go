package modeltest

import (
	"bytes"
	"runtime"
	"sync"
	"weak"

	"pgregory.net/rapid"

	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// order: the state is a function of the set of updates.
func (k Kit) order(t *rapid.T) {
	h := drawHistory(t, k)
	want := k.fold(t, h.updates).State()
	for range 2 {
		mixed := interleave(t, h.updates)
		// What a replica has when the model is mounted comes before Rebuilt.
		n := rapid.IntRange(0, len(mixed)).Draw(t, "before Rebuilt")
		s := k.open(t)
		s.rebuild(t, mixed[:n]...)
		s.apply(t, mixed[n:]...)
		if got := s.State(); got != want {
			t.Fatalf("the same updates in another order give another state.%s\nThe order with the state that is wanted:\n%sThe other:\n%s",
				differ(got, want), h, list(mixed))
		}
	}
}

// exclusion: without an author the state is what the others make.
func (k Kit) exclusion(t *rapid.T) {
	h := drawHistory(t, k)
	if len(h.updates) == 0 {
		return
	}
	id := h.updates[rapid.IntRange(0, len(h.updates)-1).Draw(t, "withdrawn")].Author
	others := without(h.updates, id)
	s := k.fold(t, h.updates)
	var shown []wire.Ref
	if s.Shown != nil {
		shown = s.Shown()
	}
	s.rebuild(t, interleave(t, others)...)
	want := k.fold(t, others)
	if got, want := s.State(), want.State(); got != want {
		t.Fatalf("rebuilt without author %s, the state is not what the others' updates make.%s\nAll updates:\n%s",
			nameOf(id), differ(got, want), h)
	}
	if s.Shown == nil {
		return
	}
	then, now := places(shown), places(want.Shown())
	for _, u := range others {
		if at := place(u.Ref); then[at] && !now[at] {
			t.Fatalf("without author %s, update %s is not shown any more.\nAll updates:\n%s", nameOf(id), describe(u), h)
		}
	}
}

// place is a Ref without its hash.
func place(ref wire.Ref) wire.Ref { return wire.Ref{Author: ref.Author, Seq: ref.Seq} }

func places(refs []wire.Ref) map[wire.Ref]bool {
	all := make(map[wire.Ref]bool, len(refs))
	for _, ref := range refs {
		all[place(ref)] = true
	}
	return all
}

// rebuild: a replay gives the same, and is not seen before it is over.
func (k Kit) rebuild(t *rapid.T) {
	h := drawHistory(t, k)
	s := k.start(t)
	_, silent := s.Model.(replica.Rebuilder)
	empty := s.State()
	s.apply(t, h.updates...)
	before := s.State()
	again := interleave(t, h.updates)
	again = again[:rapid.IntRange(0, len(again)).Draw(t, "replayed")]
	want := k.fold(t, again).State()

	unseen := func(when string) {
		t.Helper()
		if got := s.State(); silent && got != before {
			t.Fatalf("the model is a replica.Rebuilder, but readers see a rebuild before Rebuilt: %s.%s\nAll updates:\n%s", when, differ(got, before), h)
		}
	}
	s.Model.Reset()
	unseen("behind Reset")
	if got := s.State(); !silent && got != empty {
		t.Fatalf("the state behind Reset is not the empty one.%s\nAll updates:\n%s", differ(got, empty), h)
	}
	s.apply(t, h.updates[:len(h.updates)/2]...) // a rebuild may be given up for the next
	unseen("amid the replay")
	s.Model.Reset()
	unseen("behind a second Reset")
	s.apply(t, again...)
	unseen("behind the replay")
	s.rebuilt()
	if got := s.State(); got != want {
		t.Fatalf("behind Reset and a replay the state is not what the updates make.%s\nAll updates:\n%sThose replayed:\n%s",
			differ(got, want), h, list(again))
	}
	s.rebuilt()
	if got := s.State(); got != want {
		t.Fatalf("Rebuilt without Reset changes the state.%s\nAll updates:\n%s", differ(got, want), list(again))
	}
}

// reports: what ApplyUpdate says of an update is so.
func (k Kit) reports(t *rapid.T) {
	h := drawHistory(t, k)
	mixed := interleave(t, h.updates)
	s := k.start(t)
	before := s.State()
	for i, u := range mixed {
		changed, err := s.applyOne(t, u)
		after := s.State()
		if !changed && after != before {
			t.Fatalf("ApplyUpdate says that nothing changed (error: %v), but the state has, by %s%s\nThe updates so far:\n%s",
				err, describe(u), differ(after, before), list(mixed[:i+1]))
		}
		before = after
	}
}

// retention: a change's bytes are a part of a run of up to 1 MiB, which is read only.
func (k Kit) retention(t *rapid.T) {
	h := drawHistory(t, k)
	want := k.fold(t, h.updates).State()
	s := k.start(t)
	for _, u := range h.updates {
		given := bytes.Clone(u.Change)
		u.Change = bytes.Clone(given)
		s.applyOne(t, u)
		if !bytes.Equal(u.Change, given) {
			t.Fatalf("ApplyUpdate has made %s of the change of %s, which is read only", clip(u.Change), describe(u))
		}
		for i := range u.Change {
			u.Change[i] ^= 0xff
		}
	}
	if got := s.State(); got != want {
		t.Fatalf("the state follows the bytes of Update.Change that were overwritten behind ApplyUpdate: copy what you keep.%s\nAll updates:\n%s",
			differ(got, want), h)
	}
}

// garbage: what nobody reads is not kept either.
func (k Kit) garbage(t *rapid.T) {
	h := drawHistory(t, k)
	s := k.start(t)
	runs := make([]weak.Pointer[byte], len(h.updates))
	for i, u := range h.updates {
		runs[i] = s.applyFromRun(t, u)
	}
	runtime.GC()
	for i, run := range runs {
		if run.Value() != nil {
			t.Fatalf("the model keeps the bytes of Update.Change, and so a run of up to 1 MiB, from the garbage collector: copy what you keep, of %s\nAll updates:\n%s",
				describe(h.updates[i]), h)
		}
	}
	runtime.KeepAlive(s)
}

// applyFromRun applies an update whose change is in the middle of a run, which it returns.
func (s *subject) applyFromRun(t tb, u replica.Update) weak.Pointer[byte] {
	t.Helper()
	run := make([]byte, 1<<10+len(u.Change))
	u.Change = run[1<<9:][:copy(run[1<<9:], u.Change)]
	s.applyOne(t, u)
	return weak.Make(&run[0])
}

// readers: the state can be read at any time, and goes from empty to what it will be. The
// race detector has most to say here.
func (k Kit) readers(t *rapid.T) {
	h := drawHistory(t, k)
	s := k.start(t)
	empty := s.State()
	stop := make(chan struct{})
	var reading sync.WaitGroup
	reading.Go(func() {
		for {
			s.State()
			select {
			case <-stop:
				return
			default:
			}
		}
	})
	done := sync.OnceFunc(func() { close(stop); reading.Wait() })
	defer done()
	s.apply(t, h.updates...)
	s.rebuild(t, h.updates...)
	s.rebuild(t)
	done()
	if got := s.State(); got != empty {
		t.Fatalf("rebuilt without updates, while it was read, the state is not the empty one.%s\nAll updates:\n%s", differ(got, empty), h)
	}
}
