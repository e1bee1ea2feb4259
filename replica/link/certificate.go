package link

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"log/slog"
	"math/big"
	"sync"
	"time"

	"github.com/hearsaynet/hearsay/sign"
)

// minter keeps this node's certificate fresh.
type minter struct {
	signer sign.Signer
	now    func() time.Time
	start  func(func(context.Context)) bool // runs it on a goroutine, unless the endpoint is closed
	log    *slog.Logger

	mu       sync.Mutex // guards the fields below
	current  *tls.Certificate
	notAfter time.Time
	minting  chan struct{} // closed when the signature under way has ended; nil: none is
	failed   error         // the last signature's, until retryAt
	retryAt  time.Time
}

// certificate returns a certificate that is still good. It waits for the signer
// only when there is none; while the old one is good, the next is made meanwhile.
func (m *minter) certificate(ctx context.Context) (*tls.Certificate, error) {
	for {
		cert, wait, err := m.poll()
		if cert != nil || err != nil {
			return cert, err
		}
		select {
		case <-wait:
		case <-ctx.Done():
			return nil, refuse(ReasonSigner, "waiting for the node key's signature: %w", ctx.Err())
		}
	}
}

// poll starts a signature when one is due. Without a good certificate it returns
// what to wait for, or why there will be none.
func (m *minter) poll() (*tls.Certificate, <-chan struct{}, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.now()
	left := m.notAfter.Sub(now)
	if left > MaxLifetime { // the clock was set back by a day or more: peers would refuse it
		left = 0
	}
	due := m.current == nil || left < lifetime/2
	if due && m.minting == nil && !now.Before(m.retryAt) {
		m.minting = make(chan struct{})
		if !m.start(m.mint) {
			m.minting = nil
			return nil, nil, refuse(ReasonSigner, "%w", ErrClosed)
		}
	}
	if m.current != nil && left > 0 {
		return m.current, nil, nil
	}
	if m.minting == nil {
		return nil, nil, refuse(ReasonSigner, "this node's own certificate could not be signed: %w", m.failed)
	}
	return nil, m.minting, nil
}

func (m *minter) mint(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, signTimeout)
	defer cancel()
	notAfter := m.now().Add(lifetime)
	cert, err := newCertificate(ctx, m.signer, notAfter)

	m.mu.Lock()
	defer m.mu.Unlock()
	close(m.minting)
	m.minting = nil
	m.failed, m.retryAt = err, time.Time{}
	if err != nil {
		m.retryAt = m.now().Add(signRetry)
		m.log.Warn("link certificate could not be signed", "err", err)
		return
	}
	m.current, m.notAfter = cert, notAfter
}

// newCertificate makes a certificate with a new key and the node key's proof for it.
func newCertificate(ctx context.Context, signer sign.Signer, notAfter time.Time) (*tls.Certificate, error) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	p := proof{key: signer.Public(), notAfter: uint64(notAfter.UnixNano())}
	message := proofMessage(p.notAfter, public)
	if p.sig, err = signer.Sign(ctx, Namespace, message); err != nil {
		return nil, err
	}
	if err := p.key.Verify(Namespace, message, p.sig); err != nil {
		return nil, fmt.Errorf("the signer's answer: %w", err)
	}
	value, err := p.marshal()
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber:    big.NewInt(1),
		NotBefore:       notAfter.Add(-MaxLifetime),
		NotAfter:        notAfter,
		ExtraExtensions: []pkix.Extension{{Id: proofOID, Critical: true, Value: value}},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, private)
	if err != nil {
		return nil, err
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: private}, nil
}
