package main

import (
	"slices"

	"github.com/hearsaynet/hearsay/replica/wire"
)

// sessionVector is a session between a, who made the link, and b. Each side's frames come
// in this order; how the two sides' frames mix is up to the network, save that each waits
// for what it answers. Of a bad one the last frame is a's and b refuses it.
type sessionVector struct {
	verdict
	Close  uint16          `json:"close,omitempty"` // the code with which b ends a bad one
	Topics sides[[]string] `json:"topics"`          // what each side carries
	Start  sides[[]stored] `json:"start"`           // what each side has
	Steps  []sessionStep   `json:"steps"`
	Means  *sides[ends]    `json:"means,omitempty"` // how each side ends
}

type sides[T any] struct {
	A T `json:"a"`
	B T `json:"b"`
}

// stored is a statement that a side has from the start.
type stored struct {
	Topic string `json:"topic"`
	Type  uint8  `json:"type"`
	Key   data   `json:"key"`
	Body  data   `json:"body"`
}

type sessionStep struct {
	From  string `json:"from"`
	Says  string `json:"says"` // what the frame is, for people
	Frame data   `json:"frame"`
}

// ends is what a side has afterwards, and the classes of the statements that it dropped.
type ends struct {
	Has     []ended  `json:"has"`
	Dropped []string `json:"dropped"`
}

// ended is an author's frontier, and where it is cut, 0 for nowhere.
type ended struct {
	Topic  string `json:"topic"`
	Author data   `json:"author"`
	Seq    number `json:"seq"`
	Hash   data   `json:"hash"`
	Cut    number `json:"cut"`
}

func storedOf(statements ...wire.Statement) []stored {
	list := []stored{}
	for _, s := range statements {
		list = append(list, stored{s.Topic(), statementOf(s).Type, s.Key().Wire(), s.Body()})
	}
	return list
}

func endOf(topic string, ref wire.Ref, cut uint64) ended {
	return ended{topic, ref.Author[:], number(ref.Seq), ref.Hash[:], number(cut)}
}

// script builds a session, frame by frame.
type script struct{ sessionVector }

func newScript(name string, a, b []stored) *script {
	return &script{sessionVector{verdict: good(name), Topics: sides[[]string]{[]string{"t"}, []string{"t"}}, Start: sides[[]stored]{a, b}}}
}

func (s *script) say(from string, t wire.FrameType, handle uint16, body []byte) *script {
	return s.raw(from, t.String(), frame(t, handle, body))
}

func (s *script) raw(from, says string, b []byte) *script {
	s.Steps = append(s.Steps, sessionStep{from, says, b})
	return s
}

// hellos are what both sides say first, as this implementation does.
func (s *script) hellos() *script { return s.hello("a", s.Topics.A...).hello("b", s.Topics.B...) }

func (s *script) hello(from string, topics ...string) *script {
	h := hello(topics...)
	h.Agent = "hearsay"
	return s.say(from, wire.FrameHello, 0, h.Append(nil))
}

func (s *script) digest(from string, nonce uint64, unnamed wire.Unnamed, refs ...wire.Ref) *script {
	return s.say(from, wire.FrameDigest, s.handle(from), digest(nonce, false, unnamed, refs...))
}

func (s *script) key(from string, a *author) *script {
	return s.say(from, wire.FrameKey, s.handle(from), a.key.Wire())
}

func (s *script) statement(from string, statements ...wire.Statement) *script {
	for _, st := range statements {
		s.say(from, wire.FrameType(statementOf(st).Type), s.handle(from), st.Body())
	}
	return s
}

func (s *script) done(from string, nonce uint64) *script {
	return s.say(from, wire.FrameDone, s.handle(from), wire.AppendDone(nil, nonce))
}

func (s *script) close(from string) *script {
	c := wire.Close{Code: wire.CloseDone}
	return s.say(from, wire.FrameClose, 0, c.Append(nil))
}

// handle is the sender's for "t".
func (s *script) handle(from string) uint16 {
	topics := s.Topics.A
	if from == "b" {
		topics = s.Topics.B
	}
	return uint16(1 + slices.Index(topics, "t"))
}

