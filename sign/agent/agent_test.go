package agent_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	xagent "golang.org/x/crypto/ssh/agent"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/sign"
	"github.com/hearsaynet/hearsay/sign/agent"
)

var _ sign.Signer = (*agent.Signer)(nil)

const (
	shared    = "../../testdata/keys"
	namespace = "hearsay-update"
)

var message = []byte("an update")

func public(t testing.TB, name string) keys.PublicKey {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(shared, name+".pub"))
	if err != nil {
		t.Fatal(err)
	}
	k, _, err := keys.ParseAuthorizedKey(text)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func private(t testing.TB, name string) any {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(shared, name))
	if err != nil {
		t.Fatal(err)
	}
	k, err := ssh.ParseRawPrivateKey(text)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// socketPath is short: a Unix socket's path has at most 104 bytes.
func socketPath(t testing.TB) string {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("an ssh-agent on Windows has no Unix socket")
	}
	dir, err := os.MkdirTemp("", "agent")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return filepath.Join(dir, "s")
}

// startAgent runs the real ssh-agent. stop ends it.
func startAgent(t testing.TB, socket string) (stop func()) {
	t.Helper()
	tool, err := exec.LookPath("ssh-agent")
	if err != nil {
		t.Skip("no ssh-agent here: only the one of x/crypto is tested")
	}
	cmd := exec.Command(tool, "-D", "-a", socket)
	out, err := cmd.StdoutPipe() // it says where it listens, once it does
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stop = func() { cmd.Process.Kill(); cmd.Wait(); os.Remove(socket) }
	t.Cleanup(stop)
	if _, err := out.Read(make([]byte, 512)); err != nil {
		t.Fatal(err)
	}
	return stop
}

// startKeyring serves x/crypto's agent on a socket.
func startKeyring(t testing.TB, socket string) (stop func()) {
	t.Helper()
	ring := xagent.NewKeyring()
	return listen(t, socket, func(c net.Conn) { xagent.ServeAgent(ring, c) })
}

// listen has serve answer every connection to a socket.
func listen(t testing.TB, socket string, serve func(net.Conn)) (stop func()) {
	t.Helper()
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { defer c.Close(); serve(c) }()
		}
	}()
	stop = func() { l.Close(); <-done }
	t.Cleanup(stop)
	return stop
}

