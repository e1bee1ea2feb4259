package doc_test

import (
	"context"
	"testing"

	"pgregory.net/rapid"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/model/doc"
	"github.com/hearsaynet/hearsay/replica/model/internal/livetest"
	"github.com/hearsaynet/hearsay/replica/model/modeltest"
)

// TestModel runs the suite for all models. What of a row is shown is for other authors to
// uncover, as by a newer delete of theirs, so Subject.Shown is not set.
func TestModel(t *testing.T) {
	modeltest.Run(t, modeltest.Kit{
		New: func() modeltest.Subject {
			d, model := doc.Detached(keys.NodeID{}, 1<<10)
			set := must[*doc.Set](t)(d.Select(doc.Where("x", 1)))
			seq := must[*doc.Sequence](t)(d.Sequence(doc.Query{}, ""))
			state := func(all, set, seq string) string { return all + "\nx is 1:\n" + set + "\nin order:\n" + seq }
			return modeltest.Subject{
				Model: model,
				State: func() string { return state(dump(d), dump(set), dump(seq)) },
				Watch: func() func() string {
					changes := must[<-chan doc.Change](t)(d.Watch(context.Background(), ""))
					all := livetest.Copy(changes, func(c doc.Change) (key, was, is string) { return c.Row, shown(c.Old), shown(c.New) })
					inSet, inSeq := members(t, set), members(t, seq.Set)
					return func() string { return state(all(), inSet(), inSeq()) }
				},
				Close: d.Close,
			}
		},
		Change: drawChange,
		Refused: [][]byte{nil, {1}, {1, 0}, []byte("\x02\x01rx"), []byte("\x01\x01r\x01a\x00\x00\x00\x01{"),
			[]byte("\x01\x01r\x01b\x00\x00\x00\x011\x01a\x00\x00\x00\x011")},
	})
}

func drawChange(t *rapid.T, _ []replica.Update, _ keys.NodeID) []byte {
	row := rapid.SampledFrom([]string{"r", "row", "ß"}).Draw(t, "row")
	if rapid.IntRange(0, 4).Draw(t, "delete") == 0 {
		return doc.MustDelete(row)
	}
	f := fields{}
	for _, name := range rapid.SliceOfN(rapid.SampledFrom([]string{"x", "y", doc.DefaultSort}), 0, 3).Draw(t, "fields") {
		f[name] = rapid.SampledFrom([]any{nil, 1, 1.5, "80", "8080", []int{1}, map[string]any{"a": "<"}}).Draw(t, "value")
	}
	return doc.MustSet(row, f)
}

// members keeps a copy of a Set.
func members(t *testing.T, s *doc.Set) (copied func() string) {
	changes := must[<-chan doc.MemberChange](t)(s.Watch(context.Background()))
	return livetest.CopyList(changes, func(c doc.MemberChange) (string, int, string, int) {
		return shown(c.Old), c.From, shown(c.New), c.To
	})
}

// shown is line of a row that may not be there.
func shown(r *doc.Row) string {
	if r == nil {
		return ""
	}
	return line(*r)
}
