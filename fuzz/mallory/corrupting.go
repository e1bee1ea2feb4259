package mallory

import (
	"bytes"
	"encoding/binary"

	"github.com/hearsaynet/hearsay/replica/wire"
)

var corrupting = []Attack{
	{Name: "corrupt-bit", About: "flips one bit in one frame in four", begin: corrupts(flipsBit),
		Right: "nothing altered is applied; the link that brings it is closed with the reason, and refused for a while"},
	{Name: "corrupt-field", About: "puts something else into one field of one frame in four: another author, seq, hash, date or signature", begin: corrupts(changesField),
		Right: "nothing altered is applied; the link that brings it is closed with the reason, and refused for a while"},
	{Name: "corrupt-length", About: "makes one frame in four shorter or longer, or lies about how long it is or how many things it holds", begin: corrupts(changesLength),
		Right: "an error, no panic, no more memory than has arrived; the link is closed with the reason"},
	{Name: "bad-copy", About: "sends a copy with another signature before each genuine run", begin: copiesBadly,
		Right: "the copy is refused and its link charged; the genuine run is taken from anyone else"},
}

// corrupts does something to the frames that are picked.
func corrupts(how func(*pipe, *message) *message) func(*pipe) step {
	return func(p *pipe) step {
		return func(m *message) []*message {
			if !p.picks(m) || len(m.Body) == 0 {
				return only(m)
			}
			return only(how(p, m))
		}
	}
}

func flipsBit(p *pipe, m *message) *message {
	b := bytes.Clone(m.Body)
	b[p.rnd.IntN(len(b))] ^= 1 << p.rnd.IntN(8)
	return m.with(b)
}

// field is where a body has something, from its end if at is negative.
type field struct{ at, size int }

// fields are what each frame has, wherever its other parts end.
var fields = map[wire.FrameType][]field{
	wire.FrameDigest: {{0, 8}, {8, 1}, {9, 1}, {10, 34}, {44, 8}, {52, 32}},
	wire.FrameRun:    {{0, 34}, {34, 8}, {42, 32}, {76, 8}, {84, 1}, {-64, 64}},
	wire.FrameHead:   {{0, 34}, {34, 8}, {42, 32}, {74, 8}, {-64, 64}},
	wire.FrameKey:    {{0, 4}, {4, 11}, {-32, 32}},
	wire.FrameFork:   {{0, 34}, {34, 8}, {42, 32}, {-64, 64}},
	wire.FrameDone:   {{0, 8}},
}

func changesField(p *pipe, m *message) *message {
	var there []field
	for _, f := range fields[m.Type] {
		if f.at >= 0 && f.at+f.size <= len(m.Body) || f.at < 0 && f.size <= len(m.Body) {
			there = append(there, f)
		}
	}
	if len(there) == 0 {
		return flipsBit(p, m)
	}
	f := there[p.rnd.IntN(len(there))]
	if f.at < 0 {
		f.at += len(m.Body)
	}
	b := bytes.Clone(m.Body)
	v := b[f.at : f.at+f.size]
	switch p.rnd.IntN(4) {
	case 0:
		clear(v)
	case 1:
		for i := range v {
			v[i] = 0xff
		}
	case 2:
		v[len(v)-1]++
	default:
		for i := range v {
			v[i] = byte(p.rnd.Uint32())
		}
	}
	if bytes.Equal(b, m.Body) {
		v[len(v)-1] ^= 1
	}
	return m.with(b)
}

func changesLength(p *pipe, m *message) *message {
	switch p.rnd.IntN(5) {
	case 0: // cut short, and it says so
		return m.with(m.Body[:p.rnd.IntN(len(m.Body))])
	case 1: // something behind it
		return m.with(append(bytes.Clone(m.Body), 0))
	case 2: // announces less than there is
		return m.announcing(uint32(p.rnd.IntN(len(m.Body))))
	case 3: // announces more than there is
		return m.announcing(uint32(len(m.Body) + 1 + p.rnd.IntN(wire.MaxFrame-len(m.Body)+1)))
	}
	b := bytes.Clone(m.Body)
	if m.Type == wire.FrameRun && len(b) > 76 { // a number of entries
		binary.BigEndian.PutUint16(b[74:], uint16(2+p.rnd.IntN(1<<16-2)))
		return m.with(b)
	}
	return m.with(append(b, b...))
}

// announcing is m with another length in front of its body.
func (m *message) announcing(n uint32) *message {
	c := *m
	c.raw, c.changed = wire.AppendFrame(nil, m.Frame), true
	binary.BigEndian.PutUint32(c.raw[3:], n)
	return &c
}

func copiesBadly(*pipe) step {
	return func(m *message) []*message {
		if m == nil || m.Type != wire.FrameRun || m.raw != nil || len(m.Body) == 0 {
			return only(m)
		}
		bad := m.copied()
		bad.Body = bytes.Clone(m.Body)
		bad.Body[len(bad.Body)-1] ^= 1
		return []*message{bad, m}
	}
}
