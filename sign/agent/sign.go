package agent

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net"

	"github.com/hearsaynet/hearsay/keys"
)

func (s *Signer) sign(ctx context.Context, namespace string, msg []byte) ([]byte, error) {
	if namespace == "" {
		return nil, errors.New("empty namespace") // PROTOCOL.sshsig, section 2
	}
	if s.public.IsZero() {
		return nil, errors.New("no key")
	}
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	socket, err := resolve(s.socket)
	if err != nil {
		return nil, err
	}
	conn, err := connect(ctx, socket)
	if err != nil {
		return nil, err
	}
	defer conn.Close() // with it goes an answer that comes too late
	digest := sha256.Sum256(msg)
	kind, body, err := ask(ctx, conn, signRequest(s.public, keys.SignedData(namespace, digest)), signTimeout)
	switch {
	case err != nil:
		return nil, err
	case kind == msgFailure:
		return nil, s.refused(ctx, conn)
	case kind != msgSignature:
		return nil, fmt.Errorf("%w: message %d instead of a signature", ErrBadAnswer, kind)
	}
	sig, err := parseSignature(s.public, body)
	if err != nil {
		return nil, err
	}
	if err := s.public.VerifyDigest(namespace, digest, sig); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBadAnswer, err)
	}
	return sig, nil
}

// refused finds out why an agent does not sign: its failure message says nothing.
func (s *Signer) refused(ctx context.Context, conn net.Conn) error {
	kind, body, err := ask(ctx, conn, []byte{msgRequestIdentities}, listTimeout)
	if err != nil {
		return err
	}
	held, others, err := parseIdentities(body)
	if kind != msgIdentities || err != nil {
		return &unavailableError{what: "it refuses to sign"}
	}
	for _, h := range held {
		if h.key == s.public {
			return &unavailableError{what: "it refuses to sign with the key: its use was not confirmed, or is restricted"}
		}
	}
	return notOffered(s.public.ID(), held, others)
}
