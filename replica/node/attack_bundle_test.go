package node_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hearsaynet/hearsay/keygen"
	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/keys/bundle"
	"github.com/hearsaynet/hearsay/replica/node"
	"github.com/hearsaynet/hearsay/sign"
)

func newKey(t *testing.T) *sign.PrivateKey {
	t.Helper()
	k, err := keygen.Generate(keygen.Ed25519, 0)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// signedBundle is a bundle as admin signs it.
func signedBundle(t *testing.T, admin *sign.PrivateKey, b bundle.Bundle, members ...keys.PublicKey) (text, armored []byte) {
	t.Helper()
	b.Name = "fleet"
	b.Issued = b.Expires.Add(-time.Hour)
	for _, k := range members {
		b.Members = append(b.Members, bundle.Member{Key: k})
	}
	text, err := b.Text()
	if err != nil {
		t.Fatal(err)
	}
	sig, err := admin.Sign(t.Context(), bundle.Namespace, text)
	if err != nil {
		t.Fatal(err)
	}
	if armored, err = bundle.Seal(text, admin.Public(), sig); err != nil {
		t.Fatal(err)
	}
	return text, armored
}

// attackBundleReplay offers bundles again from before a member was withdrawn.
func attackBundleReplay(t *testing.T) {
	admin, ada, eve := newKey(t), newKey(t).Public(), newKey(t).Public()
	dir, soon := newDir(t), time.Now().Truncate(time.Second).Add(time.Hour)
	text1, sig1 := signedBundle(t, admin, bundle.Bundle{Version: 1, Expires: soon}, ada, eve)
	text2, sig2 := signedBundle(t, admin, bundle.Bundle{Version: 2, Expires: soon}, ada)
	other2, otherSig2 := signedBundle(t, admin, bundle.Bundle{Version: 2, Expires: soon}, ada, eve)
	text3, sig3 := signedBundle(t, admin, bundle.Bundle{Version: 3, Expires: soon.Add(-2 * time.Hour)}, ada, eve)
	trust := func(text, armored []byte, force bool, want ...keys.PublicKey) *node.BundleResult {
		t.Helper()
		r, err := node.TrustBundle(dir, text, armored, admin.Public().ID(), force)
		if err != nil {
			t.Fatal(err)
		}
		var ids []keys.NodeID
		for _, k := range want {
			ids = append(ids, k.ID())
		}
		if !slices.Equal(r.Trusted, ids) {
			t.Errorf("trusted: %v, want %v", r.Trusted, ids)
		}
		return r
	}
	refused := func(text, armored []byte, want error) {
		t.Helper()
		r, err := node.TrustBundle(dir, text, armored, admin.Public().ID(), false)
		if r != nil || !errors.Is(err, want) {
			t.Errorf("TrustBundle = %v, %v; want %v", r, err, want)
		}
		if _, err := os.Stat(filepath.Join(dir, "trusted", eve.ID().String()+".pub")); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the withdrawn member is trusted: %v", err)
		}
	}
	if r := trust(text1, sig1, false, ada, eve); r.Again || len(r.Added) != 2 {
		t.Errorf("the first time: %+v", r)
	}
	if err := node.Untrust(dir, eve.ID()); err != nil {
		t.Fatal(err)
	}
	if r := trust(text1, sig1, false, ada); !r.Again || len(r.Added) != 0 { // the last one, again
		t.Errorf("the same again: %+v", r)
	}
	if r := trust(text2, sig2, false, ada); r.Again || len(r.Added) != 0 {
		t.Errorf("the next: %+v", r)
	}
	refused(text1, sig1, node.ErrBundleRollback)
	refused(other2, otherSig2, node.ErrBundleRollback)
	refused(text3, sig3, node.ErrBundleExpired)
	refused(text2, sig1, bundle.ErrSigner)
	if r := trust(text1, sig1, true, ada, eve); len(r.Added) != 1 { // as it was told to
		t.Errorf("forced: %+v", r)
	}
	if err := node.Untrust(dir, eve.ID()); err != nil {
		t.Fatal(err)
	}
	refused(text1, sig1, node.ErrBundleRollback)

	// What is remembered is not passed over when it is damaged.
	names, err := filepath.Glob(filepath.Join(dir, "bundles", "*"))
	if err != nil || len(names) != 1 {
		t.Fatalf("remembered in %q, %v", names, err)
	}
	write(t, names[0], "{}")
	if r, err := node.TrustBundle(dir, text2, sig2, admin.Public().ID(), false); r != nil || err == nil || !strings.Contains(err.Error(), names[0]) {
		t.Errorf("with a damaged file: %v, %v; want an error that names it", r, err)
	}
}
