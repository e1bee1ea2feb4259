package main

import (
	"bytes"
	"crypto/sha256"
	"slices"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// Package wire does not make what it would refuse. What is made here breaks one rule and
// has valid signatures all the same, so that no other check refuses it.

// craft is who is said to have written, and who signs.
type craft struct {
	id     keys.NodeID
	signer *author
}

func by(a *author) craft { return craft{a.id(), a} }

// headers returns the encoded headers of entries behind prev.
func (c craft) headers(prev wire.Ref, entries []wire.Entry) (headers [][]byte) {
	h := wire.Header{Topic: topic, Author: c.id, Seq: prev.Seq, Prev: prev.Hash}
	for i, e := range entries {
		if i > 0 {
			h.Prev = h.Hash()
		}
		h.Seq, h.Time, h.Kind, h.Channel = h.Seq+1, e.Time, e.Kind, e.Channel
		h.Size, h.Digest = e.Size, e.Digest
		if !e.Absent {
			h.Size, h.Digest = uint32(len(e.Change)), sha256.Sum256(e.Change)
		}
		headers = append(headers, h.Append(nil))
	}
	return headers
}

func (c craft) sign(headers [][]byte) []byte {
	return c.signer.signature(wire.NamespaceUpdate, headers[len(headers)-1])
}

// run returns the body of a run.
func (c craft) run(prev wire.Ref, entries ...wire.Entry) []byte {
	b := slices.Concat(c.place(prev), be16(uint16(len(entries))))
	for _, e := range entries {
		b = slices.Concat(b, be64(e.Time), []byte{byte(e.Kind)}, opaque8(e.Channel))
		if e.Absent {
			b = slices.Concat(b, []byte{2}, be32(e.Size), e.Digest[:])
		} else {
			b = slices.Concat(b, []byte{1}, be32(uint32(len(e.Change))), e.Change)
		}
	}
	return append(b, opaque16(c.sign(c.headers(prev, entries)))...)
}

func (c craft) place(prev wire.Ref) []byte {
	return slices.Concat(c.id[:], be64(prev.Seq+1), prev.Hash[:])
}

// head returns the body of a head.
func (c craft) head(ref wire.Ref, issued uint64) []byte {
	ref.Author = c.id
	sig := c.signer.signature(wire.NamespaceHead, wire.HeadMessage(topic, ref, issued))
	return slices.Concat(c.id[:], be64(ref.Seq), ref.Hash[:], be64(issued), opaque16(sig))
}

// chain returns one history of a proof, and the hash of its first update.
func (c craft) chain(prev wire.Ref, entries ...wire.Entry) (encoded, first []byte) {
	headers := c.headers(prev, entries)
	b := be16(uint16(len(entries)))
	for i, e := range entries {
		h := headers[i]
		b = slices.Concat(b, be64(e.Time), []byte{byte(e.Kind)}, opaque8(e.Channel), h[len(h)-36:]) // size and digest
	}
	return append(b, opaque16(c.sign(headers))...), sha256Of(headers[0])
}

// proof returns the body of a proof of two histories behind prev.
func (c craft) proof(prev wire.Ref, a, b []wire.Entry) []byte {
	one, x := c.chain(prev, a...)
	two, y := c.chain(prev, b...)
	if bytes.Compare(x, y) > 0 {
		one, two = two, one
	}
	return slices.Concat(c.place(prev), one, two)
}
