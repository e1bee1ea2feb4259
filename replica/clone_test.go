package replica_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/internal/wiretest"
	"github.com/hearsaynet/hearsay/replica/store"
	"github.com/hearsaynet/hearsay/verify"
)

// cloneOf makes a clone of p with a journal.
func cloneOf(t *testing.T, p *peer, name string) *peer {
	t.Helper()
	cfg := replica.Config{}
	c := &peer{journal: &journal{}}
	if name != "" {
		c.author = wiretest.NewAuthor(name)
		cfg.Signer = signer{Author: c.author}
	}
	r, err := p.Clone(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	c.Replica = r
	c.notices = r.Notices(context.Background())
	if _, err := r.Mount("test", c.journal); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return c
}

func TestClone(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*replica.Config)
	}{
		{"any key", nil},
		{"a keystore without the own key", func(c *replica.Config) {
			c.Verify, c.Keystore = nil, keys.NewMemory(wiretest.NewAuthor("c").Key())
		}},
		{"a Verify that refuses the own key", func(c *replica.Config) {
			c.Keystore = keys.NewMemory(wiretest.NewAuthor("c").Key())
			c.Verify = verify.Admitted(c.Keystore)
		}},
		{"a Verify without a keystore", func(c *replica.Config) {
			c.Verify = verify.Admitted(keys.NewMemory(wiretest.NewAuthor("c").Key()))
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := open(t, "p", tt.change)
			p.write(t, "1", "2", "3")
			c := cloneOf(t, p, "c")
			if got := c.journal.of(p.author.ID()); !slices.Equal(got, count(3)) {
				t.Errorf("the clone has %v when Clone returns, want 1 to 3", got)
			}
			p.write(t, "4")
			c.reach(t, p.author.ID(), 4)
			c.write(t, "x")
			p.reach(t, c.author.ID(), 1)
			if c.Topic() != p.Topic() || c.Self() == p.Self() {
				t.Errorf("the clone is %v on %q", c.Self(), c.Topic())
			}
		})
	}
}

// TestCloneReadOnly: a clone without a Signer of its own does not write with the original's.
func TestCloneReadOnly(t *testing.T) {
	p := open(t, "p", nil)
	c := cloneOf(t, p, "")
	_, err := c.LocalUpdate(t.Context(), "test", []byte("x"))
	mustErr(t, err, replica.ErrReadOnly)
}

// TestCloneNobodyAdmitted: a replica without Keystore and Verify has its own author only,
// and so has its clone.
func TestCloneNobodyAdmitted(t *testing.T) {
	p := open(t, "p", func(c *replica.Config) { c.Verify = nil })
	p.write(t, "1")
	c := cloneOf(t, p, "")
	c.reach(t, p.author.ID(), 1)
}

// TestCloneEnds: when either is closed the other one goes on alone.
func TestCloneEnds(t *testing.T) {
	p := open(t, "p", nil)
	p.write(t, "1")
	first, second := cloneOf(t, p, "first"), cloneOf(t, p, "second")
	first.Close()
	p.write(t, "2")
	second.reach(t, p.author.ID(), 2)
	p.Close()
	second.write(t, "alone")
	if _, err := p.Clone(t.Context(), replica.Config{}); !errors.Is(err, replica.ErrClosed) {
		t.Errorf("clone of a closed replica: %v", err)
	}
}

func TestCloneRefuses(t *testing.T) {
	p := open(t, "p", nil)
	for _, tt := range []struct {
		want string
		cfg  replica.Config
	}{
		{"topic", replica.Config{Topic: "other"}},
		{"two histories", replica.Config{Signer: signer{Author: p.author}}},
		{"needs another", replica.Config{Store: p.store}},
	} {
		c, err := p.Clone(t.Context(), tt.cfg)
		if err == nil || !strings.Contains(strings.ToLower(err.Error()), tt.want) {
			t.Errorf("got %v, want an error that says %q", err, tt.want)
			if c != nil {
				c.Close()
			}
		}
	}
}

// TestCloneWaits: Clone is over when its context is, also when verification never ends.
func TestCloneWaits(t *testing.T) {
	p := open(t, "p", nil)
	p.write(t, "1")
	ctx, cancel := context.WithCancel(t.Context())
	asked := func(_ context.Context, _ *verify.Request, done func(verify.Verdict, error)) {
		cancel()
		done(verify.Unavailable, errors.New("the keystore is down"))
	}
	_, err := p.Clone(ctx, replica.Config{Verify: asked, Store: store.NewMemory()})
	mustErr(t, err, context.Canceled)
}
