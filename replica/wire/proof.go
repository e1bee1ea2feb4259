package wire

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/crypto/cryptobyte"

	"github.com/hearsaynet/hearsay/keys"
)

// ErrNoProof is wrapped by NewProof when two runs do not prove a fork at a seq.
var ErrNoProof = errors.New("wire: no fork proof")

// chain is one of the two histories of a proof: a run that holds no changes.
type chain struct {
	run
	sig []byte
}

// proof is what verified and unverified proofs have in common. Both chains have the
// same topic, author, first seq and prev.
type proof struct {
	chains [2]chain
	body   []byte
}

// Topic returns the topic that the proof belongs to.
func (p *proof) Topic() string { return p.chains[0].topic }

// Author returns the node id of the author who signed two histories.
func (p *proof) Author() keys.NodeID { return p.chains[0].author }

// Size returns the encoded size in bytes.
func (p *proof) Size() int { return len(p.body) }

// UnverifiedProof is a well-formed fork proof from a foreign source. Nothing of it may
// be believed, not even its author.
type UnverifiedProof struct {
	proof
}

// ParseProof reads the body of a Fork frame, strictly. The result aliases body, which
// must not be changed afterwards.
func ParseProof(topic string, body []byte) (*UnverifiedProof, error) {
	if len(body) > MaxProof {
		return nil, malformed("proof of %d bytes, at most %d", len(body), MaxProof)
	}
	s := cryptobyte.String(body)
	var author, prev []byte
	var first uint64
	if !s.ReadBytes(&author, keys.IDSize) || !s.ReadUint64(&first) || !s.ReadBytes(&prev, HashSize) {
		return nil, malformed("proof is cut short")
	}
	id, err := keys.NodeIDFromBytes(author)
	if err != nil {
		return nil, malformed("proof: %v", err)
	}
	u := &UnverifiedProof{proof{body: body}}
	for i := range u.chains {
		c := &u.chains[i]
		c.run = run{topic: topic, author: id, first: first, prev: Hash(prev)}
		if err := c.read(&s); err != nil {
			return nil, err
		}
	}
	if !s.Empty() {
		return nil, malformed("proof has bytes after it")
	}
	one, two := u.chains[0].start(), u.chains[1].start()
	if bytes.Compare(one[:], two[:]) >= 0 {
		return nil, malformed("proof whose chains start alike or are not in the order of their first hashes")
	}
	return u, nil
}

// read reads and checks what one chain has of its own.
func (c *chain) read(s *cryptobyte.String) error {
	var n uint16
	if !s.ReadUint16(&n) {
		return malformed("proof is cut short")
	}
	if int(n) > MaxEntries || int(n)*minCommitmentSize > len(*s) {
		return malformed("chain announces %d updates in %d bytes", n, len(*s))
	}
	c.entries = make([]Entry, n)
	channel := ""
	for i := range c.entries {
		if err := readCommitment(s, &c.entries[i], channel); err != nil {
			return err
		}
		channel = c.entries[i].Channel
	}
	if !readOpaque16(s, &c.sig) {
		return malformed("proof is cut short")
	}
	if len(c.sig) == 0 || len(c.sig) > keys.MaxSignatureSize {
		return malformed("signature of %d bytes", len(c.sig))
	}
	return c.check()
}

// readCommitment reads what a header says of its change; channel is the one before,
// whose string is shared.
func readCommitment(s *cryptobyte.String, e *Entry, channel string) error {
	var name, digest []byte
	if !s.ReadUint64(&e.Time) || !s.ReadUint8((*uint8)(&e.Kind)) || !readOpaque8(s, &name) ||
		!s.ReadUint32(&e.Size) || !s.ReadBytes(&digest, len(e.Digest)) {
		return malformed("chain is cut short")
	}
	e.shareChannel(name, channel)
	e.Absent, e.Digest = true, [32]byte(digest)
	return e.check()
}

// start returns the hash of the first update.
func (c *chain) start() (first Hash) {
	head := c.run
	head.entries = head.entries[:1]
	return head.hashes()[0]
}

func (c *chain) append(b []byte) []byte {
	b = binary.BigEndian.AppendUint16(b, uint16(len(c.entries)))
	for i := range c.entries {
		e := &c.entries[i]
		b = binary.BigEndian.AppendUint64(b, e.Time)
		b = append(b, byte(e.Kind), byte(len(e.Channel)))
		b = append(b, e.Channel...)
		b = binary.BigEndian.AppendUint32(b, e.Size)
		b = append(b, e.Digest[:]...)
	}
	b = binary.BigEndian.AppendUint16(b, uint16(len(c.sig)))
	return append(b, c.sig...)
}

// UnverifiedSeq returns the seq at which the two histories are said to differ first.
func (u *UnverifiedProof) UnverifiedSeq() uint64 { return u.chains[0].first }

