package link_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica/link"
)

func flip(i int) func([]byte) []byte {
	return func(b []byte) []byte {
		b = append([]byte(nil), b...)
		if i < 0 {
			i += len(b)
		}
		b[i] ^= 1
		return b
	}
}

// hostile are peers that must be refused, whichever side dials.
func hostile(t *testing.T) map[string]struct {
	forger
	reason link.Reason
} {
	victim := ed25519Signer(t)
	_, stranger, _ := ed25519.GenerateKey(rand.Reader)
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	small := append([]byte("\x00\x00\x00\x0bssh-ed25519\x00\x00\x00\x20\x01"), make([]byte, 31)...)
	type peer = struct {
		forger
		reason link.Reason
	}
	return map[string]peer{
		"no extension":    {forger{oid: asn1.ObjectIdentifier{1, 2, 3}}, link.ReasonCertificate},
		"two extensions":  {forger{cert: func(c *x509.Certificate) { c.ExtraExtensions = append(c.ExtraExtensions, c.ExtraExtensions[0]) }}, link.ReasonHandshake},
		"critical other":  {forger{cert: addCritical}, link.ReasonCertificate},
		"two certs":       {forger{chain: func(der []byte) [][]byte { return [][]byte{der, der} }}, link.ReasonCertificate},
		"ecdsa cert":      {forger{key: ec, over: stranger.Public().(ed25519.PublicKey)}, link.ReasonCertificate},
		"not self-signed": {forger{der: flip(-1)}, link.ReasonCertificate},

		"tampered signature": {forger{proof: flip(-1)}, link.ReasonProof},
		"tampered not_after": {forger{proof: flip(2 + 2 + 51 + 7)}, link.ReasonProof},
		"trailing byte":      {forger{proof: func(b []byte) []byte { return append(b, 0) }}, link.ReasonProof},
		"cut short":          {forger{proof: func(b []byte) []byte { return b[:len(b)-1] }}, link.ReasonProof},
		"empty":              {forger{proof: func([]byte) []byte { return nil }}, link.ReasonProof},
		"other namespace":    {forger{namespace: "hearsay-update"}, link.ReasonProof},
		"other magic":        {forger{magic: "hearsay\x02"}, link.ReasonProof},
		"other cert's proof": {forger{node: victim, over: stranger.Public().(ed25519.PublicKey)}, link.ReasonProof},
		"expired":            {forger{notAfter: time.Now().Add(-link.ClockTolerance - time.Minute)}, link.ReasonProof},
		"not_after too far":  {forger{notAfter: time.Now().Add(link.MaxLifetime + link.ClockTolerance + time.Minute)}, link.ReasonProof},
		"not_after 2^63":     {forger{notAfter: time.Unix(0, -1<<63)}, link.ReasonProof},
		"small-order key":    {forger{proof: func(b []byte) []byte { copy(b[4:], small); return b }}, link.ReasonProof},
	}
}

func addCritical(c *x509.Certificate) {
	c.ExtraExtensions = append(c.ExtraExtensions, pkix.Extension{Id: asn1.ObjectIdentifier{1, 2, 3}, Critical: true})
}

func TestDialRefuses(t *testing.T) {
	e := newEndpoint(t, link.Config{})
	for name, peer := range hostile(t) {
		t.Run(name, func(t *testing.T) {
			addr := listenForged(t, peer.config(t))
			_, err := e.Dial(t.Context(), link.Address{HostPort: addr})
			he := wantReason(t, err, peer.reason)
			if he.Addr != addr || !strings.HasPrefix(err.Error(), "link: "+addr+": ") {
				t.Errorf("error %q does not name %s", err, addr)
			}
		})
	}
	for _, peer := range []forger{{}, {node: rsaSigner(t)}, {notAfter: time.Now().Add(-time.Minute)}, {notAfter: time.Now().Add(link.MaxLifetime + time.Minute)}} {
		c, err := e.Dial(t.Context(), link.Address{HostPort: listenForged(t, peer.config(t))})
		if err != nil {
			t.Fatalf("an honest peer, made from the documentation: %v", err)
		}
		pingOver(t, c)
		c.Close()
	}
}

