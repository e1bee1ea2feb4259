package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"sync"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/keys/dir"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/relay"
	"github.com/hearsaynet/hearsay/replica/store"
	"github.com/hearsaynet/hearsay/verify"
)

// Node is a whole node on its data directory. It is safe for concurrent use, and
// implements API for the first of its topics.
//
// It stops in the reverse order of its start: the control socket (requests under
// way have 3 s), listeners and sessions, replicas, keystore, store, the lock on the
// key, the lock on the directory.
type Node struct {
	opts     Options
	log      *slog.Logger
	dir      *dataDir
	cfg      config
	id       *identity
	store    *store.Bolt
	trusted  *dir.Dir
	keystore keys.Keystore // trusted, and what Options.Keys adds
	sources  []openSource  // what keystore is made of
	origin   *origin

	topics    []*topic   // of a node, fixed; the first is the API's
	relay     *relay.Set // of a relay
	links     *links     // nil offline
	listeners []net.Listener

	ctx     context.Context // ends when Close begins
	cancel  context.CancelFunc
	failed  chan error     // why the node cannot go on; holds one
	closing sync.Once      // Close
	started bool           // and not offline, as the log was told
	cleanup []func() error // run backwards by Close
	closed  error
}

var _ API = (*Node)(nil)

// Open starts a node. It runs until Close. ctx bounds Open only.
func Open(ctx context.Context, o Options) (*Node, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	n := &Node{opts: o, log: o.Log, failed: make(chan error, 1)}
	n.ctx, n.cancel = context.WithCancel(context.Background())
	steps := []func(context.Context) error{n.openDir, n.openStore, n.openReplicas, n.openLinks, n.openControl}
	if o.Offline {
		steps = steps[:3]
	}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return nil, errors.Join(err, n.Close())
		}
	}
	if n.started = !o.Offline; n.started {
		n.log.Info("node started", "id", n.ID(), "dir", n.dir.path, "listen", n.ListenAddrs(), "version", o.Version)
	}
	return n, nil
}

// onClose adds what Close does, before all that was added earlier.
func (n *Node) onClose(f func() error) { n.cleanup = append(n.cleanup, f) }

// Close stops the node, and waits until it has. What was acknowledged is stored.
func (n *Node) Close() error {
	n.closing.Do(func() {
		n.cancel()
		var errs []error
		for _, f := range slices.Backward(n.cleanup) {
			errs = append(errs, f())
		}
		n.closed = errors.Join(errs...)
		if n.started {
			n.log.Info("node stopped", "err", n.closed)
		}
	})
	return n.closed
}

// Run waits until ctx ends or the node cannot go on, and closes the node. The error
// says why it could not go on, or not stop cleanly; it is nil for a clean stop.
func (n *Node) Run(ctx context.Context) error {
	var why error
	select {
	case <-ctx.Done():
	case <-n.ctx.Done():
	case why = <-n.failed:
	}
	return errors.Join(why, n.Close())
}

// fail has Run end.
func (n *Node) fail(err error) {
	select {
	case n.failed <- err:
	default:
	}
}

// openDir takes the directory and the key, each with its lock.
func (n *Node) openDir(ctx context.Context) (err error) {
	path, err := resolveDir(n.opts.Dir)
	if err != nil {
		return err
	}
	open := makeDir
	if n.opts.Offline {
		open = openDir
	}
	if n.dir, err = open(path); err != nil {
		return err
	}
	n.onClose(n.dir.close)
	lock, err := n.dir.lock()
	if err != nil {
		return err
	}
	n.onClose(lock.Close)
	if n.cfg, n.id, err = n.dir.identify(ctx, n.opts); err != nil {
		return err
	}
	keyLock, err := lockKey(n.ID())
	if err != nil {
		return err
	}
	n.onClose(keyLock.Close)
	return n.settleConfig()
}

// settleConfig brings config and options together, and writes what is to be
// remembered.
func (n *Node) settleConfig() error {
	if n.opts.Offline {
		n.opts.Relay, n.opts.AnyKey = n.cfg.Relay, n.cfg.Open
		if n.opts.Topics == nil {
			n.opts.Topics = n.cfg.Topics
		}
		return nil
	}
	if n.cfg.Version != 0 && n.cfg.Relay != n.opts.Relay {
		is, wanted := "a node", "a relay"
		if n.cfg.Relay {
			is, wanted = wanted, is
		}
		return fmt.Errorf("node: %s belongs to %s, not to %s: give another directory with --data", n.dir.path, is, wanted)
	}
	n.cfg.Relay, n.cfg.Open, n.cfg.Keys = n.opts.Relay, n.opts.AnyKey, n.opts.Keys
	if !n.opts.Relay {
		if n.opts.Topics == nil {
			n.opts.Topics = n.cfg.Topics
		}
		if n.opts.Topics == nil {
			n.opts.Topics = []string{DefaultTopic}
		}
		n.cfg.Topics = n.opts.Topics
	}
	n.cfg.Version, n.cfg.Peers = configVer, n.opts.Peers
	return n.dir.writeConfig(n.cfg)
}

