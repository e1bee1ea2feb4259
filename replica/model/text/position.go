package text

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/hearsaynet/hearsay/keys"
)

// ErrBadPosition is wrapped by ParsePosition's errors.
var ErrBadPosition = errors.New("not a position")

// ErrNotThere is wrapped by the error about a position in an update that is not there: it
// has not arrived, or does not count any more.
var ErrNotThere = errors.New("not there")

// Side says on which side of a character a position is.
type Side bool

// A position before a character stays before it when text is inserted there, and one behind
// it stays behind it.
const (
	Before Side = false
	Behind Side = true
)

// Position is a place between two characters that stays with one of them, whatever happens
// around it, at all replicas. When the character is deleted, it is where that was. The zero
// Position is the beginning of the text.
type Position struct {
	Author keys.NodeID // who wrote the character, zero for the beginning or the end
	Seq    uint64      // of the update that inserted it
	Index  int         // among the characters of that update
	Side   Side        // Behind, without an Author: the end of the text
}

// Position returns the position at a place, 0 to Len: with Before, before the character
// that is there, and with Behind, behind the one to the left of it. The error wraps ErrRange.
func (t *Text) Position(at int, side Side) (Position, error) {
	c := t.read()
	if err := c.checkRange(at, 0); err != nil {
		return Position{}, err
	}
	switch {
	case side == Behind && at == 0:
		return Position{Side: Before}, nil
	case side == Before && at == c.len():
		return Position{Side: Behind}, nil
	case side == Behind:
		at--
	}
	x, i := c.at(at)
	p := x.place(i)
	return Position{x.span.author.id, p.seq(), p.index(), side}, nil
}

// At returns where a position is now, in characters from the beginning. The error wraps
// ErrNotThere.
func (t *Text) At(p Position) (at int, err error) {
	s := t.model.state.Now()
	s.views.Exclude(func() { at, err = s.where(p) })
	return at, err
}

// where is At for who keeps writers out.
func (s *sequence) where(p Position) (int, error) {
	if p.Author.IsZero() {
		if p.Side == Behind {
			return s.len(), nil
		}
		return 0, nil
	}
	if a := s.authors[p.Author]; a != nil && p.Seq <= maxSeq && p.Index >= 0 && p.Index < maxIndex {
		if x, i := (charRef{a, placeOf(p.Seq, p.Index)}).find(); x != nil {
			switch {
			case x.deleted:
				return x.rank(), nil
			case p.Side == Behind:
				i++
			}
			return x.rank() + i, nil
		}
	}
	return 0, fmt.Errorf("text: position %v: update %d of %v is %w", p, p.Seq, p.Author, ErrNotThere)
}

// String returns "begin", "end", or AUTHOR/SEQ/INDEX/before or …/behind.
func (p Position) String() string {
	side := "before"
	if p.Side == Behind {
		side = "behind"
	}
	switch {
	case !p.Author.IsZero():
		return fmt.Sprintf("%v/%d/%d/%s", p.Author, p.Seq, p.Index, side)
	case p.Side == Behind:
		return "end"
	}
	return "begin"
}

// ParsePosition reads what String returns. The error wraps ErrBadPosition.
func ParsePosition(text string) (Position, error) {
	switch text {
	case "begin":
		return Position{}, nil
	case "end":
		return Position{Side: Behind}, nil
	}
	fields := strings.Split(text, "/")
	if len(fields) == 4 && (fields[3] == "before" || fields[3] == "behind") {
		author, err := keys.ParseNodeID(fields[0])
		seq, err1 := strconv.ParseUint(fields[1], 10, 64-indexBits)
		index, err2 := strconv.ParseUint(fields[2], 10, indexBits)
		if errors.Join(err, err1, err2) == nil && seq > 0 {
			return Position{author, seq, int(index), fields[3] == "behind"}, nil
		}
	}
	return Position{}, fmt.Errorf("text: %.80q is %w (AUTHOR/SEQ/INDEX/before, …/behind, begin or end)", text, ErrBadPosition)
}

// MarshalText implements encoding.TextMarshaler.
func (p Position) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (p *Position) UnmarshalText(text []byte) error {
	parsed, err := ParsePosition(string(text))
	if err == nil {
		*p = parsed
	}
	return err
}
