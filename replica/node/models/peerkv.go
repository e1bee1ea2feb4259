package models

import (
	"context"
	"fmt"
	"iter"
	"time"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/model/peerkv"
	"github.com/hearsaynet/hearsay/replica/wire"
)

var peerMaps = kind[*peerkv.Map]{peerkv.DefaultChannel, func(r *replica.Replica, channel string) (*peerkv.Map, error) {
	return peerkv.Mount(r, channel, peerkv.Config{})
}}

// PeerKey is a key of an author; zero is the own one.
type PeerKey struct {
	Author keys.NodeID `json:"author,omitzero"`
	Key    string      `json:"key"`
}

// PeerSet is a value for a key of the own author.
type PeerSet struct {
	Key     string    `json:"key"`
	Value   []byte    `json:"value"`
	Expires time.Time `json:"expires,omitzero"` // zero: never
}

// PeerEntry is a key's value and the update that set it.
type PeerEntry struct {
	Key string `json:"key"`
	Data
	Origin
	Expires string `json:"expires,omitempty"` // as Origin.Time
}

// PeerChange is one change of an author's key.
type PeerChange struct {
	Author  keys.NodeID `json:"author,omitzero"`
	Key     string      `json:"key,omitempty"`
	Old     *PeerEntry  `json:"old,omitempty"`
	New     *PeerEntry  `json:"new,omitempty"`
	Expired bool        `json:"expired,omitempty"` // Old has come to its time
	Local   bool        `json:"local"`
	Lost    uint64      `json:"lost,omitempty"` // so many changes came too fast; nothing else is set
}

// PeerGlobs are the authors and keys to watch, "" for all.
type PeerGlobs struct {
	Author string `json:"author,omitempty"`
	Key    string `json:"key,omitempty"`
}

// The operations on the maps of authors.
var (
	PeerGet = read(peerMaps, "get", func(_ context.Context, m *peerkv.Map, q PeerKey) (PeerEntry, error) {
		e, ok := m.Get(q.Key)
		if q.Author != (keys.NodeID{}) {
			e, ok = m.Remote(q.Author, q.Key)
		}
		if !ok {
			return PeerEntry{}, fmt.Errorf("models: %w: no key %q of that author", ErrNothing, q.Key)
		}
		return *newPeerEntry(&e), nil
	})
	// PeerShow answers with the values of an author, of all for zero; Key does not matter.
	PeerShow = each(peerMaps, "show", func(_ context.Context, m *peerkv.Map, q PeerKey) iter.Seq2[PeerEntry, error] {
		return func(yield func(PeerEntry, error) bool) {
			entries := m.All()
			if q.Author != (keys.NodeID{}) {
				entries = m.Of(q.Author)
			}
			for e := range entries {
				if !yield(*newPeerEntry(&e), nil) {
					return
				}
			}
		}
	})
	PeerAuthors = each(peerMaps, "authors", func(_ context.Context, m *peerkv.Map, _ None) iter.Seq2[keys.NodeID, error] {
		return func(yield func(keys.NodeID, error) bool) {
			for id := range m.Authors() {
				if !yield(id, nil) {
					return
				}
			}
		}
	})
	PeerPut = write(peerMaps, "set", func(ctx context.Context, m *peerkv.Map, q PeerSet) (wire.Ref, error) {
		if q.Expires.IsZero() {
			return m.Set(ctx, q.Key, q.Value)
		}
		return m.SetUntil(ctx, q.Key, q.Value, q.Expires)
	})
	PeerDelete = write(peerMaps, "del", func(ctx context.Context, m *peerkv.Map, key string) (wire.Ref, error) {
		return m.Delete(ctx, key)
	})
	PeerWatch = follow(peerMaps, "watch", func(ctx context.Context, m *peerkv.Map, q PeerGlobs) iter.Seq2[PeerChange, error] {
		watch := func(ctx context.Context) (<-chan peerkv.Change, error) { return m.Watch(ctx, q.Author, q.Key) }
		return watched(ctx, watch, func(c peerkv.Change) PeerChange {
			return PeerChange{c.Author, c.Key, newPeerEntry(c.Old), newPeerEntry(c.New), c.Expired, c.Local, c.Lost}
		})
	})
)

func newPeerEntry(e *peerkv.Entry) *PeerEntry {
	if e == nil {
		return nil
	}
	p := &PeerEntry{Key: e.Key, Data: newData(e.Value), Origin: newOrigin(e.Ref, e.Time)}
	if e.Expires != 0 {
		p.Expires = stamp(e.Expires)
	}
	return p
}