func (s *script) ends(a, b []ended, dropped ...string) sessionVector {
	slices.SortFunc(a, byAuthor)
	slices.SortFunc(b, byAuthor)
	s.Means = &sides[ends]{ends{a, []string{}}, ends{b, append([]string{}, dropped...)}}
	return s.sessionVector
}

func sessionVectors() file[sessionVector] {
	f := file[sessionVector]{About: "Sessions, whole: a has made the link. Each side admits every author whose key hashes to its id. " +
		"In a good one a side whose last frame is Close stops when it is drained; a bad one ends with a frame of a's that b refuses."}
	h := newHistories()
	bos := bo.run("t", bo.start(), change(5, "kv", "bo's"))
	none := storedOf()
	const all, named = wire.UnnamedWanted, wire.UnnamedNotWanted
	end := func(refs ...wire.Ref) (list []ended) {
		list = []ended{}
		for _, r := range refs {
			list = append(list, endOf("t", r, 0))
		}
		return list
	}
	forked := must(wire.NewProof(h.two, h.twin, 2))
	cut := []ended{endOf("t", h.one.End(), 2)}
	other := newScript("two topics, of which one is common, with other handles", storedOf(h.one), none)
	other.Topics = sides[[]string]{[]string{"u", "t"}, []string{"t", "v"}}

	f.Good = []sessionVector{
		newScript("b has nothing", storedOf(h.one, h.two), none).hellos().
			digest("a", 1, all, h.two.End()).digest("b", 1, all).done("b", 1).
			key("a", ada).statement("a", h.one, h.two).done("a", 1).close("a").close("b").
			ends(end(h.two.End()), end(h.two.End())),
		newScript("each lacks what the other has, and a run is cut at the front", storedOf(h.long), storedOf(h.one, bos)).hellos().
			digest("a", 1, all, h.long.End()).digest("b", 1, all, h.one.End(), bos.End()).
			key("a", ada).statement("a", h.long.CutFront(1)).done("a", 1).
			key("b", bo).statement("b", bos).done("b", 1).close("a").close("b").
			ends(end(h.long.End(), bos.End()), end(h.long.End(), bos.End())),
		newScript("a head comes behind its author's runs", storedOf(h.one, ada.head("t", h.one.End(), now)), none).hellos().
			digest("a", 1, all, h.one.End()).digest("b", 1, all).done("b", 1).
			key("a", ada).statement("a", h.one, ada.head("t", h.one.End(), now)).done("a", 1).close("a").close("b").
			ends(end(h.one.End()), end(h.one.End())),
		newScript("a proof comes before the runs that it leaves", storedOf(forked, h.one), none).hellos().
			digest("a", 1, all, h.one.End()).digest("b", 1, all).done("b", 1).
			key("a", ada).statement("a", forked, h.one).done("a", 1).close("a").close("b").
			ends(cut, cut),
		newScript("two histories of one length: each shows its newest run", storedOf(h.one, h.two), storedOf(h.one, h.twin)).hellos().
			digest("a", 1, all, h.two.End()).digest("b", 1, all, h.twin.End()).
			key("a", ada).statement("a", h.two).done("a", 1).
			key("b", ada).statement("b", h.twin).done("b", 1).
			statement("a", forked).statement("b", forked).close("a").close("b").
			ends(cut, cut),
		newScript("two histories of two lengths: the longer side shows the run that contradicts", storedOf(h.one, h.two, h.three), storedOf(h.one, h.twin)).hellos().
			digest("a", 1, all, h.three.End()).digest("b", 1, all, h.twin.End()).done("b", 1).
			key("a", ada).statement("a", h.two).done("a", 1).
			key("b", ada).statement("b", forked).close("b").
			ends(slices.Clone(cut), slices.Clone(cut)),
		other.hello("a", "u", "t").hello("b", "t").
			digest("a", 1, all, h.one.End()).digest("b", 1, all).done("b", 1).
			key("a", ada).statement("a", h.one).done("a", 1).close("a").close("b").
			ends(end(h.one.End()), end(h.one.End())),
		newScript("nothing but a ping", none, none).hellos().
			digest("a", 1, all).digest("b", 1, all).done("a", 1).done("b", 1).
			digest("a", 2, named).done("b", 2).close("a").
			ends(end(), end()),
		newScript("a digest in two frames", none, storedOf(h.one)).hellos().
			say("a", wire.FrameDigest, 1, digest(1, true, all, low())).say("a", wire.FrameDigest, 1, digest(1, false, all, high())).
			digest("b", 1, all, h.one.End()).
			key("b", ada).statement("b", h.one).done("b", 1).done("a", 1).close("a").
			ends(end(h.one.End()), end(h.one.End())),
		newScript("an author that is named and one that is not wanted", storedOf(h.one, bos), none).hellos().
			digest("b", 1, named, ada.start()).
			digest("a", 1, all, h.one.End(), bos.End()).done("b", 1).
			key("a", bo).key("a", ada).statement("a", h.one).done("a", 1).close("b").
			ends(end(h.one.End(), bos.End()), end(h.one.End())),
		newScript("a run without its key, which is refused and no fault", none, none).hellos().
			digest("a", 1, all).digest("b", 1, all).done("b", 1).
			statement("a", h.one).done("a", 1).close("a").
			ends(end(), end(), "no-key"),
		newScript("a run beyond a gap, which is asked for", storedOf(h.one, h.two, h.three), storedOf(h.one)).hellos().
			digest("a", 1, all, h.three.End()).digest("b", 1, all, h.one.End()).done("b", 1).
			key("a", ada).statement("a", h.three).done("a", 1).
			digest("b", 2, named, h.one.End()).
			statement("a", h.two, h.three).done("a", 2).close("a").
			ends(end(h.three.End()), end(h.three.End()), "gap"),
		newScript("types that may be skipped, with any handle", none, none).hellos().
			raw("a", "type 128", frame(128, 1, []byte("x"))).raw("a", "type 255", frame(255, 77, nil)).
			digest("a", 1, all).digest("b", 1, all).done("b", 1).done("a", 1).close("a").
			ends(end(), end()),
	}
	f.Bad = badSessions(h)
	return f
}

