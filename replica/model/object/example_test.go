package object_test

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"log"

	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/model/object"
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
	o, err := object.Mount(r, "", object.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer o.Close()

	if _, err := o.Set(ctx, "/hosts/alpha", []byte(`{"state": "up", "load": 0.50}`)); err != nil {
		log.Fatal(err)
	}
	if _, err := o.Set(ctx, "/hosts/beta/state", []byte(`"down"`)); err != nil {
		log.Fatal(err)
	}
	if _, err := o.Remove(ctx, "/hosts/alpha/state"); err != nil {
		log.Fatal(err)
	}
	if e, ok := o.Get("/hosts/alpha/load"); ok {
		fmt.Printf("%s, as its author says in update %d\n", e.JSON, e.Seq)
	}
	for name := range o.Keys("/hosts") {
		fmt.Println(name)
	}
	fmt.Printf("%s\n", o.Snapshot())
	// Output:
	// 0.50, as its author says in update 1
	// alpha
	// beta
	// {"hosts":{"alpha":{"load":0.50},"beta":{"state":"down"}}}
}
