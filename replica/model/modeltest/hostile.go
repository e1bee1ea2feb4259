package modeltest

import (
	"bytes"
	"time"

	"pgregory.net/rapid"

	"github.com/hearsaynet/hearsay/fuzz/fuzztest"
	"github.com/hearsaynet/hearsay/replica"
)

// drawDamaged draws what a change may have become on its way out of a buggy or hostile
// program.
func drawDamaged(t *rapid.T, good []byte) []byte {
	b := bytes.Clone(good)
	for range rapid.IntRange(1, 3).Draw(t, "damages") {
		at := rapid.IntRange(0, len(b)).Draw(t, "at")
		some := rapid.SliceOfN(rapid.Byte(), 1, 8).Draw(t, "bytes")
		switch rapid.SampledFrom([]string{"cut", "flip", "patch", "insert", "repeat", "max"}).Draw(t, "damage") {
		case "cut":
			b = b[:at]
		case "flip":
			if at < len(b) {
				b[at] ^= 1 << (some[0] % 8)
			}
		case "patch":
			copy(b[at:], some)
		case "insert":
			b = append(b[:at:at], append(some, b[at:]...)...)
		case "repeat":
			b = append(b, b[at:]...)
		case "max": // of a length or an index
			copy(b[at:], bytes.Repeat([]byte{0xff}, len(some)))
		}
	}
	return b
}

// foreign are changes of other models and what is no change of any.
var foreign = func() [][]byte {
	texts := []string{
		"", "\x00", "\x01\x00\x03keyvalue", "\x02\x00\x03key", "\x05hello world", "\x01\x05hello world",
		`{"key":"k","value":"v"}`, `{"key":`, `null`, `[]`, `{}`, `"\ud800"`, `-1`, `1e999999`, `{"a":1,"a":2}`,
		`{"constructor":{"__proto__":1}}`, "\xff\xfe\xfd", "\xed\xa0\x80", "\u202e\u0000\u2028",
		"\x01\xff\xff\xff\xff\xff\xff\xff\xff\x7f", "\x01\x7f\xff\xff\xff\xff\xff\xff\xff",
		"\x0a\x03key\x12\x05value", "\x82\xa1k\xa1v\xa1w\x01", // protobuf, MessagePack
	}
	all := make([][]byte, len(texts))
	for i, s := range texts {
		all[i] = []byte(s)
	}
	return all
}()

// drawSize draws the size of a large change.
func drawSize(t *rapid.T) int {
	if rapid.IntRange(1, hugeShare).Draw(t, "size") == hugeShare {
		return huge
	}
	return large
}

// drawLarge draws a change of size bytes: lengths that are true or not, and much of the
// same.
func drawLarge(t *rapid.T, size int) []byte {
	head := rapid.SampledFrom([]string{"", "\xea\x60", "\x00\x00\xea\x60", "\x00\x00\xff\xff", "\xff\xff", "\xff\xff\xff\xff",
		"\x7f\xff\xff\xff\xff\xff\xff\xff", "\xe0\xd4\x03", "{\"k\":"}).Draw(t, "head")
	fill := rapid.SampledFrom([]string{"k", "\x00", "\x01", "\xff", "[", `{"a":`, "9", "\u00e9", "../", "a.", "\x01\x00\x01k\x00\x01v"}).Draw(t, "fill")
	b := append([]byte{byte(rapid.IntRange(0, 16).Draw(t, "op"))}, head...)
	b = append(b, bytes.Repeat([]byte(fill), size/len(fill)+1)...)
	return b[:size]
}

// drawRepeated draws a change with a part of a good one many times, which is good as well
// where a change may hold that many things.
func drawRepeated(t *rapid.T, good []byte) []byte {
	again := good[rapid.IntRange(0, len(good)).Draw(t, "from"):]
	if len(again) == 0 {
		return bytes.Clone(good)
	}
	times := rapid.SampledFrom([]int{2, 100, 1000, huge}).Draw(t, "times")
	return append(bytes.Clone(good), bytes.Repeat(again, min(times, max(0, drawSize(t)-len(good))/len(again)))...)
}

