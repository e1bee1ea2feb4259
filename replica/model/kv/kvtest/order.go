// Package kvtest checks what programs give to a kv.Map.
package kvtest

import (
	"cmp"
	"crypto/sha256"
	"fmt"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica/model/kv"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// TB is what CheckOrder needs of a *testing.T.
type TB interface {
	Helper()
	Fatalf(format string, args ...any)
}

// CheckOrder fails unless resolve can be a Config.Resolve: of any updates of a key it
// makes one order, and the same each time. It tries all pairs and triples of updates that
// are alike in some respects: sets of few values in few nanoseconds by few authors, some
// of which expire, and deletes.
func CheckOrder(t TB, resolve func(a, b kv.Update) int) {
	t.Helper()
	us := updates()
	signs := make([][]int, len(us))
	for i, a := range us {
		signs[i] = make([]int, len(us))
		for j, b := range us {
			sign, err := try(resolve, a, b)
			if err != nil {
				t.Fatalf("%v, asked of\n%s\n%s", err, text(a), text(b))
				return
			}
			signs[i][j] = sign
		}
	}
	if why := contradiction(us, signs); why != "" {
		t.Fatalf("%s", why)
	}
}

// try asks twice.
func try(resolve func(a, b kv.Update) int, a, b kv.Update) (sign int, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("it panics with %v", p)
		}
	}()
	sign = cmp.Compare(resolve(a, b), 0)
	if again := cmp.Compare(resolve(a, b), 0); again != sign {
		return 0, fmt.Errorf("it says first %d and then %d", sign, again)
	}
	return sign, nil
}

// contradiction says why signs, of each pair, are no order, "" if they are.
func contradiction(us []kv.Update, signs [][]int) string {
	for i := range us {
		if signs[i][i] != 0 {
			return fmt.Sprintf("it says that an update is not equal to itself:\n%s", text(us[i]))
		}
		for j := range us {
			if signs[i][j] != -signs[j][i] {
				return fmt.Sprintf("of a and b it says %d, and of b and a %d\na: %s\nb: %s", signs[i][j], signs[j][i], text(us[i]), text(us[j]))
			}
		}
	}
	for i := range us {
		for j := range us {
			for k := range us {
				// From a ≤ b and b ≤ c follows a ≤ c, and a < c if one of the two is.
				if ab, bc, ac := signs[i][j], signs[j][k], signs[i][k]; ab <= 0 && bc <= 0 && ac != min(ab, bc) {
					return fmt.Sprintf("of a and b it says %d, of b and c %d, and of a and c %d\na: %s\nb: %s\nc: %s",
						ab, bc, ac, text(us[i]), text(us[j]), text(us[k]))
				}
			}
		}
	}
	return ""
}

// updates are those that are compared.
func updates() (us []kv.Update) {
	add := func(u kv.Update, author byte) {
		u.Key = "key"
		u.Author = keys.NodeID{0x12, 0x20, author}
		u.Seq = uint64(len(us) + 1)
		u.Hash = wire.Hash(sha256.Sum256(fmt.Append(nil, len(us), u)))
		us = append(us, u)
	}
	for at := range uint64(3) {
		for author := range byte(2) {
			for _, value := range []string{"", "9", "10", "a value", "\xff"} {
				add(kv.Update{Time: at, Value: value}, author)
				add(kv.Update{Time: at, Value: value}, author)
			}
			add(kv.Update{Time: at, Value: "9", Expires: 5 - at}, author)
			add(kv.Update{Time: at, Value: "a value", Expires: 1}, author)
			add(kv.Update{Time: at, Deleted: true}, author)
		}
	}
	return us
}

func text(u kv.Update) string {
	if u.Deleted {
		return fmt.Sprintf("delete at %d by %x, hash %x", u.Time, u.Author[2], u.Hash[:2])
	}
	return fmt.Sprintf("set to %q at %d until %d by %x, hash %x", u.Value, u.Time, u.Expires, u.Author[2], u.Hash[:2])
}
