package mallory

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"time"

	"github.com/hearsaynet/hearsay/replica/wire"
)

const othersGoOn = "bounded memory and work, back-pressure on this link; the others keep most of their throughput"

var floods = []Attack{
	{Name: "flood-authors", About: fmt.Sprintf("brings %d authors that it makes up, one well signed update each", floodAuthors), speak: bringsAuthors,
		Right: othersGoOn + "; an open node takes so many authors, and no more"},
	{Name: "flood-updates", About: fmt.Sprintf("writes %d updates as an author of its own, each well signed", floodUpdates), speak: bringsUpdates, Right: othersGoOn},
	{Name: "flood-digests", About: fmt.Sprintf("asks for everything %d times", floodDigests), speak: asks, Right: othersGoOn},
	{Name: "flood-lookups", About: fmt.Sprintf("has %d authors looked up that nobody has heard of", floodLookups), speak: bringsStrangers, Right: othersGoOn},
	{Name: "flood-connections", About: fmt.Sprintf("makes %d connections upstream that say nothing", floodConnections), knock: connects,
		Right: "connections take turns, and cost nothing before theirs; links that are there go on, and others come"},
	{Name: "sybil", About: "links upstream under a new id each time, and brings a bad signature each time", knock: changesNames,
		Right: "the ids are refused, then the address is; links that are there go on"},
}

func bringsAuthors(p *pipe) error {
	return p.each(floodAuthors, "crowd", func(a author, topic string, like wire.Entry) (wire.FrameType, []byte, error) {
		body, err := a.signed(p.s.ctx, next(topic, a.start(), like, 1))
		return wire.FrameRun, body, err
	})
}

func bringsStrangers(p *pipe) error {
	return p.each(floodLookups, "stranger", func(a author, topic string, _ wire.Entry) (wire.FrameType, []byte, error) {
		body, err := a.head(p.s.ctx, topic, p.s.r.cast.began)
		return wire.FrameHead, body, err
	})
}

// each says a thing of each of n authors.
func (p *pipe) each(n int, name string, thing func(author, string, wire.Entry) (wire.FrameType, []byte, error)) error {
	topic, handle, like, err := p.example()
	if err != nil {
		return err
	}
	for i := range n {
		a, err := p.s.r.cast.author(fmt.Sprint(name, i))
		if err != nil {
			return err
		}
		t, body, err := thing(a, topic, like)
		if err != nil {
			return err
		}
		if err := p.write(a.ofKey(handle), made(t, handle, body)); err != nil {
			return err
		}
	}
	return nil
}

func bringsUpdates(p *pipe) error {
	topic, handle, like, err := p.example()
	if err != nil {
		return err
	}
	a, err := p.s.r.cast.author("flood")
	if err != nil {
		return err
	}
	if err := p.write(a.ofKey(handle)); err != nil {
		return err
	}
	prev := a.start()
	for i := range uint64(floodUpdates) {
		u := next(topic, prev, like, i+1)
		body, err := a.signed(p.s.ctx, u)
		if err != nil {
			return err
		}
		if err := p.write(made(wire.FrameRun, handle, body)); err != nil {
			return err
		}
		prev = u.ref()
	}
	return nil
}

func asks(p *pipe) error {
	_, handle, err := p.subject()
	if err != nil {
		return err
	}
	for i := range uint64(floodDigests) {
		d := wire.Digest{Nonce: ownNonce + i, Unnamed: wire.UnnamedWanted}
		if err := p.write(made(wire.FrameDigest, handle, d.Append(nil))); err != nil {
			return err
		}
	}
	return nil
}

// connects holds its connections until ctx ends, or they are closed.
func connects(ctx context.Context, r *Relay) error {
	var open []net.Conn
	defer func() {
		for _, c := range open {
			c.Close()
		}
	}()
	for range floodConnections {
		c, err := r.dial.DialContext(ctx, "tcp", r.cfg.Upstream.HostPort)
		if err != nil {
			return err
		}
		r.tally.made.Add(1)
		open = append(open, c)
	}
	<-ctx.Done()
	return nil
}

// changesNames returns when its address is refused.
func changesNames(ctx context.Context, r *Relay) error {
	for i := range floodIDs {
		if err := r.linkAs(ctx, fmt.Sprint("sybil", i)); err != nil {
			return err
		}
	}
	return nil
}

// linkAs makes one link under a name, says one thing that is badly signed, and waits for
// what becomes of it.
func (r *Relay) linkAs(ctx context.Context, name string) error {
	ep, err := r.newEndpoint(name)
	if err != nil {
		return err
	}
	defer ep.Close()
	c, err := ep.Dial(ctx, r.cfg.Upstream)
	if err != nil {
		return err
	}
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { c.Close() })
	defer stop()
	r.tally.links.Add(1)
	a, err := r.cast.author(name)
	if err != nil {
		return err
	}
	topic := r.cfg.Topic
	if topic == "" {
		topic = "default"
	}
	u := next(topic, a.start(), wire.Entry{}, nowNano())
	body, err := a.signed(ctx, u)
	if err != nil {
		return err
	}
	bad := bytes.Clone(body)
	bad[len(bad)-1] ^= 1
	const handle = 1
	hello := wire.Hello{Version: wire.Version, Topics: []wire.TopicHandle{{Handle: handle, Topic: topic}}}
	var out []byte
	for _, m := range []*message{made(wire.FrameHello, 0, hello.Append(nil)), a.ofKey(handle), made(wire.FrameRun, handle, bad)} {
		out = wire.AppendFrame(out, m.Frame)
		r.tally.made.Add(1)
	}
	if _, err := c.Write(out); err != nil {
		return err
	}
	c.SetReadDeadline(time.Now().Add(hostileTimeout))
	for {
		f, err := wire.ReadFrame(c)
		if err != nil || f.Type == wire.FrameClose {
			return nil // the link was made, and has ended
		}
	}
}
