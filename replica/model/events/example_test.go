package events_test

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"log"
	"time"

	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/model/events"
	"github.com/hearsaynet/hearsay/replica/store"
	"github.com/hearsaynet/hearsay/sign"
)

// open opens a replica of one's own.
func open(ctx context.Context) *replica.Replica {
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
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	r := open(ctx)
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

// A listener that was away goes on where it was, and gets what came meanwhile.
func ExampleLog_On() {
	ctx := context.Background()
	r := open(ctx)
	defer r.Close()
	l, err := events.Mount(r, "", events.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer l.Close()

	handled := r.Clock() // or each author's last Event.Ref, as they were handled
	if _, err := l.Publish(ctx, "door.front", []byte("open")); err != nil {
		log.Fatal(err)
	}
	if _, err := l.PublishFor(ctx, "door.back", time.Minute, []byte("open")); err != nil { // nobody hears it later
		log.Fatal(err)
	}
	done := make(chan struct{})
	listen := events.Listen{From: &events.From{After: handled}, Echo: true} // these are its own events
	err = l.On(ctx, "door.*", listen, func(e events.Event) {
		fmt.Printf("%s is %s\n", e.Name, e.Data)
		if e.Name == "door.back" {
			close(done)
		}
	})
	if err != nil {
		log.Fatal(err)
	}
	<-done
	// Output:
	// door.front is open
	// door.back is open
}
