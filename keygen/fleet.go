package keygen

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/gofrs/flock"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/keys/durable"
	"github.com/hearsaynet/hearsay/sign"
)

const (
	// MaxFleet bounds Fleet.Count: names have six digits.
	MaxFleet = 999_999

	// ManifestName is the file that lists a fleet's keys: name, node id, fingerprint and
	// kind of each, parted by tabs, in the order of the names.
	ManifestName = "manifest.tsv"

	fleetLock = ".lock"
	fleetTemp = ".unfinished-"
)

// Fleet says which keys MakeFleet makes. Dir and Count are required.
type Fleet struct {
	Dir   string // is made if it is not there, with mode 0700
	Count int    // keys that there are in the end, 1 to MaxFleet
	// Name is what the files start with, and "-000001" is added; default "node". The file
	// name is the comment of the key as well.
	Name       string
	Kind       string // as of Generate; default Ed25519
	Bits       int    // as of Generate
	Passphrase []byte // of each file; empty is none
	// Done, if any, is called for each key that is there, one at a time.
	Done func()
}

var fleetName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$`)

func (f *Fleet) check() error {
	if f.Name == "" {
		f.Name = "node"
	}
	if f.Kind == "" {
		f.Kind = Ed25519
	}
	if f.Done == nil {
		f.Done = func() {}
	}
	if f.Count < 1 || f.Count > MaxFleet {
		return fmt.Errorf("keygen: a fleet has 1 to %d keys, not %d", MaxFleet, f.Count)
	}
	if !fleetName.MatchString(f.Name) {
		return fmt.Errorf("keygen: %q is no name for files (letters, digits and ._@-, at most 64)", f.Name)
	}
	return nil
}

// MakeFleet makes the keys of a fleet that are not there yet, each in two files as
// WriteFiles does, and then the manifest. A file that is there is never overwritten.
// When ctx ends or an error comes between, what was made stays and is in the manifest,
// and another call goes on from there, after a crash too: a file has its name when it is
// whole. With another passphrase than that of the first key it makes nothing, and the error
// wraps ErrFleetPassphrase. made counts the keys that this call has made.
func MakeFleet(ctx context.Context, f Fleet) (made int, err error) {
	if err := f.check(); err != nil {
		return 0, err
	}
	if err := os.Mkdir(f.Dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return 0, fmt.Errorf("keygen: the directory for the keys: %w", err)
	}
	root, err := os.OpenRoot(f.Dir)
	if err != nil {
		return 0, fmt.Errorf("keygen: the directory for the keys: %w", err)
	}
	defer root.Close()
	lock := flock.New(filepath.Join(f.Dir, fleetLock), flock.SetPermissions(0o600))
	if ok, err := lock.TryLock(); err != nil {
		return 0, fmt.Errorf("keygen: %s: %w", f.Dir, err)
	} else if !ok {
		return 0, fmt.Errorf("keygen: another process makes keys in %s", f.Dir)
	}
	defer lock.Close()
	if err := sweep(root); err != nil {
		return 0, fmt.Errorf("keygen: %s: %w", f.Dir, err)
	}
	if err := f.checkPassphrase(root); err != nil {
		return 0, err
	}
	made, err = f.makeAll(ctx, root)
	if werr := writeManifest(root, f.Name); werr != nil {
		err = errors.Join(err, fmt.Errorf("keygen: %s: %w", filepath.Join(f.Dir, ManifestName), werr))
	}
	return made, err
}

// sweep removes what a crash has left, which has no name yet.
func sweep(root *os.Root) error {
	names, err := readNames(root)
	for _, name := range names {
		if strings.HasPrefix(name, fleetTemp) {
			err = errors.Join(err, root.Remove(name))
		}
	}
	return err
}

func readNames(root *os.Root) ([]string, error) {
	d, err := root.Open(".")
	if err != nil {
		return nil, err
	}
	defer d.Close()
	return d.Readdirnames(-1)
}

// checkPassphrase opens the first key that is there: one fleet has one passphrase.
func (f *Fleet) checkPassphrase(root *os.Root) error {
	names, err := readNames(root)
	if err != nil {
		return fmt.Errorf("keygen: %s: %w", f.Dir, err)
	}
	ours := regexp.MustCompile(`^` + regexp.QuoteMeta(f.Name) + `-\d{6}$`)
	names = slices.DeleteFunc(names, func(name string) bool { return !ours.MatchString(name) })
	if len(names) == 0 {
		return nil
	}
	name := slices.Min(names)
	if info, err := root.Lstat(name); err != nil || !info.Mode().IsRegular() {
		return nil // make says what is wrong with it
	}
	file, err := f.read(root, name)
	if err != nil {
		return err
	}
	asked := false
	_, err = sign.Parse(file, func() ([]byte, error) {
		asked = true
		return f.Passphrase, nil
	})
	path := filepath.Join(f.Dir, name)
	switch {
	case err == nil && !asked && len(f.Passphrase) > 0:
		return fmt.Errorf("keygen: %s: %w: it is not encrypted, and a passphrase was given for the others", path, ErrFleetPassphrase)
	case asked && len(f.Passphrase) == 0:
		return fmt.Errorf("keygen: %s: %w: it is encrypted, and no passphrase was given", path, ErrFleetPassphrase)
	case errors.Is(err, sign.ErrWrongPassphrase):
		return fmt.Errorf("keygen: %s: %w", path, ErrFleetPassphrase)
	case err != nil:
		return readError(path, err)
	}
	return nil
}

// ErrFleetPassphrase is wrapped when the keys that are there have another passphrase than
// the one given for the rest.
var ErrFleetPassphrase = errors.New("the fleet has another passphrase")

// read returns the content of a private key file.
func (f *Fleet) read(root *os.Root, name string) ([]byte, error) {
	path := filepath.Join(f.Dir, name)
	in, err := root.Open(name)
	if err != nil {
		return nil, readError(path, reason(err))
	}
	defer in.Close()
	file, err := io.ReadAll(io.LimitReader(in, sign.MaxFileSize+1))
	if err != nil {
		return nil, readError(path, reason(err))
	}
	return file, nil
}

func (f *Fleet) makeAll(ctx context.Context, root *os.Root) (made int, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	numbers := make(chan int)
	var workers sync.WaitGroup
	var mu sync.Mutex // guards made, and calls of Done
	for range min(f.Count, runtime.GOMAXPROCS(0)) {
		workers.Go(func() {
			for n := range numbers {
				isNew, err := f.make(root, fmt.Sprintf("%s-%06d", f.Name, n))
				if err != nil {
					cancel(err)
					return
				}
				mu.Lock()
				if isNew {
					made++
				}
				f.Done()
				mu.Unlock()
			}
		})
	}
	for n := 1; n <= f.Count && ctx.Err() == nil; n++ {
		select {
		case numbers <- n:
		case <-ctx.Done():
		}
	}
	close(numbers)
	workers.Wait()
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if err := durable.SyncDir(root); err != nil {
		return made, fmt.Errorf("keygen: %s: %w", f.Dir, err)
	}
	return made, err
}

// make sees to it that the key of that name is there, with both its files.
func (f *Fleet) make(root *os.Root, name string) (isNew bool, err error) {
	path := filepath.Join(f.Dir, name)
	private, err1 := root.Lstat(name)
	public, err2 := root.Lstat(name + publicSuffix)
	switch {
	case err1 == nil && err2 == nil && private.Mode().IsRegular() && public.Mode().IsRegular():
		return false, nil
	case err1 == nil && private.Mode().IsRegular() && errors.Is(err2, fs.ErrNotExist):
		return false, f.complete(root, name)
	case errors.Is(err1, fs.ErrNotExist) && err2 == nil:
		return false, fmt.Errorf("keygen: %s.pub is there without its private key %[1]s: move it away", path)
	case !errors.Is(err1, fs.ErrNotExist) || !errors.Is(err2, fs.ErrNotExist):
		return false, fmt.Errorf("keygen: %s: %w", path, errors.Join(err1, err2, errors.New("not two plain files")))
	}
	k, err := Generate(f.Kind, f.Bits)
	if err != nil {
		return false, err
	}
	file, err := k.MarshalOpenSSH(name, f.Passphrase)
	if err != nil {
		return false, fmt.Errorf("keygen: %w", err)
	}
	if err := putNew(root, name, file, 0o600); err != nil {
		return false, writeError(path, err)
	}
	return true, putPublic(root, path, name, k.Public())
}

// complete makes the public file of a private one that a crash has left alone.
func (f *Fleet) complete(root *os.Root, name string) error {
	path := filepath.Join(f.Dir, name)
	file, err := f.read(root, name)
	if err != nil {
		return err
	}
	k, _, err := sign.ParsePublic(file, func() ([]byte, error) { return f.Passphrase, nil })
	if err != nil {
		return readError(path, err)
	}
	return putPublic(root, path, name, k)
}

func putPublic(root *os.Root, path, name string, k keys.PublicKey) error {
	if err := putNew(root, name+publicSuffix, []byte(k.AuthorizedKey(name)+"\n"), 0o644); err != nil {
		return writeError(path+publicSuffix, err)
	}
	return nil
}

// putNew writes a file that has its name when it is whole. It overwrites nothing.
func putNew(root *os.Root, name string, data []byte, perm fs.FileMode) error {
	temp := fleetTemp + rand.Text()
	if err := durable.Create(root, temp, data, perm); err != nil {
		return err
	}
	err := root.Link(temp, name)
	if errors.Is(err, errors.ErrUnsupported) || errors.Is(err, fs.ErrPermission) { // no links on this file system
		err = durable.Create(root, name, data, perm)
	}
	return errors.Join(err, root.Remove(temp))
}

// writeManifest lists every key of that name that is there.
func writeManifest(root *os.Root, name string) error {
	names, err := readNames(root)
	if err != nil {
		return err
	}
	slices.Sort(names)
	ours := regexp.MustCompile(`^` + regexp.QuoteMeta(name) + `-\d{6}\.pub$`)
	var b bytes.Buffer
	for _, file := range names {
		if !ours.MatchString(file) {
			continue
		}
		if info, err := root.Lstat(file); err != nil || !info.Mode().IsRegular() { // opening a pipe would block
			return errors.Join(err, fmt.Errorf("%s: not a plain file", file))
		}
		text, err := root.ReadFile(file)
		if err != nil {
			return err
		}
		k, _, err := keys.ParseAuthorizedKey(text)
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		fmt.Fprintf(&b, "%s\t%v\t%s\t%s\n", strings.TrimSuffix(file, publicSuffix), k.ID(), k.ID().Fingerprint(), strings.TrimPrefix(k.Type(), "ssh-"))
	}
	return durable.Replace(root, ManifestName, b.Bytes(), 0o644)
}
