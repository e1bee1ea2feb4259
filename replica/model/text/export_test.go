package text

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

// Detached returns a Text without a replica, and its model.
func Detached(self keys.NodeID, watchBuffer int) (*Text, Model) {
	m := newModel(self)
	return &Text{channel: new(mount.Channel), model: m, watchBuffer: watchBuffer}, m
}

// Writer makes the changes that the Text of a Detached model would write.
type Writer struct{ *Text }

// Replace returns what Text.Replace would write, which must fit one change.
func (w Writer) Replace(at, n int, text string) []byte {
	s := w.model.state.Now()
	e := newEncoder(w.model.self)
	if rest, _ := e.fill(s.pieces(w.model.self, []replacement{{from: at, to: at + n, text: text}})); rest != nil {
		panic("it does not fit")
	}
	return e.change()
}
