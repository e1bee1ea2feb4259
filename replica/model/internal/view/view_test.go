package view

import (
	"sync"
	"testing"
)

// TestView: readers see whole changes, and the last one, however often they read.
func TestView(t *testing.T) {
	var v View[[2]int]
	var state [2]int
	shares := 0
	share := func() *[2]int { shares++; return new(state) }
	change := func() {
		v.Change(share, func() {
			state[0]++
			state[1]++
		})
	}
	change()
	if shares > 0 {
		t.Error("shared for nobody")
	}
	for i := range 10 * patience {
		if i > 0 {
			change()
		}
		if got := *v.Read(share); got != [2]int{i + 1, i + 1} {
			t.Fatalf("after %d changes readers see %v", i+1, got)
		}
	}
	shares = 0
	for range 10 * patience {
		change()
	}
	if shares > patience {
		t.Errorf("shared %d times for nobody", shares)
	}
	for range 2 {
		if got := *v.Read(share); got != state {
			t.Errorf("after a pause readers see %v, want %v", got, state)
		}
	}
}

// TestDuring: while a change is made readers see what was before, and wait for nothing.
func TestDuring(t *testing.T) {
	var v View[int]
	state := 1
	share := func() *int { return new(state) }
	v.Read(share)
	for range 2 * patience {
		v.Begin()
		state++
		if got := *v.Read(share); got != state-1 {
			t.Fatalf("during the change to %d readers see %d", state, got)
		}
		v.End(share)
		if got := *v.Read(share); got != state {
			t.Fatalf("after the change to %d readers see %d", state, got)
		}
	}
	v.Exclude(func() { state = 0 })
}

// TestTogether is for the race detector.
func TestTogether(t *testing.T) {
	var v View[[2]int]
	var state [2]int
	share := func() *[2]int { return new(state) }
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			last := 0
			v.Exclude(func() { last = state[1] })
			for last < 10_000 {
				got := *v.Read(share)
				if got[0] != got[1] || got[0] < last {
					t.Errorf("%v after %d", got, last)
					return
				}
				last = got[0]
			}
		})
	}
	for range 10_000 {
		v.Change(share, func() { state[0]++; state[1]++ })
	}
	readers.Wait()
}
