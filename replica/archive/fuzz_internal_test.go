package archive

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/hearsaynet/hearsay/fuzz/fuzztest"
	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// FuzzExamine: whatever a file of an archive holds, it is read without a panic and in
// memory for what is there; what is taken of it is in its bounds, in order, and can be
// passed on as one export, and what is not taken is a fault.
func FuzzExamine(f *testing.F) {
	fuzztest.Seed(f, "archive-file", func(b []byte) error {
		x, err := examine("f", bytes.NewReader(b), int64(len(b)))
		if err == nil && len(x.faults) > 0 {
			err = &x.faults[0]
		}
		return err
	})
	f.Fuzz(func(t *testing.T, b []byte) {
		var x *file
		fuzztest.Alloc{PerByte: 256, Constant: 1 << 20}.Check(t, len(b), func() {
			var err error
			if x, err = examine("f", bytes.NewReader(b), int64(len(b))); err != nil {
				t.Fatal(err)
			}
		})
		at := int64(0)
		for _, s := range x.spans {
			if s.from < at || s.to <= s.from || s.to > int64(len(b)) {
				t.Fatalf("spans %v of %d bytes", x.spans, len(b))
			}
			at = s.to
		}
		for _, fault := range x.faults {
			if fault.Offset < 0 || fault.Bytes < 0 || fault.Offset+fault.Bytes > int64(len(b)) {
				t.Fatalf("%+v of %d bytes", fault, len(b))
			}
		}
		if at < int64(len(b)) && len(x.faults) == 0 && len(x.spans) > 0 {
			t.Fatalf("%d of %d bytes are taken, and nothing is said of the rest", at, len(b))
		}
		passOn(t, x, b)
	})
}

// passOn passes on what has been taken.
func passOn(t *testing.T, x *file, b []byte) {
	if x.topic == "" {
		return
	}
	r := &Reader{files: []*file{x}, offered: make(map[keys.NodeID]keys.PublicKey)}
	var err error
	if r.out, err = wire.NewExportWriter(&r.buf, "test", x.topic); err != nil {
		t.Fatal(err)
	}
	for _, s := range x.spans {
		for in := x.frames(bytes.NewReader(b), s); ; {
			frame, err := in.next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err == nil {
				err = r.pass(x, frame)
			}
			if err != nil {
				t.Fatalf("what was taken is refused: %v", err)
			}
		}
	}
}
