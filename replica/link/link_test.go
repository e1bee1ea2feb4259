package link_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica/link"
	"github.com/hearsaynet/hearsay/sign"
)

func TestLink(t *testing.T) {
	signers := map[string]*testSigner{"ed25519": ed25519Signer(t), "rsa": rsaSigner(t)}
	for name, signer := range signers {
		t.Run(name, func(t *testing.T) {
			server := newEndpoint(t, link.Config{Signer: signer})
			accepted := make(chan *link.Conn, 1)
			addr := serve(t, server, func(ctx context.Context, c *link.Conn) error {
				accepted <- c
				return echo(ctx, c)
			})
			client := newEndpoint(t, link.Config{Signer: ed25519Signer(t)})
			c, err := client.Dial(t.Context(), link.Address{ID: signer.public.ID(), HostPort: addr})
			if err != nil {
				t.Fatal(err)
			}
			far := <-accepted
			if c.PeerID() != server.ID() || c.PeerKey() != signer.public || !c.Dialed() {
				t.Errorf("dialed: got %v, dialed %v", c.PeerID(), c.Dialed())
			}
			if far.PeerID() != client.ID() || far.Dialed() || far.RemoteAddr().String() != c.LocalAddr().String() {
				t.Errorf("accepted: got %v from %v, dialed %v", far.PeerID(), far.RemoteAddr(), far.Dialed())
			}

			message := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
			written := make(chan error, 1)
			go func() {
				_, err := c.Write(message)
				written <- err
			}()
			got := make([]byte, len(message))
			if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, message) {
				t.Fatalf("the echo differs: %v", err)
			}
			if err := <-written; err != nil {
				t.Fatal(err)
			}
			if c.BytesIn() != 1<<20 || c.BytesOut() != 1<<20 || far.BytesIn() != 1<<20 {
				t.Errorf("got %d bytes in, %d out, far %d in", c.BytesIn(), c.BytesOut(), far.BytesIn())
			}
			if got := server.Counters(); got.Accepted != 1 || got.Linked != 1 || got.Links != 1 || got.Handshakes != 0 || len(got.Refused) > 0 {
				t.Errorf("server counts %+v", got)
			}
			c.Close()
			server.Close()
			if got := server.Counters(); got.Links != 0 {
				t.Errorf("after Close: %+v", got)
			}
		})
	}
}

