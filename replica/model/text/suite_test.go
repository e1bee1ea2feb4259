package text_test

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/model/modeltest"
	"github.com/hearsaynet/hearsay/replica/model/text"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// TestModel runs the suite for all models.
func TestModel(t *testing.T) {
	modeltest.Run(t, modeltest.Kit{
		New: func() modeltest.Subject {
			txt, model := text.Detached(keys.NodeID{}, 1)
			return modeltest.Subject{
				Model: model,
				State: func() string {
					b := &strings.Builder{}
					for span := range txt.Spans() {
						fmt.Fprintf(b, "%d %q of %v\n", span.At, span.Text, span.Author)
					}
					return b.String()
				},
				Shown: func() []wire.Ref { return text.Shown(txt) },
				Close: txt.Close,
			}
		},
		Change: drawChange,
		Refused: [][]byte{nil, {1, 0}, []byte("\x01\x00\x01\x00\x00"), []byte("\x01\x00\x01\x00\x01\xff"), []byte("\x01\x00\x03\x00\x01x"),
			[]byte("\x01\x00\x02\x00\x00"), []byte("\x01\x00\x01\x00\x40\x01x"), []byte("\x01\x00\x02\x01\x01\x01\x00\x01")},
	})
}

// drawChange draws what an author replaces in the text that it sees.
func drawChange(t *rapid.T, seen []replica.Update, self keys.NodeID) []byte {
	txt, model := text.Detached(self, 1)
	t.Cleanup(txt.Close)
	for _, u := range seen {
		if _, err := model.ApplyUpdate(u); err != nil {
			t.Fatal(err)
		}
	}
	n := txt.Len()
	at := rapid.IntRange(0, n).Draw(t, "at")
	deleted := min(n-at, rapid.SampledFrom([]int{0, 0, 0, 1, 2, 5}).Draw(t, "deleted"))
	inserted := rapid.SampledFrom([]string{"a", "bé", "cde", "\U0001f600fghij", ""}).Draw(t, "inserted")
	if deleted == 0 && inserted == "" {
		inserted = "x"
	}
	return text.Writer{Text: txt}.Replace(at, deleted, inserted)
}
