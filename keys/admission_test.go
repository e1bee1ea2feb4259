package keys_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/keys/internal/keytest"
)

var (
	_ keys.Keystore = (*keys.Union)(nil)
	_ keys.Windowed = (*keys.Union)(nil)
	_ keys.Batcher  = (*keys.Union)(nil)
	_ keys.Notifier = (*keys.Union)(nil)
	_ keys.Lister   = (*keys.Union)(nil)
)

func TestWindowsAdmit(t *testing.T) {
	at := func(s int64) time.Time { return time.Unix(s, 0) }
	ns := func(s int64, more uint64) uint64 { return uint64(s)*1e9 + more }
	for _, tt := range []struct {
		name string
		ws   keys.Windows
		ns   uint64
		want bool
	}{
		{"none", nil, 0, true},
		{"open", keys.Windows{{}}, ns(5, 0), true},
		{"before the start", keys.Windows{{After: at(10)}}, ns(9, 999_999_999), false},
		{"the start", keys.Windows{{After: at(10)}}, ns(10, 0), true},
		{"the end", keys.Windows{{Before: at(10)}}, ns(10, 0), true},
		{"the second of the end", keys.Windows{{Before: at(10)}}, ns(10, 999_999_999), true},
		{"behind the end", keys.Windows{{Before: at(10)}}, ns(11, 0), false},
		{"between two", keys.Windows{{Before: at(10)}, {After: at(20)}}, ns(15, 0), false},
		{"in the second", keys.Windows{{Before: at(10)}, {After: at(20)}}, ns(25, 0), true},
		{"the latest time", keys.Windows{{Before: at(10)}}, 1<<63 - 1, false},
	} {
		if got := tt.ws.Admit(tt.ns); got != tt.want {
			t.Errorf("%s: %t, want %t", tt.name, got, tt.want)
		}
	}
}

func TestWindowsJoin(t *testing.T) {
	a, b := keys.Window{After: time.Unix(1, 0)}, keys.Window{Before: time.Unix(9, 0)}
	for _, tt := range []struct{ ws, more, want keys.Windows }{
		{nil, keys.Windows{a}, nil},
		{keys.Windows{a}, nil, nil},
		{keys.Windows{a}, keys.Windows{{}}, nil},
		{keys.Windows{a}, keys.Windows{a}, keys.Windows{a}},
		{keys.Windows{a}, keys.Windows{b}, keys.Windows{a, b}},
	} {
		if got := tt.ws.Join(tt.more); !got.Equal(tt.want) {
			t.Errorf("%v joined with %v = %v, want %v", tt.ws, tt.more, got, tt.want)
		}
	}
}

// windowed is a keystore with one answer.
type windowed struct {
	a   keys.Admission
	err error
}

func (w windowed) Lookup(context.Context, keys.NodeID) (keys.PublicKey, error) {
	return w.a.Key, w.err
}

func (w windowed) LookupAdmission(context.Context, keys.NodeID) (keys.Admission, error) {
	return w.a, w.err
}

func TestUnion(t *testing.T) {
	k, other := recorded(t, "ed25519"), recorded(t, "rsa2048")
	early, late := keys.Window{Before: time.Unix(9, 0)}, keys.Window{After: time.Unix(20, 0)}
	in := func(w keys.Window) windowed {
		return windowed{a: keys.Admission{Key: k, Windows: keys.Windows{w}}}
	}
	down, none := windowed{err: errors.New("down")}, windowed{err: keys.ErrUnknown}
	for _, tt := range []struct {
		name   string
		stores []keys.Keystore
		want   keys.Windows
		err    error
	}{
		{"nobody", []keys.Keystore{none, none}, nil, keys.ErrUnknown},
		{"no stores", nil, nil, keys.ErrUnknown},
		{"one has it", []keys.Keystore{none, in(early)}, keys.Windows{early}, nil},
		{"the times of both", []keys.Keystore{in(early), in(late)}, keys.Windows{early, late}, nil},
		{"any time is wider", []keys.Keystore{in(early), keys.NewMemory(k)}, nil, nil},
		{"one is down", []keys.Keystore{none, down}, nil, down.err},
		{"one is down and might widen", []keys.Keystore{in(early), down}, nil, down.err},
		{"one is down and cannot widen", []keys.Keystore{down, keys.NewMemory(k)}, nil, nil},
	} {
		u := keys.NewUnion(tt.stores...)
		a, err := u.LookupAdmission(t.Context(), k.ID())
		if !errors.Is(err, tt.err) || (err == nil) != (a.Key == k) || !a.Windows.Equal(tt.want) {
			t.Errorf("%s: %v, %v; want %v, %v", tt.name, a, err, tt.want, tt.err)
		}
		if err := u.Close(); err != nil {
			t.Error(err)
		}
	}
	u := keys.NewUnion(keys.NewMemory(k, other), keys.NewMemory(k))
	defer u.Close()
	want := []keys.NodeID{k.ID(), other.ID()}
	slices.SortFunc(want, keys.NodeID.Compare)
	if ids, err := u.List(t.Context()); err != nil || !slices.Equal(ids, want) {
		t.Errorf("List = %v, %v; want each id once", ids, err)
	}
	mute := keys.NewUnion(keys.NewMemory(k), lookupOnly{})
	defer mute.Close()
	if ids, err := mute.List(t.Context()); err == nil {
		t.Errorf("List = %v, though one keystore cannot list", ids)
	}
}

