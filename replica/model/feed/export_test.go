package feed

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

// Detached returns a Feed without a replica, and its model.
func Detached(self keys.NodeID, watchBuffer int) (*Feed, Model) {
	f := &Feed{channel: &mount.Channel{}, model: newModel(self), watchBuffer: watchBuffer}
	return f, f.model
}

// PushChange and RemoveChange make changes.
func PushChange(item string) []byte  { return encodePush([]byte(item)) }
func RemoveChange(seq uint64) []byte { return encodeRemove(seq) }