// control speaks to an agent as ssh-add does.
func control(t testing.TB, socket string) xagent.ExtendedAgent {
	t.Helper()
	c, err := net.Dial("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return xagent.NewClient(c)
}

func add(t testing.TB, socket string, names ...string) {
	t.Helper()
	for _, name := range names {
		if err := control(t, socket).Add(xagent.AddedKey{PrivateKey: private(t, name), Comment: name}); err != nil {
			t.Fatal(err)
		}
	}
}

func mustSign(t testing.TB, s *agent.Signer) {
	t.Helper()
	sig, err := s.Sign(t.Context(), namespace, message)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Public().Verify(namespace, message, sig); err != nil {
		t.Fatal(err)
	}
}

// unavailable wants an error that says to try again, and what is wrong.
func unavailable(t testing.TB, when, says string, err error) {
	t.Helper()
	if !errors.Is(err, sign.ErrUnavailable) || !strings.Contains(fmt.Sprint(err), says) {
		t.Errorf("%s: %v; want ErrUnavailable that says %q", when, err, says)
	}
}

// TestAgent locks, empties, stops and starts agents.
func TestAgent(t *testing.T) {
	for how, start := range map[string]func(testing.TB, string) func(){"ssh-agent": startAgent, "keyring": startKeyring} {
		t.Run(how, func(t *testing.T) {
			socket := socketPath(t)
			id := public(t, "ed25519").ID()
			_, err := agent.Find(t.Context(), socket, id)
			unavailable(t, "not started", "cannot be reached", err)
			stop := start(t, socket)
			_, err = agent.Find(t.Context(), socket, id)
			unavailable(t, "empty", "offers none", err)
			if !errors.Is(err, agent.ErrNoKey) {
				t.Errorf("empty: %v; want ErrNoKey", err)
			}
			add(t, socket, "rsa2048", "ecdsa")
			_, err = agent.Find(t.Context(), socket, id)
			unavailable(t, "other keys only", "of the 2 that it offers, 1 are admitted", err)

			add(t, socket, "ed25519")
			for _, name := range []string{"ed25519", "rsa2048"} {
				s, err := agent.Find(t.Context(), socket, public(t, name).ID())
				if err != nil || s.Public() != public(t, name) {
					t.Fatalf("%s: %v, %v", name, s, err)
				}
				mustSign(t, s)
				sig, err := s.Sign(t.Context(), namespace, message)
				if want := map[string]string{"ed25519": keys.FormatEd25519, "rsa2048": keys.FormatRSASHA512}[name]; err != nil || !bytes.HasPrefix(sig[4:], []byte(want)) {
					t.Errorf("%s signs as %.20q, %v; want %s", name, sig, err, want)
				}
			}
			s := agent.New(socket, public(t, "ed25519"))
			mustSign(t, s)

			if err := control(t, socket).Lock([]byte("x")); err != nil {
				t.Fatal(err)
			}
			_, err = s.Sign(t.Context(), namespace, message)
			unavailable(t, "locked", "locked", err)
			unavailable(t, "locked", "locked", s.Check(t.Context()))
			if err := control(t, socket).Unlock([]byte("x")); err != nil {
				t.Fatal(err)
			}
			mustSign(t, s)

			if err := control(t, socket).RemoveAll(); err != nil {
				t.Fatal(err)
			}
			_, err = s.Sign(t.Context(), namespace, message)
			unavailable(t, "removed", "ssh-add FILE", err)
			stop()
			_, err = s.Sign(t.Context(), namespace, message)
			unavailable(t, "stopped", "cannot be reached", err)
			start(t, socket)
			add(t, socket, "ed25519")
			mustSign(t, s)
			if err := s.Check(t.Context()); err != nil {
				t.Errorf("started again: %v", err)
			}
		})
	}
}

func TestSocket(t *testing.T) {
	t.Setenv("SSH_AUTH_SOCK", "")
	_, err := agent.Socket()
	unavailable(t, "no variable", "SSH_AUTH_SOCK", err)
	_, err = agent.New("", public(t, "ed25519")).Sign(t.Context(), namespace, message)
	unavailable(t, "no variable", "SSH_AUTH_SOCK", err)
	socket := socketPath(t)
	t.Setenv("SSH_AUTH_SOCK", socket)
	if got, err := agent.Socket(); got != socket || err != nil {
		t.Errorf("Socket = %q, %v", got, err)
	}
	startKeyring(t, socket)
	add(t, socket, "ed25519")
	s, err := agent.Find(t.Context(), "", public(t, "ed25519").ID())
	if err != nil {
		t.Fatal(err)
	}
	mustSign(t, s)
}

func TestSignRefuses(t *testing.T) {
	if _, err := agent.New("nowhere", public(t, "ed25519")).Sign(t.Context(), "", message); err == nil || errors.Is(err, sign.ErrUnavailable) {
		t.Errorf("without a namespace: %v", err)
	}
	if _, err := agent.New("nowhere", keys.PublicKey{}).Sign(t.Context(), namespace, message); err == nil || errors.Is(err, sign.ErrUnavailable) {
		t.Errorf("without a key: %v", err)
	}
}

// TestContextEnds has a signature that nobody answers end with its context, and the
// answer that comes late go nowhere.
func TestContextEnds(t *testing.T) {
	socket := socketPath(t)
	asked, ended := make(chan struct{}), make(chan struct{})
	listen(t, socket, func(c net.Conn) {
		if _, err := readMessage(c); err != nil {
			return
		}
		asked <- struct{}{}
		<-ended
		reply(c, 5)
	})
	s := agent.New(socket, public(t, "ed25519"))
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-asked; cancel() }()
	if sig, err := s.Sign(ctx, namespace, message); !errors.Is(err, context.Canceled) || sig != nil || errors.Is(err, sign.ErrUnavailable) {
		t.Errorf("cancelled: %x, %v; want context.Canceled", sig, err)
	}
	ended <- struct{}{}
	if sig, err := s.Sign(ctx, namespace, message); !errors.Is(err, context.Canceled) || sig != nil {
		t.Errorf("after cancel: %x, %v; want context.Canceled", sig, err)
	}
	late, cancel := context.WithDeadline(t.Context(), time.Now())
	defer cancel()
	if _, err := s.Sign(late, namespace, message); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("after the deadline: %v", err)
	}
}

