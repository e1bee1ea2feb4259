package twin

import "testing"

func TestTwin(t *testing.T) {
	tw := New(func() *[]int { return new([]int) })
	add := func(n int) (seen bool) {
		s, seen := tw.Fold()
		*s = append(*s, n)
		return seen
	}
	if !add(1) || len(*tw.Now()) != 1 || tw.Next() != nil {
		t.Error("what is folded is not seen")
	}
	tw.Reset()
	if add(2) || add(3) || len(*tw.Now()) != 1 || len(*tw.Next()) != 2 {
		t.Errorf("during a rebuild readers see %v", *tw.Now())
	}
	tw.Reset()
	add(4)
	tw.Rebuilt()
	if got := *tw.Now(); len(got) != 1 || got[0] != 4 || tw.Next() != nil {
		t.Errorf("after the second of two rebuilds readers see %v", got)
	}
	tw.Reset()
	add(6)
	tw.Drop()
	if got := *tw.Now(); len(got) != 1 || got[0] != 4 || tw.Next() != nil {
		t.Errorf("after a rebuild that was dropped readers see %v", got)
	}
	tw.Rebuilt() // without a Reset
	if len(*tw.Now()) != 1 || !add(5) {
		t.Error("a rebuild that did not begin has ended something")
	}
}
