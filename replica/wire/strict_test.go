package wire_test

import (
	"encoding/binary"
	"slices"
	"strings"
	"testing"

	"github.com/hearsaynet/hearsay/replica/wire"
)

// parsers has each decoder of one value, with a value that it takes. The cuts of it
// that are values too are named in whole.
func parsers(t testing.TB) map[string]struct {
	good  []byte
	parse func([]byte) error
	whole []int
} {
	type p = struct {
		good  []byte
		parse func([]byte) error
		whole []int
	}
	return map[string]p{
		"header": {vector(t, "header"), func(b []byte) error { _, err := wire.ParseHeader(b); return err }, nil},
		"run":    {vector(t, "run"), func(b []byte) error { _, err := wire.ParseRun(topic, b); return err }, nil},
		"head":   {vector(t, "head"), func(b []byte) error { _, err := wire.ParseHead(topic, b); return err }, nil},
		"proof":  {vector(t, "proof"), func(b []byte) error { _, err := wire.ParseProof(topic, b); return err }, nil},
		"hello":  {vector(t, "hello"), func(b []byte) error { _, err := wire.ParseHello(b); return err }, nil},
		"digest": {vector(t, "digest"), func(b []byte) error { _, err := wire.ParseDigest(b); return err }, []int{10, 84}},
		"done":   {vector(t, "done"), func(b []byte) error { _, err := wire.ParseDone(b); return err }, nil},
		"close":  {vector(t, "close"), func(b []byte) error { _, err := wire.ParseClose(b); return err }, nil},
		"key":    {vector(t, "key"), func(b []byte) error { _, err := wire.ParseKey(b); return err }, nil},
	}
}

func TestCutShortOrLong(t *testing.T) {
	for name, p := range parsers(t) {
		if err := p.parse(p.good); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for n := range p.good {
			if err := p.parse(p.good[:n:n]); slices.Contains(p.whole, n) {
				if err != nil {
					t.Errorf("%s of %d bytes: %v", name, n, err)
				}
			} else {
				wantMalformed(t, name+" cut short", err)
			}
		}
		wantMalformed(t, name+" with a byte after it", p.parse(append(slices.Clone(p.good), 0)))
		wantMalformed(t, name+" of nothing", p.parse(nil))
	}
}

