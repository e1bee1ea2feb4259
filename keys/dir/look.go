package dir

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"strings"
	"time"

	"github.com/hearsaynet/hearsay/keys"
)

// file is what one look found under a name.
type file struct {
	info   fs.FileInfo
	read   time.Time      // before its content was read
	key    keys.PublicKey // zero if it admits nobody
	err    error          // what is wrong with it
	failed bool           // err is of the file system: key is what was read before
}

// stillHolds reports whether a file with this info now has the content that f was
// read from.
func (f file) stillHolds(now fs.FileInfo) bool {
	return f.info != nil && !f.failed && os.SameFile(f.info, now) &&
		f.info.Size() == now.Size() && f.info.ModTime().Equal(now.ModTime()) && f.info.Mode() == now.Mode() &&
		f.read.Sub(now.ModTime()) > settled
}

// look brings d up to date with the directory.
func (d *Dir) look() error {
	d.lookMu.Lock()
	defer d.lookMu.Unlock()
	files, err := scan(d.path, d.files)
	if err != nil {
		d.publishFailure(err)
		return err
	}
	d.files = files
	d.publish(files)
	return nil
}

// scan reads the directory; files that have not changed since before are not
// opened. The path is opened anew each time, because another directory may have
// been put in its place.
func scan(path string, before map[string]file) (map[string]file, error) {
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	names, err := readNames(root)
	if err != nil {
		return nil, err
	}
	files := make(map[string]file)
	for _, name := range names {
		if !strings.HasSuffix(name, suffix) {
			continue
		}
		info, err := root.Stat(name)
		switch {
		case errors.Is(err, fs.ErrNotExist): // gone meanwhile
		case err != nil:
			files[name] = failure(before[name], err)
		case before[name].stillHolds(info):
			files[name] = before[name]
		default:
			files[name] = load(root, name, info, before[name])
		}
	}
	return files, nil
}

func readNames(root *os.Root) ([]string, error) {
	d, err := root.Open(".")
	if err != nil {
		return nil, err
	}
	defer d.Close()
	return d.Readdirnames(-1)
}

func load(root *os.Root, name string, info fs.FileInfo, before file) file {
	f := file{info: info, read: time.Now()}
	if !info.Mode().IsRegular() { // opening a pipe would block
		f.err = errors.New("not a regular file")
		return f
	}
	text, err := readFile(root, name)
	if err != nil {
		return failure(before, err)
	}
	f.key, f.err = parse(name, text)
	return f
}

// readFile returns at most one byte more than is allowed.
func readFile(root *os.Root, name string) ([]byte, error) {
	f, err := root.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, MaxFileSize+1))
}

// failure keeps the key that was read from the file before: nothing else can
// stand under its name.
func failure(before file, err error) file {
	return file{key: before.key, err: err, failed: true}
}

func parse(name string, text []byte) (keys.PublicKey, error) {
	if len(text) > MaxFileSize {
		return keys.PublicKey{}, fmt.Errorf("larger than %d bytes", MaxFileSize)
	}
	k, _, err := keys.ParseAuthorizedKey(text)
	if err != nil {
		return keys.PublicKey{}, err
	}
	if want := k.ID().String() + suffix; name != want {
		return keys.PublicKey{}, fmt.Errorf("it holds another key than its name says: that key's file is %s", want)
	}
	return k, nil
}

func (d *Dir) publishFailure(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.unreadable == nil {
		d.log.Warn("directory of trusted keys cannot be read", "dir", d.path, "err", err)
	}
	d.unreadable = err
}

func (d *Dir) publish(files map[string]file) {
	admitted := make(map[keys.NodeID]keys.PublicKey)
	unavailable := make(map[keys.NodeID]error)
	problems := make(map[string]*Problem)
	for name, f := range files {
		if !f.key.IsZero() {
			admitted[f.key.ID()] = f.key
		}
		if f.err == nil {
			continue
		}
		problems[name] = &Problem{File: name, Err: f.err}
		if id, err := keys.ParseNodeID(strings.TrimSuffix(name, suffix)); f.failed && err == nil {
			unavailable[id] = f.err
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.logLocked(problems)
	moved := !maps.Equal(admitted, d.admitted)
	d.admitted, d.unavailable, d.problems, d.unreadable = admitted, unavailable, problems, nil
	if moved && d.changed != nil {
		close(d.changed)
		d.changed = nil
	}
}

// logLocked logs each problem when it appears or becomes another. It needs d.mu.
func (d *Dir) logLocked(problems map[string]*Problem) {
	if d.unreadable != nil {
		d.log.Info("directory of trusted keys can be read again", "dir", d.path)
	}
	for name, p := range problems {
		if old := d.problems[name]; old == nil || old.Err.Error() != p.Err.Error() {
			d.log.Warn("key file skipped", "dir", d.path, "file", name, "err", p.Err)
		}
	}
}
