package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"sync"

	bolt "go.etcd.io/bbolt"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// op is one caller's part of a transaction.
type op struct {
	// apply checks the op against the batch and then writes. When it returns an error
	// it has written nothing.
	apply func(*batch) error
	runs  int
	bytes int
	err   error         // the verdict, once done is closed
	done  chan struct{} // closed by whoever decides
}

// queue holds the ops that wait for the next transaction.
type queue struct {
	wake   chan struct{} // holds one token when there is something to do
	mu     sync.Mutex    // guards the fields below
	ops    []*op
	closed bool
}

func (q *queue) add(o *op) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return ErrClosed
	}
	q.ops = append(q.ops, o)
	q.wakeLocked()
	return nil
}

func (q *queue) wakeLocked() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// withdraw removes o, unless it has been taken.
func (q *queue) withdraw(o *op) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	i := slices.Index(q.ops, o)
	if i < 0 {
		return false
	}
	q.ops = slices.Delete(q.ops, i, i+1)
	return true
}

// take returns what goes into one transaction, in the order of arrival. Nothing, and
// false, when the queue has been closed.
func (q *queue) take() ([]*op, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	n, runs, size := 0, 0, 0
	for ; n < len(q.ops); n++ {
		o := q.ops[n]
		if n > 0 && (runs+o.runs > maxBatchRuns || size+o.bytes > maxBatchBytes) {
			break
		}
		runs, size = runs+o.runs, size+o.bytes
	}
	taken := slices.Clone(q.ops[:n])
	q.ops = slices.Delete(q.ops, 0, n)
	if len(q.ops) > 0 {
		q.wakeLocked()
	}
	return taken, !q.closed
}

// close refuses what waits and all that comes.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	for _, o := range q.ops {
		o.err = ErrClosed
		close(o.done)
	}
	q.ops = nil
	q.wakeLocked()
}

// submit waits until o is durable or refused.
func (b *Bolt) submit(ctx context.Context, o *op) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	o.done = make(chan struct{})
	if err := b.queue.add(o); err != nil {
		return err
	}
	select {
	case <-o.done:
		return o.err
	case <-ctx.Done():
	}
	if b.queue.withdraw(o) {
		return ctx.Err()
	}
	<-o.done
	return o.err
}

// write is the one goroutine that begins write transactions.
func (b *Bolt) write() {
	for range b.queue.wake {
		runtime.Gosched() // those whom the last commit released come back for this one
		ops, open := b.queue.take()
		if len(ops) > 0 {
			b.commit(ops)
		}
		for _, o := range ops {
			close(o.done)
		}
		if !open {
			return
		}
	}
}

// batch is a transaction that gathers ops.
type batch struct {
	b       *Bolt
	tx      *bolt.Tx
	txid    int
	chains  map[chainID]chain // as they will be; zero: gone
	keys    []keys.PublicKey
	dropped bool  // a chain was truncated
	dirty   bool  // something was written
	err     error // the transaction as a whole cannot go on
}

var errNothing = errors.New("nothing to commit")

// commit runs ops in one transaction and sets their errors.
func (b *Bolt) commit(ops []*op) {
	b.committing.Lock()
	defer b.committing.Unlock()
	t := &batch{b: b, chains: make(map[chainID]chain)}
	err := b.failed
	if err == nil {
		b.tuneGrowth()
		err = b.guard(func() error {
			return b.db.Update(func(tx *bolt.Tx) error { return t.run(tx, ops) })
		})
		err = b.verdict(t, err)
	}
	if err == nil {
		b.publish(t)
		return
	}
	err = fmt.Errorf("store: %s: %w: %w%s", b.path, ErrWrite, err, adviceFor(err))
	for _, o := range ops {
		if o.err == nil {
			o.err = err
		}
	}
}

func adviceFor(err error) string {
	if errors.Is(err, ErrDamaged) {
		return adviceDamaged
	}
	return "; make room on its disk, or see what is wrong with it, and try again"
}

// tuneGrowth makes the file grow in proportion to its size.
func (b *Bolt) tuneGrowth() {
	if info, err := b.file.Stat(); err == nil {
		b.db.AllocSize = int(min(max(info.Size()/4/minGrow*minGrow, minGrow), maxGrow))
	}
}

// verdict says what became of a transaction that ended with err.
func (b *Bolt) verdict(t *batch, err error) error {
	switch {
	case err == nil || errors.Is(err, errNothing):
		return nil
	case errors.Is(err, ErrDamaged):
		b.failed, b.crashed = err, true
		return err
	}
	// bbolt has gone back to the state before, unless the new meta page is written and
	// only its sync failed: then nobody knows what the disk has until it is read again.
	newest := 0
	viewErr := b.view(func(tx *bolt.Tx) error {
		newest = tx.ID()
		return nil
	})
	if viewErr != nil || newest >= t.txid && t.txid != 0 {
		err = fmt.Errorf("%w (the disk failed in the middle of a commit: close the store and open it again)", errors.Join(err, viewErr))
		b.failed = err
	}
	return err
}

// publish shows readers what a transaction did.
func (b *Bolt) publish(t *batch) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for id, c := range t.chains {
		b.setChain(id, c)
	}
	for _, k := range t.keys {
		b.known[k.ID()] = k
	}
	if t.dropped {
		b.truncations++
	}
}

