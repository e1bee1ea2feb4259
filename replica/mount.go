package replica

import (
	"errors"
	"fmt"
	"maps"
	"sync"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// mountRounds is in how many rounds Mount tells a model what there is, each of them what
// has come during the one before, until the own author has to wait for the last of it.
const mountRounds = 3

// Mount folds what the store has of a channel into model, and then follows. One model at
// a time can be mounted on a channel, and each on one channel only. Nobody waits for Mount,
// unless the models are rebuilt meanwhile, and then only LocalUpdate does: what is written
// and taken in meanwhile is in model when it returns.
func (r *Replica) Mount(channel string, model Model) (unmount func(), err error) {
	if err := wire.CheckChannel(channel); err != nil {
		return nil, fmt.Errorf("replica: mount: %w", err)
	}
	if swap := r.cfg.testOnly.mounted; swap != nil {
		model = swap(channel, model)
	}
	m := &r.models
	if err := m.mount(channel, model); err != nil {
		return nil, fmt.Errorf("replica: mount channel %q: %w", channel, err)
	}
	return sync.OnceFunc(func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.mounts, channel)
	}), nil
}

func (m *models) mount(channel string, model Model) (err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.mounts[channel] != nil || m.mounting[channel] {
		return errors.New("the channel has a model already")
	}
	m.mounting[channel] = true
	defer delete(m.mounting, channel)

	mounts, rebuilds := map[string]Model{channel: model}, m.rebuilt
	var told map[keys.NodeID]*folded
	m.mu.without(model.Reset)
	for range mountRounds {
		now := m.copyLocked()
		m.mu.without(func() { _, err = m.replay(told, now, mounts) })
		switch {
		case m.r.ctx.Err() != nil:
			return ErrClosed
		case err != nil:
			return err
		}
		told = now
	}
	m.backlog.open()
	defer m.backlog.drain()
	if m.rebuilt != rebuilds { // some of it does not count any more
		model.Reset()
		told = nil
	}
	if m.r.cfg.testOnly.mountMisses && told != nil {
		told = m.folded
	}
	if _, err := m.replay(told, m.folded, mounts); err != nil {
		return err
	}
	rebuilt(model)
	m.mounts[channel] = model
	return nil
}

// copyLocked returns what is in the models, to be read without the lock.
func (m *models) copyLocked() map[keys.NodeID]*folded {
	all := make(map[keys.NodeID]*folded, len(m.folded))
	for id, f := range m.folded {
		all[id] = &folded{seq: f.seq, parked: maps.Clone(f.parked), later: f.later}
	}
	return all
}
