package agent

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"time"

	"golang.org/x/crypto/cryptobyte"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/sign"
)

// Message numbers (draft-ietf-sshm-ssh-agent, section 6).
const (
	msgFailure           = 5
	msgRequestIdentities = 11
	msgIdentities        = 12
	msgSignRequest       = 13
	msgSignature         = 14
)

// flagSHA512 asks for rsa-sha2-512 instead of SHA-1.
const flagSHA512 = 4

// connect opens the socket.
func connect(ctx context.Context, socket string) (net.Conn, error) {
	soon, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(soon, "unix", socket)
	if err != nil {
		return nil, unavailable(ctx, "it cannot be reached", err)
	}
	return conn, nil
}

// ask sends a request and returns the kind and body of the answer.
func ask(ctx context.Context, conn net.Conn, request []byte, timeout time.Duration) (kind byte, body []byte, err error) {
	conn.SetDeadline(time.Now().Add(timeout))
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if _, err := conn.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(request))), request...)); err != nil {
		return 0, nil, unavailable(ctx, "it has gone", err)
	}
	var head [4]byte
	if _, err := io.ReadFull(conn, head[:]); err != nil {
		return 0, nil, unavailable(ctx, "it gave no answer", err)
	}
	n := binary.BigEndian.Uint32(head[:])
	if n == 0 || n > maxAnswer {
		return 0, nil, fmt.Errorf("%w: it says it has %d bytes", ErrBadAnswer, n)
	}
	var answer bytes.Buffer // grows with what arrives
	if _, err := io.CopyN(&answer, conn, int64(n)); err != nil {
		return 0, nil, unavailable(ctx, "it gave no whole answer", err)
	}
	return answer.Bytes()[0], answer.Bytes()[1:], nil
}

// unavailable makes the error for an agent that did not answer; ctx's end is no fault of
// the agent.
func unavailable(ctx context.Context, what string, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return &unavailableError{what, err}
}

// unavailableError is a sign.ErrUnavailable that says why.
type unavailableError struct {
	what string
	err  error
}

func (u *unavailableError) Error() string {
	if u.err == nil {
		return "the ssh-agent is unavailable: " + u.what
	}
	return "the ssh-agent is unavailable: " + u.what + ": " + u.err.Error()
}

func (u *unavailableError) Is(target error) bool { return target == sign.ErrUnavailable }

func (u *unavailableError) Unwrap() error { return u.err }

// identity is a key that the agent says it holds.
type identity struct {
	key     keys.PublicKey
	comment string
}

// parseIdentities reads the body of an answer to msgRequestIdentities. Keys that are not
// admitted are counted only.
func parseIdentities(body []byte) (held []identity, others int, err error) {
	s := cryptobyte.String(body)
	var n uint32
	if !s.ReadUint32(&n) {
		return nil, 0, fmt.Errorf("%w: a list of keys cut short", ErrBadAnswer)
	}
	for range n {
		blob, ok1 := readString(&s)
		comment, ok2 := readString(&s)
		if !ok1 || !ok2 {
			return nil, 0, fmt.Errorf("%w: a list of keys cut short", ErrBadAnswer)
		}
		key, err := keys.ParsePublicKey(blob)
		if err != nil {
			others++
			continue
		}
		held = append(held, identity{key, string(comment)})
	}
	if !s.Empty() {
		return nil, 0, fmt.Errorf("%w: something stands after the list of keys", ErrBadAnswer)
	}
	return held, others, nil
}

func signRequest(k keys.PublicKey, data []byte) []byte {
	flags := uint32(0)
	if k.Type() == keys.TypeRSA {
		flags = flagSHA512
	}
	b := cryptobyte.NewBuilder([]byte{msgSignRequest})
	addString(b, k.Wire())
	addString(b, data)
	b.AddUint32(flags)
	return b.BytesOrPanic()
}

// parseSignature reads the body of an answer to msgSignRequest and returns the
// signature blob that [keys.PublicKey.Verify] takes. Some agents drop the zeros in front
// of an RSA signature (RFC 8332, section 3, wants it as long as the modulus).
func parseSignature(k keys.PublicKey, body []byte) ([]byte, error) {
	s := cryptobyte.String(body)
	blob, ok := readString(&s)
	if !ok || !s.Empty() {
		return nil, fmt.Errorf("%w: no signature, or something after it", ErrBadAnswer)
	}
	s = blob
	format, ok1 := readString(&s)
	signature, ok2 := readString(&s)
	if !ok1 || !ok2 || !s.Empty() {
		return nil, fmt.Errorf("%w: no signature, or something after it", ErrBadAnswer)
	}
	if k.Type() == keys.TypeRSA {
		if string(format) == keys.TypeRSA {
			return nil, fmt.Errorf("%w: it signed with SHA-1 though SHA-512 was asked for: it is too old for RSA keys, take an ed25519 key", ErrBadAnswer)
		}
		if short := (k.Bits()+7)/8 - len(signature); short > 0 {
			signature = append(make([]byte, short), signature...)
		}
	}
	return keys.MarshalSignature(string(format), signature), nil
}

// readString reads an SSH string (RFC 4251, section 5).
func readString(s *cryptobyte.String) ([]byte, bool) {
	var n uint32
	var out []byte
	if !s.ReadUint32(&n) || uint64(n) > uint64(len(*s)) || !s.ReadBytes(&out, int(n)) {
		return nil, false
	}
	return out, true
}

func addString(b *cryptobyte.Builder, s []byte) {
	b.AddUint32LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(s) })
}
