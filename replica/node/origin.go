package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"time"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/store"
)

// recordWriter marks, for a topic and author, that this very store may write there:
// it holds all that the author has written, as far as peers or the key's making tell.
const recordWriter = "writer"

// origin decides whether the store is known to be the one that wrote last with the
// node's key.
type origin struct {
	dir   *dataDir
	store *store.Bolt
	self  keys.NodeID
	ours  bool // the key was made for this very store

	// strange says why the store is not the one that wrote last, as it was found.
	strange string

	mu  sync.Mutex // guards cfg once replicas are open
	cfg *config
}

// newOrigin looks at the store. A store that was moved or copied, or has less than it
// had, forgets that it may write: its twin may go on.
func newOrigin(ctx context.Context, d *dataDir, st *store.Bolt, self keys.NodeID, cfg *config) (*origin, error) {
	o := &origin{dir: d, store: st, self: self, cfg: cfg}
	topic, err := o.shrunk()
	if err != nil {
		return nil, fmt.Errorf("node: %w", err)
	}
	switch {
	case st.Moved():
		o.strange = "it was moved or copied"
	case topic != "":
		o.strange = fmt.Sprintf("it has less of topic %q than it had: it was put back from a backup", topic)
	}
	if o.strange != "" {
		if err := o.distrust(ctx); err != nil {
			return nil, fmt.Errorf("node: the store is not the one that wrote last: %w", err)
		}
	}
	wrote, err := o.wroteSomewhere()
	if err != nil {
		return nil, fmt.Errorf("node: %w", err)
	}
	// A directory that has written, with a store that has not, has lost its store.
	o.ours = cfg.KeyMadeHere && (wrote || !cfg.Written)
	return o, nil
}

// distrust makes every topic ask again before it writes. It can be interrupted
// anywhere: the origin is confirmed last.
func (o *origin) distrust(ctx context.Context) error {
	if o.cfg.KeyMadeHere || o.cfg.Wrote != nil {
		o.cfg.KeyMadeHere, o.cfg.Wrote = false, nil
		if err := o.dir.writeConfig(*o.cfg); err != nil {
			return err
		}
	}
	topics, err := o.store.Topics()
	if err != nil {
		return err
	}
	for _, t := range topics {
		if err := o.store.DeleteRecord(ctx, t, recordWriter, o.self); err != nil {
			return err
		}
	}
	return o.store.ConfirmOrigin(ctx)
}

// shrunk returns a topic of which the store has less of the own author than was noted.
func (o *origin) shrunk() (string, error) {
	for topic, wrote := range o.cfg.Wrote {
		frontier, err := o.store.Frontier(topic, o.self)
		if err != nil {
			return "", err
		}
		if frontier.Seq < wrote {
			return topic, nil
		}
	}
	return "", nil
}

// note records, durably, how far the own author has written.
func (o *origin) note() error {
	topics, err := o.store.Topics()
	if err != nil {
		return fmt.Errorf("node: %w", err)
	}
	wrote := make(map[string]uint64)
	for _, t := range topics {
		frontier, err := o.store.Frontier(t, o.self)
		if err != nil {
			return fmt.Errorf("node: %w", err)
		}
		if frontier.Seq > 0 {
			wrote[t] = frontier.Seq
		}
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if maps.Equal(wrote, o.cfg.Wrote) {
		return nil
	}
	o.cfg.Wrote = wrote
	return o.dir.writeConfig(*o.cfg)
}

// keepNoting notes every noteEvery until ctx ends.
func (o *origin) keepNoting(ctx context.Context, log *slog.Logger) {
	tick := time.NewTicker(noteEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			o.tryNote(log)
		}
	}
}

// tryNote notes if it can: what was written is stored all the same.
func (o *origin) tryNote(log *slog.Logger) {
	if err := o.note(); err != nil {
		log.Error("it could not be noted how far this node has written: a store that is put back from a backup may go unnoticed", "err", err)
	}
}

func (o *origin) wroteSomewhere() (bool, error) {
	topics, err := o.store.Topics()
	if err != nil {
		return false, err
	}
	for _, t := range topics {
		if wrote, err := o.mayWrite(t); wrote || err != nil {
			return wrote, err
		}
	}
	return false, nil
}

func (o *origin) mayWrite(topic string) (bool, error) {
	_, err := o.store.Record(topic, recordWriter, o.self)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// guard returns the guard of a topic. confirmed is called when it opens, before
// anything is written.
func (o *origin) guard(topic string, peers []string, force bool, confirmed func(error)) (replica.Guard, error) {
	known, err := o.mayWrite(topic)
	if err != nil {
		return replica.Guard{}, fmt.Errorf("node: %w", err)
	}
	g := replica.Guard{Suspect: !known && !o.ours, Peers: peers, Force: force}
	if !known {
		g.Confirmed = func() { confirmed(o.confirm(topic)) }
	}
	return g, nil
}

// confirm records, durably, that the store may write in topic from now on.
func (o *origin) confirm(topic string) error {
	ctx := context.Background() // short, and half of it is no use
	if err := o.store.PutRecords(ctx, topic, recordWriter, store.Record{Author: o.self, Body: []byte{1}}); err != nil {
		return err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.cfg.Written {
		return nil
	}
	o.cfg.Written = true
	return o.dir.writeConfig(*o.cfg)
}
