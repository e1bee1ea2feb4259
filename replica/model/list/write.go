package list

import (
	"context"
	"fmt"

	"github.com/hearsaynet/hearsay/replica/model/internal/fraction"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// Insert puts values before the element at index at, which may be Len, and returns their
// names when that is signed, durable and applied, all of it or nothing. Each value, and 9
// bytes or more with it, is bound by replica.Config.MaxChange; together they must fit a run
// (wire.RunRoom). What others insert there at the same time comes before or behind all of
// them.
//
// An author that means harm can leave no room between its elements. Then up to 64
// neighbours are moved aside; where that does not do, the values come behind the elements
// that are in the way, or before them if the list ends with those. Index tells where.
func (l *List) Insert(ctx context.Context, at int, values ...[]byte) ([]ElementID, error) {
	return l.insert(ctx, l.Snapshot(), at, values)
}

// Append is Insert at the end.
func (l *List) Append(ctx context.Context, values ...[]byte) ([]ElementID, error) {
	s := l.Snapshot()
	return l.insert(ctx, s, s.Len(), values)
}

// InsertBefore is Insert before an element. If that is not in the list, the error wraps
// ErrNotFound.
func (l *List) InsertBefore(ctx context.Context, id ElementID, values ...[]byte) ([]ElementID, error) {
	s, at, err := l.locate(id)
	if err != nil {
		return nil, err
	}
	return l.insert(ctx, s, at, values)
}

// InsertAfter is Insert behind an element. If that is not in the list, the error wraps
// ErrNotFound.
func (l *List) InsertAfter(ctx context.Context, id ElementID, values ...[]byte) ([]ElementID, error) {
	s, at, err := l.locate(id)
	if err != nil {
		return nil, err
	}
	return l.insert(ctx, s, at+1, values)
}

func (l *List) insert(ctx context.Context, s Snapshot, at int, values [][]byte) ([]ElementID, error) {
	if err := s.check(at, s.Len()+1); err != nil {
		return nil, err
	}
	if len(values) == 0 {
		return nil, nil
	}
	if len(values) > MaxOperations {
		return nil, fmt.Errorf("list: %d values in one call, at most %d", len(values), MaxOperations)
	}
	positions, ops := s.room(at, len(values), l.side(s, at), l.channel.Random)
	moves := len(ops)
	for i, v := range values {
		ops = append(ops, operation{op: opInsert, position: positions[i], value: v})
	}
	ids, _, err := l.write(ctx, ops)
	if err != nil {
		return nil, err
	}
	ids = ids[moves:]
	l.mu.Lock()
	defer l.mu.Unlock()
	l.first, l.last = ids[0], ids[len(ids)-1]
	return ids, nil
}

// side says whether what is inserted at an index goes on where this List inserted last.
func (l *List) side(s Snapshot, at int) fraction.Side {
	l.mu.Lock()
	defer l.mu.Unlock()
	if at > 0 && s.shown.At(at-1).id == l.last {
		return fraction.Left
	}
	if at < s.Len() && s.shown.At(at).id == l.first {
		return fraction.Right
	}
	return fraction.Anywhere
}

// Set gives the element at an index another value. An element that somebody removes
// meanwhile is back, if this is later.
func (l *List) Set(ctx context.Context, at int, value []byte) (wire.Ref, error) {
	s := l.Snapshot()
	if err := s.check(at, s.Len()); err != nil {
		return wire.Ref{}, err
	}
	return l.SetElement(ctx, s.shown.At(at).id, value)
}

// SetElement is Set by name. It takes an element back that was removed, and one that is
// not here yet has the value when it comes, if that is older than this.
func (l *List) SetElement(ctx context.Context, id ElementID, value []byte) (wire.Ref, error) {
	return l.one(ctx, operation{op: opSet, id: id, value: value})
}

// Remove takes n elements out, the first at index at, all of them or none. In one call it
// takes out some 23,000: their names must fit a run (wire.RunRoom).
func (l *List) Remove(ctx context.Context, at, n int) ([]wire.Ref, error) {
	s := l.Snapshot()
	if n < 0 || at < 0 || at > s.Len() || n > s.Len()-at {
		return nil, fmt.Errorf("list: %w: %d elements from %d on, of %d", ErrRange, n, at, s.Len())
	}
	ids := make([]ElementID, 0, n)
	for e := range s.shown.From(at) {
		if len(ids) == n {
			break
		}
		ids = append(ids, e.id)
	}
	return l.RemoveElements(ctx, ids...)
}

// RemoveElements is Remove by name. It counts against every older Set, also one that has
// not arrived yet, and so writes whether the elements are in the list or not.
func (l *List) RemoveElements(ctx context.Context, ids ...ElementID) ([]wire.Ref, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	ops := make([]operation, len(ids))
	for i, id := range ids {
		ops[i] = operation{op: opRemove, id: id}
	}
	_, refs, err := l.write(ctx, ops)
	return refs, err
}

// Move puts the element at index from where it is at index to afterwards. Of moves of one
// element at the same time the last counts; what it is set to meanwhile stays.
func (l *List) Move(ctx context.Context, from, to int) (wire.Ref, error) {
	s := l.Snapshot()
	for _, at := range []int{from, to} {
		if err := s.check(at, s.Len()); err != nil {
			return wire.Ref{}, err
		}
	}
	if to > from {
		to++
	}
	return l.move(ctx, s, s.shown.At(from).id, to)
}

// MoveBefore puts an element before another. If either is not in the list, the error wraps
// ErrNotFound.
func (l *List) MoveBefore(ctx context.Context, id, other ElementID) (wire.Ref, error) {
	return l.moveTo(ctx, id, other, 0)
}

// MoveAfter puts an element behind another. If either is not in the list, the error wraps
// ErrNotFound.
func (l *List) MoveAfter(ctx context.Context, id, other ElementID) (wire.Ref, error) {
	return l.moveTo(ctx, id, other, 1)
}

func (l *List) moveTo(ctx context.Context, id, other ElementID, behind int) (wire.Ref, error) {
	if _, _, err := l.locate(id); err != nil {
		return wire.Ref{}, err
	}
	s, at, err := l.locate(other)
	if err != nil {
		return wire.Ref{}, err
	}
	return l.move(ctx, s, id, at+behind)
}

// move puts an element before the one that is at index at now.
func (l *List) move(ctx context.Context, s Snapshot, id ElementID, at int) (wire.Ref, error) {
	positions, ops := s.room(at, 1, fraction.Anywhere, l.channel.Random)
	return l.one(ctx, append(ops, operation{op: opMove, id: id, position: positions[0]})...)
}

func (s Snapshot) check(at, n int) error {
	if at < 0 || at >= n {
		return fmt.Errorf("list: %w: %d, of %d elements", ErrRange, at, s.Len())
	}
	return nil
}

// locate returns where an element is, in a snapshot that has it.
func (l *List) locate(id ElementID) (s Snapshot, at int, err error) {
	e, c, at := l.model.state.Now().index(id)
	if e == nil {
		return Snapshot{}, 0, fmt.Errorf("list: %w as %s", ErrNotFound, id)
	}
	return Snapshot{c}, at, nil
}

// one writes operations that are less than a batch, or one.
func (l *List) one(ctx context.Context, ops ...operation) (wire.Ref, error) {
	_, refs, err := l.write(ctx, ops)
	if err != nil {
		return wire.Ref{}, err
	}
	return refs[len(refs)-1], nil
}

// write writes operations together or not at all, and returns the names that elements get
// which they insert.
func (l *List) write(ctx context.Context, ops []operation) ([]ElementID, []wire.Ref, error) {
	var changes [][]byte
	ids := make([]ElementID, len(ops)) // Seq is the index in changes until they are written
	n := 0
	for i := range ops {
		if err := ops[i].id.check(); ops[i].op != opInsert && err != nil {
			return nil, nil, fmt.Errorf("list: %w: %w", ErrBadID, err)
		}
		b := ops[i].append(nil)
		if last := len(changes) - 1; last >= 0 && len(changes[last])+len(b) <= batch {
			changes[last] = append(changes[last], b...)
			n++
		} else {
			changes = append(changes, b)
			n = 0
		}
		ids[i] = ElementID{Seq: uint64(len(changes) - 1), Index: uint16(n)}
	}
	refs, err := l.channel.Write(ctx, changes...)
	if err != nil {
		return nil, nil, err
	}
	for i := range ids {
		ref := refs[ids[i].Seq]
		ids[i].Author, ids[i].Seq = ref.Author, ref.Seq
	}
	return ids, refs, nil
}
