package wire

import (
	"encoding/binary"
	"fmt"
	"strings"

	"golang.org/x/crypto/cryptobyte"

	"github.com/hearsaynet/hearsay/keys"
)

// Version is the protocol version that Hello names.
const Version = 1

// TopicHandle gives a topic the number under which its sender speaks of it.
type TopicHandle struct {
	Handle uint16
	Topic  string
}

// Hello opens a conversation: first and once.
//
//	struct { uint16 version; opaque agent<0..255>; opaque meta<0..4096>;
//	         struct { uint16 handle; opaque topic<1..255>; } topics<0..64>; } Hello;   // 1-byte number of topics
//
// Handles are not 0, and neither handles nor topics repeat. A version above ours
// is not an error of the encoding.
type Hello struct {
	Version uint16
	Agent   string
	Meta    []byte
	Topics  []TopicHandle
}

// Append appends the encoding of h to b.
func (h *Hello) Append(b []byte) []byte {
	b = binary.BigEndian.AppendUint16(b, h.Version)
	b = append(b, byte(len(h.Agent)))
	b = append(b, h.Agent...)
	b = binary.BigEndian.AppendUint16(b, uint16(len(h.Meta)))
	b = append(b, h.Meta...)
	b = append(b, byte(len(h.Topics)))
	for _, t := range h.Topics {
		b = binary.BigEndian.AppendUint16(b, t.Handle)
		b = append(b, byte(len(t.Topic)))
		b = append(b, t.Topic...)
	}
	return b
}

// ParseHello reads the body of a Hello frame.
func ParseHello(body []byte) (*Hello, error) {
	var h Hello
	s := cryptobyte.String(body)
	var agent, meta []byte
	var n uint8
	if !s.ReadUint16(&h.Version) || !readOpaque8(&s, &agent) || !readOpaque16(&s, &meta) || !s.ReadUint8(&n) {
		return nil, malformed("hello is cut short")
	}
	h.Agent, h.Meta = string(agent), meta
	if h.Version == 0 {
		return nil, malformed("protocol version 0")
	}
	if len(meta) > MaxMeta {
		return nil, malformed("meta of %d bytes, at most %d", len(meta), MaxMeta)
	}
	if err := checkName("agent", h.Agent, MaxAgent); err != nil {
		return nil, err
	}
	if n > MaxTopics {
		return nil, malformed("hello with %d topics, at most %d", n, MaxTopics)
	}
	if err := h.readTopics(&s, int(n)); err != nil {
		return nil, err
	}
	return &h, nil
}

func (h *Hello) readTopics(s *cryptobyte.String, n int) error {
	handles, names := map[uint16]bool{}, map[string]bool{}
	for range n {
		var t TopicHandle
		var topic []byte
		if !s.ReadUint16(&t.Handle) || !readOpaque8(s, &topic) {
			return malformed("hello is cut short")
		}
		t.Topic = string(topic)
		if err := CheckTopic(t.Topic); err != nil {
			return err
		}
		if t.Handle == 0 || handles[t.Handle] || names[t.Topic] {
			return malformed("hello: handle %d for topic %q is zero or named twice", t.Handle, t.Topic)
		}
		handles[t.Handle], names[t.Topic] = true, true
		h.Topics = append(h.Topics, t)
	}
	if !s.Empty() {
		return malformed("hello has bytes after it")
	}
	return nil
}

// Unnamed says what a digest wants of authors that it does not name.
type Unnamed uint8

// The values of Unnamed. Zero is invalid.
const (
	UnnamedWanted    Unnamed = 1
	UnnamedNotWanted Unnamed = 2
)

// Digest is a clock, or a part of one: what its sender has, and so what it lacks.
//
//	struct { uint64 nonce; uint8 more; uint8 unnamed;
//	         struct { opaque author[34]; uint64 seq; opaque hash[32]; } refs<0..14169>; } Digest;
//
// more is 0 or 1: further frames of the same nonce follow. unnamed is the same in all of
// them. refs fill the rest of the body; authors are strictly ascending, over all frames of a nonce.
type Digest struct {
	Nonce   uint64
	More    bool
	Unnamed Unnamed
	Refs    []Ref
}

// Append appends the encoding of d to b.
func (d *Digest) Append(b []byte) []byte {
	b = binary.BigEndian.AppendUint64(b, d.Nonce)
	more := byte(0)
	if d.More {
		more = 1
	}
	b = append(b, more, byte(d.Unnamed))
	for _, r := range d.Refs {
		b = appendRef(b, r)
	}
	return b
}

