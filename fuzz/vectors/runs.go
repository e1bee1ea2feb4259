package main

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// runVector is the body of a Run frame, and the key that is offered with it.
type runVector struct {
	verdict
	Topic string      `json:"topic"`
	Key   data        `json:"key"`
	Body  data        `json:"body"`
	Means *runMeaning `json:"means,omitempty"`
}

type runMeaning struct {
	Author    data           `json:"author"`
	First     number         `json:"first"`
	Prev      data           `json:"prev"`
	Entries   []entryMeaning `json:"entries"`
	Signature data           `json:"signature"`
}

// entryMeaning is one update of a run or of a proof's chain.
type entryMeaning struct {
	Time    number `json:"time"`
	Kind    uint8  `json:"kind"`
	Channel string `json:"channel"`
	Size    uint32 `json:"size"`
	Digest  data   `json:"digest"`
	Hash    data   `json:"hash"`
}

func entryMeanings(entries []wire.Entry, refs func(i int) wire.Ref) (es []entryMeaning) {
	for i, e := range entries {
		size, digest, hash := e.Size, e.Digest, refs(i).Hash
		if !e.Absent {
			size, digest = uint32(len(e.Change)), sha256.Sum256(e.Change)
		}
		es = append(es, entryMeaning{number(e.Time), uint8(e.Kind), e.Channel, size, digest[:], hash[:]})
	}
	return es
}

func goodRun(name string, r *wire.Run) runVector {
	id, prev := r.Author(), r.Prev().Hash
	return runVector{good(name), r.Topic(), r.Key().Wire(), r.Body(),
		&runMeaning{id[:], number(r.First()), prev[:], entryMeanings(r.Entries(), r.Ref), r.Signature()}}
}

// adaRuns are update 1, and updates 2 and 3 of which the last is erased.
func adaRuns() (one, two *wire.Run) {
	one = ada.run(topic, ada.start(), change(0, "kv", "one"))
	two = ada.run(topic, one.End(), change(1, "kv", "two"), wire.Entry{
		Time: now + 2, Kind: wire.KindChange, Absent: true, Size: 24, Digest: sha256.Sum256([]byte("a change that was erased")),
	})
	return one, two
}

func runVectors() file[runVector] {
	f := file[runVector]{About: "Bodies of Run frames, in a topic, with the author's key as it came. A run is opened with it and nothing else: " +
		"whether it continues what is stored is for histories.json."}
	one, two := adaRuns()
	full := make([]wire.Entry, wire.MaxEntries)
	for i := range full {
		full[i] = change(uint64(i), "kv", strings.Repeat("x", i%5))
	}
	whole := ada.run(topic, ada.start(), full...)
	f.Good = []runVector{
		goodRun("update 1", one),
		goodRun("updates 2 and 3, the last erased", two),
		goodRun("256 updates", whole),
		goodRun("the same, cut at the front for a peer that has 250", whole.CutFront(250)),
		goodRun("by an RSA key of 2048 bits", rsa2.run("t", rsa2.start(), change(0, "", "r"))),
		goodRun("by an RSA key of 4096 bits, the longest signature", rsa4.run("t", rsa4.start(), change(0, "", "r"))),
		goodRun("largest change", ada.run(topic, ada.start(), wire.Entry{Time: now, Kind: wire.KindChange, Channel: "kv", Change: make([]byte, wire.MaxChange)})),
		goodRun("kind of a later version, which opens", ada.run(topic, ada.start(), wire.Entry{Time: now, Kind: wire.KindRotate, Channel: "kv", Change: []byte("x")})),
		goodRun("time of year 2262", ada.run(topic, ada.start(), wire.Entry{Time: wire.MaxInteger, Kind: wire.KindChange, Change: []byte("x")})),
		goodRun("ends at the largest seq", ada.run(topic, wire.Ref{Seq: wire.MaxInteger - 1, Hash: someHash}, change(0, "", "x"))),
	}
	f.Bad = append(badRuns(two), badRunSignatures(one, two)...)
	return f
}

// Offsets in the body of the run of updates 2 and 3.
const (
	runSeq, runPrev, runCount, runEntry        = 34, 42, 74, 76
	entryForm, entryChange, absentSize, runSig = 88, 89, 107, 143
)

// badEntries has entries that break one rule each.
var badEntries = []struct {
	check, name string
	entry       wire.Entry
}{
	{"entry.size", "change of a byte too many", wire.Entry{Time: now, Kind: 1, Change: make([]byte, wire.MaxChange+1)}},
	{"entry.size", "erased change of a byte too many", wire.Entry{Time: now, Kind: 1, Absent: true, Size: wire.MaxChange + 1}},
	{"entry.time", "time 2^63", wire.Entry{Time: 1 << 63, Kind: 1}},
	{"entry.time", "time 2^64-1", wire.Entry{Time: 1<<64 - 1, Kind: 1}},
	{"entry.kind", "kind 0", wire.Entry{Time: now}},
	{"entry.channel", "channel of 65 bytes", wire.Entry{Time: now, Kind: 1, Channel: strings.Repeat("c", 65)}},
	{"entry.channel", "channel with a control character", wire.Entry{Time: now, Kind: 1, Channel: "k\x7f"}},
	{"entry.channel", "channel that is not UTF-8", wire.Entry{Time: now, Kind: 1, Channel: "k\x80"}},
}

