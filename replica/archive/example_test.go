package archive_test

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/archive"
	"github.com/hearsaynet/hearsay/replica/internal/wiretest"
	"github.com/hearsaynet/hearsay/replica/store"
	"github.com/hearsaynet/hearsay/verify"
)

func replicaOf(name string) *replica.Replica {
	r, err := replica.Open(context.Background(), replica.Config{
		Topic: "prices", Store: store.NewMemory(), Verify: verify.AnyKey(), Signer: wiretest.Signer{Author: wiretest.NewAuthor(name)}})
	if err != nil {
		log.Fatal(err)
	}
	return r
}

// What createReadStream().pipe(file) and file.pipe(createWriteStream()) are to the npm
// scuttlebutt: a replica goes into a directory, and out of it into another one.
func Example() {
	dir, err := os.MkdirTemp("", "archive")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	ctx := context.Background()
	one, two := replicaOf("one"), replicaOf("two")
	defer one.Close()
	defer two.Close()
	for range 3 {
		if _, err := one.LocalUpdate(ctx, "", []byte("a change")); err != nil {
			log.Fatal(err)
		}
	}

	w, err := archive.Create(dir, archive.Config{}) // goes on behind what is there
	if err != nil {
		log.Fatal(err)
	}
	// With Follow it goes on with each further update, until the context ends.
	if _, err := one.Export(ctx, w, replica.ExportConfig{After: w.Clock()}); err != nil {
		log.Fatal(err)
	}
	if err := w.Close(); err != nil {
		log.Fatal(err)
	}

	r, err := archive.Open(dir)
	if err != nil {
		log.Fatal(err)
	}
	defer r.Close()
	result, err := two.Import(ctx, r)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%d updates, %d refused, %d faults\n", result.Updates, result.Refused, len(r.Faults()))
	// Output: 3 updates, 0 refused, 0 faults
}
