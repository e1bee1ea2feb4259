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
