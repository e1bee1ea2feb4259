package wire

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"

	"golang.org/x/crypto/cryptobyte"

	"github.com/hearsaynet/hearsay/keys"
)

// The errors of Open. Both are the deliverer's fault, never the author's.
var (
	ErrWrongKey     = errors.New("wire: wrong key: it does not hash to the author's id")
	ErrBadSignature = errors.New("wire: bad signature: not the author's over these bytes")
)

const (
	formPresent = 1
	formAbsent  = 2
)

// Entry is one update of a run, without what follows from its place.
type Entry struct {
	Time    uint64 // ns since the Unix epoch
	Kind    Kind
	Channel string
	Change  []byte // nil when Absent; aliases the run's bytes, read only
	Absent  bool   // the change has been erased; only Size and Digest are known
	Size    uint32 // of an absent change, else 0 as is Digest
	Digest  [sha256.Size]byte
}

func (e *Entry) commitment() (size uint32, digest [sha256.Size]byte) {
	if e.Absent {
		return e.Size, e.Digest
	}
	return uint32(len(e.Change)), sha256.Sum256(e.Change)
}

// EncodedSize returns the bytes that e takes in a run.
func (e *Entry) EncodedSize() int {
	n := 8 + 1 + 1 + len(e.Channel) + 1 + 4
	if e.Absent {
		return n + sha256.Size
	}
	return n + len(e.Change)
}

// run is what verified and unverified runs and drafts have in common.
type run struct {
	topic   string
	author  keys.NodeID
	first   uint64
	prev    Hash
	entries []Entry
}

// Topic returns the topic that the run belongs to.
func (r *run) Topic() string { return r.topic }

// Author returns the node id of the run's author.
func (r *run) Author() keys.NodeID { return r.author }

// First returns the seq of the first entry.
func (r *run) First() uint64 { return r.first }

// Last returns the seq of the last entry.
func (r *run) Last() uint64 { return r.first + uint64(len(r.entries)) - 1 }

// Len returns the number of entries.
func (r *run) Len() int { return len(r.entries) }

// Prev returns the point that the run continues.
func (r *run) Prev() Ref { return Ref{r.author, r.first - 1, r.prev} }

// walk calls f with each header of the run and its hash, in order. The header is
// reused.
func (r *run) walk(f func(i int, encoded []byte, hash Hash)) {
	buf := appendHeaderPrefix(make([]byte, 0, 512), r.topic, r.author)
	prefix := len(buf)
	h := Header{Prev: r.prev}
	for i := range r.entries {
		e := &r.entries[i]
		h.Seq, h.Time, h.Kind, h.Channel = r.first+uint64(i), e.Time, e.Kind, e.Channel
		h.Size, h.Digest = e.commitment()
		buf = h.appendRest(buf[:prefix])
		hash := Hash(sha256.Sum256(buf))
		f(i, buf, hash)
		h.Prev = hash
	}
}

func (r *run) hashes() []Hash {
	hs := make([]Hash, len(r.entries))
	r.walk(func(i int, _ []byte, h Hash) { hs[i] = h })
	return hs
}

func (r *run) headers() [][]byte {
	out := make([][]byte, 0, len(r.entries))
	r.walk(func(_ int, encoded []byte, _ Hash) { out = append(out, slices.Clone(encoded)) })
	return out
}

// check checks everything that the encoding itself promises.
func (r *run) check() error {
	if err := CheckTopic(r.topic); err != nil {
		return err
	}
	if n := len(r.entries); n == 0 || n > MaxEntries {
		return malformed("run of %d entries (1 to %d)", n, MaxEntries)
	}
	if err := checkPlace(r.first, r.prev); err != nil {
		return err
	}
	if r.Last() > MaxInteger {
		return malformed("run ends at seq %d, out of range", r.Last())
	}
	return nil
}

func (r *run) appendBody(b, sig []byte) []byte {
	b = r.appendPlace(b)
	b = binary.BigEndian.AppendUint16(b, uint16(len(r.entries)))
	for i := range r.entries {
		b = r.entries[i].append(b)
	}
	b = binary.BigEndian.AppendUint16(b, uint16(len(sig)))
	return append(b, sig...)
}

// appendPlace appends what runs and proofs start with.
func (r *run) appendPlace(b []byte) []byte {
	b = append(b, r.author[:]...)
	b = binary.BigEndian.AppendUint64(b, r.first)
	return append(b, r.prev[:]...)
}

func (e *Entry) append(b []byte) []byte {
	b = binary.BigEndian.AppendUint64(b, e.Time)
	b = append(b, byte(e.Kind), byte(len(e.Channel)))
	b = append(b, e.Channel...)
	if e.Absent {
		b = append(b, formAbsent)
		b = binary.BigEndian.AppendUint32(b, e.Size)
		return append(b, e.Digest[:]...)
	}
	b = append(b, formPresent)
	b = binary.BigEndian.AppendUint32(b, uint32(len(e.Change)))
	return append(b, e.Change...)
}

