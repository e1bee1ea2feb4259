package models

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"math/rand/v2"
	"slices"
	"sync"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/model/text"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// maxDrafts bounds the drafts of a text that a node holds, each as large as the text.
const maxDrafts = 16

// ErrNoDraft is wrapped by the error of a draft that the node does not hold any more.
var ErrNoDraft = errors.New("the draft is gone")

// drafted is a text with the drafts that are being edited.
type drafted struct {
	*text.Text
	mu     sync.Mutex // guards the fields below
	drafts []draft    // oldest first
}

type draft struct {
	number uint64
	*text.Draft
}

var texts = kind[*drafted]{text.DefaultChannel, func(r *replica.Replica, channel string) (*drafted, error) {
	t, err := text.Mount(r, channel, text.Config{})
	return &drafted{Text: t}, err
}}

// Draft is a text to be edited, and its number.
type Draft struct {
	Number uint64 `json:"number"`
	Text   string `json:"text"`
}

// TextEdit is one change of a text. At and Delete count characters.
type TextEdit struct {
	At     int    `json:"at"`
	Delete int    `json:"delete,omitempty"`
	Insert string `json:"insert,omitempty"`
}

// TextChange is one change of a text as it is told. At counts characters.
type TextChange struct {
	At       int         `json:"at"`
	Deleted  string      `json:"deleted,omitempty"`
	Inserted string      `json:"inserted,omitempty"`
	Author   keys.NodeID `json:"author,omitzero"`
	Local    bool        `json:"local"`
	Lost     uint64      `json:"lost,omitempty"` // so many changes were not told; nothing else is set
}

// TextSpan is a piece of a text that one author wrote. At counts characters.
type TextSpan struct {
	At     int         `json:"at"`
	Text   string      `json:"text"`
	Author keys.NodeID `json:"author"`
}

// The operations on texts.
var (
	TextShow = read(texts, "show", func(_ context.Context, t *drafted, _ None) (string, error) { return t.String(), nil })
	TextWho  = each(texts, "who", func(_ context.Context, t *drafted, _ None) iter.Seq2[TextSpan, error] {
		return func(yield func(TextSpan, error) bool) {
			for s := range t.Spans() {
				if !yield(TextSpan(s), nil) {
					return
				}
			}
		}
	})
	// TextReplace deletes characters and inserts others in their place.
	TextReplace = writeMany(texts, "replace", func(ctx context.Context, t *drafted, q TextEdit) ([]wire.Ref, error) {
		return t.Replace(ctx, q.At, q.Delete, q.Insert)
	})
	// TextDraft begins a draft, for TextApply to end. The node holds the last 16.
	TextDraft = read(texts, "draft", func(_ context.Context, t *drafted, _ None) (Draft, error) { return t.hold(), nil })
	// TextApply makes of a draft a new version, and of the text what both it and others
	// have made of it since. Draft number 0 is the text as it is now.
	TextApply = writeMany(texts, "apply", func(ctx context.Context, t *drafted, q Draft) ([]wire.Ref, error) {
		if q.Number == 0 {
			return t.Text.Apply(ctx, q.Text)
		}
		d := t.take(q.Number)
		if d == nil {
			return nil, fmt.Errorf("models: %w: the node has been started again, or %d others have begun since", ErrNoDraft, maxDrafts)
		}
		return d.Apply(ctx, q.Text)
	})
	TextWatch = follow(texts, "watch", func(ctx context.Context, t *drafted, _ None) iter.Seq2[TextChange, error] {
		return watched(ctx, t.Watch, func(e text.Edit) TextChange {
			return TextChange{e.At, e.Deleted, e.Inserted, e.Author, e.Local, e.Lost}
		})
	})
)

func (t *drafted) hold() Draft {
	d := t.Draft()
	t.mu.Lock()
	defer t.mu.Unlock()
	number := 1 + rand.Uint64N(math.MaxInt64) // so that no draft of a node before it is taken for this one
	if t.drafts = append(t.drafts, draft{number, d}); len(t.drafts) > maxDrafts {
		t.drafts = slices.Delete(t.drafts, 0, 1)
	}
	return Draft{number, d.String()}
}

// take returns a draft, which is not held any more, nil if it is not there.
func (t *drafted) take(number uint64) *text.Draft {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i, d := range t.drafts {
		if d.number == number {
			t.drafts = slices.Delete(t.drafts, i, i+1)
			return d.Draft
		}
	}
	return nil
}
