package scuttlebutt

import (
	"context"
	"encoding/base64"
	"fmt"

	"github.com/hearsaynet/hearsay/replica/scuttlebutt/internal/esjson"
	"github.com/hearsaynet/hearsay/verify"
)

// Security signs a node's own updates and judges those of others. The message is the
// update without its signature, [change, timestamp, source], as JSON.stringify writes it.
type Security interface {
	// ID returns the node's id, which is the source of its updates.
	ID() string
	// Sign returns the signature over message.
	Sign(ctx context.Context, message []byte) ([]byte, error)
	// Verify judges a signature that source is said to have made. Unavailable is asked
	// again until the session ends; so are a panic, and ctx's end, at which Verify must
	// return.
	Verify(ctx context.Context, source string, message, signature []byte) (verify.Verdict, error)
}

func encodeSignature(sig []byte) string { return base64.StdEncoding.EncodeToString(sig) }

// decodeSignature reads base64 as Node.js does, so that both take the same signatures: in
// either alphabet, up to the first =, without whatever else is in between. Of a character
// it looks at the low byte of each UTF-16 code unit, so that \u0141 is an A.
func decodeSignature(text string) []byte {
	units := make([]byte, 0, len(text))
	for _, r := range esjson.CodeUnits(text) {
		switch c := byte(r); {
		case c == '=':
			return decodeUnits(units)
		case c == '-':
			units = append(units, '+')
		case c == '_':
			units = append(units, '/')
		case 'A' <= c && c <= 'Z', 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '+', c == '/':
			units = append(units, c)
		}
	}
	return decodeUnits(units)
}

// decodeUnits decodes characters of the alphabet; a single one at the end says nothing.
func decodeUnits(units []byte) []byte {
	if len(units)%4 == 1 {
		units = units[:len(units)-1]
	}
	sig, _ := base64.RawStdEncoding.DecodeString(string(units)) // there is nothing left to refuse
	return sig
}

// judge asks Security about e, and gives its signature the one spelling.
func (n *Node) judge(ctx context.Context, e *entry) (v verify.Verdict, err error) {
	if e.sig == nil {
		return verify.Reject, fmt.Errorf("%w: it has no signature", ErrUnverified)
	}
	sig := decodeSignature(esjson.Unquote(e.sig))
	ctx, cancel := context.WithTimeout(ctx, verifyTimeout)
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			v, err = verify.Unavailable, fmt.Errorf("scuttlebutt: panic in Security.Verify: %v", p)
		}
	}()
	v, err = n.cfg.Security.Verify(ctx, e.source, e.signed(), sig)
	switch v {
	case verify.Accept:
		if spelled := encodeSignature(sig); string(e.sig) != `"`+spelled+`"` {
			e.sign(spelled)
		}
		if len(e.line) > MaxLine {
			return verify.Reject, fmt.Errorf("%w: %w", ErrUnverified, errLong)
		}
		return v, nil
	case verify.Reject:
		if err == nil {
			return v, ErrUnverified
		}
		return v, fmt.Errorf("%w: %w", ErrUnverified, err)
	default:
		return verify.Unavailable, err
	}
}
