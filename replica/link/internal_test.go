package link

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/asn1"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hearsaynet/hearsay/fuzz/fuzztest"
	"github.com/hearsaynet/hearsay/keys"
	"golang.org/x/crypto/ssh"
)

// seedSigner is an ed25519 node key whose seed is all zeros.
type seedSigner struct{ private ed25519.PrivateKey }

func newSeedSigner() seedSigner {
	return seedSigner{ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))}
}

func (s seedSigner) Public() keys.PublicKey {
	public, err := ssh.NewPublicKey(s.private.Public())
	if err != nil {
		panic(err)
	}
	k, err := keys.ParsePublicKey(public.Marshal())
	if err != nil {
		panic(err)
	}
	return k
}

func (s seedSigner) Sign(_ context.Context, namespace string, msg []byte) ([]byte, error) {
	data := keys.SignedData(namespace, sha256.Sum256(msg))
	return keys.MarshalSignature(keys.FormatEd25519, ed25519.Sign(s.private, data)), nil
}

// TestProofBytes pins a proof: node key with seed 00…00, certificate key 01…01.
func TestProofBytes(t *testing.T) {
	signer := newSeedSigner()
	certificateKey := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{1}, 32)).Public().(ed25519.PublicKey)
	p := proof{key: signer.Public(), notAfter: 1_800_000_000_000_000_000}
	message := proofMessage(p.notAfter, certificateKey)
	wantMessage := "68656172736179" + "01" + // magic
		"18fae27693b40000" + // not_after
		"8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c" // certificate key
	if got := hex.EncodeToString(message); got != wantMessage {
		t.Errorf("message\n got %s\nwant %s", got, wantMessage)
	}
	p.sig, _ = signer.Sign(t.Context(), Namespace, message)
	value, err := p.marshal()
	if err != nil {
		t.Fatal(err)
	}
	wantValue := "048192" + // DER OCTET STRING of 146 bytes
		"0033" + "0000000b7373682d65643235353139" + "00000020" + "3b6a27bcceb6a42d62a3a8d02a6f0d73653215771de243a63ac048a18b59da29" + // node key
		"18fae27693b40000" + // not_after
		"0053" + "0000000b7373682d65643235353139" + "00000040" +
		"2c6e0d4ccb3bbfa28dfb12ea0138230959958977c06ec9afbb6aede8bd30ee1856cc2ea5f8412a58e44f5aeb3581a7f78519ecc10d12f6f900eb8a066baa3b01"
	if got := hex.EncodeToString(value); got != wantValue {
		t.Errorf("value\n got %s\nwant %s", got, wantValue)
	}
	parsed, err := parseProof(value)
	if err != nil {
		t.Fatal(err)
	}
	if err := parsed.check(certificateKey, time.Unix(1_799_999_999, 0)); err != nil {
		t.Error(err)
	}
}

func FuzzParseProof(f *testing.F) {
	fuzztest.Decoder[proof]{
		Corpus: "link-proof", Decode: parseProof,
		Encode: proof.marshal,
	}.Fuzz(f)
}

func TestParseProofStrict(t *testing.T) {
	signer := newSeedSigner()
	sig, _ := signer.Sign(t.Context(), Namespace, nil)
	short := func(b []byte) []byte { return append(binary.BigEndian.AppendUint16(nil, uint16(len(b))), b...) }
	wire, date := short(signer.Public().Wire()), make([]byte, 8)
	for name, c := range map[string]struct {
		ok    bool
		inner [][]byte
	}{
		"good":               {true, [][]byte{wire, date, short(sig)}},
		"trailing byte":      {false, [][]byte{wire, date, short(sig), {0}}},
		"second proof":       {false, [][]byte{wire, date, short(sig), wire, date, short(sig)}},
		"no signature":       {false, [][]byte{wire, date, short(nil)}},
		"signature missing":  {false, [][]byte{wire, date}},
		"signature too long": {false, [][]byte{wire, date, short(make([]byte, keys.MaxSignatureSize+1))}},
		"key too long":       {false, [][]byte{short(make([]byte, keys.MaxWireSize+1)), date, short(sig)}},
		"no key":             {false, [][]byte{short(nil), date, short(sig)}},
		"not_after 2^63":     {false, [][]byte{wire, {0x80, 0, 0, 0, 0, 0, 0, 0}, short(sig)}},
		"not_after 2^63-1":   {true, [][]byte{wire, {0x7f, 255, 255, 255, 255, 255, 255, 255}, short(sig)}},
	} {
		value, err := asn1.Marshal(bytes.Join(c.inner, nil))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := parseProof(value); (err == nil) != c.ok {
			t.Errorf("%s: got %v", name, err)
		}
		if _, err := parseProof(append(value, 0)); err == nil {
			t.Errorf("%s: a byte after the octet string was taken", name)
		}
	}
}