func TestConfig(t *testing.T) {
	for name, cfg := range map[string]link.Config{
		"no signer":      {},
		"signer, no key": {Signer: &testSigner{}},
		"negative limit": {Signer: ed25519Signer(t), MaxConns: -1},
	} {
		if _, err := link.New(cfg); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestParseAddress(t *testing.T) {
	id := ed25519Signer(t).public.ID()
	for in, want := range map[string]link.Address{
		"127.0.0.1:4427":                       {HostPort: "127.0.0.1:4427"},
		"relay.example.org:1":                  {HostPort: "relay.example.org:1"},
		"[::1]:4427":                           {HostPort: "[::1]:4427"},
		"[fe80::1%eth0]:65535":                 {HostPort: "[fe80::1%eth0]:65535"},
		id.String() + "@[2001:db8::1]:4427":    {ID: id, HostPort: "[2001:db8::1]:4427"},
		id.Fingerprint() + "@example.org:4427": {ID: id, HostPort: "example.org:4427"},
	} {
		got, err := link.ParseAddress(in)
		if err != nil || got != want {
			t.Errorf("%q: got %v, %v, want %v", in, got, err, want)
		}
		if again, err := link.ParseAddress(got.String()); err != nil || again != got {
			t.Errorf("%q: %q does not parse back: %v, %v", in, got, again, err)
		}
	}
	for _, in := range []string{
		"", "host", ":4427", "host:", "host:65536", "host:-1", "host:http", "::1:4427", "@host:1", "Qm@host:1",
		id.String() + "@", id.String() + "@a@b:1", "ho st:1", "ho\x00st:1", "http://host:1", strings.Repeat("x", 10000),
	} {
		if got, err := link.ParseAddress(in); err == nil || len(err.Error()) > 400 {
			t.Errorf("%q: got %v, %.500v", in, got, err)
		}
	}
}

func TestWrongID(t *testing.T) {
	server := newEndpoint(t, link.Config{})
	addr := serve(t, server, echo)
	client := newEndpoint(t, link.Config{})
	asked := ed25519Signer(t).public.ID()
	_, err := client.Dial(t.Context(), link.Address{ID: asked, HostPort: addr})
	he := wantReason(t, err, link.ReasonWrongID)
	if he.ID != server.ID() || !strings.Contains(err.Error(), "proved to be "+server.ID().String()+", not the "+asked.String()) {
		t.Errorf("got %v", err)
	}
}

func TestOwnID(t *testing.T) {
	signer := ed25519Signer(t)
	log := make(refusals, 10)
	e := newEndpoint(t, link.Config{Signer: signer, Log: newLogger(log)})
	addr := serve(t, e, echo)
	_, err := e.Dial(t.Context(), link.Address{HostPort: addr})
	wantReason(t, err, link.ReasonOwnID)
	if !strings.HasSuffix(err.Error(), addr+": is this node itself") {
		t.Errorf("got %v", err)
	}
	<-log
	if _, err := e.Dial(t.Context(), link.Address{ID: e.ID(), HostPort: addr}); err == nil {
		t.Error("dialed our own id")
	}
	if err := tryForged(t, addr, forger{node: signer}.config(t)); err == nil {
		t.Error("our own id was linked")
	}
	if got, want := <-log, link.ReasonOwnID.String(); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestRefusedByPeer: a dialed peer that does not want our certificate says so when
// we read.
func TestRefusedByPeer(t *testing.T) {
	behind := func() time.Time { return time.Now().Add(-30 * 24 * time.Hour) }
	client := newEndpoint(t, link.Config{Now: behind})
	picky := forger{notAfter: behind().Add(24 * time.Hour), tls: func(c *tls.Config) {
		c.ClientAuth = tls.RequireAnyClientCert
		c.VerifyConnection = func(tls.ConnectionState) error { return errors.New("not you") }
	}}
	addr := listenForged(t, picky.config(t))
	c, err := client.Dial(t.Context(), link.Address{HostPort: addr})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, err = c.Read(make([]byte, 1))
	if he := wantReason(t, err, link.ReasonByPeer); he.Addr != addr {
		t.Errorf("got %v", err)
	}
}

// TestRefusalOutlivesSilence: a peer that does not read why we refuse it cannot
// make it look like a timeout.
func TestRefusalOutlivesSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newPipeNet() // unbuffered: our alert is stuck while the server writes
		server := newEndpoint(t, link.Config{})
		n.serve(t, server, echo)
		client := newEndpoint(t, link.Config{Dial: n.dialFrom("127.0.0.1:1")})
		_, err := client.Dial(t.Context(), link.Address{ID: ed25519Signer(t).public.ID(), HostPort: "pipe:1"})
		wantReason(t, err, link.ReasonWrongID)
		client.Close()
		server.Close()
	})
}

// TestLinger: a refused peer can still write until it has read why.
func TestLinger(t *testing.T) {
	expired := forger{notAfter: time.Unix(0, 0)}
	synctest.Test(t, func(t *testing.T) {
		n := newPipeNet()
		server := newEndpoint(t, link.Config{})
		n.serve(t, server, echo)
		raw := n.dial("127.0.0.1:1")
		c := tls.Client(raw, expired.config(t))
		if err := c.Handshake(); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Read(make([]byte, 1)); err == nil || !strings.Contains(err.Error(), "bad certificate") {
			t.Errorf("got %v, want the alert", err)
		}
		if _, err := raw.Write([]byte("under way when the alert came")); err != nil {
			t.Errorf("the connection was closed at once: %v", err)
		}
		began := time.Now()
		if _, err := raw.Read(make([]byte, 1)); err != io.EOF || time.Since(began) > 2*time.Second {
			t.Errorf("after %v got %v, want the end", time.Since(began), err)
		}
		raw.Close()
		server.Close()
	})
}

