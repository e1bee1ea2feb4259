package dir

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/keys/durable"
)

// sniffed is how much of a file that admits nobody is read, in bytes: enough to see a
// private key by its first line.
const sniffed = 64

var (
	errPrivate = errors.New("it is a private key, which belongs to its node and nowhere else: move it away, and put its public half here")
	errNoKey   = errors.New("no key in it")
)

// parse returns the keys in a file, and what is wrong with it or its lines.
func parse(name string, text []byte) (all []keys.PublicKey, problems []*Problem) {
	switch {
	case isPrivate(text):
		return nil, wrong(name, errPrivate)
	case !holdsKeys(name):
		return nil, nil
	case len(text) > MaxFileSize:
		return nil, wrong(name, fmt.Errorf("larger than %d bytes", MaxFileSize))
	case isBlock(text):
		k, _, err := keys.ParsePublicFile(text)
		if err == nil {
			err = checkName(name, k)
		}
		if err != nil {
			return nil, wrong(name, err)
		}
		return []keys.PublicKey{k}, nil
	}
	return parseLines(name, string(text))
}

func parseLines(name, text string) (all []keys.PublicKey, problems []*Problem) {
	n, more := 0, 0
	for line := range strings.Lines(text) {
		n++
		k, err := parseLine(line)
		if err == nil && !k.IsZero() {
			err = checkName(name, k)
		}
		switch {
		case err == nil && !k.IsZero():
			all = append(all, k)
		case err == nil:
		case len(problems) < maxLineProblems:
			problems = append(problems, &Problem{name, n, err})
		default:
			more++
		}
	}
	if more > 0 {
		problems = append(problems, &Problem{File: name, Err: fmt.Errorf("%d more lines that hold no key", more)})
	}
	if len(all)+len(problems) == 0 {
		problems = wrong(name, errNoKey)
	}
	return all, problems
}

// parseLine returns no key for an empty line or a comment.
func parseLine(line string) (keys.PublicKey, error) {
	line = strings.TrimSpace(line)
	if line == "" || line[0] == '#' {
		return keys.PublicKey{}, nil
	}
	k, _, err := keys.ParsePublicFile([]byte(line))
	return k, err
}

// unmarked is text without the byte order mark of UTF-8: what it is shows all the same,
// though no key is read behind one.
func unmarked(text []byte) []byte { return bytes.TrimPrefix(text, []byte("\xef\xbb\xbf")) }

// isBlock tells PEM and RFC 4716 from lines.
func isBlock(text []byte) bool { return bytes.HasPrefix(unmarked(text), []byte("----")) }

// isPrivate knows a private key by its first line: PEM, or what PuTTY writes.
func isPrivate(text []byte) bool {
	first, _, _ := bytes.Cut(unmarked(text), []byte("\n"))
	return bytes.HasPrefix(first, []byte("-----BEGIN ")) && bytes.Contains(first, []byte("PRIVATE KEY-----")) ||
		bytes.HasPrefix(first, []byte("PuTTY-User-Key-File-"))
}

// namedID returns the id that a file's name starts with.
func namedID(name string) (keys.NodeID, bool) {
	first, _, _ := strings.Cut(name, ".")
	id, err := keys.ParseNodeID(first)
	return id, err == nil
}

// checkName keeps a file that is named by an id to that key.
func checkName(name string, k keys.PublicKey) error {
	if id, ok := namedID(name); ok && id != k.ID() {
		return fmt.Errorf("it holds another key than its name says: that key's file is %s", k.ID().String()+suffix)
	}
	return nil
}

// filesWith returns the names of the files that admit id, but for its own.
func (d *Dir) filesWith(id keys.NodeID) (names []string) {
	d.lookMu.Lock()
	defer d.lookMu.Unlock()
	for name, f := range d.files {
		is := func(k keys.PublicKey) bool { return k.ID() == id }
		if name != id.String()+suffix && slices.ContainsFunc(f.keys, is) {
			names = append(names, name)
		}
	}
	return names
}

// removeFrom takes the key of id out of a file, and the file away if it holds no other.
func removeFrom(root *os.Root, name string, id keys.NodeID) error {
	text, err := readFile(root, name, MaxFileSize+1)
	if err != nil {
		return err
	}
	all, problems := parse(name, text)
	others := func(k keys.PublicKey) bool { return k.ID() != id }
	if !slices.ContainsFunc(all, others) && len(problems) == 0 {
		return root.Remove(name)
	}
	var rest bytes.Buffer
	for line := range strings.Lines(string(text)) {
		if k, err := parseLine(line); err != nil || k.IsZero() || k.ID() != id {
			rest.WriteString(line)
		}
	}
	return durable.Put(root, name, rest.Bytes(), 0o644)
}
