package scuttlebutt

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"maps"
	"slices"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hearsaynet/hearsay/replica/scuttlebutt/internal/esjson"
)

// Config says who a node is and what it holds at most. The zero value is a node of a
// random id that believes everything, as the original does without security.
type Config struct {
	// ID names the node, and is the source of its updates: at most MaxSource bytes; empty
	// makes a random one. With Security it must be empty: the id is Security's.
	ID string
	// Security signs and verifies updates; nil neither signs nor asks.
	Security Security
	// MaxSkew is how far ahead of our clock an update may be dated; 0 is DefaultMaxSkew.
	// What is dated further ahead is refused until its time is nearer.
	MaxSkew time.Duration
	// MaxUpdates and MaxBytes bound the history; 0 is DefaultMaxUpdates, DefaultMaxBytes.
	MaxUpdates int
	MaxBytes   int64
	// Log receives warnings; nil discards.
	Log *slog.Logger
}

// The reasons why an update is not taken.
var (
	// ErrFull is wrapped when the history or the clock has reached its bound.
	ErrFull = errors.New("scuttlebutt: full")
	// ErrFuture is wrapped when an update is dated too far ahead.
	ErrFuture = errors.New("scuttlebutt: dated too far ahead")
	// ErrUnverified is wrapped when Security refuses an update.
	ErrUnverified = errors.New("scuttlebutt: not verified")
	// ErrUnusable is wrapped when the model knows nothing to do with a change.
	ErrUnusable = errors.New("scuttlebutt: the model cannot use this change")
	// ErrTooLong is wrapped when an own update does not fit a line.
	ErrTooLong = errors.New("scuttlebutt: update too long")
)

// Stats counts what has become of the updates that arrived.
type Stats struct {
	Updates int   // in the history now
	Bytes   int64 // that they take
	Sources int   // in the clock

	Applied    uint64 // own ones included
	Superseded uint64 // older than what stands in their place
	Old        uint64 // not newer than the clock: known, or come in the wrong order
	Unusable   uint64 // counted in the clock, without effect
	Skipped    uint64 // arrays that are no updates
	Refused    uint64 // see Refusals
	Muted      uint64 // from a source of which the same session has sent a refused one before
}

// Refusal is an update that was not taken and may come again.
type Refusal struct {
	At        time.Time
	Peer      string // SyncConfig.Name
	Source    string
	Timestamp float64
	Err       error // wraps ErrFull, ErrFuture or ErrUnverified
}

// Node holds a set of updates that it replicates with its peers: the original's base
// class. Model and Events are Nodes. It is safe for concurrent use.
type Node struct {
	id    string
	cfg   Config
	log   *slog.Logger
	model model
	self  []byte // id as it stands in JSON

	sessions atomic.Uint64 // ids given out
	files    atomic.Uint64 // ids given out

	localMu sync.Mutex         // held while an own update is made; guards journal
	journal func(*entry) error // what keeps own updates before anybody gets them, or nil
	now     func() time.Time

	mu       sync.RWMutex // guards what follows, and what the model holds
	clock    map[string]float64
	newest   float64 // the greatest timestamp in clock
	size     int     // of the clock in a header, in bytes
	updates  []*entry
	live     int   // entries of updates that are not gone
	bytes    int64 // of the lines of live entries
	seq      uint64
	changed  chan struct{} // closed when updates grows
	stats    Stats
	refusals []Refusal // a ring, oldest first
}

// model folds updates into a state, under Node.mu.
type model interface {
	// place says where e belongs: whether it stays in the history, in the place of which
	// one, and under which key it is put. An error wraps ErrUnusable.
	place(e *entry) (key string, keep bool, gone *entry, err error)
	// put puts e in its place.
	put(key string, e *entry)
}

