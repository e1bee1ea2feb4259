// Package store keeps runs, frontiers and records, in memory or in one file.
//
// A store is written by the replica only, through verified types: [wire.Run] cannot
// be made without a valid signature. It keeps, for each topic and author, a chain of
// runs without holes from seq 1 on, the frontier of that chain, and the author's key;
// and records: other signed facts (heads, proofs), of which the newest of a kind stays.
//
// # File
//
// [Bolt] is a bbolt file with five buckets. Every value is guarded by a CRC-32C over
// the bucket's name, its key and its body: what has to be found is bits that flip at
// rest and values that change places, not attackers, who could write a whole file.
//
//	hearsay    "format"                  uint32, now 1
//	hearsay    "origin"                  uint64 inode; opaque machine[16]
//	runs       topic, author, first seq  wire.Run's body
//	frontiers  topic, author             uint64 seq; opaque hash[32]; uint64 end
//	keys       topic, author             SSH wire form
//	records    topic, kind, author       body
//
// A topic and a kind are a length byte and the name, an author 34 bytes, numbers
// big-endian. The first two values keep their place and form in every format. end is
// the seq of the last stored update; it is above seq when a cut falls into a run.
//
// The pages of the file carry no checksum, and bbolt trusts them. So their structure
// is checked before bbolt sees the file (up to 256 MiB; above, by Check).
package store

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// Store keeps the runs and records of any number of topics. All methods are safe for
// concurrent use.
//
// An error of a reading method that wraps ErrDamaged is, or wraps, a *Fault that names
// the place. An error of a writing method says that nothing is promised to be stored;
// after one that is neither ErrNotContiguous nor ctx's, ask Frontier.
type Store interface {
	// Append stores runs. When it returns nil, all are durable. It stores all or none:
	// the error wraps ErrNotContiguous when a run's Prev is not exactly its author's
	// frontier. Several runs of one author may follow each other. ctx ends the wait for
	// a turn, not a write that has begun.
	Append(ctx context.Context, runs ...*wire.Run) error
	// Frontier returns the author's last stored update, or Seq 0 when there is none.
	Frontier(topic string, a keys.NodeID) (wire.Ref, error)
	// Frontiers yields the frontiers of a topic's authors, ascending by id.
	Frontiers(topic string) iter.Seq2[wire.Ref, error]
	// Runs yields the author's runs from seq after.Seq+1 on, the first one cut at its
	// front when it begins below. after.Hash is not checked. It reads on while runs
	// are appended. When the author has been cut inside a run, that run comes whole:
	// the reader stops at Frontier. The iteration ends at its first error.
	Runs(topic string, after wire.Ref) iter.Seq2[*wire.Run, error]
	// Key returns the key of an author with stored runs, else ErrNotFound.
	Key(topic string, a keys.NodeID) (keys.PublicKey, error)
	// Truncate drops the author's runs that begin above keep, and makes keep its
	// frontier. The run that keep falls into is kept whole, because its signature is
	// the only one the kept part has; such an author takes no more runs until it is
	// truncated to the end of one. With keep 0 nothing of the author stays but its
	// records. A keep that is not below the frontier changes nothing.
	Truncate(ctx context.Context, topic string, a keys.NodeID, keep uint64) error
	// PutRecords stores records in place of those of the same topic, kind and author: all
	// or none, and durable when it returns nil. Of two of one author the later stays. A
	// kind is 1 to MaxRecordKind bytes, a body at most MaxRecord.
	PutRecords(ctx context.Context, topic, kind string, records ...Record) error
	// Record returns a record's body, else ErrNotFound.
	Record(topic, kind string, a keys.NodeID) ([]byte, error)
	// Records yields the records of a kind, ascending by author.
	Records(topic, kind string) iter.Seq2[Record, error]
	// DeleteRecord removes a record, if it is there.
	DeleteRecord(ctx context.Context, topic, kind string, a keys.NodeID) error
	// Topics returns the topics that have runs or records, in bytewise order.
	Topics() ([]string, error)
	// Check checks everything, signatures included, and reports each fault. Its error
	// says only that it could not finish. Appends may go on meanwhile.
	Check(ctx context.Context, report func(Fault)) error
	// Close waits for what is being written, refuses what waits, and releases the store.
	Close() error
}

