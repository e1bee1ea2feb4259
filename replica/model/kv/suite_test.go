package kv_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/model/kv"
	"github.com/hearsaynet/hearsay/replica/model/modeltest"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// TestModel runs the suite for all models.
func TestModel(t *testing.T) {
	for name, cfg := range map[string]kv.Config{
		"last writer wins": {WatchBuffer: 1},
		"strict order":     {WatchBuffer: 1, Resolve: kv.StrictOrder},
		"three keys":       {WatchBuffer: 1, MaxKeys: 3},
		"backend":          {WatchBuffer: 1, Backend: func() (kv.Backend, error) { return &backend{}, nil }},
	} {
		t.Run(name, func(t *testing.T) {
			modeltest.Run(t, modeltest.Kit{
				New: func() modeltest.Subject {
					m, model := kv.DetachedWith(keys.NodeID{}, cfg, modeltest.Now)
					return modeltest.Subject{
						Model: model,
						State: func() string { return strings.Join(dump(m), "\n") },
						Shown: func() (refs []wire.Ref) {
							for _, e := range m.All() {
								refs = append(refs, e.Ref)
							}
							return refs
						},
						Close: m.Close,
					}
				},
				Change:  drawChange,
				Refused: [][]byte{nil, {1, 0, 0}, []byte("\x04\x00\x01k"), []byte("\x02\x00\x01kv"), []byte("\x03\x00\x01k\x00")},
			})
		})
	}
}

func drawChange(t *rapid.T, seen []replica.Update, _ keys.NodeID) []byte {
	key := rapid.SampledFrom([]string{"k", "key", "kéy", "l"}).Draw(t, "key")
	value := fmt.Sprint(len(seen) % 3)
	switch rapid.SampledFrom([]string{"set", "set", "set", "delete", "until"}).Draw(t, "op") {
	case "delete":
		return kv.MustDelete(key)
	case "until":
		off := rapid.SampledFrom([]time.Duration{-time.Hour, -1, 0, time.Minute, time.Hour}).Draw(t, "off")
		return kv.MustSetUntil(key, value, uint64(modeltest.Now().Add(off).UnixNano()))
	}
	return kv.MustSet(key, value)
}