// ParseDigest reads the body of a Digest frame.
func ParseDigest(body []byte) (*Digest, error) {
	var d Digest
	s := cryptobyte.String(body)
	var more uint8
	if !s.ReadUint64(&d.Nonce) || !s.ReadUint8(&more) || !s.ReadUint8((*uint8)(&d.Unnamed)) {
		return nil, malformed("digest is cut short")
	}
	if d.Nonce > MaxInteger || more > 1 || d.Unnamed < UnnamedWanted || d.Unnamed > UnnamedNotWanted {
		return nil, malformed("digest with nonce %d, more %d, unnamed %d", d.Nonce, more, d.Unnamed)
	}
	d.More = more == 1
	if len(s)%refSize != 0 || len(s)/refSize > MaxDigestRefs {
		return nil, malformed("digest of %d bytes", len(body))
	}
	d.Refs = make([]Ref, len(s)/refSize)
	for i := range d.Refs {
		r := &d.Refs[i]
		if !readRef(&s, r) {
			return nil, malformed("digest: author %d is not a node id", i)
		}
		if err := checkFrontier(*r); err != nil {
			return nil, err
		}
		if i > 0 && d.Refs[i-1].Author.Compare(r.Author) >= 0 {
			return nil, malformed("digest: authors repeat or are out of order at %v", r.Author)
		}
	}
	return &d, nil
}

// AppendDone appends the body of a Done frame, which answers the digest of that nonce.
func AppendDone(b []byte, nonce uint64) []byte { return binary.BigEndian.AppendUint64(b, nonce) }

// ParseDone reads the body of a Done frame.
func ParseDone(body []byte) (nonce uint64, err error) {
	s := cryptobyte.String(body)
	if !s.ReadUint64(&nonce) || !s.Empty() || nonce > MaxInteger {
		return 0, malformed("done of %d bytes", len(body))
	}
	return nonce, nil
}

// ParseKey reads the body of a Key frame: the SSH wire form of a public key.
func ParseKey(body []byte) (keys.PublicKey, error) {
	k, err := keys.ParsePublicKey(body)
	if err != nil {
		return keys.PublicKey{}, malformed("key: %v", err)
	}
	return k, nil
}

// Way says what its sender's side of a conversation leaves out; nothing if it does not come.
//
//	struct { uint8 way; } Way;   // a sum of the values below, without 3 and 7
//
// It is a courtesy: the frame may be skipped, and so is a body that is not known.
type Way uint8

// The parts of a Way. Zero is invalid.
const (
	WaySends    Way = 1 // the sender takes nothing
	WayReceives Way = 2 // the sender discloses nothing: its Done says nothing of what it has
	WaySome     Way = 4 // nor does it of authors that the sender's digests do not name
)

// Append appends the encoding of w to b.
func (w Way) Append(b []byte) []byte { return append(b, byte(w)) }

// ParseWay reads the body of a Way frame. It returns 0 for one that is not known.
func ParseWay(body []byte) Way {
	if len(body) != 1 {
		return 0
	}
	switch w := Way(body[0]); w {
	case WaySends, WayReceives, WaySome, WaySends | WaySome, WayReceives | WaySome:
		return w
	}
	return 0
}

// Has reports whether w has a part.
func (w Way) Has(part Way) bool { return w&part != 0 }

// CloseCode says why a conversation ends. Unknown codes are errors of the other side.
type CloseCode uint16

// The close codes.
const (
	CloseDone     CloseCode = 1 // the sender has what it came for, or is stopping
	CloseProtocol CloseCode = 2 // the receiver broke the protocol
	CloseRefused  CloseCode = 3 // a signature or key that the receiver sent is wrong
	CloseBusy     CloseCode = 4 // a limit of the sender is reached; come back later
	CloseTopic    CloseCode = 5 // no topic in common
	CloseVersion  CloseCode = 6 // the sender does not speak this version
	CloseTimeout  CloseCode = 7 // the receiver was silent for too long
	CloseRestart  CloseCode = 8 // the sender's topics have changed; link again at once
)

func (c CloseCode) String() string {
	names := [...]string{"", "done", "protocol error", "refused", "busy", "no common topic", "version", "timeout", "restart"}
	if c == 0 || int(c) >= len(names) {
		return fmt.Sprintf("CloseCode(%d)", uint16(c))
	}
	return names[c]
}

// Close ends a conversation and says why.
//
//	struct { uint16 code; opaque text<0..255>; } Close;
type Close struct {
	Code CloseCode
	Text string
}

// Append appends the encoding of c to b; a text that is too long is cut.
func (c *Close) Append(b []byte) []byte {
	text := cleanText(c.Text)
	b = binary.BigEndian.AppendUint16(b, uint16(c.Code))
	b = append(b, byte(len(text)))
	return append(b, text...)
}

// cleanText makes text fit for a Close: valid, short, without control characters.
func cleanText(text string) string {
	text = strings.Map(func(r rune) rune {
		if checkName("", string(r), 4) != nil {
			return ' '
		}
		return r
	}, text)
	if len(text) > MaxCloseText {
		text = text[:MaxCloseText]
	}
	return strings.ToValidUTF8(text, "")
}

// ParseClose reads the body of a Close frame.
func ParseClose(body []byte) (*Close, error) {
	var c Close
	s := cryptobyte.String(body)
	var text []byte
	if !s.ReadUint16((*uint16)(&c.Code)) || !readOpaque8(&s, &text) || !s.Empty() || c.Code == 0 {
		return nil, malformed("close of %d bytes", len(body))
	}
	c.Text = string(text)
	if err := checkName("close text", c.Text, MaxCloseText); err != nil {
		return nil, err
	}
	return &c, nil
}
