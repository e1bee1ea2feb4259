package wire

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"unicode"
	"unicode/utf8"

	"golang.org/x/crypto/cryptobyte"

	"github.com/hearsaynet/hearsay/keys"
)

// NamespaceUpdate and NamespaceHead separate what a node key signs (PROTOCOL.sshsig).
const (
	NamespaceUpdate = "hearsay-update"
	NamespaceHead   = "hearsay-head"
)

const magic = "hearsay\x01"

// HashSize is the length of a Hash in bytes.
const HashSize = sha256.Size

// Hash is the SHA-256 of a Header: the identity of an update.
type Hash [HashSize]byte

// String returns h in hex.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// MarshalText implements encoding.TextMarshaler in hex.
func (h Hash) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (h *Hash) UnmarshalText(text []byte) error {
	b, err := hex.DecodeString(string(text))
	if err != nil || len(b) != HashSize {
		return errors.New("wire: a hash is 64 hex digits")
	}
	*h = Hash(b)
	return nil
}

// Kind is what an update is. Numbers are never reused; zero is invalid.
type Kind uint8

// The kinds. Only KindChange is understood by this version.
const (
	KindChange     Kind = 1
	KindCheckpoint Kind = 2 // reserved
	KindRotate     Kind = 3 // reserved
)

func (k Kind) String() string {
	switch k {
	case KindChange:
		return "change"
	case KindCheckpoint:
		return "checkpoint"
	case KindRotate:
		return "rotate"
	}
	return fmt.Sprintf("Kind(%d)", uint8(k))
}

// Ref names one update of an author, or, with Seq 0 and a zero Hash, the point
// before its first.
type Ref struct {
	Author keys.NodeID `json:"author"`
	Seq    uint64      `json:"seq"`
	Hash   Hash        `json:"hash"`
}

// Header is what an author signs.
type Header struct {
	Topic   string
	Author  keys.NodeID
	Seq     uint64
	Time    uint64
	Prev    Hash
	Kind    Kind
	Channel string
	Size    uint32
	Digest  [sha256.Size]byte
}

// ErrMalformed is wrapped by every error about bytes that break the encoding.
var ErrMalformed = errors.New("malformed")

func malformed(format string, args ...any) error {
	return fmt.Errorf("wire: %w: %s", ErrMalformed, fmt.Sprintf(format, args...))
}

// Append appends the encoding of h to b. It does not check h; see ParseHeader.
func (h *Header) Append(b []byte) []byte {
	return h.appendRest(appendHeaderPrefix(b, h.Topic, h.Author))
}

// appendHeaderPrefix appends what all headers of a run have in common.
func appendHeaderPrefix(b []byte, topic string, author keys.NodeID) []byte {
	b = append(b, magic...)
	b = append(b, byte(len(topic)))
	b = append(b, topic...)
	return append(b, author[:]...)
}

func (h *Header) appendRest(b []byte) []byte {
	b = binary.BigEndian.AppendUint64(b, h.Seq)
	b = binary.BigEndian.AppendUint64(b, h.Time)
	b = append(b, h.Prev[:]...)
	b = append(b, byte(h.Kind), byte(len(h.Channel)))
	b = append(b, h.Channel...)
	b = binary.BigEndian.AppendUint32(b, h.Size)
	return append(b, h.Digest[:]...)
}

// Hash returns the identity of the update.
func (h *Header) Hash() Hash { return sha256.Sum256(h.Append(nil)) }

// ParseHeader reads one header and nothing after it.
func ParseHeader(b []byte) (*Header, error) {
	s := cryptobyte.String(b)
	var h Header
	var start, topic, author, prev, channel, digest []byte
	if !s.ReadBytes(&start, len(magic)) || string(start) != magic {
		return nil, malformed("a header starts with %q", magic)
	}
	if !readOpaque8(&s, &topic) || !s.ReadBytes(&author, keys.IDSize) || !s.ReadUint64(&h.Seq) || !s.ReadUint64(&h.Time) ||
		!s.ReadBytes(&prev, HashSize) || !s.ReadUint8((*uint8)(&h.Kind)) || !readOpaque8(&s, &channel) ||
		!s.ReadUint32(&h.Size) || !s.ReadBytes(&digest, len(h.Digest)) || !s.Empty() {
		return nil, malformed("header of %d bytes is cut short or has bytes after it", len(b))
	}
	id, err := keys.NodeIDFromBytes(author)
	if err != nil {
		return nil, malformed("header: %v", err)
	}
	h.Topic, h.Author, h.Prev, h.Channel, h.Digest = string(topic), id, Hash(prev), string(channel), [32]byte(digest)
	if err := h.check(); err != nil {
		return nil, err
	}
	return &h, nil
}

func (h *Header) check() error {
	if err := CheckTopic(h.Topic); err != nil {
		return err
	}
	if h.Size > MaxChange {
		return malformed("change of %d bytes, at most %d", h.Size, MaxChange)
	}
	if err := checkPlace(h.Seq, h.Prev); err != nil {
		return err
	}
	return checkEntry(h.Time, h.Kind, h.Channel)
}

// checkPlace checks where an update stands in its chain.
func checkPlace(seq uint64, prev Hash) error {
	if seq == 0 || seq > MaxInteger {
		return malformed("seq %d is out of range", seq)
	}
	if (seq == 1) != (prev == Hash{}) {
		return malformed("seq %d with prev %v (zeros if and only if seq is 1)", seq, prev)
	}
	return nil
}

func checkEntry(time uint64, kind Kind, channel string) error {
	if time > MaxInteger {
		return malformed("time %d is out of range", time)
	}
	if kind == 0 {
		return malformed("kind 0")
	}
	return CheckChannel(channel)
}

// CheckTopic reports why s cannot be a topic.
func CheckTopic(s string) error {
	if s == "" {
		return malformed("empty topic")
	}
	return checkName("topic", s, MaxTopic)
}

// CheckChannel reports why s cannot be a channel.
func CheckChannel(s string) error { return checkName("channel", s, MaxChannel) }

func checkName(what, s string, most int) error {
	if len(s) > most {
		return malformed("%s of %d bytes, at most %d", what, len(s), most)
	}
	if !utf8.ValidString(s) {
		return malformed("%s is not UTF-8", what)
	}
	for _, r := range s {
		if unicode.IsControl(r) {
			return malformed("%s contains a control character", what)
		}
	}
	return nil
}

func readOpaque8(s *cryptobyte.String, out *[]byte) bool {
	var n uint8
	return s.ReadUint8(&n) && s.ReadBytes(out, int(n))
}

func readOpaque16(s *cryptobyte.String, out *[]byte) bool {
	var n uint16
	return s.ReadUint16(&n) && s.ReadBytes(out, int(n))
}

func readOpaque32(s *cryptobyte.String, out *[]byte) bool {
	var n uint32
	// ReadBytes takes an int, which has 32 bits on some machines.
	return s.ReadUint32(&n) && uint64(n) <= uint64(len(*s)) && s.ReadBytes(out, int(n))
}
