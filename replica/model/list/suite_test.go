package list_test

import (
	"context"
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/model/internal/livetest"
	"github.com/hearsaynet/hearsay/replica/model/list"
	"github.com/hearsaynet/hearsay/replica/model/modeltest"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// TestModel runs the suite for all models.
func TestModel(t *testing.T) {
	modeltest.Run(t, modeltest.Kit{
		New: func() modeltest.Subject {
			l, model := list.Detached(keys.NodeID{}, 1<<10)
			return modeltest.Subject{
				Model: model,
				State: func() string { return dump(l.Snapshot()) },
				Watch: func() func() string {
					changes := must[<-chan list.Change](t)(l.Watch(context.Background()))
					copied := livetest.CopyList(changes, func(c list.Change) (string, int, string, int) {
						return shown(c.Old), c.From, shown(c.New), c.To
					})
					return func() string { consistent(t, l); return copied() }
				},
				// What was set or removed is another author's to uncover.
				Shown: func() (refs []wire.Ref) {
					for _, e := range list.Untouched(l.Snapshot()) {
						refs = append(refs, e.Ref)
					}
					return refs
				},
				Close: l.Close,
			}
		},
		Change:  drawChange,
		Refused: [][]byte{nil, {1}, {1, 0, 0, 0, 0, 0}, {1, 1, 0, 0, 0, 0, 0}, append(list.Encode(list.Insert("\x80", "v")), 0)},
	})
}

// drawChange draws one to three operations, on elements of the updates seen, of ones that
// nobody has inserted, and of the change's own.
func drawChange(t *rapid.T, seen []replica.Update, self keys.NodeID) []byte {
	var ops []list.Op
	for range rapid.IntRange(1, 3).Draw(t, "operations") {
		position := rapid.SampledFrom([]string{"\x10", "\x20", "\x20\x01", "\x30"}).Draw(t, "position")
		id := list.ElementID{Author: self, Seq: uint64(len(seen) + 1)}
		if len(seen) > 0 {
			u := rapid.SampledFrom(seen).Draw(t, "of")
			id = list.ElementID{Author: u.Author, Seq: u.Seq}
		}
		id.Index = uint16(rapid.IntRange(0, 2).Draw(t, "index"))
		value := fmt.Sprint(len(seen))
		switch rapid.SampledFrom([]string{"insert", "insert", "insert", "set", "remove", "move"}).Draw(t, "op") {
		case "insert":
			ops = append(ops, list.Insert(position, value))
		case "set":
			ops = append(ops, list.Set(id, value))
		case "remove":
			ops = append(ops, list.Remove(id))
		case "move":
			ops = append(ops, list.Move(id, position))
		}
	}
	return list.Encode(ops...)
}

// shown is line of an element that may not be there.
func shown(e *list.Element) string {
	if e == nil {
		return ""
	}
	return line(*e)
}
