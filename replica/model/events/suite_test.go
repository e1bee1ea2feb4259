package events_test

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/model/events"
	"github.com/hearsaynet/hearsay/replica/model/modeltest"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// TestModel runs the suite for all models.
func TestModel(t *testing.T) {
	modeltest.Run(t, modeltest.Kit{
		New: func() modeltest.Subject {
			l, model := events.Detached()
			return modeltest.Subject{
				Model: model,
				State: func() string {
					b := &strings.Builder{}
					for e := range l.Replay("") {
						fmt.Fprintf(b, "%q %q %d %d %x\n", e.Name, e.Data, e.Seq, e.Time, e.Hash[:4])
					}
					return b.String()
				},
				Shown: func() (refs []wire.Ref) {
					for e := range l.Replay("") {
						refs = append(refs, e.Ref)
					}
					return refs
				},
				Close: l.Close,
			}
		},
		Change: func(t *rapid.T, seen []replica.Update, _ keys.NodeID) []byte {
			return events.Change(rapid.SampledFrom([]string{"a", "a.b", "ß"}).Draw(t, "name"), fmt.Sprint(len(seen)))
		},
		Refused: [][]byte{nil, {0}, []byte("\x02a"), []byte("\x01\x00data")},
	})
}
