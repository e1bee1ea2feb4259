package node

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/model/events"
	"github.com/hearsaynet/hearsay/replica/model/kv"
	"github.com/hearsaynet/hearsay/replica/node/models"
	"github.com/hearsaynet/hearsay/replica/store"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// topic is one replica with its models: what API does but Status and Close.
type topic struct {
	n      *Node
	name   string
	r      *replica.Replica
	kv     *kv.Map     // nil on a relay
	events *events.Log // nil on a relay
	models *models.Set // the others
}

func (n *Node) openTopic(ctx context.Context, name string) (_ *topic, err error) {
	t := &topic{n: n, name: name}
	cfg := n.replicaConfig()
	cfg.Topic, cfg.Signer = name, n.id
	cfg.Guard, err = n.origin.guard(name, n.opts.Peers, n.opts.Force, func(err error) {
		if err != nil {
			n.log.Error("the store could not note that it writes with this key; the next start will ask peers again", "topic", name, "err", err)
		}
	})
	if err != nil {
		return nil, err
	}
	if t.r, err = replica.Open(ctx, cfg); err != nil {
		return nil, fmt.Errorf("node: %w", err)
	}
	t.models = models.NewSet(t.r, kv.DefaultChannel, events.DefaultChannel)
	if t.kv, err = kv.Mount(t.r, kv.DefaultChannel, kv.Config{}); err == nil {
		t.events, err = events.Mount(t.r, events.DefaultChannel, events.Config{})
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("node: %w", err), t.close())
	}
	return t, nil
}

func (t *topic) close() error {
	if t.kv != nil {
		t.kv.Close()
	}
	if t.events != nil {
		t.events.Close()
	}
	if t.models != nil {
		t.models.Close()
	}
	return t.r.Close()
}

// writable prepares for a write: an offline node opens its key now, so that a wrong
// passphrase, or an agent without the key, is the caller's error.
func (t *topic) writable(ctx context.Context) error {
	if t.kv == nil {
		return fmt.Errorf("node: %w", ErrRelay)
	}
	return t.n.id.ready(ctx)
}

func (t *topic) readable() error {
	if t.kv == nil {
		return fmt.Errorf("node: %w", ErrRelay)
	}
	return nil
}

// orClosed says that the node has stopped where a model says that it has.
func orClosed(err error) error {
	if errors.Is(err, kv.ErrClosed) || errors.Is(err, events.ErrClosed) || errors.Is(err, replica.ErrClosed) {
		return fmt.Errorf("node: %w", ErrClosed)
	}
	return err
}

func (t *topic) Set(ctx context.Context, key string, value []byte) (wire.Ref, error) {
	if err := t.writable(ctx); err != nil {
		return wire.Ref{}, err
	}
	ref, err := t.kv.Set(ctx, key, value)
	return ref, orClosed(err)
}

func (t *topic) SetUntil(ctx context.Context, key string, value []byte, expires time.Time) (wire.Ref, error) {
	if err := t.writable(ctx); err != nil {
		return wire.Ref{}, err
	}
	ref, err := t.kv.SetUntil(ctx, key, value, expires)
	return ref, orClosed(err)
}

func (t *topic) SetMany(ctx context.Context, pairs []Pair) ([]wire.Ref, error) {
	if err := t.writable(ctx); err != nil {
		return nil, err
	}
	many := make([]kv.Pair, len(pairs))
	for i, p := range pairs {
		many[i] = kv.Pair(p)
	}
	refs, err := t.kv.SetMany(ctx, many)
	return refs, orClosed(err)
}

func (t *topic) Delete(ctx context.Context, key string) (wire.Ref, error) {
	if err := t.writable(ctx); err != nil {
		return wire.Ref{}, err
	}
	ref, err := t.kv.Delete(ctx, key)
	return ref, orClosed(err)
}

func (t *topic) Get(_ context.Context, key string) (Value, error) {
	if err := t.readable(); err != nil {
		return Value{}, err
	}
	e, ok := t.kv.Get(key)
	if !ok {
		return Value{}, fmt.Errorf("node: %w: %q", ErrNoKey, key)
	}
	return *value(&e), nil
}

