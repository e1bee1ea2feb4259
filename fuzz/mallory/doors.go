package mallory

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"time"

	"github.com/hearsaynet/hearsay/replica/link"
	"github.com/hearsaynet/hearsay/replica/wire"
)

var doors = []Attack{
	{Name: "reflect", About: "sends back to its caller whatever the caller says", converse: reflects,
		Right: "its own words tell it nothing: nothing is applied twice, nobody is synced on them, and it goes on writing"},
	{Name: "mirror", About: "is a wire to --upstream, which may be the caller itself", answer: isWire,
		Right: "a link to one's own id is none"},
	{Name: "tls-none", About: "speaks TLS with a certificate that nobody vouches for", answer: answersTLS(nobody), knock: knocksTLS(nobody),
		Right: "refused before a frame is read"},
	{Name: "tls-stolen", About: "speaks TLS with the proof out of another node's certificate in its own", answer: answersTLS(stolen), knock: knocksTLS(stolen),
		Right: "refused before a frame is read: the proof is for another certificate's key"},
	{Name: "tls-resumed", About: "hands out tickets, and comes back with a session that was never checked", answer: answersTLS(nobody), knock: resumes,
		Right: "no session is resumed: the certificate is asked for again, and refused"},
	{Name: "noise", About: "answers with random bytes, and sends some upstream, in place of TLS", answer: answersNoise, knock: knocksNoise,
		Right: "no link, and no more than one log line"},
}

func reflects(ctx context.Context, c *link.Conn) error {
	stop := context.AfterFunc(ctx, func() { c.Close() })
	defer stop()
	_, err := io.Copy(c, c)
	return err
}

func isWire(ctx context.Context, r *Relay, caller net.Conn) {
	upstream, err := r.dial.DialContext(ctx, "tcp", r.cfg.Upstream.HostPort)
	if err != nil {
		r.log.Info("upstream is not linked", "err", err)
		return
	}
	defer upstream.Close()
	stop := context.AfterFunc(ctx, func() { upstream.Close() })
	defer stop()
	back := make(chan struct{})
	go func() {
		defer close(back)
		io.Copy(caller, upstream)
		caller.Close()
	}()
	io.Copy(upstream, caller)
	upstream.Close()
	<-back
}

// nobody vouches for a certificate.
func nobody(context.Context, *Relay) ([]pkix.Extension, error) { return nil, nil }

// stolen returns the proof that upstream shows to everyone.
func stolen(ctx context.Context, r *Relay) ([]pkix.Extension, error) {
	cfg, err := hostileTLS(nil)
	if err != nil {
		return nil, err
	}
	var seen *x509.Certificate
	cfg.VerifyConnection = func(cs tls.ConnectionState) error {
		seen = cs.PeerCertificates[0]
		return errSeen
	}
	raw, err := r.dial.DialContext(ctx, "tcp", r.cfg.Upstream.HostPort)
	if err != nil {
		return nil, err
	}
	defer raw.Close()
	ctx, cancel := context.WithTimeout(ctx, hostileTimeout)
	defer cancel()
	if err := tls.Client(raw, cfg).HandshakeContext(ctx); seen == nil {
		return nil, err
	}
	for _, x := range seen.Extensions {
		if x.Id.Equal(link.OID()) {
			return []pkix.Extension{x}, nil
		}
	}
	return nil, errors.New("mallory: upstream shows no proof")
}

var errSeen = errors.New("mallory: seen enough")

// hostileTLS returns a configuration that shows a new certificate with the given
// extensions, and accepts whatever the other side shows.
func hostileTLS(extensions []pkix.Extension) (*tls.Config, error) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour), ExtraExtensions: extensions}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, private)
	if err != nil {
		return nil, fmt.Errorf("mallory: %w", err)
	}
	cert := tls.Certificate{Certificate: [][]byte{der}, PrivateKey: private}
	return &tls.Config{
		MinVersion:           tls.VersionTLS13,
		NextProtos:           []string{link.ALPN},
		Certificates:         []tls.Certificate{cert},
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &cert, nil },
		InsecureSkipVerify:   true, // whoever it is, is attacked
	}, nil
}

