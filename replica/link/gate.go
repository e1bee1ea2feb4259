package link

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// gate decides which accepted connections may go on, and when.
type gate struct {
	most         [stages]int // slots in each stage
	maxPerPrefix int

	mu        sync.Mutex // guards the fields below, all buckets and slots
	slots     [stages][]*slot
	buckets   map[netip.Prefix]*bucket
	sweepAt   int           // how many buckets there are when it is next looked which can go
	pace      *rate.Limiter // handshakes begun
	timer     *time.Timer   // of the next turn; nil: nobody waits
	offenders offenders
}

// stage is how far an accepted connection has come.
type stage uint8

const (
	stageWaiting   stage = iota // for its turn
	stageHandshake              // oldest first, as all stages
	stageLink
	stages
)

// bucket is one address prefix.
type bucket struct {
	local bool // loopback: no limits of its own
	rate  *rate.Limiter
	turn  time.Time // when a handshake of it last began
	count [stages]int
}

// slot is the place of one accepted connection.
type slot struct {
	bucket    *bucket
	stage     stage
	gone      bool          // released or displaced
	displaced bool          // for others
	turn      chan struct{} // closed when its handshake may begin, or it was displaced
	stop      func()        // closes the connection; must not block
}

func newGate(cfg Config) *gate {
	return &gate{
		most:         [stages]int{waitingPerHandshake * cfg.MaxHandshakes, cfg.MaxHandshakes, cfg.MaxConns},
		maxPerPrefix: cfg.MaxPerPrefix,
		buckets:      make(map[netip.Prefix]*bucket),
		pace:         rate.NewLimiter(rate.Limit(cfg.AcceptRate), cfg.MaxHandshakes),
		offenders:    make(offenders),
	}
}

// admit gives a new connection a slot, or says why not. It may displace the
// oldest waiting one of the prefix that has most.
func (g *gate) admit(addr net.Addr, stop func()) (*slot, Reason) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	prefix := addressPrefix(addr)
	if g.offenders.banned(prefix, now) {
		return nil, ReasonBanned
	}
	b := g.bucketLocked(prefix, now)
	if !b.local {
		if !b.rate.AllowN(now, 1) {
			return nil, ReasonRate
		}
		if b.all() >= g.maxPerPrefix {
			return nil, ReasonPrefix
		}
	}
	if g.fullLocked(stageLink) && g.largestLinkedLocked(b) == nil {
		return nil, ReasonFull // before it costs a handshake
	}
	s := &slot{bucket: b, stage: stages, turn: make(chan struct{}), stop: stop}
	g.enterLocked(s, stageWaiting)
	g.turnsLocked(now)
	return s, 0
}

// wait returns when it is s's turn to begin its handshake; 0 says that it is.
func (g *gate) wait(ctx context.Context, s *slot, most time.Duration) Reason {
	limit := time.NewTimer(most)
	defer limit.Stop()
	select {
	case <-s.turn:
	case <-ctx.Done():
		return ReasonHungUp
	case <-limit.C:
		return ReasonTimeout
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if s.displaced {
		return ReasonDisplaced
	}
	return 0
}

// turnsLocked begins handshakes at the pace allowed, one prefix after the other:
// who has not had a turn for longest is first, whatever the others have waiting.
func (g *gate) turnsLocked(now time.Time) {
	for len(g.slots[stageWaiting]) > 0 && g.pace.AllowN(now, 1) {
		next := g.slots[stageWaiting][0]
		for _, s := range g.slots[stageWaiting] {
			if s.bucket.turn.Before(next.bucket.turn) {
				next = s
			}
		}
		g.enterLocked(next, stageHandshake)
		next.bucket.turn = now
		close(next.turn)
	}
	if len(g.slots[stageWaiting]) > 0 && g.timer == nil {
		missing := 1 - g.pace.TokensAt(now)
		wait := time.Duration(missing / float64(g.pace.Limit()) * float64(time.Second))
		g.timer = time.AfterFunc(max(wait, time.Millisecond), g.turns)
	}
}

func (g *gate) turns() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.timer = nil
	g.turnsLocked(time.Now())
}

// promote turns a handshake's slot into a link's, or says why not. It may
// displace the newest link of the prefix that has most.
func (g *gate) promote(s *slot, stop func()) Reason {
	g.mu.Lock()
	defer g.mu.Unlock()
	if s.displaced {
		return ReasonDisplaced
	}
	if g.fullLocked(stageLink) {
		largest := g.largestLinkedLocked(s.bucket)
		if largest == nil {
			return ReasonFull
		}
		for _, other := range slices.Backward(g.slots[stageLink]) {
			if other.bucket == largest {
				g.displaceLocked(other)
				break
			}
		}
	}
	s.stop = stop
	g.enterLocked(s, stageLink)
	return 0
}

