package link_test

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"math/big"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica/link"
	"golang.org/x/crypto/ssh"
)

// testSigner signs as package sign does, and fails while fail is set.
type testSigner struct {
	public  keys.PublicKey
	private crypto.Signer

	mu     sync.Mutex // guards fail, signed
	fail   error
	signed int
}

func (s *testSigner) Public() keys.PublicKey { return s.public }

func (s *testSigner) Sign(_ context.Context, namespace string, msg []byte) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail != nil {
		return nil, s.fail
	}
	s.signed++
	data := keys.SignedData(namespace, sha256.Sum256(msg))
	if _, ok := s.private.(*rsa.PrivateKey); ok {
		sum := sha512.Sum512(data)
		sig, err := s.private.Sign(rand.Reader, sum[:], crypto.SHA512)
		return keys.MarshalSignature(keys.FormatRSASHA512, sig), err
	}
	sig, err := s.private.Sign(rand.Reader, data, crypto.Hash(0))
	return keys.MarshalSignature(keys.FormatEd25519, sig), err
}

func (s *testSigner) setFail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail = err
}

func (s *testSigner) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.signed
}

func newSigner(t testing.TB, private crypto.Signer) *testSigner {
	t.Helper()
	public, err := ssh.NewPublicKey(private.Public())
	if err != nil {
		t.Fatal(err)
	}
	k, err := keys.ParsePublicKey(public.Marshal())
	if err != nil {
		t.Fatal(err)
	}
	return &testSigner{public: k, private: private}
}

func ed25519Signer(t testing.TB) *testSigner {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return newSigner(t, private)
}

func rsaSigner(t testing.TB) *testSigner {
	t.Helper()
	file, err := os.ReadFile("../../testdata/keys/rsa2048")
	if err != nil {
		t.Fatal(err)
	}
	private, err := ssh.ParseRawPrivateKey(file)
	if err != nil {
		t.Fatal(err)
	}
	return newSigner(t, private.(crypto.Signer))
}

// refusals is a slog.Handler that hands on the reasons of refused connections.
type refusals chan string

func (r refusals) Enabled(context.Context, slog.Level) bool { return true }
func (r refusals) WithAttrs([]slog.Attr) slog.Handler       { return r }
func (r refusals) WithGroup(string) slog.Handler            { return r }
func (r refusals) Handle(_ context.Context, record slog.Record) error {
	if record.Message == "connection refused" {
		record.Attrs(func(a slog.Attr) bool {
			if a.Key == "reason" {
				r <- a.Value.String()
			}
			return true
		})
	}
	return nil
}

func newEndpoint(t testing.TB, cfg link.Config) *link.Endpoint {
	t.Helper()
	if cfg.Signer == nil {
		cfg.Signer = ed25519Signer(t)
	}
	e, err := link.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return e
}

