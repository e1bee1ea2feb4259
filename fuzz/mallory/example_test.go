package mallory_test

import (
	"context"
	"fmt"
	"log"
	"net"
	"sync"
	"time"

	"github.com/hearsaynet/hearsay/fuzz/mallory"
	"github.com/hearsaynet/hearsay/keygen"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/link"
	"github.com/hearsaynet/hearsay/replica/store"
	"github.com/hearsaynet/hearsay/verify"
)

// tally is a model: it counts what anybody has counted.
type tally struct {
	mu sync.Mutex // guards n
	n  int
}

func (t *tally) ApplyUpdate(replica.Update) (changed bool, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.n++
	return true, nil
}

func (t *tally) Reset() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.n = 0
}

func (t *tally) count() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.n
}

// peer is a replica with the model, and what makes its links.
type peer struct {
	*replica.Replica
	tally tally
	links *link.Endpoint
}

func newPeer(ctx context.Context) *peer {
	key, err := keygen.Generate(keygen.Ed25519, 0)
	if err != nil {
		log.Fatal(err)
	}
	p := &peer{}
	if p.links, err = link.New(link.Config{Signer: key}); err != nil {
		log.Fatal(err)
	}
	p.Replica, err = replica.Open(ctx, replica.Config{Topic: "tally", Store: store.NewMemory(), Signer: key, Verify: verify.AnyKey()})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := p.Mount("tally", &p.tally); err != nil {
		log.Fatal(err)
	}
	return p
}

// hold is one session.
func (p *peer) hold(ctx context.Context, c *link.Conn) error {
	return p.Sync(ctx, c, replica.SyncConfig{Name: c.RemoteAddr().String(), Peer: c.PeerID()})
}

// Two replicas of a model have two links, one of them hostile, and end alike.
func Example() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	alice, bob := newPeer(ctx), newPeer(ctx)

	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	go alice.links.Serve(ctx, ln, alice.hold)
	honest := link.Address{HostPort: ln.Addr().String()}

	attacks, err := mallory.Find("reorder,duplicate,corrupt-field,withhold-one,forge-key")
	if err != nil {
		log.Fatal(err)
	}
	m, err := mallory.New(mallory.Config{Upstream: honest, Attacks: attacks, Toward: mallory.TowardBoth, Seed: 7})
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	between, err := m.Listen(ctx, "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	go m.Serve(ctx, between)

	go bob.links.Maintain(ctx, link.Address{HostPort: between.Addr().String()}, bob.hold, nil)
	go bob.links.Maintain(ctx, honest, bob.hold, nil)
	for range 100 {
		for _, p := range []*peer{alice, bob} {
			if _, err := p.LocalUpdate(ctx, "tally", []byte("1")); err != nil {
				log.Fatal(err)
			}
		}
	}
	for ctx.Err() == nil && (alice.tally.count() < 200 || bob.tally.count() < 200) {
		time.Sleep(10 * time.Millisecond)
	}
	fmt.Println(alice.tally.count(), bob.tally.count())
	// Output: 200 200
}
