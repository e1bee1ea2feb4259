package events_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

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
			l, model := events.DetachedAt(keys.NodeID{}, modeltest.Now, events.Config{})
			all, err := l.Replay("", events.From{})
			if err != nil {
				t.Fatal(err)
			}
			return modeltest.Subject{
				Model: model,
				State: func() string {
					b := &strings.Builder{}
					for e := range all {
						fmt.Fprintf(b, "%q %q %d %d %x\n", e.Name, e.Data, e.Seq, e.Time, e.Hash[:4])
					}
					return b.String()
				},
				Shown: func() (refs []wire.Ref) {
					for e := range all {
						refs = append(refs, e.Ref)
					}
					return refs
				},
				Close: l.Close,
			}
		},
		Change: func(t *rapid.T, seen []replica.Update, _ keys.NodeID) []byte {
			name := rapid.SampledFrom([]string{"a", "a.b", "ß"}).Draw(t, "name")
			if off := rapid.SampledFrom([]time.Duration{0, 0, 0, -time.Hour, time.Minute, time.Hour}).Draw(t, "until"); off != 0 {
				return events.ChangeUntil(name, uint64(modeltest.Now().Add(off).UnixNano()), fmt.Sprint(len(seen)))
			}
			return events.Change(name, fmt.Sprint(len(seen)))
		},
		Refused: [][]byte{nil, {0}, []byte("\x03\x01a"), []byte("\x01\x02a"), []byte("\x01\x00data"), []byte("\x02\x01a")},
	})
}