func TestServeRefuses(t *testing.T) {
	log := make(refusals, 10)
	e := newEndpoint(t, link.Config{Log: newLogger(log)})
	addr := serve(t, e, echo)
	other := newEndpoint(t, link.Config{})
	steady, err := other.Dial(t.Context(), link.Address{HostPort: addr})
	if err != nil {
		t.Fatal(err)
	}
	pingOver(t, steady)
	for name, peer := range hostile(t) {
		t.Run(name, func(t *testing.T) {
			before := e.Counters()
			err := tryForged(t, addr, peer.config(t))
			if err == nil || !strings.Contains(err.Error(), "remote error: tls: ") {
				t.Errorf("the refused peer reads %v, want an alert", err)
			}
			if got := <-log; got != peer.reason.String() {
				t.Errorf("got reason %q, want %q", got, peer.reason)
			}
			after := e.Counters()
			if after.Refused[peer.reason] != before.Refused[peer.reason]+1 || after.Linked != before.Linked {
				t.Errorf("counters went from %+v to %+v", before, after)
			}
		})
	}
	if err := tryForged(t, addr, forger{}.config(t)); err != nil {
		t.Fatalf("an honest peer, made from the documentation: %v", err)
	}
	pingOver(t, steady)
	steady.Close()
}

// TestNotHearsay has what is not our protocol on either side.
func TestNotHearsay(t *testing.T) {
	log := make(refusals, 10)
	patient := newEndpoint(t, link.Config{Log: newLogger(log)})
	hasty := newEndpoint(t, link.Config{Log: newLogger(log), HandshakeTimeout: 300 * time.Millisecond})
	addr, hastyAddr := serve(t, patient, echo), serve(t, hasty, echo)
	other := newEndpoint(t, link.Config{})
	steady, err := other.Dial(t.Context(), link.Address{HostPort: addr})
	if err != nil {
		t.Fatal(err)
	}
	defer steady.Close()

	noALPN := forger{tls: func(c *tls.Config) { c.NextProtos = nil }}.config(t)
	otherALPN := forger{tls: func(c *tls.Config) { c.NextProtos = []string{"h2"} }}.config(t)
	tls12 := forger{tls: func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 }}.config(t)
	web := forger{oid: asn1.ObjectIdentifier{1, 2, 3}, tls: func(c *tls.Config) { c.NextProtos = nil }}.config(t)
	noCert := &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"hearsay/1"}}

	write := func(s string) func(c net.Conn) {
		return func(c net.Conn) { c.Write([]byte(s)); io.Copy(io.Discard, c) }
	}
	underTLS := func(cfg *tls.Config) func(c net.Conn) {
		return func(c net.Conn) { ping(tls.Client(c, cfg)) }
	}
	for name, in := range map[string]struct {
		client func(c net.Conn) // returns when the server has closed
		reason link.Reason
	}{
		"http":       {write("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), link.ReasonNotTLS},
		"random":     {write("\xa7\x13\x98\x00\x01\xfe\xed and so on"), link.ReasonNotTLS},
		"silence":    {write(""), link.ReasonTimeout},
		"hangs up":   {func(net.Conn) {}, link.ReasonHungUp},
		"no ALPN":    {underTLS(noALPN), link.ReasonProtocol},
		"other ALPN": {underTLS(otherALPN), link.ReasonHandshake},
		"TLS 1.2":    {underTLS(tls12), link.ReasonHandshake},
		"no cert":    {underTLS(noCert), link.ReasonHandshake},
	} {
		t.Run("in/"+name, func(t *testing.T) {
			e, addr := patient, addr
			if in.reason == link.ReasonTimeout {
				e, addr = hasty, hastyAddr
			}
			c, err := net.Dial("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			in.client(c)
			c.Close()
			if got := <-log; got != in.reason.String() {
				t.Errorf("got reason %q, want %q", got, in.reason)
			}
			if e.Counters().Refused[in.reason] == 0 {
				t.Errorf("not counted: %+v", e.Counters())
			}
			pingOver(t, steady)
		})
	}

	answer := func(cfg *tls.Config) func(c net.Conn) {
		return func(c net.Conn) { tls.Server(c, cfg).Handshake() }
	}
	for name, out := range map[string]struct {
		server func(c net.Conn)
		reason link.Reason
		text   string
	}{
		"http":       {write("HTTP/1.1 400 Bad Request\r\n\r\n"), link.ReasonNotTLS, "speaks HTTP, not hearsay"},
		"ssh":        {write("SSH-2.0-OpenSSH_9.2\r\n"), link.ReasonNotTLS, "speaks SSH, not hearsay"},
		"random":     {write("\xa7\x13\x98\x00\x01\xfe\xed"), link.ReasonNotTLS, "speaks something else, not hearsay"},
		"silence":    {write(""), link.ReasonTimeout, "no handshake within 300ms"},
		"hangs up":   {func(net.Conn) {}, link.ReasonHungUp, "hung up during the handshake"},
		"web":        {answer(web), link.ReasonCertificate, "TLS without our extension"},
		"no ALPN":    {answer(noALPN), link.ReasonProtocol, "speaks TLS, but not hearsay/1"},
		"other ALPN": {answer(otherALPN), link.ReasonProtocol, "speaks TLS, not hearsay"},
		"TLS 1.2":    {answer(tls12), link.ReasonProtocol, "speaks TLS, not hearsay"},
	} {
		t.Run("out/"+name, func(t *testing.T) {
			e := patient
			if out.reason == link.ReasonTimeout {
				e = hasty
			}
			addr := listenRaw(t, out.server)
			_, err := e.Dial(t.Context(), link.Address{HostPort: addr})
			wantReason(t, err, out.reason)
			if !strings.Contains(err.Error(), addr+": "+out.text) && !strings.Contains(err.Error(), addr+" "+out.text) {
				t.Errorf("got %q, want %q in it", err, out.text)
			}
		})
	}
}

func TestAttack(t *testing.T) {
	t.Run("link-resume", attackResume)
	t.Run("stolen-link", attackStolen)
	t.Run("slowloris", attackSlowloris)
	t.Run("flood", attackFlood)
	t.Run("sybil", attackSybil)
}

// never is the handler of an endpoint that nobody may be linked to.
func never(t *testing.T) link.Handler {
	return func(_ context.Context, c *link.Conn) error {
		t.Errorf("%v was linked", c.PeerID())
		return nil
	}
}

// attackResume: no session of ours can be resumed, and none is resumed by us; what
// would get around the certificate check is refused on either side.
func attackResume(t *testing.T) {
	e := newEndpoint(t, link.Config{})
	addr := serve(t, e, echo)
	all := hostile(t)
	for _, name := range []string{"two certs", "two extensions", "expired", "tampered not_after"} {
		peer := all[name]
		if _, err := e.Dial(t.Context(), link.Address{HostPort: listenForged(t, peer.config(t))}); err == nil {
			t.Errorf("%s: linked when dialed", name)
		}
	}
	own := ed25519Signer(t)
	strict := newEndpoint(t, link.Config{Signer: own})
	refusing := serve(t, strict, never(t))
	for name, peer := range map[string]forger{
		"two certs": all["two certs"].forger, "two extensions": all["two extensions"].forger,
		"expired": all["expired"].forger, "our own id": {node: own},
	} {
		if err := tryForged(t, refusing, peer.config(t)); err == nil {
			t.Errorf("%s: linked", name)
		}
	}
	_, err := strict.Dial(t.Context(), link.Address{HostPort: refusing})
	wantReason(t, err, link.ReasonOwnID)

	cache := &sessionCache{ClientSessionCache: tls.NewLRUClientSessionCache(4)}
	cfg := forger{tls: func(c *tls.Config) { c.ClientSessionCache = cache; c.ServerName = "x" }}.config(t)
	for range 2 {
		c, err := tls.Dial("tcp", addr, cfg)
		if err != nil {
			t.Fatal(err)
		}
		pingOver(t, c)
		if c.ConnectionState().DidResume {
			t.Error("the endpoint resumed a session")
		}
		c.Close()
	}
	if cache.puts != 0 {
		t.Errorf("the endpoint handed out %d tickets", cache.puts)
	}

	// The other way round: a server that hands out tickets.
	resumed := make(chan bool, 2)
	tickets := forger{}.config(t)
	server := listenRaw(t, func(c net.Conn) {
		s := tls.Server(c, tickets)
		if s.Handshake() == nil {
			resumed <- s.ConnectionState().DidResume
			s.Write([]byte("x"))
			s.Read(make([]byte, 1))
		}
	})
	for range 2 {
		c, err := e.Dial(t.Context(), link.Address{HostPort: server})
		if err != nil {
			t.Fatal(err)
		}
		c.Read(make([]byte, 1)) // tickets come before it
		c.Close()
		if <-resumed {
			t.Error("the endpoint resumed a session when dialing")
		}
	}
}

type sessionCache struct {
	tls.ClientSessionCache
	puts int
}

func (s *sessionCache) Put(key string, cs *tls.ClientSessionState) {
	if cs != nil {
		s.puts++
	}
	s.ClientSessionCache.Put(key, cs)
}

// attackStolen: a thief has seen a victim's certificate, and shows its proof on a
// certificate of its own, or the certificate itself without having its key, or
// nothing of the kind. No handler gets to see it, and so none of its frames is read.
func attackStolen(t *testing.T) {
	victim := newEndpoint(t, link.Config{})
	var stolen *x509.Certificate
	spy := forger{tls: func(c *tls.Config) {
		c.VerifyConnection = func(cs tls.ConnectionState) error { stolen = cs.PeerCertificates[0]; return nil }
	}}
	if err := tryForged(t, serve(t, victim, echo), spy.config(t)); err != nil {
		t.Fatal(err)
	}

	log := make(refusals, 10)
	e := newEndpoint(t, link.Config{Log: newLogger(log)})
	addr := serve(t, e, never(t))
	for name, thief := range map[string]struct {
		forger
		dialed, served link.Reason
	}{
		"no proof": {forger{oid: asn1.ObjectIdentifier{1, 2, 3}}, link.ReasonCertificate, link.ReasonCertificate},
		"proof on another certificate": {
			forger{cert: func(c *x509.Certificate) { c.ExtraExtensions = proofsOf(t, stolen) }},
			link.ReasonProof, link.ReasonProof,
		},
		"certificate without its key": {
			forger{present: func(c *tls.Certificate) { c.Certificate = [][]byte{stolen.Raw}; c.Leaf = nil }},
			link.ReasonHandshake, link.ReasonHandshake,
		},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := thief.config(t)
			for _, id := range []keys.NodeID{{}, victim.ID()} {
				_, err := e.Dial(t.Context(), link.Address{ID: id, HostPort: listenForged(t, cfg)})
				wantReason(t, err, thief.dialed)
			}
			if err := tryForged(t, addr, cfg); err == nil {
				t.Error("the thief was linked")
			}
			if got := <-log; got != thief.served.String() {
				t.Errorf("got reason %q, want %q", got, thief.served)
			}
		})
	}
	if n := e.Counters().Linked; n != 0 {
		t.Errorf("%d links", n)
	}
}