// UnverifiedBody returns the encoding as it came, read only.
func (u *UnverifiedProof) UnverifiedBody() []byte { return u.body }

// Len returns the number of updates in both chains.
func (u *UnverifiedProof) Len() int { return len(u.chains[0].entries) + len(u.chains[1].entries) }

// Fingerprint returns the SHA-256 of the whole proof with its signatures.
func (u *UnverifiedProof) Fingerprint() [sha256.Size]byte { return sha256.Sum256(u.body) }

// Open verifies the proof: k must hash to the author's id and have signed the last
// header of each chain. It is the only way from foreign bytes to a Proof.
func (u *UnverifiedProof) Open(k keys.PublicKey) (*Proof, error) {
	if k.ID() != u.Author() {
		return nil, fmt.Errorf("%w %v", ErrWrongKey, u.Author())
	}
	p := &Proof{proof: u.proof, key: k}
	for i := range p.chains {
		c := &p.chains[i]
		hs := c.hashes()
		if k.VerifyDigest(NamespaceUpdate, hs[len(hs)-1], c.sig) != nil {
			return nil, fmt.Errorf("%w: it came for the fork at seq %d of %v", ErrBadSignature, c.first, c.author)
		}
		p.hashes[i] = hs
	}
	return p, nil
}

// Proof is a verified fork proof: its author has signed two histories. It is immutable
// and safe for concurrent use.
type Proof struct {
	proof
	key    keys.PublicKey
	hashes [2][]Hash
}

// NewProof makes the proof that the author of a and b has signed two updates of seq. Both
// runs hold seq, agree on all before it and differ there; else the error wraps ErrNoProof.
// The signatures are checked again: what others would refuse is not made.
func NewProof(a, b *Run, seq uint64) (*Proof, error) {
	if a.topic != b.topic || a.author != b.author {
		return nil, fmt.Errorf("%w: the runs are of %v in topic %q and %v in topic %q", ErrNoProof, a.author, a.topic, b.author, b.topic)
	}
	for _, r := range []*Run{a, b} {
		if seq < r.first || seq > r.Last() {
			return nil, fmt.Errorf("%w: seq %d is not in the run of seq %d to %d", ErrNoProof, seq, r.first, r.Last())
		}
	}
	one, two := a.commitments(seq), b.commitments(seq)
	if one.prev != two.prev {
		return nil, fmt.Errorf("%w: the runs differ before seq %d already", ErrNoProof, seq)
	}
	x, y := one.start(), two.start()
	switch bytes.Compare(x[:], y[:]) {
	case 0:
		return nil, fmt.Errorf("%w: the runs have the same update of seq %d", ErrNoProof, seq)
	case +1:
		one, two = two, one
	}
	u, err := ParseProof(a.topic, two.append(one.append(one.appendPlace(nil))))
	if err != nil {
		return nil, err
	}
	return u.Open(a.key)
}

// commitments returns the chain of r's headers from seq on.
func (r *Run) commitments(seq uint64) *chain {
	i := int(seq - r.first)
	c := &chain{run{r.topic, r.author, seq, r.prev, slices.Clone(r.entries[i:])}, r.sig}
	if i > 0 {
		c.prev = r.hashes()[i-1]
	}
	for j := range c.entries {
		e := &c.entries[j]
		e.Size, e.Digest = e.commitment()
		e.Absent, e.Change = true, nil
	}
	return c
}

// Seq returns the first seq at which the two histories differ.
func (p *Proof) Seq() uint64 { return p.chains[0].first }

// Prev returns the last update that the two histories share, or the point before the
// first update.
func (p *Proof) Prev() Ref { return p.chains[0].Prev() }

// Key returns the author's key.
func (p *Proof) Key() keys.PublicKey { return p.key }

// Body returns the encoding, read only: the very bytes that were verified.
func (p *Proof) Body() []byte { return p.body }

// Chains returns the two histories, from Seq on.
func (p *Proof) Chains() [2]ProofChain {
	return [2]ProofChain{{&p.chains[0], p.hashes[0]}, {&p.chains[1], p.hashes[1]}}
}

// ProofChain is one of the two histories of a proof: 1 to MaxEntries updates, and a
// signature over the last.
type ProofChain struct {
	c      *chain
	hashes []Hash
}

// Headers returns the encoded headers, in order.
func (c ProofChain) Headers() [][]byte { return c.c.headers() }

// Refs returns the places and hashes of the updates, in order.
func (c ProofChain) Refs() []Ref {
	refs := make([]Ref, len(c.hashes))
	for i, h := range c.hashes {
		refs[i] = Ref{c.c.author, c.c.first + uint64(i), h}
	}
	return refs
}

// Signature returns the SSH signature blob over the last header, read only.
func (c ProofChain) Signature() []byte { return c.c.sig }
