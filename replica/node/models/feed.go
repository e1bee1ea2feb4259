package models

import (
	"context"
	"fmt"
	"iter"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/model/feed"
	"github.com/hearsaynet/hearsay/replica/wire"
)

var feeds = kind[*feed.Feed]{feed.DefaultChannel, func(r *replica.Replica, channel string) (*feed.Feed, error) {
	return feed.Mount(r, channel, feed.Config{})
}}

// Item is an item of a feed.
type Item struct {
	Data
	Origin
}

// ItemChange is an item that came or went.
type ItemChange struct {
	Item    *Item  `json:"item,omitempty"`
	Removed bool   `json:"removed,omitempty"`
	Local   bool   `json:"local"`
	Lost    uint64 `json:"lost,omitempty"` // so many changes came too fast; nothing else is set
}

// FeedPart is which items are asked for: of one author, or of all for zero; the last N of
// them, or all for 0.
type FeedPart struct {
	Author keys.NodeID `json:"author,omitzero"`
	N      int         `json:"n,omitempty"`
}

// FeedItem names an item by the update that pushed it.
type FeedItem struct {
	Author keys.NodeID `json:"author"`
	Seq    uint64      `json:"seq"`
}

// The operations on feeds.
var (
	FeedShow = each(feeds, "show", func(_ context.Context, f *feed.Feed, q FeedPart) iter.Seq2[Item, error] {
		items := f.All()
		switch {
		case q.Author != (keys.NodeID{}):
			items = f.Author(q.Author)
		case q.N > 0:
			items = f.Newest(q.N)
		}
		return mapped(items, newItem)
	})
	FeedPush = writeMany(feeds, "push", func(ctx context.Context, f *feed.Feed, items [][]byte) ([]wire.Ref, error) {
		return f.PushMany(ctx, items...)
	})
	// FeedRemove removes an item, which must be the own author's.
	FeedRemove = write(feeds, "rm", func(ctx context.Context, f *feed.Feed, q FeedItem) (wire.Ref, error) {
		item, ok := f.Get(q.Author, q.Seq)
		if !ok {
			return wire.Ref{}, fmt.Errorf("models: %w with seq %d in this node's feed", feed.ErrNotFound, q.Seq)
		}
		return f.Remove(ctx, item.Ref)
	})
	// FeedTail answers with the last N items, and then with each that comes.
	FeedTail = follow(feeds, "tail", func(ctx context.Context, f *feed.Feed, q FeedPart) iter.Seq2[Item, error] {
		return mapped(f.Tail(ctx, q.N), newItem)
	})
	FeedWatch = follow(feeds, "watch", func(ctx context.Context, f *feed.Feed, _ None) iter.Seq2[ItemChange, error] {
		return watched(ctx, f.Watch, func(c feed.Change) ItemChange {
			if c.Lost > 0 {
				return ItemChange{Lost: c.Lost}
			}
			return ItemChange{new(newItem(c.Item)), c.Removed, c.Local, 0}
		})
	})
)

func newItem(i feed.Item) Item { return Item{newData(i.Data), newOrigin(i.Ref, i.Time)} }
