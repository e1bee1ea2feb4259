package doc_test

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"log"

	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/model/doc"
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
	r, err := replica.Open(ctx, replica.Config{Topic: "ship", Store: store.NewMemory(), Signer: key})
	if err != nil {
		log.Fatal(err)
	}
	defer r.Close()
	d, err := doc.Mount(r, "", doc.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer d.Close()

	// A sequence of tasks, and the set of those that are urgent.
	tasks, err := d.Sequence(doc.Where("type", "task"), "")
	if err != nil {
		log.Fatal(err)
	}
	urgent, err := d.Select(doc.Where("urgent", true))
	if err != nil {
		log.Fatal(err)
	}
	for _, name := range []string{"caulk the seams", "mend the sails", "load water"} {
		if _, _, err := tasks.Push(ctx, doc.Fields{"name": name}); err != nil {
			log.Fatal(err)
		}
	}
	water, _ := tasks.At(2)
	if _, err := d.Set(ctx, water.ID(), doc.Fields{"urgent": true, "barrels": 40}); err != nil {
		log.Fatal(err)
	}
	if _, err := tasks.Move(ctx, 2, 0); err != nil {
		log.Fatal(err)
	}
	for row := range tasks.Rows() {
		name, _ := row.Get("name")
		fmt.Printf("%s\n", name.Value)
	}
	for row := range urgent.Rows() {
		name, _ := row.Get("name")
		barrels, _ := row.Get("barrels")
		fmt.Printf("urgent: %s, %s barrels\n", name.Value, barrels.Value)
	}
	// Output:
	// "load water"
	// "caulk the seams"
	// "mend the sails"
	// urgent: "load water", 40 barrels
}
