package scuttlebutt

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"time"
)

// serving runs Serve on a port of its own until the test ends.
func serving(t *testing.T, n *Node, cfg SyncConfig) (addr string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- n.Serve(ctx, ln, cfg) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Serve = %v", err)
		}
	})
	return ln.Addr().String()
}

// TestServe: one node dials another.
func TestServe(t *testing.T) {
	a, b := newModel(t, "A"), newModel(t, "B")
	set(t, a, "k", `1`)
	set(t, b, "l", `1`)
	if err := b.Connect(t.Context(), serving(t, &a.Node, SyncConfig{}), SyncConfig{NoTail: true}); err != nil {
		t.Fatal(err)
	}
	want(t, b, "k=1 l=1")
	eventually(t, &a.Node, "l", func() bool { return state(a) == "k=1 l=1" })
}

// TestConnectAgain: a session that fails is followed by another one.
func TestConnectAgain(t *testing.T) {
	a, b := newModel(t, "A"), newModel(t, "B")
	set(t, a, "k", `1`)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	ln.(*net.TCPListener).SetDeadline(time.Now().Add(20 * time.Second))
	done := make(chan error, 1)
	go func() { done <- b.Connect(t.Context(), ln.Addr().String(), SyncConfig{NoTail: true}) }()
	for _, talk := range []func(net.Conn) error{
		func(c net.Conn) error { return c.Close() },
		func(c net.Conn) error { return a.Sync(t.Context(), c, SyncConfig{NoTail: true}) },
	} {
		c, err := ln.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if err := talk(c); err != nil {
			t.Fatal(err)
		}
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	want(t, b, "k=1")
}

// TestServeSeats: a host has so many sessions at most, and gets the seat of one that ends.
func TestServeSeats(t *testing.T) {
	addr := serving(t, &newModel(t, "A").Node, SyncConfig{})
	heard := func() (net.Conn, bool) {
		c := dial(t, addr)
		t.Cleanup(func() { c.Close() })
		c.SetReadDeadline(time.Now().Add(20 * time.Second))
		_, err := c.Read(make([]byte, 1))
		if err != nil && !errors.Is(err, io.EOF) {
			t.Error(err)
		}
		return c, err == nil
	}
	var first net.Conn
	for i := range MaxPerHost {
		c, ok := heard()
		if !ok {
			t.Fatalf("connection %d is closed", i)
		}
		first = c
	}
	if _, ok := heard(); ok {
		t.Errorf("%d connections", MaxPerHost+1)
	}
	first.Close()
	for ok := false; !ok; {
		if _, ok = heard(); t.Failed() {
			return
		}
	}
}
