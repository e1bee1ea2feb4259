package events

import (
	"time"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
)

// Model is what a replica calls.
type Model interface {
	replica.Model
	replica.Rebuilder
}

// Detached returns a Log without a replica, and its model.
func Detached() (*Log, Model) { return DetachedAt(keys.NodeID{}, time.Now, Config{}) }

// DetachedAt is Detached for an own author and a clock.
func DetachedAt(self keys.NodeID, now func() time.Time, cfg Config) (*Log, Model) {
	l := newLog(self, now, cfg)
	return l, l.model
}

// Change makes the change of an event whose name is good.
func Change(name, data string) []byte { return ChangeUntil(name, 0, data) }

// ChangeUntil is Change with an end, in ns since the Unix epoch.
func ChangeUntil(name string, until uint64, data string) []byte {
	b, err := encode(name, until, []byte(data))
	if err != nil {
		panic(err)
	}
	return b
}

// Followers returns how many follow the log, and the events that are remembered as
// taken back.
func Followers(l *Log) (followers, back int) { return l.model.line.Followers() }
