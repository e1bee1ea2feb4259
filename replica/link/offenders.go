package link

import (
	"net"
	"net/netip"
	"slices"
	"time"

	"golang.org/x/time/rate"
)

// Ban is an address prefix that gets no new links for a while.
type Ban struct {
	Prefix netip.Prefix // /32 of IPv4 or /64 of IPv6; zero for what has no IP address
	Until  time.Time
	Faults uint64 // of all links from there that are remembered
	Why    string // the last fault
}

// Bans returns the address prefixes that are refused now, in their order.
func (e *Endpoint) Bans() []Ban { return e.gate.bans() }

// Blame counts a fault of the peer against the address that it linked from; why says
// which. After more than four faults within minutes, no new link is accepted from there
// for a minute, the next time for two, and at most for 15; the links that are there
// stay. For a link that this node made, it does nothing: its id was asked for.
func (c *Conn) Blame(why error) {
	if c.blame != nil {
		c.blame(why)
	}
}

// blame counts a fault of a link from addr.
func (e *Endpoint) blame(addr net.Addr, why error) {
	e.stats.faults.Add(1)
	if b, banned := e.gate.blame(addr, clip(why.Error())); banned {
		e.stats.log.banned(b)
	}
}

func (g *gate) blame(addr net.Addr, why string) (Ban, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.offenders.add(addressPrefix(addr), why, time.Now())
}

func (g *gate) bans() []Ban {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.offenders.active(time.Now())
}

// offenders are the address prefixes whose links had faults. Loopback counts by
// address here, though all of it is one machine: what forwards connections from
// elsewhere has one address, and its neighbours another.
type offenders map[netip.Prefix]*offender

type offender struct {
	ban     Ban           // Until is zero while there was none
	length  time.Duration // of the ban
	forgive *rate.Limiter // the faults that have no consequence
}

// forgotten reports whether a new fault counts as the first.
func (o *offender) forgotten(now time.Time) bool {
	return o.forgive.TokensAt(now) >= faultsForgiven && now.Sub(o.ban.Until) > banMost
}

func (os offenders) banned(p netip.Prefix, now time.Time) bool {
	o := os[p]
	return o != nil && now.Before(o.ban.Until)
}

// add counts a fault, and reports whether p is banned for it.
func (os offenders) add(p netip.Prefix, why string, now time.Time) (Ban, bool) {
	o := os[p]
	if o == nil || o.forgotten(now) {
		if o == nil {
			os.makeRoom(now)
		}
		o = &offender{ban: Ban{Prefix: p}, forgive: rate.NewLimiter(rate.Every(faultEvery), faultsForgiven)}
		os[p] = o
	}
	o.ban.Faults++
	o.ban.Why = why
	if now.Before(o.ban.Until) || o.forgive.AllowN(now, 1) { // links from before the ban end as they end
		return Ban{}, false
	}
	o.length = min(max(2*o.length, banFirst), banMost)
	o.ban.Until = now.Add(o.length)
	return o.ban, true
}

// makeRoom drops what is forgotten, and else what was banned least lately.
func (os offenders) makeRoom(now time.Time) {
	if len(os) < maxOffenders {
		return
	}
	var first *offender
	for p, o := range os {
		if o.forgotten(now) {
			delete(os, p)
		} else if first == nil || o.ban.Until.Before(first.ban.Until) {
			first = o
		}
	}
	if len(os) >= maxOffenders {
		delete(os, first.ban.Prefix)
	}
}

func (os offenders) active(now time.Time) []Ban {
	var out []Ban
	for _, o := range os {
		if now.Before(o.ban.Until) {
			out = append(out, o.ban)
		}
	}
	slices.SortFunc(out, func(a, b Ban) int { return a.Prefix.Compare(b.Prefix) })
	return out
}
