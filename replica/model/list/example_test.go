package list_test

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"log"

	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/model/list"
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
	r, err := replica.Open(ctx, replica.Config{Topic: "expedition", Store: store.NewMemory(), Signer: key})
	if err != nil {
		log.Fatal(err)
	}
	defer r.Close()
	l, err := list.Mount(r, "", list.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer l.Close()

	ids, err := l.Append(ctx, []byte("rope"), []byte("tent"), []byte("stove"))
	if err != nil {
		log.Fatal(err)
	}
	if _, err := l.Insert(ctx, 0, []byte("map")); err != nil {
		log.Fatal(err)
	}
	// By name: whatever others insert and move meanwhile, it is the stove.
	if _, err := l.SetElement(ctx, ids[2], []byte("stove and matches")); err != nil {
		log.Fatal(err)
	}
	if _, err := l.MoveBefore(ctx, ids[2], ids[0]); err != nil {
		log.Fatal(err)
	}
	if _, err := l.Remove(ctx, 3, 1); err != nil {
		log.Fatal(err)
	}
	for i, e := range l.All() {
		fmt.Printf("%d. %s\n", i+1, e.Value)
	}
	// Output:
	// 1. map
	// 2. stove and matches
	// 3. rope
}
