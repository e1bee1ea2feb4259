package replica_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/internal/wiretest"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// TestReadmittedIsPassedOn: two nodes hear one after the other that an author is admitted.
// The one that hears first asks in vain; the one that has the updates offers them when it
// hears as well, though the author itself is silent for ever.
func TestReadmittedIsPassedOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		silent := wiretest.NewAuthor("silent")
		admit := func(cfg *replica.Config) *keys.Memory {
			ks := keys.NewMemory(wiretest.NewAuthor("a").Key(), wiretest.NewAuthor("b").Key())
			cfg.Keystore, cfg.Verify = ks, nil
			return ks
		}
		var hasIt, wantsIt *keys.Memory
		a := open(t, "a", func(cfg *replica.Config) {
			hasIt = admit(cfg)
			hasIt.Add(silent.Key())
			for _, run := range silent.Chain(topic, wire.Ref{}, 1, 2) {
				if err := cfg.Store.Append(t.Context(), run); err != nil {
					t.Fatal(err)
				}
			}
		})
		b := open(t, "b", func(cfg *replica.Config) { wantsIt = admit(cfg) })
		hasIt.Remove(silent.ID())
		synctest.Wait()
		link(t, a.Replica, b.Replica)
		time.Sleep(time.Second)
		wantsIt.Add(silent.Key())
		time.Sleep(time.Second)
		if got := b.journal.of(silent.ID()); len(got) > 0 {
			t.Fatalf("updates %v of an author that is not admitted were passed on", got)
		}
		hasIt.Add(silent.Key())
		time.Sleep(time.Second)
		if got := len(b.journal.of(silent.ID())); got != 3 {
			t.Errorf("%d updates were passed on after the author had been admitted again, want 3", got)
		}
	})
}

// mute is a keystore that does not say when it has changed.
type mute struct{ ks *keys.Memory }

func (m mute) Lookup(ctx context.Context, id keys.NodeID) (keys.PublicKey, error) {
	return m.ks.Lookup(ctx, id)
}

// TestRefusalWithdraws: when the keystore says of a run that its author is not admitted, it
// has said so of what is stored of the author as well.
func TestRefusalWithdraws(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		author := wiretest.NewAuthor("author")
		ks := keys.NewMemory(wiretest.NewAuthor("a").Key(), wiretest.NewAuthor("b").Key(), author.Key())
		runs := author.Chain(topic, wire.Ref{}, 2, 1)
		stock := func(n int) func(*replica.Config) {
			return func(cfg *replica.Config) {
				cfg.Verify, cfg.Keystore = nil, keys.NewMemory(author.Key())
				if err := cfg.Store.Append(t.Context(), runs[:n]...); err != nil {
					t.Fatal(err)
				}
			}
		}
		a := open(t, "a", func(cfg *replica.Config) {
			stock(1)(cfg)
			cfg.Keystore = mute{ks}
		})
		b := open(t, "b", stock(2))
		if got := len(a.journal.of(author.ID())); got != 2 {
			t.Fatalf("%d updates count before, want 2", got)
		}
		ks.Remove(author.ID())
		link(t, a.Replica, b.Replica)
		time.Sleep(10 * time.Second)
		if got := a.journal.of(author.ID()); len(got) > 0 {
			t.Errorf("updates %v of an author that is not admitted count still", got)
		}
	})
}
