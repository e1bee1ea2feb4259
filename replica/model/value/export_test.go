package value

import (
	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/model/internal/mount"
)

// Model is what a replica calls.
type Model interface {
	replica.Model
	replica.Rebuilder
}

// Detached returns a Value without a replica, and its model.
func Detached(self keys.NodeID, history, watchBuffer int) (*Value, Model) {
	m := newModel(self, history)
	return &Value{channel: new(mount.Channel), model: m, watchBuffer: watchBuffer}, m
}
