package peerkv_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/model/modeltest"
	"github.com/hearsaynet/hearsay/replica/model/peerkv"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// TestModel runs the suite for all models.
func TestModel(t *testing.T) {
	modeltest.Run(t, modeltest.Kit{
		New: func() modeltest.Subject {
			m, model := peerkv.Detached(keys.NodeID{}, 1, modeltest.Now)
			return modeltest.Subject{
				Model: model,
				State: func() string {
					b := &strings.Builder{}
					for e := range m.All() {
						fmt.Fprintf(b, "%q=%q of %v, %d at %d until %d, %x\n", e.Key, e.Value, e.Author, e.Seq, e.Time, e.Expires, e.Hash[:4])
					}
					return b.String()
				},
				Shown: func() (refs []wire.Ref) {
					for e := range m.All() {
						refs = append(refs, e.Ref)
					}
					return refs
				},
				Close: m.Close,
			}
		},
		Change: func(t *rapid.T, seen []replica.Update, _ keys.NodeID) []byte {
			key := rapid.SampledFrom([]string{"k", "key", "kéy"}).Draw(t, "key")
			switch rapid.SampledFrom([]string{"set", "set", "set", "delete", "until"}).Draw(t, "op") {
			case "delete":
				return peerkv.MustDelete(key)
			case "until":
				off := rapid.SampledFrom([]time.Duration{-time.Hour, -1, 0, time.Minute, time.Hour}).Draw(t, "off")
				return peerkv.MustSetUntil(key, "", uint64(modeltest.Now().Add(off).UnixNano()))
			}
			return peerkv.MustSet(key, fmt.Sprint(len(seen)))
		},
		Refused: [][]byte{nil, {1, 0, 0}, []byte("\x04\x00\x01k"), []byte("\x02\x00\x01kv"), []byte("\x03\x00\x01k\x00"), []byte("\x01\x00\x01\xff")},
	})
}
