package main

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// frameVector is one frame as it stands on a link, its body included.
type frameVector struct {
	verdict
	Bytes data          `json:"bytes"`
	Means *frameMeaning `json:"means,omitempty"`
}

// frameMeaning has one of the last fields at most. The bodies of Run, Head and Fork frames
// are the business of other files.
type frameMeaning struct {
	Type   uint8          `json:"type"`
	Handle uint16         `json:"handle"`
	Body   data           `json:"body"`
	Hello  *helloMeaning  `json:"hello,omitempty"`
	Digest *digestMeaning `json:"digest,omitempty"`
	Key    *keyMeaning    `json:"key,omitempty"`
	Done   *doneMeaning   `json:"done,omitempty"`
	Close  *closeMeaning  `json:"close,omitempty"`
}

type helloMeaning struct {
	Version uint16         `json:"version"`
	Agent   string         `json:"agent"`
	Meta    data           `json:"meta"`
	Topics  []topicMeaning `json:"topics"`
}

type topicMeaning struct {
	Handle uint16 `json:"handle"`
	Topic  string `json:"topic"`
}

type digestMeaning struct {
	Nonce   number       `json:"nonce"`
	More    bool         `json:"more"`
	Unnamed uint8        `json:"unnamed"`
	Refs    []refMeaning `json:"refs"`
}

type refMeaning struct {
	Author data   `json:"author"`
	Seq    number `json:"seq"`
	Hash   data   `json:"hash"`
}

type doneMeaning struct {
	Nonce number `json:"nonce"`
}

type closeMeaning struct {
	Code uint16 `json:"code"`
	Text string `json:"text"`
}

func refOf(r wire.Ref) refMeaning { return refMeaning{r.Author[:], number(r.Seq), r.Hash[:]} }

func frame(t wire.FrameType, handle uint16, body []byte) []byte {
	return wire.AppendFrame(nil, wire.Frame{Type: t, Handle: handle, Body: body})
}

func goodFrame(name string, t wire.FrameType, handle uint16, body []byte) frameVector {
	m := &frameMeaning{Type: uint8(t), Handle: handle, Body: body}
	switch t {
	case wire.FrameHello:
		h := must(wire.ParseHello(body))
		m.Hello = &helloMeaning{h.Version, h.Agent, h.Meta, []topicMeaning{}}
		for _, x := range h.Topics {
			m.Hello.Topics = append(m.Hello.Topics, topicMeaning{x.Handle, x.Topic})
		}
	case wire.FrameDigest:
		d := must(wire.ParseDigest(body))
		m.Digest = &digestMeaning{number(d.Nonce), d.More, uint8(d.Unnamed), []refMeaning{}}
		for _, r := range d.Refs {
			m.Digest.Refs = append(m.Digest.Refs, refOf(r))
		}
	case wire.FrameKey:
		m.Key = goodKey("", body, nil).Means
	case wire.FrameDone:
		m.Done = &doneMeaning{number(must(wire.ParseDone(body)))}
	case wire.FrameClose:
		c := must(wire.ParseClose(body))
		m.Close = &closeMeaning{uint16(c.Code), c.Text}
	}
	return frameVector{good(name), frame(t, handle, body), m}
}

func hello(topics ...string) wire.Hello {
	h := wire.Hello{Version: wire.Version, Agent: "vectors"}
	for i, t := range topics {
		h.Topics = append(h.Topics, wire.TopicHandle{Handle: uint16(i + 1), Topic: t})
	}
	return h
}

func manyTopics(n int) (names []string) {
	for i := range n {
		names = append(names, fmt.Sprintf("topic %d", i))
	}
	return names
}

func digest(nonce uint64, more bool, unnamed wire.Unnamed, refs ...wire.Ref) []byte {
	slices.SortFunc(refs, func(a, b wire.Ref) int { return a.Author.Compare(b.Author) })
	d := wire.Digest{Nonce: nonce, More: more, Unnamed: unnamed, Refs: refs}
	return d.Append(nil)
}