// badPlaces has places at which no update can stand.
var badPlaces = []struct {
	check, name string
	prev        wire.Ref
}{
	{"seq", "seq 0", wire.Ref{Seq: 1<<64 - 1, Hash: someHash}},
	{"seq", "seq 0 without prev", wire.Ref{Seq: 1<<64 - 1}},
	{"seq", "seq 2^63", wire.Ref{Seq: wire.MaxInteger, Hash: someHash}},
	{"prev", "seq 1 with prev", wire.Ref{Hash: someHash}},
	{"prev", "seq 2 without prev", wire.Ref{Seq: 1}},
}

func badRuns(two *wire.Run) (list []runVector) {
	b := two.Body()
	v := func(check, name string, body []byte) {
		list = append(list, runVector{verdict: bad("malformed", check, name), Topic: topic, Key: ada.key.Wire(), Body: body})
	}
	half := wire.Entry{Time: now, Kind: wire.KindChange, Change: make([]byte, 600_000)}
	v("run.size", "two changes of 600,000 bytes", by(ada).run(wire.Ref{}, half, half))
	v("run.form", "cut short", b[:len(b)-1])
	v("run.form", "a byte after it", append(slices.Clone(b), 0))
	v("run.form", "more entries than it says", patch(b, runCount, 0, 1))
	v("run.form", "change longer than the run", patch(b, entryChange, 0xff, 0xff, 0xff, 0xff))
	v("run.form", "nothing", nil)
	v("run.author", "identity multihash", patch(b, 0, 0))
	v("run.author", "multihash of 20 bytes", patch(b, 1, 20))
	v("run.announced", "257 entries", by(ada).run(wire.Ref{}, slices.Repeat([]wire.Entry{change(0, "", "")}, 257)...))
	v("run.announced", "256 entries in 15 bytes each but for one byte", announced())
	v("entry.presence", "form 0", patch(b, entryForm, 0))
	v("entry.presence", "form 3", patch(b, entryForm, 3))
	for _, e := range badEntries {
		v(e.check, e.name, by(ada).run(wire.Ref{}, e.entry))
	}
	v("run.signature-size", "no signature", splice(b, runSig, len(b)-runSig, 0, 0))
	v("run.signature-size", "533 bytes", splice(b, runSig, len(b)-runSig, opaque16(make([]byte, 533))...))
	for _, name := range []string{"", "a\nb", strings.Repeat("t", 256)} {
		r := runVector{verdict: bad("malformed", "run.topic", fmt.Sprintf("topic %.5q, %d bytes", name, len(name))), Topic: name, Key: ada.key.Wire(), Body: b}
		list = append(list, r)
	}
	v("run.entries", "no entries", splice(patch(b, runCount, 0, 0), runEntry, runSig-runEntry))
	for _, p := range badPlaces {
		v("run."+p.check, p.name, by(ada).run(p.prev, change(0, "", "x")))
	}
	v("run.last", "ends at 2^63", by(ada).run(wire.Ref{Seq: wire.MaxInteger - 1, Hash: someHash}, change(0, "", "x"), change(1, "", "y")))
	return list
}

// announced says that it has 256 entries and has a byte too few for them.
func announced() []byte {
	return slices.Concat(by(ada).place(wire.Ref{}), be16(256), make([]byte, 256*15-1))
}

func badRunSignatures(one, two *wire.Run) (list []runVector) {
	b := two.Body()
	v := func(class, check, name, topic string, key keys.PublicKey, body []byte) {
		list = append(list, runVector{verdict: bad(class, check, name), Topic: topic, Key: key.Wire(), Body: body})
	}
	signed := func(namespace string, header []byte) []byte {
		return splice(b, runSig, len(b)-runSig, opaque16(ada.signature(namespace, header))...)
	}
	last := two.Headers()[1]
	bos := bo.run(topic, wire.Ref{Seq: 1, Hash: one.End().Hash}, two.Entries()...)
	adaID := ada.id()
	v("wrong-key", "run.key", "bo's key, and bo's signature", topic, bo.key, patch(bos.Body(), 0, adaID[:]...))
	const class, check = "bad-signature", "run.signature"
	v(class, check, "a bit of the signature flipped", topic, ada.key, patch(b, len(b)-20, b[len(b)-20]^1))
	v(class, check, "another topic", "another topic", ada.key, b)
	v(class, check, "signed in the namespace of heads", topic, ada.key, signed("hearsay-head", last))
	v(class, check, "signed in the namespace of links", topic, ada.key, signed("hearsay-link", last))
	v(class, check, "the signature of the first of its updates", topic, ada.key, signed(wire.NamespaceUpdate, two.Headers()[0]))
	v(class, check, "a change altered", topic, ada.key, patch(b, entryChange+4, 'T'))
	v(class, check, "a time altered", topic, ada.key, patch(b, runEntry+7, 9))
	v(class, check, "an erased digest altered", topic, ada.key, patch(b, absentSize+4, 0))
	v(class, check, "another prev", topic, ada.key, patch(b, runPrev, someHash[:]...))
	v(class, check, "another place", topic, ada.key, patch(b, runSeq, be64(3)...))
	v(class, check, "another author's updates under bo's key", topic, bo.key, patch(b, 0, idBytes(bo)...))
	v(class, check, "its end cut off", topic, ada.key, cutEnd(two))
	v(class, check, "signature of another format", topic, ada.key, splice(b, runSig, len(b)-runSig, opaque16(rsa2.signature(wire.NamespaceUpdate, last))...))
	return list
}

func idBytes(a *author) []byte {
	id := a.id()
	return id[:]
}

// cutEnd leaves out the last update of the run of updates 2 and 3.
func cutEnd(two *wire.Run) []byte {
	b := two.Body()
	return slices.Concat(b[:runCount], []byte{0, 1}, b[runEntry:96], b[runSig:])
}
