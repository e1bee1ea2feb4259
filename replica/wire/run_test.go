package wire_test

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica/internal/wiretest"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// TestRun checks that a sealed run, parsed and opened elsewhere, is the same.
func TestRun(t *testing.T) {
	s := newSigner(t, 0)
	entries := changes(9)
	entries[4] = wire.Entry{Time: 7, Kind: 200, Channel: "other", Absent: true, Size: 99, Digest: [32]byte{5}}
	first := s.run(t, wire.Ref{Author: s.key.ID()}, changes(3)...)
	sealed := s.run(t, first.End(), entries...)
	u, err := wire.ParseRun(topic, sealed.Body())
	if err != nil {
		t.Fatal(err)
	}
	opened, err := u.Open(s.key)
	if err != nil {
		t.Fatal(err)
	}
	reopened, err := wire.InsecureReopenRun(topic, s.key, sealed.Body())
	if err != nil {
		t.Fatal(err)
	}
	for name, r := range map[string]*wire.Run{"sealed": sealed, "opened": opened, "reopened": reopened} {
		if r.Topic() != topic || r.Author() != s.key.ID() || r.First() != 4 || r.Last() != 12 || r.Len() != 9 || r.Prev() != first.End() || r.Key() != s.key {
			t.Errorf("%s: %+v", name, r)
		}
		if !bytes.Equal(r.Body(), sealed.Body()) || r.Size() != len(sealed.Body()) || !bytes.Equal(r.Signature(), sealed.Signature()) {
			t.Errorf("%s: the bytes differ", name)
		}
		prev := first.End().Hash
		for i, encoded := range r.Headers() {
			h, err := wire.ParseHeader(encoded)
			if err != nil {
				t.Fatalf("%s: header %d: %v", name, i, err)
			}
			if h.Prev != prev || h.Seq != uint64(4+i) || r.Ref(i) != (wire.Ref{Author: s.key.ID(), Seq: h.Seq, Hash: h.Hash()}) {
				t.Errorf("%s: header %d: %+v", name, i, h)
			}
			e, want := r.Entries()[i], entries[i]
			if e.Time != want.Time || e.Kind != want.Kind || e.Channel != want.Channel || !bytes.Equal(e.Change, want.Change) || e.Absent != want.Absent || e.Size != want.Size || e.Digest != want.Digest {
				t.Errorf("%s: entry %d: got %+v, want %+v", name, i, e, want)
			}
			prev = h.Hash()
		}
		if r.End().Hash != prev || r.End() != u.UnverifiedEnd() {
			t.Errorf("%s: ends at %v", name, r.End())
		}
	}
	if _, err := wire.InsecureReopenRun(topic, s.key, sealed.Body()[1:]); err == nil {
		t.Error("reopened from half of its bytes")
	}
}

// TestErasedKeepsHash checks that an erasure moves no hash: the signature still stands.
func TestErasedKeepsHash(t *testing.T) {
	s := newSigner(t, 0)
	r := s.run(t, wire.Ref{Author: s.key.ID()}, changes(3)...)
	h, err := wire.ParseHeader(r.Headers()[1])
	if err != nil {
		t.Fatal(err)
	}
	entries := changes(3)
	entries[1] = wire.Entry{Time: h.Time, Kind: h.Kind, Channel: h.Channel, Absent: true, Size: h.Size, Digest: h.Digest}
	d, err := wire.NewDraft(topic, r.Prev(), entries...)
	if err != nil {
		t.Fatal(err)
	}
	erased, err := d.Seal(s.key, r.Signature())
	if err != nil || erased.End() != r.End() {
		t.Fatalf("%v, %v", erased, err)
	}
}

