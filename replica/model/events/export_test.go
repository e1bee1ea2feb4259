package events

import "github.com/hearsaynet/hearsay/replica"

// Model is what a replica calls.
type Model interface {
	replica.Model
	replica.Rebuilder
}

// Detached returns a Log without a replica, and its model.
func Detached() (*Log, Model) {
	m := newModel()
	return &Log{model: m, unmount: func() {}}, m
}

// Change makes the change of an event whose name is good.
func Change(name, data string) []byte { return encode(name, []byte(data)) }

// Followers returns how many follow the log, and the events that are remembered as
// taken back.
func Followers(l *Log) (followers, back int) {
	l.model.mu.Lock()
	defer l.model.mu.Unlock()
	return l.model.followers, len(l.model.back)
}