// UnverifiedRun is a well-formed run from a foreign source. Nothing of it may be
// believed, not even its author.
type UnverifiedRun struct {
	run
	sig  []byte
	body []byte
}

// ParseRun reads the body of a Run frame, strictly. The result aliases body, which
// must not be changed afterwards.
func ParseRun(topic string, body []byte) (*UnverifiedRun, error) {
	if len(body) > MaxFrame {
		return nil, malformed("run of %d bytes, at most %d", len(body), MaxFrame)
	}
	u := &UnverifiedRun{run: run{topic: topic}, body: body}
	s := cryptobyte.String(body)
	var author, prev []byte
	var n uint16
	if !s.ReadBytes(&author, keys.IDSize) || !s.ReadUint64(&u.first) || !s.ReadBytes(&prev, HashSize) || !s.ReadUint16(&n) {
		return nil, malformed("run is cut short")
	}
	var err error
	if u.author, err = keys.NodeIDFromBytes(author); err != nil {
		return nil, malformed("run: %v", err)
	}
	u.prev = Hash(prev)
	if int(n) > MaxEntries || int(n)*minEntrySize > len(s) {
		return nil, malformed("run announces %d entries in %d bytes", n, len(s))
	}
	u.entries = make([]Entry, n)
	channel := ""
	for i := range u.entries {
		if err := readEntry(&s, &u.entries[i], channel); err != nil {
			return nil, err
		}
		channel = u.entries[i].Channel
	}
	if !readOpaque16(&s, &u.sig) || !s.Empty() {
		return nil, malformed("run is cut short or has bytes after it")
	}
	if len(u.sig) == 0 || len(u.sig) > keys.MaxSignatureSize {
		return nil, malformed("signature of %d bytes", len(u.sig))
	}
	if err := u.check(); err != nil {
		return nil, err
	}
	return u, nil
}

// readEntry reads one entry; channel is the one before, whose string is shared.
func readEntry(s *cryptobyte.String, e *Entry, channel string) error {
	var name []byte
	var form uint8
	if !s.ReadUint64(&e.Time) || !s.ReadUint8((*uint8)(&e.Kind)) || !readOpaque8(s, &name) || !s.ReadUint8(&form) {
		return malformed("entry is cut short")
	}
	e.shareChannel(name, channel)
	switch form {
	case formPresent:
		if !readOpaque32(s, &e.Change) {
			return malformed("change is cut short")
		}
		e.Change = slices.Clip(e.Change)
	case formAbsent:
		var digest []byte
		if !s.ReadUint32(&e.Size) || !s.ReadBytes(&digest, len(e.Digest)) {
			return malformed("entry is cut short")
		}
		e.Absent, e.Digest = true, [32]byte(digest)
	default:
		return malformed("entry form %d", form)
	}
	return e.check()
}

// shareChannel sets the channel, to the string before when it is the same.
func (e *Entry) shareChannel(name []byte, before string) {
	if string(name) == before {
		e.Channel = before
	} else {
		e.Channel = string(name)
	}
}

// check checks everything about e that does not follow from its place.
func (e *Entry) check() error {
	if e.Absent && e.Change != nil {
		return malformed("absent change of %d bytes", len(e.Change))
	}
	if size := max(uint64(len(e.Change)), uint64(e.Size)); size > MaxChange {
		return malformed("change of %d bytes, at most %d", size, MaxChange)
	}
	return checkEntry(e.Time, e.Kind, e.Channel)
}

// UnverifiedEntries returns the entries, read only.
func (u *UnverifiedRun) UnverifiedEntries() []Entry { return u.entries }

// UnverifiedBody returns the encoding as it came, read only.
func (u *UnverifiedRun) UnverifiedBody() []byte { return u.body }

// Size returns the encoded size in bytes.
func (u *UnverifiedRun) Size() int { return len(u.body) }

// Fingerprint returns the SHA-256 of the whole run with its signature.
func (u *UnverifiedRun) Fingerprint() [sha256.Size]byte { return sha256.Sum256(u.body) }

// UnverifiedEnd returns the place and hash that the run would end at.
func (u *UnverifiedRun) UnverifiedEnd() Ref {
	hs := u.hashes()
	return Ref{u.author, u.Last(), hs[len(hs)-1]}
}

// UnverifiedRef returns the place and hash that the run would give the update of that
// seq, which is one of its own.
func (u *UnverifiedRun) UnverifiedRef(seq uint64) Ref {
	return Ref{u.author, seq, u.hashes()[seq-u.first]}
}

