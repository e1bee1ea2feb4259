package scuttlebutt

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hearsaynet/hearsay/verify"
)

// The sessions in testdata were recorded between two npm peers. Each is replayed twice,
// with a node of ours in the place of either peer: it gets what that peer got, and has to
// send what that peer sent, line by line, except where the original is not followed:
//
//   - what came from the other side is not sent back;
//   - the history and SYNC are sent once, not again for a header that comes after them;
//   - a ReceiveOnly node sends no updates.

// recorded is a line of a session.
type recorded struct {
	from byte // 'S', the server, or 'C'
	text string
}

func sessionOf(t *testing.T, name string) (parts [][]recorded) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata/sessions", name+".txt"))
	if err != nil {
		t.Fatal(err)
	}
	parts = make([][]recorded, 1)
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSuffix(line, "\n")
		switch {
		case line == "--":
			parts = append(parts, nil)
		case line != "" && line[0] != '#':
			last := len(parts) - 1
			parts[last] = append(parts[last], recorded{line[0], line[len("S> "):]})
		}
	}
	if len(parts[0]) < 4 {
		t.Fatalf("%s has %d lines", name, len(parts[0]))
	}
	return parts
}

// witness verifies with the one public key that there is, and believes the others.
type witness struct {
	id  string
	key Security
}

func (w witness) ID() string                                   { return w.id }
func (w witness) Sign(context.Context, []byte) ([]byte, error) { return nil, os.ErrInvalid }
func (w witness) Verify(ctx context.Context, source string, message, sig []byte) (verify.Verdict, error) {
	if source == w.key.ID() {
		return w.key.Verify(ctx, source, message, sig)
	}
	return verify.Accept, nil
}

var replays = []struct {
	name           string
	events, secure bool
	server, client SyncConfig
	// The states at the end, as state gives them.
	serverState, clientState string
}{
	{name: "empty-handshake"},
	{name: "empty-handshake-default-ids"},
	{
		name:        "three-sets-each-then-live",
		serverState: `a2="two" a3={"x":[1,null,true]} b1=1.5 b2="<&>` + "\u2028" + `é😀" live="A" shared="fromB"`,
		clientState: `a2="two" a3={"x":[1,null,true]} b1=1.5 b2="<&>` + "\u2028" + `é😀" live="A" shared="fromB"`,
	},
	{
		name:   "read-only-sendClock",
		server: SyncConfig{SendOnly: true}, client: SyncConfig{ReceiveOnly: true, SendClock: true},
		serverState: `k="a" k2="a2"`, clientState: `k="a" k2="a2" kb="b" kb2="b2"`,
	},
	{
		name:   "meta-and-tail-false",
		server: SyncConfig{NoTail: true, Meta: []byte(`{"v":1,"name":"srv"}`)}, client: SyncConfig{Meta: []byte(`"cli"`)},
		serverState: `k="a" kb="b"`, clientState: `k="a" kb="b"`, // the original loses kb on the server
	},
	{name: "events", events: true, serverState: `msg{"n":1} msg{"n":2} other`, clientState: `msg{"n":1} msg{"n":2} other`},
	{
		name: "secure-three-sets-each", secure: true,
		serverState: `a1=1 a2="two" a3={"x":[1,null,true]} b1=1.5 b2="<&>é" b3=false live=1`,
		clientState: `a1=1 a2="two" a3={"x":[1,null,true]} b1=1.5 b2="<&>é" b3=false live=1`,
	},
	// The client takes nothing of the source of which the relay has altered an update.
	{name: "secure-tampered-by-relay", secure: true, serverState: `note="hi" pay=1000000`},
	{name: "secure-unknown-source", secure: true, serverState: `x=1`, clientState: `x=1`},
}

func TestReplay(t *testing.T) {
	files, err := filepath.Glob("testdata/sessions/*.txt")
	if err != nil || len(files) != len(replays) {
		t.Fatalf("%d sessions, %d are replayed: %v", len(files), len(replays), err)
	}
	for _, c := range replays {
		t.Run(c.name+"/server", func(t *testing.T) {
			r := newReplay(t, sessionOf(t, c.name)[0], 'S', c.events, c.secure && c.name != "secure-tampered-by-relay")
			r.run(c.server)
			r.check(c.serverState)
		})
		t.Run(c.name+"/client", func(t *testing.T) {
			r := newReplay(t, sessionOf(t, c.name)[0], 'C', c.events, c.secure)
			r.run(c.client)
			r.check(c.clientState)
		})
	}
}