// setChain needs mu, or a b that nobody else has yet.
func (b *Bolt) setChain(id chainID, c chain) {
	authors := b.chains[id.topic]
	if c == (chain{}) {
		if delete(authors, id.author); len(authors) == 0 {
			delete(b.chains, id.topic)
		}
		return
	}
	if authors == nil {
		authors = make(map[keys.NodeID]chain)
		b.chains[id.topic] = authors
	}
	authors[id.author] = c
}

func (t *batch) run(tx *bolt.Tx, ops []*op) error {
	t.tx, t.txid = tx, tx.ID()
	for _, o := range ops {
		if o.err = o.apply(t); t.err != nil {
			return t.err
		}
	}
	for id, c := range t.chains {
		t.putChain(id, c)
	}
	if t.err == nil && !t.dirty {
		return errNothing
	}
	return t.err
}

func (t *batch) chain(id chainID) chain {
	if c, ok := t.chains[id]; ok {
		return c
	}
	return t.b.chain(id)
}

func (t *batch) putChain(id chainID, c chain) {
	key := chainKey(id)
	if c == (chain{}) {
		t.delete(bucketFrontiers, key)
		t.delete(bucketKeys, key)
		return
	}
	t.put(bucketFrontiers, key, seal(bucketFrontiers, key, encodeChain(c)))
}

func (t *batch) put(bucket, key, value []byte) {
	if t.err == nil {
		t.dirty = true
		t.err = t.tx.Bucket(bucket).Put(key, value)
	}
}

func (t *batch) delete(bucket, key []byte) {
	if t.err == nil {
		t.dirty = true
		t.err = t.tx.Bucket(bucket).Delete(key)
	}
}

// entry is a value as it is stored.
type entry struct{ key, value []byte }

// Append implements Store.
func (b *Bolt) Append(ctx context.Context, runs ...*wire.Run) error {
	o := &op{runs: len(runs)}
	entries := make([]entry, len(runs))
	for i, r := range runs { // here and not in the transaction: callers do it side by side
		key := runKey(chainID{r.Topic(), r.Author()}, r.First())
		entries[i] = entry{key, seal(bucketRuns, key, r.Body())}
		o.bytes += len(entries[i].value)
		r.End()
	}
	o.apply = func(t *batch) error {
		next, err := followAll(t.chain, runs)
		if err != nil {
			return err
		}
		for i, e := range entries {
			t.put(bucketRuns, e.key, e.value)
			if runs[i].First() == 1 {
				t.putKey(runs[i])
			}
		}
		maps.Copy(t.chains, next)
		return nil
	}
	return b.submit(ctx, o)
}

func (t *batch) putKey(r *wire.Run) {
	key := chainKey(chainID{r.Topic(), r.Author()})
	t.put(bucketKeys, key, seal(bucketKeys, key, r.Key().Wire()))
	t.keys = append(t.keys, r.Key())
}

// Truncate implements Store. It does not read what it drops, so that it can also
// remove runs that are damaged.
func (b *Bolt) Truncate(ctx context.Context, topic string, a keys.NodeID, keep uint64) error {
	id := chainID{topic, a}
	return b.submit(ctx, &op{apply: func(t *batch) error {
		if keep >= t.chain(id).frontier.Seq {
			return nil
		}
		next, err := t.chainUpTo(id, keep)
		if err != nil {
			return err
		}
		t.deleteRuns(id, next.end+1)
		t.chains[id], t.dropped = next, true
		return nil
	}})
}

// chainUpTo returns the chain as it will be when keep is its frontier.
func (t *batch) chainUpTo(id chainID, keep uint64) (chain, error) {
	if keep == 0 {
		return chain{}, nil
	}
	found, err := scanRuns(t.tx, id, keep, 1)
	if err != nil {
		return chain{}, err
	}
	r, err := wire.InsecureReopenRun(id.topic, keys.PublicKey{}, found[0].body)
	if err != nil || r.Last() < keep {
		return chain{}, runFault(id, found[0].first, errShape)
	}
	return chain{frontier: r.Ref(int(keep - r.First())), end: r.Last()}, nil
}

// deleteRuns deletes the runs that begin at from or above.
func (t *batch) deleteRuns(id chainID, from uint64) {
	prefix := chainKey(id)
	var doomed [][]byte
	c := t.tx.Bucket(bucketRuns).Cursor()
	for k, _ := c.Seek(runKey(id, from)); bytes.HasPrefix(k, prefix); k, _ = c.Next() {
		doomed = append(doomed, bytes.Clone(k))
	}
	for _, k := range doomed {
		t.delete(bucketRuns, k)
	}
}

// PutRecords implements Store.
func (b *Bolt) PutRecords(ctx context.Context, topic, kind string, records ...Record) error {
	if err := checkRecords(topic, kind, records...); err != nil {
		return err
	}
	o := &op{}
	entries := make([]entry, len(records))
	for i, r := range records {
		key := recordKey(topic, kind, r.Author)
		entries[i] = entry{key, seal(bucketRecords, key, r.Body)}
		o.bytes += len(entries[i].value)
	}
	o.apply = func(t *batch) error {
		for _, e := range entries {
			t.put(bucketRecords, e.key, e.value)
		}
		return nil
	}
	return b.submit(ctx, o)
}

// DeleteRecord implements Store.
func (b *Bolt) DeleteRecord(ctx context.Context, topic, kind string, a keys.NodeID) error {
	if err := checkRecords(topic, kind); err != nil {
		return err
	}
	key := recordKey(topic, kind, a)
	return b.submit(ctx, &op{apply: func(t *batch) error {
		if t.tx.Bucket(bucketRecords).Get(key) != nil {
			t.delete(bucketRecords, key)
		}
		return nil
	}})
}
