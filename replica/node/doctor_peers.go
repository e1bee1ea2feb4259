package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hearsaynet/hearsay/keygen"
	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/link"
	"github.com/hearsaynet/hearsay/replica/wire"
	"github.com/hearsaynet/hearsay/sign"
	"github.com/hearsaynet/hearsay/sign/agent"
)

// probeTimeout bounds each question to a peer: name, link, and conversation.
const probeTimeout = 5 * time.Second

// peers looks at the links that the node has, and asks those peers that it should have
// a link with and has not.
func (d *doctor) peers(ctx context.Context, s *Status, own map[string]uint64) {
	linked := 0
	asked := slices.Clone(d.opts.Peers)
	reasons := make(map[string]string) // why the running node has no link
	add := func(addr string) {
		if !slices.Contains(asked, addr) {
			asked = append(asked, addr)
		}
	}
	for _, p := range s.Peers {
		switch {
		case p.State == PeerLinked:
			linked++
		case p.Dialed:
			add(p.Address)
			reasons[p.Address] = withoutPrefix(p.Reason)
		case p.State == PeerRefused:
			d.add(Notice, "peer", fmt.Sprintf("peer %s is refused here: %s", p.Address, withoutPrefix(p.Reason)), "it broke the protocol, or passed on what nobody signed", "tell whoever runs it; it is let in again later")
		}
	}
	if !s.Running {
		for _, p := range d.cfg.Peers {
			add(p)
		}
	}
	if len(asked) == 0 && linked == 0 {
		d.add(Notice, "peer", "no peer is known, and none is linked", "nothing arrives unless somebody links to this node", d.command("up")+" --peer ADDR")
	}
	d.probeAll(ctx, asked, s.Topics, own, reasons)
	if !d.has("peer") {
		d.healthy("%s", plural(linked+len(asked), "peer"))
	}
}

// probeAll asks peers, all at once.
func (d *doctor) probeAll(ctx context.Context, addrs, topics []string, own map[string]uint64, reasons map[string]string) {
	if len(addrs) == 0 {
		return
	}
	ep, err := link.New(link.Config{Signer: d.signer(ctx), HandshakeTimeout: probeTimeout})
	if err != nil {
		d.add(Problem, "peer", "peers cannot be asked: "+err.Error(), "", "")
		return
	}
	defer ep.Close()
	answers := make([]probed, len(addrs))
	var asking sync.WaitGroup
	for i, addr := range addrs {
		asking.Go(func() { answers[i] = probe(ctx, ep, addr, topics, d.self()) })
	}
	asking.Wait()
	for i, a := range answers {
		if why := reasons[addrs[i]]; a.wrong.what == "" && why != "" {
			a.wrong = trouble{"the node has no link to it: " + why, "it answers now", "wait until the node tries again"}
		}
		if w := a.wrong; w.what != "" {
			d.add(Problem, "peer", fmt.Sprintf("peer %s: %s", addrs[i], w.what), w.why, w.do)
		}
		for _, c := range a.claims {
			if have := own[c.topic]; c.ref.Seq > have {
				d.add(Problem, "writing", fmt.Sprintf("peer %s says that this key has written up to seq %d in topic %q, and this store has %d", addrs[i], c.ref.Seq, c.topic, have),
					"the store is older than what its key wrote, another node writes with the key, or the peer lies",
					fmt.Sprintf("stop other nodes with this key, then %s --peer %s: it gets them back before it writes", d.command("up"), addrs[i]))
			}
		}
	}
}

// signer is the node's key, or, where it needs a passphrase or its agent is away, any: peers need not know it.
func (d *doctor) signer(ctx context.Context) sign.Signer {
	if key, err := d.cfg.publicKey(); err == nil && d.cfg.Agent {
		if s := agent.New("", key); s.Check(ctx) == nil {
			return s
		}
	} else if k, _, err := keygen.ReadFile(d.dir.keyPath(d.cfg), nil); err == nil {
		return k
	}
	k, err := keygen.Generate(keygen.Ed25519, 0)
	if err != nil {
		return nil // link.New says so
	}
	return k
}

// probed is what became of a question to a peer: what is wrong, if anything, and what
// the peer claims to have of this node's own author.
type probed struct {
	wrong  trouble
	claims []claim
}

// trouble is what a Finding says, with what "" for none.
type trouble struct{ what, why, do string }

// claim is what a peer's digest says of this node's own author.
type claim struct {
	topic string
	ref   wire.Ref
}

func probe(ctx context.Context, ep *link.Endpoint, addr string, topics []string, self keys.NodeID) probed {
	a, err := link.ParseAddress(addr)
	if err != nil {
		return probed{wrong: trouble{what: err.Error()}}
	}
	ctx, cancel := context.WithTimeout(ctx, 3*probeTimeout)
	defer cancel()
	host, _, _ := net.SplitHostPort(a.HostPort) // ParseAddress made it
	if _, err := net.DefaultResolver.LookupHost(ctx, host); err != nil {
		return probed{wrong: trouble{fmt.Sprintf("the name %s leads nowhere: %v", host, err), "there is no link to it", "correct the name, or give its address"}}
	}
	c, err := ep.Dial(ctx, a)
	if err != nil {
		return probed{wrong: notLinked(err)}
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(probeTimeout))
	return converse(c, topics, self)
}

