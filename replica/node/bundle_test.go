package node_test

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/keys/bundle"
	"github.com/hearsaynet/hearsay/replica/node"
)

// TestTrustBundleAtOnce admits the versions of a bundle at the same time: whichever comes
// first, the newest is remembered.
func TestTrustBundleAtOnce(t *testing.T) {
	const versions = 8
	admin, expires := newKey(t), time.Now().Truncate(time.Second).Add(time.Hour)
	var members []keys.PublicKey
	var texts, sigs [versions][]byte
	for v := range versions {
		members = append(members, newKey(t).Public())
		texts[v], sigs[v] = signedBundle(t, admin, bundle.Bundle{Version: uint64(v + 1), Expires: expires}, members...)
	}
	for range 4 {
		dir := newDir(t)
		trust := func(v int) error {
			_, err := node.TrustBundle(dir, texts[v], sigs[v], admin.Public().ID(), false)
			return err
		}
		var all sync.WaitGroup
		for v := range versions {
			all.Go(func() {
				if err := trust(v); err != nil && !errors.Is(err, node.ErrBundleRollback) {
					t.Errorf("version %d: %v", v+1, err)
				}
			})
		}
		all.Wait()
		if err := trust(versions - 2); !errors.Is(err, node.ErrBundleRollback) {
			t.Errorf("after version %d, the one before: %v, want it refused", versions, err)
		}
	}
}
