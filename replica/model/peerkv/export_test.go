package peerkv

import (
	"time"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/model/internal/mount"
	"github.com/hearsaynet/hearsay/replica/model/internal/setting"
)

// Model is what a replica calls.
type Model interface {
	replica.Model
	replica.Rebuilder
}

// Detached returns a Map without a replica, and its model.
func Detached(self keys.NodeID, watchBuffer int, now func() time.Time) (*Map, Model) {
	m := newModel(self, now)
	return &Map{channel: new(mount.Channel), model: m, watchBuffer: watchBuffer}, m
}

// Records returns how many keys there are with and without a value, and how many bytes
// their ids and values take.
func (m *Map) Records() (n, size int) {
	for _, r := range m.model.state.Now().records.All() {
		n, size = n+1, size+len(r.text)
	}
	return n, size
}

// MustSet, MustSetUntil and MustDelete make changes of keys that are good.
func MustSet(key, value string) []byte {
	return must(encode(change{Op: setting.Set, Key: []byte(key), Value: []byte(value)}))
}

func MustSetUntil(key, value string, expires uint64) []byte {
	return must(encode(change{Op: setting.SetUntil, Key: []byte(key), Value: []byte(value), Expires: expires}))
}

func MustDelete(key string) []byte { return must(encode(change{Op: setting.Delete, Key: []byte(key)})) }

func must(b []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return b
}