func value(e *kv.Entry) *Value {
	if e == nil {
		return nil
	}
	v := &Value{Key: e.Key, Value: e.Value, Author: e.Author, Seq: e.Seq, Time: instant(e.Time), Hash: e.Hash}
	if e.Expires != 0 {
		v.Expires = instant(e.Expires)
	}
	return v
}

func instant(ns uint64) time.Time { return time.Unix(0, int64(ns)).UTC() }

func (t *topic) Dump(ctx context.Context) iter.Seq2[Value, error] {
	return func(yield func(Value, error) bool) {
		if err := t.readable(); err != nil {
			yield(Value{}, err)
			return
		}
		for _, e := range t.kv.All() {
			if ctx.Err() != nil {
				yield(Value{}, context.Cause(ctx))
				return
			}
			if !yield(*value(&e), nil) {
				return
			}
		}
	}
}

func (t *topic) Watch(ctx context.Context, glob string) iter.Seq2[Change, error] {
	if err := t.readable(); err != nil {
		return failing[Change](err)
	}
	watching, stop := context.WithCancel(ctx)
	changes, err := t.kv.Watch(watching, glob)
	if err != nil {
		stop()
		return failing[Change](orClosed(err))
	}
	return func(yield func(Change, error) bool) {
		defer stop()
		for c := range changes {
			if !yield(Change{Key: c.Key, Old: value(c.Old), New: value(c.New), Local: c.Local, Expired: c.Expired, Lost: c.Lost}, nil) {
				return
			}
		}
		if ctx.Err() == nil {
			yield(Change{}, fmt.Errorf("node: %w", ErrClosed))
		}
	}
}

// failing yields an error and nothing else.
func failing[T any](err error) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var zero T
		yield(zero, err)
	}
}

func (t *topic) Do(ctx context.Context, name, channel string, request json.RawMessage) iter.Seq2[json.RawMessage, error] {
	return func(yield func(json.RawMessage, error) bool) {
		err := t.readable()
		if err == nil && models.Writes(name) {
			err = t.writable(ctx)
		}
		if err != nil {
			yield(nil, err)
			return
		}
		for answer, err := range t.models.Do(ctx, name, channel, request) {
			if err != nil {
				yield(nil, orClosed(err))
				return
			}
			line, err := marshal(answer)
			if !yield(line, err) || err != nil {
				return
			}
		}
		if models.Follows(name) && ctx.Err() == nil {
			yield(nil, fmt.Errorf("node: %w", ErrClosed))
		}
	}
}

// marshal is json.Marshal that leaves JSON in v as it is spelled.
func marshal(v any) (json.RawMessage, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

func (t *topic) Publish(ctx context.Context, name string, data ...[]byte) ([]wire.Ref, error) {
	if err := t.writable(ctx); err != nil {
		return nil, err
	}
	refs, err := t.events.PublishMany(ctx, name, data...)
	return refs, orClosed(err)
}

func (t *topic) PublishFor(ctx context.Context, name string, d time.Duration, data ...[]byte) ([]wire.Ref, error) {
	if err := t.writable(ctx); err != nil {
		return nil, err
	}
	refs, err := t.events.PublishFor(ctx, name, d, data...)
	return refs, orClosed(err)
}

func (t *topic) Tail(ctx context.Context, q TailQuery) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		if err := t.readable(); err != nil {
			yield(Event{}, err)
			return
		}
		from := events.From{Since: q.Since, Last: q.Last}
		if q.Last < 0 {
			from.After, from.Last = t.r.Clock(), 0
		}
		seq, err := t.events.Replay(q.Pattern, from)
		if q.Follow {
			seq, err = t.events.Follow(ctx, q.Pattern, from)
		}
		if err != nil {
			yield(Event{}, orClosed(err))
			return
		}
		for e := range seq {
			if !q.Follow && ctx.Err() != nil {
				yield(Event{}, context.Cause(ctx))
				return
			}
			if !yield(event(e), nil) {
				return
			}
		}
		if q.Follow && ctx.Err() == nil {
			yield(Event{}, fmt.Errorf("node: %w", ErrClosed))
		}
	}
}

