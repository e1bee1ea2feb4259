package mallory

import (
	"math"
	"time"

	"github.com/hearsaynet/hearsay/replica/wire"
)

var dates = []Attack{
	{Name: "future", About: "writes as an author of its own, dated in a day, in ten years and at the end of time, over what others wrote", speak: datesAhead,
		Right: "stored, passed on and shown as parked; it wins nothing and drags no clock before its time; nobody is blamed"},
	{Name: "past", About: "writes as an author of its own, dated 1970, over what others wrote", speak: datesBack,
		Right: "it counts, and loses against everything newer; nobody is blamed"},
	{Name: "equivocate", NeedsKey: true, About: "signs two next updates of the author whose key it has, and shows one to each side", speak: equivocates,
		Right: "the author is cut there, everywhere and for ever, and the proof kept and passed on; what others wrote stays"},
}

// writes has an author of its own say updates with these dates, in one go.
func (p *pipe) writes(name string, at ...uint64) error {
	topic, handle, like, err := p.example()
	if err != nil {
		return err
	}
	a, err := p.s.r.cast.author(name)
	if err != nil {
		return err
	}
	frames, prev := []*message{a.ofKey(handle)}, a.start()
	for _, t := range at {
		u := next(topic, prev, like, t)
		body, err := a.signed(p.s.ctx, u)
		if err != nil {
			return err
		}
		frames, prev = append(frames, made(wire.FrameRun, handle, body)), u.ref()
	}
	return p.write(frames...)
}

func datesAhead(p *pipe) error {
	now := p.s.r.cast.began // so that they are the same on every link
	return p.writes("future", nanos(now.AddDate(0, 0, 1)), nanos(now.AddDate(10, 0, 0)), math.MaxInt64)
}

func datesBack(p *pipe) error { return p.writes("past", 1, 2, 3) }

func nanos(t time.Time) uint64 { return uint64(t.UnixNano()) }

func equivocates(p *pipe) error {
	topic, handle, like, err := p.example()
	if err != nil {
		return err
	}
	a := author{p.s.r.cfg.Key}
	prev := p.s.r.book.end(topic, a.id())
	branches, err := p.s.r.cast.fork(topic, func(side int) ([]byte, error) {
		return a.signed(p.s.ctx, next(topic, prev, like, nowNano()+uint64(side)))
	})
	if err != nil {
		return err
	}
	return p.write(a.ofKey(handle), made(wire.FrameRun, handle, branches[p.side()]))
}

// fork makes the two histories of a topic, the first time that it is called.
func (c *cast) fork(topic string, branch func(side int) ([]byte, error)) (both [2][]byte, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if both, ok := c.branches[topic]; ok {
		return both, nil
	}
	for side := range both {
		if both[side], err = branch(side); err != nil {
			return both, err
		}
	}
	c.branches[topic] = both
	return both, nil
}
