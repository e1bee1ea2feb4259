package text_test

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"log"

	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/model/text"
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
	t, err := text.Mount(r, "", text.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer t.Close()

	if _, err := t.Insert(ctx, 0, "Runbook\n\nRestart the host.\n"); err != nil {
		log.Fatal(err)
	}
	cursor, err := t.Position(9, text.Before) // before "Restart", wherever that goes
	if err != nil {
		log.Fatal(err)
	}
	draft := t.Draft() // to be edited for a while, while others write
	if _, err := t.Insert(ctx, 7, " of beta"); err != nil {
		log.Fatal(err)
	}
	if _, err := draft.Apply(ctx, "Runbook\n\nRestart the host.\nThen look at its log.\n"); err != nil {
		log.Fatal(err)
	}
	at, err := t.At(cursor)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Print(t)
	fmt.Println("the cursor is at", at)
	// Output:
	// Runbook of beta
	//
	// Restart the host.
	// Then look at its log.
	// the cursor is at 17
}
