package replica_test

import (
	"bytes"
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

// A clone is a second replica in the process, kept in step; Close is its dispose.
func ExampleReplica_Clone() {
	ctx := context.Background()
	r, err := replica.Open(ctx, replica.Config{Topic: "prices", Store: store.NewMemory(), Signer: newKey()})
	if err != nil {
		log.Fatal(err)
	}
	defer r.Close()
	prices, err := kv.Mount(r, "", kv.Config{})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := prices.Set(ctx, "apples", []byte("3")); err != nil {
		log.Fatal(err)
	}

	clone, err := r.Clone(ctx, replica.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer clone.Close()
	copied, err := kv.Mount(clone, "", kv.Config{})
	if err != nil {
		log.Fatal(err)
	}
	e, _ := copied.Get("apples")
	fmt.Printf("apples = %s\n", e.Value)
	// Output: apples = 3
}

// Select gives the history in the caller's order, as simple-scuttle's sort does.
func ExampleReplica_Select() {
	ctx := context.Background()
	r, err := replica.Open(ctx, replica.Config{Topic: "prices", Store: store.NewMemory(), Signer: newKey()})
	if err != nil {
		log.Fatal(err)
	}
	defer r.Close()
	for _, change := range []string{"pears", "apples", "plums"} {
		if _, err := r.LocalUpdate(ctx, "fruit", []byte(change)); err != nil {
			log.Fatal(err)
		}
	}
	alphabetical := func(a, b replica.Update) int { return bytes.Compare(a.Change, b.Change) }
	for u, err := range r.Select(replica.Selection{Channels: []string{"fruit"}, Sort: alphabetical}) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s, update %d\n", u.Change, u.Seq)
	}
	// Output:
	// apples, update 2
	// pears, update 1
	// plums, update 3
}
