package bridge_test

import (
	"bytes"
	"crypto/ed25519"
	"testing"
	"time"

	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/model/kv"
	"github.com/hearsaynet/hearsay/replica/node"
	"github.com/hearsaynet/hearsay/replica/store"
	"github.com/hearsaynet/hearsay/sign"
)

// TestExpires: what has expired in the topic is deleted on the npm side, which knows no
// expiry, and does not come back from there.
func TestExpires(t *testing.T) {
	n, m := openNode(t), model(t, "N")
	_, secret, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	key, err := sign.NewEd25519(secret)
	if err != nil {
		t.Fatal(err)
	}
	author, err := replica.Open(t.Context(), replica.Config{Topic: node.DefaultTopic, Store: store.NewMemory(), Signer: key})
	if err != nil {
		t.Fatal(err)
	}
	defer author.Close()
	values, err := kv.Mount(author, "", kv.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer values.Close()
	until := func(expires time.Time, keys ...string) {
		t.Helper()
		for _, key := range keys {
			if _, err := values.SetUntil(t.Context(), key, []byte("v"), expires); err != nil {
				t.Fatal(err)
			}
		}
		var file bytes.Buffer
		if _, err := author.Export(t.Context(), &file, replica.ExportConfig{}); err != nil {
			t.Fatal(err)
		}
		if _, err := n.Import(t.Context(), &file); err != nil {
			t.Fatal(err)
		}
	}
	b := start(t, config(n, t.TempDir()), &m.Node)
	until(time.Now().Add(time.Hour), "p/soon", "p/later")
	wants(t, n, m, `p/later=v p/soon=v`, `later="v" soon="v"`)
	until(time.Now(), "p/soon", "p/never")
	wants(t, n, m, `p/later=v`, `later="v"`)
	set(t, m, "soon", `"again"`)
	wants(t, n, m, `p/later=v p/soon=again`, `later="v" soon="again"`)
	quiet(t, n, b)
}