// Open verifies the run: k must hash to the author's id and have signed the last
// header. It is the only way from foreign bytes to a Run.
func (u *UnverifiedRun) Open(k keys.PublicKey) (*Run, error) {
	if k.ID() != u.author {
		return nil, fmt.Errorf("%w %v", ErrWrongKey, u.author)
	}
	hs := u.hashes()
	if k.VerifyDigest(NamespaceUpdate, hs[len(hs)-1], u.sig) != nil {
		return nil, fmt.Errorf("%w: it came for seq %d to %d of %v", ErrBadSignature, u.first, u.Last(), u.author)
	}
	return newRun(u.run, k, u.sig, u.body, hs), nil
}

// InsecureReopenRun is Open without the signature check, for stores: body must be
// Run.Body of a verified run, kept where nobody else writes and guarded by a
// checksum.
func InsecureReopenRun(topic string, k keys.PublicKey, body []byte) (*Run, error) {
	u, err := ParseRun(topic, body)
	if err != nil {
		return nil, err
	}
	return newRun(u.run, k, u.sig, u.body, nil), nil
}

// Run is a verified run. It is immutable and safe for concurrent use.
type Run struct {
	run
	key    keys.PublicKey
	sig    []byte
	body   []byte
	hashes func() []Hash
}

func newRun(r run, k keys.PublicKey, sig, body []byte, hashes []Hash) *Run {
	v := &Run{run: r, key: k, sig: sig, body: body}
	if hashes != nil {
		v.hashes = func() []Hash { return hashes }
	} else {
		v.hashes = sync.OnceValue(v.run.hashes)
	}
	return v
}

// Key returns the author's key.
func (r *Run) Key() keys.PublicKey { return r.key }

// Entries returns the entries, read only.
func (r *Run) Entries() []Entry { return r.entries }

// Signature returns the SSH signature blob over the last header, read only.
func (r *Run) Signature() []byte { return r.sig }

// Body returns the encoding, read only: the very bytes that were verified.
func (r *Run) Body() []byte { return r.body }

// Size returns the encoded size in bytes.
func (r *Run) Size() int { return len(r.body) }

// Ref returns the place and hash of entry i.
func (r *Run) Ref(i int) Ref { return Ref{r.author, r.first + uint64(i), r.hashes()[i]} }

// End returns the place and hash of the last entry.
func (r *Run) End() Ref { return r.Ref(len(r.entries) - 1) }

// Headers returns the encoded headers of the run, in order.
func (r *Run) Headers() [][]byte { return r.headers() }

// CutFront returns the part of r behind seq after; r itself when nothing is cut.
// The end of a run cannot be cut: its signature stands there. after must be
// below Last.
func (r *Run) CutFront(after uint64) *Run {
	if after < r.first {
		return r
	}
	i := int(after - r.first + 1)
	hs := r.hashes()
	part := run{r.topic, r.author, after + 1, hs[i-1], r.entries[i:]}
	return newRun(part, r.key, r.sig, part.appendBody(nil, r.sig), hs[i:])
}

// Draft is a run of one's own that is not signed yet.
type Draft struct {
	run
	message []byte
	ends    []Hash
}

// NewDraft places entries after prev. The error says which bound they break.
func NewDraft(topic string, prev Ref, entries ...Entry) (*Draft, error) {
	d := &Draft{run: run{topic, prev.Author, prev.Seq + 1, prev.Hash, entries}}
	if err := d.check(); err != nil {
		return nil, err
	}
	size := runHeaderSize + 2 + keys.MaxSignatureSize
	for i := range entries {
		e := &entries[i]
		if err := e.check(); err != nil {
			return nil, err
		}
		size += e.EncodedSize()
	}
	if size > MaxFrame {
		return nil, malformed("run of %d bytes, at most %d", size, MaxFrame)
	}
	d.ends = make([]Hash, len(entries))
	d.walk(func(i int, encoded []byte, h Hash) {
		d.ends[i] = h
		if i == len(entries)-1 {
			d.message = slices.Clone(encoded)
		}
	})
	return d, nil
}

// RunRoom is how many bytes of entries (Entry.EncodedSize) fit one run.
const RunRoom = MaxFrame - runHeaderSize - 2 - keys.MaxSignatureSize

// Message returns the newest header: what the author signs in NamespaceUpdate.
func (d *Draft) Message() []byte { return d.message }

// Ref returns the place and hash of entry i.
func (d *Draft) Ref(i int) Ref { return Ref{d.author, d.first + uint64(i), d.ends[i]} }

// Seal checks the signature and makes the run, which shares no memory with the draft.
func (d *Draft) Seal(k keys.PublicKey, sig []byte) (*Run, error) {
	u, err := ParseRun(d.topic, d.appendBody(nil, sig)) // nothing that others would refuse
	if err != nil {
		return nil, err
	}
	return u.Open(k)
}
