package node

import (
	"context"
	"io"
	"iter"
	"time"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/node/models"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// API is what commands do with a node, running or not. *Node implements it; so does
// the client of a running node's socket.
type API interface {
	Status(ctx context.Context) (*Status, error)

	// Set, Delete, Get, Keys, Dump and Watch are the key-value model of channel "kv".
	Set(ctx context.Context, key string, value []byte) (wire.Ref, error)
	// SetUntil is Set of a value that is not shown from a time on.
	SetUntil(ctx context.Context, key string, value []byte, expires time.Time) (wire.Ref, error)
	// SetMany sets up to 256 keys under one signature and one commit.
	SetMany(ctx context.Context, pairs []Pair) ([]wire.Ref, error)
	Delete(ctx context.Context, key string) (wire.Ref, error)
	// Get's error wraps ErrNoKey when there is no such key.
	Get(ctx context.Context, key string) (Value, error)
	// Dump yields all values, bytewise by key.
	Dump(ctx context.Context) iter.Seq2[Value, error]
	// Watch yields the changes, from the call on, of keys that match glob, until ctx ends.
	Watch(ctx context.Context, glob string) iter.Seq2[Change, error]

	// Publish appends events of one name to channel "events", up to 256 under one signature.
	Publish(ctx context.Context, name string, data ...[]byte) ([]wire.Ref, error)
	// PublishFor is Publish of events that are told to nobody when d has passed.
	PublishFor(ctx context.Context, name string, d time.Duration, data ...[]byte) ([]wire.Ref, error)
	// Tail yields events in their order, and with Follow goes on until ctx ends.
	Tail(ctx context.Context, q TailQuery) iter.Seq2[Event, error]

	// Do carries out an operation on a data model: package models has them.
	models.Doer

	// History yields the stored updates that count and are selected. Sort is not asked for.
	History(ctx context.Context, s replica.Selection) iter.Seq2[Update, error]

	// Channels returns the topic's channels, bytewise by name: those that have updates which
	// count, and those that have a model here. It reads all that is stored.
	Channels(ctx context.Context) ([]Channel, error)

	// Export writes an export file, and returns what it holds. With Follow it goes on until
	// ctx ends, which is no error.
	Export(ctx context.Context, w io.Writer, o replica.ExportConfig) (replica.Clock, error)
	Import(ctx context.Context, r io.Reader) (replica.ImportResult, error)
	// Extract returns the signature that covers one update, and what is needed to check it.
	Extract(ctx context.Context, author keys.NodeID, seq uint64) (*Extract, error)
	Explain(ctx context.Context, author keys.NodeID, seq uint64) (*Explanation, error)
	// Proofs yields the proofs, each verified, that admitted authors have signed two
	// histories, by author.
	Proofs(ctx context.Context) iter.Seq2[*wire.Proof, error]

	// Close lets go of the node; a running node goes on.
	Close() error
}

// Pair is a key and the value that it is set to.
type Pair struct {
	Key     string    `json:"key"`
	Value   []byte    `json:"value"`
	Expires time.Time `json:"expires,omitzero"` // as in SetUntil; zero: never
}

// Value is a key's value and the update that set it.
type Value struct {
	Key    string      `json:"key"`
	Value  []byte      `json:"value"`
	Author keys.NodeID `json:"author"`
	Seq    uint64      `json:"seq"`
	Time   time.Time   `json:"time"`
	Hash   wire.Hash   `json:"hash"`
	// Expires is from when on the value is not shown; zero: never.
	Expires time.Time `json:"expires,omitzero"`
}

// Change is one change of a key; Old and New are nil where there is no value.
type Change struct {
	Key   string `json:"key"`
	Old   *Value `json:"old,omitempty"`
	New   *Value `json:"new,omitempty"`
	Local bool   `json:"local"`
	// Expired says that Old has come to its time.
	Expired bool `json:"expired,omitempty"`
	// Lost is, in a Change with nothing else in it, how many changes were missed here
	// because the reader was too slow.
	Lost uint64 `json:"lost,omitempty"`
}

// TailQuery says which events Tail yields. Its zero value is all that are there.
type TailQuery struct {
	Pattern string    `json:"pattern,omitempty"` // "" for every name
	Since   time.Time `json:"since,omitzero"`    // leaves out what is dated before
	Last    int       `json:"last,omitempty"`    // leaves out all but the last so many of what is there; 0: none, -1: all
	Follow  bool      `json:"follow,omitempty"`
}

// Event is one event and the update that published it.
type Event struct {
	Name   string      `json:"name"`
	Data   []byte      `json:"data"`
	Author keys.NodeID `json:"author"`
	Seq    uint64      `json:"seq"`
	Time   time.Time   `json:"time"`
	// Until is from when on nobody is told of it; zero: for ever.
	Until time.Time `json:"until,omitzero"`
}

// Update is one update, of any channel.
type Update struct {
	Author  keys.NodeID `json:"author"`
	Seq     uint64      `json:"seq"`
	Hash    wire.Hash   `json:"hash"`
	Time    time.Time   `json:"time"`
	Channel string      `json:"channel"`
	Change  []byte      `json:"change"`
	Local   bool        `json:"local"`
}

// Channel is a channel of a topic.
type Channel struct {
	Channel string `json:"channel"`
	Updates uint64 `json:"updates"`         // that count
	Bytes   uint64 `json:"bytes"`           // of their changes
	Model   string `json:"model,omitempty"` // the model that it has here now
}

// PeerState is how a link stands. The texts are stable.
type PeerState string

// The states of a peer.
const (
	PeerDialing PeerState = "dialing"
	PeerLinked  PeerState = "linked"
	PeerBackoff PeerState = "backoff"
	PeerRefused PeerState = "refused"
)

// Peer is one configured or connected peer.
type Peer struct {
	ID         *keys.NodeID `json:"id"` // nil until it has proved one
	Address    string       `json:"address"`
	State      PeerState    `json:"state"`
	Reason     string       `json:"reason,omitempty"`
	BytesIn    uint64       `json:"bytes_in"`
	BytesOut   uint64       `json:"bytes_out"`
	UpdatesIn  uint64       `json:"updates_in"`
	UpdatesOut uint64       `json:"updates_out"`
	// Dialed says that this node dials the peer, as it was told to; else the peer came.
	Dialed bool `json:"dialed"`
	// Sessions says, for each topic, how what the link brings compares to what authors
	// have signed.
	Sessions []replica.LinkStatus `json:"sessions,omitempty"`
}

// Extract is one update in the form that stock ssh-keygen checks.
type Extract struct {
	Key    []byte   `json:"key"`    // the author's public key, SSH wire form
	Header []byte   `json:"header"` // the signed header: the update's own, or a later one
	Chain  [][]byte `json:"chain"`  // the headers from the update's own to the signed one; one element if they are the same
	Change []byte   `json:"change"`
	Digest [32]byte `json:"digest"` // SHA-256 of Change, as the update's header states it
	Sig    []byte   `json:"sig"`    // armored SSHSIG over Header
}

// Explanation is replica.Explanation with what a command needs to help.
type Explanation struct {
	replica.Explanation
	// OfferedKey is an authorized_keys line of an author that is not admitted.
	OfferedKey string `json:"offered_key,omitempty"`
}
