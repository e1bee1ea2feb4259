package keygen

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"unicode"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/keys/durable"
	"github.com/hearsaynet/hearsay/sign"
)

const publicSuffix = ".pub"

// WriteFiles writes k to path as an OpenSSH private key file of mode 0600,
// encrypted unless passphrase is empty, and its public half to path + ".pub",
// mode 0644; both less the umask. Neither is ever overwritten: the error wraps
// fs.ErrExist when either is there, and nothing is written. On return both are
// durable; after an error neither has been left behind.
func WriteFiles(path string, k *sign.PrivateKey, comment string, passphrase []byte) error {
	dir, name := filepath.Split(path)
	if name == "" {
		return fmt.Errorf("keygen: %q names no file", path)
	}
	if k == nil {
		return errors.New("keygen: no private key")
	}
	if strings.ContainsFunc(comment, unicode.IsControl) {
		return errors.New("keygen: the comment has control characters in it: it must fit on one line")
	}
	private, err := k.MarshalOpenSSH(comment, passphrase)
	if err != nil {
		return fmt.Errorf("keygen: %w", err)
	}
	root, err := os.OpenRoot(filepath.Clean(dir))
	if err != nil {
		return fmt.Errorf("keygen: the directory for %s: %w", path, reason(err))
	}
	defer root.Close()
	public := []byte(k.Public().AuthorizedKey(comment) + "\n")
	return writePair(root, path, name, private, public)
}

func writePair(root *os.Root, path, name string, private, public []byte) error {
	for _, suffix := range []string{"", publicSuffix} {
		if _, err := root.Lstat(name + suffix); !errors.Is(err, fs.ErrNotExist) {
			return writeError(path+suffix, err)
		}
	}
	// The private file comes first: what a crash leaves between the two is a whole
	// key whose public half can be made again.
	if err := durable.Create(root, name, private, 0o600); err != nil {
		return writeError(path, err)
	}
	testOnlyBetweenFiles()
	if err := durable.Create(root, name+publicSuffix, public, 0o644); err != nil {
		return errors.Join(writeError(path+publicSuffix, err), root.Remove(name))
	}
	if err := durable.SyncDir(root); err != nil {
		return errors.Join(writeError(path, err), root.Remove(name), root.Remove(name+publicSuffix))
	}
	return nil
}

// testOnlyBetweenFiles runs when the private file is there and the public not yet.
var testOnlyBetweenFiles = func() {}

// writeError says what hindered path; a nil err means that path is there.
func writeError(path string, err error) error {
	if err == nil || errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("keygen: %s: %w, and key files are never overwritten: choose another name or move it away", path, fs.ErrExist)
	}
	return fmt.Errorf("keygen: %s: cannot write: %w", path, reason(err))
}

// ReadFile reads the private key file at path with sign.Parse, which asks for the
// passphrase only when the file is encrypted. The warning is empty unless others
// can read the file. Errors name path and what to do about it, and wrap those of
// sign.Parse and of the file system.
func ReadFile(path string, passphrase func() ([]byte, error)) (k *sign.PrivateKey, warning string, err error) {
	file, mode, err := readBounded(path)
	if err != nil {
		return nil, "", readError(path, err)
	}
	k, err = sign.Parse(file, passphrase)
	if err != nil {
		return nil, "", readError(path, err)
	}
	return k, modeWarning(path, mode), nil
}

func readBounded(path string) ([]byte, fs.FileMode, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, 0, reason(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, 0, reason(err)
	}
	if info.IsDir() {
		return nil, 0, errors.New("it is a directory: name the key file in it")
	}
	file, err := io.ReadAll(io.LimitReader(f, sign.MaxFileSize+1))
	return file, info.Mode(), reason(err)
}

// modeWarning follows ssh, which refuses such a file. Windows has no such modes,
// and a pipe is nobody else's.
func modeWarning(path string, mode fs.FileMode) string {
	if runtime.GOOS == "windows" || !mode.IsRegular() || mode.Perm()&0o077 == 0 {
		return ""
	}
	return fmt.Sprintf("%s has mode %04o, so others on this machine may use the key: chmod 600 %[1]s", path, mode.Perm())
}

func readError(path string, err error) error {
	advice := ""
	switch {
	case errors.Is(err, fs.ErrNotExist):
		advice = ": make a key first, or name another file"
	case errors.Is(err, fs.ErrPermission):
		advice = ": it must be readable by the user who runs the node"
	case errors.Is(err, keys.ErrNotAdmitted):
		advice = ": make an ed25519 key, or RSA of 2048 bits or more"
	case errors.Is(err, sign.ErrWrongPassphrase):
		advice = ": try again"
	}
	return fmt.Errorf("keygen: %s: %w%s", path, err, advice)
}

// reason drops the operation and path of a file system error, which the caller
// names itself.
func reason(err error) error {
	if pathErr, ok := errors.AsType[*fs.PathError](err); ok {
		return pathErr.Err
	}
	return err
}