// Record is a signed fact about an author that is not an update.
type Record struct {
	Author keys.NodeID
	Body   []byte
}

// The errors of stores.
var (
	ErrNotContiguous = errors.New("store: run does not continue the author's frontier")
	ErrNotFound      = errors.New("store: not found")
	ErrClosed        = errors.New("store: closed")
	ErrLocked        = errors.New("locked by another process")
	ErrDamaged       = errors.New("damaged")
	ErrNotStore      = errors.New("not a hearsay store")
	ErrNewer         = errors.New("written by a newer hearsay")
	ErrWrite         = errors.New("nothing was stored")
)

// Fault is a place where a store is damaged. A *Fault is an error that wraps ErrDamaged.
type Fault struct {
	Topic  string      // empty when the fault has none
	Author keys.NodeID // zero when the fault has none
	Seq    uint64      // 0 when the fault has none
	Where  string      // a bucket, or a page of the file
	What   string
}

func (f *Fault) Error() string {
	s := "damaged " + f.Where
	if f.Topic != "" {
		s += fmt.Sprintf(", topic %q", f.Topic)
	}
	if !f.Author.IsZero() {
		s += ", author " + f.Author.String()
	}
	if f.Seq != 0 {
		s += fmt.Sprintf(", seq %d", f.Seq)
	}
	return s + ": " + f.What
}

func (f *Fault) Unwrap() error { return ErrDamaged }

// chain is what a store knows of an author in a topic. The zero chain has no runs.
type chain struct {
	frontier wire.Ref
	end      uint64 // last stored seq; above frontier.Seq after a cut inside a run
}

// chainID names a chain.
type chainID struct {
	topic  string
	author keys.NodeID
}

// follow returns the chain with r behind it. end is r.End().
func (c chain) follow(r *wire.Run, end wire.Ref) (chain, error) {
	at := c.frontier
	at.Author = r.Author()
	if c.end != at.Seq {
		return c, fmt.Errorf("%w: author %v in topic %q is cut at seq %d, inside a run that ends at %d",
			ErrNotContiguous, at.Author, r.Topic(), at.Seq, c.end)
	}
	if prev := r.Prev(); prev != at {
		return c, fmt.Errorf("%w: author %v in topic %q is stored up to seq %d (%v), the run continues seq %d (%v)",
			ErrNotContiguous, at.Author, r.Topic(), at.Seq, at.Hash, prev.Seq, prev.Hash)
	}
	return chain{frontier: end, end: end.Seq}, nil
}

// followAll checks runs against the chains that get knows, and returns what the
// chains become.
func followAll(get func(chainID) chain, runs []*wire.Run) (map[chainID]chain, error) {
	next := make(map[chainID]chain, 1)
	for _, r := range runs {
		id := chainID{r.Topic(), r.Author()}
		c, ok := next[id]
		if !ok {
			c = get(id)
		}
		c, err := c.follow(r, r.End())
		if err != nil {
			return nil, err
		}
		next[id] = c
	}
	return next, nil
}

func checkRecords(topic, kind string, records ...Record) error {
	if err := wire.CheckTopic(topic); err != nil {
		return fmt.Errorf("store: %w", err)
	}
	if len(kind) == 0 || len(kind) > MaxRecordKind {
		return fmt.Errorf("store: record kind of %d bytes (1 to %d)", len(kind), MaxRecordKind)
	}
	for _, r := range records {
		if len(r.Body) > MaxRecord {
			return fmt.Errorf("store: record of %d bytes about %v, at most %d", len(r.Body), r.Author, MaxRecord)
		}
	}
	return nil
}
