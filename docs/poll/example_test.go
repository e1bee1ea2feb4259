package poll_test

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"log"
	"net"

	"github.com/hearsaynet/hearsay/docs/poll"
	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/store"
	"github.com/hearsaynet/hearsay/sign"
)

func Example() {
	ctx := context.Background()
	ada, bo := newKey(), newKey()
	admitted := keys.NewMemory(ada.Public(), bo.Public())
	open := func(key *sign.PrivateKey) (*replica.Replica, *poll.Poll) {
		r, err := replica.Open(ctx, replica.Config{Topic: "team", Store: store.NewMemory(), Signer: key, Keystore: admitted})
		if err != nil {
			log.Fatal(err)
		}
		p, err := poll.Mount(r, "lunch")
		if err != nil {
			log.Fatal(err)
		}
		return r, p
	}
	a, lunch := open(ada)
	b, copied := open(bo)
	defer func() { lunch.Close(); copied.Close(); a.Close(); b.Close() }()

	lunch.Vote(ctx, "noodles")
	copied.Vote(ctx, "soup")
	copied.Vote(ctx, "noodles") // another idea: it is still one vote

	one, two := net.Pipe()
	done := make(chan error)
	go func() { done <- b.Sync(ctx, two, replica.SyncConfig{StopWhenDrained: true}) }()
	if err := a.Sync(ctx, one, replica.SyncConfig{StopWhenDrained: true}); err != nil {
		log.Fatal(err)
	}
	if err := <-done; err != nil {
		log.Fatal(err)
	}
	fmt.Println(lunch.Result(), copied.Result())
	// Output: [{noodles 2}] [{noodles 2}]
}

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
