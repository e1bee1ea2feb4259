package session_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hearsaynet/hearsay/fuzz/fuzztest"
	"github.com/hearsaynet/hearsay/fuzz/session"
	"github.com/hearsaynet/hearsay/keygen"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/link"
	"github.com/hearsaynet/hearsay/replica/node"
	"github.com/hearsaynet/hearsay/replica/store"
	"github.com/hearsaynet/hearsay/replica/wire"
	"github.com/hearsaynet/hearsay/verify"
)

// TestNode: a node of ours answers after each session, of which there are all kinds. It
// bans addresses meanwhile, and is fuzzed on.
func TestNode(t *testing.T) {
	n, err := node.Open(t.Context(), node.Options{Dir: filepath.Join(t.TempDir(), "data"), Listen: []string{"127.0.0.1:0"}, AnyKey: true})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	calls := 0
	p, err := session.Fuzz(t.Context(), session.Config{
		Target: address(t, n.ListenAddrs()[0]), Topic: node.DefaultTopic, Seed: 1, Sessions: 15,
		Progress: func(session.Progress) { calls++ },
	})
	if err != nil {
		t.Fatal(err)
	}
	if p.Sessions != 15 || calls != 15 || p.Served == 0 || p.Closed == 0 || p.Refused > 2 || p.Frames < 100 || p.Bytes < 10_000 {
		t.Errorf("%+v, told %d times", p, calls)
	}
	s, err := n.Status(t.Context())
	if err != nil || len(s.Authors) < 2 {
		t.Errorf("nothing of what was signed has been taken: %+v, %v", s, err)
	}
}

func address(t *testing.T, hostPort string) link.Address {
	t.Helper()
	a, err := link.ParseAddress(hostPort)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// breakable is a target that stops answering for good when it is sent a fork proof. If it is
// to hang, it closes one link after that, and then takes connections and says nothing.
func breakable(t *testing.T, hang bool) (target link.Address) {
	t.Helper()
	key, err := keygen.Generate(keygen.Ed25519, 0)
	if err != nil {
		t.Fatal(err)
	}
	e, err := link.New(link.Config{Signer: key})
	if err != nil {
		t.Fatal(err)
	}
	r, err := replica.Open(t.Context(), replica.Config{Topic: topic, Store: store.NewMemory(), Verify: verify.AnyKey()})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var broken atomic.Bool
	deaf := &deafListener{Listener: l}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		e.Serve(context.Background(), deaf, func(ctx context.Context, c *link.Conn) error {
			if broken.Load() {
				deaf.now.Store(hang)
				return errors.New("broken")
			}
			return r.Sync(ctx, watched{c, &broken}, replica.SyncConfig{})
		})
	}()
	t.Cleanup(func() {
		e.Close()
		<-ended
		for _, c := range deaf.held {
			c.Close()
		}
		r.Close()
	})
	return address(t, l.Addr().String())
}

// deafListener keeps to itself who comes once it is deaf.
type deafListener struct {
	net.Listener
	now  atomic.Bool
	held []net.Conn // by Accept alone
}

func (d *deafListener) Accept() (net.Conn, error) {
	for {
		c, err := d.Listener.Accept()
		if err != nil || !d.now.Load() {
			return c, err
		}
		d.held = append(d.held, c)
	}
}

// watched breaks at the first fork proof that is read, if a frame begins with the read.
type watched struct {
	io.ReadWriteCloser
	broken *atomic.Bool
}

func (w watched) Read(b []byte) (int, error) {
	n, err := w.ReadWriteCloser.Read(b)
	if n > 0 && wire.FrameType(b[0]) == wire.FrameFork {
		w.broken.Store(true)
		return 0, io.ErrUnexpectedEOF
	}
	return n, err
}

// TestCrash: a target that does not answer any more is noticed, and the session that did
// it is kept and does it again.
func TestCrash(t *testing.T) {
	cfg := session.Config{Target: breakable(t, false), Topic: topic, Seed: 7, Sessions: 200, Patience: time.Second}
	p, err := session.Fuzz(t.Context(), cfg)
	crash, ok := errors.AsType[*session.Crash](err)
	if !ok || p.Sessions != crash.Session+1 || crash.Seed != 7 || crash.Topic != topic || !strings.Contains(crash.Why, "no answer") {
		t.Fatalf("after %+v: %v", p, err)
	}
	file, err := crash.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	read, err := session.ParseCrash(file)
	if err != nil || read.Error() != crash.Error() || !same(read.Steps, crash.Steps) || !same(crash.Steps, session.Generate(7, crash.Session, topic)) {
		t.Fatalf("reads back as %v, %v", read, err)
	}
	cfg.Target = breakable(t, false)
	if _, ok := errors.AsType[*session.Crash](session.Replay(t.Context(), cfg, read)); !ok {
		t.Error("sent again it does no harm")
	}
	if err := session.Replay(t.Context(), cfg, read); err == nil || !strings.Contains(err.Error(), "before the session") {
		t.Errorf("a target that is broken to begin with: %v", err)
	}
	read.Steps = read.Steps[:1]
	cfg.Target = breakable(t, false)
	if err := session.Replay(t.Context(), cfg, read); err != nil {
		t.Errorf("a Hello alone: %v", err)
	}
}

