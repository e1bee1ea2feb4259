package mount_test

import (
	"math"
	"testing"

	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/model/internal/livetest"
	"github.com/hearsaynet/hearsay/replica/model/internal/mount"
)

// TestRandom: what is chosen at random follows from who writes, where, and behind what.
func TestRandom(t *testing.T) {
	first := func(author, channel string, written int) uint64 {
		n := livetest.NewNode(t, author, author)
		for range written {
			if _, err := n.LocalUpdate(t.Context(), "elsewhere", []byte("x")); err != nil {
				t.Fatal(err)
			}
		}
		c, err := mount.Open("model", n.Replica, channel, none{})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		return c.Random(math.MaxUint64)
	}
	one := first("a", "", 0)
	if again := first("a", "model", 0); again != one {
		t.Errorf("the same author has %d first, and then %d", one, again)
	}
	for what, other := range map[string]uint64{
		"another author": first("b", "", 0), "another channel": first("a", "b", 0), "behind an update": first("a", "", 1),
		"without a replica": new(mount.Channel).Random(math.MaxUint64),
	} {
		if other == one {
			t.Errorf("%s has the same number", what)
		}
	}
}

// none is a model without state.
type none struct{}

func (none) ApplyUpdate(replica.Update) (bool, error) { return false, nil }
func (none) Reset()                                   {}
