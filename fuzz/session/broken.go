package session

import (
	"encoding/binary"
	"slices"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// frameHeader is a frame's type, handle and length, in bytes.
const frameHeader = 7

// flipped sends the last frame with some bits of its body flipped.
func (s *script) flipped() {
	b := s.last()
	if len(b) <= frameHeader {
		return
	}
	for n := 1 + s.below(4); n > 0; n-- {
		b[frameHeader+int(s.uint16())%(len(b)-frameHeader)] ^= 1 << s.below(8)
	}
	s.send("bits flipped", b)
}

// cut sends the last frame with less of its body.
func (s *script) cut() {
	b := s.last()
	if len(b) <= frameHeader {
		return
	}
	b = b[:frameHeader+int(s.uint16())%(len(b)-frameHeader)]
	s.send("cut short", withLength(b))
}

// grown sends the last frame with more behind its body, or within.
func (s *script) grown() {
	b := s.last()
	if len(b) < frameHeader {
		return
	}
	at := len(b)
	if s.byte()&1 == 1 {
		at = frameHeader + int(s.uint16())%(len(b)-frameHeader+1)
	}
	s.send("grown", withLength(slices.Insert(b, at, s.some(1+int(s.below(16)))...)))
}

// withLength sets the length of a frame to what it has.
func withLength(b []byte) []byte {
	binary.BigEndian.PutUint32(b[3:], uint32(len(b)-frameHeader))
	return b
}

// elsewhere sends the last frame under another handle or type.
func (s *script) elsewhere() {
	b := s.last()
	if len(b) < frameHeader {
		return
	}
	if how := s.byte(); how&1 == 0 {
		b[0] = s.byte()
	} else {
		binary.BigEndian.PutUint16(b[1:], s.uint16())
	}
	s.send("elsewhere", b)
}

// frame sends a frame of any type with bytes of the program.
func (s *script) frame() {
	t := wire.FrameType(s.byte())
	if t > 40 && t < 128 {
		t %= 10
	}
	s.sendFrame(t.String(), t, s.some(int(s.byte())))
}

// announced sends the start of a frame that is much longer than what comes.
func (s *script) announced() {
	b := append([]byte{1 + byte(s.below(8))}, 0, byte(s.handle))
	n := uint32(s.uint16()) << 4 // below 1 MiB, which a frame may have
	if s.byte() >= 128 {
		n = uint32(s.integer())
	}
	b = binary.BigEndian.AppendUint32(b, n)
	s.send("announced", b)
}

// raw sends what is no frame.
func (s *script) raw() { s.send("raw bytes", s.some(1+int(s.below(32)))) }

// remap is a second Hello.
func (s *script) remap() {
	h := wire.Hello{Version: wire.Version, Topics: []wire.TopicHandle{{Handle: s.handle, Topic: "another topic"}, {Handle: s.uint16() | 1, Topic: s.cast.topic}}}
	handle := uint16(0)
	if s.byte()&1 == 1 {
		handle = s.handle
	}
	s.send("second Hello", wire.AppendFrame(nil, wire.Frame{Type: wire.FrameHello, Handle: handle, Body: h.Append(nil)}))
}

// odd sends updates that are well signed and unusual: dated far ahead, of an unknown
// kind, erased, with the longest channel, behind a place that is not theirs.
func (s *script) odd() {
	a, how := s.actor(), s.byte()
	prev := a.refs[0][s.below(maxSeq)]
	e := a.entry(0, prev.Seq+1)
	if how&1 == 1 {
		e.Time = s.integer() & wire.MaxInteger
	}
	if how&2 == 2 {
		e.Kind = wire.Kind(1 + s.below(255))
	}
	if how&4 == 4 {
		e.Channel = string(make64('x'))
	}
	if how&8 == 8 {
		e.Absent, e.Change, e.Size = true, nil, uint32(s.uint16())
		e.Digest[0] = s.byte()
	}
	if how&16 == 16 && prev.Seq > 0 {
		prev.Hash[0] ^= s.byte()
	}
	if how&32 == 32 && prev.Seq > 0 {
		prev.Seq = max(1, min(s.integer(), wire.MaxInteger-1))
	}
	if how&64 == 64 {
		e.Change = slices.Grow(e.Change, 1<<16)[:1<<16]
		e.Absent, e.Size, e.Digest = false, 0, [32]byte{}
	}
	s.sendFrame("odd Run", wire.FrameRun, a.seal(prev, e).Body())
}

func make64(c byte) []byte { return slices.Repeat([]byte{c}, wire.MaxChannel) }

// crowd is a digest of many authors that nobody knows.
func (s *script) crowd() {
	d := wire.Digest{Nonce: uint64(s.byte()), Unnamed: wire.UnnamedWanted}
	n := uint64(s.byte()) << s.below(6)
	for i := range n {
		ref := wire.Ref{Author: keys.NodeID{0x12, 0x20}, Seq: 1 + i, Hash: wire.Hash{1}}
		binary.BigEndian.PutUint64(ref.Author[2:], i)
		d.Refs = append(d.Refs, ref)
	}
	s.sendFrame("Digest of many", wire.FrameDigest, d.Append(nil))
}

// forged sends a good run in the name of another author.
func (s *script) forged() {
	a, b := s.actor(), s.actor()
	body := slices.Clone(a.run(0, 1, 1+s.below(8)).Body())
	copy(body, b.id[:])
	s.sendFrame("forged Run", wire.FrameRun, body)
}

// badCopy sends the last frame with another last byte, where statements have a signature.
func (s *script) badCopy() {
	if b := s.last(); len(b) > frameHeader {
		b[len(b)-1] ^= 1 << s.below(8)
		s.send("bad copy", b)
	}
}

// number puts an odd number somewhere into the last frame's body.
func (s *script) number() {
	b := s.last()
	if len(b) < frameHeader+8 {
		return
	}
	binary.BigEndian.PutUint64(b[frameHeader+int(s.uint16())%(len(b)-frameHeader-7):], s.integer())
	s.send("odd number", b)
}
