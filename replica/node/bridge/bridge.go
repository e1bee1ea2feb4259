package bridge

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica/model/events"
	"github.com/hearsaynet/hearsay/replica/model/kv"
	"github.com/hearsaynet/hearsay/replica/node"
	"github.com/hearsaynet/hearsay/replica/scuttlebutt"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// Topic is what a bridge needs of a topic; a node.API is one.
type Topic interface {
	SetMany(ctx context.Context, pairs []node.Pair) ([]wire.Ref, error)
	Delete(ctx context.Context, key string) (wire.Ref, error)
	Get(ctx context.Context, key string) (node.Value, error)
	Dump(ctx context.Context) iter.Seq2[node.Value, error]
	Watch(ctx context.Context, glob string) iter.Seq2[node.Change, error]
	Publish(ctx context.Context, name string, data ...[]byte) ([]wire.Ref, error)
	Tail(ctx context.Context, q node.TailQuery) iter.Seq2[node.Event, error]
}

// Kind is the model on both sides.
type Kind string

// The kinds.
const (
	KV     Kind = "kv"     // npm's scuttlebutt/model
	Events Kind = "events" // npm's scuttlebutt/events
)

// Config says what is bridged.
type Config struct {
	Topic  Topic
	Name   string      // the topic's
	Self   keys.NodeID // who signs in the topic
	Kind   Kind        // default KV
	Prefix string      // of the topic's keys, or names of events, that have an npm side
	// Security is the npm fleet's; nil is none.
	Security scuttlebutt.Security
	// Dir is where the npm side's file is kept. It is made if it is not there.
	Dir string
	Log *slog.Logger // nil discards
}

// Stats counts what has crossed, and how often something was found that cannot: it is found
// again when it changes, and may be while the bridge begins.
type Stats struct {
	ToTopic, ToNPM, Refused uint64
}

// Bridge joins a topic with npm peers. Peers are linked to Node.
type Bridge struct {
	cfg  Config
	log  *slog.Logger
	side side
	file *scuttlebutt.File

	toTopic, toNPM, refused atomic.Uint64
}

// side is one kind of bridge.
type side interface {
	node() *scuttlebutt.Node
	run(ctx context.Context) error
}

// Open makes a bridge and loads what it keeps of the npm side. The error wraps os.ErrExist
// when another process has the same bridge.
func Open(ctx context.Context, cfg Config) (*Bridge, error) {
	b := &Bridge{cfg: cfg, log: cfg.Log}
	if b.log == nil {
		b.log = slog.New(slog.DiscardHandler)
	}
	if b.cfg.Kind == "" {
		b.cfg.Kind = KV
	}
	if err := b.checkPrefix(); err != nil {
		return nil, err
	}
	npm := scuttlebutt.Config{Security: cfg.Security, Log: b.log}
	name := b.name()
	if cfg.Security == nil {
		// The same after a restart, and another one for each bridge of a node.
		npm.ID = fmt.Sprintf("%v-%s", cfg.Self, name)
	}
	var err error
	switch b.cfg.Kind {
	case KV:
		b.side, err = newKVSide(b, npm)
	case Events:
		b.side, err = newEventSide(b, npm)
	default:
		err = fmt.Errorf("bridge: there is no model %q: kv or events", cfg.Kind)
	}
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("bridge: %w", err)
	}
	file, loaded, err := scuttlebutt.OpenFile(ctx, b.Node(), filepath.Join(cfg.Dir, name+".jsonl"))
	if err != nil {
		return nil, fmt.Errorf("bridge: %w", err)
	}
	if loaded.Refused > 0 {
		b.log.Warn("the npm side's file has updates that were refused", "refused", loaded.Refused)
	}
	b.file = file
	return b, nil
}

// checkPrefix refuses a prefix under which the topic has no keys, or no events.
func (b *Bridge) checkPrefix() error {
	prefix := b.cfg.Prefix
	switch {
	case b.cfg.Kind == KV && (len(prefix)+len(marker) >= kv.MaxKey || !utf8.ValidString(prefix)):
		return fmt.Errorf("bridge: the prefix %.80q is not UTF-8 of at most %d bytes", prefix, kv.MaxKey-len(marker)-1)
	case b.cfg.Kind == Events && (len(prefix) >= events.MaxName || prefix != "" && !nameable(prefix)):
		return fmt.Errorf("bridge: the prefix %.80q is not UTF-8 of at most %d bytes without control characters", prefix, events.MaxName-1)
	}
	return nil
}

// name tells bridges of one node from another.
func (b *Bridge) name() string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q %q", b.cfg.Name, b.cfg.Kind, b.cfg.Prefix))
	return hex.EncodeToString(sum[:6])
}

// Node is the bridge as npm peers see it.
func (b *Bridge) Node() *scuttlebutt.Node { return b.side.node() }

// Stats returns the counts since Open.
func (b *Bridge) Stats() Stats {
	return Stats{b.toTopic.Load(), b.toNPM.Load(), b.refused.Load()}
}

// Run bridges until ctx ends, or the topic is gone.
func (b *Bridge) Run(ctx context.Context) error { return b.side.run(ctx) }

// Close lets go of the file. Run and all sessions have ended.
func (b *Bridge) Close() error { return b.file.Close() }

// mostLogged bounds what is logged of a key or a name, in bytes: npm's may be 1 MiB.
const mostLogged = 80

// refuse says that something does not cross.
func (b *Bridge) refuse(what string, args ...any) {
	b.refused.Add(1)
	for i, arg := range args {
		if s, ok := arg.(string); ok && len(s) > mostLogged {
			args[i] = s[:mostLogged] + "…"
		}
	}
	b.log.Warn("does not cross: "+what, args...)
}

// lasting says whether the topic is gone, so that trying again is of no use.
func lasting(ctx context.Context, err error) bool {
	return ctx.Err() != nil || errors.Is(err, node.ErrClosed) || errors.Is(err, node.ErrRelay) || errors.Is(err, node.ErrNoTopic)
}

// pause is how long it takes until what failed is tried again.
const pause = time.Second

// again tries f until it succeeds, or the topic is gone.
func (b *Bridge) again(ctx context.Context, f func() error) error {
	for {
		err := f()
		if err == nil || lasting(ctx, err) {
			return err
		}
		b.log.Warn("nothing crosses now; it is tried again", "err", err)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// together runs functions until one of them ends, and then ends the others. It returns the
// first error.
func together(outer context.Context, all ...func(context.Context) error) error {
	ctx, end := context.WithCancelCause(outer)
	defer end(nil)
	var work sync.WaitGroup
	for _, f := range all {
		work.Go(func() {
			err := f(ctx)
			if err == nil {
				err = errEnded
			}
			end(err)
		})
	}
	work.Wait()
	return cmp.Or(context.Cause(outer), context.Cause(ctx))
}

var errEnded = errors.New("bridge: ended")

// millis is an instant of the topic as an npm timestamp.
func millis(t time.Time) float64 { return float64(t.UnixNano()) / 1e6 }
