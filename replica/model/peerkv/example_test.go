package peerkv_test

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"log"
	"time"

	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/model/peerkv"
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
	m, err := peerkv.Mount(r, "", peerkv.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()

	if _, err := m.Set(ctx, "address", []byte("192.0.2.1:7000")); err != nil {
		log.Fatal(err)
	}
	if _, err := m.SetTTL(ctx, "load", []byte("0.5"), time.Minute); err != nil {
		log.Fatal(err)
	}
	for author := range m.Authors() {
		for key := range m.Keys(author) {
			e, _ := m.Remote(author, key)
			fmt.Printf("%s %s (own: %v)\n", key, e.Value, author == r.Self())
		}
	}
	// Output:
	// address 192.0.2.1:7000 (own: true)
	// load 0.5 (own: true)
}
