package mallory

import (
	"github.com/hearsaynet/hearsay/replica/wire"
)

var slows = []Attack{
	{Name: "slow-read", About: "reads one frame a second", begin: readsSlowly,
		Right: "nobody else waits for it; closed when it has not read for 45 s"},
	{Name: "slow-write", About: "sends ten bytes a second", begin: writesSlowly,
		Right: "nobody else waits for it; a frame that takes too long ends the session"},
	{Name: "half-open", About: "makes the link, and then says nothing, not even Hello", begin: saysNothing,
		Right: "closed after 10 s without a Hello; no other link waits"},
	{Name: "endless", About: "begins a frame of 1 MiB and never ends it", begin: neverEnds,
		Right: "memory for what has arrived and no more; the frame's time runs out; no other link waits"},
}

// readsSlowly slows down what the victim says, which is read for the other side.
func readsSlowly(p *pipe) step {
	other := p.s.pipes[0]
	if p == other {
		other = p.s.pipes[1]
	}
	other.slow.Store(true)
	return func(m *message) []*message { return only(m) }
}

func writesSlowly(*pipe) step {
	return func(m *message) []*message {
		if m != nil && m.Type != wire.FrameHello {
			m.drip, m.changed = true, true
		}
		return only(m)
	}
}

func saysNothing(*pipe) step {
	return func(*message) []*message { return nil }
}

func neverEnds(*pipe) step {
	begun := false
	return func(m *message) []*message {
		if m == nil || m.Type == wire.FrameHello {
			return only(m)
		}
		if begun {
			return nil
		}
		begun = true
		m = m.announcing(wire.MaxFrame)
		m.Type = wire.FrameRun
		m.raw[0] = byte(wire.FrameRun)
		return only(m)
	}
}
