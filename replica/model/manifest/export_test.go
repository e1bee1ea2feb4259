package manifest

import (
	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
)

// Model is what a replica calls.
type Model interface {
	replica.Model
	replica.Rebuilder
}

// Detached returns a Manifest without a replica, and its model. Nothing is mounted before
// Start is called.
func Detached(self keys.NodeID, cfg Config) (*Manifest, Model) {
	if err := cfg.check(); err != nil {
		panic(err)
	}
	m := newManifest(nil, self, DefaultChannel, cfg)
	return m, m.model
}

// Start begins to mount what is listed.
func (m *Manifest) Start() { m.start() }

// MustAdd and MustRemove make changes of names that are good.
func MustAdd(channel, kind string) []byte { return must(encode(change{opAdd, channel, kind})) }
func MustRemove(channel string) []byte {
	return must(encode(change{op: opRemove, channel: channel}))
}

func must(b []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return b
}
