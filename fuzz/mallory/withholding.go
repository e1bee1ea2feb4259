package mallory

import (
	"crypto/sha256"
	"sync"

	"github.com/hearsaynet/hearsay/replica/wire"
)

var withholding = []Attack{
	{Name: "withhold-one", About: "never passes on the second update of an author", begin: withholdsOne,
		Right: "the author stops before it, the gap is shown, and it is asked for until an honest link brings it"},
	{Name: "withhold-tail", About: "passes on no update of an author behind its second", begin: withholdsTail,
		Right: "the author's own head says that there is more: it is shown as behind until an honest link brings the rest"},
	{Name: "old-state", About: "stands still at what its peers had when they first linked to it", begin: standsStill,
		Right: "stale, or behind, as soon as somebody else has more; never synced on its word"},
	{Name: "replay", About: "says again what was said in the session before", begin: replays,
		Right: "what is known is dropped: not applied, not counted, not passed on a second time; nobody is blamed"},
	{Name: "erase", About: "leaves changes out, and sends their size and digest", begin: erases,
		Right: "refused, because no erasure of the author's explains it; nobody is blamed, and the whole update is taken from anyone"},
}

// withheldFrom is the seq that is withheld, or the last that is not.
const withheldFrom = 2

func withholdsOne(p *pipe) step {
	return withholds(p, func(u *wire.UnverifiedRun) bool { return u.First() <= withheldFrom && withheldFrom <= u.Last() })
}

func withholdsTail(p *pipe) step {
	return withholds(p, func(u *wire.UnverifiedRun) bool { return u.Last() > withheldFrom })
}

func withholds(p *pipe, hide func(*wire.UnverifiedRun) bool) step {
	return func(m *message) []*message {
		if m == nil || m.Type != wire.FrameRun {
			return only(m)
		}
		if u, err := wire.ParseRun(p.topic(m.Handle), m.Body); err == nil && hide(u) {
			return nil
		}
		return only(m)
	}
}

// record is what a peer has said, and how far it was then.
type record struct {
	mu     sync.Mutex // guards the fields below
	frozen bool       // it is yesterday from here on
	ends   map[place]wire.Ref
	bytes  int
	frames []wire.Frame
	passed map[[sha256.Size]byte]bool
	over   bool // nothing more is recorded
}

// record returns that of p's source, as all its links have it.
func (p *pipe) record() *record {
	r, id := p.s.r, p.from.PeerID()
	r.recording.Lock()
	defer r.recording.Unlock()
	if r.records[id] == nil {
		if len(r.records) >= maxLinks {
			return newRecord()
		}
		r.records[id] = newRecord()
	}
	return r.records[id]
}

func newRecord() *record {
	return &record{ends: make(map[place]wire.Ref), passed: make(map[[sha256.Size]byte]bool)}
}

// standsStill lets everything pass until the source has answered the victim's first
// digest. That is its state from then on.
func standsStill(p *pipe) step {
	rec := p.record()
	return func(m *message) []*message {
		if m == nil {
			return nil
		}
		rec.mu.Lock()
		defer rec.mu.Unlock()
		topic := p.topic(m.Handle)
		switch m.Type {
		case wire.FrameRun:
			u, err := wire.ParseRun(topic, m.Body)
			if err != nil || rec.frozen && u.Last() > rec.ends[place{topic, u.Author()}].Seq {
				return nil
			}
			if at := (place{topic, u.Author()}); u.Last() > rec.ends[at].Seq && len(rec.ends) < maxKnown {
				rec.ends[at] = u.UnverifiedEnd()
			}
		case wire.FrameHead, wire.FrameFork:
			sum := sha256.Sum256(m.Body)
			if rec.frozen && !rec.passed[sum] {
				return nil
			}
			if len(rec.passed) < maxKnown {
				rec.passed[sum] = true
			}
		case wire.FrameDigest:
			if rec.frozen {
				return only(rec.clipped(m, topic))
			}
		case wire.FrameDone:
			rec.frozen = true
		}
		return only(m)
	}
}

// clipped returns a digest that names no more than was passed on.
func (rec *record) clipped(m *message, topic string) *message {
	d, err := wire.ParseDigest(m.Body)
	if err != nil {
		return m
	}
	var refs []wire.Ref
	for _, ref := range d.Refs {
		if end := rec.ends[place{topic, ref.Author}]; end.Seq > 0 && end.Seq < ref.Seq {
			ref = end
		} else if end.Seq == 0 && ref.Seq > 0 {
			ref = wire.Ref{Author: ref.Author}
		}
		refs = append(refs, ref)
	}
	d.Refs = refs
	return m.with(d.Append(nil))
}

// replays records the first session of a source up to its first Done, hangs up, and
// begins all later sessions with what it has.
func replays(p *pipe) step {
	rec := p.record()
	said := false
	return func(m *message) []*message {
		if m == nil {
			return nil
		}
		rec.mu.Lock()
		defer rec.mu.Unlock()
		if rec.over {
			out := only(m)
			if m.Type == wire.FrameHello && !said {
				said = true
				for _, f := range rec.frames {
					out = append(out, made(f.Type, f.Handle, f.Body))
				}
			}
			return out
		}
		if m.Type == wire.FrameHello || m.raw != nil {
			return only(m)
		}
		if rec.bytes += len(m.Body); rec.bytes <= maxRecord {
			rec.frames = append(rec.frames, m.Frame)
		}
		if m.Type == wire.FrameDone {
			rec.over = true
			m.last = true
		}
		return only(m)
	}
}

func erases(p *pipe) step {
	return func(m *message) []*message {
		if m == nil || m.Type != wire.FrameRun {
			return only(m)
		}
		u, err := wire.ParseRun(p.topic(m.Handle), m.Body)
		if err != nil {
			return only(m)
		}
		b := placeOf(u.Author(), u.First(), u.Prev().Hash, u.Len())
		for _, e := range u.UnverifiedEntries() {
			h := update{absent: true}
			h.Time, h.Kind, h.Channel, h.Size, h.Digest = e.Time, e.Kind, e.Channel, e.Size, e.Digest
			if !e.Absent {
				h.Size, h.Digest = uint32(len(e.Change)), sha256.Sum256(e.Change)
			}
			b = h.appendEntry(b)
		}
		return only(m.with(appendOpaque16(b, signatureOf(u))))
	}
}