func readMessage(r io.Reader) ([]byte, error) {
	var n uint32
	if err := binary.Read(r, binary.BigEndian, &n); err != nil {
		return nil, err
	}
	b := make([]byte, n)
	_, err := io.ReadFull(r, b)
	return b, err
}

func reply(w io.Writer, kind byte, body ...byte) {
	w.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(body)+1)), append([]byte{kind}, body...)...))
}

// str is an SSH string.
func str(fields ...[]byte) []byte {
	var out []byte
	for _, f := range fields {
		out = append(binary.BigEndian.AppendUint32(out, uint32(len(f))), f...)
	}
	return out
}

// TestLyingAgent answers a request for a signature with what is none.
func TestLyingAgent(t *testing.T) {
	ed, rsaKey := *private(t, "ed25519").(*ed25519.PrivateKey), private(t, "rsa2048").(*rsa.PrivateKey)
	edKey, rsaPub := public(t, "ed25519"), public(t, "rsa2048")
	_, stranger, _ := ed25519.GenerateKey(nil)
	// signed returns the bytes that a request asks a signature over.
	signed := func(request []byte) []byte {
		var r struct {
			Key, Data []byte
			Flags     uint32
		}
		if err := ssh.Unmarshal(request[1:], &r); err != nil {
			t.Error(err)
		}
		return r.Data
	}
	sha := func(hash crypto.Hash, data []byte) []byte {
		h := hash.New()
		h.Write(data)
		sig, err := rsa.SignPKCS1v15(nil, rsaKey, hash, h.Sum(nil))
		if err != nil {
			t.Error(err)
		}
		return sig
	}
	blob := func(format string, sig []byte) []byte { return str(str([]byte(format), sig)) }
	for name, tt := range map[string]struct {
		key    keys.PublicKey
		answer func(c net.Conn, request []byte)
		want   error // nil: a signature
		says   string
	}{
		"honest": {edKey, func(c net.Conn, r []byte) { reply(c, 14, blob("ssh-ed25519", ed25519.Sign(ed, signed(r)))...) }, nil, ""},
		"honest RSA": {rsaPub, func(c net.Conn, r []byte) {
			reply(c, 14, blob("rsa-sha2-512", sha(crypto.SHA512, signed(r)))...)
		}, nil, ""},
		"RSA with SHA-256": {rsaPub, func(c net.Conn, r []byte) {
			reply(c, 14, blob("rsa-sha2-256", sha(crypto.SHA256, signed(r)))...)
		}, nil, ""},
		"RSA with SHA-1": {rsaPub, func(c net.Conn, r []byte) {
			reply(c, 14, blob("ssh-rsa", sha(crypto.SHA1, signed(r)))...)
		}, agent.ErrBadAnswer, "SHA-1"},
		"RSA over other hash": {rsaPub, func(c net.Conn, r []byte) {
			reply(c, 14, blob("rsa-sha2-512", sha(crypto.SHA256, signed(r)))...)
		}, agent.ErrBadAnswer, "bad signature"},
		"RSA cut short": {rsaPub, func(c net.Conn, r []byte) {
			reply(c, 14, blob("rsa-sha2-512", sha(crypto.SHA512, signed(r))[:255])...)
		}, agent.ErrBadAnswer, "bad signature"},
		"RSA of no bytes": {rsaPub, func(c net.Conn, r []byte) { reply(c, 14, blob("rsa-sha2-512", nil)...) }, agent.ErrBadAnswer, "bad signature"},
		"RSA with a byte more": {rsaPub, func(c net.Conn, r []byte) {
			reply(c, 14, blob("rsa-sha2-512", append([]byte{0}, sha(crypto.SHA512, signed(r))...))...)
		}, agent.ErrBadAnswer, "257 bytes"},
		"another message":        {edKey, func(c net.Conn, r []byte) { reply(c, 14, blob("ssh-ed25519", ed25519.Sign(ed, message))...) }, agent.ErrBadAnswer, "bad signature"},
		"another key":            {edKey, func(c net.Conn, r []byte) { reply(c, 14, blob("ssh-ed25519", ed25519.Sign(stranger, signed(r)))...) }, agent.ErrBadAnswer, "bad signature"},
		"another format":         {edKey, func(c net.Conn, r []byte) { reply(c, 14, blob("rsa-sha2-512", make([]byte, 64))...) }, agent.ErrBadAnswer, "format"},
		"nothing":                {edKey, func(c net.Conn, r []byte) { reply(c, 14) }, agent.ErrBadAnswer, "no signature"},
		"an empty signature":     {edKey, func(c net.Conn, r []byte) { reply(c, 14, str(nil)...) }, agent.ErrBadAnswer, "no signature"},
		"a length that is a lie": {edKey, func(c net.Conn, r []byte) { reply(c, 14, 0xff, 0xff, 0xff, 0xff) }, agent.ErrBadAnswer, "no signature"},
		"a byte behind": {edKey, func(c net.Conn, r []byte) {
			reply(c, 14, append(blob("ssh-ed25519", ed25519.Sign(ed, signed(r))), 0)...)
		}, agent.ErrBadAnswer, "something after"},
		"a byte inside": {edKey, func(c net.Conn, r []byte) {
			reply(c, 14, str(append(str([]byte("ssh-ed25519"), ed25519.Sign(ed, signed(r))), 0))...)
		}, agent.ErrBadAnswer, "something after"},
		"its keys":        {edKey, func(c net.Conn, r []byte) { reply(c, 12, 0, 0, 0, 0) }, agent.ErrBadAnswer, "message 12"},
		"4 GiB":           {edKey, func(c net.Conn, r []byte) { c.Write([]byte{0xff, 0xff, 0xff, 0xff, 14}) }, agent.ErrBadAnswer, "4294967295 bytes"},
		"an empty answer": {edKey, func(c net.Conn, r []byte) { c.Write(make([]byte, 4)) }, agent.ErrBadAnswer, "0 bytes"},
		"half an answer":  {edKey, func(c net.Conn, r []byte) { c.Write([]byte{0, 0, 1, 0, 14}) }, sign.ErrUnavailable, "no whole answer"},
		"silence":         {edKey, func(c net.Conn, r []byte) {}, sign.ErrUnavailable, "no answer"},
		"refusal, and bad keys": {edKey, func(c net.Conn, r []byte) {
			reply(c, 5)
			readMessage(c)
			reply(c, 12, 0xff, 0xff, 0xff, 0xff)
		}, sign.ErrUnavailable, "refuses"},
		"refusal of a key it offers": {edKey, func(c net.Conn, r []byte) {
			reply(c, 5)
			readMessage(c)
			reply(c, 12, append([]byte{0, 0, 0, 1}, str(edKey.Wire(), nil)...)...)
		}, sign.ErrUnavailable, "not confirmed"},
	} {
		t.Run(name, func(t *testing.T) {
			socket := socketPath(t)
			listen(t, socket, func(c net.Conn) {
				if r, err := readMessage(c); err == nil {
					tt.answer(c, r)
				}
			})
			sig, err := agent.New(socket, tt.key).Sign(t.Context(), namespace, message)
			if tt.want == nil {
				if err != nil || tt.key.Verify(namespace, message, sig) != nil {
					t.Errorf("= %x, %v; want a signature", sig, err)
				}
				return
			}
			if !errors.Is(err, tt.want) || sig != nil || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("= %x, %v; want %v that says %q", sig, err, tt.want, tt.says)
			}
			if tt.want == agent.ErrBadAnswer && errors.Is(err, sign.ErrUnavailable) {
				t.Errorf("a lie passes for an agent that is away: %v", err)
			}
		})
	}
}

