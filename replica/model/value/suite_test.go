package value_test

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/model/modeltest"
	"github.com/hearsaynet/hearsay/replica/model/value"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// TestModel runs the suite for all models.
func TestModel(t *testing.T) {
	for _, history := range []int{1, 3} {
		t.Run(fmt.Sprint(history), func(t *testing.T) {
			modeltest.Run(t, modeltest.Kit{
				New: func() modeltest.Subject {
					v, model := value.Detached(keys.NodeID{}, history, 1)
					return modeltest.Subject{
						Model: model,
						State: func() string {
							b := &strings.Builder{}
							for _, e := range v.History() {
								fmt.Fprintf(b, "%q of %d at %d, %x\n", e.Value, e.Seq, e.Time, e.Hash[:4])
							}
							return b.String()
						},
						Shown: func() (refs []wire.Ref) {
							for _, e := range v.History() {
								refs = append(refs, e.Ref)
							}
							return refs
						},
						Close: v.Close,
					}
				},
				Change: func(t *rapid.T, _ []replica.Update, _ keys.NodeID) []byte {
					return value.SetChange([]byte(rapid.SampledFrom([]string{"", "a", "b"}).Draw(t, "value")))
				},
				Refused: [][]byte{nil, {0}, []byte("\x02value")},
			})
		})
	}
}
