package scuttlebutt

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hearsaynet/hearsay/verify"
)

// judged is a Security of which the test says what it answers.
type judged struct {
	id     string
	verify func(ctx context.Context, source, message string) (verify.Verdict, error)
}

func (j *judged) ID() string                                   { return j.id }
func (j *judged) Sign(context.Context, []byte) ([]byte, error) { return []byte(j.id), nil }
func (j *judged) Verify(ctx context.Context, source string, message, _ []byte) (verify.Verdict, error) {
	return j.verify(ctx, source, string(message))
}

// piped starts a session of n with a played peer that has no deadlines of the system's.
func piped(t *testing.T, n *Node, cfg SyncConfig) (peer net.Conn, done <-chan error) {
	a, b := net.Pipe()
	errs := make(chan error, 1)
	go func() { errs <- n.Sync(t.Context(), a, cfg) }()
	go io.Copy(io.Discard, b)
	return b, errs
}

// signed is an update with some signature.
func signed(key string, ts any, source string) string {
	return fmt.Sprintf(`[["%s",1],%v,"%s","AAAA"]`, key, ts, source)
}

func keysOf(n *Node) string {
	var all []string
	n.mu.RLock()
	defer n.mu.RUnlock()
	for _, e := range n.updates {
		key, _, _ := KeyValue(e.change)
		all = append(all, key)
	}
	return strings.Join(all, " ")
}

func wantKeys(t *testing.T, n *Node, want string) {
	t.Helper()
	if got := keysOf(n); got != want {
		t.Errorf("applied %q; want %q; refusals %v", got, want, n.Refusals())
	}
}

func TestAttack(t *testing.T) {
	for name, test := range map[string]func(*testing.T){
		"number": attackNumber, "hostile-frame": attackHostileFrame, "forged-high": attackForgedHigh,
		"keystore-down": attackKeystoreDown, "unknown-key": attackUnknownKey, "wrong-key": attackWrongKey,
		"replay": attackReplay, "own-id": attackOwnID, "tie": attackTie, "future": attackFuture,
		"lying-clock": attackLyingClock, "slowloris": attackSlowloris, "race": attackRace, "flood": attackFlood,
		"clock-corrected": attackClockCorrected,
	} {
		t.Run(name, test)
	}
}

// attackNumber: numbers that are no timestamps move no clock; numbers beyond JSON's reach
// are refused, the others mean what they mean to JavaScript.
func attackNumber(t *testing.T) {
	for _, ts := range []string{`1e400`, `-1e999`, `NaN`, `Infinity`} {
		m := newModel(t, "A")
		p := played(t, &m.Node, SyncConfig{})
		p.send(`[["k",9],` + ts + `,"x"]`)
		if err := p.end(); !errors.Is(err, ErrMalformed) || len(m.Clock()) != 0 {
			t.Errorf("%s: %v, clock %v", ts, err, m.Clock())
		}
	}
	m := newModel(t, "A")
	p := played(t, &m.Node, SyncConfig{})
	p.send(`[["k",9],0,"x"]`, `[["k",9],-0,"x"]`, `[["k",9],-5,"x"]`, `[["k",9],"2","x"]`, `[["k",9],null,"x"]`, `[["k",9],[1],"x"]`,
		`[["k",9007199254740993],5e-324,"y"]`, `[["l",-0],1.5,"y"]`, `[["m",1E2],1795217819806.0021,"y"]`)
	eventually(t, &m.Node, "y", func() bool { return state(m) == "k=9007199254740992 l=0 m=100" })
	if c := m.Clock(); len(c) != 1 || c["y"] != 1795217819806.0022 { // the nearest double
		t.Errorf("clock %v", c)
	}
	if s := m.Stats(); s.Skipped != 6 {
		t.Errorf("%+v", s)
	}
	for _, v := range []string{`1e400`, `NaN`, `-`} {
		if _, err := m.Set(t.Context(), "k", []byte(v)); err == nil {
			t.Errorf("%s was set", v)
		}
	}
	for _, f := range []float64{math.NaN(), math.Inf(1)} {
		if _, err := Marshal(f); err == nil {
			t.Errorf("%v became JSON", f)
		}
	}
}

