package replica_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/internal/wiretest"
	"github.com/hearsaynet/hearsay/replica/store"
)

// TestKeystoreFaults has a keystore fail for one author for an hour, which has written
// far more than may wait. Another author flows; what waits is bounded; afterwards each
// update comes, in order and once, within one pause and the look-up that was out, or
// seconds later if it was dropped.
func TestKeystoreFaults(t *testing.T) {
	const written = 600
	y := wiretest.NewAuthor("y")
	lens := slices.Repeat([]int{1}, written)
	runs := y.Chain(topic, y.Start(), lens...)
	for name, fault := range map[string]func(context.Context, keys.NodeID) (keys.PublicKey, error){
		"down":   refuse,
		"silent": hang,
		"slow": func(ctx context.Context, _ keys.NodeID) (k keys.PublicKey, err error) {
			time.Sleep(29 * time.Second) // and deaf: it heeds no context
			return k, errors.New("too late")
		},
		"wrong key": func(context.Context, keys.NodeID) (keys.PublicKey, error) {
			return wiretest.NewAuthor("z").Key(), nil
		},
		"panics": func(context.Context, keys.NodeID) (keys.PublicKey, error) { panic("as asked") },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				disk := store.NewMemory()
				if err := disk.Append(t.Context(), runs...); err != nil {
					t.Fatal(err)
				}
				source := open(t, "x", func(c *replica.Config) { atModern(c); c.Store = disk })
				x := source.author
				ks := &moody{}
				ks.Add(x.Key())
				ks.Add(y.Key())
				ks.set(func(ctx context.Context, id keys.NodeID) (k keys.PublicKey, err error) {
					if id == y.ID() {
						return fault(ctx, id)
					}
					return k, nil
				})
				p := open(t, "", func(c *replica.Config) { atModern(c); by(ks, store.NewMemory())(c) })
				link(t, source.Replica, p.Replica)
				for round := range uint64(4) {
					rest(15 * time.Minute)
					source.write(t, "flows")
					rest(time.Second)
					if got := p.journal.of(x.ID()); !slices.Equal(got, count(round+1)) {
						t.Errorf("%v of x came, want 1 to %d", got, round+1)
					}
					if n := p.Status().Counts.Waiting; n == 0 || n > 256 {
						t.Errorf("%d wait, want 1 to 256", n)
					}
				}
				if got := p.journal.of(y.ID()); len(got) > 0 {
					t.Errorf("%v of y came", got)
				}
				ks.set(nil)
				for range 75 { // the longest pause, and a look-up
					if rest(time.Second); len(p.journal.of(y.ID())) > 0 {
						break
					}
				}
				rest(10 * time.Second) // and what was dropped
				if got := p.journal.of(y.ID()); !slices.Equal(got, count(written)) {
					t.Errorf("%d updates of y came, want 1 to %d, each once", len(got), written)
				}
			})
		})
	}
}
