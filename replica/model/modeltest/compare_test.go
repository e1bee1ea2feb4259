package modeltest_test

import (
	"cmp"
	"os"
	"testing"

	"pgregory.net/rapid"

	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/model/modeltest"
)

type order func(a, b replica.Update) int

func before(a, b replica.Update) int {
	switch {
	case a.Before(&b):
		return -1
	case b.Before(&a):
		return 1
	}
	return 0
}

// noOrders are none, each for another reason.
var noOrders = map[string]order{
	"ties":        func(a, b replica.Update) int { return cmp.Compare(a.Time, b.Time) },
	"never equal": func(a, b replica.Update) int { return cmp.Or(before(a, b), 1) },
	"both first":  func(a, b replica.Update) int { return -before(a, b) * before(a, b) },
	"a circle": func(a, b replica.Update) int {
		if d := (int(a.Hash[0]%3) - int(b.Hash[0]%3) + 3) % 3; d != 0 {
			return []int{0, 1, -1}[d]
		}
		return before(a, b)
	},
	"moody": func() order {
		calls := 0
		return func(a, b replica.Update) int {
			calls++
			if calls%5 == 0 {
				return -before(a, b)
			}
			return before(a, b)
		}
	}(),
}

func drawUpdate(t *rapid.T) replica.Update {
	return modeltest.DrawUpdate(t, []byte(rapid.SampledFrom([]string{"a", "b"}).Draw(t, "change")))
}

func TestCheckOrder(t *testing.T) {
	modeltest.CheckOrder(t, drawUpdate, before)
	for name := range noOrders {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fails(t, "TestNoOrderChild", name)
		})
	}
}

// TestNoOrderChild checks what is no order, in a process of its own.
func TestNoOrderChild(t *testing.T) {
	if os.Getenv(inChild) == "" {
		t.Skip("TestCheckOrder runs it")
	}
	for name, compare := range noOrders {
		t.Run(name, func(t *testing.T) { modeltest.CheckOrder(t, drawUpdate, compare) })
	}
}