// attackHostileFrame: what is no line ends the session, with a reason and without effect;
// what means nothing is passed over.
func attackHostileFrame(t *testing.T) {
	deep := strings.Repeat("[", 1<<16)
	for _, c := range []struct{ text, want string }{
		{"GET / HTTP/1.1\r\n", "line 1: unexpected G"}, {"\n", "empty line"}, {"\x16\x03\x01\n", "unexpected byte"},
		{"{}\n", "without a clock"}, {`{"clock":5}` + "\n", "not an object"}, {`{"clock":[1]}` + "\n", "not an object"},
		{"{\"clock\":{}}\n{\"clock\":{}}\n", "line 2: a second header"}, {deep + "\n", "nested too deep"},
		{"[[\"\xff\",1],1,\"x\"]\n", "invalid UTF-8"}, {strings.Repeat("x", MaxLine+1), "line 1: longer than"},
		{`"` + strings.Repeat("x", MaxLine) + "\"\n", "longer than"}, {"{\"clock\":{}}\n[[1,\n", "line 2: unexpected end"},
	} {
		m := newModel(t, "A")
		p := played(t, &m.Node, SyncConfig{})
		go io.WriteString(p.conn, c.text)
		if err := <-p.done; !errors.Is(err, ErrMalformed) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.40q: %v; want %q", c.text, err, c.want)
		}
		if s := m.Stats(); s.Sources+s.Updates != 0 {
			t.Errorf("%.40q: %+v", c.text, s)
		}
	}
	m := newModel(t, "A")
	p := played(t, &m.Node, SyncConfig{})
	p.line()
	p.send("null", "12", "true", `"FOO"`, `[]`, `[[1],2]`, `[[1],2,3]`, `[["k",1],1,"__proto__"]`, `[["k",1],1,"x",5]`,
		`[["k",1],1,"x","s",5]`, `[["k",1],1,"`+strings.Repeat("x", MaxSource+1)+`"]`, `{"clock":{}} `+"\r")
	p.want(`"SYNC"`)
	if s := m.Stats(); s.Skipped != 7 || s.Sources != 0 {
		t.Errorf("%+v", s)
	}
	// Changes that the model cannot use count as known, and do nothing.
	for i, change := range []string{`null`, `"k"`, `[]`, `[{"a":1},2]`, `[["k"],2]`, `["__proto__",1]`, `{"0":"k"}`} {
		p.send(fmt.Sprintf(`[%s,%d,"x"]`, change, i+1))
	}
	p.send(`[["constructor",1],1,"constructor"]`, `[["toString"],2,"constructor"]`, `[[1.50,1],3,"constructor"]`, `[[null,1,2,3],4,"constructor"]`)
	eventually(t, &m.Node, "constructor", func() bool { return m.Clock()["constructor"] == 4 })
	want(t, m, "1.5=1 constructor=1 null=1")
	if s := m.Stats(); s.Unusable != 7 || m.Clock()["x"] != 7 {
		t.Errorf("%+v, %v", s, m.Clock())
	}
}

// attackForgedHigh: what a relay has altered moves nothing, and what follows it in the
// same session waits for somebody who has the genuine one.
func attackForgedHigh(t *testing.T) {
	a, b := secureModel(t, security(t, "rsa1024")), secureModel(t, security(t, "rsa2048", "rsa1024"))
	set(t, a, "pay", `100`)
	set(t, a, "note", `"hi"`)
	lines := make([]string, 2)
	for i, u := range a.History(nil) {
		lines[i] = fmt.Sprintf(`[%s,%s,"%s","%s"]`, u.Change, number(u.Timestamp), u.Source, u.Signature)
	}
	relay := played(t, &b.Node, SyncConfig{Name: "relay"})
	relay.line()
	later := math.Nextafter(a.Clock()[a.ID()], math.Inf(1))
	relay.send(`{"id":"RELAY","clock":{}}`, strings.Replace(lines[0], "100", "1000000", 1), lines[1], `[["k",1],`+number(later)+`,"`+a.ID()+`"]`, `"SYNC"`)
	relay.want(`"SYNC"`)
	relay.end()
	if s := b.Stats(); s.Sources != 0 || s.Refused != 1 || s.Muted+s.Refused > 3 {
		t.Errorf("%+v, %v", s, b.Refusals())
	}
	if r := b.Refusals(); len(r) != 1 || !errors.Is(r[0].Err, ErrUnverified) || r[0].Peer != "relay" {
		t.Errorf("refusals %v", r)
	}
	exchange(t, &a.Node, &b.Node)
	want(t, b, `note="hi" pay=100`)
}

