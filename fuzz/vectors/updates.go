package main

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"strings"

	"github.com/hearsaynet/hearsay/replica/wire"
)

// updateVector is the header of one update.
type updateVector struct {
	verdict
	Header data           `json:"header"`
	Change *data          `json:"change,omitempty"`
	Means  *updateMeaning `json:"means,omitempty"`
}

type updateMeaning struct {
	Topic   string `json:"topic"`
	Author  data   `json:"author"`
	Seq     number `json:"seq"`
	Time    number `json:"time"`
	Prev    data   `json:"prev"`
	Kind    uint8  `json:"kind"`
	Channel string `json:"channel"`
	Size    uint32 `json:"size"`
	Digest  data   `json:"digest"`
	Hash    data   `json:"hash"`
}

const topic = "tö"

var someHash = wire.Hash(sha256.Sum256([]byte("some update")))

func goodUpdate(name string, h wire.Header, content []byte) updateVector {
	v := updateVector{verdict: good(name)}
	if content != nil {
		h.Size, h.Digest = uint32(len(content)), sha256.Sum256(content)
		v.Change = (*data)(&content)
	}
	hash := h.Hash()
	v.Header = h.Append(nil)
	v.Means = &updateMeaning{h.Topic, h.Author[:], number(h.Seq), number(h.Time), h.Prev[:], uint8(h.Kind), h.Channel, h.Size, h.Digest[:], hash[:]}
	return v
}

func updateVectors() file[updateVector] {
	f := file[updateVector]{About: "Headers: what an author signs, and the hash that names the update. change is the content, where there is one."}
	base := wire.Header{Topic: topic, Author: ada.id(), Seq: 1, Time: now, Kind: wire.KindChange, Channel: "kv"}
	with := func(change func(h *wire.Header)) wire.Header {
		h := base
		change(&h)
		return h
	}
	behind := func(h *wire.Header) { h.Seq, h.Prev = 2, someHash }
	f.Good = []updateVector{
		goodUpdate("first update", base, []byte("one")),
		goodUpdate("second update", with(behind), []byte("two")),
		goodUpdate("empty change, no channel", with(func(h *wire.Header) { h.Channel = "" }), []byte{}),
		goodUpdate("longest names", with(func(h *wire.Header) { h.Topic, h.Channel = strings.Repeat("t", 255), strings.Repeat("c", 64) }), []byte("x")),
		goodUpdate("largest change", with(func(h *wire.Header) { h.Size = wire.MaxChange }), nil),
		goodUpdate("largest seq and time", with(func(h *wire.Header) { h.Seq, h.Time, h.Prev = wire.MaxInteger, wire.MaxInteger, someHash }), []byte("x")),
		goodUpdate("time 0", with(func(h *wire.Header) { h.Time = 0 }), []byte("x")),
		goodUpdate("kind of a later version", with(func(h *wire.Header) { h.Kind = 200 }), []byte("x")),
		goodUpdate("by an RSA key", with(func(h *wire.Header) { h.Author = rsa2.id() }), []byte("x")),
		goodUpdate("topic with the noncharacter U+FFFF and a combining mark", with(func(h *wire.Header) { h.Topic = "a\uffffo\u0308" }), []byte("x")),
	}
	b := base.Append(nil)
	v := func(check, name string, b []byte) {
		f.Bad = append(f.Bad, updateVector{verdict: bad("malformed", check, name), Header: b})
	}
	v("header.magic", "other magic", patch(b, 7, 2))
	v("header.magic", "nothing", nil)
	v("header.form", "cut short", b[:len(b)-1])
	v("header.form", "a byte after it", append(slices.Clone(b), 0))
	v("header.author", "identity multihash", patch(b, 12, 0))
	v("header.author", "multihash of 31 bytes", patch(b, 13, 31))
	for name, t := range badNames {
		v("header.topic", "topic: "+name, splice(b, 8, 4, opaque8(t)...))
		v("header.channel", "channel: "+name, splice(b, 95, 3, opaque8(t)...))
	}
	v("header.topic", "topic: empty", splice(b, 8, 4, 0))
	v("header.channel", "channel: 65 bytes", splice(b, 95, 3, opaque8(strings.Repeat("c", 65))...))
	v("header.size", "change of a byte too many", patch(b, 98, be32(wire.MaxChange+1)...))
	v("header.seq", "seq 0", patch(b, 46, be64(0)...))
	v("header.seq", "seq 2^63", patch(patch(b, 46, be64(1<<63)...), 62, 1))
	v("header.prev", "seq 1 with prev", patch(b, 62, 1))
	v("header.prev", "seq 2 without prev", patch(b, 46, be64(2)...))
	v("header.time", "time 2^63", patch(b, 54, be64(1<<63)...))
	v("header.kind", "kind 0", patch(b, 94, 0))
	sortByName(f.Bad, func(v updateVector) string { return v.Check + " " + v.Name })
	return f
}

// badNames are neither topics nor channels.
var badNames = map[string]string{
	"control character": "a\nb", "zero byte": "a\x00", "DEL": "a\x7f", "control character U+0085": "a\u0085",
	"not UTF-8": "a\xff", "cut in a character": "a\xc3", "surrogate": "\xed\xa0\x80", "overlong": "\xc1\xa1",
	"above U+10FFFF": "\xf4\x90\x80\x80",
}

// patch returns b with the bytes from off on replaced by with.
func patch(b []byte, off int, with ...byte) []byte {
	b = slices.Clone(b)
	copy(b[off:], with)
	return b
}

// splice returns b with the n bytes at off replaced by with.
func splice(b []byte, off, n int, with ...byte) []byte {
	return slices.Concat(b[:off], with, b[off+n:])
}

func be16(v uint16) []byte { return binary.BigEndian.AppendUint16(nil, v) }

func be32(v uint32) []byte { return binary.BigEndian.AppendUint32(nil, v) }

func be64(v uint64) []byte { return binary.BigEndian.AppendUint64(nil, v) }

func opaque8(s string) []byte { return append([]byte{byte(len(s))}, s...) }

func opaque16(b []byte) []byte { return append(be16(uint16(len(b))), b...) }

func sortByName[V any](vs []V, name func(V) string) {
	slices.SortFunc(vs, func(a, b V) int { return strings.Compare(name(a), name(b)) })
}
