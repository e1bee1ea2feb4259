package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// eachSmall reads every value but the runs, reports what is wrong, and calls f with
// each chain.
func (b *Bolt) eachSmall(report func(*Fault), f func(chainID, chain)) error {
	err := b.scan(bucketFrontiers, nil, func(k, v []byte) bool {
		id, c, fault := decodeFrontier(k, v)
		if fault != nil {
			report(fault)
		} else {
			f(id, c)
		}
		return true
	})
	if err != nil {
		return err
	}
	err = b.scan(bucketKeys, nil, func(k, v []byte) bool {
		id, rest, ok := parseChainKey(k)
		_, err := unseal(bucketKeys, k, v)
		if !ok || len(rest) > 0 {
			err = errShape
		}
		if err != nil {
			report(&Fault{Topic: id.topic, Author: id.author, Where: string(bucketKeys), What: err.Error()})
		}
		return true
	})
	if err != nil {
		return err
	}
	return b.scan(bucketRecords, nil, func(k, v []byte) bool {
		if fault, ok := errors.AsType[*Fault](second(decodeRecord(k, v))); ok {
			report(fault)
		}
		return true
	})
}

func second[T any](_ T, err error) error { return err }

func decodeFrontier(k, v []byte) (chainID, chain, *Fault) {
	id, rest, ok := parseChainKey(k)
	body, err := unseal(bucketFrontiers, k, v)
	if !ok || len(rest) > 0 {
		err = errShape
	}
	var c chain
	if err == nil {
		c, err = decodeChain(id.author, body)
	}
	if err != nil {
		return id, c, &Fault{Topic: id.topic, Author: id.author, Where: string(bucketFrontiers), What: err.Error()}
	}
	return id, c, nil
}

// checker is one run of Check.
type checker struct {
	b      *Bolt
	ctx    context.Context
	report func(Fault)
}

// Check implements Store. Appends wait while the structure of the file is checked, not
// while the runs are.
func (b *Bolt) Check(ctx context.Context, report func(Fault)) error {
	c := &checker{b, ctx, report}
	if err := c.pages(); err != nil {
		return err
	}
	// A crash on damaged pages ends a step, and is a fault like others.
	steps := []func() error{c.meta, c.chains}
	for _, step := range steps {
		err := step()
		if fault, ok := errors.AsType[*Fault](err); ok {
			report(*fault)
		} else if err != nil {
			return err
		}
	}
	return nil
}

func (c *checker) pages() error {
	c.b.committing.Lock()
	defer c.b.committing.Unlock()
	if c.b.closed.Load() {
		return ErrClosed
	}
	info, err := c.b.file.Stat()
	if err != nil {
		return err
	}
	m, err := checkFile(c.b.file, info.Size())
	if err == nil {
		err = checkPages(c.b.file, m)
	}
	if fault, ok := errors.AsType[*Fault](err); ok {
		c.report(*fault)
		return nil
	}
	if errors.Is(err, ErrDamaged) || errors.Is(err, ErrNotStore) {
		c.report(Fault{Where: "file", What: err.Error()})
		return nil
	}
	return err
}

func (c *checker) meta() error {
	return c.b.scan(bucketMeta, nil, func(k, v []byte) bool {
		if _, err := unseal(bucketMeta, k, v); err != nil {
			c.report(*metaFault(k, err))
		}
		return true
	})
}

// chains checks frontiers, keys and records, then each author's runs, and last that
// nothing is stored of an author without a frontier.
func (c *checker) chains() error {
	type place struct {
		id    chainID
		chain chain
	}
	var places []place
	known := make(map[chainID]bool)
	err := c.b.eachSmall(func(f *Fault) {
		c.report(*f)
		known[chainID{f.Topic, f.Author}] = true
	}, func(id chainID, ch chain) {
		places = append(places, place{id, ch})
		known[id] = true
	})
	if err != nil {
		return err
	}
	for _, p := range places {
		if err := c.author(p.id); err != nil {
			return err
		}
	}
	return errors.Join(c.orphans(bucketRuns, known), c.orphans(bucketKeys, known))
}

