package events_test

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"log"

	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/model/events"
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
	l, err := events.Mount(r, "", events.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer l.Close()

	if _, err := l.PublishMany(ctx, "deploys", []byte("v1"), []byte("v2")); err != nil {
		log.Fatal(err)
	}
	if _, err := l.Publish(ctx, "alarms.disk", []byte("full")); err != nil {
		log.Fatal(err)
	}
	all, err := l.Replay("", events.From{})
	if err != nil {
		log.Fatal(err)
	}
	for e := range all {
		fmt.Printf("%d. %s: %s\n", e.Seq, e.Name, e.Data)
	}
	alarms, err := l.Follow(ctx, "alarms.**", events.From{})
	if err != nil {
		log.Fatal(err)
	}
	for e := range alarms {
		fmt.Printf("%s: %s\n", e.Name, e.Data)
		cancel() // or it waits for the next
	}
	// Output:
	// 1. deploys: v1
	// 2. deploys: v2
	// 3. alarms.disk: full
	// alarms.disk: full
}
