package manifest_test

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/model/manifest"
	"github.com/hearsaynet/hearsay/replica/model/modeltest"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// dump writes the list.
func dump(m *manifest.Manifest) string {
	b := &strings.Builder{}
	for e := range m.All() {
		fmt.Fprintf(b, "%s=%s %d %d %x\n", e.Channel, e.Kind, e.Seq, e.Time, e.Hash[:4])
	}
	return b.String()
}

// TestModel runs the suite for all models on the list; what is mounted by it is elsewhere.
func TestModel(t *testing.T) {
	modeltest.Run(t, modeltest.Kit{
		New: func() modeltest.Subject {
			m, model := manifest.Detached(keys.NodeID{}, manifest.Config{})
			return modeltest.Subject{
				Model: model,
				State: func() string { return dump(m) },
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
			channel := rapid.SampledFrom([]string{"a", "ab", "ß"}).Draw(t, "channel")
			if rapid.IntRange(0, 3).Draw(t, "remove") == 0 {
				return manifest.MustRemove(channel)
			}
			return manifest.MustAdd(channel, rapid.SampledFrom([]string{"kv", "list"}).Draw(t, "kind"))
		},
		Refused: [][]byte{nil, {0}, []byte("\x01\x01a"), []byte("\x01\x01a\x00"), []byte("\x02\x01ax"), []byte("\x01\x00\x02kv"), []byte("\x01\x01a\x02kvx"), []byte("\x03\x01a")},
	})
}
