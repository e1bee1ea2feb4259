package value_test

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"log"

	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/model/value"
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
	leader, err := value.Mount(r, "leader", value.Config{History: 2})
	if err != nil {
		log.Fatal(err)
	}
	defer leader.Close()

	for _, name := range []string{"alpha", "beta", "gamma"} {
		if _, err := leader.Set(ctx, []byte(name)); err != nil {
			log.Fatal(err)
		}
	}
	if e, ok := leader.Get(); ok {
		fmt.Printf("%s, as its author says in update %d\n", e.Value, e.Seq)
	}
	for _, e := range leader.History() {
		fmt.Printf("%s\n", e.Value)
	}
	// Output:
	// gamma, as its author says in update 3
	// beta
	// gamma
}
