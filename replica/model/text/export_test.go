package text

import (
	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/model/internal/mount"
	"github.com/hearsaynet/hearsay/replica/wire"
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
	e := newEncoder(w.model.self)
	if rest, _ := e.fill(w.read().pieces(w.model.self, []replacement{{from: at, to: at + n, text: text}})); rest != nil {
		panic("it does not fit")
	}
	return e.change()
}

// Version returns what Text.Apply would write.
func (w Writer) Version(version string) (changes [][]byte) {
	d := w.Draft()
	for pieces := d.pieces(version); pieces != nil; {
		e := newEncoder(w.model.self)
		pieces, _ = e.fill(pieces)
		changes = append(changes, e.change())
	}
	return changes
}

// Shown returns the updates of which a character is shown, without their hashes.
func Shown(t *Text) (refs []wire.Ref) {
	c := t.read()
	for x := range c.between(0, c.len()) {
		for i := range int(x.n) {
			refs = append(refs, wire.Ref{Author: x.span.author.id, Seq: x.place(i).seq()})
		}
	}
	return refs
}
