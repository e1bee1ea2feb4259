package text

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"unicode/utf8"

	"github.com/hearsaynet/hearsay/replica/wire"
)

// ErrApplied is wrapped by the error of a Draft that is applied twice.
var ErrApplied = errors.New("applied already")

// Draft is the text as it was at one moment, to be edited elsewhere and applied later. It
// takes nothing at first: what is deleted meanwhile stays in memory, and about 100 bytes for
// each piece of the text as others change.
type Draft struct {
	text    *Text
	was     *contents
	applied atomic.Bool
}

// Draft begins a draft.
func (t *Text) Draft() *Draft { return &Draft{text: t, was: t.read()} }

// String returns the text as it was.
func (d *Draft) String() string { return d.was.text() }

// Apply writes what a diff finds different in a new version of the draft. All else keeps its
// characters, so that what others have written since the draft began stays, as do positions.
// For what it returns, see Text.Insert. It can be called once.
func (d *Draft) Apply(ctx context.Context, version string) ([]wire.Ref, error) {
	if !utf8.ValidString(version) {
		return nil, fmt.Errorf("text: a version of %d bytes that is %w", len(version), ErrNotUTF8)
	}
	if d.applied.Swap(true) {
		return nil, fmt.Errorf("text: the draft was %w", ErrApplied)
	}
	return d.text.write(ctx, d.pieces(version))
}

func (d *Draft) pieces(version string) []piece {
	base := d.was.text()
	return d.was.pieces(d.text.model.self, counted(diff(base, version), base))
}

// Apply makes the text that is shown now a new version: Draft and its Apply in one. What is
// shown and not in the version is deleted, also what the caller has not seen yet: who edits
// for a while begins with Draft.
func (t *Text) Apply(ctx context.Context, version string) ([]wire.Ref, error) {
	return t.Draft().Apply(ctx, version)
}
