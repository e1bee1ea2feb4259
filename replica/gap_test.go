package replica_test

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/internal/wiretest"
	"github.com/hearsaynet/hearsay/replica/store"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// slowAppend is a store that appends when it is let.
type slowAppend struct {
	store.Store
	let chan struct{}
}

func (s slowAppend) Append(ctx context.Context, runs ...*wire.Run) error {
	<-s.let
	return s.Store.Append(ctx, runs...)
}

// TestGapBehindWhatIsNotStoredYet: of seq 1 and 3, verified together while the disk is
// busy, seq 2 is what is missing.
func TestGapBehindWhatIsNotStoredYet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := slowAppend{store.NewMemory(), make(chan struct{})}
		p := open(t, "p", func(c *replica.Config) { c.Store = st })
		busy, x := wiretest.NewAuthor("busy"), wiretest.NewAuthor("x")
		link := dial(t, p)
		link.key(busy)
		link.run(busy.Chain(topic, busy.Start(), 1)...)
		synctest.Wait()
		runs := x.Chain(topic, x.Start(), 1, 1, 1)
		link.key(x)
		link.run(runs[0], runs[2])
		synctest.Wait()
		close(st.let)
		if gap := p.wait(t, "a gap", ofKind(replica.Gap)); gap.Ref.Seq != 2 || gap.Reason != "3 was offered, 2 is missing" {
			t.Errorf("seq %d is missing, it is said: %s", gap.Ref.Seq, gap.Reason)
		}
		p.reach(t, x.ID(), 1)
	})
}
