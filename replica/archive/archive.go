package archive

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// The errors of archives.
var (
	// ErrHole is wrapped when an export does not begin where the archive ends.
	ErrHole = errors.New("there is a hole")
	// ErrNoArchive is wrapped when a directory has no file of an archive.
	ErrNoArchive = errors.New("no archive: it has no file 00000001.hearsay or later")
	// ErrInUse is wrapped when another Writer has the directory.
	ErrInUse = errors.New("another export is being written there")
	// ErrClosed is returned by a Writer or Reader that has been closed.
	ErrClosed = errors.New("archive: closed")
)

// Fault is something that an archive lacks. A *Fault is an error.
type Fault struct {
	File   string `json:"file"`
	Offset int64  `json:"offset"`
	Bytes  int64  `json:"bytes"` // that are not read; 0 if updates before the file are missing, or it is empty
	// Torn says that the file ends so: its writer was killed, or its disk has lost power.
	// What had been flushed to the disk before is whole, unless the end itself is damaged.
	Torn bool `json:"torn"`
	// Healed says that the next files have it all again.
	Healed bool   `json:"healed"`
	What   string `json:"what"`
}

func (f *Fault) Error() string {
	switch {
	case f.Bytes == 0 && f.Torn:
		return f.File + " is empty: its writer was killed as it began"
	case f.Bytes == 0:
		return fmt.Sprintf("%s: %s", f.File, f.What)
	case f.Torn:
		return fmt.Sprintf("%s: %d bytes from offset %d on are cut off: %s", f.File, f.Bytes, f.Offset, f.What)
	}
	return fmt.Sprintf("%s: %d bytes from offset %d on are damaged: %s", f.File, f.Bytes, f.Offset, f.What)
}

var fileName = regexp.MustCompile(`^([0-9]{8})\.hearsay$`)

func nameOf(number int) string { return fmt.Sprintf("%08d.hearsay", number) }

// fileNames returns the names of the files of an archive, in order.
func fileNames(root *os.Root) ([]string, error) {
	entries, err := fs.ReadDir(root.FS(), ".")
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if fileName.MatchString(e.Name()) {
			names = append(names, e.Name())
		}
	}
	slices.Sort(names)
	return names, nil
}

func numberOf(name string) int {
	n, _ := strconv.Atoi(fileName.FindStringSubmatch(name)[1])
	return n
}

// places is how far an export has come, by author.
type places map[keys.NodeID]wire.Place

// follow returns where u leads its author, who stands at at, and whether that is news.
func follow(at wire.Place, u wire.Unverified) (wire.Place, bool) {
	at.Author = u.Author()
	switch u := u.(type) {
	case *wire.UnverifiedRun:
		at.Ref = u.UnverifiedEnd()
	case *wire.UnverifiedProof:
		if at.Cut != 0 && at.Cut <= u.UnverifiedSeq() {
			return at, false
		}
		at.Cut = u.UnverifiedSeq()
	}
	return at, true
}

// list returns the places ascending by author.
func (p places) list() []wire.Place {
	return slices.SortedFunc(maps.Values(p), func(a, b wire.Place) int { return a.Author.Compare(b.Author) })
}

// clock returns the last updates.
func (p places) clock() map[keys.NodeID]wire.Ref {
	clock := make(map[keys.NodeID]wire.Ref, len(p))
	for id, at := range p {
		if at.Seq > 0 {
			clock[id] = at.Ref
		}
	}
	return clock
}

// lacks returns an author of which base has more than p.
func (p places) lacks(base places) (id keys.NodeID, lacks bool) {
	for _, at := range base.list() {
		if at.Seq > p[at.Author].Seq {
			return at.Author, true
		}
	}
	return id, false
}

// covers reports whether p has all that q has, but for what a fork has cut off.
func (p places) covers(q places) bool {
	for id, at := range q {
		have, want := p[id], at.Seq
		if have.Cut != 0 {
			want = min(want, have.Cut-1)
		}
		if have.Seq < want || at.Cut != 0 && (have.Cut == 0 || have.Cut > at.Cut) {
			return false
		}
	}
	return true
}

// with returns the places that p and q lead to.
func (p places) with(q places) places {
	if len(q) == 0 {
		return p
	}
	all := maps.Clone(p)
	if all == nil {
		all = places{}
	}
	for id, at := range q {
		have, cut := p[id], at.Cut
		if have.Cut != 0 && (cut == 0 || have.Cut < cut) {
			cut = have.Cut
		}
		if have.Seq > at.Seq {
			at = have
		}
		at.Cut = cut
		all[id] = at
	}
	return all
}

// hole says what lies between have and base.
func hole(have, base places, id keys.NodeID) error {
	return fmt.Errorf("%w: it goes on behind update %d of %v, and what is before it ends at %d", ErrHole, base[id].Seq, id, have[id].Seq)
}
