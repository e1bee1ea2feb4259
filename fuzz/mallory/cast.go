package mallory

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"sync"
	"time"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica/wire"
	"github.com/hearsaynet/hearsay/sign"
)

// Mark stands at the end of every change that a Relay makes up.
const Mark = " by mallory"

// cast is whom a Relay signs as. Its authors are new in each process, and always say the
// same in it.
type cast struct {
	salt  [32]byte
	began time.Time
	key   sign.Signer // of Config

	mu       sync.Mutex // guards branches
	branches map[string][2][]byte
}

func newCast(salt [32]byte, began time.Time, key sign.Signer) *cast {
	return &cast{salt: salt, began: began, key: key, branches: make(map[string][2][]byte)}
}

// author is a key to sign with.
type author struct{ signer sign.Signer }

// author returns the throw-away author of that name.
func (c *cast) author(name string) (author, error) {
	seed := sha256.Sum256(append(c.salt[:], name...))
	k, err := sign.NewEd25519(ed25519.NewKeyFromSeed(seed[:]))
	if err != nil {
		return author{}, fmt.Errorf("mallory: %w", err)
	}
	return author{k}, nil
}

// admitted returns the author that Config.Key is, or else a throw-away one.
func (c *cast) admitted(name string) (author, error) {
	if c.key != nil {
		return author{c.key}, nil
	}
	return c.author(name)
}

func (a author) id() keys.NodeID { return a.signer.Public().ID() }

func (a author) start() wire.Ref { return wire.Ref{Author: a.id()} }

// update is one update and what it says, true or not.
type update struct {
	wire.Header
	change []byte
	absent bool // only size and digest travel
}

// next returns an update behind prev that says what another one does, with the mark.
func next(topic string, prev wire.Ref, like wire.Entry, at uint64) update {
	u := update{change: append(bytes.Clone(like.Change), Mark...)}
	u.Header = wire.Header{Topic: topic, Author: prev.Author, Seq: prev.Seq + 1, Time: at, Prev: prev.Hash, Kind: wire.KindChange, Channel: like.Channel,
		Size: uint32(len(u.change)), Digest: sha256.Sum256(u.change)}
	return u
}

// ref returns what the one after u builds on.
func (u update) ref() wire.Ref { return wire.Ref{Author: u.Author, Seq: u.Seq, Hash: u.Hash()} }

// signed returns the body of u as a run of one, signed by a, whoever u says its author is.
func (a author) signed(ctx context.Context, u update) ([]byte, error) {
	sig, err := a.signer.Sign(ctx, wire.NamespaceUpdate, u.Append(nil))
	if err != nil {
		return nil, fmt.Errorf("mallory: %w", err)
	}
	return u.body(sig), nil
}

// body returns a run of one update (wire.Run). Package wire makes none that is a lie.
func (u update) body(sig []byte) []byte {
	b := placeOf(u.Author, u.Seq, u.Prev, 1)
	b = u.appendEntry(b)
	return appendOpaque16(b, sig)
}

func placeOf(author keys.NodeID, seq uint64, prev wire.Hash, entries int) []byte {
	b := append([]byte(nil), author[:]...)
	b = binary.BigEndian.AppendUint64(b, seq)
	b = append(b, prev[:]...)
	return binary.BigEndian.AppendUint16(b, uint16(entries))
}

func (u update) appendEntry(b []byte) []byte {
	const present, absent = 1, 2
	b = binary.BigEndian.AppendUint64(b, u.Time)
	b = append(b, byte(u.Kind), byte(len(u.Channel)))
	b = append(b, u.Channel...)
	if u.absent {
		b = append(b, absent)
		b = binary.BigEndian.AppendUint32(b, u.Size)
		return append(b, u.Digest[:]...)
	}
	b = append(b, present)
	b = binary.BigEndian.AppendUint32(b, uint32(len(u.change)))
	return append(b, u.change...)
}

func appendOpaque16(b, s []byte) []byte {
	b = binary.BigEndian.AppendUint16(b, uint16(len(s)))
	return append(b, s...)
}

// signatureOf returns what stands behind a run's last length.
func signatureOf(u *wire.UnverifiedRun) []byte {
	n := 0
	for _, e := range u.UnverifiedEntries() {
		n += e.EncodedSize()
	}
	return u.UnverifiedBody()[len(placeOf(keys.NodeID{}, 0, wire.Hash{}, 0))+n+2:]
}

// head returns the body of a head of an author that has written nothing.
func (a author) head(ctx context.Context, topic string, issued time.Time) ([]byte, error) {
	at := uint64(issued.UnixNano())
	sig, err := a.signer.Sign(ctx, wire.NamespaceHead, wire.HeadMessage(topic, a.start(), at))
	if err != nil {
		return nil, fmt.Errorf("mallory: %w", err)
	}
	h, err := wire.SealHead(topic, a.start(), at, a.signer.Public(), sig)
	if err != nil {
		return nil, fmt.Errorf("mallory: %w", err)
	}
	return h.Body(), nil
}

// ofKey is the Key frame of an author.
func (a author) ofKey(handle uint16) *message {
	return made(wire.FrameKey, handle, a.signer.Public().Wire())
}
