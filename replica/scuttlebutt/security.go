package scuttlebutt

import (
	"context"
	"encoding/base64"
	"fmt"
	"strings"

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
// either alphabet, up to the first =, without whatever else is in between.
func decodeSignature(text string) []byte {
	text, _, _ = strings.Cut(text, "=")
	text = strings.Map(func(r rune) rune {
		switch {
		case r == '-':
			return '+'
		case r == '_':
			return '/'
		case 'A' <= r && r <= 'Z', 'a' <= r && r <= 'z', '0' <= r && r <= '9', r == '+', r == '/':
			return r
		}
		return -1
	}, text)
	if len(text)%4 == 1 {
		text = text[:len(text)-1]
	}
	sig, _ := base64.RawStdEncoding.DecodeString(text) // there is nothing left to refuse
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
