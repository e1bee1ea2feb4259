package keys

import (
	"fmt"
	"slices"
	"strings"
)

// SignerLine is one line of an allowed_signers file (ssh-keygen(1), ALLOWED SIGNERS).
type SignerLine struct {
	// Principals are the patterns in front, at least one; none is empty.
	Principals []string
	// Options are cert-authority, namespaces="…", valid-after="…" and
	// valid-before="…", each at most once. What they ask for is the caller's to follow.
	Options []Option
	Key     PublicKey
	Comment string
}

// Option returns the value of the option of that name, and whether it is there.
func (l SignerLine) Option(name string) (value string, ok bool) {
	for _, o := range l.Options {
		if o.Name == name {
			return o.Value, true
		}
	}
	return "", false
}

// ParseSignerLine reads one line of an allowed_signers file, which must be neither
// empty nor a # comment. The error wraps ErrNotAdmitted for a key of another kind,
// on which a file that holds more lines can go on. A cert-authority line is not
// refused here; its key must admit nobody.
func ParseSignerLine(line string) (SignerLine, error) {
	l, err := parseSignerLine(strings.Trim(line, " \t\r\n"))
	if err != nil {
		return SignerLine{}, fmt.Errorf("keys: %w", err)
	}
	return l, nil
}

func parseSignerLine(line string) (l SignerLine, err error) {
	if err := checkMark(line); err != nil { // of the file, and so on its first line
		return l, err
	}
	if strings.ContainsAny(line, "\r\n") {
		return l, fmt.Errorf("%w: more than one line", ErrMalformed)
	}
	principals, rest := cutField(line)
	if l.Principals, err = parsePrincipals(principals); err != nil {
		return SignerLine{}, err
	}
	if field, after := cutField(rest); !looksLikeKeyType(field) {
		if l.Options, err = parseOptions(field, signerOptions); err != nil {
			return SignerLine{}, err
		}
		rest = after
	}
	for i, o := range l.Options {
		if hasOption(l.Options[:i], o.Name) {
			return SignerLine{}, fmt.Errorf("%w: option %s stands there twice", ErrMalformed, o.Name)
		}
	}
	if l.Key, l.Comment, err = parseKeyFields(rest); err != nil {
		return SignerLine{}, err
	}
	return l, nil
}

// parsePrincipals reads the first field, which may be in quotes as a whole.
func parsePrincipals(field string) ([]string, error) {
	if quoted, ok := strings.CutPrefix(field, `"`); ok {
		value, rest, closed := strings.Cut(quoted, `"`) // no escapes in these
		if !closed || rest != "" {
			return nil, fmt.Errorf("%w: the quotes around the principals", ErrMalformed)
		}
		field = value
	}
	if strings.Contains(field, `"`) {
		return nil, fmt.Errorf("%w: a quote inside the principals", ErrMalformed)
	}
	if isKeyType(field) {
		return nil, fmt.Errorf("%w: no principals before the key", ErrMalformed)
	}
	principals := strings.Split(field, ",")
	if slices.Contains(principals, "") {
		return nil, fmt.Errorf("%w: an empty principal", ErrMalformed)
	}
	return principals, nil
}
