package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/store"
	"github.com/hearsaynet/hearsay/replica/wire"
	"github.com/hearsaynet/hearsay/verify"
)

// open starts a replica that admits everybody.
func open(t *testing.T, topic string, ks keys.Keystore) *replica.Replica {
	t.Helper()
	cfg := replica.Config{Topic: topic, Store: store.NewMemory(), Now: func() time.Time { return time.Unix(0, now) }, Keystore: ks}
	if ks == nil {
		cfg.Verify = verify.AnyKey()
	}
	r, err := replica.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// give has a replica take one statement, which it refuses with the first error.
func give(t *testing.T, r *replica.Replica, s stored) error {
	t.Helper()
	h := hello(s.Topic)
	file := bytes.Join([][]byte{[]byte(exportMagic), frame(wire.FrameHello, 0, h.Append(nil)), frame(wire.FrameKey, 1, s.Key),
		frame(wire.FrameType(s.Type), 1, s.Body), frame(wire.FrameDone, 0, wire.AppendDone(nil, 1))}, nil)
	res, err := r.Import(t.Context(), bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	return res.First
}

func cutOf(t *testing.T, r *replica.Replica, id keys.NodeID) number {
	t.Helper()
	for p, err := range r.Proofs() {
		if err != nil {
			t.Fatal(err)
		}
		if p.Author() == id {
			return number(p.Seq())
		}
	}
	return 0
}

// refusals is what our errors say of the classes of bad histories.
var refusals = map[string]string{
	"cut": "above the cut", "erased": "no erasure by its author", "gap": "updates before it are missing", "second": "a second history", "newer": "needs a newer hearsay",
}

// TestHistories gives histories to a real replica.
func TestHistories(t *testing.T) {
	f := load[historyVector](t, "histories.json")
	for _, v := range slices.Concat(f.Good, f.Bad) {
		r := open(t, v.Topic, nil)
		id := openKey(t, v.Key).ID()
		for i, s := range v.Steps {
			err := give(t, r, stored{v.Topic, s.Type, v.Key, s.Body})
			if refuse := v.Check != "" && i == len(v.Steps)-1; refuse && (err == nil || refusals[v.Class] == "" || !strings.Contains(err.Error(), refusals[v.Class])) || !refuse && err != nil {
				t.Errorf("%s, step %d: got error %v, want %s", v.Name, i, err, v.Class)
			}
			end := r.Clock()[id]
			if number(end.Seq) != s.Seq || !bytes.Equal(end.Hash[:], s.Hash) || cutOf(t, r, id) != s.Cut {
				t.Errorf("%s, step %d: at %d, cut at %d; want %d, %d", v.Name, i, end.Seq, cutOf(t, r, id), s.Seq, s.Cut)
			}
		}
		r.Close()
	}
}

// onlyB are the sessions whose other side does what this implementation does in other
// circumstances, or never.
var onlyB = map[string]bool{
	"nothing but a ping": true, "a digest in two frames": true, "a run without its key, which is refused and no fault": true,
	"types that may be skipped, with any handle": true, "a run beyond a gap, which is asked for": true,
}

// TestSessions plays one side of each session against a real replica, and then the other.
func TestSessions(t *testing.T) {
	f := load[sessionVector](t, "sessions.json")
	for _, v := range f.Good {
		for _, real := range []string{"a", "b"} {
			if real == "a" && onlyB[v.Name] {
				continue
			}
			t.Run(v.Name+"/"+real, func(t *testing.T) { synctest.Test(t, func(t *testing.T) { v.replay(t, real) }) })
		}
	}
	for _, v := range f.Bad {
		t.Run(v.Name, func(t *testing.T) { synctest.Test(t, v.replayBad) })
	}
}

// play is a real replica of "t" in a session, and what it has said.
type play struct {
	r      *replica.Replica
	conn   net.Conn
	frames []wire.Frame // read when all is quiet
	ended  chan error

	notices <-chan replica.Notice
}

func (v sessionVector) start(t *testing.T, real string) *play {
	topics, start := v.Topics.A, v.Start.A
	var ks keys.Keystore
	cfg := replica.SyncConfig{Name: "peer", StopWhenDrained: v.closes(real)}
	if real == "b" {
		topics, start = v.Topics.B, v.Start.B
		if strings.Contains(v.Name, "not wanted") {
			ks = keys.NewMemory(ada.key)
		}
	}
	p := &play{ended: make(chan error, 1)}
	byTopic := map[string]*replica.Replica{}
	var all []*replica.Replica
	for _, topic := range topics {
		r := open(t, topic, ks)
		t.Cleanup(func() { r.Close() })
		byTopic[topic] = r
		all = append(all, r)
	}
	p.r = byTopic["t"]
	p.notices = p.r.Notices(t.Context())
	for _, s := range start {
		if err := give(t, p.r, s); err != nil {
			t.Fatal(err)
		}
	}
	if real == "b" {
		all = nil
		cfg.Answer = func(named []string) (out []*replica.Replica) {
			for _, topic := range named {
				if r := byTopic[topic]; r != nil {
					out = append(out, r)
				}
			}
			return out
		}
	}
	mine, theirs := net.Pipe()
	p.conn = mine
	go func() { p.ended <- replica.SyncAll(context.Background(), theirs, cfg, all...) }()
	go func() {
		for {
			f, err := wire.ReadFrame(mine)
			if err != nil {
				return
			}
			p.frames = append(p.frames, f)
		}
	}()
	return p
}

// closes reports whether a side's last frame is Close.
func (v sessionVector) closes(side string) bool {
	for _, s := range slices.Backward(v.Steps) {
		if s.From == side {
			return wire.FrameType(s.Frame[0]) == wire.FrameClose
		}
	}
	return false
}

func (v sessionVector) replay(t *testing.T, real string) {
	p := v.start(t, real)
	defer p.conn.Close()
	var want []string
	for _, s := range v.Steps {
		synctest.Wait()
		if s.From == real {
			want = append(want, fmt.Sprintf("%x", s.Frame))
		} else {
			p.conn.Write(s.Frame) // the real one may have parted
		}
	}
	synctest.Wait()
	var got []string
	for _, f := range p.frames {
		got = append(got, fmt.Sprintf("%x", frame(f.Type, f.Handle, f.Body)))
	}
	if !slices.Equal(got, want) {
		t.Errorf("it says\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if err := <-p.ended; err != nil {
		t.Errorf("the session ended with %v", err)
	}
	means := v.Means.A
	if real == "b" {
		means = v.Means.B
	}
	has := []ended{}
	for id, ref := range p.r.Clock() {
		has = append(has, endOf("t", ref, uint64(cutOf(t, p.r, id))))
	}
	slices.SortFunc(has, byAuthor)
	same(t, v.verdict, has, means.Has)
	if dropped := p.dropped(); !slices.Equal(dropped, means.Dropped) {
		t.Errorf("it dropped %q, want %q", dropped, means.Dropped)
	}
}

// dropped returns the classes of the statements that the replica has dropped.
func (p *play) dropped() (list []string) {
	for len(p.notices) > 0 {
		switch n := <-p.notices; n.Kind {
		case replica.Gap:
			list = append(list, "gap")
		case replica.Rejected:
			why := n.Reason
			if strings.HasPrefix(why, verify.ErrNoKey.Error()) {
				why = "no-key"
			}
			list = append(list, why)
		}
	}
	return list
}

func (v sessionVector) replayBad(t *testing.T) {
	p := v.start(t, "b")
	defer p.conn.Close()
	for i, s := range v.Steps {
		select {
		case err := <-p.ended:
			t.Fatalf("the session ended with %v before step %d", err, i)
		default:
		}
		p.conn.Write(s.Frame)
		synctest.Wait()
	}
	p.conn.Close()
	err := <-p.ended
	if ce, ok := errors.AsType[*replica.CloseError](err); ok {
		if ce.ByPeer || uint16(ce.Code) != v.Close {
			t.Errorf("got %v, want it closed with %d", err, v.Close)
		}
		if text, ok := texts[v.Check]; !ok || !strings.Contains(ce.Text, text) {
			t.Errorf("%q is not about %s (%q)", ce.Text, v.Check, text)
		}
	} else {
		t.Errorf("the session ended with %v, want it closed with %d", err, v.Close)
	}
	i := slices.IndexFunc(p.frames, func(f wire.Frame) bool { return f.Type == wire.FrameClose })
	if i < 0 {
		t.Fatal("no Close was sent")
	}
	if c, err := wire.ParseClose(p.frames[i].Body); err != nil || uint16(c.Code) != v.Close {
		t.Errorf("Close says %+v (%v), want %d", c, err, v.Close)
	}
	if len(p.r.Clock()) > 0 || len(p.frames) > 0 && cutOf(t, p.r, ada.id()) > 0 {
		t.Errorf("it has %v", p.r.Clock())
	}
}
