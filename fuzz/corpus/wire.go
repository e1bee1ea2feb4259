package main

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"strings"

	"github.com/hearsaynet/hearsay/fuzz/fuzztest"
	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica/wire"
	"github.com/hearsaynet/hearsay/sign"
)

// topic is what runs, heads and proofs here are signed for.
const topic = "tö"

// instant is the time of the first update.
const instant = 1_700_000_000_000_000_000

// author has the key of fuzztest.KeySeed.
type author struct{ *sign.PrivateKey }

func newAuthor(first byte) author {
	return author{must(sign.NewEd25519(ed25519.NewKeyFromSeed(fuzztest.KeySeed(first))))}
}

func (a author) id() keys.NodeID { return a.Public().ID() }

func (a author) sign(namespace string, msg []byte) []byte {
	return must(a.PrivateKey.Sign(context.Background(), namespace, msg))
}

func (a author) run(prev wire.Ref, entries ...wire.Entry) *wire.Run {
	d := must(wire.NewDraft(topic, prev, entries...))
	return must(d.Seal(a.Public(), a.sign(wire.NamespaceUpdate, d.Message())))
}

func (a author) head(ref wire.Ref, issued uint64) *wire.Head {
	return must(wire.SealHead(topic, ref, issued, a.Public(), a.sign(wire.NamespaceHead, wire.HeadMessage(topic, ref, issued))))
}

// fork signs two histories from seq 2 on, of the given lengths.
func (a author) fork(one, two int) *wire.Proof {
	first := a.first()
	return must(wire.NewProof(a.run(first.End(), changes(one, "one")...), a.run(first.End(), changes(two, "two")...), 2))
}

func (a author) first() *wire.Run { return a.run(wire.Ref{Author: a.id()}, changes(1, "first")...) }

func changes(n int, what string) []wire.Entry {
	es := make([]wire.Entry, n)
	for i := range es {
		es[i] = wire.Entry{Time: instant + uint64(i), Kind: wire.KindChange, Channel: "kv", Change: []byte(what)}
	}
	return es
}

func frame(t wire.FrameType, handle uint16, body []byte) []byte {
	return wire.AppendFrame(nil, wire.Frame{Type: t, Handle: handle, Body: body})
}

func (c *corpus) messages() {
	a, b := newAuthor(0), newAuthor(32)
	done := wire.AppendDone(nil, 7)
	c.good("frame", "nothing", nil)
	c.good("frame", "two", slices.Concat(frame(wire.FrameDone, 258, done), frame(wire.FrameDigest, 1, nil)))
	c.good("frame", "skippable", frame(200, 65535, []byte("what is this")))
	c.bad("frame", "cut-short", frame(wire.FrameDone, 1, done)[:10])
	c.bad("frame", "type-0", frame(0, 1, done))
	c.bad("frame", "longest-and-one", patched(frame(wire.FrameRun, 1, done), 3, 0, 0x10, 0, 1))
	c.bad("frame", "4-gib", patched(frame(wire.FrameRun, 1, done), 3, 0xff, 0xff, 0xff, 0xff))
	c.bad("frame", "1-mib-announced", patched(frame(wire.FrameRun, 1, done), 3, 0, 0x10, 0, 0))

	hello := wire.Hello{Version: 1, Agent: "hearsay", Meta: []byte{0, 255}, Topics: []wire.TopicHandle{{Handle: 1, Topic: topic}, {Handle: 65535, Topic: "x"}}}
	c.strict("hello", "two-topics", hello.Append(nil))
	c.good("hello", "later-version", (&wire.Hello{Version: 9}).Append(nil))
	c.bad("hello", "version-0", (&wire.Hello{}).Append(nil))
	c.bad("hello", "topic-twice", (&wire.Hello{Version: 1, Topics: []wire.TopicHandle{{Handle: 1, Topic: "x"}, {Handle: 2, Topic: "x"}}}).Append(nil))
	c.bad("hello", "handle-twice", (&wire.Hello{Version: 1, Topics: []wire.TopicHandle{{Handle: 1, Topic: "x"}, {Handle: 1, Topic: "y"}}}).Append(nil))
	c.bad("hello", "handle-0", (&wire.Hello{Version: 1, Topics: []wire.TopicHandle{{Topic: "x"}}}).Append(nil))
	c.bad("hello", "bad-utf-8", (&wire.Hello{Version: 1, Agent: "\xff"}).Append(nil))
	c.bad("hello", "control-character", (&wire.Hello{Version: 1, Agent: "\x1b[2J"}).Append(nil))

	refs := []wire.Ref{a.first().End(), {Author: b.id()}}
	slices.SortFunc(refs, func(x, y wire.Ref) int { return x.Author.Compare(y.Author) })
	c.strict("digest", "two-authors", (&wire.Digest{Nonce: wire.MaxInteger, More: true, Unnamed: wire.UnnamedNotWanted, Refs: refs}).Append(nil))
	c.good("digest", "ping", (&wire.Digest{Nonce: 1, Unnamed: wire.UnnamedNotWanted}).Append(nil))
	c.bad("digest", "author-twice", (&wire.Digest{Unnamed: wire.UnnamedWanted, Refs: []wire.Ref{refs[0], refs[0]}}).Append(nil))
	c.bad("digest", "out-of-order", (&wire.Digest{Unnamed: wire.UnnamedWanted, Refs: []wire.Ref{refs[1], refs[0]}}).Append(nil))
	c.bad("digest", "seq-2-63", (&wire.Digest{Unnamed: wire.UnnamedWanted, Refs: []wire.Ref{{Author: a.id(), Seq: 1 << 63, Hash: wire.Hash{1}}}}).Append(nil))
	c.bad("digest", "unnamed-0", (&wire.Digest{}).Append(nil))
	c.bad("digest", "zero-author", (&wire.Digest{Unnamed: wire.UnnamedWanted, Refs: []wire.Ref{{}}}).Append(nil))

	c.strict("done", "seven", done)
	c.bad("done", "2-63", wire.AppendDone(nil, 1<<63))

	c.strict("close", "busy", (&wire.Close{Code: wire.CloseBusy, Text: "1000 sessions"}).Append(nil))
	c.good("close", "unknown-code", (&wire.Close{Code: 999}).Append(nil))
	c.bad("close", "code-0", (&wire.Close{}).Append(nil))
	c.bad("close", "line-end", patched((&wire.Close{Code: 1, Text: "x"}).Append(nil), 3, '\n'))
}

