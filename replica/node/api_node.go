package node

import (
	"context"
	"encoding/json"
	"io"
	"iter"
	"time"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// The methods of API but Status and Close act on the node's first topic.

// Set implements API.
func (n *Node) Set(ctx context.Context, key string, value []byte) (wire.Ref, error) {
	t, err := n.topic("")
	if err != nil {
		return wire.Ref{}, err
	}
	return t.Set(ctx, key, value)
}

// SetUntil implements API.
func (n *Node) SetUntil(ctx context.Context, key string, value []byte, expires time.Time) (wire.Ref, error) {
	t, err := n.topic("")
	if err != nil {
		return wire.Ref{}, err
	}
	return t.SetUntil(ctx, key, value, expires)
}

// SetMany implements API.
func (n *Node) SetMany(ctx context.Context, pairs []Pair) ([]wire.Ref, error) {
	t, err := n.topic("")
	if err != nil {
		return nil, err
	}
	return t.SetMany(ctx, pairs)
}

// Delete implements API.
func (n *Node) Delete(ctx context.Context, key string) (wire.Ref, error) {
	t, err := n.topic("")
	if err != nil {
		return wire.Ref{}, err
	}
	return t.Delete(ctx, key)
}

// Get implements API.
func (n *Node) Get(ctx context.Context, key string) (Value, error) {
	t, err := n.topic("")
	if err != nil {
		return Value{}, err
	}
	return t.Get(ctx, key)
}

// Dump implements API.
func (n *Node) Dump(ctx context.Context) iter.Seq2[Value, error] {
	t, err := n.topic("")
	if err != nil {
		return failing[Value](err)
	}
	return t.Dump(ctx)
}

// Watch implements API.
func (n *Node) Watch(ctx context.Context, glob string) iter.Seq2[Change, error] {
	t, err := n.topic("")
	if err != nil {
		return failing[Change](err)
	}
	return t.Watch(ctx, glob)
}

// Publish implements API.
func (n *Node) Publish(ctx context.Context, name string, data ...[]byte) ([]wire.Ref, error) {
	t, err := n.topic("")
	if err != nil {
		return nil, err
	}
	return t.Publish(ctx, name, data...)
}

// Do implements API.
func (n *Node) Do(ctx context.Context, name, channel string, request json.RawMessage) iter.Seq2[json.RawMessage, error] {
	t, err := n.topic("")
	if err != nil {
		return failing[json.RawMessage](err)
	}
	return t.Do(ctx, name, channel, request)
}

// PublishFor implements API.
func (n *Node) PublishFor(ctx context.Context, name string, d time.Duration, data ...[]byte) ([]wire.Ref, error) {
	t, err := n.topic("")
	if err != nil {
		return nil, err
	}
	return t.PublishFor(ctx, name, d, data...)
}

// Tail implements API.
func (n *Node) Tail(ctx context.Context, q TailQuery) iter.Seq2[Event, error] {
	t, err := n.topic("")
	if err != nil {
		return failing[Event](err)
	}
	return t.Tail(ctx, q)
}

// History implements API.
func (n *Node) History(ctx context.Context, s replica.Selection) iter.Seq2[Update, error] {
	t, err := n.topic("")
	if err != nil {
		return failing[Update](err)
	}
	return t.History(ctx, s)
}

// Channels implements API.
func (n *Node) Channels(ctx context.Context) ([]Channel, error) {
	t, err := n.topic("")
	if err != nil {
		return nil, err
	}
	return t.Channels(ctx)
}

// Export implements API.
func (n *Node) Export(ctx context.Context, w io.Writer, o replica.ExportConfig) (replica.Clock, error) {
	t, err := n.topic("")
	if err != nil {
		return nil, err
	}
	return t.Export(ctx, w, o)
}

// Import implements API.
func (n *Node) Import(ctx context.Context, r io.Reader) (replica.ImportResult, error) {
	t, err := n.topic("")
	if err != nil {
		return replica.ImportResult{}, err
	}
	return t.Import(ctx, r)
}

// Extract implements API.
func (n *Node) Extract(ctx context.Context, author keys.NodeID, seq uint64) (*Extract, error) {
	t, err := n.topic("")
	if err != nil {
		return nil, err
	}
	return t.Extract(ctx, author, seq)
}

// Explain implements API.
func (n *Node) Explain(ctx context.Context, author keys.NodeID, seq uint64) (*Explanation, error) {
	t, err := n.topic("")
	if err != nil {
		return nil, err
	}
	return t.Explain(ctx, author, seq)
}

// Proofs implements API.
func (n *Node) Proofs(ctx context.Context) iter.Seq2[*wire.Proof, error] {
	t, err := n.topic("")
	if err != nil {
		return failing[*wire.Proof](err)
	}
	return t.Proofs(ctx)
}
