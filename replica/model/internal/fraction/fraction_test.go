package fraction

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// check fails unless keys are n valid ones in ascending order between left and right.
func check(t *testing.T, left, right []byte, keys [][]byte, n int) {
	t.Helper()
	if len(keys) != n {
		t.Fatalf("between %x and %x: %d keys, want %d", left, right, len(keys), n)
	}
	last := left
	for _, k := range keys {
		if !Valid(k) || bytes.Compare(last, k) >= 0 || right != nil && bytes.Compare(k, right) >= 0 {
			t.Fatalf("%x after %x is not between %x and %x", k, last, left, right)
		}
		last = k
	}
}

func TestBetween(t *testing.T) {
	long := bytes.Repeat([]byte{0xff}, MaxKey)
	for _, tt := range []struct {
		name        string
		left, right string
	}{
		{"empty", "", ""},
		{"append", "\x80", ""},
		{"prepend", "", "\x80"},
		{"neighbours", "\x01", "\x02"},
		{"borrow", "\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", "\x02"},
		{"prefix", "\x01", "\x01\x00\x00\x00\x00\x00\x00\x00\x00\x01"},
		{"first", "", "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01"},
		{"last", string(long[:MaxKey-10]), ""},
		{"different lengths", "\x12\x34\x56", "\x12\x35"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			left, right := orNil(tt.left), orNil(tt.right)
			for _, side := range []Side{Anywhere, Left, Right} {
				for _, n := range []int{1, 2, 3, 100, 65536} {
					check(t, left, right, Between(left, right, n, side), n)
				}
			}
		})
	}
}

func orNil(s string) []byte {
	if s == "" {
		return nil
	}
	return []byte(s)
}

// TestNoRoom: what does not fit is refused, whatever the keys.
func TestNoRoom(t *testing.T) {
	end := bytes.Repeat([]byte{0xff}, MaxKey)
	start := append(make([]byte, MaxKey-1), 1)
	near := slices.Clone(start)
	near[MaxKey-1] = 5
	for _, side := range []Side{Anywhere, Left, Right} {
		for name, gap := range map[string][2][]byte{
			"equal": {end, end}, "no end": {end, nil}, "no beginning": {nil, start}, "reversed": {end, start}, "reversed by one": {near, start},
		} {
			if got := Between(gap[0], gap[1], 1, side); got != nil {
				t.Errorf("%s: %x", name, got)
			}
		}
		check(t, start, near, Between(start, near, 3, side), 3)
		if got := Between(start, near, 4, side); got != nil {
			t.Errorf("4 keys where 3 fit: %x", got)
		}
	}
}

// FuzzBetween: any two keys, any number of keys.
func FuzzBetween(f *testing.F) {
	f.Add([]byte{1}, []byte{2}, uint16(1), byte(0))
	f.Add([]byte{}, bytes.Repeat([]byte{0xff}, MaxKey), uint16(300), byte(1))
	f.Add(append(make([]byte, MaxKey-1), 1), append(make([]byte, MaxKey-1), 250), uint16(249), byte(2))
	f.Fuzz(func(t *testing.T, left, right []byte, n uint16, side byte) {
		if len(left) > 0 && !Valid(left) || len(right) > 0 && !Valid(right) || n == 0 {
			t.Skip()
		}
		left, right = orNil(string(left)), orNil(string(right))
		if keys := Between(left, right, int(n), Side(side%3)); keys != nil {
			check(t, left, right, keys, int(n))
		}
	})
}

// TestNoCollision: two who choose at once, from the same neighbours, choose differently.
func TestNoCollision(t *testing.T) {
	a := []byte{0x80, 1}
	for name, gap := range map[string][2][]byte{"append": {a, nil}, "prepend": {nil, a}, "middle": {{1}, {2}}, "tight": {{1, 1}, {1, 1, 0, 0, 0, 0, 1}}} {
		for range 100 {
			if k, l := Between(gap[0], gap[1], 1, Anywhere)[0], Between(gap[0], gap[1], 1, Anywhere)[0]; bytes.Equal(k, l) {
				t.Errorf("%s: two chose %x", name, k)
			}
		}
	}
}

