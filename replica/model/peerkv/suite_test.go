package peerkv_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/model/internal/livetest"
	"github.com/hearsaynet/hearsay/replica/model/modeltest"
	"github.com/hearsaynet/hearsay/replica/model/peerkv"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// TestModel runs the suite for all models.
func TestModel(t *testing.T) {
	modeltest.Run(t, modeltest.Kit{
		New: func() modeltest.Subject {
			m, model := peerkv.Detached(keys.NodeID{}, 1<<10, modeltest.Now)
			return modeltest.Subject{
				Model: model,
				State: func() string { return strings.Join(dump(m), "") },
				Watch: func() func() string {
					changes, err := m.Watch(context.Background(), "", "")
					if err != nil {
						t.Fatal(err)
					}
					return livetest.Copy(changes, func(c peerkv.Change) (key, was, is string) {
						if was, is = shown(c.Old), shown(c.New); was == is {
							t.Errorf("a change of %q that changes nothing", c.Key)
						}
						return string(c.Author[:]) + c.Key, was, is
					})
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

// shown is line of an entry that may not be there.
func shown(e *peerkv.Entry) string {
	if e == nil {
		return ""
	}
	return line(*e)
}