// TestStrict breaks one rule at a time. Offsets are those of the annotated vectors.
func TestStrict(t *testing.T) {
	ps := parsers(t)
	header, run, head := ps["header"].good, ps["run"].good, ps["head"].good
	proof := ps["proof"].good
	hello, digest := ps["hello"].good, ps["digest"].good
	be64 := func(v uint64) []byte { return binary.BigEndian.AppendUint64(nil, v) }
	be32 := func(v uint32) []byte { return binary.BigEndian.AppendUint32(nil, v) }
	const ctrl, del, c1 = "\x1f", "\x7f", "\u0085"
	longTopic := append([]byte{255}, strings.Repeat("t", 255)...)

	for _, tt := range []struct {
		parser, name string
		b            []byte
		ok           bool
	}{
		{"header", "other magic", patch(header, 7, 2), false},
		{"header", "empty topic", splice(header, 8, 4, 0), false},
		{"header", "longest topic", splice(header, 8, 4, longTopic...), true},
		{"header", "topic with a control character", patch(header, 9, ctrl[0]), false},
		{"header", "topic with DEL", patch(header, 9, del[0]), false},
		{"header", "topic with a C1 control character", patch(header, 10, []byte(c1)...), false},
		{"header", "topic that is not UTF-8", patch(header, 10, 0xff), false},
		{"header", "topic cut in a character", splice(header, 8, 4, 2, 't', 0xc3), false},
		{"header", "surrogate in the topic", splice(header, 8, 4, 3, 0xed, 0xa0, 0x80), false},
		{"header", "overlong topic", splice(header, 8, 4, 2, 0xc1, 0xa1), false},
		{"header", "identity multihash", patch(header, 12, 0), false},
		{"header", "truncated multihash", patch(header, 13, 31), false},
		{"header", "sha2-512 multihash", patch(header, 12, 0x13), false},
		{"header", "seq 0", patch(header, 46, zeros(8)...), false},
		{"header", "seq 1 with prev", patch(header, 62, 1), false},
		{"header", "seq 2 without prev", patch(header, 46, be64(2)...), false},
		{"header", "largest seq", patch(patch(header, 46, be64(1<<63-1)...), 62, 1), true},
		{"header", "seq 2^63", patch(patch(header, 46, be64(1<<63)...), 62, 1), false},
		{"header", "time 0", patch(header, 54, zeros(8)...), true},
		{"header", "largest time", patch(header, 54, be64(1<<63-1)...), true},
		{"header", "time 2^63", patch(header, 54, be64(1<<63)...), false},
		{"header", "kind 0", patch(header, 94, 0), false},
		{"header", "unknown kind", patch(header, 94, 200), true},
		{"header", "no channel", splice(header, 95, 3, 0), true},
		{"header", "longest channel", splice(header, 95, 3, append([]byte{64}, strings.Repeat("c", 64)...)...), true},
		{"header", "channel too long", splice(header, 95, 3, append([]byte{65}, strings.Repeat("c", 65)...)...), false},
		{"header", "channel with a control character", patch(header, 96, '\n'), false},
		{"header", "largest change", patch(header, 98, be32(wire.MaxChange)...), true},
		{"header", "change too long", patch(header, 98, be32(wire.MaxChange+1)...), false},

		{"run", "identity multihash", patch(run, 0, 0), false},
		{"run", "truncated multihash", patch(run, 1, 20), false},
		{"run", "seq 0", patch(run, 34, zeros(8)...), false},
		{"run", "seq 0 without prev", patch(patch(run, 34, zeros(8)...), 42, zeros(32)...), false},
		{"run", "seq 1 with prev", patch(run, 34, be64(1)...), false},
		{"run", "seq 2 without prev", patch(run, 42, zeros(32)...), false},
		{"run", "ends at the largest seq", patch(run, 34, be64(1<<63-2)...), true},
		{"run", "ends at 2^63", patch(run, 34, be64(1<<63-1)...), false},
		{"run", "seq 2^64-1", patch(run, 34, ones(8)...), false},
		{"run", "no entries", splice(patch(run, 74, 0, 0), 76, 67), false},
		{"run", "fewer entries than it says", patch(run, 74, 0, 3), false},
		{"run", "more entries than it says", patch(run, 74, 0, 1), false},
		{"run", "time 2^63", patch(run, 76, be64(1<<63)...), false},
		{"run", "kind 0", patch(run, 84, 0), false},
		{"run", "unknown kind", patch(run, 84, 255), true},
		{"run", "channel with a control character", patch(run, 86, 0), false},
		{"run", "channel that is not UTF-8", patch(run, 87, 0x80), false},
		{"run", "channel too long", splice(run, 85, 3, append([]byte{65}, strings.Repeat("c", 65)...)...), false},
		{"run", "form 0", patch(run, 88, 0), false},
		{"run", "form 3", patch(run, 88, 3), false},
		{"run", "change longer than the frame", patch(run, 89, 0xff, 0xff, 0xff, 0xff), false},
		{"run", "empty change", splice(run, 89, 7, zeros(4)...), true},
		{"run", "largest change", splice(run, 89, 7, append(be32(wire.MaxChange), zeros(wire.MaxChange)...)...), true},
		{"run", "change too long", splice(run, 89, 7, append(be32(wire.MaxChange+1), zeros(wire.MaxChange+1)...)...), false},
		{"run", "absent change too long", patch(run, 107, be32(wire.MaxChange+1)...), false},
		{"run", "no signature", splice(run, 143, 85, 0, 0), false},
		{"run", "longest signature", splice(run, 143, 85, append([]byte{532 >> 8, 532 & 255}, zeros(532)...)...), true},
		{"run", "signature too long", splice(run, 143, 85, append([]byte{533 >> 8, 533 & 255}, zeros(533)...)...), false},

		{"head", "identity multihash", patch(head, 0, 0), false},
		{"head", "seq 2^63", patch(head, 34, be64(1<<63)...), false},
		{"head", "seq 0 with a hash", patch(head, 34, zeros(8)...), false},
		{"head", "seq 0", patch(head, 34, zeros(40)...), true},
		{"head", "seq 3 without a hash", patch(head, 42, zeros(32)...), false},
		{"head", "issued at 2^63", patch(head, 74, be64(1<<63)...), false},
		{"head", "no signature", splice(head, 82, 85, 0, 0), false},
		{"head", "signature too long", splice(head, 82, 85, append([]byte{533 >> 8, 533 & 255}, zeros(533)...)...), false},

		{"proof", "identity multihash", patch(proof, 0, 0), false},
		{"proof", "truncated multihash", patch(proof, 1, 20), false},
		{"proof", "first seq 0", patch(proof, 34, zeros(8)...), false},
		{"proof", "first seq 0 without prev", patch(proof, 34, zeros(40)...), false},
		{"proof", "first seq 1 with prev", patch(proof, 34, be64(1)...), false},
		{"proof", "first seq 2 without prev", patch(proof, 42, zeros(32)...), false},
		{"proof", "a chain ends at 2^63", patch(proof, 34, be64(1<<63-1)...), false},
		{"proof", "first seq 2^64-1", patch(proof, 34, ones(8)...), false},
		{"proof", "no update in the first chain", splice(proof, 74, 50, 0, 0), false},
		{"proof", "no update in the second chain", splice(proof, 209, 96, 0, 0), false},
		{"proof", "fewer updates than it says", patch(proof, 209, 0, 3), false},
		{"proof", "more updates than it says", patch(proof, 209, 0, 1), false},
		{"proof", "time 2^63", patch(proof, 76, be64(1<<63)...), false},
		{"proof", "time 2^63 further on", patch(proof, 259, be64(1<<63)...), false},
		{"proof", "kind 0", patch(proof, 84, 0), false},
		{"proof", "kind 0 further on", patch(proof, 267, 0), false},
		{"proof", "unknown kind further on", patch(proof, 267, 255), true},
		{"proof", "longest channel further on", splice(proof, 268, 1, append([]byte{64}, strings.Repeat("c", 64)...)...), true},
		{"proof", "channel too long", splice(proof, 268, 1, append([]byte{65}, strings.Repeat("c", 65)...)...), false},
		{"proof", "channel with a control character", patch(proof, 86, 0), false},
		{"proof", "channel that is not UTF-8", patch(proof, 87, 0x80), false},
		{"proof", "largest change further on", patch(proof, 269, be32(wire.MaxChange)...), true},
		{"proof", "change too long", patch(proof, 269, be32(wire.MaxChange+1)...), false},
		{"proof", "no signature in the first chain", splice(proof, 124, 85, 0, 0), false},
		{"proof", "no signature in the second chain", splice(proof, 305, 85, 0, 0), false},
		{"proof", "longest signature", splice(proof, 305, 85, append([]byte{532 >> 8, 532 & 255}, zeros(532)...)...), true},
		{"proof", "signature too long", splice(proof, 305, 85, append([]byte{533 >> 8, 533 & 255}, zeros(533)...)...), false},
		{"proof", "one chain", proof[:209], false},
		{"proof", "three chains", append(slices.Clone(proof), proof[209:]...), false},
		{"proof", "chains in the other order", slices.Concat(proof[:74], proof[209:], proof[74:209]), false},
		{"proof", "the first chain twice", slices.Concat(proof[:209], proof[74:209]), false},
		{"proof", "the second chain twice", slices.Concat(proof[:74], proof[209:], proof[209:]), false},
		{"proof", "a chain and a part of it", slices.Concat(proof[:74], []byte{0, 1}, proof[211:259], proof[305:], proof[209:]), false},
		{"proof", "a part of a chain and the chain", slices.Concat(proof[:74], proof[209:], []byte{0, 1}, proof[211:259], proof[305:]), false},

		{"hello", "version 0", patch(hello, 0, 0, 0), false},
		{"hello", "a later version", patch(hello, 0, 9, 9), true},
		{"hello", "agent with a control character", patch(hello, 3, 0x1b), false},
		{"hello", "agent that is not UTF-8", patch(hello, 3, 0xff), false},
		{"hello", "longest meta", splice(hello, 12, 4, append([]byte{16, 0}, zeros(4096)...)...), true},
		{"hello", "meta too long", splice(hello, 12, 4, append([]byte{16, 1}, zeros(4097)...)...), false},
		{"hello", "no topics", append(slices.Clone(hello[:16]), 0), true},
		{"hello", "handle 0", patch(hello, 17, 0, 0), false},
		{"hello", "a handle twice", patch(hello, 23, 0, 1), false},
		{"hello", "a topic twice", append(append(slices.Clone(hello[:23]), 0, 9), hello[19:23]...), false},
		{"hello", "empty topic", splice(hello, 25, 2, 0), false},
		{"hello", "topic with a control character", patch(hello, 26, '\t'), false},
		{"hello", "64 topics", topics(hello, 64), true},
		{"hello", "65 topics", topics(hello, 65), false},

		{"digest", "nonce 2^63", patch(digest, 0, be64(1<<63)...), false},
		{"digest", "more 2", patch(digest, 8, 2), false},
		{"digest", "unnamed 0", patch(digest, 9, 0), false},
		{"digest", "unnamed 3", patch(digest, 9, 3), false},
		{"digest", "identity multihash", patch(digest, 10, 0), false},
		{"digest", "an author twice", splice(digest, 84, 74, digest[10:84]...), false},
		{"digest", "authors out of order", slices.Concat(digest[:10], digest[84:158], digest[10:84]), false},
		{"digest", "seq 2^63", patch(digest, 44, be64(1<<63)...), false},
		{"digest", "seq 0 with a hash", patch(patch(digest, 44, zeros(8)...), 52, 1), false},
		{"digest", "seq 1 without a hash", patch(patch(digest, 44, be64(1)...), 52, zeros(32)...), false},

		{"done", "nonce 2^63", be64(1 << 63), false},
		{"done", "largest nonce", be64(1<<63 - 1), true},

		{"close", "code 0", patch(ps["close"].good, 0, 0, 0), false},
		{"close", "unknown code", patch(ps["close"].good, 0, 1, 0), true},
		{"close", "text with a control character", patch(ps["close"].good, 3, '\r'), false},
		{"close", "text that is not UTF-8", patch(ps["close"].good, 3, 0xfe), false},

		{"key", "another kind", patch(ps["key"].good, 14, '8'), false},
		{"key", "point of small order", patch(ps["key"].good, 19, append([]byte{1}, zeros(31)...)...), false},
	} {
		err := ps[tt.parser].parse(tt.b)
		if tt.ok && err != nil {
			t.Errorf("%s, %s: %v", tt.parser, tt.name, err)
		}
		if !tt.ok {
			wantMalformed(t, tt.parser+", "+tt.name, err)
		}
	}
}