// attackWrongKey: a keystore that answers with another one's key admits nobody.
func attackWrongKey(t *testing.T) {
	v := golden(t)
	private, err := ParseInsecurePrivateKey([]byte(v.Keys["rsa2048"].Private))
	if err != nil {
		t.Fatal(err)
	}
	swapped := InsecureKeyMap{v.Keys["rsa1024"].ID: publicKey(t, "rsa4096"), "none": nil}
	s, err := InsecureRSASHA1(swapped, private, publicKey(t, "rsa2048"))
	if err != nil {
		t.Fatal(err)
	}
	sig, err := security(t, "rsa4096").Sign(t.Context(), []byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{v.Keys["rsa1024"].ID, "none", "constructor", ""} {
		if verdict, err := s.Verify(t.Context(), id, []byte("x"), sig); verdict != verify.Reject || err == nil {
			t.Errorf("%q: %v, %v", id, verdict, err)
		}
	}
	m := secureModel(t, s)
	p := played(t, &m.Node, SyncConfig{})
	p.send(`{"clock":{}}`, `[["k",1],1,"constructor","AAAA"]`, `[["k",1],1,"x"]`, `"SYNC"`)
	p.line()
	p.want(`"SYNC"`)
	p.end()
	if s := m.Stats(); s.Sources != 0 || s.Refused != 2 {
		t.Errorf("%+v", s)
	}
}

// attackReplay: what is known does nothing, in this session and in others.
func attackReplay(t *testing.T) {
	a, b := secureModel(t, security(t, "rsa1024")), secureModel(t, security(t, "rsa2048", "rsa1024"))
	set(t, a, "k", `1`)
	first := a.History(nil)[0]
	exchange(t, &a.Node, &b.Node)
	set(t, a, "k", `2`)
	exchange(t, &a.Node, &b.Node)
	p := played(t, &b.Node, SyncConfig{})
	line := fmt.Sprintf(`[%s,%s,"%s","%s"]`, first.Change, number(first.Timestamp), first.Source, first.Signature)
	p.line()
	p.send(line, line, `{"clock":{"`+a.ID()+`":9e15}}`, line)
	p.want(`"SYNC"`)
	p.end()
	want(t, b, "k=2")
	if s := b.Stats(); s.Applied != 2 || s.Refused != 0 {
		t.Errorf("%+v", s)
	}
}

// attackOwnID: an update that claims to be ours is verified, and not signed.
func attackOwnID(t *testing.T) {
	a := secureModel(t, security(t, "rsa1024"))
	p := played(t, &a.Node, SyncConfig{})
	p.line()
	p.send(`{"clock":{}}`, `[["k","forged"],1e12,"`+a.ID()+`"]`, `[["k","forged"],1e12,"`+a.ID()+`","AAAA"]`, `"SYNC"`)
	p.want(`"SYNC"`)
	set(t, a, "mine", `1`)
	if line := p.line(); !strings.HasPrefix(line, `[["mine",1],`) {
		t.Errorf("passed on: %s", line)
	}
	p.end()
	want(t, a, "mine=1")

	// A node that has lost its history takes it back from its peers, and goes on behind it.
	b := secureModel(t, security(t, "rsa2048", "rsa1024"))
	exchange(t, &a.Node, &b.Node)
	again := secureModel(t, security(t, "rsa1024", "rsa2048"))
	exchange(t, &again.Node, &b.Node)
	want(t, again, "mine=1")
	set(t, again, "mine", `2`)
	exchange(t, &again.Node, &b.Node)
	want(t, b, "mine=2")
}

// attackTie: one key, one timestamp, two sources, both orders: one state.
func attackTie(t *testing.T) {
	lines := []string{`[["k","a"],5,"` + "\ue000" + `"]`, `[["k","b"],5,"😀"]`, `[["k","c"],5,"A"]`}
	for i := range lines {
		m := newModel(t, "X")
		order := strings.Join(append(append([]string{}, lines[i:]...), lines[:i]...), "\n")
		if _, err := m.Load(t.Context(), strings.NewReader(order+"\n")); err != nil {
			t.Fatal(err)
		}
		want(t, m, `k="a"`) // U+E000 is greater than 😀 in UTF-16
		if h := m.History(nil); len(h) != 1 || len(m.Clock()) != 3 {
			t.Errorf("history %v, clock %v", h, m.Clock())
		}
	}
}

// attackFuture: what is dated too far ahead moves nothing, and comes when its time is
// near.
func attackFuture(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newModel(t, "A")
		at := func(ahead time.Duration) string { return number(float64(time.Now().Add(ahead).UnixMilli())) }
		soon, late := at(2*time.Minute), at(3*time.Minute)
		lines := `[["near",1],` + at(50*time.Second) + `,"S"]` + "\n" + `[["k",1],` + soon + `,"S"]` + "\n" + `[["k",2],` + late + `,"S"]` + "\n" + `[["l",2],1e300,"T"]` + "\n"
		peer, done := piped(t, &m.Node, SyncConfig{Renew: true})
		io.WriteString(peer, lines)
		synctest.Wait()
		want(t, m, "k=1 near=1")
		// What is set later stands, over a value of a clock that is a little ahead; ours does
		// not run away with one that is far ahead.
		m2 := newModel(t, "B")
		if _, err := m2.Load(t.Context(), strings.NewReader(`[["near",1],`+at(50*time.Second)+`,"S"]`+"\n")); err != nil {
			t.Fatal(err)
		}
		set(t, m2, "near", `2`)
		want(t, m2, "near=2")
		set(t, m, "k", `3`)
		if u := set(t, m, "k", `4`); u.Timestamp > float64(time.Now().Add(time.Minute).UnixMilli()) {
			t.Errorf("an own update is dated %v", u.Timestamp)
		}
		if err := <-done; !errors.Is(err, ErrRenew) {
			t.Errorf("Sync = %v", err)
		}
		if r := m.Refusals(); len(r) != 2 || !errors.Is(r[0].Err, ErrFuture) || len(m.Clock()) != 2 {
			t.Errorf("refusals %v, clock %v", r, m.Clock())
		}
		peer, done = piped(t, &m.Node, SyncConfig{})
		io.WriteString(peer, lines)
		synctest.Wait()
		want(t, m, "k=2 near=1")
		peer.Close()
		<-done
	})
}

