package main

import (
	"slices"
	"strings"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// headVector is the body of a Head frame, and the key that is offered with it.
type headVector struct {
	verdict
	Topic string       `json:"topic"`
	Key   data         `json:"key"`
	Body  data         `json:"body"`
	Means *headMeaning `json:"means,omitempty"`
}

type headMeaning struct {
	Author  data   `json:"author"`
	Seq     number `json:"seq"`
	Hash    data   `json:"hash"`
	Issued  number `json:"issued"`
	Message data   `json:"message"` // what is signed
}

func goodHead(name string, h *wire.Head) headVector {
	ref := h.Ref()
	return headVector{good(name), h.Topic(), h.Key().Wire(), h.Body(),
		&headMeaning{ref.Author[:], number(ref.Seq), ref.Hash[:], number(h.Issued()), wire.HeadMessage(h.Topic(), ref, h.Issued())}}
}

func headVectors() file[headVector] {
	f := file[headVector]{About: "Bodies of Head frames, in a topic, with the author's key as it came."}
	_, two := adaRuns()
	end := two.End()
	h := ada.head(topic, end, now)
	f.Good = []headVector{
		goodHead("of update 3", h),
		goodHead("of an author that has not written", bo.head(topic, wire.Ref{}, now)),
		goodHead("by an RSA key", rsa2.head("t", wire.Ref{Seq: 1, Hash: someHash}, now)),
		goodHead("largest seq and time, time 0 being as good", ada.head(topic, wire.Ref{Seq: wire.MaxInteger, Hash: someHash}, wire.MaxInteger)),
		goodHead("issued at 0", ada.head(topic, end, 0)),
	}
	b := h.Body()
	v := func(class, check, name, topic string, key keys.PublicKey, body []byte) {
		f.Bad = append(f.Bad, headVector{verdict: bad(class, check, name), Topic: topic, Key: key.Wire(), Body: body})
	}
	const seq, hash, issued, sig = 34, 42, 74, 82
	m := func(check, name string, body []byte) { v("malformed", check, name, topic, ada.key, body) }
	signed := func(namespace string, msg []byte) []byte {
		return splice(b, sig, len(b)-sig, opaque16(ada.signature(namespace, msg))...)
	}
	m("head.form", "cut short", b[:len(b)-1])
	m("head.form", "a byte after it", append(slices.Clone(b), 0))
	m("head.form", "nothing", nil)
	m("head.author", "sha2-512 multihash", patch(b, 0, 0x13))
	m("head.signature-size", "no signature", splice(b, sig, len(b)-sig, 0, 0))
	m("head.signature-size", "533 bytes", splice(b, sig, len(b)-sig, opaque16(make([]byte, 533))...))
	m("head.seq", "seq 2^63", by(ada).head(wire.Ref{Seq: 1 << 63, Hash: someHash}, now))
	m("head.issued", "issued at 2^63", by(ada).head(end, 1<<63))
	m("head.hash", "seq 0 with a hash", by(ada).head(wire.Ref{Hash: someHash}, now))
	m("head.hash", "seq 3 without a hash", by(ada).head(wire.Ref{Seq: 3}, now))
	v("malformed", "head.topic", "empty topic", "", ada.key, b)
	v("wrong-key", "head.key", "bo's key, and bo's signature", topic, bo.key, craft{ada.id(), bo}.head(end, now))
	const class, check = "bad-signature", "head.signature"
	message := wire.HeadMessage(topic, end, now)
	v(class, check, "a bit of the signature flipped", topic, ada.key, patch(b, len(b)-1, b[len(b)-1]^1))
	v(class, check, "another topic", "another topic", ada.key, b)
	v(class, check, "another seq", topic, ada.key, patch(b, seq, be64(4)...))
	v(class, check, "another hash", topic, ada.key, patch(b, hash, someHash[:]...))
	v(class, check, "issued later", topic, ada.key, patch(b, issued, be64(now+1)...))
	v(class, check, "signed in the namespace of updates", topic, ada.key, signed(wire.NamespaceUpdate, message))
	v(class, check, "the last update's header signed instead", topic, ada.key, signed(wire.NamespaceHead, two.Headers()[1]))
	return f
}

// proofVector is the body of a Fork frame, and the key that is offered with it.
type proofVector struct {
	verdict
	Topic string        `json:"topic"`
	Key   data          `json:"key"`
	Body  data          `json:"body"`
	Means *proofMeaning `json:"means,omitempty"`
}

type proofMeaning struct {
	Author data           `json:"author"`
	First  number         `json:"first"`
	Prev   data           `json:"prev"`
	Chains []chainMeaning `json:"chains"`
}

type chainMeaning struct {
	Updates   []entryMeaning `json:"updates"`
	Signature data           `json:"signature"`
}

func goodProof(name string, p *wire.Proof) proofVector {
	id, prev := p.Author(), p.Prev().Hash
	m := &proofMeaning{Author: id[:], First: number(p.Seq()), Prev: prev[:]}
	for _, c := range p.Chains() {
		refs, entries := c.Refs(), []wire.Entry(nil)
		for _, b := range c.Headers() {
			h := must(wire.ParseHeader(b))
			entries = append(entries, wire.Entry{Time: h.Time, Kind: h.Kind, Channel: h.Channel, Absent: true, Size: h.Size, Digest: h.Digest})
		}
		m.Chains = append(m.Chains, chainMeaning{entryMeanings(entries, func(i int) wire.Ref { return refs[i] }), c.Signature()})
	}
	return proofVector{good(name), p.Topic(), p.Key().Wire(), p.Body(), m}
}

// adaFork proves that ada has signed updates 2 and 3, and another update 2.
func adaFork() *wire.Proof {
	one, two := adaRuns()
	return must(wire.NewProof(two, ada.run(topic, one.End(), change(1, "kv", "another two")), 2))
}

func proofVectors() file[proofVector] {
	f := file[proofVector]{About: "Bodies of Fork frames, in a topic, with the author's key as it came."}
	long := func(content string) *wire.Run {
		entries := make([]wire.Entry, wire.MaxEntries)
		for i := range entries {
			entries[i] = change(uint64(i), strings.Repeat("c", 64), content)
		}
		return rsa4.run(topic, rsa4.start(), entries...)
	}
	f.Good = []proofVector{
		goodProof("two histories from seq 2 on", adaFork()),
		goodProof("two histories from seq 1 on, by an RSA key", must(wire.NewProof(rsa2.run("t", rsa2.start(), change(0, "", "x")),
			rsa2.run("t", rsa2.start(), change(0, "", "y")), 1))),
		goodProof("the longest proof", must(wire.NewProof(long("x"), long("y"), 1))),
	}
	f.Bad = append(badProofs(), badProofSignatures()...)
	return f
}

func badProofs() (list []proofVector) {
	p := adaFork()
	b := p.Body()
	place, one, two := proofParts(p)
	v := func(check, name string, body []byte) {
		list = append(list, proofVector{verdict: bad("malformed", check, name), Topic: topic, Key: ada.key.Wire(), Body: body})
	}
	x, y := []wire.Entry{change(0, "kv", "x")}, []wire.Entry{change(0, "kv", "y")}
	v("proof.size", "57,467 bytes", append(slices.Clone(b), make([]byte, wire.MaxProof+1-len(b))...))
	v("proof.form", "cut short", b[:len(b)-1])
	v("proof.form", "a byte after it", append(slices.Clone(b), 0))
	v("proof.form", "one chain", slices.Concat(place, one))
	v("proof.form", "three chains", slices.Concat(b, two))
	v("proof.form", "nothing", nil)
	v("proof.author", "identity multihash", patch(b, 0, 0))
	v("chain.announced", "257 updates", by(ada).proof(wire.Ref{}, x, slices.Repeat(y, 257)))
	v("chain.announced", "256 updates in 46 bytes each but for one byte", slices.Concat(place, be16(256), make([]byte, 256*46-1)))
	for _, e := range badEntries {
		v(e.check, e.name, by(ada).proof(wire.Ref{}, x, []wire.Entry{e.entry}))
	}
	bare := func(chain []byte) []byte { return chain[:len(chain)-85] }
	v("chain.signature-size", "no signature", slices.Concat(place, bare(one), []byte{0, 0}, two))
	v("chain.signature-size", "533 bytes", slices.Concat(place, bare(one), opaque16(make([]byte, 533)), two))
	v("chain.updates", "a chain without updates", slices.Concat(place, []byte{0, 0}, one[len(one)-85:], two))
	list = append(list, proofVector{verdict: bad("malformed", "chain.topic", "empty topic"), Key: ada.key.Wire(), Body: b})
	for _, p := range badPlaces {
		v("chain."+p.check, p.name, by(ada).proof(p.prev, x, y))
	}
	v("chain.last", "ends at 2^63", by(ada).proof(wire.Ref{Seq: wire.MaxInteger - 1, Hash: someHash}, x, append(y, x...)))
	v("proof.order", "the chains in the other order", slices.Concat(place, two, one))
	v("proof.order", "the same chain twice", slices.Concat(place, one, one))
	v("proof.order", "two chains that start alike and differ later", by(ada).proof(wire.Ref{}, append(x, x...), append(x, y...)))
	return list
}

// proofParts returns what a proof starts with, and the encodings of its two chains.
func proofParts(p *wire.Proof) (place, one, two []byte) {
	b := p.Body()
	n := 74 + 2
	for _, h := range p.Chains()[0].Headers() {
		n += 8 + 1 + 1 + len(must(wire.ParseHeader(h)).Channel) + 4 + 32
	}
	n += 2 + len(p.Chains()[0].Signature())
	return b[:74], b[74:n], b[n:]
}

func badProofSignatures() (list []proofVector) {
	p := adaFork()
	b := p.Body()
	place, one, two := proofParts(p)
	v := func(class, check, name, topic string, key keys.PublicKey, body []byte) {
		list = append(list, proofVector{verdict: bad(class, check, name), Topic: topic, Key: key.Wire(), Body: body})
	}
	const class, check = "bad-signature", "proof.signature"
	sig := func(chain []byte) []byte { return chain[len(chain)-85:] }
	bare := func(chain []byte) []byte { return chain[:len(chain)-85] }
	x, y := []wire.Entry{change(0, "kv", "x")}, []wire.Entry{change(0, "kv", "y")}
	v("wrong-key", "proof.key", "bo's key, and bo's signatures", topic, bo.key, craft{ada.id(), bo}.proof(wire.Ref{}, x, y))
	v(class, check, "a bit of the first signature flipped", topic, ada.key, patch(b, len(place)+len(one)-1, one[len(one)-1]^1))
	v(class, check, "a bit of the second signature flipped", topic, ada.key, patch(b, len(b)-1, b[len(b)-1]^1))
	v(class, check, "the first chain's signature twice", topic, ada.key, slices.Concat(place, one, bare(two), sig(one)))
	v(class, check, "the second chain's signature twice", topic, ada.key, slices.Concat(place, bare(one), sig(two), two))
	v(class, check, "signed by bo, who is no witness against ada", topic, ada.key, craft{ada.id(), bo}.proof(wire.Ref{}, x, y))
	return list
}
