package kv_test

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/model/kv"
	"github.com/hearsaynet/hearsay/replica/store"
	"github.com/hearsaynet/hearsay/sign"
)

var ctx = context.Background()

// openReplica returns a replica with a key of its own, in memory.
func openReplica() *replica.Replica {
	_, secret, err := ed25519.GenerateKey(nil)
	if err != nil {
		log.Fatal(err)
	}
	key, err := sign.NewEd25519(secret)
	if err != nil {
		log.Fatal(err)
	}
	r, err := replica.Open(ctx, replica.Config{Topic: "fleet", Store: store.NewMemory(), Signer: key})
	if err != nil {
		log.Fatal(err)
	}
	return r
}

func Example() {
	r := openReplica()
	defer r.Close()
	m, err := kv.Mount(r, "", kv.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()

	changes, err := m.Watch(ctx, "hosts/*")
	if err != nil {
		log.Fatal(err)
	}
	if _, err := m.Set(ctx, "hosts/alpha", []byte("up")); err != nil {
		log.Fatal(err)
	}
	if _, err := m.Set(ctx, "hosts/beta", []byte("down")); err != nil {
		log.Fatal(err)
	}
	for key, e := range m.All() {
		fmt.Printf("%s is %s, as its author says in update %d\n", key, e.Value, e.Seq)
	}
	fmt.Println("changed:", (<-changes).Key)
	// Output:
	// hosts/alpha is up, as its author says in update 1
	// hosts/beta is down, as its author says in update 2
	// changed: hosts/alpha
}

// A value is shown until its time, and whoever watches is told when that has come.
func ExampleMap_SetTTL() {
	r := openReplica()
	defer r.Close()
	m, err := kv.Mount(r, "", kv.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	changes, err := m.Watch(ctx, "")
	if err != nil {
		log.Fatal(err)
	}
	if _, err := m.SetTTL(ctx, "lease", []byte("of alpha"), time.Hour); err != nil {
		log.Fatal(err)
	}
	fmt.Printf("the lease is %s\n", (<-changes).New.Value)
	// It is given up: its time is now.
	if _, err := m.SetUntil(ctx, "lease", []byte("of alpha"), time.Now()); err != nil {
		log.Fatal(err)
	}
	if c := <-changes; c.Expired {
		fmt.Printf("it was %s, and has expired\n", c.Old.Value)
	}
	// Output:
	// the lease is of alpha
	// it was of alpha, and has expired
}

// Of two values that were written in the same nanosecond the greater one counts.
func ExampleConfig_resolve() {
	r := openReplica()
	defer r.Close()
	m, err := kv.Mount(r, "", kv.Config{Resolve: kv.StrictOrder})
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	if _, err := m.Set(ctx, "k", []byte("1")); err != nil {
		log.Fatal(err)
	}
	if _, err := m.Set(ctx, "k", []byte("2")); err != nil {
		log.Fatal(err)
	}
	e, _ := m.Get("k")
	fmt.Printf("%s\n", e.Value)
	// Output: 2
}

// A snapshot of the whole map.
func ExampleMap_MarshalJSON() {
	r := openReplica()
	defer r.Close()
	m, err := kv.Mount(r, "", kv.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	pairs := []kv.Pair{{Key: "name", Value: []byte("alpha")}, {Key: "bytes", Value: []byte{0xff}}}
	if _, err := m.SetMany(ctx, pairs); err != nil {
		log.Fatal(err)
	}
	if err := json.NewEncoder(os.Stdout).Encode(m); err != nil {
		log.Fatal(err)
	}
	// Output: {"bytes":{"value_base64":"/w=="},"name":"alpha"}
}
