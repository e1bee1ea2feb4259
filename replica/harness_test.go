package replica_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/internal/wiretest"
	"github.com/hearsaynet/hearsay/replica/store"
	"github.com/hearsaynet/hearsay/verify"
)

const topic = "t"

// signer is a test author as a sign.Signer.
type signer struct {
	*wiretest.Author
	before func() error // called before each signature, if set
}

func (s signer) Public() keys.PublicKey { return s.Key() }

func (s signer) Sign(_ context.Context, namespace string, msg []byte) ([]byte, error) {
	if s.before != nil {
		if err := s.before(); err != nil {
			return nil, err
		}
	}
	return s.Author.Sign(namespace, msg), nil
}

// journal is a model that keeps what it was given, as "author/seq".
type journal struct {
	mu      sync.Mutex
	updates []replica.Update
	resets  int
}

func (j *journal) ApplyUpdate(u replica.Update) (bool, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if string(u.Change) == "panic" {
		panic("as asked")
	}
	j.updates = append(j.updates, u)
	return true, nil
}

func (j *journal) Reset() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.updates = nil
	j.resets++
}

// of returns the seqs of an author's updates, in the order in which they came.
func (j *journal) of(id keys.NodeID) (seqs []uint64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, u := range j.updates {
		if u.Author == id {
			seqs = append(seqs, u.Seq)
		}
	}
	return seqs
}

// peer is a replica with what a test wants to look at.
type peer struct {
	*replica.Replica
	author  *wiretest.Author
	journal *journal
	notices <-chan replica.Notice
	store   store.Store
}

// open starts a replica whose own author is named, "" for none.
func open(t *testing.T, name string, change func(*replica.Config)) *peer {
	t.Helper()
	cfg := replica.Config{Topic: topic, Store: store.NewMemory(), Verify: verify.AnyKey()}
	p := &peer{journal: &journal{}}
	if name != "" {
		p.author = wiretest.NewAuthor(name)
		cfg.Signer = signer{Author: p.author}
	}
	if change != nil {
		change(&cfg)
	}
	r, err := replica.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	p.Replica, p.store = r, cfg.Store
	p.notices = r.Notices(context.Background())
	if _, err := r.Mount("test", p.journal); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return p
}

func (p *peer) write(t *testing.T, changes ...string) {
	t.Helper()
	for _, c := range changes {
		if _, err := p.LocalUpdate(t.Context(), "test", []byte(c)); err != nil {
			t.Fatal(err)
		}
	}
}

// wait reads notices until one matches.
func (p *peer) wait(t *testing.T, what string, match func(replica.Notice) bool) replica.Notice {
	t.Helper()
	deadline := time.After(30 * time.Second)
	for {
		select {
		case n := <-p.notices:
			if match(n) {
				return n
			}
		case <-deadline:
			t.Fatalf("no notice: %s", what)
		}
	}
}

// reach waits until an author's update of that seq has been folded.
func (p *peer) reach(t *testing.T, id keys.NodeID, seq uint64) {
	t.Helper()
	if slices.Contains(p.journal.of(id), seq) {
		return
	}
	p.wait(t, fmt.Sprintf("update %d of %v", seq, id), func(n replica.Notice) bool {
		return n.Kind == replica.Applied && n.Ref.Author == id && n.Ref.Seq >= seq || slices.Contains(p.journal.of(id), seq)
	})
}

// link holds a session between two replicas until the returned function is called,
// which returns how it ended on either side.
func link(t *testing.T, a, b *replica.Replica) (cut func() (error, error)) {
	t.Helper()
	ca, cb := net.Pipe()
	ctx, cancel := context.WithCancel(context.Background())
	var ea, eb error
	var ends sync.WaitGroup
	ends.Go(func() { ea = a.Sync(ctx, ca, replica.SyncConfig{Name: "b"}) })
	ends.Go(func() { eb = b.Sync(ctx, cb, replica.SyncConfig{Name: "a"}) })
	cut = func() (error, error) {
		cancel()
		ends.Wait()
		return ea, eb
	}
	t.Cleanup(func() { cut() })
	return cut
}

func count(n uint64) []uint64 {
	seqs := make([]uint64, n)
	for i := range seqs {
		seqs[i] = uint64(i) + 1
	}
	return seqs
}

func mustErr(t *testing.T, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("got error %v, want %v", got, want)
	}
}

func pipe() (net.Conn, net.Conn) { return net.Pipe() }

// proofs returns the seqs of the fork proofs that p knows.
func (p *peer) proofs(t *testing.T) (seqs []uint64) {
	t.Helper()
	for proof, err := range p.Proofs() {
		if err != nil {
			t.Fatal(err)
		}
		seqs = append(seqs, proof.Seq())
	}
	return seqs
}
