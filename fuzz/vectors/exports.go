package main

import (
	"bytes"
	"slices"

	"github.com/hearsaynet/hearsay/replica/wire"
)

// exportVector is an export file.
type exportVector struct {
	verdict
	File  data           `json:"file"`
	Means *exportMeaning `json:"means,omitempty"`
}

type exportMeaning struct {
	Hello      *helloMeaning      `json:"hello"`
	Statements []statementMeaning `json:"statements"`
}

// statementMeaning is a run, a head or a proof, by the type of the frame that carries it.
// seq is the last of a run, what a head states, the first that differs of a proof.
type statementMeaning struct {
	Type   uint8  `json:"type"`
	Topic  string `json:"topic"`
	Author data   `json:"author"`
	Seq    number `json:"seq"`
}

func statementOf(s wire.Statement) statementMeaning {
	id := s.Author()
	m := statementMeaning{Topic: s.Topic(), Author: id[:]}
	switch s := s.(type) {
	case *wire.Run:
		m.Type, m.Seq = uint8(wire.FrameRun), number(s.Last())
	case *wire.Head:
		m.Type, m.Seq = uint8(wire.FrameHead), number(s.Ref().Seq)
	case *wire.Proof:
		m.Type, m.Seq = uint8(wire.FrameFork), number(s.Seq())
	}
	return m
}

func export(topics []string, statements ...wire.Statement) []byte {
	var b bytes.Buffer
	w := must(wire.NewExportWriter(&b, "vectors", topics...))
	for _, s := range statements {
		must(0, w.Write(s))
	}
	must(0, w.Close())
	return b.Bytes()
}

func goodExport(name string, topics []string, statements ...wire.Statement) exportVector {
	b := export(topics, statements...)
	m := &exportMeaning{Hello: helloOf(b), Statements: []statementMeaning{}}
	for _, s := range statements {
		m.Statements = append(m.Statements, statementOf(s))
	}
	return exportVector{good(name), b, m}
}

// helloOf is what the Hello of an export file means.
func helloOf(file []byte) *helloMeaning {
	f := must(wire.ReadFrame(bytes.NewReader(file[len(exportMagic):])))
	return goodFrame("", f.Type, f.Handle, f.Body).Means.Hello
}

const exportMagic = "hearsay export\x01\n"

func exportVectors() file[exportVector] {
	f := file[exportVector]{About: "Export files. Every statement of a good one opens with the key that came before it."}
	one, two := adaRuns()
	other := bo.run("other", bo.start(), change(0, "", "x"))
	plain := goodExport("a run", []string{topic}, one)
	skipped := plain
	skipped.verdict = good("a frame in between that may be skipped, with a handle that means nothing")
	at := len(exportMagic)
	parts := framesOf(plain.File[at:])
	skipped.File = slices.Concat([]byte(exportMagic), parts[0], frame(200, 999, []byte("x")), parts[1], parts[2], parts[3])
	f.Good = []exportVector{
		plain,
		goodExport("no topics, no statements", []string{}),
		goodExport("a proof, runs and a head", []string{topic}, adaFork(), one, two, ada.head(topic, two.End(), now)),
		goodExport("two topics and two authors", []string{topic, "other"}, one, other, two),
		skipped,
	}
	f.Bad = badExports(parts)
	return f
}

// framesOf splits frames.
func framesOf(b []byte) (frames [][]byte) {
	for r := bytes.NewReader(b); r.Len() > 0; {
		f := must(wire.ReadFrame(r))
		frames = append(frames, frame(f.Type, f.Handle, f.Body))
	}
	return frames
}

// badExports spoils a file of Hello, Key, Run and Done.
func badExports(parts [][]byte) (list []exportVector) {
	start, key, run, done := parts[0], parts[1], parts[2], parts[3]
	v := func(class, check, name string, b ...[]byte) {
		list = append(list, exportVector{verdict: bad(class, check, name), File: slices.Concat(b...)})
	}
	magic := []byte(exportMagic)
	doneOf := func(handle uint16, n uint64) []byte { return frame(wire.FrameDone, handle, wire.AppendDone(nil, n)) }
	const class = "malformed"
	v(class, "export.magic", "nothing")
	v(class, "export.magic", "cut short", magic[:15])
	v(class, "export.magic", "another version", []byte("hearsay export\x02\n"), start, key, run, done)
	v(class, "export.magic", "the end of the line is CR LF", []byte("hearsay export\x01\r\n"), start, key, run, done)
	v(class, "export.hello", "without Hello", magic, key, run, done)
	v(class, "export.hello", "Hello in a frame of another type", magic, patch(start, 0, 200), key, run, done)
	v(class, "export.hello", "Hello with a handle", magic, patch(start, 2, 1), key, run, done)
	v(class, "export.type", "a second Hello", magic, start, start, key, run, done)
	v(class, "export.type", "a digest", magic, start, frame(wire.FrameDigest, 1, digest(1, false, wire.UnnamedWanted)), key, run, done)
	v(class, "export.type", "a type that must be understood", magic, start, frame(9, 1, nil), key, run, done)
	v(class, "export.type", "Close", magic, start, key, run, frame(wire.FrameClose, 0, []byte{0, 1, 0}), done)
	v(class, "export.handle", "Key for a handle that was not named", magic, start, patch(key, 2, 2), run, done)
	v(class, "export.handle", "Run for a handle that was not named", magic, start, key, patch(run, 2, 9), done)
	v(class, "export.count", "it says 0", magic, start, key, run, doneOf(0, 0))
	v(class, "export.count", "it says 2", magic, start, key, run, doneOf(0, 2))
	v(class, "export.end-handle", "Done with a handle", magic, start, key, run, doneOf(1, 1))
	v(class, "export.after", "a byte after it", magic, start, key, run, done, []byte{0})
	v(class, "export.after", "a frame after it", magic, start, key, run, done, frame(200, 0, nil))
	v("cut-short", "frame.whole", "without Done", magic, start, key, run)
	v("cut-short", "frame.whole", "without anything", magic)
	v("cut-short", "frame.whole", "cut in a run", magic, start, key, run[:len(run)-1])
	v(class, "run.form", "a byte after a run", magic, start, key, frame(wire.FrameRun, 1, append(slices.Clone(run[7:]), 0)), done)
	v("no-key", "export.key", "a run without its author's key", magic, start, run, done)
	v("no-key", "export.key", "a run with another's key before it", magic, start, frame(wire.FrameKey, 1, bo.key.Wire()), run, done)
	v("no-key", "export.key", "a run before its author's key", magic, start, run, key, done)
	v("bad-signature", "run.signature", "a bit of a signature flipped", magic, start, key, patch(run, len(run)-1, run[len(run)-1]^1), done)
	return list
}