// TestCutFront cuts everywhere, and cuts the cut.
func TestCutFront(t *testing.T) {
	s := newSigner(t, 0)
	first := s.run(t, wire.Ref{Author: s.key.ID()}, changes(5)...)
	entries := changes(20)
	entries[7].Channel = "other"
	entries[9] = wire.Entry{Time: 1, Kind: 1, Absent: true, Size: 4}
	r := s.run(t, first.End(), entries...)
	if r.CutFront(0) != r || r.CutFront(5) != r {
		t.Error("nothing to cut, and not the same run")
	}
	for after := r.First(); after < r.Last(); after++ {
		cut := r.CutFront(after)
		n := int(after - r.First() + 1)
		if cut.First() != after+1 || cut.Last() != r.Last() || cut.Len() != r.Len()-n || cut.Prev() != r.Ref(n-1) || cut.End() != r.End() {
			t.Fatalf("cut after %d: %+v", after, cut)
		}
		u, err := wire.ParseRun(topic, cut.Body())
		if err != nil {
			t.Fatal(err)
		}
		opened, err := u.Open(s.key)
		if err != nil {
			t.Fatalf("cut after %d: %v", after, err)
		}
		for i := range cut.Len() {
			if cut.Ref(i) != r.Ref(n+i) || opened.Ref(i) != r.Ref(n+i) {
				t.Errorf("cut after %d: entry %d is %v and %v", after, i, cut.Ref(i), opened.Ref(i))
			}
		}
		if !slices.EqualFunc(cut.Headers(), r.Headers()[n:], bytes.Equal) {
			t.Errorf("cut after %d: other headers", after)
		}
		if again := cut.CutFront(r.Last() - 1); !bytes.Equal(again.Body(), r.CutFront(r.Last()-1).Body()) {
			t.Errorf("cut after %d and again: other bytes", after)
		}
	}
}

// TestOpenRefuses changes what a signature covers.
func TestOpenRefuses(t *testing.T) {
	s, other := newSigner(t, 0), newSigner(t, 32)
	start := wire.Ref{Author: s.key.ID()}
	r := s.run(t, start, changes(4)...)
	open := func(body []byte, k keys.PublicKey) error {
		u, err := wire.ParseRun(topic, body)
		if err != nil {
			t.Fatal(err)
		}
		opened, err := u.Open(k)
		if (opened == nil) != (err != nil) {
			t.Errorf("run %v with error %v", opened, err)
		}
		return err
	}
	if err := open(r.Body(), s.key); err != nil {
		t.Fatal(err)
	}
	if err := open(r.Body(), keys.PublicKey{}); !errors.Is(err, wire.ErrWrongKey) {
		t.Errorf("no key: %v", err)
	}

	// Any bit of the body: it does not parse, or the signature does not stand on it, or
	// it names another author.
	for bit := range 8 * len(r.Body()) {
		u, err := wire.ParseRun(topic, patch(r.Body(), bit/8, r.Body()[bit/8]^1<<(bit%8)))
		if err != nil {
			continue
		}
		if _, err := u.Open(s.key); !errors.Is(err, wire.ErrBadSignature) && !errors.Is(err, wire.ErrWrongKey) {
			t.Fatalf("bit %d of byte %d: %v", bit%8, bit/8, err)
		}
	}

	d, err := wire.NewDraft(topic, start, changes(4)...)
	if err != nil {
		t.Fatal(err)
	}
	for name, sig := range map[string][]byte{
		"of another author":       other.sign("hearsay-update", d.Message()),
		"over an earlier header":  s.sign("hearsay-update", r.Headers()[2]),
		"over a later header":     s.sign("hearsay-update", s.run(t, r.End(), changes(1)...).Headers()[0]),
		"in no namespace":         s.sign("", d.Message()),
		"with another format":     keys.MarshalSignature("rsa-sha2-512", r.Signature()[19:]),
		"with a byte after it":    append(slices.Clone(r.Signature()), 0),
		"of zeros":                keys.MarshalSignature("ssh-ed25519", zeros(64)),
		"that is not a signature": []byte("x"),
	} {
		if _, err := d.Seal(s.key, sig); !errors.Is(err, wire.ErrBadSignature) {
			t.Errorf("signature %s: %v", name, err)
		}
	}
	if _, err := d.Seal(other.key, other.sign("hearsay-update", d.Message())); !errors.Is(err, wire.ErrWrongKey) {
		t.Errorf("key of another author: %v", err)
	}
	if _, err := d.Seal(s.key, nil); err == nil {
		t.Error("sealed without a signature")
	}
}

