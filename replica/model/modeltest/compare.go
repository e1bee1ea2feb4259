package modeltest

import (
	"crypto/sha256"
	"fmt"
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// CheckOrder checks that compare is a strict total order, as whatever settles ties must
// be: of any two drawn values one comes first, unless they are the same value, whichever
// is named first; three are in no circle; and the answer is always the same. Let draw give
// values that are alike in all but one respect, as DrawUpdate does.
func CheckOrder[T any](t *testing.T, draw func(t *rapid.T) T, compare func(a, b T) int) {
	t.Helper()
	rapid.Check(t, func(t *rapid.T) {
		values := make([]T, rapid.IntRange(2, 6).Draw(t, "values"))
		for i := range values {
			values[i] = draw(t)
		}
		for _, a := range values {
			for _, b := range values {
				checkPair(t, a, b, compare)
				for _, c := range values {
					if compare(a, b) < 0 && compare(b, c) < 0 && compare(a, c) >= 0 {
						t.Fatalf("a < b and b < c, but compare(a, c) is %d:\na %+v\nb %+v\nc %+v", compare(a, c), a, b, c)
					}
				}
			}
		}
	})
}

func checkPair[T any](t *rapid.T, a, b T, compare func(a, b T) int) {
	t.Helper()
	there, back := compare(a, b), compare(b, a)
	pair := fmt.Sprintf("\na %+v\nb %+v", a, b)
	switch same := reflect.DeepEqual(a, b); {
	case same && there != 0:
		t.Fatalf("compare of the same value is %d:%s", there, pair)
	case !same && there == 0:
		t.Fatalf("compare is 0 of two values, which leaves a tie to the order of arrival:%s", pair)
	case there > 0 != (back < 0) || there < 0 != (back > 0):
		t.Fatalf("compare(a, b) is %d and compare(b, a) %d:%s", there, back, pair)
	}
	for range 3 {
		if again := compare(a, b); again > 0 != (there > 0) || again < 0 != (there < 0) {
			t.Fatalf("compare(a, b) was %d and is now %d:%s", there, again, pair)
		}
	}
}

// DrawUpdate draws an update with the given change, of few authors, seqs and times, for
// CheckOrder.
func DrawUpdate(t *rapid.T, change []byte) replica.Update {
	u := replica.Update{
		Ref: wire.Ref{
			Author: rapid.SampledFrom(cast[:2]).Draw(t, "author").ID(),
			Seq:    uint64(rapid.IntRange(1, 2).Draw(t, "seq")),
		},
		Time: began + uint64(rapid.IntRange(0, 1).Draw(t, "time")), Channel: channel, Change: change,
	}
	u.Hash = sha256.Sum256(fmt.Appendf(nil, "%v %d %d %q", u.Author, u.Seq, u.Time, change))
	return u
}