func (c *corpus) statements() {
	a := newAuthor(0)
	first := a.first()
	header := first.Headers()[0]
	c.strict("header", "first", header)
	c.bad("header", "other-version", patched(header, 7, 2))
	c.bad("header", "seq-0", patched(header, 8+1+len(topic)+keys.IDSize, make([]byte, 8)...))
	c.bad("header", "prev-of-the-first", patched(header, 8+1+len(topic)+keys.IDSize+16, 1))

	entries := changes(2, "two")
	entries[1] = wire.Entry{Time: instant + 2, Kind: wire.KindChange, Absent: true, Size: 24, Digest: sha256.Sum256([]byte("a change that was erased"))}
	run := a.run(first.End(), entries...)
	c.strict("run", "one-absent", run.Body())
	c.good("run", "first", first.Body())
	c.good("run", "twenty", a.run(wire.Ref{Author: a.id()}, changes(20, "x")...).Body())
	c.good("run", "cut-front", run.CutFront(run.First()).Body())
	c.good("run", "unknown-kind", a.run(wire.Ref{Author: a.id()}, wire.Entry{Kind: 9}).Body())
	c.good("run", "bad-signature", patched(run.Body(), run.Size()-1, run.Body()[run.Size()-1]^1))
	const place = keys.IDSize + 8 + wire.HashSize
	c.bad("run", "no-entries", patched(run.Body(), place, 0, 0))
	c.bad("run", "257-entries", patched(run.Body(), place, 1, 1))
	c.bad("run", "65535-entries", patched(run.Body(), place, 0xff, 0xff))
	c.bad("run", "seq-0", patched(first.Body(), keys.IDSize, make([]byte, 8)...))
	c.bad("run", "last-seq-2-63", patched(run.Body(), keys.IDSize, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff))
	c.bad("run", "identity-multihash", patched(run.Body(), 0, 0))
	c.bad("run", "kind-0", patched(run.Body(), place+2+8, 0))
	c.bad("run", "form-3", patched(run.Body(), place+2+8+1+1+2, 3))
	c.bad("run", "change-of-4-gib", patched(run.Body(), place+2+8+1+1+2+1, 0xff, 0xff, 0xff, 0xff))

	head := a.head(run.End(), instant+1e9)
	c.strict("head", "of-3", head.Body())
	c.good("head", "of-nothing", a.head(wire.Ref{Author: a.id()}, instant).Body())
	c.good("head", "forged", patched(head.Body(), keys.IDSize+7, 9))
	c.bad("head", "seq-2-63", patched(head.Body(), keys.IDSize, 0x80))
	c.bad("head", "issued-2-63", patched(head.Body(), keys.IDSize+8+wire.HashSize, 0x80))

	proof := a.fork(2, 1)
	c.strict("proof", "two-and-one", proof.Body())
	c.good("proof", "twenty", a.fork(20, 20).Body())
	c.bad("proof", "no-updates", patched(proof.Body(), place, 0, 0))
	c.bad("proof", "257-updates", patched(proof.Body(), place, 1, 1))
	c.bad("proof", "other-order", swapChains(proof.Body(), place))
}

// swapChains puts the second chain of a proof of known shape first.
func swapChains(body []byte, place int) []byte {
	n := int(binary.BigEndian.Uint16(body[place:]))
	one := place + 2 + n*(8+1+1+2+4+32)
	one += 2 + int(binary.BigEndian.Uint16(body[one:]))
	return slices.Concat(body[:place], body[one:], body[place:one])
}

func (c *corpus) exports() {
	a, b := newAuthor(0), newAuthor(32)
	first := a.first()
	file := export(first, a.run(first.End(), changes(3, "more")...), a.head(first.End(), instant), a.fork(2, 1))
	c.strict("export", "all-statements", file)
	c.good("export", "empty", export())
	c.good("export", "two-authors", export(first, b.first()))
	c.bad("export", "magic", patched(file, 0, 'H'))
	c.bad("export", "wrong-count", patched(file, len(file)-1, 99))
	c.bad("export", "no-end", bytes.TrimSuffix(export(first), frame(wire.FrameDone, 0, wire.AppendDone(nil, 1))))
	c.bad("export", "second-hello", bytes.Replace(file, frame(wire.FrameKey, 1, a.Public().Wire()), frame(wire.FrameHello, 0, nil), 1))
	c.bad("export", "unnamed-topic", []byte(strings.Replace(string(file), string(frame(wire.FrameKey, 1, a.Public().Wire())), string(frame(wire.FrameKey, 9, a.Public().Wire())), 1)))
}

func export(statements ...wire.Statement) []byte { return exportOf(topic, statements...) }

func exportOf(topic string, statements ...wire.Statement) []byte {
	var file bytes.Buffer
	w := must(wire.NewExportWriter(&file, "corpus", topic))
	for _, s := range statements {
		if err := w.Write(s); err != nil {
			panic(err)
		}
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	return file.Bytes()
}
