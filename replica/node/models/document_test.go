package models

import (
	"context"
	"fmt"
	"sync"
	"testing"
)

// TestDocFollow follows rows that come and go meanwhile, again and again: each comes once
// before it goes.
func TestDocFollow(t *testing.T) {
	d := open(t)
	ctx, stop := context.WithCancel(t.Context())
	var writers sync.WaitGroup
	for i := range 8 {
		writers.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				DocSet.One(ctx, d, "", RowWrite{fmt.Sprint(i), []RowField{{"a", fmt.Append(nil, n%2)}}})
			}
		})
	}
	defer writers.Wait()
	defer stop()
	for range 30 {
		there, told := make(map[string]bool), 0
		for c, err := range DocFollow.All(ctx, d, "", RowQuery{Name: "a", Value: []byte("1")}) {
			if err != nil {
				t.Fatal(err)
			}
			if c.Lost > 0 {
				break // the writers were too fast
			}
			if c.Old != nil && !there[c.Old.Row.Row] {
				t.Fatalf("row %s goes, and did not come", c.Old.Row.Row)
			}
			if c.Old == nil && there[c.New.Row.Row] {
				t.Fatalf("row %s comes twice", c.New.Row.Row)
			}
			if c.New != nil {
				there[c.New.Row.Row] = true
			} else {
				delete(there, c.Old.Row.Row)
			}
			if told++; told == 16 {
				break
			}
		}
	}
}
