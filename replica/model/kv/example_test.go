package kv_test

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"log"

	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/model/kv"
	"github.com/hearsaynet/hearsay/replica/store"
	"github.com/hearsaynet/hearsay/sign"
)

func Example() {
	ctx := context.Background()
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
