package dst

import (
	"maps"
	"sync"
	"time"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// ledgerChannel is where the ledger is mounted, besides a kv.Map on its own channel.
const ledgerChannel = "ledger"

// ledger is a model that keeps what it was given, and complains.
type ledger struct {
	limit func() uint64 // the newest date that may have an effect
	fail  func(rule, format string, args ...any)
	known func(replica.Update) bool // it was signed by its author, with this content
	// refused reports whether the keystore does not admit an author.
	refused func(keys.NodeID) bool
	dead    func() bool // the node has crashed meanwhile: nothing matters any more

	mu sync.Mutex // guards the fields below
	// pause, if set, is waited for at each update: the ledger is being mounted slowly.
	pause func(wire.Ref) time.Duration
	seen  map[keys.NodeID]map[uint64]wire.Hash
}

// ApplyUpdate implements replica.Model.
func (l *ledger) ApplyUpdate(u replica.Update) (bool, error) {
	slow := l.pauses()
	if slow != nil {
		time.Sleep(slow(u.Ref))
	}
	if l.dead() {
		return false, nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, twice := l.seen[u.Author][u.Seq]; twice {
		l.fail("applied once", "update %d of %v came to the model twice", u.Seq, u.Author)
	}
	if u.Time > l.limit() {
		l.fail("parked", "update %d of %v had its effect before its time", u.Seq, u.Author)
	}
	if slow == nil && l.refused(u.Author) { // else what is withdrawn meanwhile is taken out in the end
		l.fail("admitted", "update %d of %v had its effect, and the keystore has said that the author is not admitted", u.Seq, u.Author)
	}
	if !l.known(u) {
		l.fail("authentic", "update %d of %v is not what its author signed", u.Seq, u.Author)
	}
	if l.seen[u.Author] == nil {
		l.seen[u.Author] = make(map[uint64]wire.Hash)
	}
	l.seen[u.Author][u.Seq] = u.Hash
	return true, nil
}

func (l *ledger) pauses() func(wire.Ref) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.pause
}

func (l *ledger) setPause(pause func(wire.Ref) time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pause = pause
}

// mountSlowly mounts the ledger with a pause at each update.
func (l *ledger) mountSlowly(r *replica.Replica, pause func(wire.Ref) time.Duration) (unmount func(), err error) {
	l.setPause(pause)
	defer l.setPause(nil)
	return r.Mount(ledgerChannel, l)
}

// Reset implements replica.Model.
func (l *ledger) Reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seen = make(map[keys.NodeID]map[uint64]wire.Hash)
}

// of returns what an author's updates are.
func (l *ledger) of(id keys.NodeID) map[uint64]wire.Hash {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := make(map[uint64]wire.Hash, len(l.seen[id]))
	maps.Copy(out, l.seen[id])
	return out
}
