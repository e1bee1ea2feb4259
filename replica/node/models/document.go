package models

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"

	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/model/doc"
	"github.com/hearsaynet/hearsay/replica/wire"
)

var docs = kind[*doc.Doc]{doc.DefaultChannel, func(r *replica.Replica, channel string) (*doc.Doc, error) {
	return doc.Mount(r, channel, doc.Config{})
}}

// Row is a row of a document.
type Row struct {
	Row     string                     `json:"row"` // its name
	Fields  map[string]json.RawMessage `json:"fields"`
	Written map[string]Origin          `json:"written"` // the update that wrote each field
}

// RowChange is one change of a row.
type RowChange struct {
	Row   string `json:"row,omitempty"`
	Old   *Row   `json:"old,omitempty"` // nil if it did not exist
	New   *Row   `json:"new,omitempty"` // nil if it does not exist now
	Local bool   `json:"local"`
	Lost  uint64 `json:"lost,omitempty"` // so many changes came too fast; nothing else is set
}

// RowAt is a row and its index among those that are asked for.
type RowAt struct {
	At int `json:"at"`
	Row
}

// RowAtChange is one change of the rows that are asked for.
type RowAtChange struct {
	Old   *RowAt `json:"old,omitempty"` // nil if it was not among them; At is the index before
	New   *RowAt `json:"new,omitempty"` // nil if it is not any more
	Local bool   `json:"local"`
	Lost  uint64 `json:"lost,omitempty"` // so many changes came too fast; nothing else is set
}

// RowField is a field's value, as JSON in any spelling, nil to take the field away.
type RowField struct {
	Name  string `json:"name"`
	Value []byte `json:"value"`
}

// RowWrite is fields for a row.
type RowWrite struct {
	Row    string     `json:"row"`
	Fields []RowField `json:"fields"`
}

// RowQuery asks for the rows whose field has a value, or for all without a Name.
type RowQuery = RowField

// Rows asks for rows in the order of the positions in field Sort, "" for "_sort".
type Rows struct {
	Where RowQuery `json:"where"`
	Sort  string   `json:"sort,omitempty"`
}

// RowInsert is a new row for a place among others. At -1 is the end.
type RowInsert struct {
	Rows
	At     int        `json:"at"`
	Fields []RowField `json:"fields"`
}

// RowMove is from where to where among others a row moves.
type RowMove struct {
	Rows
	From int `json:"from"`
	To   int `json:"to"`
}

// Added is a new row and the update that wrote it.
type Added struct {
	Row string `json:"row"`
	wire.Ref
}

// The operations on documents.
var (
	// DocShow answers with a row, or with all for "".
	DocShow = each(docs, "show", func(_ context.Context, d *doc.Doc, name string) iter.Seq2[Row, error] {
		if name == "" {
			return mapped(d.Rows(), newRow)
		}
		return func(yield func(Row, error) bool) {
			r, ok := d.Get(name)
			if !ok {
				yield(Row{}, fmt.Errorf("models: %w: no row %q", ErrNothing, name))
				return
			}
			yield(newRow(r), nil)
		}
	})
	DocSet = write(docs, "set", func(ctx context.Context, d *doc.Doc, q RowWrite) (wire.Ref, error) {
		return d.Set(ctx, q.Row, fields(q.Fields))
	})
	// DocAdd is DocSet of a row with a new name.
	DocAdd = write(docs, "add", func(ctx context.Context, d *doc.Doc, q []RowField) (Added, error) {
		row, ref, err := d.Add(ctx, fields(q))
		return Added{row, ref}, err
	})
	DocRemove = write(docs, "rm", func(ctx context.Context, d *doc.Doc, row string) (wire.Ref, error) {
		return d.Delete(ctx, row)
	})
	DocWatch = follow(docs, "watch", func(ctx context.Context, d *doc.Doc, glob string) iter.Seq2[RowChange, error] {
		watch := func(ctx context.Context) (<-chan doc.Change, error) { return d.Watch(ctx, glob) }
		return watched(ctx, watch, func(c doc.Change) RowChange {
			return RowChange{c.Row, rowOrNil(c.Old), rowOrNil(c.New), c.Local, c.Lost}
		})
	})
	DocSelect = each(docs, "select", func(_ context.Context, d *doc.Doc, q RowQuery) iter.Seq2[RowAt, error] {
		set, err := d.Select(query(q))
		return shown(set, err)
	})
	// DocFollow answers with the rows that are selected, as if they came just now, and then
	// with each change.
	DocFollow = follow(docs, "follow", func(ctx context.Context, d *doc.Doc, q RowQuery) iter.Seq2[RowAtChange, error] {
		set, err := d.Select(query(q))
		return changes(ctx, set, err, true)
	})

	SeqShow = each(docs, "seq-show", func(_ context.Context, d *doc.Doc, q Rows) iter.Seq2[RowAt, error] {
		set, err := setInOrder(d, q)
		return shown(set, err)
	})
	SeqInsert = write(docs, "seq-insert", func(ctx context.Context, d *doc.Doc, q RowInsert) (Added, error) {
		s, err := d.Sequence(query(q.Where), q.Sort)
		if err != nil {
			return Added{}, err
		}
		defer s.Close()
		if q.At < 0 {
			row, ref, err := s.Push(ctx, fields(q.Fields))
			return Added{row, ref}, err
		}
		row, ref, err := s.Insert(ctx, q.At, fields(q.Fields))
		return Added{row, ref}, err
	})
	SeqMoveTo = write(docs, "seq-move", func(ctx context.Context, d *doc.Doc, q RowMove) (wire.Ref, error) {
		s, err := d.Sequence(query(q.Where), q.Sort)
		if err != nil {
			return wire.Ref{}, err
		}
		defer s.Close()
		return s.Move(ctx, q.From, q.To)
	})
	// SeqFollow answers with each change of the rows or their order from now on.
	SeqFollow = follow(docs, "seq-follow", func(ctx context.Context, d *doc.Doc, q Rows) iter.Seq2[RowAtChange, error] {
		set, err := setInOrder(d, q)
		return changes(ctx, set, err, false)
	})
)