func (n *Node) init(cfg Config, m model) error {
	switch {
	case cfg.Security != nil && cfg.ID != "":
		return errors.New("scuttlebutt: Config.ID and Config.Security: the id is Security's")
	case cfg.Security != nil:
		cfg.ID = cfg.Security.ID()
	case cfg.ID == "":
		cfg.ID = randomID()
	}
	n.self = esjson.AppendString(nil, cfg.ID)
	n.id = esjson.Unquote(n.self)
	if n.id == proto || n.id == "" || len(n.id) > MaxSource {
		return fmt.Errorf("scuttlebutt: the id %.20q is empty, reserved, or longer than %d bytes", n.id, MaxSource)
	}
	if cfg.MaxSkew == 0 {
		cfg.MaxSkew = DefaultMaxSkew
	}
	if cfg.MaxUpdates == 0 {
		cfg.MaxUpdates = DefaultMaxUpdates
	}
	if cfg.MaxBytes == 0 {
		cfg.MaxBytes = DefaultMaxBytes
	}
	if cfg.MaxSkew < 0 || cfg.MaxUpdates < 0 || cfg.MaxBytes < 0 {
		return errors.New("scuttlebutt: a limit in Config is negative")
	}
	n.cfg, n.log, n.model = cfg, cfg.Log, m
	if n.log == nil {
		n.log = slog.New(slog.DiscardHandler)
	}
	n.now = time.Now
	n.clock = make(map[string]float64)
	n.changed = make(chan struct{})
	if w, ok := cfg.Security.(interface{ warning() string }); ok {
		n.log.Warn(w.warning(), "id", n.id)
	}
	return nil
}

// randomID returns 128 bits as the original writes its ids: upper-case hexadecimal.
func randomID() string {
	var b [16]byte
	rand.Read(b[:])
	return strings.ToUpper(hex.EncodeToString(b[:]))
}

// ID returns the node's id.
func (n *Node) ID() string { return n.id }

// Clock returns up to where each source's updates are known. It moves only when an
// update has been verified.
func (n *Node) Clock() Clock {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return Clock(maps.Clone(n.clock))
}

// Stats returns the counts up to now.
func (n *Node) Stats() Stats {
	n.mu.RLock()
	defer n.mu.RUnlock()
	stats := n.stats
	stats.Updates, stats.Bytes, stats.Sources = n.live, n.bytes, len(n.clock)
	return stats
}

// Refusals returns the latest updates that were not taken, oldest first.
func (n *Node) Refusals() []Refusal {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return slices.Clone(n.refusals)
}

// History returns the updates beyond a clock, which may be nil, in the order of their
// timestamps and then of their sources.
func (n *Node) History(after Clock) []Update {
	entries, _ := n.history(after)
	all := make([]Update, len(entries))
	for i, e := range entries {
		all[i] = e.update()
	}
	return all
}

// Updates yields the history in the order of History, then every update as it is
// applied, until ctx ends. Updates that were replaced before they are reached are left
// out, so a slow reader costs no memory.
func (n *Node) Updates(ctx context.Context) iter.Seq[Update] {
	return func(yield func(Update) bool) {
		entries, seq := n.history(nil)
		for {
			for _, e := range entries {
				if ctx.Err() != nil || !yield(e.update()) {
					return
				}
			}
			var changed <-chan struct{}
			if entries, seq, changed = n.after(seq); len(entries) == 0 {
				select {
				case <-changed:
				case <-ctx.Done():
					return
				}
			}
		}
	}
}

// history returns the entries beyond a clock, sorted, and the newest one's place.
func (n *Node) history(after Clock) ([]*entry, uint64) {
	n.mu.RLock()
	entries := make([]*entry, 0, n.live)
	for _, e := range n.updates {
		if !e.gone && after[e.source] < e.ts {
			entries = append(entries, e)
		}
	}
	seq := n.seq
	n.mu.RUnlock()
	slices.SortFunc(entries, inOrder)
	return entries, seq
}

// inOrder is the order of a history: by timestamp, then by source.
func inOrder(a, b *entry) int {
	switch {
	case a.ts < b.ts:
		return -1
	case a.ts > b.ts:
		return 1
	}
	return esjson.Compare(a.source, b.source)
}

// after returns some entries behind the place seq, the place of the last one, and what is
// closed when there are more; the entries are none when there are none yet.
func (n *Node) after(seq uint64) ([]*entry, uint64, <-chan struct{}) {
	n.mu.RLock()
	defer n.mu.RUnlock()
	i := sort.Search(len(n.updates), func(i int) bool { return n.updates[i].seq > seq })
	var entries []*entry
	for ; i < len(n.updates) && len(entries) < batch; i++ {
		seq = n.updates[i].seq
		if e := n.updates[i]; !e.gone {
			entries = append(entries, e)
		}
	}
	return entries, seq, n.changed
}

// known says whether e is not newer than the clock.
func (n *Node) known(e *entry) bool {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return n.clock[e.source] >= e.ts
}

// ahead says whether ts is further ahead of our clock than MaxSkew.
func (n *Node) ahead(ts float64) bool {
	return ts > float64(n.now().Add(n.cfg.MaxSkew).UnixMilli())
}
