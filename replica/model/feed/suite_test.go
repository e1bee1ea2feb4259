package feed_test

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/model/feed"
	"github.com/hearsaynet/hearsay/replica/model/modeltest"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// TestModel runs the suite for all models.
func TestModel(t *testing.T) {
	modeltest.Run(t, modeltest.Kit{
		New: func() modeltest.Subject {
			f, model := feed.Detached(keys.NodeID{}, 1)
			return modeltest.Subject{
				Model: model,
				State: func() string {
					b := &strings.Builder{}
					for it := range f.All() {
						fmt.Fprintf(b, "%q %d %d %x\n", it.Data, it.Seq, it.Time, it.Hash[:4])
					}
					for id := range f.Authors() {
						fmt.Fprintf(b, "%v:", id)
						for it := range f.Author(id) {
							fmt.Fprintf(b, " %d", it.Seq)
						}
						b.WriteByte('\n')
					}
					return b.String()
				},
				Shown: func() (refs []wire.Ref) {
					for it := range f.All() {
						refs = append(refs, it.Ref)
					}
					return refs
				},
				Close: f.Close,
			}
		},
		Change: func(t *rapid.T, seen []replica.Update, self keys.NodeID) []byte {
			var own []uint64
			for _, u := range seen {
				if u.Author == self {
					own = append(own, u.Seq)
				}
			}
			if len(own) > 0 && rapid.IntRange(0, 2).Draw(t, "op") == 0 {
				return feed.RemoveChange(rapid.SampledFrom(own).Draw(t, "seq")) // a push or a remove
			}
			return feed.PushChange(fmt.Sprint(len(seen)))
		},
		Refused: [][]byte{nil, {0}, {2}, {3}, feed.RemoveChange(0), feed.RemoveChange(1 << 62), append(feed.RemoveChange(1), 0)},
	})
}
