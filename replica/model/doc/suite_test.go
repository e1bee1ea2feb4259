package doc_test

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/model/doc"
	"github.com/hearsaynet/hearsay/replica/model/modeltest"
)

// TestModel runs the suite for all models. What of a row is shown is for other authors to
// uncover, as by a newer delete of theirs, so Subject.Shown is not set.
func TestModel(t *testing.T) {
	modeltest.Run(t, modeltest.Kit{
		New: func() modeltest.Subject {
			d, model := doc.Detached(keys.NodeID{}, 1)
			set := must[*doc.Set](t)(d.Select(doc.Where("x", 1)))
			seq := must[*doc.Sequence](t)(d.Sequence(doc.Query{}, ""))
			return modeltest.Subject{
				Model: model,
				State: func() string { return dump(d) + "\nx is 1: " + rows(set) + "\nin order: " + rows(seq) },
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
