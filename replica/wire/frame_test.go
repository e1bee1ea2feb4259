package wire_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"

	"github.com/hearsaynet/hearsay/replica/wire"
)

func TestReadFrame(t *testing.T) {
	var stream []byte
	var want []wire.Frame
	for i, n := range []int{0, 1, 100, 64<<10 - 1, 64 << 10, 64<<10 + 1, 256<<10 + 1, wire.MaxFrame} {
		f := wire.Frame{Type: wire.FrameType(i + 1), Handle: uint16(i * 1000), Body: make([]byte, n)}
		for j := range f.Body {
			f.Body[j] = byte(rand.Uint32())
		}
		want = append(want, f)
		stream = wire.AppendFrame(stream, f)
	}
	for name, r := range map[string]io.Reader{"whole": bytes.NewReader(stream), "dripping": iotest.HalfReader(bytes.NewReader(stream))} {
		for _, w := range want {
			f, err := wire.ReadFrame(r)
			if err != nil || f.Type != w.Type || f.Handle != w.Handle || !bytes.Equal(f.Body, w.Body) {
				t.Fatalf("%s: got %v of %d bytes, %v; want %v of %d", name, f.Type, len(f.Body), err, w.Type, len(w.Body))
			}
		}
		if _, err := wire.ReadFrame(r); err != io.EOF {
			t.Errorf("%s: ends with %v", name, err)
		}
	}
}

func TestReadFrameErrors(t *testing.T) {
	whole := vector(t, "frame")
	for n := 1; n < len(whole); n++ {
		if f, err := wire.ReadFrame(bytes.NewReader(whole[:n])); !errors.Is(err, io.ErrUnexpectedEOF) || f.Body != nil {
			t.Errorf("cut to %d bytes: %+v, %v", n, f, err)
		}
	}
	_, err := wire.ReadFrame(bytes.NewReader(patch(whole, 0, 0)))
	wantMalformed(t, "type 0", err)
	broken := errors.New("broken")
	r := io.MultiReader(bytes.NewReader(whole[:9]), iotest.ErrReader(broken))
	if _, err := wire.ReadFrame(r); !errors.Is(err, broken) {
		t.Errorf("got %v, want the reader's error", err)
	}
}

// allocated returns the bytes that f allocates.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// TestAllocation checks that nobody is made to allocate by announcing.
func TestAllocation(t *testing.T) {
	frame := func(arrived int) func() {
		h := binary.BigEndian.AppendUint32([]byte{3, 0, 1}, wire.MaxFrame)
		h = append(h, make([]byte, arrived)...)
		return func() {
			if _, err := wire.ReadFrame(bytes.NewReader(h)); err == nil {
				t.Error("no error")
			}
		}
	}
	run := vector(t, "run")
	lying := append(bytes.Clone(run[:74]), 1, 0) // 256 entries
	proof, zeroed := vector(t, "proof"), zeros(wire.MaxFrame)
	for _, tt := range []struct {
		name string
		most uint64
		f    func()
	}{
		{"frame of 1 MiB, 10 bytes arrive", 80 << 10, frame(10)},
		{"frame of 1 MiB, 70 kB arrive", 400 << 10, frame(70_000)},
		{"run of 256 entries in 100 bytes", 4 << 10, func() { _, _ = wire.ParseRun(topic, append(lying, zeros(24)...)) }},
		{"change of 1 MiB in 100 bytes", 4 << 10, func() { _, _ = wire.ParseRun(topic, patch(run, 89, 0, 0xf, 0xff, 0xff)) }},
		{"proof of 256 updates in 100 bytes", 4 << 10, func() { _, _ = wire.ParseProof(topic, append(patch(proof[:76], 74, 1, 0), zeros(24)...)) }},
		{"proof of 256 more updates in 400 bytes", 4 << 10, func() { _, _ = wire.ParseProof(topic, patch(proof, 209, 1, 0)) }},
		{"proof of 1 MiB", 4 << 10, func() { _, _ = wire.ParseProof(topic, zeroed) }},
		{"hello of 64 topics", 8 << 10, func() { _, _ = wire.ParseHello(patch(vector(t, "hello"), 16, 64)) }},
	} {
		if got := allocated(tt.f); got > tt.most {
			t.Errorf("%s: %d bytes allocated, want at most %d", tt.name, got, tt.most)
		}
	}
}

func TestCloseText(t *testing.T) {
	for text, want := range map[string]string{
		"as it is":                       "as it is",
		"two\nlines\x00\x7f":             "two lines  ",
		"bad \xff byte":                  "bad \ufffd byte",
		strings.Repeat("x", 300):         strings.Repeat("x", 255),
		"x" + strings.Repeat("ö", 200):   "x" + strings.Repeat("ö", 127),
		"xx" + strings.Repeat("ö", 200):  "xx" + strings.Repeat("ö", 126),
		strings.Repeat("\U0001F512", 64): strings.Repeat("\U0001F512", 63),
	} {
		c := wire.Close{Code: wire.CloseDone, Text: text}
		got, err := wire.ParseClose(c.Append(nil))
		if err != nil || got.Text != want || !utf8.ValidString(got.Text) {
			t.Errorf("%q: got %q, %v", text, got, err)
		}
	}
}

func TestNames(t *testing.T) {
	for got, want := range map[string]string{
		wire.KindChange.String():        "change",
		wire.KindCheckpoint.String():    "checkpoint",
		wire.KindRotate.String():        "rotate",
		wire.Kind(0).String():           "Kind(0)",
		wire.Kind(17).String():          "Kind(17)",
		wire.FrameHello.String():        "Hello",
		wire.FrameClose.String():        "Close",
		wire.FrameWay.String():          "Way",
		wire.FrameType(131).String():    "FrameType(131)",
		wire.FrameType(0).String():      "FrameType(0)",
		wire.FrameType(9).String():      "FrameType(9)",
		wire.CloseDone.String():         "done",
		wire.CloseRestart.String():      "restart",
		wire.CloseCode(0).String():      "CloseCode(0)",
		wire.CloseCode(99).String():     "CloseCode(99)",
		wire.Hash{0xab, 31: 1}.String(): "ab" + strings.Repeat("00", 30) + "01",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if wire.FrameType(127).Skippable() || !wire.FrameType(128).Skippable() {
		t.Error("types from 128 on may be skipped, and no others")
	}
}

func TestWay(t *testing.T) {
	for _, w := range []wire.Way{wire.WaySends, wire.WayReceives, wire.WaySome, wire.WaySends | wire.WaySome, wire.WayReceives | wire.WaySome} {
		if got := wire.ParseWay(w.Append(nil)); got != w {
			t.Errorf("way %d is read as %d", w, got)
		}
	}
	for _, body := range [][]byte{nil, {0}, {3}, {7}, {8}, {255}, {1, 0}} {
		if got := wire.ParseWay(body); got != 0 {
			t.Errorf("%x is way %d", body, got)
		}
	}
}

func TestHashText(t *testing.T) {
	h := wire.Hash{1, 2, 3}
	text, err := h.MarshalText()
	if err != nil {
		t.Fatal(err)
	}
	var back wire.Hash
	if err := back.UnmarshalText(text); err != nil || back != h {
		t.Errorf("got %v, %v", back, err)
	}
	for _, bad := range []string{"", "00", string(text[1:]), string(text) + "00", "g" + string(text[1:])} {
		kept := h
		if err := kept.UnmarshalText([]byte(bad)); err == nil || kept != h {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
