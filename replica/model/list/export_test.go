package list

import (
	"math/rand/v2"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/model/internal/mount"
)

// Model is what a replica calls.
type Model interface {
	replica.Model
	replica.Rebuilder
}

// Detached returns a List without a replica, and its model.
func Detached(self keys.NodeID, watchBuffer int) (*List, Model) {
	m := newModel(self)
	return &List{model: m, watchBuffer: watchBuffer, channel: new(mount.Channel)}, m
}

// An Op is an operation of a change. Changes are of good ones.
type Op struct{ operation }

func Insert(position, value string) Op {
	return Op{operation{op: opInsert, position: []byte(position), value: []byte(value)}}
}

func Set(id ElementID, value string) Op {
	return Op{operation{op: opSet, id: id, value: []byte(value)}}
}

func Remove(id ElementID) Op { return Op{operation{op: opRemove, id: id}} }

func Move(id ElementID, position string) Op {
	return Op{operation{op: opMove, id: id, position: []byte(position)}}
}

func Encode(ops ...Op) []byte {
	var all []operation
	for _, o := range ops {
		all = append(all, o.operation)
	}
	return encode(all...)
}

// Room is the plan of an insert: the positions, and a change that makes room for them.
func Room(s Snapshot, at, n int) (positions []string, moves []byte) {
	p, ops := s.room(at, n, 0, rand.Uint64N)
	for _, b := range p {
		positions = append(positions, string(b))
	}
	return positions, encode(ops...)
}

// Moves counts the operations of what Room returned.
func Moves(moves []byte) int {
	n, err := countOperations(moves)
	if err != nil {
		return 0
	}
	return n
}

// Positions returns those of the elements, in order.
func Positions(s Snapshot) (all []string) {
	for e := range s.shown.From(0) {
		all = append(all, e.position)
	}
	return all
}

// Untouched returns the elements that nobody has set since they were inserted.
func Untouched(s Snapshot) (all []Element) {
	for e := range s.shown.From(0) {
		if by := e.content.by; by.Author == e.id.Author && by.Seq == e.id.Seq && e.content.index == e.id.Index {
			all = append(all, e.show())
		}
	}
	return all
}
