package node

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
)

// listenSocket makes the control socket. It needs the lock: what has its name is
// left from a node that was killed.
func (d *dataDir) listenSocket() (net.Listener, error) {
	path, err := d.socketPath()
	if err != nil {
		return nil, err
	}
	link := d.join(fileSocket)
	for _, old := range []string{path, link} {
		if err := os.Remove(old); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("node: control socket: %w", err)
		}
	}
	ln, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("node: control socket: %w", err)
	}
	// Until here the directory's mode has kept others away.
	err = os.Chmod(path, privatePerm)
	if err == nil && path != link {
		err = os.Symlink(path, link)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("node: control socket: %w", err), ln.Close())
	}
	return ln, nil
}

// removeSocket removes the name that leads to a socket elsewhere; the socket itself
// goes with its listener.
func (d *dataDir) removeSocket() error {
	err := os.Remove(d.join(fileSocket))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// socketPath returns where the socket is made: in the data directory, or, when its
// path is too long for the system, in the runtime directory under a name made from it.
func (d *dataDir) socketPath() (string, error) {
	path := d.join(fileSocket)
	if len(path) <= maxSocketPath {
		return path, nil
	}
	run, err := runtimeDir()
	if err != nil {
		return "", err
	}
	digest := sha256.Sum256([]byte(d.path))
	path = filepath.Join(run, hex.EncodeToString(digest[:8])+".sock")
	if len(path) > maxSocketPath {
		return "", fmt.Errorf("node: no path for the control socket is short enough (%d bytes): set XDG_RUNTIME_DIR to a short one", maxSocketPath)
	}
	return path, nil
}

// dialSocket connects to the node that runs in d. A symbolic link leads to a socket
// whose path is short enough.
func (d *dataDir) dialSocket(ctx context.Context) (net.Conn, error) {
	path := d.join(fileSocket)
	if target, err := os.Readlink(path); err == nil {
		path = target
	}
	return new(net.Dialer).DialContext(ctx, "unix", path)
}