func newTestEndpoint(t *testing.T) *Endpoint {
	e, err := New(Config{Signer: newSeedSigner()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return e
}

// TestVerifyConnection: what crypto/tls keeps from us on the wire is refused when
// it comes all the same.
func TestVerifyConnection(t *testing.T) {
	e := newTestEndpoint(t)
	_, private, _ := ed25519.GenerateKey(nil)
	other := seedSigner{private}
	made, err := newCertificate(t.Context(), other, time.Now().Add(lifetime))
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(made.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	twice := *leaf
	twice.Extensions = append(twice.Extensions[:len(twice.Extensions):len(twice.Extensions)], twice.Extensions...)
	good := tls.ConnectionState{Version: tls.VersionTLS13, NegotiatedProtocol: ALPN, PeerCertificates: []*x509.Certificate{leaf}}
	if k, err := e.verify(good, keys.NodeID{}); err != nil || k != other.Public() {
		t.Fatalf("got %v, %v", k, err)
	}
	for name, c := range map[string]struct {
		change func(cs *tls.ConnectionState)
		want   Reason
	}{
		"resumed":         {func(cs *tls.ConnectionState) { cs.DidResume = true }, ReasonProtocol},
		"TLS 1.2":         {func(cs *tls.ConnectionState) { cs.Version = tls.VersionTLS12 }, ReasonProtocol},
		"no ALPN":         {func(cs *tls.ConnectionState) { cs.NegotiatedProtocol = "" }, ReasonProtocol},
		"no certificate":  {func(cs *tls.ConnectionState) { cs.PeerCertificates = nil }, ReasonCertificate},
		"two extensions":  {func(cs *tls.ConnectionState) { cs.PeerCertificates = []*x509.Certificate{&twice} }, ReasonCertificate},
		"two equal certs": {func(cs *tls.ConnectionState) { cs.PeerCertificates = []*x509.Certificate{leaf, leaf} }, ReasonCertificate},
	} {
		cs := good
		c.change(&cs)
		k, err := e.verify(cs, keys.NodeID{})
		if he, ok := err.(*HandshakeError); !ok || he.Reason != c.want || !k.IsZero() {
			t.Errorf("%s: got %v, %v", name, k, err)
		}
	}
}

// TestTLSConfig: no session of this endpoint can be resumed, or was.
func TestTLSConfig(t *testing.T) {
	cfg := newTestEndpoint(t).tlsConfig(keys.NodeID{}, new(handshake))
	if !cfg.SessionTicketsDisabled || cfg.ClientSessionCache != nil || cfg.MinVersion != tls.VersionTLS13 || cfg.ClientAuth != tls.RequireAnyClientCert {
		t.Errorf("got %+v", cfg)
	}
}

// TestGateMemory: prefixes that came and went do not add up.
func TestGateMemory(t *testing.T) {
	g := newTestEndpoint(t).gate
	for i := range 3 * maxPrefixes {
		addr := &net.TCPAddr{IP: net.ParseIP(fmt.Sprintf("2001:db8:%x:%x::1", i>>16, i&0xffff)), Port: 1}
		s, reason := g.admit(addr, func() {})
		if reason != 0 {
			t.Fatal(reason)
		}
		g.release(s)
	}
	if n := len(g.buckets); n > maxPrefixes {
		t.Errorf("%d prefixes remembered, want at most %d", n, maxPrefixes)
	}
	if pending, linked := g.counts(); pending != 0 || linked != 0 {
		t.Errorf("%d pending, %d linked", pending, linked)
	}
}

// TestOffendersMemory: prefixes with faults do not add up, and do not crowd out those
// that are banned.
func TestOffendersMemory(t *testing.T) {
	os, now := make(offenders), time.Now()
	prefix := func(i int) netip.Prefix {
		return netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 32)
	}
	banned := prefix(1 << 20)
	for range faultsForgiven + 1 {
		os.add(banned, "x", now)
	}
	for i := range maxOffenders + 500 {
		os.add(prefix(i), "x", now)
	}
	if len(os) != maxOffenders || !os.banned(banned, now) {
		t.Errorf("%d prefixes, the banned one among them: %v", len(os), os.banned(banned, now))
	}
	now = now.Add(time.Hour)
	os.add(prefix(1<<21), "x", now)
	if len(os) != 1 {
		t.Errorf("%d prefixes after an hour, want the newest only", len(os))
	}
}

// TestGateForgets: prefixes that have long been gone are forgotten before there are many.
func TestGateForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(Config{MaxConns: 1, MaxHandshakes: 1, MaxPerPrefix: 1, AcceptRate: 100})
		for i := range 3 * maxPrefixes {
			s, reason := g.admit(&net.TCPAddr{IP: net.IPv4(10, byte(i>>16), byte(i>>8), byte(i)), Port: 1}, func() {})
			if reason != 0 {
				t.Fatal(reason)
			}
			g.release(s)
			time.Sleep(time.Second)
		}
		if n := len(g.buckets); n > 100 {
			t.Errorf("%d prefixes remembered, of which 10 had a turn lately", n)
		}
	})
}

func TestReasons(t *testing.T) {
	for r := range reasonEnd {
		if r > 0 && r.String() == "" {
			t.Errorf("reason %d has no name", r)
		}
	}
	if got := Reason(99).String() + State(99).String(); got != "Reason(99)State(99)" {
		t.Errorf("got %q", got)
	}
}