// serve has e accept on a loopback port, and returns the address.
func serve(t testing.TB, e *link.Endpoint, handle link.Handler) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- e.Serve(context.Background(), ln, handle) }()
	t.Cleanup(func() {
		e.Close()
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return ln.Addr().String()
}

// echo sends everything back until the link or ctx ends.
func echo(ctx context.Context, c *link.Conn) error {
	stop := context.AfterFunc(ctx, func() { c.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	_, err := io.Copy(c, c)
	return err
}

// pingOver sends a message over c and wants it back.
func pingOver(t testing.TB, c net.Conn) {
	t.Helper()
	if err := ping(c); err != nil {
		t.Fatal(err)
	}
}

func ping(c net.Conn) error {
	const message = "hello over there"
	if _, err := c.Write([]byte(message)); err != nil {
		return err
	}
	got := make([]byte, len(message))
	if _, err := io.ReadFull(c, got); err != nil {
		return err
	}
	if string(got) != message {
		return errors.New("echo: got " + string(got))
	}
	return nil
}

func wantReason(t testing.TB, err error, want link.Reason) *link.HandshakeError {
	t.Helper()
	he, ok := errors.AsType[*link.HandshakeError](err)
	if !ok || he.Reason != want {
		t.Fatalf("got error %v, want reason %q", err, want)
	}
	return he
}

// forger makes certificates, honest ones unless told otherwise. It is written
// from the package documentation, not with the package's code.
type forger struct {
	node      *testSigner
	namespace string
	notAfter  time.Time
	magic     string
	oid       asn1.ObjectIdentifier
	proof     func(value []byte) []byte   // alters the extension's value
	cert      func(c *x509.Certificate)   // alters the template
	der       func(der []byte) []byte     // alters the certificate
	chain     func(der []byte) [][]byte   // what is shown
	key       crypto.Signer               // the certificate's, if not a new ed25519 key
	over      ed25519.PublicKey           // the key that the proof is for, if not the certificate's
	tls       func(c *tls.Config)         // alters the handshake
	present   func(cert *tls.Certificate) // alters what TLS is given
}

func octets(value []byte) []byte {
	der, err := asn1.Marshal(value)
	if err != nil {
		panic(err)
	}
	return der
}

func (f forger) value(certificateKey crypto.PublicKey) []byte {
	over := f.over
	if over == nil {
		over, _ = certificateKey.(ed25519.PublicKey)
	}
	message := append([]byte(f.magic), binary.BigEndian.AppendUint64(nil, uint64(f.notAfter.UnixNano()))...)
	message = append(message, over...)
	sig, err := f.node.Sign(context.Background(), f.namespace, message)
	if err != nil {
		panic(err)
	}
	wire := f.node.public.Wire()
	b := binary.BigEndian.AppendUint16(nil, uint16(len(wire)))
	b = append(b, wire...)
	b = binary.BigEndian.AppendUint64(b, uint64(f.notAfter.UnixNano()))
	b = binary.BigEndian.AppendUint16(b, uint16(len(sig)))
	b = octets(append(b, sig...))
	if f.proof != nil {
		b = f.proof(b)
	}
	return b
}

// config returns the TLS configuration of a peer that shows the forged certificate.
func (f forger) config(t testing.TB) *tls.Config {
	t.Helper()
	if f.node == nil {
		f.node = ed25519Signer(t)
	}
	if f.namespace == "" {
		f.namespace = "hearsay-link"
	}
	if f.magic == "" {
		f.magic = "hearsay\x01"
	}
	if f.notAfter.IsZero() {
		f.notAfter = time.Now().Add(24 * time.Hour)
	}
	if f.oid == nil {
		f.oid = asn1.ObjectIdentifier{1, 2, 840, 113556, 1, 8000, 2554, 50228, 1912, 26405, 16453, 46579, 11919220, 7095939}
	}
	if f.key == nil {
		_, f.key, _ = ed25519.GenerateKey(rand.Reader)
	}
	template := &x509.Certificate{
		SerialNumber:    big.NewInt(7),
		ExtraExtensions: []pkix.Extension{{Id: f.oid, Value: f.value(f.key.Public())}},
	}
	if f.cert != nil {
		f.cert(template)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, f.key.Public(), f.key)
	if err != nil {
		t.Fatal(err)
	}
	if f.der != nil {
		der = f.der(der)
	}
	cert := tls.Certificate{Certificate: [][]byte{der}, PrivateKey: f.key}
	if f.chain != nil {
		cert.Certificate = f.chain(der)
	}
	if f.present != nil {
		f.present(&cert)
	}
	cfg := &tls.Config{
		Certificates:       []tls.Certificate{cert},
		NextProtos:         []string{"hearsay/1"},
		InsecureSkipVerify: true,
		ClientAuth:         tls.RequestClientCert,
		MinVersion:         tls.VersionTLS12,
	}
	// Unlike Certificates, this is shown whatever the other side asked for.
	cfg.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &cert, nil }
	if f.tls != nil {
		f.tls(cfg)
	}
	return cfg
}

// listenForged answers on a loopback port with TLS under cfg: it echoes.
func listenForged(t testing.TB, cfg *tls.Config) string {
	t.Helper()
	return listenRaw(t, func(c net.Conn) {
		server := tls.Server(c, cfg)
		if server.Handshake() == nil {
			io.Copy(server, server)
		}
	})
}

// listenRaw answers on a loopback port with serve, which must return when its
// connection is closed.
func listenRaw(t testing.TB, serve func(net.Conn)) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	var mu sync.Mutex // guards open
	var open []net.Conn
	wg.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open = append(open, c)
			mu.Unlock()
			wg.Go(func() { defer c.Close(); serve(c) })
		}
	})
	t.Cleanup(func() {
		ln.Close()
		mu.Lock()
		for _, c := range open {
			c.Close()
		}
		mu.Unlock()
		wg.Wait()
	})
	return ln.Addr().String()
}

// tryForged connects to a listening endpoint with TLS under cfg and returns what
// the first Read says; nil: the echo came back.
func tryForged(t testing.TB, addr string, cfg *tls.Config) error {
	t.Helper()
	c, err := tls.Dial("tcp", addr, cfg)
	if err != nil {
		return err
	}
	defer c.Close()
	return ping(c)
}