// TestDraft checks the bounds of what an author can write.
func TestDraft(t *testing.T) {
	s := newSigner(t, 0)
	id := s.key.ID()
	one := wiretest.Change(1, "kv", "x")
	with := func(f func(*wire.Entry)) wire.Entry { e := one; f(&e); return e }
	for _, tt := range []struct {
		name    string
		topic   string
		prev    wire.Ref
		entries []wire.Entry
		ok      bool
	}{
		{"one", "t", wire.Ref{Author: id}, []wire.Entry{one}, true},
		{"no topic", "", wire.Ref{Author: id}, []wire.Entry{one}, false},
		{"topic with a control character", "a\tb", wire.Ref{Author: id}, []wire.Entry{one}, false},
		{"none", "t", wire.Ref{Author: id}, nil, false},
		{"256", "t", wire.Ref{Author: id}, changes(256), true},
		{"257", "t", wire.Ref{Author: id}, changes(257), false},
		{"after nothing, with a hash", "t", wire.Ref{Author: id, Hash: wire.Hash{1}}, []wire.Entry{one}, false},
		{"after 1, without a hash", "t", wire.Ref{Author: id, Seq: 1}, []wire.Entry{one}, false},
		{"the last seq of all", "t", wire.Ref{Author: id, Seq: 1<<63 - 2, Hash: wire.Hash{1}}, []wire.Entry{one}, true},
		{"beyond the last seq", "t", wire.Ref{Author: id, Seq: 1<<63 - 2, Hash: wire.Hash{1}}, []wire.Entry{one, one}, false},
		{"after 2^64-1", "t", wire.Ref{Author: id, Seq: 1<<64 - 1, Hash: wire.Hash{1}}, []wire.Entry{one}, false},
		{"kind 0", "t", wire.Ref{Author: id}, []wire.Entry{with(func(e *wire.Entry) { e.Kind = 0 })}, false},
		{"time 2^63", "t", wire.Ref{Author: id}, []wire.Entry{with(func(e *wire.Entry) { e.Time = 1 << 63 })}, false},
		{"long channel", "t", wire.Ref{Author: id}, []wire.Entry{with(func(e *wire.Entry) { e.Channel = strings.Repeat("c", 65) })}, false},
		{"largest change", "t", wire.Ref{Author: id}, []wire.Entry{with(func(e *wire.Entry) { e.Channel, e.Change = strings.Repeat("c", 64), zeros(wire.MaxChange) })}, true},
		{"change too long", "t", wire.Ref{Author: id}, []wire.Entry{with(func(e *wire.Entry) { e.Change = zeros(wire.MaxChange + 1) })}, false},
		{"absent, too long", "t", wire.Ref{Author: id}, []wire.Entry{{Kind: 1, Absent: true, Size: wire.MaxChange + 1}}, false},
		{"absent, with the change", "t", wire.Ref{Author: id}, []wire.Entry{with(func(e *wire.Entry) { e.Absent = true })}, false},
	} {
		d, err := wire.NewDraft(tt.topic, tt.prev, tt.entries...)
		if !tt.ok {
			wantMalformed(t, tt.name, err)
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		r, err := d.Seal(s.key, s.sign("hearsay-update", d.Message()))
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if d.Last() != r.Last() || d.Ref(d.Len()-1) != r.End() || !bytes.Equal(d.Message(), r.Headers()[r.Len()-1]) {
			t.Errorf("%s: draft and run differ", tt.name)
		}
	}
}

// TestRunRoom fills a run to the byte.
func TestRunRoom(t *testing.T) {
	s := newSigner(t, 0)
	fill := func(room int) []wire.Entry {
		es := []wire.Entry{wiretest.Change(1, "kv", ""), {Time: 2, Kind: 1, Channel: "c", Absent: true}, wiretest.Change(3, "", "xyz")}
		for i := range es {
			room -= es[i].EncodedSize()
		}
		es[0].Change = zeros(room - 600_000)
		es[2].Change = append(es[2].Change, zeros(600_000)...)
		return es
	}
	start := wire.Ref{Author: s.key.ID()}
	r := s.run(t, start, fill(wire.RunRoom)...)
	longest := len(r.Body()) - len(r.Signature()) + keys.MaxSignatureSize
	if longest != wire.MaxFrame {
		t.Errorf("with the longest signature the run has %d bytes, want %d", longest, wire.MaxFrame)
	}
	if _, err := wire.NewDraft(topic, start, fill(wire.RunRoom+1)...); !errors.Is(err, wire.ErrMalformed) {
		t.Errorf("one byte more: %v", err)
	}
}

// TestSealCopies checks that a run does not change when the caller uses its buffers again.
func TestSealCopies(t *testing.T) {
	s := newSigner(t, 0)
	entries := changes(3)
	entries[1].Change = []byte("mine")
	r := s.run(t, wire.Ref{Author: s.key.ID()}, entries...)
	end := r.End()
	copy(entries[1].Change, "XXXX")
	entries[2] = wire.Entry{}
	if string(r.Entries()[1].Change) != "mine" || r.Entries()[2].Kind != wire.KindChange {
		t.Errorf("the run has changed: %+v", r.Entries())
	}
	if got := r.CutFront(1); got.End() != end {
		t.Errorf("the cut ends at %v, want %v", got.End(), end)
	}
}

func TestHead(t *testing.T) {
	s, other := newSigner(t, 0), newSigner(t, 32)
	id := s.key.ID()
	ref := wire.Ref{Author: id, Seq: 5, Hash: wire.Hash{1}}
	seal := func(ref wire.Ref, issued uint64) (*wire.Head, error) {
		return wire.SealHead(topic, ref, issued, s.key, s.sign("hearsay-head", wire.HeadMessage(topic, ref, issued)))
	}
	for _, tt := range []struct {
		name   string
		ref    wire.Ref
		issued uint64
		ok     bool
	}{
		{"plain", ref, 9, true},
		{"nothing written yet", wire.Ref{Author: id}, 9, true},
		{"largest", wire.Ref{Author: id, Seq: 1<<63 - 1, Hash: wire.Hash{1}}, 1<<63 - 1, true},
		{"seq 2^63", wire.Ref{Author: id, Seq: 1 << 63, Hash: wire.Hash{1}}, 9, false},
		{"issued 2^63", ref, 1 << 63, false},
		{"no hash", wire.Ref{Author: id, Seq: 5}, 9, false},
	} {
		h, err := seal(tt.ref, tt.issued)
		if !tt.ok {
			wantMalformed(t, tt.name, err)
			continue
		}
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		u, err := wire.ParseHead(topic, h.Body())
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		back, err := u.Open(s.key)
		if err != nil || back.Ref() != tt.ref || back.Issued() != tt.issued {
			t.Errorf("%s: %+v, %v", tt.name, back, err)
		}
	}
	h, err := seal(ref, 9)
	if err != nil {
		t.Fatal(err)
	}
	for bit := range 8 * len(h.Body()) {
		u, err := wire.ParseHead(topic, patch(h.Body(), bit/8, h.Body()[bit/8]^1<<(bit%8)))
		if err != nil {
			continue
		}
		if _, err := u.Open(s.key); !errors.Is(err, wire.ErrBadSignature) && !errors.Is(err, wire.ErrWrongKey) {
			t.Fatalf("bit %d of byte %d: %v", bit%8, bit/8, err)
		}
	}
	u, err := wire.ParseHead(topic, h.Body())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := u.Open(other.key); !errors.Is(err, wire.ErrWrongKey) {
		t.Errorf("other key: %v", err)
	}
}
