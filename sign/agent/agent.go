// Package agent signs with a key that an ssh-agent holds, so that the private key never
// enters the process.
//
//	socket, err := agent.Socket()
//	s, err := agent.Find(ctx, socket, id)
//
// A [Signer] connects anew for each signature, so that an agent may be locked, stopped
// and started again: until it answers, Sign's error wraps [sign.ErrUnavailable]. What it
// answers is not believed: only a signature that verifies is returned.
//
// The agent is asked for nothing but SSHSIG messages. Whoever reaches its socket is the
// author: "ssh-add -c" has it ask before each use, and it should not be forwarded.
package agent

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/hearsaynet/hearsay/keys"
)

// ErrNoKey is wrapped, beside sign.ErrUnavailable, by the error for an agent that
// answers and does not offer the key. A locked agent offers none.
var ErrNoKey = errors.New("it does not offer the key")

// ErrBadAnswer is wrapped by the error for an answer that is none, or a signature that
// is not the key's. Nothing of it is used.
var ErrBadAnswer = errors.New("the ssh-agent's answer cannot be used")

// Signer is a sign.Signer whose key an ssh-agent holds.
type Signer struct {
	socket string
	public keys.PublicKey
}

// Socket returns the path of the user's agent, $SSH_AUTH_SOCK. Without one the error
// wraps sign.ErrUnavailable.
func Socket() (string, error) {
	socket := os.Getenv(socketVariable)
	if socket == "" {
		return "", fmt.Errorf("sign/agent: %w", errNoSocket)
	}
	return socket, nil
}

const socketVariable = "SSH_AUTH_SOCK"

var errNoSocket = &unavailableError{what: "SSH_AUTH_SOCK is not set: \"eval $(ssh-agent)\" starts an agent and sets it"}

// New returns the signer of a key that is known already. The agent is asked at the first
// signature. With an empty socket, Sign looks for Socket each time.
func New(socket string, public keys.PublicKey) *Signer { return &Signer{socket, public} }

// Find asks the agent at socket, or at Socket if that is empty, for the key of an id.
func Find(ctx context.Context, socket string, id keys.NodeID) (*Signer, error) {
	key, err := find(ctx, socket, id)
	if err != nil {
		return nil, fmt.Errorf("sign/agent: %w", err)
	}
	return New(socket, key), nil
}

func find(ctx context.Context, socket string, id keys.NodeID) (keys.PublicKey, error) {
	socket, err := resolve(socket)
	if err != nil {
		return keys.PublicKey{}, err
	}
	conn, err := connect(ctx, socket)
	if err != nil {
		return keys.PublicKey{}, err
	}
	defer conn.Close()
	kind, body, err := ask(ctx, conn, []byte{msgRequestIdentities}, listTimeout)
	if err != nil {
		return keys.PublicKey{}, err
	}
	if kind != msgIdentities {
		return keys.PublicKey{}, fmt.Errorf("%w: message %d instead of its keys", ErrBadAnswer, kind)
	}
	held, others, err := parseIdentities(body)
	if err != nil {
		return keys.PublicKey{}, err
	}
	for _, h := range held {
		if h.key.ID() == id {
			return h.key, nil
		}
	}
	return keys.PublicKey{}, notOffered(id, held, others)
}

func notOffered(id keys.NodeID, held []identity, others int) error {
	offers := "it offers none, so it is locked (\"ssh-add -X\" unlocks it) or empty (\"ssh-add FILE\" adds one)"
	if len(held)+others > 0 {
		offers = fmt.Sprintf("of the %d that it offers, %d are admitted and none is that one: \"ssh-add FILE\" adds it", len(held)+others, len(held))
	}
	return &unavailableError{id.Fingerprint(), fmt.Errorf("%w: %s", ErrNoKey, offers)}
}

func resolve(socket string) (string, error) {
	if socket == "" {
		socket = os.Getenv(socketVariable)
	}
	if socket == "" {
		return "", errNoSocket
	}
	return socket, nil
}

// Public implements sign.Signer.
func (s *Signer) Public() keys.PublicKey { return s.public }

// Check returns an error unless the agent offers the key now. It is Find's.
func (s *Signer) Check(ctx context.Context) error {
	_, err := Find(ctx, s.socket, s.public.ID())
	return err
}

// Sign implements sign.Signer. An agent that is locked, gone, without the key, or that
// does not answer within a minute is unavailable; one whose answer is no signature of
// the key over msg is ErrBadAnswer. The namespace must not be empty.
func (s *Signer) Sign(ctx context.Context, namespace string, msg []byte) ([]byte, error) {
	sig, err := s.sign(ctx, namespace, msg)
	if err != nil {
		return nil, fmt.Errorf("sign/agent: %w", err)
	}
	return sig, nil
}
