package kvtest_test

import (
	"cmp"
	"fmt"
	"strings"
	"testing"

	"github.com/hearsaynet/hearsay/replica/model/kv"
	"github.com/hearsaynet/hearsay/replica/model/kv/kvtest"
)

func TestCheckOrder(t *testing.T) {
	kvtest.CheckOrder(t, kv.LastWriterWins)
	kvtest.CheckOrder(t, kv.StrictOrder)
	kvtest.CheckOrder(t, func(a, b kv.Update) int { return cmp.Compare(len(a.Value), len(b.Value)) })
	kvtest.CheckOrder(t, func(a, b kv.Update) int { return 0 })
}

// recorder is a kvtest.TB that keeps what it is told.
type recorder struct{ failed string }

func (r *recorder) Helper() {}
func (r *recorder) Fatalf(format string, args ...any) {
	r.failed += fmt.Sprintf(format, args...)
}

func TestCheckOrderFinds(t *testing.T) {
	calls := 0
	for name, tt := range map[string]struct {
		resolve func(a, b kv.Update) int
		want    string
	}{
		"the first":           {func(a, b kv.Update) int { return 1 }, "not equal to itself"},
		"the first unless it": {func(a, b kv.Update) int { return cmp.Or(cmp.Compare(b.Seq, a.Seq)&1, 0) }, "and of b and a"},
		"rock paper scissors": {func(a, b kv.Update) int {
			d := (len(a.Value)%3 - len(b.Value)%3 + 3) % 3
			return []int{0, 1, -1}[d]
		}, "of b and c"},
		"nearly equal": {func(a, b kv.Update) int {
			if d := int(a.Time) - int(b.Time); d*d > 1 {
				return d
			}
			return 0
		}, "of b and c"},
		"by a count": {func(a, b kv.Update) int { calls++; return calls % 2 }, "and then"},
		"a panic":    {func(a, b kv.Update) int { panic("no") }, "panics with no"},
	} {
		var r recorder
		if kvtest.CheckOrder(&r, tt.resolve); !strings.Contains(r.failed, tt.want) {
			t.Errorf("%s: it says %q, want %q", name, r.failed, tt.want)
		}
	}
}