// topics returns the start of hello with n topics.
func topics(hello []byte, n byte) []byte {
	b := append(slices.Clone(hello[:16]), n)
	for i := range n {
		b = append(b, 0, i+1, 1, ' '+i)
	}
	return b
}

func TestTopicOfAnotherShape(t *testing.T) {
	for _, name := range []string{"", "a\nb", "\xff", strings.Repeat("t", 256)} {
		_, err := wire.ParseRun(name, vector(t, "run"))
		wantMalformed(t, "run", err)
		_, err = wire.ParseHead(name, vector(t, "head"))
		wantMalformed(t, "head", err)
		_, err = wire.ParseProof(name, vector(t, "proof"))
		wantMalformed(t, "proof", err)
		wantMalformed(t, "CheckTopic", wire.CheckTopic(name))
	}
	if err := wire.CheckTopic("Ω 1"); err != nil {
		t.Error(err)
	}
	if err := wire.CheckChannel(""); err != nil {
		t.Error(err)
	}
	wantMalformed(t, "CheckChannel", wire.CheckChannel(strings.Repeat("c", 65)))
}

// TestEntries checks the number of entries, and the size of them all, at their bounds.
func TestEntries(t *testing.T) {
	s := newSigner(t, 0)
	full := s.run(t, wire.Ref{Author: s.key.ID()}, changes(wire.MaxEntries)...)
	u, err := wire.ParseRun(topic, full.Body())
	if err != nil || u.Len() != 256 {
		t.Fatalf("run of 256: %v", err)
	}
	entry := zeros(15) // time 0, kind 1, no channel, present, empty
	entry[8], entry[10] = 1, 1
	over := slices.Concat(full.Body()[:74], []byte{257 >> 8, 257 & 255}, slices.Repeat(entry, 257), []byte{0, 1, 0})
	_, err = wire.ParseRun(topic, over)
	wantMalformed(t, "257 entries", err)
	if _, err = wire.ParseRun(topic, slices.Concat(over[:74], []byte{1, 0}, over[76:76+256*15], []byte{0, 1, 0})); err != nil {
		t.Errorf("256 of the smallest entries: %v", err)
	}

	// Two changes, and a signature that fills the frame to the byte.
	size := wire.MaxFrame - 76 - 2*15 - 2 - 64
	for _, more := range []int{0, 1} {
		var b []byte
		b = append(b, full.Body()[:74]...)
		b = append(b, 0, 2)
		for _, n := range []int{size / 2, size - size/2 + more} {
			b = binary.BigEndian.AppendUint32(append(b, entry[:11]...), uint32(n))
			b = append(b, zeros(n)...)
		}
		b = append(append(b, 0, 64), zeros(64)...)
		if _, err := wire.ParseRun(topic, b); (err == nil) != (len(b) <= wire.MaxFrame) || len(b) != wire.MaxFrame+more {
			t.Errorf("run of %d bytes: %v", len(b), err)
		}
	}
}

// TestDigestRefs checks how many authors one Digest can name.
func TestDigestRefs(t *testing.T) {
	good := vector(t, "digest")
	for _, n := range []int{wire.MaxDigestRefs, wire.MaxDigestRefs + 1} {
		b := slices.Clone(good[:10])
		for i := range n {
			b = append(b, 0x12, 0x20)
			b = binary.BigEndian.AppendUint64(b, uint64(i))
			b = append(b, zeros(24+8+32)...) // seq 0 and no hash
		}
		if d, err := wire.ParseDigest(b); (err == nil) != (n == wire.MaxDigestRefs) || d != nil && len(d.Refs) != n {
			t.Errorf("%d authors: %v", n, err)
		}
	}
}