// TestShortRSA has an agent drop the zero in front of an RSA signature, as some do.
func TestShortRSA(t *testing.T) {
	key := private(t, "rsa2048").(*rsa.PrivateKey)
	socket := socketPath(t)
	short := make(chan bool, 1)
	listen(t, socket, func(c net.Conn) {
		r, err := readMessage(c)
		if err != nil {
			return
		}
		var request struct {
			Key, Data []byte
			Flags     uint32
		}
		ssh.Unmarshal(r[1:], &request)
		h := crypto.SHA512.New()
		h.Write(request.Data)
		sig, _ := rsa.SignPKCS1v15(nil, key, crypto.SHA512, h.Sum(nil))
		trimmed := bytes.TrimLeft(sig, "\x00")
		short <- len(trimmed) < len(sig) && request.Flags == 4
		reply(c, 14, str(str([]byte("rsa-sha2-512"), trimmed))...)
	})
	s := agent.New(socket, public(t, "rsa2048"))
	for i := 0; ; i++ { // one in 256
		msg := fmt.Append(nil, i)
		sig, err := s.Sign(t.Context(), namespace, msg)
		if err != nil {
			t.Fatalf("message %d: %v", i, err)
		}
		if err := s.Public().Verify(namespace, msg, sig); err != nil {
			t.Fatal(err)
		}
		if <-short {
			return
		}
		if i == 20_000 {
			t.Fatal("no signature starts with a zero")
		}
	}
}

