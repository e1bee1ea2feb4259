package mallory

import (
	"encoding/binary"
	"math"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica/wire"
)

const onlyAHint = "what a peer says it has decides what that peer is sent, and nothing else"

var clocks = []Attack{
	{Name: "clock-ahead", About: "claims a thousand updates more of each author than there are", begin: claims(ahead), Right: onlyAHint},
	{Name: "clock-behind", About: "claims to have nothing, each time", begin: claims(behind), Right: onlyAHint + "; sending again comes out of a budget"},
	{Name: "clock-max", About: "claims seq 2^63-1 of each author at first, and then 2^63", begin: claimsMost(), Right: onlyAHint + "; what is out of range ends the session"},
	{Name: "clock-twice", About: "names each author twice in a digest", begin: claims(twice), Right: "the digest is malformed: the link is closed with the reason"},
	{Name: "clock-crowd", About: "claims to know a million authors that nobody has heard of", speak: crowds,
		Right: "too many to listen to: closed as busy, not blamed; no author is made of a claim"},
}

// claims changes the digests.
func claims(how func(p *pipe, d *wire.Digest)) func(*pipe) step {
	return func(p *pipe) step {
		return func(m *message) []*message {
			if m == nil || m.Type != wire.FrameDigest || m.raw != nil {
				return only(m)
			}
			d, err := wire.ParseDigest(m.Body)
			if err != nil || len(d.Refs) == 0 {
				return only(m)
			}
			how(p, d)
			return only(m.with(d.Append(nil)))
		}
	}
}

func ahead(p *pipe, d *wire.Digest) { claimsSeq(p, d, func(seq uint64) uint64 { return seq + 1000 }) }

func claimsSeq(p *pipe, d *wire.Digest, seq func(uint64) uint64) {
	for i := range d.Refs {
		r := &d.Refs[i]
		r.Seq = seq(r.Seq)
		for j := range r.Hash {
			r.Hash[j] = byte(p.rnd.Uint32())
		}
	}
}

func behind(_ *pipe, d *wire.Digest) {
	for i := range d.Refs {
		d.Refs[i].Seq, d.Refs[i].Hash = 0, wire.Hash{}
	}
}

func claimsMost() func(*pipe) step {
	return func(p *pipe) step {
		seq := uint64(math.MaxInt64)
		return claims(func(p *pipe, d *wire.Digest) {
			claimsSeq(p, d, func(uint64) uint64 { return seq })
			seq = 1 << 63
		})(p)
	}
}

func twice(_ *pipe, d *wire.Digest) {
	var refs []wire.Ref
	for _, r := range d.Refs[:min(len(d.Refs), wire.MaxDigestRefs/2)] {
		refs = append(refs, r, r)
	}
	d.Refs = refs
}

func crowds(p *pipe) error {
	_, handle, err := p.subject()
	if err != nil {
		return err
	}
	return p.writeAll(crowdFrames, func(i int) *message { // nothing comes between the parts of a digest
		d := wire.Digest{Nonce: ownNonce, More: i+1 < crowdFrames, Unnamed: wire.UnnamedNotWanted, Refs: strangers(uint32(i)*wire.MaxDigestRefs, wire.MaxDigestRefs)}
		return made(wire.FrameDigest, handle, d.Append(nil))
	})
}

// strangers returns n references to authors who do not exist, ascending from number first.
func strangers(first uint32, n int) []wire.Ref {
	refs := make([]wire.Ref, n)
	for i := range refs {
		refs[i] = wire.Ref{Author: keys.NodeID{0x12, 0x20}, Seq: 1, Hash: wire.Hash{1}}
		binary.BigEndian.PutUint32(refs[i].Author[2:], first+uint32(i))
	}
	return refs
}
