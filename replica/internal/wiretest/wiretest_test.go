package wiretest_test

import (
	"bytes"
	"testing"

	"github.com/hearsaynet/hearsay/replica/internal/wiretest"
)

func TestChainFollowsItself(t *testing.T) {
	a := wiretest.NewAuthor("a")
	runs := a.Chain("t", a.Start(), 1, 3, 2)
	prev := a.Start()
	for _, r := range runs {
		if r.Prev() != prev {
			t.Errorf("run continues %v, want %v", r.Prev(), prev)
		}
		if _, err := wiretest.Unverified(r).Open(a.Key()); err != nil {
			t.Error(err)
		}
		prev = r.End()
	}
	if prev.Seq != 6 {
		t.Errorf("chain ends at %d, want 6", prev.Seq)
	}
	again := wiretest.NewAuthor("a").Chain("t", a.Start(), 1, 3, 2)
	if !bytes.Equal(again[2].Body(), runs[2].Body()) {
		t.Error("the same seed made another chain")
	}
	if wiretest.NewAuthor("b").ID() == a.ID() {
		t.Error("two seeds made one author")
	}
}