// TestFindBadLists has an agent answer with lists of keys that are none.
func TestFindBadLists(t *testing.T) {
	edKey := public(t, "ed25519")
	one := append([]byte{0, 0, 0, 1}, str(edKey.Wire(), []byte("ada"))...)
	for name, tt := range map[string]struct {
		kind byte
		body []byte
		want error
	}{
		"honest":         {12, one, nil},
		"odd key beside": {12, append(append([]byte{0, 0, 0, 2}, str([]byte("odd"), nil)...), one[4:]...), nil},
		"nothing":        {12, nil, agent.ErrBadAnswer},
		"cut short":      {12, one[:len(one)-1], agent.ErrBadAnswer},
		"a byte more":    {12, append(bytes.Clone(one), 0), agent.ErrBadAnswer},
		"4 billion keys": {12, []byte{0xff, 0xff, 0xff, 0xff}, agent.ErrBadAnswer},
		"a refusal":      {5, nil, agent.ErrBadAnswer},
		"no keys":        {12, make([]byte, 4), agent.ErrNoKey},
	} {
		socket := socketPath(t)
		listen(t, socket, func(c net.Conn) {
			if _, err := readMessage(c); err == nil {
				reply(c, tt.kind, tt.body...)
			}
		})
		s, err := agent.Find(t.Context(), socket, edKey.ID())
		if !errors.Is(err, tt.want) || (s != nil) != (tt.want == nil) {
			t.Errorf("%s: %v, %v; want %v", name, s, err, tt.want)
		}
	}
}

func BenchmarkSign(b *testing.B) {
	for _, name := range []string{"ed25519", "rsa2048"} {
		b.Run(name, func(b *testing.B) {
			socket := socketPath(b)
			startAgent(b, socket)
			add(b, socket, name)
			s := agent.New(socket, public(b, name))
			for b.Loop() {
				if _, err := s.Sign(b.Context(), namespace, message); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
