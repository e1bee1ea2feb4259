package mallory_test

import (
	"context"
	"errors"
	"net"
	"os"
	"strings"
	"testing"

	"github.com/hearsaynet/hearsay/fuzz/mallory"
	"github.com/hearsaynet/hearsay/replica/link"
)

func TestAttacksAreDescribed(t *testing.T) {
	seen := make(map[string]bool)
	for _, a := range mallory.Attacks() {
		if a.Name == "" || a.About == "" || a.Right == "" || strings.ContainsAny(a.Name, " ,") || seen[a.Name] {
			t.Errorf("attack %+v, want a name of its own, what it does, and what is right", a)
		}
		seen[a.Name] = true
	}
	if len(seen) != len(rights) {
		t.Errorf("%d attacks, %d of them are tested", len(seen), len(rights))
	}
}

func TestFind(t *testing.T) {
	found, err := mallory.Find("reorder, drop")
	if err != nil || len(found) != 2 || found[0].Name != "reorder" || found[1].Name != "drop" {
		t.Errorf("got %v, %v", found, err)
	}
	for _, bad := range []string{"", "drip", "drop,drop", "drop,", "Drop"} {
		if found, err := mallory.Find(bad); err == nil || found != nil && bad == "" {
			t.Errorf("%q: got %v, %v", bad, found, err)
		}
	}
}

func find(t *testing.T, names string) []mallory.Attack {
	t.Helper()
	found, err := mallory.Find(names)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestNewRefuses(t *testing.T) {
	upstream := link.Address{HostPort: "127.0.0.1:1"}
	for name, cfg := range map[string]mallory.Config{
		"no upstream": {Attacks: find(t, "drop")},
		"no attack":   {Upstream: upstream},
		"bad topic":   {Upstream: upstream, Attacks: find(t, "drop"), Topic: "a\n"},
		"no key":      {Upstream: upstream, Attacks: find(t, "drop,equivocate")},
	} {
		if _, err := mallory.New(cfg); err == nil || errors.Is(err, mallory.ErrNeedsKey) != (name == "no key") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// TestLoopbackOnly has addresses of which it does no harm to know that they are refused.
func TestLoopbackOnly(t *testing.T) {
	const documentation = "192.0.2.1:4427" // RFC 5737: nobody's
	new := func(insecure bool) *mallory.Relay {
		m, err := mallory.New(mallory.Config{Upstream: link.Address{HostPort: documentation}, Attacks: find(t, "noise,drop"), InsecureAnyAddress: insecure})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { m.Close() })
		return m
	}
	m := new(false)
	for _, address := range []string{":0", "0.0.0.0:0", "[::]:0"} {
		if ln, err := m.Listen(t.Context(), address); !errors.Is(err, mallory.ErrNotLoopback) {
			t.Errorf("listens on %s: %v, %v", address, ln, err)
		}
		if err := mallory.Loopback(t.Context(), address); !errors.Is(err, mallory.ErrNotLoopback) {
			t.Errorf("%s counts as loopback: %v", address, err)
		}
	}
	ln, err := new(true).Listen(t.Context(), ":0")
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Serve(t.Context(), ln); !errors.Is(err, mallory.ErrNotLoopback) {
		t.Errorf("serves %v: %v", ln.Addr(), err)
	}
	for _, address := range []string{"127.0.0.1:0", "localhost:0"} {
		if err := mallory.Loopback(t.Context(), address); err != nil {
			t.Errorf("%s: %v", address, err)
		}
	}
	if err := m.DialUpstream(t.Context()); !errors.Is(err, mallory.ErrNotLoopback) {
		t.Errorf("dials %s: %v", documentation, err)
	}
}

// TestEnds has ends of all kinds leave nothing behind that Serve waits for.
func TestEnds(t *testing.T) {
	m, err := mallory.New(mallory.Config{Upstream: link.Address{HostPort: "127.0.0.1:1"}, Attacks: find(t, "noise,flood-connections,delay")})
	if err != nil {
		t.Fatal(err)
	}
	ln, err := m.Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- m.Serve(ctx, ln) }()
	for range 4 { // in turn: noise, and a link, whose handshake does not come
		c, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	cancel()
	if err := <-served; err != nil {
		t.Errorf("Serve: %v", err)
	}
	if err := m.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
}

// TestDocument compares the code in the document with the example that is run.
func TestDocument(t *testing.T) {
	doc, err := os.ReadFile("../../docs/attack-your-app.md")
	if err != nil {
		t.Fatal(err)
	}
	example, err := os.ReadFile("example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	_, code, ok := strings.Cut(string(doc), "```go\n")
	code, _, _ = strings.Cut(code, "```")
	if !ok || len(code) < 100 || !strings.Contains(string(example), code) {
		t.Error("docs/attack-your-app.md: its Go code is not that of example_test.go")
	}
}