// attackClockCorrected: own updates go on when the system's clock steps back.
func attackClockCorrected(t *testing.T) {
	m := newModel(t, "A")
	now := time.UnixMilli(1795217819806)
	m.now = func() time.Time { return now }
	var last float64
	for i, step := range []time.Duration{0, 0, -time.Minute, time.Minute, -time.Second, 2 * time.Second} {
		now = now.Add(step)
		u := set(t, m, "k", fmt.Sprint(i))
		if u.Timestamp <= last {
			t.Errorf("%v follows %v", u.Timestamp, last)
		}
		last = u.Timestamp
		want(t, m, "k="+fmt.Sprint(i))
	}
	if want := float64(now.UnixMilli()); last != want {
		t.Errorf("ends at %v; want %v", last, want)
	}
	now = now.Add(-time.Hour)
	if _, err := m.Set(t.Context(), "k", []byte(`0`)); !errors.Is(err, ErrFuture) {
		t.Errorf("an hour behind its own updates: %v", err)
	}
}

// attackLyingClock: what a header says is a hint about that peer only.
func attackLyingClock(t *testing.T) {
	m := newModel(t, "A")
	set(t, m, "k", `1`)
	liar := played(t, &m.Node, SyncConfig{})
	liar.line()
	liar.send(`{"id":"L","clock":{"A":1e300,"A":9e15,"__proto__":1}}`)
	liar.want(`"SYNC"`)
	honest := played(t, &m.Node, SyncConfig{})
	honest.line()
	honest.send(`{"id":"H","clock":{}}`)
	if line := honest.line(); !strings.HasPrefix(line, `[["k",1],`) {
		t.Errorf("got %s", line)
	}
	if c := m.Clock(); len(c) != 1 {
		t.Errorf("clock %v", c)
	}
	liar.end()
	honest.end()
}

