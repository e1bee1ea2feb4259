package node

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"github.com/gofrs/flock"

	"github.com/hearsaynet/hearsay/keys"
)

// lock takes the lock of the data directory: its store, config and socket.
func (d *dataDir) lock() (*flock.Flock, error) {
	l := flock.New(d.join(fileLock), flock.SetPermissions(privatePerm))
	got, err := l.TryLock()
	if err != nil {
		return nil, fmt.Errorf("node: lock %s: %w", d.path, err)
	}
	if !got {
		return nil, fmt.Errorf("node: %s: %w%s: stop it first", d.path, ErrRunning, d.holder())
	}
	// Who holds it is for people only.
	d.root.WriteFile(fileLock, []byte(strconv.Itoa(os.Getpid())+"\n"), privatePerm)
	return l, nil
}

// lockTrust takes the lock under which the trusted keys and the remembered bundles are
// changed, also while a node runs there.
func (d *dataDir) lockTrust() (*flock.Flock, error) {
	ctx, cancel := context.WithTimeout(context.Background(), trustWait)
	defer cancel()
	l := flock.New(d.join(fileTrust), flock.SetPermissions(privatePerm))
	if _, err := l.TryLockContext(ctx, trustLook); errors.Is(err, context.DeadlineExceeded) {
		return nil, fmt.Errorf("node: %s: another process has been changing who is trusted for %v: wait for it, or end it", d.path, trustWait)
	} else if err != nil {
		return nil, fmt.Errorf("node: lock %s: %w", d.join(fileTrust), err)
	}
	return l, nil
}

// holder names the process that took the lock last, as far as the lock says.
func (d *dataDir) holder() string {
	text, err := d.root.ReadFile(fileLock)
	pid, perr := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || perr != nil {
		return ""
	}
	return fmt.Sprintf(" (process %d)", pid)
}

// lockKey takes the lock of a key: two stores that write with one key would sign
// two histories. It holds for this user on this machine; elsewhere the replica's
// guard has to notice.
func lockKey(id keys.NodeID) (*flock.Flock, error) {
	dir, err := runtimeDir()
	if err != nil {
		return nil, err
	}
	l := flock.New(filepath.Join(dir, id.String()+".lock"), flock.SetPermissions(privatePerm))
	got, err := l.TryLock()
	if err != nil {
		return nil, fmt.Errorf("node: lock key %v: %w", id, err)
	}
	if !got {
		return nil, fmt.Errorf("node: %w, %v: stop it first, or give this one a key of its own", ErrKeyInUse, id)
	}
	return l, nil
}

// runtimeDir returns a private directory for what does not outlive the machine:
// $XDG_RUNTIME_DIR/hearsay, or else hearsay-UID under the temporary directory.
func runtimeDir() (string, error) {
	dir := filepath.Join(os.TempDir(), "hearsay-"+strconv.Itoa(os.Getuid()))
	if run := os.Getenv("XDG_RUNTIME_DIR"); filepath.IsAbs(run) {
		if _, err := os.Stat(run); err == nil { // su(1) hands on a name that is gone
			dir = filepath.Join(run, "hearsay")
		}
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", fmt.Errorf("node: directory for locks and sockets: %w", err)
	}
	// Others may have made it first, where all may write.
	info, err := os.Lstat(dir)
	if err != nil {
		return "", fmt.Errorf("node: directory for locks and sockets: %w", err)
	}
	if !info.IsDir() || !ownedByUs(info) || runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		return "", fmt.Errorf("node: %s is for locks and sockets, and must be a directory of ours with mode 0700: remove it, or set XDG_RUNTIME_DIR", dir)
	}
	return dir, nil
}
