package verify_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica/wire"
	"github.com/hearsaynet/hearsay/verify"
)

// forTimes admits one key for some signed times.
type forTimes struct {
	*keys.Memory
	ws keys.Windows
}

func (f forTimes) LookupAdmission(ctx context.Context, id keys.NodeID) (keys.Admission, error) {
	k, err := f.Lookup(ctx, id)
	return keys.Admission{Key: k, Windows: f.ws}, err
}

// TestWindows judges statements by what their author signed. Its runs are dated seq-1
// nanoseconds, so all lie within the second 0. A fork is one whatever the times.
func TestWindows(t *testing.T) {
	second := func(s int64) time.Time { return time.Unix(s, 0) }
	for _, tt := range []struct {
		name string
		ws   keys.Windows
		in   bool
	}{
		{"any time", nil, true},
		{"within", keys.Windows{{Before: second(0).Add(time.Nanosecond)}}, true},
		{"too early", keys.Windows{{After: second(1)}}, false},
		{"in one of two", keys.Windows{{After: second(5)}, {Before: second(3)}}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := newAuthor(t, 1)
			p := verify.New(verify.Admitted(forTimes{keys.NewMemory(a.key), tt.ws}), verify.Config{})
			defer p.Close()
			submit(t, p, a.forks(2), nil)
			submit(t, p, a.run(3, 10), nil)
			submit(t, p, a.says(7), nil)
			want(t, <-p.Results(), verify.Accept, 1, nil)
			for _, seq := range []uint64{1, 3} {
				res := <-p.Results()
				if !tt.in {
					want(t, res, verify.Reject, seq, verify.ErrOutsideWindow)
					continue
				}
				want(t, res, verify.Accept, seq, nil)
				if !res.Windows.Equal(tt.ws) {
					t.Errorf("the windows are %v, want %v", res.Windows, tt.ws)
				}
			}
		})
	}
}

// TestWindowOfTheFirst: a run is judged by its first update, since who passes runs on
// may have joined two, or cut one.
func TestWindowOfTheFirst(t *testing.T) {
	a := newAuthor(t, 1)
	ws := keys.Windows{{Before: time.Unix(100, 0)}}
	straddles := a.datedRun(t, 99e9, 100e9, 101e9, 100e9)
	if err := verify.Outside(straddles, ws); err != nil {
		t.Errorf("Outside = %v; the first update lies inside", err)
	}
	if from := verify.FirstOutside(straddles, ws); from != 3 {
		t.Errorf("the first update outside is %d, want 3", from)
	}
	if from := verify.FirstOutside(straddles, nil); from != 0 {
		t.Errorf("update %d lies outside no windows at all", from)
	}
	rest := straddles.CutFront(2)
	err := verify.Outside(rest, ws)
	if err == nil || !strings.Contains(err.Error(), "update 3 says 1970-01-01T00:01:41Z, admitted until 1970-01-01T00:01:40Z") {
		t.Errorf("Outside = %v; want it to name update 3, its time and the window", err)
	}
	p := verify.New(verify.Admitted(forTimes{keys.NewMemory(a.key), ws}), verify.Config{})
	defer p.Close()
	submit(t, p, parse(t, straddles.Body()), nil)
	want(t, <-p.Results(), verify.Accept, 1, nil)
	submit(t, p, parse(t, rest.Body()), nil)
	want(t, <-p.Results(), verify.Reject, 3, verify.ErrOutsideWindow)
	submit(t, p, parse(t, straddles.CutFront(3).Body()), nil)
	want(t, <-p.Results(), verify.Accept, 4, nil)
	submit(t, p, a.says(101e9), nil)
	want(t, <-p.Results(), verify.Reject, 0, verify.ErrOutsideWindow)
	submit(t, p, a.says(100e9), nil)
	want(t, <-p.Results(), verify.Accept, 0, nil)
}

// TestWindowNeedsASignature: a bad signature is the bringer's fault, whatever its times.
func TestWindowNeedsASignature(t *testing.T) {
	a := newAuthor(t, 1)
	p := verify.New(verify.Admitted(forTimes{keys.NewMemory(a.key), keys.Windows{{After: time.Unix(1, 0)}}}), verify.Config{})
	defer p.Close()
	submit(t, p, flipped(t, a, a.run(1, 10)), nil)
	res := <-p.Results()
	if res.Verdict != verify.Reject || strings.Contains(res.Err.Error(), "admitted for") {
		t.Errorf("got %v, %v; want a rejection for the signature", res.Verdict, res.Err)
	}
}

// datedRun is a run from seq 1 with an update of each of the times.
func (a *author) datedRun(t *testing.T, times ...uint64) *wire.Run {
	t.Helper()
	entries := make([]wire.Entry, len(times))
	for i, at := range times {
		entries[i] = wire.Entry{Time: at, Kind: wire.KindChange, Channel: "kv", Change: []byte("x")}
	}
	d, err := wire.NewDraft(topic, wire.Ref{Author: a.key.ID()}, entries...)
	if err != nil {
		t.Fatal(err)
	}
	r, err := d.Seal(a.key, a.sign(wire.NamespaceUpdate, d.Message()))
	if err != nil {
		t.Fatal(err)
	}
	return r
}