// notLinked says what a failed link means.
func notLinked(err error) trouble {
	text := withoutPrefix(err.Error())
	if h, ok := errors.AsType[*link.HandshakeError](err); ok {
		text = h.Err.Error()
		switch h.Reason {
		case link.ReasonWrongID:
			return trouble{text, "somebody else answers there, or it has a new key", "ask who runs it for its id, and use it in --peer ID@HOST:PORT"}
		case link.ReasonOwnID:
			return trouble{text, "a node does not link to itself", "leave this --peer out"}
		case link.ReasonNotTLS, link.ReasonProtocol:
			return trouble{text, "the address leads to another program", "correct the address"}
		case link.ReasonByPeer, link.ReasonBanned:
			return trouble{text, "it refuses this node or its address, for a while, after a fault", "wait; if it goes on, ask who runs it"}
		case link.ReasonFull, link.ReasonPrefix, link.ReasonRate:
			return trouble{text, "it has as many links as it takes", "wait, or use another peer"}
		}
		return trouble{text, "there is no link to it", ""}
	}
	return trouble{"nobody answers: " + strings.TrimPrefix(text, "link: "), "there is no link to it", "see whether it runs, and whether a firewall is between"}
}

// converse greets a peer and hears what it has, and takes nothing.
func converse(c io.ReadWriter, topics []string, self keys.NodeID) probed {
	hello := wire.Hello{Version: wire.Version, Agent: replica.Agent}
	for i, t := range topics {
		hello.Topics = append(hello.Topics, wire.TopicHandle{Handle: uint16(i + 1), Topic: t})
	}
	if _, err := c.Write(wire.AppendFrame(nil, wire.Frame{Type: wire.FrameHello, Body: hello.Append(nil)})); err != nil {
		return probed{wrong: silentPeer(err)}
	}
	var result probed
	theirs := make(map[uint16]string) // topics by their handles
	heard := 0
	for f, err := wire.ReadFrame(c); ; f, err = wire.ReadFrame(c) {
		switch {
		case err != nil && len(theirs) > 0:
			return result // it has told what it would
		case err != nil:
			return probed{wrong: silentPeer(err)}
		}
		switch f.Type {
		case wire.FrameHello:
			h, err := wire.ParseHello(f.Body)
			if err != nil {
				return probed{wrong: silentPeer(err)}
			}
			for _, t := range h.Topics {
				theirs[t.Handle] = t.Topic
			}
			if len(topics) > 0 && len(theirs) == 0 {
				return probed{wrong: noCommonTopic(topics)}
			}
		case wire.FrameClose:
			return probed{wrong: closedBy(f.Body, topics)}
		case wire.FrameDigest:
			d, err := wire.ParseDigest(f.Body)
			if err != nil {
				return probed{wrong: silentPeer(err)}
			}
			for _, ref := range d.Refs {
				if ref.Author == self {
					result.claims = append(result.claims, claim{theirs[f.Handle], ref})
				}
			}
			if !d.More {
				heard++
			}
			if heard >= len(theirs) {
				bye := wire.Close{Code: wire.CloseDone}
				c.Write(wire.AppendFrame(nil, wire.Frame{Type: wire.FrameClose, Body: bye.Append(nil)}))
				return result
			}
		}
	}
}

func silentPeer(err error) trouble {
	return trouble{"it links, and does not talk: " + err.Error(), "it is overloaded, refuses this node, or is no honest peer", "see its log, or use another peer"}
}

func noCommonTopic(topics []string) trouble {
	return trouble{fmt.Sprintf("it carries none of the topics here, %q", topics), "nothing can come from it", "ask who runs it what it carries, or correct --topic"}
}

func closedBy(body []byte, topics []string) trouble {
	cl, err := wire.ParseClose(body)
	if err != nil {
		return silentPeer(err)
	}
	switch cl.Code {
	case wire.CloseTopic:
		return noCommonTopic(topics)
	case wire.CloseVersion:
		return trouble{"it speaks another version: " + cl.Text, "the two cannot talk", "install the same version of hearsay on both"}
	case wire.CloseBusy:
		return trouble{"it is busy: " + cl.Text, "it has as many links as it takes", "wait, or use another peer"}
	case wire.CloseProtocol, wire.CloseRefused:
		return trouble{"it refuses this node: " + cl.Text, "it says that this node broke the protocol, or passed on what nobody signed", "wait until it lets this node in again; hearsay fsck checks the store here"}
	}
	return trouble{fmt.Sprintf("it ended the conversation: %v %s", cl.Code, cl.Text), "there is no link to it", ""}
}
