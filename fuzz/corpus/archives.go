package main

import (
	"bytes"
	"encoding/binary"
	"slices"

	"github.com/hearsaynet/hearsay/replica/wire"
)

// archives makes files of an archive, and what they say they follow.
func (c *corpus) archives() {
	a, b := newAuthor(0), newAuthor(32)
	first := a.first()
	places := []wire.Place{{Ref: first.End(), Cut: 9}, {Ref: wire.Ref{Author: b.id()}, Cut: 1}}
	slices.SortFunc(places, func(x, y wire.Place) int { return x.Author.Compare(y.Author) })

	body := baseOf(places...)
	c.good("base", "two-authors", body)
	c.good("base", "nothing", nil)
	c.bad("base", "cut-short", body[:len(body)-1])
	c.bad("base", "and-a-byte", append(bytes.Clone(body), 0))
	c.bad("base", "out-of-order", baseOf(places[1], places[0]))
	c.bad("base", "author-twice", baseOf(places[0], places[0]))
	c.bad("base", "cut-2-63", baseOf(wire.Place{Ref: first.End(), Cut: 1 << 63}))
	c.bad("base", "hash-of-none", baseOf(wire.Place{Ref: wire.Ref{Author: a.id(), Hash: wire.Hash{1}}}))
	mark := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint64(nil, 16), 0xc0ffee)
	c.strict("mark", "any", mark)

	runs := []*wire.Run{a.run(first.End(), changes(3, "more")...), b.first()}
	file := archived(places, runs...)
	c.good("archive-file", "whole", file)
	c.good("archive-file", "without-marks", export(first))
	end := frame(wire.FrameDone, 0, wire.AppendDone(nil, 2))
	c.good("archive-file", "without-end", bytes.TrimSuffix(file, end))
	c.bad("archive-file", "nothing", nil)
	c.bad("archive-file", "torn", file[:len(file)-40])
	c.bad("archive-file", "half", file[:len(file)/2])
	c.bad("archive-file", "flipped", patched(file, len(file)/2, file[len(file)/2]^1))
	c.bad("archive-file", "flipped-base", patched(file, 80, file[80]^1))
	c.bad("archive-file", "zeros-behind", append(bytes.TrimSuffix(file, end), make([]byte, 4096)...))
	c.bad("archive-file", "twice", slices.Concat(file, file))
	var two bytes.Buffer
	must(wire.NewExportWriter(&two, "corpus", topic, "x"))
	c.bad("archive-file", "two-topics", two.Bytes())
}

// baseOf is the body of a Base frame.
func baseOf(places ...wire.Place) []byte {
	var file bytes.Buffer
	w := must(wire.NewExportWriter(&file, "corpus", topic))
	file.Reset()
	check(w.Base(topic, places))
	return file.Bytes()[7:]
}

// archived is a file of an archive, with a mark behind its base and each run.
func archived(places []wire.Place, runs ...*wire.Run) []byte {
	var file bytes.Buffer
	w := must(wire.NewExportWriter(&file, "corpus", topic))
	check(w.Base(topic, places))
	check(w.Mark())
	for _, r := range runs {
		check(w.Write(r))
		check(w.Mark())
	}
	check(w.Close())
	return file.Bytes()
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