// TestCrashWhy: a last try that the end of the time has cut short does not stand for why a
// target counts as broken.
func TestCrashWhy(t *testing.T) {
	cfg := session.Config{Target: breakable(t, true), Topic: topic, Seed: 7, Sessions: 200, Patience: time.Second}
	_, err := session.Fuzz(t.Context(), cfg)
	if crash, ok := errors.AsType[*session.Crash](err); !ok || !strings.Contains(crash.Why, "no answer") {
		t.Errorf("%v, want that there was no answer", err)
	}
}

func same(a, b []session.Step) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i].What != b[i].What || !bytes.Equal(a[i].Bytes, b[i].Bytes) {
			return false
		}
	}
	return true
}

// TestFuzzRefuses: without a bound, elsewhere than on loopback, and where nobody answers,
// nothing is fuzzed.
func TestFuzzRefuses(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	for name, c := range map[string]struct {
		cfg  session.Config
		want string
	}{
		"silent":     {session.Config{Topic: topic, Sessions: 1, Patience: 50 * time.Millisecond, Target: address(t, silent.Addr().String())}, "nothing within 50ms"},
		"no bound":   {session.Config{Topic: topic, Target: address(t, "127.0.0.1:1")}, "bound"},
		"negative":   {session.Config{Topic: topic, Sessions: -1}, "negative"},
		"no topic":   {session.Config{Sessions: 1}, "topic"},
		"elsewhere":  {session.Config{Topic: topic, Sessions: 1, Target: address(t, "192.0.2.1:4427")}, "not a loopback address"},
		"every host": {session.Config{Topic: topic, Sessions: 1, Target: address(t, "0.0.0.0:4427")}, "not a loopback address"},
		"nobody":     {session.Config{Topic: topic, Sessions: 1, Patience: 50 * time.Millisecond, Target: address(t, "127.0.0.1:1")}, "before the first session"},
	} {
		p, err := session.Fuzz(t.Context(), c.cfg)
		if err == nil || !strings.Contains(err.Error(), c.want) || p.Sessions != 0 {
			t.Errorf("%s: %+v, %v; want %q", name, p, err, c.want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := session.Fuzz(ctx, session.Config{Topic: topic, Sessions: 1, Target: address(t, "127.0.0.1:1")}); err == nil {
		t.Error("it goes on after it was told to stop")
	}
}

func TestParseCrashRefuses(t *testing.T) {
	for name, file := range map[string]string{
		"nothing": "", "not JSON": "x", "other format": `{"format":"x"}`, "more": `{"format":"hearsay fuzz session 1"}{}`,
		"unknown field": `{"format":"hearsay fuzz session 1","x":1}`, "not hex": `{"format":"hearsay fuzz session 1","steps":[{"bytes":"x"}]}`,
		"too long": strings.Repeat(" ", session.MaxCrashFile+1),
	} {
		if c, err := session.ParseCrash([]byte(file)); err == nil || c != nil {
			t.Errorf("%s: %v, %v", name, c, err)
		}
	}
}

// TestBanned: where all sessions come from one address, the target may refuse it after
// some, and that is no crash.
func TestBanned(t *testing.T) {
	n, err := node.Open(t.Context(), node.Options{Dir: filepath.Join(t.TempDir(), "data"), Listen: []string{"[::1]:0"}, AnyKey: true})
	if err != nil {
		t.Skip(err) // no IPv6
	}
	defer n.Close()
	p, err := session.Fuzz(t.Context(), session.Config{Target: address(t, n.ListenAddrs()[0]), Topic: node.DefaultTopic, Seed: 1, Sessions: 100})
	if !errors.Is(err, session.ErrRefused) || p.Sessions < 5 {
		t.Errorf("after %+v: %v, want ErrRefused", p, err)
	}
}

func FuzzParseCrash(f *testing.F) {
	fuzztest.Decoder[*session.Crash]{
		Corpus: "crash-file", Decode: session.ParseCrash, Encode: (*session.Crash).Marshal, Loose: true,
		Alloc: fuzztest.Alloc{PerByte: 128, Constant: 96 << 10}, // a step of two bytes takes 120, twice while they grow
	}.Fuzz(f)
}
