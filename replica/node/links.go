package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/link"
)

// carrier is where sessions get their replicas from.
type carrier interface {
	// Adopt answers a peer that names topics; release follows the session's end.
	Adopt(ctx context.Context, topics []string) (replicas []*replica.Replica, release func())
	// Replicas returns what to name to a peer that is dialed, and what is closed when
	// that has changed.
	Replicas() ([]*replica.Replica, <-chan struct{})
}

// fixed is a carrier that never changes.
type fixed []*replica.Replica

func (f fixed) Adopt(_ context.Context, topics []string) (replicas []*replica.Replica, release func()) {
	named := make(map[string]bool, len(topics))
	for _, t := range topics {
		named[t] = true
	}
	for _, r := range f {
		if named[r.Topic()] {
			replicas = append(replicas, r)
		}
	}
	return replicas, func() {}
}

func (f fixed) Replicas() ([]*replica.Replica, <-chan struct{}) { return f, nil }

// links holds the sessions with peers: those that are dialed and those that come.
// Two nodes that dial each other have two links, and use both.
type links struct {
	carrier carrier
	one     replica.SyncConfig // what all sessions have in common
	log     *slog.Logger
	bans    bans

	mu      sync.Mutex // guards the fields below and the peers'
	dialed  []*peer    // as configured
	inbound map[*peer]struct{}
}

// peer is one configured peer, or one accepted link.
type peer struct {
	address  link.Address // of a configured peer
	name     string       // as people and the replica's guard know it
	id       keys.NodeID  // as proved last; zero before
	state    PeerState
	reason   string
	conn     *link.Conn // nil without a link
	in, out  uint64     // bytes of the links before
	counters replica.Counters
}

func newLinks(c carrier, peers []link.Address, names []string, log *slog.Logger) *links {
	l := &links{carrier: c, log: log, inbound: make(map[*peer]struct{})}
	for i, a := range peers {
		l.dialed = append(l.dialed, &peer{address: a, name: names[i], state: PeerDialing})
	}
	return l
}

// maintain keeps a link to p until ctx ends. A relay that carries nothing yet has
// nothing to ask for, and waits.
func (l *links) maintain(ctx context.Context, ep *link.Endpoint, p *peer) {
	for {
		replicas, changed := l.carrier.Replicas()
		if len(replicas) > 0 {
			break
		}
		select {
		case <-ctx.Done():
			return
		case <-changed:
		}
	}
	hold := func(ctx context.Context, c *link.Conn) error { return l.holdDialed(ctx, c, p) }
	ep.Maintain(ctx, p.address, hold, func(s link.State, err error) { l.report(p, s, err) })
}

// report notes how a configured peer stands.
func (l *links) report(p *peer, s link.State, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	was := p.state
	p.state, p.reason = PeerState(s.String()), reasonText(err)
	if p.state != was && p.state != PeerDialing {
		l.log.Info("peer", "address", p.name, "state", p.state, "reason", p.reason)
	}
}

// errTopics ends the sessions of a relay whose topics have changed.
var errTopics = fmt.Errorf("node: the topics have changed: %w", link.ErrRestart)

// holdDialed holds one session on a link that this node made.
func (l *links) holdDialed(ctx context.Context, c *link.Conn, p *peer) error {
	if err := l.bans.turnAway(c); err != nil {
		return err
	}
	replicas, changed := l.carrier.Replicas()
	if len(replicas) == 0 {
		return errors.New("node: there is no topic yet to ask for")
	}
	ctx, cancel := context.WithCancelCause(ctx)
	var watch sync.WaitGroup
	watch.Go(func() {
		select {
		case <-changed:
			cancel(errTopics)
		case <-ctx.Done():
		}
	})
	defer watch.Wait()
	defer cancel(nil)
	l.began(p, c)
	defer l.ended(p)
	err := replica.SyncAll(ctx, c, l.session(p, c), replicas...)
	l.bans.judge(c, p.name, err)
	if b := l.bans.of(c.PeerID()); b != nil {
		return b.refusal()
	}
	return byPeer(p.name, err)
}

// holdAccepted holds one session on a link that the peer made.
func (l *links) holdAccepted(ctx context.Context, c *link.Conn) error {
	if err := l.bans.turnAway(c); err != nil {
		return err
	}
	p := &peer{name: c.PeerID().String() + "@" + c.RemoteAddr().String(), state: PeerLinked}
	l.mu.Lock()
	l.inbound[p] = struct{}{}
	l.mu.Unlock()
	l.began(p, c)
	defer func() {
		l.ended(p)
		l.mu.Lock()
		delete(l.inbound, p)
		l.mu.Unlock()
	}()
	release := func() {}
	answer := func(topics []string) (replicas []*replica.Replica) {
		replicas, release = l.carrier.Adopt(ctx, topics)
		return replicas
	}
	cfg := l.session(p, c)
	cfg.Origin, cfg.Answer = c.Prefix().String(), answer
	err := replica.SyncAll(ctx, c, cfg)
	release()
	l.bans.judge(c, p.name, err)
	return err
}

// session says how a session with p is held.
func (l *links) session(p *peer, c *link.Conn) replica.SyncConfig {
	cfg := l.one
	cfg.Name, cfg.Peer, cfg.Counters = p.name, c.PeerID(), &p.counters
	return cfg
}

func (l *links) began(p *peer, c *link.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p.conn, p.id = c, c.PeerID()
}

func (l *links) ended(p *peer) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p.in += p.conn.BytesIn()
	p.out += p.conn.BytesOut()
	p.conn = nil
}

// status returns the configured peers in their order, then the accepted links by
// address, then the peers that are refused and not among them.
func (l *links) status(sessions map[string][]replica.LinkStatus) []Peer {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := make([]Peer, 0, len(l.dialed)+len(l.inbound))
	listed := make(map[keys.NodeID]bool)
	add := func(p *peer) {
		s := p.status()
		s.Dialed, s.Sessions = p.address.HostPort != "", sessions[p.name]
		listed[p.id] = true
		out = append(out, s)
	}
	for _, p := range l.dialed {
		add(p)
	}
	for _, p := range sortedPeers(l.inbound) {
		add(p)
	}
	for _, b := range l.bans.active() {
		if !listed[b.id] {
			out = append(out, Peer{ID: &b.id, Address: b.name, State: PeerRefused, Reason: b.text()})
		}
	}
	return out
}

func (p *peer) status() Peer {
	s := Peer{
		Address: p.name, State: p.state, Reason: p.reason, BytesIn: p.in, BytesOut: p.out,
		UpdatesIn: p.counters.UpdatesIn.Load(), UpdatesOut: p.counters.UpdatesOut.Load(),
	}
	if p.conn != nil {
		s.BytesIn += p.conn.BytesIn()
		s.BytesOut += p.conn.BytesOut()
	}
	if id := p.id; !id.IsZero() {
		s.ID = &id
	}
	return s
}

func reasonText(err error) string {
	if err == nil {
		return ""
	}
	text := err.Error()
	if len(text) > maxReason {
		text = strings.ToValidUTF8(text[:maxReason], "") + "…"
	}
	return text
}
