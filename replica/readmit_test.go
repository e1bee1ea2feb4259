package replica_test

import (
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
