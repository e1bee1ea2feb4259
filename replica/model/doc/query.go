package doc

import "fmt"

// Query says which rows a Set has. The zero Query: all.
type Query struct {
	field string
	value string // canonical
	match func(Row) bool
	err   error
}

// Where is a Query for the rows whose field has that value, up to MaxMatch bytes of JSON.
// Numbers are equal if their doubles are, great integers if all digits are, and objects if
// their members are.
func Where(field string, value any) Query {
	q := Query{field: field}
	if q.err = checkName([]byte(field), MaxField); q.err != nil {
		return q
	}
	var text []byte
	if text, q.err = marshal(value); q.err != nil {
		return q
	}
	if q.value = canonical(string(text)); q.value == "" {
		q.err = fmt.Errorf("%w of %d bytes: Where takes %d", ErrBadValue, len(text), MaxMatch)
	}
	return q
}

// Match is a Query for the rows that f says true of. It is called for each change of a row
// while others wait, so it must be quick, always say the same of the same Row, and use
// nothing of the Doc but that. If it panics, the row does not match.
func Match(f func(Row) bool) Query { return Query{match: f} }

// matches reports whether a row, which may be nil or not exist, is in the Set.
func (q *Query) matches(r *record) (ok bool) {
	if !r.live() || q.field != "" && r.canonical(q.field) != q.value {
		return false
	}
	if q.match == nil {
		return true
	}
	defer func() {
		if recover() != nil {
			ok = false
		}
	}()
	return q.match(Row{r})
}

// canonical returns that of a field's value, "" if there is none.
func (r *record) canonical(name string) string {
	f := r.field(name)
	if f == nil {
		return ""
	}
	if form := f.form.Load(); form != nil {
		return *form
	}
	form := canonical(f.value)
	if form == f.value {
		f.form.Store(&f.value)
	} else {
		f.form.Store(&form)
	}
	return form
}

// followers are the Sets that follow a Doc, so that those with a Where are found by what a
// row says and not one by one.
type followers struct {
	where  map[string]map[string]map[*Set]bool // by field and value
	others map[*Set]bool
}

func (f *followers) add(s *Set) {
	if f.others == nil {
		f.where, f.others = make(map[string]map[string]map[*Set]bool), make(map[*Set]bool)
	}
	q := &s.query
	if q.field == "" {
		f.others[s] = true
		return
	}
	if f.where[q.field] == nil {
		f.where[q.field] = make(map[string]map[*Set]bool)
	}
	if f.where[q.field][q.value] == nil {
		f.where[q.field][q.value] = make(map[*Set]bool)
	}
	f.where[q.field][q.value][s] = true
}

func (f *followers) remove(s *Set) {
	q := &s.query
	if q.field == "" {
		delete(f.others, s)
		return
	}
	values := f.where[q.field]
	delete(values[q.value], s)
	if len(values[q.value]) == 0 {
		delete(values, q.value)
	}
	if len(values) == 0 {
		delete(f.where, q.field)
	}
}

// each calls do with the Sets that had a row or may have it now.
func (f *followers) each(old, now *record, do func(*Set)) {
	for name, values := range f.where {
		was, is := old.canonical(name), now.canonical(name)
		for s := range values[was] {
			do(s)
		}
		if is != was {
			for s := range values[is] {
				do(s)
			}
		}
	}
	for s := range f.others {
		do(s)
	}
}

// all calls do with every Set.
func (f *followers) all(do func(*Set)) {
	for _, values := range f.where {
		for _, sets := range values {
			for s := range sets {
				do(s)
			}
		}
	}
	for s := range f.others {
		do(s)
	}
}
