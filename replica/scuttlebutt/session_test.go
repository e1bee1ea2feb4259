package scuttlebutt

import (
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"time"
)

func TestExchange(t *testing.T) {
	a, b := newModel(t, "A"), newModel(t, "B")
	set(t, a, "x", `1`)
	set(t, a, "both", `"A"`)
	set(t, b, "y", `{"z":[null]}`)
	set(t, b, "both", `"B"`)
	exchange(t, &a.Node, &b.Node)
	want(t, a, `both="B" x=1 y={"z":[null]}`)
	want(t, b, `both="B" x=1 y={"z":[null]}`)
	before := a.Stats()
	exchange(t, &a.Node, &b.Node)
	if after := a.Stats(); after != before {
		t.Errorf("a second exchange brought %+v to %+v", before, after)
	}
}

// TestLive: what is set while a session runs arrives, once, and does not come back.
func TestLive(t *testing.T) {
	a, b := newModel(t, "A"), newModel(t, "B")
	x, y := tcp(t)
	stop := linked(t, &a.Node, &b.Node, x, y, SyncConfig{}, SyncConfig{})
	for _, v := range []string{`1`, `2`, `3`} {
		set(t, a, "k", v)
		set(t, b, "l", v)
	}
	eventually(t, &a.Node, "l", func() bool { return state(a) == "k=3 l=3" })
	eventually(t, &b.Node, "k", func() bool { return state(b) == "k=3 l=3" })
	if _, err := a.Delete(t.Context(), "k"); err != nil {
		t.Fatal(err)
	}
	eventually(t, &b.Node, "delete", func() bool { return state(b) == "l=3" })
	stop()
	for _, n := range []*Model{a, b} {
		if s := n.Stats(); s.Old != 0 {
			t.Errorf("%s got %d updates twice", n.ID(), s.Old)
		}
	}
}

func TestEventsReplicate(t *testing.T) {
	a, b := newEvents(t, "A"), newEvents(t, "B")
	for _, s := range []*Events{a, b} {
		for _, name := range []string{"error", "dispose", "constructor"} {
			if _, err := s.Emit(t.Context(), name, json.RawMessage(`{"n": 1.0}`)); err != nil {
				t.Fatal(err)
			}
		}
	}
	exchange(t, &a.Node, &b.Node)
	var names []string
	for e := range b.All() {
		names = append(names, e.Source+e.Name+string(e.Args[0]))
	}
	if len(names) != 6 || names[0] != `Aerror{"n":1}` {
		t.Errorf("got %q", names)
	}
}

// TestPeer: the conversation, line by line.
func TestPeer(t *testing.T) {
	m := newModel(t, "A")
	u := set(t, m, "k", `1`)
	p := played(t, &m.Node, SyncConfig{Meta: json.RawMessage(`{"v": 1}`)})
	own := `[["k",1],` + number(u.Timestamp) + `,"A"]`
	p.want(`{"id":"A","clock":{"A":` + number(u.Timestamp) + `},"meta":{"v":1}}`)
	p.send(`{"id":"B","clock":{"B":5,"C":null,"D":"x","E":-1,"F":{}}}`)
	p.want(own, `"SYNC"`)
	p.send(`[["l",2],5,"B"]`, `"SYNC"`, `[["l",3],7,"B"]`, `[["m" , 1e0],6,"C"] `)
	eventually(t, &m.Node, "B's", func() bool { return state(m) == "k=1 l=3 m=1" })
	u = set(t, m, "k", `2`)
	p.want(`[["k",2],` + number(u.Timestamp) + `,"A"]`) // and nothing of what the peer itself has sent
	if err := p.end(); err != nil {
		t.Errorf("Sync = %v", err)
	}
}

func number(f float64) string {
	text, _ := Marshal(f)
	return string(text)
}

// TestKnownIsNotSentBack: a peer has what it sends, also when we had it before.
func TestKnownIsNotSentBack(t *testing.T) {
	m := newModel(t, "A")
	if _, err := m.Load(t.Context(), strings.NewReader(`[["k",1],5,"S"]`+"\n"+`[["l",1],5,"T"]`+"\n")); err != nil {
		t.Fatal(err)
	}
	p := played(t, &m.Node, SyncConfig{})
	p.line()
	p.send(`[["k",1],5,"S"]`, `{"id":"B","clock":{"S":1}}`)
	p.want(`[["l",1],5,"T"]`, `"SYNC"`)
	p.end()
}

// TestRoom: what is replaced gives its room back.
func TestRoom(t *testing.T) {
	m, err := NewModel(Config{ID: "A", MaxUpdates: 2, MaxBytes: 100})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		set(t, m, "k", number(float64(i)))
		set(t, m, "l", `"x"`)
	}
	var bytes int64
	for _, u := range m.History(nil) {
		bytes += int64(len(u.Line()))
	}
	if s := m.Stats(); s.Bytes != bytes || s.Updates != 2 {
		t.Errorf("%+v; want %d bytes", s, bytes)
	}
	for key, value := range map[string]string{"m": `1`, "l": `"` + strings.Repeat("x", 100) + `"`} {
		if _, err := m.Set(t.Context(), key, []byte(value)); !errors.Is(err, ErrFull) {
			t.Errorf("%s: %v", key, err)
		}
	}
	want(t, m, `k=19 l="x"`)
}

// TestTimestamps: many updates of one moment do not run ahead of the clock.
func TestTimestamps(t *testing.T) {
	m := newModel(t, "A")
	now := time.UnixMilli(1795217819806)
	m.now = func() time.Time { return now }
	for i := range 1000 {
		set(t, m, "k", number(float64(i)))
	}
	if c := m.Clock()["A"]; c >= 1795217819807 || state(m) != "k=999" {
		t.Errorf("%v; %s", c, state(m))
	}
}

func TestSendOnly(t *testing.T) {
	m := newModel(t, "A")
	own := `[["k",1],` + number(set(t, m, "k", `1`).Timestamp) + `,"A"]`
	p := played(t, &m.Node, SyncConfig{SendOnly: true})
	p.line()
	p.want(own, `"SYNC"`)
	p.send(`{"id":"B","clock":{}}`, `[["k",2],1e15,"B"]`)
	set(t, m, "l", `1`)
	p.line()
	want(t, m, "k=1 l=1")
	if err := p.end(); err != nil {
		t.Error(err)
	}
	p = played(t, &m.Node, SyncConfig{SendOnly: true, AwaitHeader: true, NoTail: true})
	p.line()
	p.send(`{"id":"B","clock":{"A":1e15}}`)
	p.want(`"SYNC"`, ``)
	if err := p.end(); err != nil {
		t.Error(err)
	}
}

func TestReceiveOnly(t *testing.T) {
	m := newModel(t, "A")
	set(t, m, "k", `1`)
	p := played(t, &m.Node, SyncConfig{ReceiveOnly: true, NoTail: true})
	p.send(`{"id":"B","clock":{}}`, `[["l",2],5,"B"]`, `"SYNC"`)
	p.want(`"SYNC"`, ``) // no header, and nothing that is ours
	want(t, m, "k=1 l=2")
	if err := p.end(); err != nil {
		t.Error(err)
	}
	p = played(t, &m.Node, SyncConfig{ReceiveOnly: true, SendClock: true})
	if line := p.line(); line[:len(`{"id":"A"`)] != `{"id":"A"` {
		t.Errorf("got %s", line)
	}
	if err := p.end(); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("Sync = %v", err)
	}
}
