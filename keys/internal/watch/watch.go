// Package watch reads a small file again whenever it may have changed.
package watch

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"
)

const (
	// Interval is the pause between two looks. A change is taken at the second look
	// that sees it, so within a second, the looks included.
	Interval = 300 * time.Millisecond

	// settled is the age from which a file's time tells that it has not changed
	// since. File systems keep times in steps of up to 2 s (FAT).
	settled = 2 * time.Second
)

// File is a file that is looked at. It is not safe for concurrent use.
type File struct {
	Path string
	Max  int64 // bytes that it may have

	seen fs.FileInfo // at the last look
	read time.Time   // when the content was read last
	sum  [sha256.Size]byte
	was  fs.FileInfo // before it was read last, nil before the first time
}

// Look returns the content, and changed false when it is what it was. A file that
// somebody may be writing is left alone until two looks see the same: ErrMoving.
func (f *File) Look() (text []byte, changed bool, err error) {
	info, err := os.Stat(f.Path)
	if err != nil {
		return nil, false, err
	}
	if !info.Mode().IsRegular() { // opening a pipe would block
		return nil, false, fmt.Errorf("%s: not a regular file", f.Path)
	}
	rests := f.seen != nil && same(f.seen, info)
	f.seen = info
	switch {
	case f.was != nil && !rests:
		return nil, false, ErrMoving
	case f.was != nil && same(f.was, info) && f.read.Sub(info.ModTime()) > settled:
		return nil, false, nil
	}
	now := time.Now()
	if text, err = f.content(); err != nil {
		return nil, false, err
	}
	sum := sha256.Sum256(text)
	changed = f.was == nil || sum != f.sum
	f.was, f.sum, f.read = info, sum, now
	if !changed {
		return nil, false, nil
	}
	return text, true, nil
}

func same(a, b fs.FileInfo) bool {
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime()) && a.Mode() == b.Mode()
}

func (f *File) content() ([]byte, error) {
	in, err := os.Open(f.Path)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	text, err := io.ReadAll(io.LimitReader(in, f.Max+1))
	if err != nil {
		return nil, err
	}
	if int64(len(text)) > f.Max {
		return nil, fmt.Errorf("%s: %w of %d bytes", f.Path, ErrLarge, f.Max)
	}
	return text, nil
}

// ErrMoving is returned for a file that is not what it was at the last look.
var ErrMoving = errors.New("somebody may be writing it")

// ErrLarge is wrapped when the file has more bytes than it may.
var ErrLarge = errors.New("larger than its limit")
