package roster

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/keys/internal/term"
)

// ErrMalformed is wrapped by the errors for a text that is no list, or a List that has
// no text.
var ErrMalformed = errors.New("malformed list")

// ErrSigner is wrapped when a list is not signed by who was asked for.
var ErrSigner = errors.New("the list is not signed by the key that was asked for")

// List says who is admitted.
type List struct {
	Version uint64    // from 1
	Issued  time.Time // in whole seconds
	Expires time.Time // in whole seconds, after Issued
	Entries []Entry   // Text sorts them
}

// Entry admits an id.
type Entry struct {
	ID      keys.NodeID
	Windows keys.Windows // of signed times; none is any time
}

const firstLine = "hearsay-keys 1"

func malformed(format string, args ...any) error {
	return fmt.Errorf("keys/roster: %w: %s", ErrMalformed, fmt.Sprintf(format, args...))
}

// Text returns the text that is signed.
func (l *List) Text() ([]byte, error) {
	if err := l.check(); err != nil {
		return nil, err
	}
	lines := make([]string, len(l.Entries))
	for i, e := range l.Entries {
		lines[i] = e.String()
	}
	slices.SortFunc(lines, func(a, b string) int { return cmp.Compare(idText(a), idText(b)) })
	for i := 1; i < len(lines); i++ {
		if idText(lines[i]) == idText(lines[i-1]) {
			return nil, malformed("%s stands there twice", idText(lines[i]))
		}
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s\nversion %d\nissued %s\nexpires %s\nids %d\n", firstLine, l.Version, term.Format(l.Issued), term.Format(l.Expires), len(lines))
	for _, line := range lines {
		b.WriteString(line)
		b.WriteByte('\n')
	}
	if b.Len() > MaxSize-maxSignature {
		return nil, malformed("larger than %d bytes", MaxSize-maxSignature)
	}
	return b.Bytes(), nil
}

func (l *List) check() error {
	if err := (term.Term{Version: l.Version, Issued: l.Issued, Expires: l.Expires}).Check(MaxLife); err != nil {
		return malformed("%v", err)
	}
	if len(l.Entries) > MaxIDs {
		return malformed("%d ids, at most %d", len(l.Entries), MaxIDs)
	}
	for _, e := range l.Entries {
		if err := e.check(); err != nil {
			return err
		}
	}
	return nil
}

func (e *Entry) check() error {
	if _, err := keys.NodeIDFromBytes(e.ID[:]); err != nil {
		return malformed("an entry has no id")
	}
	if len(e.Windows) > MaxWindows {
		return malformed("%v has %d windows, at most %d", e.ID, len(e.Windows), MaxWindows)
	}
	for _, w := range e.Windows {
		open := w.After.IsZero() || w.Before.IsZero()
		if w == (keys.Window{}) || !open && !w.After.Before(w.Before) {
			return malformed("a window of %v has no ends, or ends before it starts", e.ID)
		}
		for _, t := range []time.Time{w.After, w.Before} {
			if !t.IsZero() && !term.WholeSecond(t) {
				return malformed("a window of %v is not in whole seconds of the years 1970 to 9999", e.ID)
			}
		}
	}
	return nil
}

// String returns e's line, without a newline.
func (e Entry) String() string {
	var line strings.Builder
	line.WriteString(e.ID.String())
	for _, w := range e.Windows {
		line.WriteString(" " + formatEnd(w.After) + "/" + formatEnd(w.Before))
	}
	return line.String()
}

func idText(line string) string {
	id, _, _ := strings.Cut(line, " ")
	return id
}

func formatEnd(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return term.Format(t)
}

// Parse reads the text of a list. Nothing of it may be believed before its signature
// has been checked.
func Parse(text []byte) (*List, error) {
	if len(text) > MaxSize-maxSignature {
		return nil, malformed("larger than %d bytes", MaxSize-maxSignature)
	}
	l, err := parse(string(text))
	if err != nil {
		return nil, err
	}
	again, err := l.Text()
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(again, text) {
		return nil, malformed("it is not in the one form that such a list has")
	}
	return l, nil
}

func parse(text string) (*List, error) {
	rest := term.Lines(text)
	if rest == "" || rest.Next("") != firstLine {
		return nil, malformed("it does not start with %q", firstLine)
	}
	var l List
	var err error
	if l.Version, err = strconv.ParseUint(rest.Next("version "), 10, 64); err != nil {
		return nil, malformed("the version")
	}
	if l.Issued, err = time.Parse(term.Layout, rest.Next("issued ")); err != nil {
		return nil, malformed("the time of issue")
	}
	if l.Expires, err = time.Parse(term.Layout, rest.Next("expires ")); err != nil {
		return nil, malformed("the time of expiry")
	}
	n, err := strconv.ParseUint(rest.Next("ids "), 10, 31)
	if err != nil || n > MaxIDs {
		return nil, malformed("the number of ids (at most %d)", MaxIDs)
	}
	for range n {
		if rest == "" {
			return nil, malformed("it is cut short")
		}
		e, err := parseEntry(rest.Next(""))
		if err != nil {
			return nil, err
		}
		l.Entries = append(l.Entries, e)
	}
	return &l, nil
}

func parseEntry(line string) (e Entry, err error) {
	fields := strings.Split(line, " ")
	if e.ID, err = keys.ParseNodeID(fields[0]); err != nil {
		return e, malformed("an id: %v", err)
	}
	if len(fields)-1 > MaxWindows {
		return e, malformed("%v has more than %d windows", e.ID, MaxWindows)
	}
	for _, f := range fields[1:] {
		after, before, _ := strings.Cut(f, "/")
		from, ok1 := parseEnd(after)
		to, ok2 := parseEnd(before)
		if !ok1 || !ok2 {
			return e, malformed("a window of %v", e.ID)
		}
		e.Windows = append(e.Windows, keys.Window{After: from, Before: to})
	}
	return e, nil
}

func parseEnd(text string) (t time.Time, ok bool) {
	if text == "" {
		return t, true
	}
	t, err := time.Parse(term.Layout, text)
	return t, err == nil
}
