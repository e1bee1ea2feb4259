package bundle

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/keys/internal/clip"
	"github.com/hearsaynet/hearsay/keys/internal/term"
)

// ErrMalformed is wrapped by the errors for a text that is no bundle, or a Bundle that
// has no text.
var ErrMalformed = errors.New("malformed bundle")

// ErrSigner is wrapped when a bundle is not signed by who was asked for.
var ErrSigner = errors.New("the bundle is not signed by the key that was asked for")

// Bundle says which keys a fleet has.
type Bundle struct {
	Name    string    // as CheckName has it; versions of one name are compared
	Version uint64    // from 1
	Issued  time.Time // in whole seconds
	Expires time.Time // in whole seconds, after Issued
	Members []Member
}

// Member is a key of the fleet.
type Member struct {
	Key     keys.PublicKey
	Comment string // behind the key
	// Names are principals besides the id: one word each, no id, and no other member's.
	Names []string
}

const firstLine = "# hearsay-bundle 1"

var (
	goodName      = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}$`)
	goodPrincipal = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9.@_+-]{0,127}$`)
)

// CheckName returns an error unless s can be the name of a bundle: 1 to 64 letters,
// digits and ._@+-, the first of them a letter or digit.
func CheckName(s string) error {
	if !goodName.MatchString(s) {
		return fmt.Errorf("keys/bundle: %q is no name for a bundle (1 to 64 letters, digits and ._@+-)", clip.Text(s))
	}
	return nil
}

// IsPrincipal reports whether s can be one of Member.Names: one word without wildcards
// that is not the form of an id.
func IsPrincipal(s string) bool {
	_, err := keys.ParseNodeID(s)
	return err != nil && goodPrincipal.MatchString(s)
}

func malformed(format string, args ...any) error {
	return fmt.Errorf("keys/bundle: %w", bad(format, args...))
}

func bad(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrMalformed, fmt.Sprintf(format, args...))
}

// Text returns the text that is signed.
func (b *Bundle) Text() ([]byte, error) {
	if err := b.check(); err != nil {
		return nil, err
	}
	var out bytes.Buffer
	out.WriteString(b.header())
	for _, m := range b.Members {
		principals := append([]string{m.Key.ID().String()}, m.Names...)
		fmt.Fprintf(&out, "%s namespaces=%q %s\n", strings.Join(principals, ","), updates, m.Key.AuthorizedKey(m.Comment))
	}
	if out.Len() > MaxSize {
		return nil, malformed("it has %d bytes, at most %d: make two, of two names", out.Len(), MaxSize)
	}
	return out.Bytes(), nil
}

func (b *Bundle) header() string {
	return fmt.Sprintf("%s\n# name %s\n# version %d\n# issued %s\n# expires %s\n", firstLine, b.Name, b.Version,
		term.Format(b.Issued), term.Format(b.Expires))
}

func (b *Bundle) check() error {
	if err := CheckName(b.Name); err != nil {
		return malformed("%q is no name", clip.Text(b.Name))
	}
	if err := (term.Term{Version: b.Version, Issued: b.Issued, Expires: b.Expires}).Check(MaxLife); err != nil {
		return malformed("%v", err)
	}
	return b.checkMembers()
}

func (b *Bundle) checkMembers() error {
	seen := make(map[keys.NodeID]bool)
	owner := make(map[string]keys.NodeID)
	for _, m := range b.Members {
		if m.Key.IsZero() {
			return malformed("a member has no key")
		}
		id := m.Key.ID()
		if seen[id] {
			return malformed("%v stands there twice", id)
		}
		seen[id] = true
		for _, name := range m.Names {
			if of, err := keys.ParseNodeID(name); err == nil {
				return malformed("a principal of %v is an id, %v: an id is only its own key's", id, of)
			}
			if !IsPrincipal(name) {
				return malformed("%q is no principal of %v (one word without wildcards)", clip.Text(name), id)
			}
			if other, ok := owner[name]; ok {
				return malformed("%v and %v have one principal, %q", other, id, clip.Text(name))
			}
			owner[name] = id
		}
	}
	return nil
}

// Parse reads the text of a bundle. Nothing of it may be believed before its signature
// has been checked.
func Parse(text []byte) (*Bundle, error) {
	if len(text) > MaxSize {
		return nil, malformed("larger than %d bytes", MaxSize)
	}
	var b Bundle
	rest, err := b.parseHeader(string(text))
	if err != nil {
		return nil, err
	}
	n := 5
	for line := range strings.Lines(rest) {
		n++
		line = strings.Trim(line, " \t\r\n")
		if line == "" || line[0] == '#' {
			continue
		}
		m, err := parseMember(line)
		if err != nil {
			return nil, fmt.Errorf("keys/bundle: line %d: %w", n, err)
		}
		b.Members = append(b.Members, m)
	}
	if err := b.check(); err != nil {
		return nil, err
	}
	return &b, nil
}

func (b *Bundle) parseHeader(text string) (members string, err error) {
	rest := term.Lines(text)
	if rest.Next("") != firstLine {
		return "", malformed("it does not start with %q, so it has no version and no date of expiry: \"hearsay key bundle\" writes them", firstLine)
	}
	b.Name = rest.Next("# name ")
	if b.Version, err = strconv.ParseUint(rest.Next("# version "), 10, 63); err != nil {
		return "", malformed("line 3 is not \"# version N\"")
	}
	if b.Issued, err = time.Parse(term.Layout, rest.Next("# issued ")); err != nil {
		return "", malformed("line 4 is not \"# issued YYYYMMDDHHMMSSZ\"")
	}
	if b.Expires, err = time.Parse(term.Layout, rest.Next("# expires ")); err != nil {
		return "", malformed("line 5 is not \"# expires YYYYMMDDHHMMSSZ\"")
	}
	if !strings.HasPrefix(text, b.header()) {
		return "", malformed("its first five lines are not in the one form that they have")
	}
	return string(rest), nil
}

func parseMember(line string) (m Member, err error) {
	l, err := keys.ParseSignerLine(line)
	if err != nil {
		return m, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	for _, o := range l.Options {
		switch o.Name {
		case "namespaces":
			if !admitsUpdates(o.Value) {
				return m, bad("namespaces=%q admits nobody here (want %s)", clip.Text(o.Value), updates)
			}
		case "cert-authority":
			return m, bad("a cert-authority line admits nobody here")
		default:
			return m, bad("%s: it is bounded in time, and trusted keys are not (hearsay up --allowed-signers FILE keeps to the times)", o.Name)
		}
	}
	own := l.Key.ID().String()
	for _, p := range l.Principals {
		if p != own {
			m.Names = append(m.Names, p)
		}
	}
	m.Key, m.Comment = l.Key, l.Comment
	return m, nil
}

// admitsUpdates takes the one namespace or the pattern of all of hearsay's, which people
// write by hand.
func admitsUpdates(list string) bool {
	admits := false
	for ns := range strings.SplitSeq(list, ",") {
		if strings.HasPrefix(ns, "!") {
			return false
		}
		admits = admits || ns == updates || ns == "hearsay-*"
	}
	return admits
}
