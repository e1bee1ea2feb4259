package object_test

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/model/modeltest"
	"github.com/hearsaynet/hearsay/replica/model/object"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// TestModel runs the suite for all models.
func TestModel(t *testing.T) {
	modeltest.Run(t, modeltest.Kit{
		New: func() modeltest.Subject {
			o, model := object.Detached(keys.NodeID{}, 1)
			return modeltest.Subject{
				Model: model,
				State: func() string {
					b := &strings.Builder{}
					dump(b, o, "")
					return b.String()
				},
				// An object without members is shown until another's member comes back.
				Shown: func() (refs []wire.Ref) {
					for e := range o.Each("") {
						if string(e.JSON) != "{}" {
							refs = append(refs, e.Ref)
						}
					}
					return refs
				},
				Close: o.Close,
			}
		},
		Change: func(t *rapid.T, seen []replica.Update, _ keys.NodeID) []byte {
			var ops []object.Op
			for range rapid.IntRange(1, 2).Draw(t, "ops") {
				op := object.Op{Path: rapid.SampledFrom(drawnPaths).Draw(t, "path")}
				if rapid.IntRange(0, 3).Draw(t, "remove") > 0 {
					op.Value = []byte(rapid.SampledFrom(drawnValues).Draw(t, "value"))
				}
				if op.Path == "" && op.Value != nil {
					op.Value = []byte(`{"a":{"x":7}}`)
				}
				ops = append(ops, op)
			}
			return object.Must(ops...)
		},
		Refused: [][]byte{
			nil, {0}, []byte("\x01\x00\x02\x01a\x00\x00\x00"), []byte("\x01\x00\x00\x00\x00\x011"), []byte("\x02\x00\x02\x01a\x00\x00\x011"),
			[]byte("\x01\x00\x02\x01a\x00\x00\x05[1, ]"), []byte("\x01\x00\x02\x01a\x00\xea\x60" + strings.Repeat("[", 60000)),
		},
	})
}

// dump writes what stands at a path and below, and by which updates, objects included.
func dump(b *strings.Builder, o *object.Object, path string) {
	if e, ok := o.Get(path); ok {
		fmt.Fprintf(b, "%s=%s %d %d %x\n", e.Path, e.JSON, e.Seq, e.Time, e.Hash[:4])
	}
	for name := range o.Keys(path) {
		dump(b, o, path+object.Path(name))
	}
}