func frameVectors() file[frameVector] {
	f := file[frameVector]{About: "Frames, one each. A good one has what its body means, unless that is the business of runs.json, heads.json or proofs.json."}
	full := hello(manyTopics(wire.MaxTopics)...)
	full.Agent, full.Meta = strings.Repeat("a", 255), stream("meta", wire.MaxMeta)
	full.Topics[0].Handle, full.Topics[1].Topic = math.MaxUint16, strings.Repeat("ö", 127)
	small, later := hello(topic), hello("t")
	later.Version, later.Agent = 7, ""
	none := hello()
	one, two := adaRuns()
	closing := func(code wire.CloseCode, text string) []byte {
		c := wire.Close{Code: code, Text: text}
		return c.Append(nil)
	}
	f.Good = []frameVector{
		goodFrame("Hello", wire.FrameHello, 0, small.Append(nil)),
		goodFrame("Hello with all it can hold", wire.FrameHello, 0, full.Append(nil)),
		goodFrame("Hello without topics", wire.FrameHello, 0, none.Append(nil)),
		goodFrame("Hello of another version", wire.FrameHello, 0, later.Append(nil)),
		goodFrame("Digest of nothing, which is the ping", wire.FrameDigest, 1, digest(2, false, wire.UnnamedNotWanted)),
		goodFrame("Digest of two authors", wire.FrameDigest, 1, digest(1, false, wire.UnnamedWanted, two.End(), bo.start())),
		goodFrame("Digest with more to come, largest nonce", wire.FrameDigest, 65535, digest(wire.MaxInteger, true, wire.UnnamedNotWanted, one.End())),
		goodFrame("Run", wire.FrameRun, 1, one.Body()),
		goodFrame("Head", wire.FrameHead, 1, ada.head(topic, two.End(), now).Body()),
		goodFrame("Key", wire.FrameKey, 1, ada.key.Wire()),
		goodFrame("Fork", wire.FrameFork, 1, adaFork().Body()),
		goodFrame("Done", wire.FrameDone, 258, wire.AppendDone(nil, 7)),
		goodFrame("Done of nonce 0", wire.FrameDone, 1, wire.AppendDone(nil, 0)),
		goodFrame("Close", wire.FrameClose, 0, closing(wire.CloseBusy, "1000 sessions")),
		goodFrame("Close with the longest text", wire.FrameClose, 0, closing(wire.CloseRestart, strings.Repeat("x", 255))),
		goodFrame("Close with a code of a later version", wire.FrameClose, 0, closing(999, "")),
		goodFrame("a type that may be skipped", 128, 9, []byte("anything")),
		goodFrame("the largest frame", 255, 0, make([]byte, wire.MaxFrame)),
	}
	f.Bad = slices.Concat(badFrames(), badHellos(), badDigests(), badEnds())
	return f
}

func badBody(check, name string, t wire.FrameType, handle uint16, body []byte) frameVector {
	return frameVector{verdict: bad("malformed", check, name), Bytes: frame(t, handle, body)}
}

func badFrames() []frameVector {
	v := func(class, check, name string, b []byte) frameVector {
		return frameVector{verdict: bad(class, check, name), Bytes: b}
	}
	done := frame(wire.FrameDone, 1, wire.AppendDone(nil, 7))
	return []frameVector{
		v("malformed", "frame.type", "type 0", patch(done, 0, 0)),
		v("malformed", "frame.length", "length 2^32-1", patch(done, 3, 0xff, 0xff, 0xff, 0xff)),
		v("malformed", "frame.length", "a byte too many", frame(wire.FrameType(255), 0, make([]byte, wire.MaxFrame+1))),
		v("malformed", "frame.length", "HTTP", []byte("GET / HTTP/1.1\r\nHost: example.org\r\n\r\n")),
		v("cut-short", "frame.whole", "half a header", done[:3]),
		v("cut-short", "frame.whole", "a header alone", done[:7]),
		v("cut-short", "frame.whole", "a byte is missing", done[:len(done)-1]),
	}
}

func badHellos() (list []frameVector) {
	h := hello(topic, "u")
	b := h.Append(nil)
	v := func(check, name string, body []byte) {
		list = append(list, badBody(check, name, wire.FrameHello, 0, body))
	}
	with := func(change func(h *wire.Hello)) []byte {
		x := hello(topic, "u")
		change(&x)
		return x.Append(nil)
	}
	v("hello.form", "nothing", nil)
	v("hello.form", "cut short in its topics", b[:len(b)-1])
	v("hello.form", "cut short before its topics", b[:5])
	v("hello.form", "a byte after it", append(slices.Clone(b), 0))
	v("hello.version", "version 0", with(func(h *wire.Hello) { h.Version = 0 }))
	v("hello.meta", "4,097 bytes", with(func(h *wire.Hello) { h.Meta = make([]byte, wire.MaxMeta+1) }))
	v("hello.agent", "control character", with(func(h *wire.Hello) { h.Agent = "a\n" }))
	v("hello.agent", "not UTF-8", with(func(h *wire.Hello) { h.Agent = "a\xff" }))
	many := hello(manyTopics(65)...)
	v("hello.topics", "65 topics", many.Append(nil))
	v("hello.topic", "empty topic", with(func(h *wire.Hello) { h.Topics[1].Topic = "" }))
	v("hello.topic", "control character", with(func(h *wire.Hello) { h.Topics[1].Topic = "\x00" }))
	v("hello.topic", "not UTF-8", with(func(h *wire.Hello) { h.Topics[1].Topic = "\xc3" }))
	v("hello.handle", "handle 0", with(func(h *wire.Hello) { h.Topics[1].Handle = 0 }))
	v("hello.handle", "a handle twice", with(func(h *wire.Hello) { h.Topics[1].Handle = 1 }))
	v("hello.handle", "a topic twice", with(func(h *wire.Hello) { h.Topics[1].Topic = topic }))
	return list
}

