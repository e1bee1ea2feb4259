package keys_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hearsaynet/hearsay/keys"
)

var (
	_ keys.Keystore = (*keys.Union)(nil)
	_ keys.Windowed = (*keys.Union)(nil)
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
