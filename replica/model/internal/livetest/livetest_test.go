package livetest_test

import (
	"testing"
	"testing/synctest"

	"github.com/hearsaynet/hearsay/replica/model/internal/livetest"
)

func TestNodesMeet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := livetest.NewNode(t, "alice", "bob"), livetest.NewNode(t, "bob", "alice")
		if _, err := a.LocalUpdate(t.Context(), "channel", []byte("change")); err != nil {
			t.Fatal(err)
		}
		livetest.Join(t, a, b)
		synctest.Wait()
		if got := b.Clock()[a.Author.ID()].Seq; got != 1 {
			t.Errorf("bob has %d updates of alice, want 1", got)
		}
	})
}