func badDigests() (list []frameVector) {
	one, _ := adaRuns()
	b := digest(1, false, wire.UnnamedWanted, one.End(), bo.start())
	v := func(check, name string, body []byte) {
		list = append(list, badBody(check, name, wire.FrameDigest, 1, body))
	}
	v("digest.form", "nothing", nil)
	v("digest.form", "9 bytes", b[:9])
	v("digest.nonce", "nonce 2^63", patch(b, 0, be64(1<<63)...))
	v("digest.more", "more 2", patch(b, 8, 2))
	v("digest.unnamed", "unnamed 0", patch(b, 9, 0))
	v("digest.unnamed", "unnamed 3", patch(b, 9, 3))
	v("digest.refs", "cut short", b[:len(b)-1])
	v("digest.refs", "a byte after it", append(slices.Clone(b), 0))
	v("digest.author", "identity multihash", patch(b, 10, 0))
	v("digest.author", "multihash of 31 bytes", patch(b, 11, 31))
	v("digest.seq", "seq 2^63", digest(1, false, wire.UnnamedWanted, wire.Ref{Author: ada.id(), Seq: 1 << 63, Hash: someHash}))
	v("digest.hash", "seq 0 with a hash", digest(1, false, wire.UnnamedWanted, wire.Ref{Author: ada.id(), Hash: someHash}))
	v("digest.hash", "seq 1 without a hash", digest(1, false, wire.UnnamedWanted, wire.Ref{Author: ada.id(), Seq: 1}))
	v("digest.order", "an author twice", digest(1, false, wire.UnnamedWanted, ada.start(), ada.start()))
	v("digest.order", "descending", slices.Concat(b[:10], b[84:], b[10:84]))
	return list
}

func badEnds() []frameVector {
	certificate := joined([]byte("ssh-ed25519-cert-v01@openssh.com"), make([]byte, 32), ada.key.Wire()[19:])
	text := func(code uint16, s string) []byte {
		return append(binary.BigEndian.AppendUint16(nil, code), opaque8(s)...)
	}
	return []frameVector{
		badBody("done.form", "nothing", wire.FrameDone, 1, nil),
		badBody("done.form", "7 bytes", wire.FrameDone, 1, make([]byte, 7)),
		badBody("done.form", "9 bytes", wire.FrameDone, 1, make([]byte, 9)),
		badBody("done.nonce", "nonce 2^63", wire.FrameDone, 1, be64(1<<63)),
		badBody("close.form", "nothing", wire.FrameClose, 0, nil),
		badBody("close.form", "cut short", wire.FrameClose, 0, text(1, "bye")[:5]),
		badBody("close.form", "a byte after it", wire.FrameClose, 0, append(text(1, "bye"), 0)),
		badBody("close.code", "code 0", wire.FrameClose, 0, text(0, "bye")),
		badBody("close.text", "control character", wire.FrameClose, 0, text(1, "bye\x1b[2J")),
		badBody("close.text", "not UTF-8", wire.FrameClose, 0, text(1, "\xff")),
		badBody("frame.key", "certificate, which a session takes for malformed", wire.FrameKey, 1, certificate),
		badBody("frame.key", "a byte after it", wire.FrameKey, 1, append(ada.key.Wire(), 0)),
		badBody("frame.key", "an id of a key", wire.FrameKey, 1, idBytes(ada)),
		badBody("frame.key", "RSA of 1024 bits", wire.FrameKey, 1, rsaWire([]byte{1, 0, 1}, modulus(1024))),
		badBody("frame.key", "small order", wire.FrameKey, 1, joined([]byte(keys.TypeEd25519), smallOrder()[0])),
	}
}