func (c *checker) orphans(bucket []byte, known map[chainID]bool) error {
	return c.b.skip(bucket, func(k []byte) []byte {
		id, rest, ok := parseChainKey(k)
		if !ok {
			c.report(Fault{Where: string(bucket), What: "key " + errShape.Error()})
			return k
		}
		// A chain may have come or gone since known was made.
		if !known[id] && c.b.settledChain(id) == (chain{}) {
			c.report(Fault{Topic: id.topic, Author: id.author, Where: string(bucket), What: "the author has no frontier"})
		}
		return k[:len(k)-len(rest)]
	})
}

// settledChain is chain after the transaction that is being written.
func (b *Bolt) settledChain(id chainID) chain {
	b.committing.Lock()
	defer b.committing.Unlock()
	return b.chain(id)
}

// author checks one author's key and runs, again when the chain was truncated meanwhile.
func (c *checker) author(id chainID) error {
	for {
		b := c.b
		b.committing.Lock()
		b.mu.RLock()
		now, truncations := b.chains[id.topic][id.author], b.truncations
		b.mu.RUnlock()
		b.committing.Unlock()
		faults, err := c.runs(id, now)
		if err != nil {
			return err
		}
		if len(faults) > 0 && b.truncatedSince(truncations) {
			continue
		}
		for _, f := range faults {
			c.report(*f)
		}
		return nil
	}
}

// runs reads an author's runs as they lie in the file, up to the end of ch.
func (c *checker) runs(id chainID, ch chain) (faults []*Fault, err error) {
	if ch == (chain{}) {
		return nil, nil
	}
	k, err := c.b.readKey(id)
	if fault, ok := errors.AsType[*Fault](err); ok {
		return []*Fault{fault}, nil
	}
	if err != nil {
		return nil, err
	}
	v := verifier{id: id, key: k, chain: ch, at: wire.Ref{Author: id.author}}
	err = c.b.scan(bucketRuns, chainKey(id), func(k, value []byte) bool {
		v.run(k, value)
		return c.ctx.Err() == nil && v.at.Seq < ch.end
	})
	if err == nil {
		err = c.ctx.Err()
	}
	if fault, ok := errors.AsType[*Fault](err); ok {
		return append(v.faults, fault), nil
	}
	if err == nil && v.at.Seq < ch.end {
		v.fault(v.at.Seq+1, fmt.Errorf("the runs end at seq %d, the frontier says %d", v.at.Seq, ch.end))
	}
	return v.faults, err
}

// verifier goes along an author's runs.
type verifier struct {
	id     chainID
	key    keys.PublicKey
	chain  chain
	at     wire.Ref // what the next run has to continue
	lost   bool     // the run before could not be read
	faults []*Fault
}

func (v *verifier) fault(seq uint64, err error) {
	v.faults = append(v.faults, runFault(v.id, seq, err))
}

func (v *verifier) run(k, value []byte) {
	_, first, ok := parseRunKey(k)
	body, err := unseal(bucketRuns, k, value)
	if !ok {
		err = errShape
	}
	if err != nil {
		v.fault(first, err)
		v.lost = true
		return
	}
	if first != v.at.Seq+1 && !v.lost {
		v.fault(v.at.Seq+1, errMissing)
		v.lost = true
	}
	r, err := reverify(v.id, v.key, first, body)
	if err != nil {
		v.fault(first, err)
		v.lost = true
		return
	}
	if prev := r.Prev(); prev != v.at && !v.lost {
		v.fault(first, fmt.Errorf("it continues hash %v, not %v", prev.Hash, v.at.Hash))
	}
	v.at, v.lost = r.End(), false
	if seq := v.chain.frontier.Seq; first <= seq && seq <= v.at.Seq && r.Ref(int(seq-first)) != v.chain.frontier {
		v.fault(seq, fmt.Errorf("its hash is %v, the frontier says %v", r.Ref(int(seq-first)).Hash, v.chain.frontier.Hash))
	}
	if v.at.Seq > v.chain.end {
		v.fault(first, fmt.Errorf("the run ends at seq %d, the frontier says %d", v.at.Seq, v.chain.end))
	}
}

// reverify opens a run from its bytes, as if it had just arrived.
func reverify(id chainID, k keys.PublicKey, first uint64, body []byte) (*wire.Run, error) {
	u, err := wire.ParseRun(id.topic, body)
	if err != nil {
		return nil, err
	}
	if u.Author() != id.author || u.First() != first {
		return nil, fmt.Errorf("it is the run of author %v from seq %d", u.Author(), u.First())
	}
	return u.Open(k)
}
