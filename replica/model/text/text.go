package text

import (
	"errors"
	"fmt"
	"iter"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/model/internal/mount"
	"github.com/hearsaynet/hearsay/replica/model/internal/watch"
)

// DefaultChannel is where a Text is mounted unless told otherwise.
const DefaultChannel = "text"

// ErrClosed is wrapped by the errors of a Text that has been closed.
var ErrClosed = mount.ErrClosed

// ErrRange is wrapped by the errors about places that the text does not have.
var ErrRange = errors.New("out of range")

// ErrNotUTF8 is wrapped by the errors about text that is not UTF-8.
var ErrNotUTF8 = errors.New("not UTF-8")

// Config tunes a Text. The zero value of each field works.
type Config struct {
	// WatchBuffer is how many edits, with 64 MiB of text at most, wait for a slow watcher.
	// Default 1024.
	WatchBuffer int
}

// Text is the text of one channel of a replica. A character is a Unicode code point, and
// all places and lengths count those. It is safe for concurrent use. Close it before the
// replica.
type Text struct {
	channel     *mount.Channel
	watchBuffer int
	model       *model
}

// Mount folds what the replica has of a channel, "" for "text", into a Text, which follows
// from then on.
func Mount(r *replica.Replica, channel string, cfg Config) (*Text, error) {
	buffer, err := watch.Buffer(DefaultChannel, cfg.WatchBuffer)
	if err != nil {
		return nil, err
	}
	t := &Text{watchBuffer: buffer, model: newModel(r.Self())}
	if t.channel, err = mount.Open(DefaultChannel, r, channel, t.model); err != nil {
		return nil, err
	}
	return t, nil
}

// Close unmounts the Text and ends its watchers. What it holds can still be read.
func (t *Text) Close() {
	t.channel.Close()
	t.model.watches.Close()
}

// read calls f while nothing is written.
func (t *Text) read(f func(s *sequence)) {
	s := t.model.state.Now()
	s.mu.RLock()
	defer s.mu.RUnlock()
	f(s)
}

// String returns the text.
func (t *Text) String() string {
	text, _ := t.Snapshot()
	return text
}

// Snapshot returns the text and its version, which is higher after each update that has
// changed something, and after each rebuild. It means nothing to another Text.
func (t *Text) Snapshot() (text string, version uint64) {
	t.read(func(s *sequence) { text, version = s.text(), s.version })
	return text, version
}

// Len returns the length of the text in characters.
func (t *Text) Len() (n int) {
	t.read(func(s *sequence) { n = s.len() })
	return n
}

// Slice returns the characters from one place up to, not including, another. Both are at
// most Len, else the error wraps ErrRange.
func (t *Text) Slice(from, to int) (text string, err error) {
	t.read(func(s *sequence) {
		if err = s.checkRange(from, to-from); err == nil {
			text = s.slice(from, to)
		}
	})
	return text, err
}

// checkRange checks that the text has n characters from one place on.
func (s *sequence) checkRange(at, n int) error {
	if length := s.len(); at < 0 || n < 0 || at > length || n > length-at {
		return fmt.Errorf("text: %d characters at %d: %w: the text has %d", n, at, ErrRange, length)
	}
	return nil
}

// Span is a piece of the text that one author wrote.
type Span struct {
	At     int // in characters
	Text   string
	Author keys.NodeID
}

// Spans returns who wrote what, in the order of the text, as it is when the iteration
// begins.
func (t *Text) Spans() iter.Seq[Span] {
	return func(yield func(Span) bool) {
		var spans []Span
		t.read(func(s *sequence) { spans = s.spans() })
		for _, span := range spans {
			if !yield(span) {
				return
			}
		}
	}
}

func (s *sequence) spans() (spans []Span) {
	at, from := 0, 0
	var author *author
	end := func() {
		if at > from {
			spans = append(spans, Span{from, s.slice(from, at), author.id})
		}
		from = at
	}
	for x := range s.tree.shown {
		if x.author != author {
			end()
		}
		author = x.author
		at += int(x.n)
	}
	end()
	return spans
}