// release frees s; it says whether s had been displaced.
func (g *gate) release(s *slot) (displaced bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.leaveLocked(s)
	s.gone = true
	return s.displaced
}

// counts returns how many connections wait or are in their handshake, and how many are linked.
func (g *gate) counts() (pending, linked int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.slots[stageWaiting]) + len(g.slots[stageHandshake]), len(g.slots[stageLink])
}

func (g *gate) fullLocked(st stage) bool { return len(g.slots[st]) >= g.most[st] }

// enterLocked moves s to a stage. There it may displace the oldest of the prefix
// that has most; of links, promote chooses.
func (g *gate) enterLocked(s *slot, st stage) {
	if g.fullLocked(st) && st != stageLink {
		largest := g.largestLocked(st, s.bucket)
		i := slices.IndexFunc(g.slots[st], func(o *slot) bool { return o.bucket == largest })
		g.displaceLocked(g.slots[st][i])
	}
	g.leaveLocked(s)
	s.stage = st
	s.bucket.count[st]++
	g.slots[st] = append(g.slots[st], s)
}

// largestLocked returns the prefix with most slots in a stage, a new one of own
// counted in; own itself when it is level with another.
func (g *gate) largestLocked(st stage, own *bucket) *bucket {
	largest, most := own, own.count[st]
	if most > 0 {
		most++
	}
	for _, s := range g.slots[st] {
		if n := s.bucket.count[st]; n > most {
			largest, most = s.bucket, n
		}
	}
	return largest
}

// largestLinkedLocked returns the prefix with most links, if it would still have
// more than own after own has gained one at its cost; else nil.
func (g *gate) largestLinkedLocked(own *bucket) *bucket {
	var largest *bucket
	most := own.count[stageLink] + 1
	for _, s := range g.slots[stageLink] {
		if n := s.bucket.count[stageLink]; n > most {
			largest, most = s.bucket, n
		}
	}
	return largest
}

func (g *gate) displaceLocked(s *slot) {
	g.leaveLocked(s)
	if s.stage == stageWaiting {
		defer close(s.turn)
	}
	s.gone, s.displaced = true, true
	s.stop()
}

// leaveLocked takes s out of the stage that it is in, if any.
func (g *gate) leaveLocked(s *slot) {
	if s.gone || s.stage == stages {
		return
	}
	i := slices.Index(g.slots[s.stage], s)
	g.slots[s.stage] = slices.Delete(g.slots[s.stage], i, i+1)
	s.bucket.count[s.stage]--
}

func (g *gate) bucketLocked(prefix netip.Prefix, now time.Time) *bucket {
	local := prefix.IsValid() && prefix.Addr().IsLoopback()
	if local {
		prefix = netip.PrefixFrom(netip.IPv6Loopback(), 128) // all of it is one machine
	}
	if b := g.buckets[prefix]; b != nil {
		return b
	}
	if len(g.buckets) >= g.sweepAt {
		g.sweepLocked(now)
	}
	b := &bucket{local: local, rate: rate.NewLimiter(prefixRate, prefixBurst)}
	g.buckets[prefix] = b
	return b
}

// sweepLocked forgets the prefixes of which nothing is left to remember; when they are
// too many, all that have nothing open.
func (g *gate) sweepLocked(now time.Time) {
	for _, all := range []bool{false, true} {
		if all && len(g.buckets) < maxPrefixes {
			break
		}
		for p, b := range g.buckets {
			if b.all() == 0 && (all || b.rate.TokensAt(now) >= prefixBurst && now.Sub(b.turn) >= turnMemory) {
				delete(g.buckets, p)
			}
		}
	}
	g.sweepAt = min(max(2*len(g.buckets), 64), maxPrefixes)
}

func (b *bucket) all() (n int) {
	for _, c := range b.count {
		n += c
	}
	return n
}

// addressPrefix returns what addr is counted under: its /32 or /64, the zero
// prefix for what is no IP address.
func addressPrefix(addr net.Addr) netip.Prefix {
	ap, err := netip.ParseAddrPort(addr.String())
	if err != nil {
		return netip.Prefix{}
	}
	ip := ap.Addr().Unmap().WithZone("")
	bits := 32
	if ip.Is6() && !ip.IsLoopback() {
		bits = 64
	} else if ip.Is6() {
		bits = 128
	}
	prefix, _ := ip.Prefix(bits) // bits fit the family
	return prefix
}
