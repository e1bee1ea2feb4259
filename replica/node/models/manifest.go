package models

import (
	"context"
	"iter"

	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/model/manifest"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// A node mounts nothing because a list names it: models are mounted when they are asked for.
var manifests = kind[*manifest.Manifest]{manifest.DefaultChannel, func(r *replica.Replica, channel string) (*manifest.Manifest, error) {
	return manifest.Mount(r, channel, manifest.Config{})
}}

// Listed is a channel and the kind of model that it has, as somebody has listed it.
type Listed struct {
	Channel string `json:"channel"`
	Kind    string `json:"kind"`
	Origin
}

// ListedChange is one change of a list of channels.
type ListedChange struct {
	Channel string  `json:"channel,omitempty"`
	Old     *Listed `json:"old,omitempty"`
	New     *Listed `json:"new,omitempty"`
	Local   bool    `json:"local"`
	Lost    uint64  `json:"lost,omitempty"` // so many changes came too fast; nothing else is set
}

// ChannelKind is a channel and its kind.
type ChannelKind struct {
	Channel string `json:"channel"`
	Kind    string `json:"kind"`
}

// The operations on lists of channels.
var (
	ManifestShow = each(manifests, "show", func(_ context.Context, m *manifest.Manifest, _ None) iter.Seq2[Listed, error] {
		return mapped(m.All(), func(e manifest.Entry) Listed { return *newListed(&e) })
	})
	ManifestAdd = write(manifests, "add", func(ctx context.Context, m *manifest.Manifest, q ChannelKind) (wire.Ref, error) {
		return m.Add(ctx, q.Channel, q.Kind)
	})
	ManifestRemove = write(manifests, "rm", func(ctx context.Context, m *manifest.Manifest, channel string) (wire.Ref, error) {
		return m.Remove(ctx, channel)
	})
	ManifestWatch = follow(manifests, "watch", func(ctx context.Context, m *manifest.Manifest, glob string) iter.Seq2[ListedChange, error] {
		watch := func(ctx context.Context) (<-chan manifest.Change, error) { return m.Watch(ctx, glob) }
		return watched(ctx, watch, func(c manifest.Change) ListedChange {
			return ListedChange{c.Channel, newListed(c.Old), newListed(c.New), c.Local, c.Lost}
		})
	})
)

func newListed(e *manifest.Entry) *Listed {
	if e == nil {
		return nil
	}
	return &Listed{e.Channel, e.Kind, newOrigin(e.Ref, e.Time)}
}
