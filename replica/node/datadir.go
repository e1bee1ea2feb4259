package node

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/keys/durable"
)

// The files of a data directory.
const (
	fileConfig  = "config.json"
	fileKey     = "id_ed25519"
	fileStore   = "store.db"
	fileLock    = "lock"
	fileTrust   = "trust.lock"
	fileSocket  = "hearsay.sock"
	dirTrusted  = "trusted"
	configVer   = 1
	publicPerm  = 0o644
	privatePerm = 0o600
)

// config is config.json: what later commands need to know.
type config struct {
	Version int `json:"version"`
	// Key is the path of the key file; "" is id_ed25519 in the directory.
	Key string `json:"key"`
	// Agent says that the key is in the user's ssh-agent instead.
	Agent bool `json:"agent,omitempty"`
	// PublicKey is an authorized_keys line. A directory keeps its key for ever.
	PublicKey string `json:"public_key"`
	// KeyMadeHere says that the key was made for this directory, and that its store has
	// not been found in another place since. So nobody else has written with it.
	KeyMadeHere bool `json:"key_made_here"`
	// Written says that a store of this directory has been allowed to write: a store
	// that knows nothing of it is not that one.
	Written bool `json:"written"`
	// Wrote is, by topic, how far the own author had written when that was noted last: a
	// store that has less was put back from a backup, if in the very same file.
	Wrote map[string]uint64 `json:"wrote,omitempty"`
	// Peers are those of the last run, for who looks for what is wrong.
	Peers  []string `json:"peers,omitempty"`
	Topics []string `json:"topics,omitempty"`
	Relay  bool     `json:"relay,omitempty"`
	// Open says how the node last ran, for commands that open the store themselves.
	Open bool `json:"open,omitempty"`
	// Keys are those of the last run, for the same commands.
	Keys KeySources `json:"keys,omitzero"`
}

// dataDir is an open data directory.
type dataDir struct {
	path string
	root *os.Root
}

// openDir opens the data directory at path. It must be private.
func openDir(path string) (*dataDir, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, noNode(path)
	}
	if err != nil {
		return nil, fmt.Errorf("node: data directory: %w", err)
	}
	if !info.IsDir() {
		return nil, fmt.Errorf("node: %s is not a directory", path)
	}
	if perm := info.Mode().Perm(); runtime.GOOS != "windows" && perm&0o077 != 0 {
		return nil, fmt.Errorf("node: the data directory %s has mode %04o, so others on this machine can get at it: chmod 700 %[1]s", path, perm)
	}
	root, err := os.OpenRoot(path)
	if errors.Is(err, fs.ErrPermission) {
		return nil, fmt.Errorf("node: data directory: %w: it is another user's; give one of yours with --data", err)
	}
	if err != nil {
		return nil, fmt.Errorf("node: data directory: %w", err)
	}
	return &dataDir{path, root}, nil
}

// makeDir opens the data directory at path, and makes it if it is not there.
func makeDir(path string) (*dataDir, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("node: data directory: %w", err)
	}
	if err := os.Mkdir(path, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("node: data directory: %w", err)
	}
	d, err := openDir(path)
	if err != nil {
		return nil, err
	}
	if err := d.root.Mkdir(dirTrusted, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, errors.Join(fmt.Errorf("node: data directory: %w", err), d.close())
	}
	return d, nil
}

func noNode(path string) error {
	return fmt.Errorf("node: %w in %s", ErrNoNode, path)
}

func (d *dataDir) close() error { return d.root.Close() }

func (d *dataDir) join(names ...string) string {
	return filepath.Join(append([]string{d.path}, names...)...)
}

func (d *dataDir) has(name string) (bool, error) {
	_, err := d.root.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// readConfig reads config.json; without one the error wraps ErrNoNode.
func (d *dataDir) readConfig() (config, error) {
	c, err := d.parseConfig()
	if errors.Is(err, fs.ErrNotExist) {
		return config{}, noNode(d.path)
	}
	if err != nil {
		return config{}, fmt.Errorf("node: %s: %w", d.join(fileConfig), err)
	}
	return c, nil
}

func (d *dataDir) parseConfig() (c config, err error) {
	f, err := d.root.Open(fileConfig)
	if err != nil {
		return c, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxConfig+1))
	if err != nil {
		return c, err
	}
	if len(text) > maxConfig {
		return c, fmt.Errorf("larger than %d bytes", maxConfig)
	}
	if err := json.Unmarshal(text, &c); err != nil {
		return config{}, fmt.Errorf("not what a node wrote: %w", err)
	}
	if c.Version > configVer {
		return config{}, fmt.Errorf("version %d was written by a newer hearsay: this one reads up to %d", c.Version, configVer)
	}
	if c.Version < 1 {
		return config{}, errors.New("not what a node wrote: it has no version")
	}
	if _, err := c.publicKey(); err != nil {
		return config{}, fmt.Errorf("public_key: %w", err)
	}
	return c, nil
}

func (c *config) publicKey() (keys.PublicKey, error) {
	k, _, err := keys.ParseAuthorizedKey([]byte(c.PublicKey))
	return k, err
}

// writeConfig replaces config.json, durably.
func (d *dataDir) writeConfig(c config) error {
	c.Version = configVer
	text, err := json.MarshalIndent(c, "", "  ")
	if err == nil {
		err = durable.Replace(d.root, fileConfig, append(text, '\n'), privatePerm)
	}
	if err != nil {
		return fmt.Errorf("node: write %s: %w", d.join(fileConfig), err)
	}
	return nil
}
