package node

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// Options say what a node is made of. The zero value works.
type Options struct {
	// Dir is the data directory. Default: DefaultDir().
	Dir string
	// KeyFile is the node's private key. It is remembered; "" means the key that the
	// directory has, and for a new directory a new ed25519 key in it.
	KeyFile string
	// Agent is the id of a key that the user's ssh-agent ($SSH_AUTH_SOCK) holds, instead of
	// KeyFile. That the key is in an agent is remembered, and not where the agent is.
	Agent keys.NodeID
	// Passphrase is asked for the key file's when it is encrypted. Nil: an encrypted
	// key is an error.
	Passphrase func() ([]byte, error)
	// Topics are what the node carries, the first of them by default in the API. They
	// are remembered. Nil: those of last time, and at first DefaultTopic. A relay
	// does not remember them; nil means those that its peers name.
	Topics []string
	// Listen are the addresses to listen on, HOST:PORT; port 0 picks one. Nil: DefaultAddress,
	// or the next port that is free.
	Listen []string
	// Peers are the peers to stay linked with, [ID@]HOST:PORT.
	Peers []string
	// AnyKey admits every author whose key proves itself, instead of the trusted ones.
	AnyKey bool
	// Keys are where admitted keys are found besides. They must be given at every start;
	// Offline, they are as they were last time.
	Keys KeySources
	// Force writes without asking peers what the key wrote last (see replica.Guard).
	Force bool
	// HeadInterval is how often the node signs how far it has written, 100 ms to 24 h, and
	// the measure of all that follows from it: authors and links are stale after two.
	// Default 30 s.
	HeadInterval time.Duration
	// SendOnly, ReceiveOnly and SendClock hold for every link, as in replica.SyncConfig: the
	// node takes nothing from its peers; or it tells them of nothing but its id and topics.
	// They must be given at every start.
	SendOnly    bool
	ReceiveOnly bool
	SendClock   bool
	// Relay stores, verifies and passes on, and has no models.
	Relay bool
	// Offline opens the store only: nothing listens, dials, or answers on the socket. The
	// directory must have been set up. AnyKey and Relay are as they were last time.
	Offline bool
	// Log receives what an operator should know. Nil discards.
	Log *slog.Logger
	// Version is this program's, for the log.
	Version string
}

// The errors of Open, Attach and the API that callers tell apart.
var (
	// ErrNoNode: the data directory was never set up.
	ErrNoNode = errors.New("no node")
	// ErrRunning: another process has the data directory.
	ErrRunning = errors.New("a node runs there already")
	// ErrKeyInUse: another node on this machine runs with the same key.
	ErrKeyInUse = errors.New("another node on this machine runs with this key")
	// ErrNoKey: there is no such key in the key-value model.
	ErrNoKey = errors.New("no such key")
	// ErrNoTopic: the node does not carry the topic that was asked for.
	ErrNoTopic = errors.New("no such topic")
	// ErrNoUpdate: no such update is stored.
	ErrNoUpdate = errors.New("no such update")
	// ErrRelay: a relay has no models and no updates of its own.
	ErrRelay = errors.New("a relay has no data models: run the command on a node")
	// ErrClosed: the node has stopped.
	ErrClosed = errors.New("the node has stopped")
)

// DefaultDir returns the data directory of a user who names none:
// $XDG_DATA_HOME/hearsay, or else ~/.local/share/hearsay.
func DefaultDir() (string, error) {
	// The specification has relative paths ignored.
	if data := os.Getenv("XDG_DATA_HOME"); filepath.IsAbs(data) {
		return filepath.Join(data, "hearsay"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("node: no default data directory: %w: give one with --data", err)
	}
	return filepath.Join(home, ".local", "share", "hearsay"), nil
}

// resolveDir returns the data directory as an absolute path.
func resolveDir(dir string) (string, error) {
	if dir == "" {
		return DefaultDir()
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("node: %w", err)
	}
	return abs, nil
}

func (o *Options) check() error {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if err := checkTopics(o.Topics); err != nil {
		return err
	}
	if err := o.Keys.check(); err != nil {
		return err
	}
	if o.AnyKey && o.Keys != (KeySources{}) {
		return errors.New("node: Options.AnyKey admits every key: Options.Keys go without it")
	}
	if err := CheckHeadInterval(o.HeadInterval); err != nil && o.HeadInterval != 0 {
		return err
	}
	if o.Offline && (o.Listen != nil || o.Peers != nil || o.KeyFile != "" || !o.Agent.IsZero()) {
		return errors.New("node: Options.Offline goes with no Listen, Peers, KeyFile or Agent")
	}
	if o.SendOnly && o.ReceiveOnly {
		return errors.New("node: Options.SendOnly and ReceiveOnly leave nothing to do: set one of them")
	}
	if o.SendClock && !o.ReceiveOnly {
		return errors.New("node: Options.SendClock belongs to ReceiveOnly")
	}
	if o.KeyFile != "" && !o.Agent.IsZero() {
		return errors.New("node: Options.KeyFile and Agent exclude each other: the key is in one of them")
	}
	return nil
}

// CheckHeadInterval returns an error unless d can be Options.HeadInterval.
func CheckHeadInterval(d time.Duration) error {
	if d < minHeadInterval || d > maxHeadInterval {
		return fmt.Errorf("node: a head interval is 100ms to 24h, not %v", d)
	}
	return nil
}

func checkTopics(topics []string) error {
	if len(topics) > wire.MaxTopics {
		return fmt.Errorf("node: %d topics, at most %d", len(topics), wire.MaxTopics)
	}
	for i, t := range topics {
		if err := wire.CheckTopic(t); err != nil {
			return fmt.Errorf("node: %w", err)
		}
		if slices.Contains(topics[:i], t) {
			return fmt.Errorf("node: topic %q is named twice", t)
		}
	}
	return nil
}