func byAuthor(a, b ended) int { return slices.Compare(a.Author, b.Author) }

// low and high are authors of whom nothing is known, in this order.
func low() wire.Ref {
	if ada.id().Compare(bo.id()) < 0 {
		return ada.start()
	}
	return bo.start()
}

func high() wire.Ref {
	if low() == ada.start() {
		return bo.start()
	}
	return ada.start()
}

func badSessions(h histories) (list []sessionVector) {
	const all, named = wire.UnnamedWanted, wire.UnnamedNotWanted
	v := func(class, check, name string, code wire.CloseCode, s *script) {
		s.verdict, s.Close = bad(class, check, name), uint16(code)
		list = append(list, s.sessionVector)
	}
	empty := func() *script { return newScript("", storedOf(), storedOf()) }
	greeted := func() *script { return empty().hello("a", "t") }
	const protocol, malformed = "protocol", "malformed"

	v(protocol, "session.hello-first", "a digest first", wire.CloseProtocol, empty().digest("a", 1, all))
	v(protocol, "session.hello-first", "a frame first that may be skipped later", wire.CloseProtocol, empty().raw("a", "type 200", frame(200, 0, nil)))
	first := hello("t")
	v(protocol, "session.hello-first", "Hello with a handle", wire.CloseProtocol, empty().say("a", wire.FrameHello, 1, first.Append(nil)))
	v(protocol, "session.hello-first", "Hello in a frame of another type", wire.CloseProtocol, empty().say("a", wire.FrameType(200), 0, first.Append(nil)))
	v(malformed, "hello.form", "Hello with a byte after it", wire.CloseProtocol, empty().say("a", wire.FrameHello, 0, append(first.Append(nil), 0)))
	first.Version = 2
	v("version", "session.version", "version 2", wire.CloseVersion, empty().say("a", wire.FrameHello, 0, first.Append(nil)))
	v("topic", "session.topic", "other topics", wire.CloseTopic, empty().hello("a", "T", "t "))
	v("topic", "session.topic", "no topics", wire.CloseTopic, empty().hello("a"))
	v(protocol, "session.hello-once", "a second Hello", wire.CloseProtocol, greeted().hello("a", "t"))
	v(protocol, "session.hello-once", "a second Hello with the handle of a topic", wire.CloseProtocol, greeted().say("a", wire.FrameHello, 1, first.Append(nil)))
	v(protocol, "session.handle", "a digest for a handle that was not named", wire.CloseProtocol, greeted().say("a", wire.FrameDigest, 2, digest(1, false, all)))
	v(protocol, "session.handle", "a run with handle 0", wire.CloseProtocol, greeted().key("a", ada).say("a", wire.FrameRun, 0, h.one.Body()))
	v(protocol, "session.handle", "a run for a topic that is not common", wire.CloseProtocol, empty().hello("a", "t", "u").key("a", ada).say("a", wire.FrameRun, 2, h.one.Body()))
	v(protocol, "session.type", "type 9", wire.CloseProtocol, greeted().raw("a", "type 9", frame(9, 1, nil)))
	v(protocol, "session.type", "type 127", wire.CloseProtocol, greeted().raw("a", "type 127", frame(127, 1, nil)))
	part := func() *script { return greeted().say("a", wire.FrameDigest, 1, digest(1, true, all, low())) }
	next := func(nonce uint64, unnamed wire.Unnamed, refs ...wire.Ref) *script {
		return part().say("a", wire.FrameDigest, 1, digest(nonce, false, unnamed, refs...))
	}
	v(protocol, "session.digest-parts", "a digest goes on under another nonce", wire.CloseProtocol, next(2, all, high()))
	v(protocol, "session.digest-parts", "a digest goes on and wants others", wire.CloseProtocol, next(1, named, high()))
	v(protocol, "session.digest-parts", "a digest goes on with an author twice", wire.CloseProtocol, next(1, all, low()))
	v(protocol, "session.digest-parts", "a digest goes on with nothing", wire.CloseProtocol, next(1, all))
	v(protocol, "session.digest-more", "a digest of nothing with more to come", wire.CloseProtocol, greeted().say("a", wire.FrameDigest, 1, digest(1, true, all)))
	v(malformed, "digest.order", "a digest with an author twice", wire.CloseProtocol, greeted().digest("a", 1, all, low(), low()))
	v(malformed, "run.form", "a run with a byte after it", wire.CloseProtocol, greeted().key("a", ada).say("a", wire.FrameRun, 1, append(slices.Clone(h.one.Body()), 0)))
	v(malformed, "done.form", "Done of 7 bytes", wire.CloseProtocol, greeted().say("a", wire.FrameDone, 1, make([]byte, 7)))
	v(malformed, "frame.key", "Key of another kind", wire.CloseProtocol, greeted().say("a", wire.FrameKey, 1, joined([]byte("ssh-dss"), []byte{1}, []byte{1}, []byte{1}, []byte{1})))
	v(malformed, "close.text", "Close with a control character", wire.CloseProtocol, greeted().say("a", wire.FrameClose, 0, []byte{0, 1, 1, 7}))
	v(malformed, "frame.type", "type 0", wire.CloseProtocol, greeted().raw("a", "type 0", make([]byte, 7)))
	v(malformed, "frame.length", "length 2^32-1", wire.CloseProtocol, greeted().raw("a", "Run", []byte{3, 0, 1, 0xff, 0xff, 0xff, 0xff}))
	flip := func(b []byte) []byte { return patch(b, len(b)-9, b[len(b)-9]^1) }
	const refused = "bad-signature"
	v(refused, "run.signature", "a bit of a run's signature flipped", wire.CloseRefused, greeted().key("a", ada).say("a", wire.FrameRun, 1, flip(h.one.Body())))
	v(refused, "run.signature", "a run of another topic", wire.CloseRefused, greeted().key("a", ada).statement("a", ada.run("u", ada.start(), change(0, "kv", "one"))))
	v(refused, "head.signature", "a bit of a head's signature flipped", wire.CloseRefused, greeted().key("a", ada).say("a", wire.FrameHead, 1, flip(ada.head("t", h.one.End(), now).Body())))
	forked := must(wire.NewProof(h.two, h.twin, 2))
	v(refused, "proof.signature", "a bit of a proof's signature flipped", wire.CloseRefused, greeted().key("a", ada).say("a", wire.FrameFork, 1, flip(forked.Body())))
	return list
}