// inBatches is a keystore of many ids that counts how it is asked.
type inBatches struct {
	answers  map[keys.NodeID]keys.Answer
	requests [][]keys.NodeID
	give     func([]keys.Answer) []keys.Answer // nil gives them as they are
}

func (b *inBatches) Lookup(context.Context, keys.NodeID) (keys.PublicKey, error) {
	panic("asked for one id")
}

func (b *inBatches) LookupAll(_ context.Context, ids []keys.NodeID) []keys.Answer {
	b.requests = append(b.requests, slices.Clone(ids))
	var all []keys.Answer
	for _, id := range ids {
		a, ok := b.answers[id]
		if !ok {
			a.Err = keys.ErrUnknown
		}
		all = append(all, a)
	}
	if b.give != nil {
		return b.give(all)
	}
	return all
}

// TestUnionBatch: each keystore is asked once, and only for what those before leave open.
func TestUnionBatch(t *testing.T) {
	early, late := keys.Window{Before: time.Unix(9, 0)}, keys.Window{After: time.Unix(20, 0)}
	sure, wide, strange, unsure := keytest.Key(t, 0), keytest.Key(t, 1), keytest.Key(t, 2), keytest.Key(t, 3)
	in := func(k keys.PublicKey, ws ...keys.Window) keys.Answer {
		return keys.Answer{Admission: keys.Admission{Key: k, Windows: ws}}
	}
	down := errors.New("down")
	a := &inBatches{answers: map[keys.NodeID]keys.Answer{wide.ID(): in(wide, early), unsure.ID(): {Err: down}}}
	b := &inBatches{answers: map[keys.NodeID]keys.Answer{wide.ID(): in(wide, late), unsure.ID(): in(unsure, early)}}
	u := keys.NewUnion(keys.NewMemory(sure), a, b)
	defer u.Close()
	ids := []keys.NodeID{wide.ID(), sure.ID(), strange.ID(), unsure.ID()}
	got := u.LookupAll(t.Context(), ids)
	if len(got) != len(ids) {
		t.Fatalf("%d answers for %d ids", len(got), len(ids))
	}
	for i, want := range []keys.Answer{in(wide, early, late), in(sure), {Err: keys.ErrUnknown}, {Err: down}} {
		if got[i].Key != want.Key || !got[i].Windows.Equal(want.Windows) || !errors.Is(got[i].Err, want.Err) {
			t.Errorf("answer %d is %v, want %v", i, got[i], want)
		}
	}
	open := []keys.NodeID{wide.ID(), strange.ID(), unsure.ID()}
	for _, ks := range []*inBatches{a, b} {
		if len(ks.requests) != 1 || !slices.Equal(ks.requests[0], open) {
			t.Errorf("asked for %v, want %v at once", ks.requests, open)
		}
	}
}

// TestLookupAll: whatever a keystore does, each id has an answer, and none another's.
func TestLookupAll(t *testing.T) {
	k, other := recorded(t, "ed25519"), recorded(t, "rsa2048")
	ids := []keys.NodeID{k.ID(), other.ID()}
	sure := map[keys.NodeID]keys.Answer{
		k.ID():     {Admission: keys.Admission{Key: k}},
		other.ID(): {Admission: keys.Admission{Key: other}},
	}
	for _, tt := range []struct {
		name string
		ks   keys.Keystore
		sure []bool
	}{
		{"in a batch", &inBatches{answers: sure}, []bool{true, true}},
		{"one by one", keys.NewMemory(k, other), []bool{true, true}},
		{"too few", &inBatches{answers: sure, give: func(a []keys.Answer) []keys.Answer { return a[:1] }}, []bool{true, false}},
		{"too many", &inBatches{answers: sure, give: func(a []keys.Answer) []keys.Answer { return append(a, a...) }}, []bool{true, true}},
		{"turned", &inBatches{answers: sure, give: func(a []keys.Answer) []keys.Answer { slices.Reverse(a); return a }}, []bool{false, false}},
		{"another's, one by one", windowed{a: keys.Admission{Key: k}}, []bool{true, false}},
		{"panics", &inBatches{give: func([]keys.Answer) []keys.Answer { panic("a bug") }}, []bool{false, false}},
		{"panics one by one", panics{}, []bool{false, false}},
	} {
		got := keys.LookupAll(t.Context(), tt.ks, ids)
		if len(got) != len(ids) {
			t.Fatalf("%s: %d answers", tt.name, len(got))
		}
		for i, a := range got {
			if (a.Err == nil) != tt.sure[i] || a.Err == nil && a.Key.ID() != ids[i] || errors.Is(a.Err, keys.ErrUnknown) {
				t.Errorf("%s: answer %d is %v", tt.name, i, a)
			}
		}
	}
}

type panics struct{}

func (panics) Lookup(context.Context, keys.NodeID) (keys.PublicKey, error) { panic("a bug") }

type lookupOnly struct{}

func (lookupOnly) Lookup(context.Context, keys.NodeID) (keys.PublicKey, error) {
	return keys.PublicKey{}, keys.ErrUnknown
}

func TestUnionForwardsChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := keys.NewMemory(), keys.NewMemory()
		u := keys.NewUnion(a, lookupOnly{}, b)
		for _, m := range []*keys.Memory{a, b, a} {
			changed := u.Changed()
			synctest.Wait()
			if closed(changed) {
				t.Error("Changed is closed, and nothing has changed")
			}
			m.Add(recorded(t, "ed25519"))
			synctest.Wait()
			if !closed(changed) {
				t.Error("a change of one keystore is not passed on")
			}
		}
		u.Close()
		u.Close()
	})
}