func event(e events.Event) Event {
	out := Event{Name: e.Name, Data: e.Data, Author: e.Author, Seq: e.Seq, Time: instant(e.Time)}
	if e.Until != 0 {
		out.Until = instant(e.Until)
	}
	return out
}

func (t *topic) History(ctx context.Context, s replica.Selection) iter.Seq2[Update, error] {
	return func(yield func(Update, error) bool) {
		for u, err := range t.r.Select(s) {
			if err == nil && ctx.Err() != nil {
				err = context.Cause(ctx)
			}
			out := Update{u.Author, u.Seq, u.Hash, instant(u.Time), u.Channel, u.Change, u.Local}
			if !yield(out, err) || err != nil {
				return
			}
		}
	}
}

func (t *topic) Channels(ctx context.Context) ([]Channel, error) {
	channels := make(map[string]Channel)
	for u, err := range t.r.Select(replica.Selection{}) {
		if err == nil && ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		if err != nil {
			return nil, err
		}
		c := channels[u.Channel]
		channels[u.Channel] = Channel{u.Channel, c.Updates + 1, c.Bytes + uint64(len(u.Change)), ""}
	}
	if t.readable() == nil {
		for name, model := range t.models.Mounted() {
			c := channels[name]
			channels[name] = Channel{name, c.Updates, c.Bytes, model}
		}
	}
	return slices.SortedFunc(maps.Values(channels), func(a, b Channel) int { return strings.Compare(a.Channel, b.Channel) }), nil
}

func (t *topic) Export(ctx context.Context, w io.Writer, o replica.ExportConfig) (replica.Clock, error) {
	return t.r.Export(ctx, w, o)
}

func (t *topic) Import(ctx context.Context, r io.Reader) (replica.ImportResult, error) {
	return t.r.Import(ctx, r)
}

func (t *topic) Extract(_ context.Context, author keys.NodeID, seq uint64) (*Extract, error) {
	if seq == 0 {
		return nil, fmt.Errorf("node: %w: an author's first update has seq 1", ErrNoUpdate)
	}
	frontier, err := t.n.store.Frontier(t.name, author)
	if err != nil {
		return nil, fmt.Errorf("node: extract: %w", err)
	}
	if seq > frontier.Seq {
		return nil, fmt.Errorf("node: %w: of %v there is seq 1 to %d", ErrNoUpdate, author, frontier.Seq)
	}
	for run, err := range t.n.store.Runs(t.name, wire.Ref{Author: author, Seq: seq - 1}) {
		if err != nil {
			return nil, fmt.Errorf("node: extract: %w", err)
		}
		return extract(run)
	}
	return nil, fmt.Errorf("node: extract: %w", store.ErrNotFound)
}

// extract is about the first update of run.
func extract(run *wire.Run) (*Extract, error) {
	chain := run.Headers()
	h, err := wire.ParseHeader(chain[0])
	if err != nil {
		return nil, fmt.Errorf("node: extract: %w", err)
	}
	return &Extract{
		Key: run.Key().Wire(), Header: chain[len(chain)-1], Chain: chain,
		Change: run.Entries()[0].Change, Digest: h.Digest,
		Sig: keys.ArmorSignature(run.Key(), wire.NamespaceUpdate, run.Signature()),
	}, nil
}

func (t *topic) Explain(ctx context.Context, author keys.NodeID, seq uint64) (*Explanation, error) {
	x, err := t.r.Explain(ctx, author, seq)
	if err != nil {
		return nil, err
	}
	out := &Explanation{Explanation: x}
	if !x.Offered.IsZero() {
		out.OfferedKey = x.Offered.AuthorizedKey("")
	}
	return out, nil
}

func (t *topic) Proofs(ctx context.Context) iter.Seq2[*wire.Proof, error] {
	return func(yield func(*wire.Proof, error) bool) {
		for p, err := range t.r.Proofs() {
			if ctx.Err() != nil {
				yield(nil, context.Cause(ctx))
				return
			}
			if !yield(p, err) {
				return
			}
		}
	}
}
