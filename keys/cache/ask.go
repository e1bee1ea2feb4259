package cache

import (
	"context"
	"errors"
	"time"

	"github.com/hearsaynet/hearsay/keys"
)

// askLocked has id asked for, unless it is already. It returns nil when there is no
// room.
func (c *Cache) askLocked(id keys.NodeID) *call {
	if call := c.calls[id]; call != nil {
		return call
	}
	if len(c.calls) >= maxCalls || c.closed {
		return nil
	}
	call := &call{done: make(chan struct{})}
	c.calls[id] = call
	c.enqueueLocked(id)
	return call
}

func (c *Cache) enqueueLocked(id keys.NodeID) {
	c.queue = append(c.queue, id)
	c.hireLocked()
}

// hireLocked starts a worker for what is queued.
func (c *Cache) hireLocked() {
	if c.workers >= maxRequests || len(c.queue) == 0 || c.closed {
		return
	}
	c.workers++
	c.tasks.Go(c.work)
}

func (c *Cache) batches() bool {
	_, ok := c.ks.(keys.Batcher)
	return ok
}

// work asks for what is queued until nothing is.
func (c *Cache) work() {
	if c.batches() {
		c.pause(linger)
	}
	for {
		ids := c.take()
		if len(ids) == 0 {
			return
		}
		c.fetch(ids)
	}
}

func (c *Cache) pause(d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-c.ctx.Done():
	}
}

// take takes ids for one request from the queue. With none left the worker ends.
func (c *Cache) take() []keys.NodeID {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := min(len(c.queue), 1)
	if c.batches() {
		n = min(len(c.queue), maxBatch)
	}
	if n == 0 {
		c.workers--
		return nil
	}
	ids := c.queue[:n:n]
	c.queue = c.queue[n:]
	c.hireLocked() // for what is left
	return ids
}

// fetch asks the keystore behind for ids, keeps what it says and tells who waits. It
// reports whether there was any answer.
func (c *Cache) fetch(ids []keys.NodeID) (available bool) {
	ctx, cancel := context.WithTimeout(c.ctx, c.cfg.Timeout)
	defer cancel()
	c.mu.Lock()
	epoch := c.epoch
	c.mu.Unlock()
	asked := time.Now()
	answers := keys.LookupAll(ctx, c.ks, ids)

	c.mu.Lock()
	defer c.mu.Unlock()
	moved, outdated := false, epoch != c.epoch
	for i, id := range ids {
		got := answers[i]
		refused := errors.Is(got.Err, keys.ErrUnknown)
		available = available || got.Err == nil || refused
		if refused && outdated { // it may have been admitted meanwhile
			if c.calls[id] != nil {
				c.enqueueLocked(id)
			}
			continue
		}
		moved = c.keepLocked(id, got, asked, outdated) || moved
		c.answerLocked(id, got)
	}
	if moved {
		c.notifyLocked()
	}
	return available
}

// keepLocked takes an answer over and reports whether it says another thing than the
// one before.
func (c *Cache) keepLocked(id keys.NodeID, got keys.Answer, asked time.Time, outdated bool) (moved bool) {
	before := c.known[id]
	_, refused := c.unknown[id]
	switch {
	case errors.Is(got.Err, keys.ErrUnknown):
		delete(c.known, id)
		if len(c.unknown) >= maxUnknown {
			dropAny(c.unknown)
		}
		c.unknown[id] = time.Now().Add(c.cfg.Negative)
		return before != nil
	case errors.Is(got.Err, keys.ErrExpired):
		delete(c.known, id)
		return false
	case got.Err != nil:
		return false
	}
	delete(c.unknown, id)
	if before == nil && len(c.known) >= c.cfg.Max {
		dropAny(c.known)
	}
	c.known[id] = &answer{Admission: got.Admission, confirmed: asked, asked: asked, stale: outdated}
	return refused || before != nil && !before.Windows.Equal(got.Windows)
}

func dropAny[V any](m map[keys.NodeID]V) {
	for id := range m {
		delete(m, id)
		return
	}
}

// answerLocked tells all who wait for id.
func (c *Cache) answerLocked(id keys.NodeID, got keys.Answer) {
	call := c.calls[id]
	if call == nil {
		return
	}
	call.a, call.err = got.Admission, got.Err
	delete(c.calls, id)
	close(call.done)
}
