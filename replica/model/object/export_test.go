package object

import (
	"context"
	"fmt"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/model/internal/mount"
)

// Model is what a replica calls.
type Model interface {
	replica.Model
	replica.Rebuilder
}

// Detached returns an Object without a replica, and its model.
func Detached(self keys.NodeID, watchBuffer int) (*Object, Model) {
	m := newModel(self)
	return &Object{channel: new(mount.Channel), model: m, watchBuffer: watchBuffer}, m
}

// Must makes a change of writes that are good.
func Must(ops ...Op) []byte {
	b, err := NewChange(ops...)
	if err != nil {
		panic(err)
	}
	return b
}

// OnTell calls f, while the Object changes, with the paths that watchers are told of.
func (o *Object) OnTell(ctx context.Context, f func(path string)) {
	o.model.watches.Watch(ctx, 1, func(e event) bool { f(e.path); return false })
}

// Nodes returns how many nodes there are, the root and those at which nothing stands
// included.
func (o *Object) Nodes() int { return o.model.state.Now().root.Load().size() }

func (n *node) size() int {
	if n == nil {
		return 0
	}
	return 1 + n.left.size() + n.right.size() + n.members.size()
}

// Sound checks what must hold of every tree.
func (o *Object) Sound() error {
	root := o.model.state.Now().root.Load()
	return root.sound("", nil, true)
}

// sound checks a treap of names; above is the newest write that cleared a place above.
func (n *node) sound(path string, above *stamp, claimed bool) error {
	if n == nil {
		return nil
	}
	at := path + Path(n.name)
	if path == "" && n.name == "" {
		at = ""
	}
	oldest := older(n.claim, n.cleared)
	for _, m := range [...]*node{n.left, n.right, n.members} {
		if m != nil {
			oldest = older(oldest, m.oldest)
		}
	}
	cleared := n.cleared
	if cleared == nil || cleared.before(above) {
		cleared = above
	}
	switch {
	case oldest != n.oldest:
		return fmt.Errorf("%s: oldest is not the oldest", at)
	case n.left != nil && (n.left.name >= n.name || n.left.rank > n.rank), n.right != nil && (n.right.name <= n.name || n.right.rank > n.rank):
		return fmt.Errorf("%s: the treap is in disorder", at)
	case n.cleared != nil && n.cleared.before(above):
		return fmt.Errorf("%s: cleared by an older write than above", at)
	case n.claim != nil && n.claim.before(cleared):
		return fmt.Errorf("%s: what stands there is cleared", at)
	case at != "" && n.claim != nil && !claimed:
		return fmt.Errorf("%s: nothing stands above", at)
	case at != "" && n.claim == nil && n.cleared == nil && n.members == nil:
		return fmt.Errorf("%s: there is nothing in it", at)
	case !n.isObject() && n.members != nil && n.members.stands():
		return fmt.Errorf("%s: members of what is no object", at)
	}
	if err := n.members.sound(at, cleared, at == "" || n.claim != nil); err != nil {
		return err
	}
	if err := n.left.sound(path, above, claimed); err != nil {
		return err
	}
	return n.right.sound(path, above, claimed)
}

// stands reports whether something stands at one of a treap's names.
func (n *node) stands() bool { return !n.each(func(*node) bool { return false }) }
