package manifest_test

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"log"

	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/model/kv"
	"github.com/hearsaynet/hearsay/replica/model/manifest"
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
	m, err := manifest.Mount(r, "", manifest.Config{Kinds: map[string]manifest.Kind{
		"kv": func(r *replica.Replica, channel string) (manifest.Mounted, error) {
			return kv.Mount(r, channel, kv.Config{})
		},
		"value": func(r *replica.Replica, channel string) (manifest.Mounted, error) {
			return value.Mount(r, channel, value.Config{})
		},
	}})
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()

	for channel, kind := range map[string]string{"hosts": "kv", "leader": "value", "notes": "wiki"} {
		if _, err := m.Add(ctx, channel, kind); err != nil {
			log.Fatal(err)
		}
	}
	if err := m.Settle(ctx); err != nil {
		log.Fatal(err)
	}
	for e := range m.All() {
		fmt.Printf("%s: %s, %v\n", e.Channel, e.Kind, e.State)
	}
	if e, ok := m.Get("hosts"); ok {
		if _, err := e.Model.(*kv.Map).Set(ctx, "alpha", []byte("up")); err != nil {
			log.Fatal(err)
		}
	}
	// Output:
	// hosts: kv, running
	// leader: value, running
	// notes: wiki, unknown kind
}
