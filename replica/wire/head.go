package wire

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	"golang.org/x/crypto/cryptobyte"

	"github.com/hearsaynet/hearsay/keys"
)

// UnverifiedHead is a well-formed head from a foreign source.
type UnverifiedHead struct {
	head
}

// Head is an author's verified statement of its frontier at a time. It moves no
// frontier and proves no fork.
type Head struct {
	head
	key keys.PublicKey
}

type head struct {
	topic  string
	ref    Ref
	issued uint64
	sig    []byte
}

// Topic returns the topic that the head speaks of.
func (h *head) Topic() string { return h.topic }

// Author returns the node id of the head's author.
func (h *head) Author() keys.NodeID { return h.ref.Author }

// Ref returns the frontier that the head states. Seq 0 says: nothing written yet.
func (h *head) Ref() Ref { return h.ref }

// Issued returns when the head was signed, in ns since the Unix epoch.
func (h *head) Issued() uint64 { return h.issued }

func (h *head) check() error {
	if err := CheckTopic(h.topic); err != nil {
		return err
	}
	return checkStatement(h.ref, h.issued)
}

func checkStatement(ref Ref, issued uint64) error {
	if ref.Seq > MaxInteger || issued > MaxInteger {
		return malformed("head of seq %d issued at %d is out of range", ref.Seq, issued)
	}
	return checkFrontier(ref)
}

// checkFrontier checks a reference that may be the point before the first update.
func checkFrontier(ref Ref) error {
	if ref.Seq > MaxInteger {
		return malformed("seq %d is out of range", ref.Seq)
	}
	if (ref.Seq == 0) != (ref.Hash == Hash{}) {
		return malformed("seq %d with hash %v (zeros if and only if seq is 0)", ref.Seq, ref.Hash)
	}
	return nil
}

// HeadMessage returns what an author signs in NamespaceHead:
//
//	struct { opaque magic[8]; opaque topic<1..255>; opaque author[34]; uint64 seq; opaque hash[32]; uint64 issued; }
func HeadMessage(topic string, ref Ref, issued uint64) []byte {
	b := appendHeaderPrefix(nil, topic, ref.Author)
	b = binary.BigEndian.AppendUint64(b, ref.Seq)
	b = append(b, ref.Hash[:]...)
	return binary.BigEndian.AppendUint64(b, issued)
}

// ParseHead reads the body of a Head frame:
//
//	struct { opaque author[34]; uint64 seq; opaque hash[32]; uint64 issued; opaque signature<1..532>; } Head;
func ParseHead(topic string, body []byte) (*UnverifiedHead, error) {
	u := &UnverifiedHead{head: head{topic: topic}}
	s := cryptobyte.String(body)
	if !readRef(&s, &u.ref) || !s.ReadUint64(&u.issued) || !readOpaque16(&s, &u.sig) || !s.Empty() {
		return nil, malformed("head is cut short, has bytes after it or names no author")
	}
	if len(u.sig) == 0 || len(u.sig) > keys.MaxSignatureSize {
		return nil, malformed("signature of %d bytes", len(u.sig))
	}
	if err := u.check(); err != nil {
		return nil, err
	}
	return u, nil
}

// UnverifiedBody returns the encoding as it came.
func (u *UnverifiedHead) UnverifiedBody() []byte { return u.body() }

// Fingerprint returns the SHA-256 of the whole head with its signature.
func (u *UnverifiedHead) Fingerprint() [sha256.Size]byte { return sha256.Sum256(u.body()) }

// Open verifies the head against the author's key.
func (u *UnverifiedHead) Open(k keys.PublicKey) (*Head, error) {
	if k.ID() != u.ref.Author {
		return nil, fmt.Errorf("%w %v", ErrWrongKey, u.ref.Author)
	}
	if k.Verify(NamespaceHead, HeadMessage(u.topic, u.ref, u.issued), u.sig) != nil {
		return nil, fmt.Errorf("%w: it came for the head at seq %d of %v", ErrBadSignature, u.ref.Seq, u.ref.Author)
	}
	return &Head{u.head, k}, nil
}

// InsecureReopenHead is Open without the signature check, for stores: body must be
// Head.Body of a verified head, kept where nobody else writes and guarded by a
// checksum.
func InsecureReopenHead(topic string, k keys.PublicKey, body []byte) (*Head, error) {
	u, err := ParseHead(topic, body)
	if err != nil {
		return nil, err
	}
	return &Head{u.head, k}, nil
}

// SealHead makes a head from a signature over HeadMessage, which it checks.
func SealHead(topic string, ref Ref, issued uint64, k keys.PublicKey, sig []byte) (*Head, error) {
	u := UnverifiedHead{head{topic, ref, issued, sig}}
	if err := u.check(); err != nil {
		return nil, err
	}
	return u.Open(k)
}

// Key returns the author's key.
func (h *Head) Key() keys.PublicKey { return h.key }

// Body returns the encoding.
func (h *Head) Body() []byte { return h.body() }

// Size returns the encoded size in bytes.
func (h *head) Size() int { return refSize + 8 + 2 + len(h.sig) }

func (h *head) body() []byte {
	b := appendRef(make([]byte, 0, h.Size()), h.ref)
	b = binary.BigEndian.AppendUint64(b, h.issued)
	b = binary.BigEndian.AppendUint16(b, uint16(len(h.sig)))
	return append(b, h.sig...)
}

func appendRef(b []byte, r Ref) []byte {
	b = append(b, r.Author[:]...)
	b = binary.BigEndian.AppendUint64(b, r.Seq)
	return append(b, r.Hash[:]...)
}

func readRef(s *cryptobyte.String, r *Ref) bool {
	var author, hash []byte
	if !s.ReadBytes(&author, keys.IDSize) || !s.ReadUint64(&r.Seq) || !s.ReadBytes(&hash, HashSize) {
		return false
	}
	id, err := keys.NodeIDFromBytes(author)
	if err != nil {
		return false
	}
	r.Author, r.Hash = id, Hash(hash)
	return true
}