// replay is one side of a session, played by a node of ours.
type replay struct {
	t     *testing.T
	side  byte
	lines []recorded
	node  *Node
	model *Model
	list  *Events
}

// newReplay makes the node as it was when the session began.
func newReplay(t *testing.T, lines []recorded, side byte, events, secure bool) *replay {
	t.Helper()
	r := &replay{t: t, side: side, lines: lines}
	h := r.header()
	cfg := Config{ID: h.ID}
	if secure {
		cfg = Config{Security: witness{h.ID, security(t, "rsa2048")}}
	}
	var err error
	if events {
		r.list, err = NewEvents(cfg)
		r.node = &r.list.Node
	} else {
		r.model, err = NewModel(cfg)
		r.node = &r.model.Node
	}
	if err != nil {
		t.Fatal(err)
	}
	for i, l := range lines {
		if e := r.own(i); e != nil && e.ts <= h.Clock[e.source] {
			r.load(l.text)
		}
	}
	return r
}

// header is the one that the side sent.
func (r *replay) header() *Header {
	r.t.Helper()
	for _, l := range r.lines {
		if l.from == r.side && l.text[0] == '{' {
			h, err := parseHeader([]byte(l.text))
			if err != nil {
				r.t.Fatal(err)
			}
			return h
		}
	}
	r.t.Fatal("no header")
	return nil
}

// own returns the update on line i, if the side has sent it, and not got it before.
func (r *replay) own(i int) *entry {
	l := r.lines[i]
	if l.from != r.side || l.text[0] != '[' {
		return nil
	}
	if slices.ContainsFunc(r.lines[:i], func(o recorded) bool { return o.text == l.text }) {
		return nil
	}
	e, err := parseUpdate([]byte(l.text), map[string]string{})
	if err != nil {
		r.t.Fatal(err)
	}
	return e
}

// load has the node know an update, as if it had made it.
func (r *replay) load(line string) {
	r.t.Helper()
	if l, err := r.node.Load(r.t.Context(), strings.NewReader(line+"\n")); err != nil || l.Refused != 0 {
		r.t.Fatal(l, err)
	}
}

func (r *replay) run(cfg SyncConfig) {
	r.t.Helper()
	p := played(r.t, r.node, cfg)
	known := r.node.Clock()
	synced := false
	for i, l := range r.lines {
		e := r.own(i)
		switch {
		case l.from != r.side:
			p.send(l.text)
		case l.text[0] == '{', l.text == `"SYNC"` && !synced:
			p.want(l.text)
			synced = synced || l.text[0] == '"'
		case e != nil && cfg.ReceiveOnly:
			r.load(l.text)
		case e != nil:
			if known[e.source] < e.ts {
				r.load(l.text) // it was made while the session ran
			}
			p.want(l.text)
		}
	}
	p.conn.(interface{ CloseWrite() error }).CloseWrite()
	for line := p.line(); line != ""; line = p.line() {
		if line != `"SYNC"` || synced {
			r.t.Errorf("also sent %s", line)
		}
		synced = true
	}
	p.end()
}

func (r *replay) check(want string) {
	r.t.Helper()
	got := ""
	if r.model != nil {
		got = state(r.model)
	} else {
		for e := range r.list.All() {
			got += " " + e.Name + string(bytes.Join(raw(e), nil))
		}
		got = strings.TrimSpace(got)
	}
	if got != want {
		r.t.Errorf("ends with %s; want %s", got, want)
	}
}

func raw(e Event) (args [][]byte) {
	for _, a := range e.Args {
		args = append(args, a)
	}
	return args
}

// TestReplayTampered: unlike the original, the client asks again for what the relay has
// altered.
func TestReplayTampered(t *testing.T) {
	parts := sessionOf(t, "secure-tampered-by-relay")
	r := newReplay(t, parts[0], 'C', false, true)
	r.run(SyncConfig{})
	asks := string(r.node.headerLine(SyncConfig{}))
	if want := fmt.Sprintf(`{"id":%q,"clock":{}}`, r.node.ID()); asks != want {
		t.Errorf("the second session begins with %s; want %s", asks, want)
	}
	if i := slices.IndexFunc(parts[1], func(l recorded) bool { return l.from == 'C' }); parts[1][i].text == asks {
		t.Error("the original did ask again")
	}
}
