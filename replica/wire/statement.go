package wire

import (
	"crypto/sha256"
	"fmt"

	"github.com/hearsaynet/hearsay/keys"
)

// Statement is what an author has signed and we have checked: a *Run, a *Head or a
// *Proof. All are immutable and safe for concurrent use.
type Statement interface {
	Topic() string
	Author() keys.NodeID
	Key() keys.PublicKey
	// Body returns the encoding, read only: what a frame and an export carry.
	Body() []byte
	// Size returns the encoded size in bytes.
	Size() int
}

// Unverified is a well-formed statement from a foreign source: an *UnverifiedRun, an
// *UnverifiedHead or an *UnverifiedProof. Nothing of it may be believed, not even its
// author.
type Unverified interface {
	Topic() string
	Author() keys.NodeID
	// Size returns the encoded size in bytes.
	Size() int
	// Fingerprint returns the SHA-256 of the whole encoding with its signatures.
	Fingerprint() [sha256.Size]byte
}

// Open verifies u against the author's key, as the Open method of its type does. The
// error wraps ErrWrongKey or ErrBadSignature, unless u is of no type of this package.
func Open(u Unverified, k keys.PublicKey) (Statement, error) {
	switch u := u.(type) {
	case *UnverifiedRun:
		return opened(u.Open(k))
	case *UnverifiedHead:
		return opened(u.Open(k))
	case *UnverifiedProof:
		return opened(u.Open(k))
	}
	return nil, fmt.Errorf("wire: %T cannot be opened", u)
}

// opened makes a Statement that is nil when there is an error.
func opened[S Statement](s S, err error) (Statement, error) {
	if err != nil {
		return nil, err
	}
	return s, nil
}

// frameOf returns the type of the frames that carry s, 0 if there is none.
func frameOf(s Statement) FrameType {
	switch s.(type) {
	case *Run:
		return FrameRun
	case *Head:
		return FrameHead
	case *Proof:
		return FrameFork
	}
	return 0
}

// ParseStatement reads the body of a Run, Head or Fork frame.
func ParseStatement(t FrameType, topic string, body []byte) (Unverified, error) {
	switch t {
	case FrameRun:
		return parsed(ParseRun(topic, body))
	case FrameHead:
		return parsed(ParseHead(topic, body))
	case FrameFork:
		return parsed(ParseProof(topic, body))
	}
	return nil, malformed("%v frame carries no statement", t)
}

// parsed makes an Unverified that is nil when there is an error.
func parsed[U Unverified](u U, err error) (Unverified, error) {
	if err != nil {
		return nil, err
	}
	return u, nil
}
