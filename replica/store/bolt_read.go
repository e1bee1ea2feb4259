package store

import (
	"bytes"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// view runs a read transaction. f must not keep what it is shown, nor wait: while it
// runs, the file cannot be mapped anew.
func (b *Bolt) view(f func(*bolt.Tx) error) error {
	err := b.guard(func() error { return b.db.View(f) })
	if errors.Is(err, bolterrors.ErrDatabaseNotOpen) {
		return ErrClosed
	}
	return err
}

// located adds the file and what to do to an error of a reading method.
func (b *Bolt) located(err error) error {
	if errors.Is(err, ErrDamaged) {
		return fmt.Errorf("store: %s: %w%s", b.path, err, adviceDamaged)
	}
	return err
}

func (b *Bolt) chain(id chainID) chain {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.chains[id.topic][id.author]
}

// Frontier implements Store. It does not touch the disk.
func (b *Bolt) Frontier(topic string, a keys.NodeID) (wire.Ref, error) {
	if b.closed.Load() {
		return wire.Ref{Author: a}, ErrClosed
	}
	ref := b.chain(chainID{topic, a}).frontier
	ref.Author = a
	return ref, nil
}

// Frontiers implements Store. It does not touch the disk.
func (b *Bolt) Frontiers(topic string) iter.Seq2[wire.Ref, error] {
	return func(yield func(wire.Ref, error) bool) {
		if b.closed.Load() {
			yield(wire.Ref{}, ErrClosed)
			return
		}
		b.mu.RLock()
		refs := make([]wire.Ref, 0, len(b.chains[topic]))
		for _, c := range b.chains[topic] {
			refs = append(refs, c.frontier)
		}
		b.mu.RUnlock()
		yieldFrontiers(refs, nil, yield)
	}
}

// Key implements Store.
func (b *Bolt) Key(topic string, a keys.NodeID) (keys.PublicKey, error) {
	if b.closed.Load() {
		return keys.PublicKey{}, ErrClosed
	}
	id := chainID{topic, a}
	b.mu.RLock()
	_, stored := b.chains[topic][a]
	k, cached := b.known[a]
	b.mu.RUnlock()
	if !stored {
		return keys.PublicKey{}, ErrNotFound
	}
	if cached {
		return k, nil
	}
	k, err := b.readKey(id)
	if err != nil {
		return keys.PublicKey{}, b.located(err)
	}
	b.mu.Lock()
	b.known[a] = k
	b.mu.Unlock()
	return k, nil
}

func (b *Bolt) readKey(id chainID) (k keys.PublicKey, err error) {
	err = b.view(func(tx *bolt.Tx) error {
		key := chainKey(id)
		k, err = decodeKey(id, key, tx.Bucket(bucketKeys).Get(key))
		return err
	})
	return k, err
}

func decodeKey(id chainID, key, value []byte) (keys.PublicKey, error) {
	fault := func(err error) error {
		return &Fault{Topic: id.topic, Author: id.author, Where: string(bucketKeys), What: err.Error()}
	}
	if value == nil {
		return keys.PublicKey{}, fault(errors.New("the author's key is missing"))
	}
	body, err := unseal(bucketKeys, key, value)
	if err != nil {
		return keys.PublicKey{}, fault(err)
	}
	k, err := keys.ParsePublicKey(body)
	if err == nil && k.ID() != id.author {
		err = errors.New("it is another author's key")
	}
	if err != nil {
		return keys.PublicKey{}, fault(err)
	}
	return k, nil
}

// storedRun is a run as it lies in the file, its checksum checked.
type storedRun struct {
	first uint64
	body  []byte // a copy
}

func runFault(id chainID, seq uint64, err error) *Fault {
	return &Fault{id.topic, id.author, seq, string(bucketRuns), err.Error()}
}

var errMissing = errors.New("the run is missing")

// scanRuns returns up to most of the author's runs, or as many as exceed maxScanBytes,
// beginning with the one that seq falls into.
func scanRuns(tx *bolt.Tx, id chainID, seq uint64, most int) ([]storedRun, error) {
	prefix, want := chainKey(id), runKey(id, seq)
	c := tx.Bucket(bucketRuns).Cursor()
	k, v := c.Seek(want)
	switch {
	case k == nil:
		k, v = c.Last()
	case !bytes.Equal(k, want):
		k, v = c.Prev()
	}
	var out []storedRun
	for size := 0; bytes.HasPrefix(k, prefix) && len(out) < most && size < maxScanBytes; k, v = c.Next() {
		_, first, ok := parseRunKey(k)
		if !ok {
			return nil, runFault(id, seq, errShape)
		}
		body, err := unseal(bucketRuns, k, v)
		if err != nil {
			return nil, runFault(id, first, err)
		}
		out = append(out, storedRun{first, bytes.Clone(body)})
		size += len(body)
	}
	if len(out) == 0 {
		return nil, runFault(id, seq, errMissing)
	}
	return out, nil
}

// Runs implements Store.
func (b *Bolt) Runs(topic string, after wire.Ref) iter.Seq2[*wire.Run, error] {
	return func(yield func(*wire.Run, error) bool) {
		id := chainID{topic, after.Author}
		for at := after.Seq; ; {
			runs, err := b.runsAfter(id, at)
			if err != nil {
				yield(nil, b.located(err))
				return
			}
			if len(runs) == 0 {
				return
			}
			for _, r := range runs {
				if !yield(r.CutFront(at), nil) {
					return
				}
				at = r.Last()
			}
		}
	}
}

// runsAfter returns some of the author's runs from the one that seq at+1 falls into,
// or none when at is the end.
func (b *Bolt) runsAfter(id chainID, at uint64) ([]*wire.Run, error) {
	for {
		if b.closed.Load() {
			return nil, ErrClosed
		}
		b.mu.RLock()
		c, truncations := b.chains[id.topic][id.author], b.truncations
		b.mu.RUnlock()
		// What is stored beyond c.end is not known to be durable yet.
		if at >= c.end {
			return nil, nil
		}
		runs, err := b.readRuns(id, at, c.end)
		if err == nil || !b.truncatedSince(truncations) {
			return runs, err
		}
	}
}

// truncatedSince waits for the transaction that is being written, and reports whether
// a chain has been truncated.
func (b *Bolt) truncatedSince(truncations uint64) bool {
	b.committing.Lock()
	defer b.committing.Unlock()
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.truncations != truncations
}

func (b *Bolt) readRuns(id chainID, at, end uint64) (runs []*wire.Run, err error) {
	k, err := b.Key(id.topic, id.author)
	if err != nil {
		return nil, err
	}
	var found []storedRun
	err = b.view(func(tx *bolt.Tx) error {
		found, err = scanRuns(tx, id, at+1, maxScan)
		return err
	})
	if err != nil {
		return nil, err
	}
	for i, s := range found {
		if s.first > end {
			break
		}
		r, err := wire.InsecureReopenRun(id.topic, k, s.body)
		if err != nil || r.Author() != id.author || r.First() != s.first {
			return nil, runFault(id, s.first, errShape)
		}
		if r.Last() <= at || i > 0 && r.First() != at+1 {
			return nil, runFault(id, at+1, errMissing)
		}
		runs, at = append(runs, r), r.Last()
	}
	return runs, nil
}

// scan calls f with copies of the entries whose keys start with prefix, in order,
// outside of any transaction, until f returns false.
func (b *Bolt) scan(bucket, prefix []byte, f func(k, v []byte) bool) error {
	type entry struct{ k, v []byte }
	for from, more := prefix, true; more; {
		var entries []entry
		err := b.view(func(tx *bolt.Tx) error {
			c, size := tx.Bucket(bucket).Cursor(), 0
			k, v := c.Seek(from)
			if err := inOrder(bucket, from, k); err != nil {
				return err
			}
			for ; k != nil && bytes.HasPrefix(k, prefix) && len(entries) < maxScan && size < maxScanBytes; k, v = c.Next() {
				v = v[:min(len(v), maxStored+1)]
				entries = append(entries, entry{bytes.Clone(k), bytes.Clone(v)})
				size += len(v)
			}
			more = k != nil && bytes.HasPrefix(k, prefix)
			return nil
		})
		if err != nil {
			return err
		}
		for _, e := range entries {
			if !f(e.k, e.v) {
				return nil
			}
			from = append(e.k, 0)
		}
	}
	return nil
}

// inOrder checks that a search for from has found nothing below it, which in a damaged
// file it can, so that a scan comes to an end.
func inOrder(bucket, from, k []byte) error {
	if k != nil && bytes.Compare(k, from) < 0 {
		return &Fault{Where: string(bucket), What: "keys are out of order"}
	}
	return nil
}

// Record implements Store.
func (b *Bolt) Record(topic, kind string, a keys.NodeID) (body []byte, err error) {
	err = b.view(func(tx *bolt.Tx) error {
		key := recordKey(topic, kind, a)
		value := tx.Bucket(bucketRecords).Get(key)
		if value == nil {
			return ErrNotFound
		}
		sealed, err := unseal(bucketRecords, key, value)
		if err != nil {
			return recordFault(recordID{topic, kind, a}, err)
		}
		body = append([]byte{}, sealed...)
		return nil
	})
	return body, b.located(err)
}

func recordFault(id recordID, err error) *Fault {
	return &Fault{Topic: id.topic, Author: id.author, Where: string(bucketRecords), What: fmt.Sprintf("%q: %v", id.kind, err)}
}

// Records implements Store.
func (b *Bolt) Records(topic, kind string) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		stopped := false
		err := b.scan(bucketRecords, kindKey(topic, kind), func(k, v []byte) bool {
			r, err := decodeRecord(k, v)
			stopped = !yield(r, b.located(err)) || err != nil
			return !stopped
		})
		if err != nil && !stopped {
			yield(Record{}, b.located(err))
		}
	}
}

