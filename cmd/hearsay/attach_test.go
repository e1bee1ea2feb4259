package main

import (
	"context"
	"log/slog"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hearsaynet/hearsay/replica/node"
)

// TestSlowPassphrase: who types a passphrase for a minute has the whole time for the write
// still.
func TestSlowPassphrase(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "node")
	log := slog.New(slog.DiscardHandler)
	secret := func() ([]byte, error) { return []byte("correct horse"), nil }
	path, err := filepath.Abs("../../testdata/keys/rsa2048_pkcs8enc")
	if err != nil {
		t.Fatal(err)
	}
	n, err := node.Open(t.Context(), node.Options{Dir: dir, KeyFile: path, Passphrase: secret, Force: true, Listen: []string{"127.0.0.1:0"}, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(now)) // a bubble begins before this program was made
		slowly := func() ([]byte, error) { time.Sleep(time.Minute); return secret() }
		api, err := node.Attach(t.Context(), node.Options{Dir: dir, Passphrase: slowly, Log: log})
		if err != nil {
			t.Fatal(err)
		}
		defer api.Close()
		a := &app{log: log}
		ctx, cancel, err := a.durably(context.Background(), api)
		if err != nil {
			t.Fatal(err)
		}
		defer cancel()
		if _, err := api.Set(ctx, "k", []byte("v")); err != nil {
			t.Error(err)
		}
	})
}
