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

// Version is what tells of a file that was read whether it may have changed. The zero
// Version was never read.
type Version struct {
	Read  time.Time // before its content was read
	info  fs.FileInfo
	since time.Time // it has been seen like that
}

// Next returns the version of a file with that info which is read now, after v was.
func (v Version) Next(info fs.FileInfo) Version {
	now := time.Now()
	next := Version{Read: now, info: info, since: now}
	if v.info != nil && same(v.info, info) {
		next.since = v.since
	}
	return next
}

// Holds reports whether a file with that info now has the content that v was read with.
// One whose time lies ahead of our clock settles as of when it was seen first.
func (v Version) Holds(now fs.FileInfo) bool {
	return v.info != nil && same(v.info, now) && (v.Read.Sub(now.ModTime()) > settled || v.Read.Sub(v.since) > settled)
}

func same(a, b fs.FileInfo) bool {
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime()) && a.Mode() == b.Mode()
}

// File is a file that is looked at. It is not safe for concurrent use.
type File struct {
	Path string
	Max  int64 // bytes that it may have

	seen fs.FileInfo // at the last look
	was  Version     // that was read last
	sum  [sha256.Size]byte
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
	first := f.was.info == nil
	switch {
	case !first && !rests:
		return nil, false, ErrMoving
	case f.was.Holds(info):
		return nil, false, nil
	}
	version := f.was.Next(info)
	if text, err = f.content(); err != nil {
		return nil, false, err
	}
	sum := sha256.Sum256(text)
	changed = first || sum != f.sum
	f.was, f.sum = version, sum
	if !changed {
		return nil, false, nil
	}
	return text, true, nil
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