// grow makes n keys, each where next says, and returns the bytes of all and of the longest.
func grow(t testing.TB, n int, next func(keys [][]byte, last int) (at int, side Side)) (sum, longest int) {
	rnd := rand.New(rand.NewPCG(1, 2))
	var keys [][]byte
	last := 0
	for range n {
		at, side := next(keys, last)
		var left, right []byte
		if at > 0 {
			left = keys[at-1]
		}
		if at < len(keys) {
			right = keys[at]
		}
		made := between(left, right, 1, side, rnd.Uint64N)
		if made == nil {
			t.Fatalf("no room between %x and %x after %d keys", left, right, len(keys))
		}
		keys = slices.Insert(keys, at, made[0])
		last = at
		sum += len(made[0])
		longest = max(longest, len(made[0]))
	}
	return sum, longest
}

// growth is how long keys become, by how they are asked for.
var growth = []struct {
	name     string
	n        int
	next     func(keys [][]byte, last int) (int, Side)
	average  float64 // bounds it, in bytes
	greatest int
}{
	{"append", 100_000, func(k [][]byte, _ int) (int, Side) { return len(k), Anywhere }, 6.1, 6},
	{"append in a row", 100_000, func(k [][]byte, _ int) (int, Side) { return len(k), Left }, 6.1, 6},
	{"prepend", 20_000, func([][]byte, int) (int, Side) { return 0, Anywhere }, 6.1, 6},
	{"prepend in a row", 20_000, func([][]byte, int) (int, Side) { return 0, Right }, 6.1, 6},
	{"write on in the middle", 10_000, middle(func(_ [][]byte, last int) (int, Side) { return last + 1, Left }), 9, 12},
	{"always at one place", 10_000, middle(func([][]byte, int) (int, Side) { return 1, Right }), 9, 12},
	{"always at one place by many", 1_500, middle(func([][]byte, int) (int, Side) { return 1, Anywhere }), 180, 250},
	{"anywhere", 20_000, func(k [][]byte, _ int) (int, Side) { return rand.IntN(len(k) + 1), Anywhere }, 10.5, 20},
	{"zigzag", 80, middle(func(_ [][]byte, last int) (int, Side) { return last + last&1, Side(1 + last&1) }), 120, 250},
}

// middle begins with two keys.
func middle(next func([][]byte, int) (int, Side)) func([][]byte, int) (int, Side) {
	return func(keys [][]byte, last int) (int, Side) {
		if len(keys) < 2 {
			return len(keys), Anywhere
		}
		return next(keys, last)
	}
}

func TestGrowth(t *testing.T) {
	for _, tt := range growth {
		t.Run(tt.name, func(t *testing.T) {
			sum, longest := grow(t, tt.n, tt.next)
			average := float64(sum) / float64(tt.n)
			t.Logf("%d keys: %.1f bytes, the longest %d", tt.n, average, longest)
			if average > tt.average || longest > tt.greatest {
				t.Errorf("keys of %.1f bytes, the longest %d; want at most %.1f and %d", average, longest, tt.average, tt.greatest)
			}
		})
	}
}

// TestTogether: what two wrote at once, each in a row, stays together.
func TestTogether(t *testing.T) {
	write := func(name string, left, right []byte, n int) (keys []string) {
		side := Anywhere
		for range n {
			left = Between(left, right, 1, side)[0]
			keys, side = append(keys, string(left)+name), Left
		}
		return keys
	}
	mixed := 0
	for range 100 {
		for _, gap := range [][2][]byte{{{0x80}, nil}, {{1}, {2}}} {
			keys := append(write("a", gap[0], gap[1], 20), write("b", gap[0], gap[1], 20)...)
			slices.Sort(keys)
			var b strings.Builder
			for _, k := range keys {
				b.WriteByte(k[len(k)-1])
			}
			if s := b.String(); s != strings.Repeat("a", 20)+strings.Repeat("b", 20) && s != strings.Repeat("b", 20)+strings.Repeat("a", 20) {
				mixed++
			}
		}
	}
	if mixed > 3 { // 0.06 are to be expected
		t.Errorf("mixed in %d of 200", mixed)
	}
}

func BenchmarkBetween(b *testing.B) {
	for _, tt := range growth {
		b.Run(tt.name, func(b *testing.B) {
			var sum, longest int
			for b.Loop() {
				sum, longest = grow(b, tt.n, tt.next)
			}
			b.ReportMetric(float64(sum)/float64(tt.n), "B/key")
			b.ReportMetric(float64(longest), "B/longest")
		})
	}
}
