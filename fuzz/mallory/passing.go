package mallory

import (
	"time"

	"github.com/hearsaynet/hearsay/replica/wire"
)

var passing = []Attack{
	{Name: "drop", About: "loses one frame in four", begin: drops,
		Right: "what is lost shows as a gap, or not at all; it is asked for again, and any honest link heals it"},
	{Name: "delay", About: "holds each frame up, for 200 ms at most", begin: delays,
		Right: "the link is slow, and nothing else"},
	{Name: "reorder", About: "sends up to eight frames in any order", begin: reorders,
		Right: "updates apply in their author's order, or wait; an order that breaks the protocol ends the session"},
	{Name: "duplicate", About: "sends each frame twice, and old ones again", begin: duplicates,
		Right: "each update is applied, counted and passed on once; nobody is blamed"},
	{Name: "hang-up", About: "ends the link in the middle of one frame in four", begin: hangsUp,
		Right: "the rest comes over the next link; nobody is blamed"},
	{Name: "mute", About: "passes no update, head or key, and says that there are none", begin: mutes,
		Right: "not synced on its word; another link brings everything"},
}

func drops(p *pipe) step {
	return func(m *message) []*message {
		if m == nil || p.picks(m) {
			return nil
		}
		return []*message{m}
	}
}

func delays(p *pipe) step {
	return func(m *message) []*message {
		if m == nil {
			return nil
		}
		p.pause(time.Duration(p.rnd.Int64N(int64(delayMost))))
		return []*message{m}
	}
}

func reorders(p *pipe) step {
	var held []*message
	return func(m *message) []*message {
		if m != nil {
			if m.Type == wire.FrameHello {
				return []*message{m}
			}
			if held = append(held, m); len(held) < maxHeld {
				return nil
			}
		}
		out := held
		held = nil
		before := append([]*message(nil), out...)
		p.rnd.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
		for i, m := range out {
			m.changed = m.changed || m != before[i]
		}
		return out
	}
}

func duplicates(p *pipe) step {
	var old []*message
	return func(m *message) []*message {
		if m == nil || m.raw != nil || m.Type == wire.FrameHello {
			return only(m)
		}
		out := []*message{m, m.copied()}
		if len(old) > 0 && p.rnd.IntN(oneIn) == 0 {
			out = append(out, old[p.rnd.IntN(len(old))].copied())
		}
		if old = append(old, m); len(old) > maxHeld {
			old = old[1:]
		}
		return out
	}
}

func hangsUp(p *pipe) step {
	return func(m *message) []*message {
		if !p.picks(m) {
			return only(m)
		}
		whole := wire.AppendFrame(nil, m.Frame)
		cut := *m
		cut.raw, cut.changed, cut.last = whole[:1+p.rnd.IntN(len(whole)-1)], true, true
		return []*message{&cut}
	}
}

func mutes(*pipe) step {
	return func(m *message) []*message {
		if m == nil {
			return nil
		}
		switch m.Type {
		case wire.FrameRun, wire.FrameHead, wire.FrameKey, wire.FrameFork:
			return nil
		case wire.FrameDigest: // what it claims would give it away
			d, err := wire.ParseDigest(m.Body)
			if err != nil {
				return only(m)
			}
			d.Refs, d.More = nil, false
			return only(m.with(d.Append(nil)))
		}
		return only(m)
	}
}

// only is m alone, or nothing.
func only(m *message) []*message {
	if m == nil {
		return nil
	}
	return []*message{m}
}