// TestClockSetBack: a certificate from before the clock was corrected, which peers
// would refuse, is not shown.
func TestClockSetBack(t *testing.T) {
	ahead := atomic.Int64{}
	ahead.Store(int64(20 * 24 * time.Hour))
	client := newEndpoint(t, link.Config{Now: func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }})
	if _, err := client.Dial(t.Context(), link.Address{HostPort: "127.0.0.1:1"}); err == nil { // signs
		t.Fatal("linked to nobody")
	}
	ahead.Store(0)
	server := newEndpoint(t, link.Config{})
	c, err := client.Dial(t.Context(), link.Address{HostPort: serve(t, server, echo)})
	if err != nil {
		t.Fatal(err)
	}
	pingOver(t, c)
	c.Close()
}

// TestClocksApart: what two endpoints make of each other's dates.
func TestClocksApart(t *testing.T) {
	for _, ahead := range []time.Duration{-8 * 24 * time.Hour, -20 * time.Hour, 0, 20 * time.Hour, 8 * 24 * time.Hour} {
		server := newEndpoint(t, link.Config{})
		addr := serve(t, server, echo)
		client := newEndpoint(t, link.Config{Now: func() time.Time { return time.Now().Add(ahead) }})
		c, err := client.Dial(t.Context(), link.Address{HostPort: addr})
		if ahead.Abs() > 7*24*time.Hour {
			wantReason(t, err, link.ReasonProof)
			continue
		}
		if err != nil {
			t.Errorf("%v: %v", ahead, err)
			continue
		}
		pingOver(t, c)
		c.Close()
	}
}

func TestDialErrors(t *testing.T) {
	e := newEndpoint(t, link.Config{})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := ln.Addr().String()
	ln.Close()
	_, err = e.Dial(t.Context(), link.Address{HostPort: addr})
	if !errors.Is(err, syscall.ECONNREFUSED) || strings.Count(err.Error(), addr) != 1 {
		t.Errorf("nobody there: got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	silent := listenRaw(t, func(c net.Conn) { cancel(); io.Copy(io.Discard, c) })
	if _, err := e.Dial(ctx, link.Address{HostPort: silent}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: got %v", err)
	}
	e.Close()
	if _, err := e.Dial(t.Context(), link.Address{HostPort: addr}); !errors.Is(err, link.ErrClosed) {
		t.Errorf("closed: got %v", err)
	}
	ln, err = net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Serve(t.Context(), ln, echo); !errors.Is(err, link.ErrClosed) {
		t.Errorf("Serve when closed: got %v", err)
	}
	if _, err := ln.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Serve left the listener open: %v", err)
	}
	e.Maintain(t.Context(), link.Address{HostPort: addr}, echo, nil)
}

// TestRenewal runs a node for a month: its certificate is always good, and is
// signed rarely.
func TestRenewal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newPipeNet()
		server, client := ed25519Signer(t), ed25519Signer(t)
		e := newEndpoint(t, link.Config{Signer: server})
		n.serve(t, e, echo)
		d := newEndpoint(t, link.Config{Signer: client, Dial: n.dialFrom("127.0.0.1:1")})
		for h := 0; h < 30*24; h += 3 {
			c, err := d.Dial(t.Context(), link.Address{HostPort: "pipe:1"})
			if err != nil {
				t.Fatalf("after %d h: %v", h, err)
			}
			if err := ping(c); err != nil {
				t.Fatalf("after %d h: %v", h, err)
			}
			c.Close()
			time.Sleep(3 * time.Hour)
		}
		for _, s := range []*testSigner{server, client} {
			if n := s.count(); n < 5 || n > 11 {
				t.Errorf("%d signatures in 30 days", n)
			}
		}
		time.Sleep(20 * 24 * time.Hour) // a laptop that slept: both certificates ran out
		c, err := d.Dial(t.Context(), link.Address{HostPort: "pipe:1"})
		if err != nil {
			t.Fatal(err)
		}
		pingOver(t, c)
		c.Close()
		d.Close()
		e.Close()
	})
}