// proofs returns the extensions of a certificate.
type proofs func(context.Context, *Relay) ([]pkix.Extension, error)

func answersTLS(from proofs) func(context.Context, *Relay, net.Conn) {
	return func(ctx context.Context, r *Relay, caller net.Conn) {
		extensions, err := from(ctx, r)
		if err != nil {
			r.log.Info("no certificate to show", "err", err)
			return
		}
		cfg, err := hostileTLS(extensions)
		if err != nil {
			r.log.Info("no certificate to show", "err", err)
			return
		}
		r.offer(ctx, tls.Server(caller, cfg))
	}
}

func knocksTLS(from proofs) func(context.Context, *Relay) error {
	return func(ctx context.Context, r *Relay) error {
		extensions, err := from(ctx, r)
		if err != nil {
			return err
		}
		cfg, err := hostileTLS(extensions)
		if err != nil {
			return err
		}
		return r.dialTLS(ctx, cfg)
	}
}

func (r *Relay) dialTLS(ctx context.Context, cfg *tls.Config) error {
	raw, err := r.dial.DialContext(ctx, "tcp", r.cfg.Upstream.HostPort)
	if err != nil {
		return err
	}
	defer raw.Close()
	r.tally.made.Add(1)
	r.offer(ctx, tls.Client(raw, cfg))
	return nil
}

// offer shows a certificate, and speaks if that was enough for a link.
func (r *Relay) offer(ctx context.Context, c *tls.Conn) {
	ctx, cancel := context.WithTimeout(ctx, hostileTimeout)
	defer cancel()
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { c.NetConn().Close() })
	defer stop()
	err := c.HandshakeContext(ctx)
	if err == nil { // the dialing side is done before the other has judged it
		hello := wire.Hello{Version: wire.Version}
		c.Write(wire.AppendFrame(nil, wire.Frame{Type: wire.FrameHello, Body: hello.Append(nil)}))
		_, err = c.Read(make([]byte, 1))
	}
	if err == nil {
		r.log.Error("a link was made without a proof", "resumed", c.ConnectionState().DidResume)
		return
	}
	r.log.Info("handshake ended", "err", err)
}

// resumes comes with a ticket for a session that it has had with itself only.
func resumes(ctx context.Context, r *Relay) error {
	cfg, err := hostileTLS(nil)
	if err != nil {
		return err
	}
	cfg.ServerName, cfg.ClientSessionCache = "hearsay", tls.NewLRUClientSessionCache(1)
	if err := ticketTo(ctx, cfg); err != nil {
		return err
	}
	return r.dialTLS(ctx, cfg)
}

// ticketTo has a server of its own put a ticket into cfg's cache.
func ticketTo(ctx context.Context, cfg *tls.Config) error {
	here, there := net.Pipe()
	defer here.Close()
	defer there.Close()
	ctx, cancel := context.WithTimeout(ctx, hostileTimeout)
	defer cancel()
	served := make(chan error, 1)
	go func() {
		s := tls.Server(there, cfg)
		err := s.HandshakeContext(ctx)
		if err == nil {
			_, err = s.Write([]byte{0}) // tickets come before it
		}
		served <- err
	}()
	c := tls.Client(here, cfg)
	err := c.HandshakeContext(ctx)
	if err == nil {
		_, err = c.Read(make([]byte, 1))
	}
	here.Close()
	return errors.Join(err, <-served)
}

func answersNoise(ctx context.Context, _ *Relay, caller net.Conn) {
	caller.SetDeadline(time.Now().Add(hostileTimeout))
	io.CopyN(caller, rand.Reader, 4096)
	io.Copy(io.Discard, caller)
}

func knocksNoise(ctx context.Context, r *Relay) error {
	c, err := r.dial.DialContext(ctx, "tcp", r.cfg.Upstream.HostPort)
	if err != nil {
		return err
	}
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { c.Close() })
	defer stop()
	r.tally.made.Add(1)
	answersNoise(ctx, r, c)
	return nil
}