// drawHostile draws a change that an author may send who wants to do harm.
func (h *history) drawHostile(t *rapid.T) []byte {
	switch kind := rapid.SampledFrom([]string{"random", "foreign", "damaged", "large", "stretched", "repeated"}).Draw(t, "hostile"); {
	case kind == "foreign":
		return bytes.Clone(rapid.SampledFrom(foreign).Draw(t, "change"))
	case kind == "damaged" && len(h.good) > 0:
		return drawDamaged(t, h.drawGood(t))
	case kind == "large":
		return drawLarge(t, drawSize(t))
	case kind == "stretched" && len(h.good) > 0: // a good beginning
		b := h.drawGood(t)
		b = b[:rapid.IntRange(0, len(b)).Draw(t, "kept")]
		return append(bytes.Clone(b), drawLarge(t, max(0, drawSize(t)-len(b)))...)
	case kind == "repeated" && len(h.good) > 0:
		return drawRepeated(t, h.drawGood(t))
	}
	return rapid.SliceOfN(rapid.Byte(), 0, 64).Draw(t, "change")
}

// hostile: nothing panics or takes long, an error leaves no trace, and what is taken
// converges like anything else.
func (k Kit) hostile(t *rapid.T) {
	h := drawHistory(t, k)
	s := k.fold(t, h.updates)
	all := h.updates
	last := mallory.Start()
	before := s.State()
	for range rapid.IntRange(1, maxHostile).Draw(t, "changes") {
		u := next(last, h.drawTime(t, nil), h.drawHostile(t))
		last = u.Ref
		start := time.Now()
		changed, err := s.applyOne(t, u)
		if took := time.Since(start); took > patience(len(u.Change)) && k.fastest(t, all, u) > patience(len(u.Change)) {
			t.Fatalf("ApplyUpdate took %v of %s\nbehind\n%s", took, describe(u), list(all))
		}
		after := s.State()
		if !changed && after != before {
			t.Fatalf("a hostile change that is said to change nothing (error: %v) has changed the state, by %s%s\nbehind\n%s",
				err, describe(u), differ(after, before), list(all))
		}
		before = after
		all = append(all, u)
	}
	mixed := interleave(t, all)
	if got := k.fold(t, mixed).State(); got != before {
		t.Fatalf("with hostile changes the state follows the order.%s\nOne order:\n%sThe other:\n%s", differ(got, before), list(all), list(mixed))
	}
}

// fastest is how long u takes at best, behind others.
func (k Kit) fastest(t tb, others []replica.Update, u replica.Update) time.Duration {
	best := time.Duration(1<<63 - 1)
	for range tries {
		s := k.fold(t, others)
		start := time.Now()
		s.applyOne(t, u)
		best = min(best, time.Since(start))
	}
	return best
}

// allocation: what a hostile change makes the model allocate follows its size.
func (k Kit) allocation(t *rapid.T) {
	h := drawHistory(t, k)
	s := k.fold(t, h.updates)
	all := h.updates
	last := mallory.Start()
	for range rapid.IntRange(1, maxHostile).Draw(t, "changes") {
		u := next(last, h.drawTime(t, nil), h.drawHostile(t))
		last = u.Ref
		most := uint64(allocPerByte*len(u.Change) + allocConstant)
		took := fuzztest.Allocated(func() { s.applyOne(t, u) })
		for range tries {
			if took <= most {
				break
			}
			s = k.fold(t, all)
			took = min(took, fuzztest.Allocated(func() { s.applyOne(t, u) }))
		}
		if took > most {
			t.Fatalf("a change of %d bytes makes ApplyUpdate allocate %d bytes, which are more than %d a byte and %d: %s\nbehind\n%s",
				len(u.Change), took, allocPerByte, allocConstant, describe(u), list(all))
		}
		all = append(all, u)
	}
}
