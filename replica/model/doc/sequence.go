package doc

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"maps"
	"sync"

	"github.com/hearsaynet/hearsay/replica/model/internal/fraction"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// DefaultSort is the field in which a Sequence keeps its rows' positions unless told
// otherwise.
const DefaultSort = "_sort"

// Sequence is a Set in the order of its rows' positions, which a field of theirs holds as a
// string of hexadecimal digits. Rows of one position are in the order of their names, and
// those without one stand behind all others, until they are moved.
type Sequence struct {
	*Set

	mu   sync.Mutex // guards the field below
	last string     // the row that was put in here last
}

// Sequence returns the rows that match q, in the order of the positions in the field sort,
// "" for "_sort". Close it when it is not needed any more. A row can be in several
// Sequences, with a field for each. The error is about q or the field.
func (d *Doc) Sequence(q Query, sort string) (*Sequence, error) {
	if sort == "" {
		sort = DefaultSort
	}
	if err := checkName([]byte(sort), MaxField); err != nil {
		return nil, fmt.Errorf("doc: field: %w", err)
	}
	s, err := d.follow(q, sort)
	if err != nil {
		return nil, err
	}
	return &Sequence{Set: s}, nil
}

// Push adds a row with a new name at the end, behind all rows with a position. It has the
// fields and what the Sequence's Where asks for.
func (s *Sequence) Push(ctx context.Context, fields Fields) (row string, ref wire.Ref, err error) {
	c := s.Snapshot()
	return s.add(ctx, c, c.Len(), fields)
}

// Insert is Push before the row at index at, which may be Len.
func (s *Sequence) Insert(ctx context.Context, at int, fields Fields) (row string, ref wire.Ref, err error) {
	c := s.Snapshot()
	if err := c.check(at, c.Len()+1); err != nil {
		return "", wire.Ref{}, err
	}
	return s.add(ctx, c, at, fields)
}

// InsertBefore is Push before another row. If that is not in the Sequence, the error wraps
// ErrNotFound.
func (s *Sequence) InsertBefore(ctx context.Context, other string, fields Fields) (row string, ref wire.Ref, err error) {
	c, at, err := s.find(other)
	if err != nil {
		return "", wire.Ref{}, err
	}
	return s.add(ctx, c, at, fields)
}

// InsertAfter is Push behind another row. If that is not in the Sequence, the error wraps
// ErrNotFound.
func (s *Sequence) InsertAfter(ctx context.Context, other string, fields Fields) (row string, ref wire.Ref, err error) {
	c, at, err := s.find(other)
	if err != nil {
		return "", wire.Ref{}, err
	}
	return s.add(ctx, c, at+1, fields)
}

func (s *Sequence) add(ctx context.Context, c Snapshot, at int, fields Fields) (string, wire.Ref, error) {
	fields = maps.Clone(fields)
	if fields == nil {
		fields = make(Fields)
	}
	if s.query.field != "" {
		fields[s.query.field] = json.RawMessage(s.query.value)
	}
	row := rand.Text()
	ref, err := s.put(ctx, c, row, at, fields)
	return row, ref, err
}

// Move puts the row at index from where it is at index to afterwards. Of moves of one row
// at the same time the last counts; what is set meanwhile stays.
func (s *Sequence) Move(ctx context.Context, from, to int) (wire.Ref, error) {
	c := s.Snapshot()
	for _, at := range []int{from, to} {
		if err := c.check(at, c.Len()); err != nil {
			return wire.Ref{}, err
		}
	}
	if to > from {
		to++
	}
	return s.put(ctx, c, c.rows.At(from).id, to, make(Fields))
}

// MoveBefore puts a row before another. If either is not in the Sequence, the error wraps
// ErrNotFound.
func (s *Sequence) MoveBefore(ctx context.Context, row, other string) (wire.Ref, error) {
	return s.moveTo(ctx, row, other, 0)
}

// MoveAfter puts a row behind another. If either is not in the Sequence, the error wraps
// ErrNotFound.
func (s *Sequence) MoveAfter(ctx context.Context, row, other string) (wire.Ref, error) {
	return s.moveTo(ctx, row, other, 1)
}

func (s *Sequence) moveTo(ctx context.Context, row, other string, behind int) (wire.Ref, error) {
	if _, _, err := s.find(row); err != nil {
		return wire.Ref{}, err
	}
	c, at, err := s.find(other)
	if err != nil {
		return wire.Ref{}, err
	}
	return s.put(ctx, c, row, at+behind, make(Fields))
}

// Remove deletes the row at an index from the Doc.
func (s *Sequence) Remove(ctx context.Context, at int) (wire.Ref, error) {
	c := s.Snapshot()
	if err := c.check(at, c.Len()); err != nil {
		return wire.Ref{}, err
	}
	return s.doc.Delete(ctx, c.rows.At(at).id)
}

// put writes fields of a row, and a position before the row at index at, or before the
// first without one. Up to 64 neighbours that leave no room, as those of an author that
// means harm may, are moved aside; where that does not do, the row comes behind those in
// the way, or before them if the Sequence ends with those.
func (s *Sequence) put(ctx context.Context, c Snapshot, row string, at int, fields Fields) (wire.Ref, error) {
	placed, _ := c.rows.Rank(member{nowhere, &record{}})
	at = min(at, placed)
	key := func(i int) []byte { return []byte(c.rows.At(i).position) }
	keys, low := fraction.Room(key, placed, at, 1, s.side(c, at, placed), s.doc.channel.Random)
	var changes [][]byte
	own := 0
	for i, k := range keys {
		id, f := row, fields
		switch item := low + i; {
		case item == at:
			own = len(changes)
		case item < at:
			id, f = c.rows.At(item).id, make(Fields)
		default:
			id, f = c.rows.At(item-1).id, make(Fields)
		}
		if id == row && low+i != at {
			continue
		}
		f[s.sort] = positionJSON(k)
		change, err := SetChange(id, f)
		if err != nil {
			return wire.Ref{}, err
		}
		changes = append(changes, change)
	}
	refs, err := s.doc.channel.Write(ctx, changes...)
	if err != nil {
		return wire.Ref{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = row
	return refs[own], nil
}

// side says whether what is put in at an index goes on where this Sequence put in last.
func (s *Sequence) side(c Snapshot, at, placed int) fraction.Side {
	s.mu.Lock()
	defer s.mu.Unlock()
	if at > 0 && c.rows.At(at-1).id == s.last {
		return fraction.Left
	}
	if at < placed && c.rows.At(at).id == s.last {
		return fraction.Right
	}
	return fraction.Anywhere
}

func (c Snapshot) check(at, n int) error {
	if at < 0 || at >= n {
		return fmt.Errorf("doc: %w: %d, of %d rows", ErrRange, at, c.Len())
	}
	return nil
}

func (s *Sequence) find(row string) (c Snapshot, at int, err error) {
	c, at, ok := s.locate(row)
	if !ok {
		return c, 0, fmt.Errorf("doc: %w as %q", ErrNotFound, row)
	}
	return c, at, nil
}