func decodeRecord(k, v []byte) (Record, error) {
	id, ok := parseRecordKey(k)
	if !ok {
		return Record{}, &Fault{Where: string(bucketRecords), What: "key " + errShape.Error()}
	}
	body, err := unseal(bucketRecords, k, v)
	if err != nil {
		return Record{}, recordFault(id, err)
	}
	return Record{id.author, body}, nil
}

// Topics implements Store.
func (b *Bolt) Topics() ([]string, error) {
	if b.closed.Load() {
		return nil, ErrClosed
	}
	set := make(map[string]bool)
	b.mu.RLock()
	for topic := range b.chains {
		set[topic] = true
	}
	b.mu.RUnlock()
	err := b.skip(bucketRecords, func(k []byte) (prefix []byte) {
		topic, rest, ok := cutName(k)
		set[topic] = set[topic] || ok
		return k[:len(k)-len(rest)]
	})
	delete(set, "")
	return slices.Sorted(maps.Keys(set)), b.located(err)
}

// skip calls f with a key of each group of keys that share the prefix that f returns.
func (b *Bolt) skip(bucket []byte, f func(k []byte) (prefix []byte)) error {
	for from := []byte{}; from != nil; {
		err := b.view(func(tx *bolt.Tx) error {
			k, _ := tx.Bucket(bucket).Cursor().Seek(from)
			err := inOrder(bucket, from, k)
			from = bytes.Clone(k)
			return err
		})
		if err != nil {
			return err
		}
		if from != nil {
			from = behind(f(from))
		}
	}
	return nil
}

// behind returns the least key that is above all that start with prefix, or nil.
func behind(prefix []byte) []byte {
	for i := len(prefix) - 1; i >= 0; i-- {
		if prefix[i] < 0xff {
			next := bytes.Clone(prefix[:i+1])
			next[i]++
			return next
		}
	}
	return nil
}
