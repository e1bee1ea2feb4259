package poll

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/model/modeltest"
	"github.com/hearsaynet/hearsay/replica/wire"
)

func TestModel(t *testing.T) {
	modeltest.Run(t, modeltest.Kit{
		New: func() modeltest.Subject {
			m := newModel()
			return modeltest.Subject{
				Model: m,
				State: func() string { return fmt.Sprint(m.result()) },
				Shown: m.shown,
			}
		},
		Change: func(t *rapid.T, seen []replica.Update, self keys.NodeID) []byte {
			choice := rapid.SampledFrom([]string{"noodles", "soup", ""}).Draw(t, "choice")
			return append([]byte{opVote}, choice...)
		},
		Refused: [][]byte{{}, {2}, append([]byte{1}, make([]byte, 65)...), []byte("\x01\xff")},
	})
}

// shown returns the votes that count.
func (m *model) shown() (refs []wire.Ref) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	for _, v := range m.now {
		if v.choice != "" {
			refs = append(refs, v.by.Ref)
		}
	}
	return refs
}
