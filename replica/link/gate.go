package link

import (
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// gate decides which accepted connections may go on.
type gate struct {
	maxConns, maxHandshakes, maxPerPrefix int

	mu      sync.Mutex // guards the fields below, all buckets and slots
	buckets map[netip.Prefix]*bucket
	pending int // slots in a handshake
	linked  int // slots of links
}

// bucket is one address prefix.
type bucket struct {
	prefix  netip.Prefix
	local   bool // loopback: no limits of its own
	rate    *rate.Limiter
	pending []*slot // oldest first
	linked  []*slot // oldest first
}

// slot is the place of one accepted connection.
type slot struct {
	bucket    *bucket
	stop      func() // closes the connection; must not block
	displaced bool
}

func newGate(cfg Config) *gate {
	return &gate{
		maxConns: cfg.MaxConns, maxHandshakes: cfg.MaxHandshakes, maxPerPrefix: cfg.MaxPerPrefix,
		buckets: make(map[netip.Prefix]*bucket),
	}
}

// admit gives a new connection a slot, or says why not. It may displace the
// oldest handshake of the prefix that has most.
func (g *gate) admit(addr net.Addr, stop func()) (*slot, Reason) {
	g.mu.Lock()
	defer g.mu.Unlock()
	b := g.bucketLocked(addr)
	defer g.tidyLocked(b)
	if !b.local {
		if !b.rate.Allow() {
			return nil, ReasonRate
		}
		if len(b.pending)+len(b.linked) >= g.maxPerPrefix {
			return nil, ReasonPrefix
		}
	}
	if g.linked >= g.maxConns && g.largestLinkedLocked(b) == nil {
		return nil, ReasonFull // before it costs a handshake
	}
	if g.pending >= g.maxHandshakes {
		g.displaceLocked(g.largestPendingLocked(b).pending[0])
	}
	s := &slot{bucket: b, stop: stop}
	b.pending = append(b.pending, s)
	g.pending++
	return s, 0
}

// promote turns a handshake's slot into a link's, or says why not. It may
// displace the newest link of the prefix that has most.
func (g *gate) promote(s *slot, stop func()) Reason {
	g.mu.Lock()
	defer g.mu.Unlock()
	if s.displaced {
		return ReasonDisplaced
	}
	b := s.bucket
	if g.linked >= g.maxConns {
		largest := g.largestLinkedLocked(b)
		if largest == nil {
			return ReasonFull
		}
		g.displaceLocked(largest.linked[len(largest.linked)-1])
	}
	g.removeLocked(s)
	s.stop = stop
	b.linked = append(b.linked, s)
	g.linked++
	return 0
}

// release frees s; it says whether s had been displaced.
func (g *gate) release(s *slot) (displaced bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.removeLocked(s)
	g.tidyLocked(s.bucket)
	return s.displaced
}

func (g *gate) counts() (pending, linked int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.pending, g.linked
}

// largestPendingLocked returns the prefix with most handshakes, a new one of own
// counted in; own itself when it is level with another.
func (g *gate) largestPendingLocked(own *bucket) *bucket {
	largest, most := own, 0
	if len(own.pending) > 0 {
		most = len(own.pending) + 1
	}
	for _, b := range g.buckets {
		if len(b.pending) > most {
			largest, most = b, len(b.pending)
		}
	}
	return largest
}

// largestLinkedLocked returns the prefix with most links, if it would still have
// more than own after own has gained one at its cost; else nil.
func (g *gate) largestLinkedLocked(own *bucket) *bucket {
	var largest *bucket
	most := len(own.linked) + 1
	for _, b := range g.buckets {
		if b != own && len(b.linked) > most {
			largest, most = b, len(b.linked)
		}
	}
	return largest
}

func (g *gate) displaceLocked(s *slot) {
	g.removeLocked(s)
	s.displaced = true
	s.stop()
}

// removeLocked takes s out of the counts, if it is still in them.
func (g *gate) removeLocked(s *slot) {
	b := s.bucket
	if i := slices.Index(b.pending, s); i >= 0 {
		b.pending = slices.Delete(b.pending, i, i+1)
		g.pending--
	}
	if i := slices.Index(b.linked, s); i >= 0 {
		b.linked = slices.Delete(b.linked, i, i+1)
		g.linked--
	}
}

func (g *gate) bucketLocked(addr net.Addr) *bucket {
	prefix, local := prefixOf(addr)
	if b := g.buckets[prefix]; b != nil {
		return b
	}
	if len(g.buckets) >= maxPrefixes { // forget the rates of those that have nothing open
		for p, b := range g.buckets {
			if b.empty() {
				delete(g.buckets, p)
			}
		}
	}
	b := &bucket{prefix: prefix, local: local, rate: rate.NewLimiter(prefixRate, prefixBurst)}
	g.buckets[prefix] = b
	return b
}

// tidyLocked forgets b when nothing is left to remember.
func (g *gate) tidyLocked(b *bucket) {
	if b.empty() && b.rate.TokensAt(time.Now()) >= prefixBurst {
		delete(g.buckets, b.prefix)
	}
}

func (b *bucket) empty() bool { return len(b.pending) == 0 && len(b.linked) == 0 }

// prefixOf returns what addr is counted under: its /32 or /64, the loopback of
// either family as one, and the zero prefix for what is no IP address.
func prefixOf(addr net.Addr) (prefix netip.Prefix, local bool) {
	ap, err := netip.ParseAddrPort(addr.String())
	if err != nil {
		return netip.Prefix{}, false
	}
	ip := ap.Addr().Unmap().WithZone("")
	if ip.IsLoopback() {
		return netip.PrefixFrom(netip.IPv6Loopback(), 128), true
	}
	bits := 32
	if ip.Is6() {
		bits = 64
	}
	prefix, _ = ip.Prefix(bits) // bits fit the family
	return prefix, false
}