func (n *Node) openStore(ctx context.Context) (err error) {
	if n.store, err = store.OpenBolt(n.dir.join(fileStore), store.BoltOptions{}); err != nil {
		return fmt.Errorf("node: %w", err)
	}
	n.onClose(n.store.Close)
	if n.origin, err = newOrigin(ctx, n.dir, n.store, n.ID(), &n.cfg); err != nil {
		return err
	}
	if why := n.origin.strange; why != "" {
		n.log.Warn("this store is not the one that wrote last: peers are asked what its key wrote before it writes again", "dir", n.dir.path, "why", why)
	}
	n.noteWrites()
	return n.openKeystore()
}

// noteWrites has the origin note how far this node has written, now and then and at
// last. A relay writes nothing.
func (n *Node) noteWrites() {
	if n.opts.Relay {
		return
	}
	var noting sync.WaitGroup
	if !n.opts.Offline {
		noting.Go(func() { n.origin.keepNoting(n.ctx, n.log) })
	}
	n.onClose(func() error { // replicas are closed by then, the store is not
		noting.Wait()
		n.origin.tryNote(n.log)
		return nil
	})
}

// openReplicas opens one replica a topic, with models, or a relay's set.
func (n *Node) openReplicas(ctx context.Context) error {
	if n.opts.Relay {
		return n.openRelay(ctx)
	}
	for _, name := range n.opts.Topics {
		t, err := n.openTopic(ctx, name)
		if err != nil {
			return err
		}
		n.onClose(t.close)
		n.topics = append(n.topics, t)
	}
	return nil
}

func (n *Node) openRelay(ctx context.Context) (err error) {
	topics := n.opts.Topics
	n.relay, err = relay.Open(ctx, relay.Config{Replica: n.replicaConfig(), Topics: topics})
	if err != nil {
		return fmt.Errorf("node: %w", err)
	}
	n.onClose(n.relay.Close)
	if why := n.carriesNothing(); why != "" {
		n.log.Warn("this relay " + why)
	}
	return nil
}

// carriesNothing says why a relay carries nothing, if so.
func (n *Node) carriesNothing() string {
	if n.opts.AnyKey || n.cfg.Keys != (KeySources{}) {
		return ""
	}
	if ids, err := n.trusted.List(n.ctx); err != nil || len(ids) > 0 {
		return ""
	}
	return "carries nothing: it trusts no key (\"hearsay trust\"), and --open was not given"
}

// replicaConfig is what the replicas of all topics have in common.
func (n *Node) replicaConfig() replica.Config {
	cfg := replica.Config{Store: n.store, Keystore: n.keystore, HeadInterval: n.opts.HeadInterval, Log: n.log}
	if n.opts.AnyKey {
		cfg.Keystore, cfg.Verify = nil, verify.AnyKey()
	}
	return cfg
}

// ID returns the node's id.
func (n *Node) ID() keys.NodeID { return n.id.public.ID() }

// PublicKey returns the key that others admit this node's updates by.
func (n *Node) PublicKey() keys.PublicKey { return n.id.Public() }

// Dir returns the node's data directory.
func (n *Node) Dir() string { return n.dir.path }

// topic returns the topic of that name, "" for the first.
func (n *Node) topic(name string) (*topic, error) {
	if n.relay != nil {
		return n.relayTopic(name)
	}
	for _, t := range n.topics {
		if name == "" || t.name == name {
			return t, nil
		}
	}
	return nil, fmt.Errorf("node: %w: it carries %q, not %q", ErrNoTopic, n.topicNames(), name)
}

// relayTopic returns a topic of a relay, which has no models. With "" there must be
// one only.
func (n *Node) relayTopic(name string) (*topic, error) {
	all, _ := n.relay.Replicas()
	if name == "" && len(all) > 1 {
		return nil, fmt.Errorf("node: the relay carries %d topics: say which with --topic", len(all))
	}
	for _, r := range all {
		if name == "" || r.Topic() == name {
			return &topic{n: n, name: r.Topic(), r: r}, nil
		}
	}
	return nil, fmt.Errorf("node: %w: the relay carries %q", ErrNoTopic, n.topicNames())
}

func (n *Node) replicas() []*replica.Replica {
	if n.relay != nil {
		all, _ := n.relay.Replicas()
		return all
	}
	all := make([]*replica.Replica, len(n.topics))
	for i, t := range n.topics {
		all[i] = t.r
	}
	return all
}

func (n *Node) topicNames() []string {
	names := []string{}
	for _, r := range n.replicas() {
		names = append(names, r.Topic())
	}
	return names
}
