package keys

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"github.com/multiformats/go-multihash"

	"github.com/hearsaynet/hearsay/keys/internal/clip"
)

// IDSize is the length of a NodeID in bytes.
const IDSize = 2 + sha256.Size

// NodeID names a node: the sha2-256 multihash of its public key's SSH wire form.
// It is comparable; the zero NodeID names nobody.
type NodeID [IDSize]byte

// ErrBadID is wrapped by the errors of ParseNodeID and NodeIDFromBytes.
var ErrBadID = errors.New("not a node id")

const fingerprintPrefix = "SHA256:"

// NodeIDFromBytes checks that b is a sha2-256 multihash of 32 digest bytes.
func NodeIDFromBytes(b []byte) (NodeID, error) {
	// go-multihash also takes identity and truncated hashes, so the prefix is
	// checked here, and the length.
	if len(b) != IDSize || b[0] != multihash.SHA2_256 || b[1] != sha256.Size {
		return NodeID{}, fmt.Errorf("keys: %w: want 34 bytes starting 12 20 (sha2-256), got %d bytes", ErrBadID, len(b))
	}
	return NodeID(b), nil
}

// ParseNodeID reads the base58 form "Qm…" or OpenSSH's "SHA256:…".
func ParseNodeID(s string) (NodeID, error) {
	if rest, ok := strings.CutPrefix(s, fingerprintPrefix); ok {
		digest, err := decodeBase64(base64.RawStdEncoding, rest)
		if err != nil || len(digest) != sha256.Size {
			return NodeID{}, fmt.Errorf("keys: %w: %q is not an OpenSSH SHA256 fingerprint", ErrBadID, clip.Text(s))
		}
		return idOfDigest([sha256.Size]byte(digest)), nil
	}
	if len(s) > 64 { // a base58 id has 46 characters
		return NodeID{}, fmt.Errorf("keys: %w: %q is too long", ErrBadID, clip.Text(s))
	}
	mh, err := multihash.FromB58String(s)
	if err != nil {
		return NodeID{}, fmt.Errorf("keys: %w: %q (want Qm… or SHA256:…)", ErrBadID, clip.Text(s))
	}
	return NodeIDFromBytes(mh)
}

func idOfDigest(digest [sha256.Size]byte) NodeID {
	id := NodeID{multihash.SHA2_256, sha256.Size}
	copy(id[2:], digest[:])
	return id
}

// String returns the base58 form, 46 characters.
func (id NodeID) String() string { return multihash.Multihash(id[:]).B58String() }

// Short returns the last 8 characters of String, for lines that people read.
func (id NodeID) Short() string { s := id.String(); return "…" + s[max(0, len(s)-8):] }

// Fingerprint returns OpenSSH's form of the same digest, "SHA256:…".
func (id NodeID) Fingerprint() string {
	return fingerprintPrefix + base64.RawStdEncoding.EncodeToString(id[2:])
}

// IsZero reports whether id names nobody.
func (id NodeID) IsZero() bool { return id == NodeID{} }

// Compare orders ids bytewise.
func (id NodeID) Compare(other NodeID) int { return bytes.Compare(id[:], other[:]) }

// AppendText implements encoding.TextAppender.
func (id NodeID) AppendText(b []byte) ([]byte, error) { return append(b, id.String()...), nil }

// MarshalText implements encoding.TextMarshaler.
func (id NodeID) MarshalText() ([]byte, error) { return id.AppendText(nil) }

// UnmarshalText implements encoding.TextUnmarshaler with ParseNodeID.
func (id *NodeID) UnmarshalText(text []byte) error {
	parsed, err := ParseNodeID(string(text))
	if err != nil {
		return err
	}
	*id = parsed
	return nil
}

// decodeBase64 takes the one encoding of each value. Strict alone lets line ends
// pass anywhere.
func decodeBase64(e *base64.Encoding, s string) ([]byte, error) {
	if strings.ContainsAny(s, "\r\n") {
		return nil, errors.New("line end in base64")
	}
	return e.Strict().DecodeString(s)
}
