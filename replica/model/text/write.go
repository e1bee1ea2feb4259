package text

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"unicode/utf8"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// Insert puts text, UTF-8, between two characters: before the one at a place, 0 to Len. Like
// all writes it returns when what it wrote is signed, durable and applied: one update for
// each 64 KiB, none for no text. With an error, those that were written before it.
//
// The error wraps ErrRange or ErrNotUTF8 if nothing was written because of them. Every
// code point is text here, control characters too: who shows text on a terminal escapes it.
func (t *Text) Insert(ctx context.Context, at int, text string) ([]wire.Ref, error) {
	return t.Replace(ctx, at, 0, text)
}

// Delete deletes n characters from a place on.
func (t *Text) Delete(ctx context.Context, at, n int) ([]wire.Ref, error) {
	return t.Replace(ctx, at, n, "")
}

// Replace is Delete of n characters and Insert of others in one update, or the fewest that
// it fits.
func (t *Text) Replace(ctx context.Context, at, n int, text string) ([]wire.Ref, error) {
	if !utf8.ValidString(text) {
		return nil, fmt.Errorf("text: %d bytes that are %w", len(text), ErrNotUTF8)
	}
	c := t.read()
	if err := c.checkRange(at, n); err != nil {
		return nil, err
	}
	return t.write(ctx, c.pieces(t.model.self, []replacement{{from: at, to: at + n, text: text}}))
}

// piece is one thing to write: text to insert behind the first of some characters that is
// there, or what is to be deleted of an author.
type piece struct {
	anchors []charID
	text    string
	author  keys.NodeID
	extents []extent
}

// pieces returns what makes replacements, which are in characters and in order. What is
// inserted comes last to first: where the characters that two texts hang on are gone, and
// both hang on one before them, the older of the two stands behind the other.
func (c *contents) pieces(self keys.NodeID, list []replacement) []piece {
	var all []piece
	gone := make(map[keys.NodeID][]extent)
	for _, r := range slices.Backward(list) {
		if r.text != "" {
			all = append(all, piece{anchors: c.anchors(self, r.from), text: r.text})
		}
		c.extents(r.from, r.to, gone)
	}
	for _, id := range slices.SortedFunc(maps.Keys(gone), keys.NodeID.Compare) {
		all = append(all, piece{author: id, extents: inOrder(gone[id])})
	}
	return all
}

// anchors returns the character before a place and, unless that is the own author's,
// the nearest before it of other authors, as far as they are found soon. The own author's
// is the last: it is there whenever what hangs on it is.
func (c *contents) anchors(self keys.NodeID, at int) (anchors []charID) {
	if at == 0 {
		return nil
	}
	p, i := c.pathTo(at - 1)
	for range maxScan {
		x := p[len(p)-1]
		id := x.span.author.id
		if !slices.ContainsFunc(anchors, func(c charID) bool { return c.author == id }) {
			anchors = append(anchors, charID{id, x.place(i)})
		}
		if id == self || len(anchors) == MaxAnchors {
			break
		}
		if p = p.prevOther(); p == nil {
			break
		}
		i = int(p[len(p)-1].n) - 1
	}
	return anchors
}

// extents adds the shown characters from one rank up to another to those of their authors.
func (c *contents) extents(from, to int, of map[keys.NodeID][]extent) {
	for x := range c.between(from, to) {
		for i := x.from; i < x.to; i++ {
			p, id := x.place(i), x.span.author.id
			list := of[id]
			if k := len(list) - 1; k >= 0 && list[k].seq == p.seq() && list[k].to == p.index() {
				list[k].to++
			} else {
				of[id] = append(list, extent{p.seq(), p.index(), p.index() + 1})
			}
		}
	}
}

// inOrder sorts extents and joins those that touch.
func inOrder(list []extent) []extent {
	slices.SortFunc(list, func(a, b extent) int {
		if placeOf(a.seq, a.from) < placeOf(b.seq, b.from) {
			return -1
		}
		return 1
	})
	out := list[:0]
	for _, e := range list {
		if k := len(out) - 1; k >= 0 && out[k].seq == e.seq && out[k].to == e.from {
			out[k].to = e.to
			continue
		}
		out = append(out, e)
	}
	return out
}

// write writes pieces, as many in an update as fit. What is left of a text that does not fit
// hangs on what was written of it.
func (t *Text) write(ctx context.Context, pieces []piece) (refs []wire.Ref, err error) {
	for len(pieces) > 0 {
		e := newEncoder(t.model.self)
		var cut bool
		pieces, cut = e.fill(pieces)
		ref, err := t.channel.WriteOne(ctx, e.change())
		if err != nil {
			return refs, err
		}
		refs = append(refs, ref)
		if cut {
			pieces[0].anchors = []charID{{t.model.self, placeOf(ref.Seq, e.chars-1)}}
		}
	}
	return refs, nil
}

// fill adds pieces as long as there is room, and returns the others, and whether the first
// of them is the rest of a text.
func (e *encoder) fill(pieces []piece) (rest []piece, cut bool) {
	for ; len(pieces) > 0; pieces = pieces[1:] {
		p := &pieces[0]
		if p.text == "" {
			most := (e.room() - maxDeleteSize) / maxExtentSize
			if most <= 0 {
				return pieces, false
			}
			if most < len(p.extents) {
				e.delete(p.author, p.extents[:most])
				p.extents = p.extents[most:]
				return pieces, false
			}
			e.delete(p.author, p.extents)
			continue
		}
		most := e.room() - maxInsertSize
		if most < utf8.UTFMax {
			return pieces, false
		}
		if most < len(p.text) {
			for !utf8.RuneStart(p.text[most]) {
				most--
			}
			e.insert(p.anchors, p.text[:most])
			p.text = p.text[most:]
			return pieces, true
		}
		e.insert(p.anchors, p.text)
	}
	return nil, false
}
