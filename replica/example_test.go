package replica_test

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"log"
	"net"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/model/kv"
	"github.com/hearsaynet/hearsay/replica/store"
	"github.com/hearsaynet/hearsay/sign"
	"github.com/hearsaynet/hearsay/verify"
)

func newKey() *sign.PrivateKey {
	_, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		log.Fatal(err)
	}
	key, err := sign.NewEd25519(private)
	if err != nil {
		log.Fatal(err)
	}
	return key
}

// Two replicas of a topic, each with a key of its own, that admit each other.
func Example() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	alice, bob := newKey(), newKey()
	admitted := keys.NewMemory(alice.Public(), bob.Public())

	node := func(key *sign.PrivateKey) (*replica.Replica, *kv.Map) {
		r, err := replica.Open(ctx, replica.Config{Topic: "prices", Store: store.NewMemory(), Signer: key, Keystore: admitted})
		if err != nil {
			log.Fatal(err)
		}
		m, err := kv.Mount(r, "", kv.Config{})
		if err != nil {
			log.Fatal(err)
		}
		return r, m
	}
	a, prices := node(alice)
	b, copied := node(bob)
	changes, err := copied.Watch(ctx, "apples")
	if err != nil {
		log.Fatal(err)
	}

	one, two := net.Pipe() // any connection will do, and any peer
	go a.Sync(ctx, one, replica.SyncConfig{Name: "bob"})
	go b.Sync(ctx, two, replica.SyncConfig{Name: "alice"})

	if _, err := prices.Set(ctx, "apples", []byte("3")); err != nil {
		log.Fatal(err)
	}
	c := <-changes
	fmt.Printf("%s = %s, signed by alice: %t\n", c.Key, c.New.Value, c.New.Author == alice.Public().ID())
	// Output: apples = 3, signed by alice: true
}

// A master sends and takes nothing; a slave takes and discloses nothing. This slave ends the
// session when it has what the master had.
func ExampleReplica_Sync_oneWay() {
	ctx := context.Background()
	node := func() *replica.Replica {
		r, err := replica.Open(ctx, replica.Config{Topic: "prices", Store: store.NewMemory(), Signer: newKey(), Verify: verify.AnyKey()})
		if err != nil {
			log.Fatal(err)
		}
		if _, err := r.LocalUpdate(ctx, "", []byte("apples 3")); err != nil {
			log.Fatal(err)
		}
		return r
	}
	master, slave := node(), node()
	one, two := net.Pipe()
	go master.Sync(ctx, one, replica.SyncConfig{Name: "slave", SendOnly: true})
	if err := slave.Sync(ctx, two, replica.SyncConfig{Name: "master", ReceiveOnly: true, SendClock: true, StopWhenDrained: true}); err != nil {
		log.Fatal(err)
	}
	fmt.Printf("the master has updates of %d author, the slave of %d\n", len(master.Clock()), len(slave.Clock()))
	// Output: the master has updates of 1 author, the slave of 2
}