// attackSlowloris: a first line that does not come, a line that does not end, and a peer
// that does not read.
func attackSlowloris(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, drip := range []string{"", "{", `{"clock":{}}` + "\n" + "["} {
			m := newModel(t, "A")
			peer, done := piped(t, &m.Node, SyncConfig{})
			began := time.Now()
			go func() {
				io.WriteString(peer, drip)
				for drip != "" {
					time.Sleep(10 * time.Second)
					if _, err := io.WriteString(peer, " "); err != nil {
						return
					}
				}
			}()
			if err := <-done; !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(began) > 2*time.Minute {
				t.Errorf("%q: %v after %v", drip, err, time.Since(began))
			}
		}
		m := newModel(t, "A")
		a, b := net.Pipe()
		done := make(chan error, 1)
		go func() { done <- m.Sync(t.Context(), a, SyncConfig{}) }()
		if err := <-done; !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Error(err)
		}
		b.Close()
		// A peer that says nothing between its lines is nobody's problem.
		peer, done2 := piped(t, &m.Node, SyncConfig{})
		io.WriteString(peer, `{"clock":{}}`+"\n")
		time.Sleep(24 * time.Hour)
		io.WriteString(peer, `[["k",1],1,"x"]`+"\n")
		synctest.Wait()
		want(t, m, "k=1")
		peer.Close()
		<-done2
	})
}

// attackRace: eight peers bring the same updates at once.
func attackRace(t *testing.T) {
	m := newEvents(t, "A")
	var peers []*script
	for range 8 {
		peers = append(peers, played(t, &m.Node, SyncConfig{}))
	}
	var sent sync.WaitGroup
	for _, p := range peers {
		sent.Go(func() {
			for i := range 500 {
				p.send(fmt.Sprintf(`[["e",%d],%d,"S"]`, i, i+1))
			}
		})
	}
	sent.Wait()
	eventually(t, &m.Node, "all", func() bool { return m.Clock()["S"] == 500 })
	for _, p := range peers {
		p.end()
	}
	if s := m.Stats(); s.Applied != 500 || s.Updates != 500 {
		t.Errorf("%+v", s)
	}
}

// attackFlood: sources, the history and what is refused have bounds, and what is known
// goes on.
func attackFlood(t *testing.T) {
	m, err := NewModel(Config{ID: "A", MaxUpdates: 10})
	if err != nil {
		t.Fatal(err)
	}
	p := played(t, &m.Node, SyncConfig{})
	p.line()
	p.send(`{"clock":{}}`)
	p.want(`"SYNC"`)
	var lines []string
	for i := range 20 {
		lines = append(lines, fmt.Sprintf(`[["k%d",1],1,"S%d"]`, i, i))
	}
	// A source of which something was refused may not go on with what there is room for.
	p.send(append(lines, `[["k1",2],2,"S1"]`, `[["k1",3],3,"S11"]`)...)
	p.send(`[["k1",4],4,"S12"]`, `[["k2",2],2,"S2"]`, `[["k1",5],5,"S12"]`, `[["k2",3],3,"S2"]`)
	eventually(t, &m.Node, "S2", func() bool { return m.Clock()["S2"] == 3 })
	p.end()
	if s := m.Stats(); s.Updates != 10 || s.Sources != 10 || s.Refused != 10 || s.Muted != 3 {
		t.Errorf("%+v", s)
	}
	if _, err := m.Set(t.Context(), "mine", []byte(`1`)); !errors.Is(err, ErrFull) {
		t.Errorf("Set = %v", err)
	}

	m = newModel(t, "A")
	p = played(t, &m.Node, SyncConfig{})
	go io.Copy(io.Discard, p.conn)
	p.send(`{"clock":{}}`)
	go func() {
		for i := range 200_000 {
			if _, err := fmt.Fprintf(p.conn, "[[\"k\",1],1,\"%0*d\"]\n", MaxSource, i); err != nil {
				return
			}
		}
	}()
	if err := <-p.done; err == nil || !strings.Contains(err.Error(), "more than 4096 sources") {
		t.Errorf("Sync = %v", err)
	}
	if line := m.headerLine(SyncConfig{}); len(line) > MaxLine || m.Stats().Sources < 3000 {
		t.Errorf("%d sources in a header of %d bytes", m.Stats().Sources, len(line))
	}
}
