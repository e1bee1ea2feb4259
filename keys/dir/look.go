package dir

import (
	"errors"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/keys/internal/watch"
)

// file is what one look found under a name.
type file struct {
	watch.Version
	keys     []keys.PublicKey // whom it admits
	problems []*Problem       // what is wrong with it
	failed   error            // of the file system: keys are what was read before
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
		if name[0] == '.' {
			continue
		}
		info, err := root.Stat(name)
		switch {
		case errors.Is(err, fs.ErrNotExist): // gone meanwhile
		case !holdsKeys(name) && (err != nil || !info.Mode().IsRegular()):
		case err != nil:
			files[name] = failure(name, before[name], err)
		case before[name].Holds(info):
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

// holdsKeys reports whether a file of that name admits.
func holdsKeys(name string) bool {
	return strings.HasSuffix(name, suffix) || strings.HasSuffix(name, ".pem") || name == "authorized_keys"
}

func load(root *os.Root, name string, info fs.FileInfo, before file) file {
	f := file{Version: before.Next(info)}
	if !info.Mode().IsRegular() { // opening a pipe would block
		f.problems = wrong(name, errors.New("not a regular file"))
		return f
	}
	most := int64(MaxFileSize + 1)
	if !holdsKeys(name) {
		most = sniffed
	}
	text, err := readFile(root, name, most)
	if err != nil && !holdsKeys(name) {
		return f
	}
	if err != nil {
		return failure(name, before, err)
	}
	f.keys, f.problems = parse(name, text)
	return f
}

func readFile(root *os.Root, name string, most int64) ([]byte, error) {
	f, err := root.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, most))
}

// failure keeps the keys that were read from the file before.
func failure(name string, before file, err error) file {
	return file{keys: before.keys, problems: wrong(name, err), failed: err}
}

func wrong(name string, err error) []*Problem { return []*Problem{{File: name, Err: err}} }

func (d *Dir) publishFailure(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.unreadable == nil && d.admitted != nil { // else Open says so
		d.log.Warn("directory of trusted keys cannot be read", "dir", d.path, "err", err)
	}
	d.unreadable = err
}

func (d *Dir) publish(files map[string]file) {
	admitted := make(map[keys.NodeID]keys.PublicKey)
	unavailable := make(map[keys.NodeID]error)
	problems := make(map[string][]*Problem)
	for name, f := range files {
		for _, k := range f.keys {
			admitted[k.ID()] = k
		}
		if len(f.problems) > 0 {
			problems[name] = f.problems
		}
		if id, ok := namedID(name); ok && f.failed != nil {
			unavailable[id] = f.failed
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
func (d *Dir) logLocked(problems map[string][]*Problem) {
	if d.unreadable != nil {
		d.log.Info("directory of trusted keys can be read again", "dir", d.path)
	}
	for name, all := range problems {
		for _, p := range all {
			said := func(old *Problem) bool { return old.Error() == p.Error() }
			if !slices.ContainsFunc(d.problems[name], said) {
				d.log.Warn("key file skipped", "dir", d.path, "file", p.Where(), "err", p.Err)
			}
		}
	}
}