func proofsOf(t *testing.T, c *x509.Certificate) []pkix.Extension {
	for _, x := range c.Extensions {
		if x.Id.Equal(link.OID()) {
			return []pkix.Extension{x}
		}
	}
	t.Fatal("no proof in the certificate")
	return nil
}

// attackSlowloris: a handshake that never ends, a byte at a time, is cut at the
// timeout; meanwhile an honest peer links.
func attackSlowloris(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newPipeNet()
		e := newEndpoint(t, link.Config{MaxHandshakes: 4})
		n.serve(t, e, echo)
		began := time.Now()
		c := n.dial("192.0.2.1:1000")
		dripped := make(chan time.Duration)
		go func() {
			defer c.Close()
			header := []byte{22, 3, 1, 2, 0} // a handshake record of 512 bytes
			for i := 0; ; i++ {
				b := byte(0)
				if i < len(header) {
					b = header[i]
				}
				if _, err := c.Write([]byte{b}); err != nil {
					dripped <- time.Since(began)
					return
				}
				time.Sleep(700 * time.Millisecond)
			}
		}()
		time.Sleep(5 * time.Second)
		honest := newEndpoint(t, link.Config{Dial: n.dialFrom("192.0.2.2:1")})
		l, err := honest.Dial(t.Context(), link.Address{HostPort: "pipe:1"})
		if err != nil {
			t.Fatal(err)
		}
		pingOver(t, l)
		if got := <-dripped; got > link.DefaultHandshakeTimeout+time.Second {
			t.Errorf("cut after %v", got)
		}
		synctest.Wait()
		if got := e.Counters(); got.Refused[link.ReasonTimeout] != 1 || got.Handshakes != 0 || got.Links != 1 {
			t.Errorf("got %+v, want one timeout, no handshake, one link", got)
		}
		pingOver(t, l)
		l.Close()
		honest.Close()
		e.Close()
	})
}
