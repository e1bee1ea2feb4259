package models

import (
	"context"
	"fmt"
	"iter"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/model/list"
	"github.com/hearsaynet/hearsay/replica/wire"
)

var lists = kind[*list.List]{list.DefaultChannel, func(r *replica.Replica, channel string) (*list.List, error) {
	return list.Mount(r, channel, list.Config{})
}}

// Element is an element of a list.
type Element struct {
	At int            `json:"at"` // its index
	ID list.ElementID `json:"id"`
	Data
	Origin
}

// ListChange is one change of a list.
type ListChange struct {
	Old   *Element `json:"old,omitempty"` // nil if it was not in the list; At is the index before
	New   *Element `json:"new,omitempty"` // nil if it is not any more
	Local bool     `json:"local"`
	Lost  uint64   `json:"lost,omitempty"` // so many changes came too fast; nothing else is set
}

// ListValues are values for a place in a list. At -1 is its end.
type ListValues struct {
	At     int      `json:"at"`
	Values [][]byte `json:"values"`
}

// Inserted is an element that has been inserted, and the update that did.
type Inserted struct {
	ID     list.ElementID `json:"id"`
	Author keys.NodeID    `json:"author"`
	Seq    uint64         `json:"seq"`
}

// ListRange is N elements of a list from index At on.
type ListRange struct {
	At int `json:"at"`
	N  int `json:"n"`
}

// ListMove is from where to where an element moves.
type ListMove struct {
	From int `json:"from"`
	To   int `json:"to"`
}

// The operations on lists.
var (
	ListShow = each(lists, "show", func(_ context.Context, l *list.List, _ None) iter.Seq2[Element, error] {
		return func(yield func(Element, error) bool) {
			for at, e := range l.All() {
				if !yield(*newElement(at, &e), nil) {
					return
				}
			}
		}
	})
	ListGet = read(lists, "get", func(_ context.Context, l *list.List, at int) (Element, error) {
		e, ok := l.Get(at)
		if !ok {
			return Element{}, fmt.Errorf("models: %w: %d, of %d elements", list.ErrRange, at, l.Len())
		}
		return *newElement(at, &e), nil
	})
	ListInsert = writeMany(lists, "insert", func(ctx context.Context, l *list.List, q ListValues) ([]Inserted, error) {
		insert := func(ctx context.Context, values ...[]byte) ([]list.ElementID, error) {
			return l.Insert(ctx, q.At, values...)
		}
		if q.At < 0 {
			insert = l.Append
		}
		ids, err := insert(ctx, q.Values...)
		elements := make([]Inserted, len(ids))
		for i, id := range ids {
			elements[i] = Inserted{id, id.Author, id.Seq}
		}
		return elements, err
	})
	ListSet = write(lists, "set", func(ctx context.Context, l *list.List, q ListValues) (wire.Ref, error) {
		if len(q.Values) != 1 {
			return wire.Ref{}, fmt.Errorf("models: %d values for one element", len(q.Values))
		}
		return l.Set(ctx, q.At, q.Values[0])
	})
	ListRemove = writeMany(lists, "rm", func(ctx context.Context, l *list.List, q ListRange) ([]wire.Ref, error) {
		return l.Remove(ctx, q.At, q.N)
	})
	ListMoveTo = write(lists, "move", func(ctx context.Context, l *list.List, q ListMove) (wire.Ref, error) {
		return l.Move(ctx, q.From, q.To)
	})
	ListWatch = follow(lists, "watch", func(ctx context.Context, l *list.List, _ None) iter.Seq2[ListChange, error] {
		return watched(ctx, l.Watch, func(c list.Change) ListChange {
			return ListChange{newElement(c.From, c.Old), newElement(c.To, c.New), c.Local, c.Lost}
		})
	})
)

func newElement(at int, e *list.Element) *Element {
	if e == nil {
		return nil
	}
	return &Element{at, e.ID, newData(e.Value), newOrigin(e.Ref, e.Time)}
}
