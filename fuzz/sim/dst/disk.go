package dst

import (
	"context"
	"errors"
	"iter"
	"runtime"
	"sync"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica/store"
	"github.com/hearsaynet/hearsay/replica/wire"
)

var errCrashed = errors.New("dst: the node has crashed")

// disk is what a node's writes have made durable, in order.
type disk struct {
	mu  sync.Mutex // guards log
	log []func(*store.Memory) error
}

// image returns a store with all but the last n writes.
func (d *disk) image(without int) *store.Memory {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.log = d.log[:max(0, len(d.log)-without)]
	m := store.NewMemory()
	for _, write := range d.log {
		if err := write(m); err != nil {
			panic(err)
		}
	}
	return m
}

// volume is a disk as one life of a node sees it. A write is durable when it returns nil;
// a crash may come before or after it is, and then nothing more is written.
type volume struct {
	*store.Memory
	disk    *disk
	self    keys.NodeID
	checks  func([]*wire.Run) // each append, before it is durable
	crashed func()            // called once

	mu    sync.Mutex // guards the fields below
	dead  bool
	fuse  int  // the write that is the last, counted down; 0 for none
	after bool // that one becomes durable
	own   uint64
}

func (v *volume) isDead() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.dead
}

func (v *volume) kill() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.dead = true
}

// arm makes the nth write from now the last.
func (v *volume) arm(n int, after bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.fuse, v.after = n, after
}

// ownDurable is the seq up to which the own author's updates are durable.
func (v *volume) ownDurable() uint64 {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.own
}

// write is the one way to the disk.
func (v *volume) write(f func(*store.Memory) error) error {
	for range 8 { // what does not wait for the disk gets ahead of it
		runtime.Gosched()
	}
	crashes, err := v.writeOnce(f)
	if crashes {
		v.crashed()
	}
	return err
}

func (v *volume) writeOnce(f func(*store.Memory) error) (crashes bool, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.dead {
		return false, errCrashed
	}
	if v.fuse > 0 {
		v.fuse--
		crashes = v.fuse == 0
	}
	v.dead = crashes
	if crashes && !v.after {
		return true, errCrashed
	}
	if err := f(v.Memory); err != nil {
		return crashes, err
	}
	v.disk.mu.Lock()
	v.disk.log = append(v.disk.log, f)
	v.disk.mu.Unlock()
	if ref, err := v.Memory.Frontier(topic, v.self); err == nil {
		v.own = max(v.own, ref.Seq)
	}
	if crashes {
		return true, errCrashed
	}
	return false, nil
}

// Append implements store.Store.
func (v *volume) Append(ctx context.Context, runs ...*wire.Run) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return v.write(func(m *store.Memory) error {
		err := m.Append(context.Background(), runs...)
		if err == nil && m == v.Memory {
			v.checks(runs)
		}
		return err
	})
}

// Truncate implements store.Store.
func (v *volume) Truncate(ctx context.Context, topic string, a keys.NodeID, keep uint64) error {
	return v.write(func(m *store.Memory) error { return m.Truncate(context.Background(), topic, a, keep) })
}

// PutRecords implements store.Store.
func (v *volume) PutRecords(_ context.Context, topic, kind string, records ...store.Record) error {
	return v.write(func(m *store.Memory) error {
		return m.PutRecords(context.Background(), topic, kind, records...)
	})
}

// DeleteRecord implements store.Store.
func (v *volume) DeleteRecord(_ context.Context, topic, kind string, a keys.NodeID) error {
	return v.write(func(m *store.Memory) error {
		return m.DeleteRecord(context.Background(), topic, kind, a)
	})
}

// history yields an author's updates as they are stored, up to its frontier.
func (v *volume) history(a keys.NodeID) iter.Seq[wire.Ref] {
	return func(yield func(wire.Ref) bool) {
		end, err := v.Frontier(topic, a)
		if err != nil {
			return
		}
		for run, err := range v.Runs(topic, wire.Ref{Author: a}) {
			if err != nil {
				return
			}
			for i := range run.Len() {
				if ref := run.Ref(i); ref.Seq > end.Seq || !yield(ref) {
					return
				}
			}
		}
	}
}
