package replica_test

import (
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/internal/wiretest"
)

// TestDroppedProof: a fork proof for which there was no room, while the keystore was down,
// comes again when it is back, though nobody says that it is and the link stays.
func TestDroppedProof(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := wiretest.NewAuthor("x")
		runs := x.Chain(topic, x.Start(), 1, 1, 1)
		a := open(t, "", func(c *replica.Config) {
			if err := c.Store.Append(t.Context(), runs[:2]...); err != nil {
				t.Fatal(err)
			}
		})
		admitted := keys.NewMemory(x.Key())
		ks := &flaky{Keystore: admitted}
		ks.set(errors.New("down"))
		b := open(t, "", func(c *replica.Config) {
			admitting(struct {
				keys.Keystore
				keys.Lister
			}{ks, admitted})(c)
			c.Pipeline.MaxWaitingRuns = 1
		})
		link(t, a.Replica, b.Replica)
		time.Sleep(time.Second)
		second := x.Run(topic, runs[1].End(), wiretest.Change(7, "test", "another third"))
		hostile := dial(t, a)
		hostile.key(x)
		hostile.run(runs[2], second)
		time.Sleep(time.Second)
		if got := a.proofs(t); !slices.Equal(got, []uint64{3}) {
			t.Fatalf("proofs %v at the peer, want 3", got)
		}
		ks.set(nil)
		time.Sleep(3 * time.Minute)
		if got := b.proofs(t); !slices.Equal(got, []uint64{3}) {
			t.Errorf("proofs %v after the keystore was back, want 3", got)
		}
	})
}
