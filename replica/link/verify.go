package link

import (
	"crypto/ed25519"
	"crypto/tls"
	"crypto/x509"
	"slices"
	"time"

	"github.com/hearsaynet/hearsay/keys"
)

// handshake is what our own checks make of a peer. crypto/tls can lose the error:
// a peer that does not read our alert has it end in a timeout.
type handshake struct {
	peer keys.PublicKey
	err  error
}

// tlsConfig returns the configuration of one handshake. want: the only id to
// accept, if not zero. The peer stored in h is proved only once the whole handshake
// has succeeded: a server's VerifyConnection runs before the other side has shown
// that it has the certificate's key.
func (e *Endpoint) tlsConfig(want keys.NodeID, h *handshake) *tls.Config {
	return &tls.Config{
		MinVersion:             tls.VersionTLS13,
		MaxVersion:             tls.VersionTLS13,
		NextProtos:             []string{ALPN},
		SessionTicketsDisabled: true,
		ClientAuth:             tls.RequireAnyClientCert,
		// No names and no authorities: VerifyConnection is the whole check. It runs on
		// resumed sessions too, VerifyPeerCertificate does not.
		InsecureSkipVerify: true,
		VerifyConnection: func(cs tls.ConnectionState) error {
			h.peer, h.err = e.verify(cs, want)
			return h.err
		},
		GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
			if !slices.Contains(hello.SupportedProtos, ALPN) { // crypto/tls takes clients without any
				return nil, refuse(ReasonProtocol, "speaks TLS, but not %s", ALPN)
			}
			return e.mint.certificate(hello.Context())
		},
		GetClientCertificate: func(request *tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return e.mint.certificate(request.Context())
		},
		DynamicRecordSizingDisabled: true, // sessions write 64 KiB at once
		Time:                        e.cfg.Now,
	}
}

// verify is everything that is checked of a peer, apart from its possession of
// the certificate's key, which TLS checks.
func (e *Endpoint) verify(cs tls.ConnectionState, want keys.NodeID) (keys.PublicKey, error) {
	var none keys.PublicKey
	if cs.DidResume {
		return none, refuse(ReasonProtocol, "resumed a TLS session")
	}
	k, err := e.verifyCertificates(cs.PeerCertificates)
	if err != nil {
		return none, err
	}
	if cs.Version != tls.VersionTLS13 || cs.NegotiatedProtocol != ALPN {
		return none, refuse(ReasonProtocol, "speaks TLS, but not %s", ALPN)
	}
	id := k.ID()
	switch {
	case id == e.id:
		err := refuse(ReasonOwnID, "is this node itself")
		err.ID = id
		return none, err
	case !want.IsZero() && id != want:
		err := refuse(ReasonWrongID, "proved to be %v, not the %v asked for", id, want)
		err.ID = id
		return none, err
	}
	return k, nil
}

func (e *Endpoint) verifyCertificates(certs []*x509.Certificate) (keys.PublicKey, error) {
	var none keys.PublicKey
	if len(certs) == 0 {
		return none, refuse(ReasonCertificate, "TLS without a certificate")
	}
	leaf := certs[0]
	value, err := proofExtension(leaf)
	if err != nil {
		return none, err
	}
	if len(certs) != 1 {
		return none, refuse(ReasonCertificate, "shows %d certificates, not one", len(certs))
	}
	certificateKey, ok := leaf.PublicKey.(ed25519.PublicKey)
	if !ok {
		return none, refuse(ReasonCertificate, "its certificate's key is %v, not ed25519", leaf.PublicKeyAlgorithm)
	}
	if err := leaf.CheckSignature(leaf.SignatureAlgorithm, leaf.RawTBSCertificate, leaf.Signature); err != nil {
		return none, refuse(ReasonCertificate, "its certificate is not signed by its own key: %w", err)
	}
	p, err := parseProof(value)
	if err != nil {
		return none, refuse(ReasonProof, "%w", err)
	}
	if err := p.check(certificateKey, e.cfg.Now()); err != nil {
		return none, err
	}
	return p.key, nil
}

// proofExtension returns the value of the one extension that is ours.
func proofExtension(leaf *x509.Certificate) ([]byte, error) {
	var value []byte
	n := 0
	for _, x := range leaf.Extensions {
		if x.Id.Equal(proofOID) {
			value, n = x.Value, n+1
		}
	}
	if n != 1 { // crypto/x509 refuses two before we see them
		if n == 0 {
			return nil, refuse(ReasonCertificate, "TLS without our extension")
		}
		return nil, refuse(ReasonCertificate, "shows %d proofs, not one", n)
	}
	for _, id := range leaf.UnhandledCriticalExtensions {
		if !id.Equal(proofOID) {
			return nil, refuse(ReasonCertificate, "its certificate has an unknown critical extension %v", id)
		}
	}
	return value, nil
}

// check judges a parsed proof: dates first, they are cheaper than the signature.
func (p proof) check(certificateKey ed25519.PublicKey, now time.Time) error {
	notAfter := time.Unix(0, int64(p.notAfter))
	if ago := now.Sub(notAfter); ago > ClockTolerance {
		return refuse(ReasonProof, "its certificate ran out %v ago (is a clock wrong?)", ago.Round(time.Second))
	}
	if ahead := notAfter.Sub(now); ahead > MaxLifetime+ClockTolerance {
		return refuse(ReasonProof, "its certificate lasts %v, more than %v (is a clock wrong?)", ahead.Round(time.Second), MaxLifetime)
	}
	if err := p.key.Verify(Namespace, proofMessage(p.notAfter, certificateKey), p.sig); err != nil {
		return refuse(ReasonProof, "the proof in its certificate: %w", err)
	}
	return nil
}
