package scuttlebutt

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// FuzzLines: whatever a peer sends, a node keeps what it can send on, and nothing else.
func FuzzLines(f *testing.F) {
	files, err := filepath.Glob("testdata/sessions/*.txt")
	if err != nil || len(files) == 0 {
		f.Fatal("no seeds", err)
	}
	for _, name := range append(files, "testdata/malformed.txt") {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		for _, from := range []string{"\nC> ", "\nS> "} {
			text = bytes.ReplaceAll(text, []byte(from), []byte("\n"))
		}
		_, text, _ = bytes.Cut(text, []byte("\n\n"))
		f.Add(text)
		for line := range bytes.Lines(text) {
			f.Add(line)
		}
	}
	malformed, _ := os.ReadFile("testdata/malformed.txt")
	for line := range bytes.Lines(malformed) {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		m, s := newModel(t, "A"), newEvents(t, "A")
		for _, n := range []*Node{&m.Node, &s.Node} {
			l, err := n.Load(t.Context(), bytes.NewReader(text))
			if err == nil && (l.End+int64(l.Torn) != int64(len(text)) || l.Refused != 0) {
				t.Fatalf("%d bytes: %+v", len(text), l)
			}
			check(t, n)
		}
	})
}

// check says whether what n holds can be told to others.
func check(t *testing.T, n *Node) {
	t.Helper()
	var file bytes.Buffer
	if err := n.Save(&file); err != nil {
		t.Fatal(err)
	}
	clock, stats := n.Clock(), n.Stats()
	var last *entry
	history, _ := n.history(nil)
	if len(history) != stats.Updates {
		t.Fatalf("%d updates in the history of %+v", len(history), stats)
	}
	for _, e := range history {
		again, err := parseUpdate(e.line, map[string]string{})
		if err != nil || !bytes.Equal(again.line, e.line) || again.ts != e.ts || again.source != e.source {
			t.Fatalf("%s is read as %+v, %v", e.line, again, err)
		}
		if clock[e.source] < e.ts || last != nil && inOrder(last, e) > 0 {
			t.Fatalf("%s: clock %v, behind %+v", e.line, clock, last)
		}
		last = e
	}
	other := newEvents(t, "B")
	if l, err := other.Load(t.Context(), &file); err != nil || l.Updates != len(history) || l.Torn != 0 {
		t.Fatalf("%+v, %v", l, err)
	}
}