// TestSignerUnavailable: without a signer there is no link and no connection; a
// certificate that is still good goes on.
func TestSignerUnavailable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newPipeNet()
		e := newEndpoint(t, link.Config{})
		n.serve(t, e, echo)
		signer := ed25519Signer(t)
		dials := 0
		d := newEndpoint(t, link.Config{Signer: signer, Dial: func(context.Context, string, string) (net.Conn, error) {
			dials++
			return n.dial("127.0.0.1:1"), nil
		}})
		dial := func() error {
			c, err := d.Dial(t.Context(), link.Address{HostPort: "pipe:1"})
			if err != nil {
				return err
			}
			defer c.Close()
			return ping(c)
		}
		signer.setFail(sign.ErrUnavailable)
		err := dial()
		wantReason(t, err, link.ReasonSigner)
		if !errors.Is(err, sign.ErrUnavailable) || dials != 0 {
			t.Errorf("got %v after %d connections", err, dials)
		}
		signer.setFail(nil)
		time.Sleep(10 * time.Second)
		if err := dial(); err != nil {
			t.Fatalf("the signer is back: %v", err)
		}
		signer.setFail(sign.ErrUnavailable)
		time.Sleep(5 * 24 * time.Hour)
		if err := dial(); err != nil {
			t.Errorf("a day before the certificate runs out: %v", err)
		}
		time.Sleep(2 * 24 * time.Hour)
		wantReason(t, dial(), link.ReasonSigner)
		d.Close()
		e.Close()
	})
}

// wrongSigner returns signatures of another message.
type wrongSigner struct{ *testSigner }

func (s wrongSigner) Sign(ctx context.Context, namespace string, _ []byte) ([]byte, error) {
	return s.testSigner.Sign(ctx, namespace, nil)
}

func TestSignerWrong(t *testing.T) {
	e := newEndpoint(t, link.Config{Signer: wrongSigner{ed25519Signer(t)}})
	_, err := e.Dial(t.Context(), link.Address{HostPort: "127.0.0.1:1"})
	wantReason(t, err, link.ReasonSigner)
	if !errors.Is(err, keys.ErrBadSignature) {
		t.Errorf("got %v", err)
	}
}

// TestClose: Close ends handshakes, links, handlers that ignore their context,
// and dialed links; nothing is left (synctest would not end).
func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newPipeNet()
		e := newEndpoint(t, link.Config{})
		ended := make(chan error, 1)
		n.serve(t, e, func(_ context.Context, c *link.Conn) error {
			_, err := io.Copy(io.Discard, c)
			ended <- err
			return err
		})
		d := newEndpoint(t, link.Config{Dial: n.dialFrom("127.0.0.1:1")})
		c, err := d.Dial(t.Context(), link.Address{HostPort: "pipe:1"})
		if err != nil {
			t.Fatal(err)
		}
		silent := n.dial("127.0.0.1:2")
		synctest.Wait()
		began := time.Now()
		e.Close()
		if took := time.Since(began); took > 3*time.Second {
			t.Errorf("Close took %v", took)
		}
		if err := <-ended; err == nil {
			t.Error("the handler's link ended well, want an error")
		}
		if _, err := silent.Read(make([]byte, 1)); err == nil {
			t.Error("a handshake went on after Close")
		}
		d.Close()
		if _, err := c.Write([]byte("x")); err == nil {
			t.Error("a dialed link outlived Close")
		}
	})
}

func BenchmarkHandshake(b *testing.B) {
	server := newEndpoint(b, link.Config{AcceptRate: 1e6})
	addr := serve(b, server, func(_ context.Context, c *link.Conn) error {
		_, err := c.Write([]byte("x"))
		return err
	})
	client := newEndpoint(b, link.Config{})
	for b.Loop() {
		c, err := client.Dial(b.Context(), link.Address{HostPort: addr})
		if err != nil {
			b.Fatal(err)
		}
		if _, err := c.Read(make([]byte, 1)); err != nil {
			b.Fatal(err)
		}
		c.Close()
	}
}

func BenchmarkTransfer(b *testing.B) {
	server := newEndpoint(b, link.Config{})
	addr := serve(b, server, func(_ context.Context, c *link.Conn) error {
		_, err := io.Copy(io.Discard, c)
		return err
	})
	client := newEndpoint(b, link.Config{})
	c, err := client.Dial(b.Context(), link.Address{HostPort: addr})
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	chunk := make([]byte, 64<<10)
	b.SetBytes(int64(len(chunk)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Write(chunk); err != nil {
			b.Fatal(err)
		}
	}
}
