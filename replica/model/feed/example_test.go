package feed_test

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"log"

	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/model/feed"
	"github.com/hearsaynet/hearsay/replica/store"
	"github.com/hearsaynet/hearsay/sign"
)

func Example() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
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
	f, err := feed.Mount(r, "", feed.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()

	refs, err := f.PushMany(ctx, []byte("hello"), []byte("wrong"), []byte("world"))
	if err != nil {
		log.Fatal(err)
	}
	if _, err := f.Remove(ctx, refs[1]); err != nil {
		log.Fatal(err)
	}
	for item := range f.Author(r.Self()) {
		fmt.Printf("%d. %s\n", item.Seq, item.Data)
	}
	for item := range f.Tail(ctx, 1) {
		fmt.Printf("newest: %s\n", item.Data)
		cancel() // or it waits for the next
	}
	// Output:
	// 1. hello
	// 3. world
	// newest: world
}
