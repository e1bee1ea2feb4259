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

// read returns the text as it is now.
func (t *Text) read() *contents { return t.model.state.Now().read() }

// String returns the text.
func (t *Text) String() string { return t.read().text() }

// Snapshot returns the text and its version, which is higher after each update that has
// changed something, or each part of a large one, and after each rebuild. It means nothing to
// another Text.
func (t *Text) Snapshot() (text string, version uint64) {
	c := t.read()
	return c.text(), c.version
}

// Len returns the length of the text in characters.
func (t *Text) Len() int { return t.read().len() }

// Slice returns the characters from one place up to, not including, another. Both are at
// most Len, else the error wraps ErrRange.
func (t *Text) Slice(from, to int) (string, error) {
	c := t.read()
	if err := c.checkRange(from, to-from); err != nil {
		return "", err
	}
	return c.slice(from, to), nil
}

// checkRange checks that the text has n characters from one place on.
func (c *contents) checkRange(at, n int) error {
	if length := c.len(); at < 0 || n < 0 || at > length || n > length-at {
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
		for _, span := range t.read().spans() {
			if !yield(span) {
				return
			}
		}
	}
}
