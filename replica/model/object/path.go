package object

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// ErrBadPath is wrapped by the errors about paths that are no JSON Pointers, or too long.
var ErrBadPath = errors.New("bad path")

var (
	escape   = strings.NewReplacer("~", "~0", "/", "~1")
	unescape = strings.NewReplacer("~0", "~", "~1", "/")
)

// Path returns the JSON Pointer (RFC 6901) of a list of names: Path("a", "b/c") is
// "/a/b~1c".
func Path(names ...string) string {
	var b strings.Builder
	for _, name := range names {
		b.WriteByte('/')
		escape.WriteString(&b, name)
	}
	return b.String()
}

// parsePath returns the names of a JSON Pointer (RFC 6901, section 3).
func parsePath(pointer string) ([]string, error) {
	if pointer == "" {
		return nil, nil
	}
	if pointer[0] != '/' {
		return nil, fmt.Errorf("%w %.80q: it does not begin with a slash, as /a/b does", ErrBadPath, pointer)
	}
	if len(pointer) > 2*MaxPath { // each byte escaped
		return nil, fmt.Errorf("%w of %d bytes (at most %d)", ErrBadPath, len(pointer), MaxPath)
	}
	names := strings.Split(pointer[1:], "/")
	for i, name := range names {
		if strings.Contains(name, "~") {
			names[i] = unescape.Replace(name)
			if Path(names[i])[1:] != name {
				return nil, fmt.Errorf("%w %.80q: ~ stands before 0 or 1 only", ErrBadPath, pointer)
			}
		}
	}
	return names, checkPath(names)
}

func checkPath(names []string) error {
	if len(names) > MaxDepth {
		return fmt.Errorf("%w of %d names (at most %d)", ErrBadPath, len(names), MaxDepth)
	}
	size := 0
	for _, name := range names {
		if err := checkName(name); err != nil {
			return err
		}
		size += len(name) + 1
	}
	if size > MaxPath {
		return fmt.Errorf("%w of %d bytes (at most %d)", ErrBadPath, size, MaxPath)
	}
	return nil
}

func checkName(name string) error {
	switch n := len(name); {
	case n == 0 || n > MaxName:
		return fmt.Errorf("%w: a name of %d bytes (1 to %d)", ErrBadPath, n, MaxName)
	case !utf8.ValidString(name):
		return fmt.Errorf("%w: a name that is not UTF-8", ErrBadPath)
	}
	return nil
}

// below returns the JSON Pointer of a name in the object at path.
func below(path, name string) string {
	if strings.ContainsAny(name, "~/") {
		name = escape.Replace(name)
	}
	return path + "/" + name
}
