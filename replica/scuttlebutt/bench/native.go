package main

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/model/kv"
	"github.com/hearsaynet/hearsay/replica/store"
	"github.com/hearsaynet/hearsay/sign"
	"github.com/hearsaynet/hearsay/verify"
)

// node is a replica in memory, as the npm module's peers are.
type node struct {
	*replica.Replica
	kv *kv.Map
}

func openNode(ctx context.Context) (*node, error) {
	_, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		return nil, err
	}
	key, err := sign.NewEd25519(private)
	if err != nil {
		return nil, err
	}
	r, err := replica.Open(ctx, replica.Config{Topic: "bench", Store: store.NewMemory(), Signer: key, Verify: verify.AnyKey()})
	if err != nil {
		return nil, err
	}
	m, err := kv.Mount(r, "", kv.Config{})
	if err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return &node{r, m}, nil
}

func (n *node) close() {
	n.kv.Close()
	n.Close()
}

// fill makes updates as many as a signature covers at a time.
func (n *node) fill(ctx context.Context, updates int) error {
	for i := 0; i < updates; {
		var pairs []kv.Pair
		for ; len(pairs) < 256 && i < updates; i++ {
			pairs = append(pairs, kv.Pair{Key: fmt.Sprintf("k%d", i), Value: []byte(value)})
		}
		if _, err := n.kv.SetMany(ctx, pairs); err != nil {
			return err
		}
	}
	return nil
}

// native measures hearsay's own protocol: signed by ed25519, 256 updates a signature.
func native(ctx context.Context, n int) (time.Duration, error) {
	from, err := openNode(ctx)
	if err != nil {
		return 0, err
	}
	defer from.close()
	if err := from.fill(ctx, n); err != nil {
		return 0, err
	}
	to, err := openNode(ctx)
	if err != nil {
		return 0, err
	}
	defer to.close()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer ln.Close()
	began := time.Now()
	dialled, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		return 0, err
	}
	accepted, err := ln.Accept()
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan error, 2)
	go func() { done <- from.Sync(ctx, accepted, replica.SyncConfig{}) }()
	go func() { done <- to.Sync(ctx, dialled, replica.SyncConfig{}) }()
	for to.kv.Len() < n {
		select {
		case err := <-done:
			return 0, err
		case <-time.After(time.Millisecond):
		}
	}
	took := time.Since(began)
	cancel()
	<-done
	<-done
	return took, nil
}