func setInOrder(d *doc.Doc, q Rows) (*doc.Set, error) {
	s, err := d.Sequence(query(q.Where), q.Sort)
	if err != nil {
		return nil, err
	}
	return s.Set, nil
}

// shown yields the rows of a Set, and closes it.
func shown(s *doc.Set, err error) iter.Seq2[RowAt, error] {
	return func(yield func(RowAt, error) bool) {
		if err != nil {
			yield(RowAt{}, err)
			return
		}
		defer s.Close()
		for r := range numbered(s.Rows()) {
			if !yield(r, nil) {
				return
			}
		}
	}
}

func numbered(rows iter.Seq[doc.Row]) iter.Seq[RowAt] {
	return func(yield func(RowAt) bool) {
		at := 0
		for r := range rows {
			if !yield(RowAt{at, newRow(r)}) {
				return
			}
			at++
		}
	}
}

// changes yields the changes of a Set, and closes it. It begins with the rows that are
// there already if those are asked for.
func changes(ctx context.Context, s *doc.Set, err error, rows bool) iter.Seq2[RowAtChange, error] {
	return func(yield func(RowAtChange, error) bool) {
		if err != nil {
			yield(RowAtChange{}, err)
			return
		}
		defer s.Close()
		ctx, stop := context.WithCancel(ctx)
		defer stop()
		changes, err := s.Watch(ctx) // before the Snapshot: what comes between is in both
		if err != nil {
			yield(RowAtChange{}, err)
			return
		}
		begin := s.Snapshot()
		if rows {
			for r := range numbered(begin.Rows()) {
				if !yield(RowAtChange{New: &r}, nil) {
					return
				}
			}
		}
		for c := range changes {
			if c.Lost == 0 && c.Version <= begin.Version() {
				continue
			}
			if !yield(newRowAtChange(c), nil) {
				return
			}
		}
	}
}

func newRowAtChange(c doc.MemberChange) RowAtChange {
	change := RowAtChange{Local: c.Local, Lost: c.Lost}
	if c.Old != nil {
		change.Old = &RowAt{c.From, newRow(*c.Old)}
	}
	if c.New != nil {
		change.New = &RowAt{c.To, newRow(*c.New)}
	}
	return change
}

func query(q RowQuery) doc.Query {
	if q.Name == "" {
		return doc.Query{}
	}
	return doc.Where(q.Name, json.RawMessage(q.Value))
}

func fields(all []RowField) doc.Fields {
	f := make(doc.Fields, len(all))
	for _, field := range all {
		f[field.Name] = nil
		if field.Value != nil {
			f[field.Name] = json.RawMessage(field.Value)
		}
	}
	return f
}

func newRow(r doc.Row) Row {
	row := Row{Row: r.ID(), Fields: make(map[string]json.RawMessage), Written: make(map[string]Origin)}
	for name, f := range r.Fields() {
		row.Fields[name], row.Written[name] = f.Value, newOrigin(f.Ref, f.Time)
	}
	return row
}

func rowOrNil(r *doc.Row) *Row {
	if r == nil {
		return nil
	}
	return new(newRow(*r))
}
