package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/node"
)

func TestEscape(t *testing.T) {
	for _, tt := range []struct{ in, line, name, text string }{
		{"", "", "", ""},
		{"plain-ä😀👩‍💻", "plain-ä😀👩‍💻", "plain-ä😀👩‍💻", "plain-ä😀👩‍💻"},
		{`C:\new "folder"`, `C:\new "folder"`, `C:\\new\ "folder"`, `C:\new "folder"`},
		{"a\tb\nc", `a\tb\nc`, `a\tb\nc`, "a\tb\nc"},
		{"\x1b[2J\r\x00\x7f", `\x1b[2J\r\x00\x7f`, `\x1b[2J\r\x00\x7f`, `\x1b[2J\r\x00\x7f`},
		{"\u009b2J\u202eevil\u2066\u2028", `\u009b2J\u202eevil\u2066\u2028`, `\u009b2J\u202eevil\u2066\u2028`, `\u009b2J\u202eevil\u2066\u2028`},
		{"\xff\xc3\ufffd", "\\xff\\xc3\ufffd", "\\xff\\xc3\ufffd", "\\xff\\xc3\ufffd"},
	} {
		if got := escapeLine(tt.in); got != tt.line {
			t.Errorf("%q on a line is %q, want %q", tt.in, got, tt.line)
		}
		if got := escapeName(tt.in); got != tt.name {
			t.Errorf("%q as a name is %q, want %q", tt.in, got, tt.name)
		}
		if got := escapeText(tt.in); got != tt.text {
			t.Errorf("%q in a text is %q, want %q", tt.in, got, tt.text)
		}
	}
}

func TestCells(t *testing.T) {
	const in = "x y\\\n\x1b"
	for _, tt := range []struct {
		terminal bool
		write    func(o *output) error
		want     string
	}{
		{false, func(o *output) error { return o.row("set", in, 7, []byte(in)) }, "set\tx\\ y\\\\\\n\\x1b\t7\tx y\\\\n\\x1b\n"},
		{true, func(o *output) error { return o.words(in, json.RawMessage("\"\u009b \\n\"")) }, "x\\ y\\\\\\n\\x1b \"\\u009b \\n\"\n"},
		{false, func(o *output) error { return o.json(in + "\u202e") }, `"x y\\\n\u001b\u202e"` + "\n"},
		{false, func(o *output) error { return o.value([]byte(in), false) }, in + "\n"},
		{true, func(o *output) error { return o.value([]byte(in), false) }, "x y\\\n\\x1b\n"},
		{true, func(o *output) error { return o.value([]byte(in), true) }, in},
		{false, func(o *output) error { return printUpdate(o, node.Update{Time: time.Unix(0, 0)}, false) }, "1970-01-01T00:00:00.000000000Z " + keys.NodeID{}.String() + " 0 \"\" 0\n"},
	} {
		var b bytes.Buffer
		o := &output{Writer: bufio.NewWriter(&b), terminal: tt.terminal}
		if err := firstOf(func() error { return tt.write(o) }, o.Flush); err != nil || b.String() != tt.want {
			t.Errorf("got %q, %v, want %q", b.String(), err, tt.want)
		}
	}
}

func TestHandler(t *testing.T) {
	var b bytes.Buffer
	log := slog.New(&handler{w: &b, level: slog.LevelInfo})
	log.Debug("not this")
	log.Info("hello", "n", 1, "err", nil)
	log.With("a", "x y").WithGroup("g").Warn("two\nlines \x1b", "b", "", slog.Group("in", "c", "\n"))
	log.Error("no", "err", errors.New(`say "it"`))
	want := `hearsay: info: hello n=1
hearsay: warning: two
lines \x1b a="x y" g.in.c=\n
hearsay: error: no err="say \"it\""
`
	if got := b.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestTable(t *testing.T) {
	var b bytes.Buffer
	o := &output{Writer: bufio.NewWriter(&b)}
	if err := o.table([][]string{{"NAME", "STATE", "WHY"}, {"…ä", "ok", ""}, {"long name", "ok"}, {}, {"x", "waiting", "a reason"}}); err != nil {
		t.Fatal(err)
	}
	o.Flush()
	want := "NAME       STATE    WHY\n…ä         ok\nlong name  ok\n\nx          waiting  a reason\n"
	if got := b.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestTableOnTerminal(t *testing.T) {
	var b bytes.Buffer
	o := &output{Writer: bufio.NewWriter(&b), width: 40}
	rows := [][]string{{"NAME", "WHY"}, {"日本", "words that go on and on for a while, and more"}, {"b", ""}}
	notes := [][]string{nil, {"a note that is longer than the terminal is wide"}}
	if err := o.notedTable(rows, notes); err != nil {
		t.Fatal(err)
	}
	o.Flush()
	want := `NAME  WHY
日本  words that go on and on for a
      while, and more
    a note that is longer than the
    terminal is wide
b
`
	if got := b.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestSpan(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Hour: "0 s", 119 * time.Second: "119 s", 2 * time.Minute: "2 min", 2 * time.Hour: "2 h", 50 * time.Hour: "2 days",
	} {
		if got := span(d); got != want {
			t.Errorf("%v is %q, want %q", d, got, want)
		}
	}
}

func TestShellQuote(t *testing.T) {
	for in, want := range map[string]string{
		"":           "''",
		"a/b-c.d":    "a/b-c.d",
		"a b":        "'a b'",
		"it's":       `'it'\''s'`,
		"$(rm -rf)":  "'$(rm -rf)'",
		"ä":          "'ä'",
		"a\nb":       "'a\nb'",
		"ssh AAAA==": "'ssh AAAA=='",
	} {
		if got := shellQuote(in); got != want {
			t.Errorf("%q is quoted as %s, want %s", in, got, want)
		}
	}
}

func TestAuthorByEnd(t *testing.T) {
	ids := []keys.NodeID{}
	for i := range byte(90) {
		id := keys.NodeID{0x12, 0x20}
		id[33], id[2] = i, i
		ids = append(ids, id)
	}
	s := &node.Status{ID: ids[0]}
	for _, id := range ids {
		s.Authors = append(s.Authors, replica.AuthorStatus{ID: id}, replica.AuthorStatus{ID: id, Topic: "another"})
	}
	ambiguous := 0
	for i := range 2 * len(ids) {
		id, n := ids[i/2], 1+i%2*7
		text := id.String()[46-n:]
		sharing := 0
		for _, other := range ids {
			if strings.HasSuffix(other.String(), text) {
				sharing++
			}
		}
		got, err := authorByEnd(s, text)
		switch {
		case sharing == 1 && (err != nil || got != id):
			t.Errorf("%s of %v: %v, %v", text, id, got, err)
		case sharing > 1 && err == nil:
			t.Errorf("%s, which %d share, is %v", text, sharing, got)
		case sharing > 1:
			ambiguous++
		}
	}
	if ambiguous == 0 {
		t.Error("no end was ambiguous")
	}
	if id, err := authorByEnd(s, "zzzz"); err == nil {
		t.Errorf("zzzz is %v", id)
	}
}

func TestDistance(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"open", "open", 0}, {"opne", "open", 2}, {"peer", "pear", 1}, {"", "abc", 3}, {"abc", "", 3}, {"kitten", "sitting", 3}} {
		if got := distance(tt.a, tt.b); got != tt.want {
			t.Errorf("distance(%q, %q) = %d, want %d", tt.a, tt.b, got, tt.want)
		}
	}
}

// TestHelp: every command says what it does, and each flag what it is for.
func TestHelp(t *testing.T) {
	root := newRootCmd(&app{})
	for _, cmd := range allCommands(root) {
		if cmd.Short == "" || strings.HasSuffix(cmd.Short, ".") || cmd.GroupID == "" && cmd.Parent() == root && cmd.Runnable() && cmd.Name() != "help" && cmd.Name() != "completion" {
			t.Errorf("%s: %q in group %q", cmd.CommandPath(), cmd.Short, cmd.GroupID)
		}
		for line := range strings.Lines(cmd.Long) {
			if len([]rune(line)) > 100 {
				t.Errorf("%s: a line of its help is too long: %s", cmd.CommandPath(), line)
			}
		}
	}
}

func allCommands(cmd *cobra.Command) (all []*cobra.Command) {
	for _, sub := range cmd.Commands() {
		all = append(append(all, sub), allCommands(sub)...)
	}
	return all
}

func TestInterruptible(t *testing.T) {
	r, w := io.Pipe()
	defer w.Close()
	ended := errors.New("a signal")
	ctx, cancel := context.WithCancelCause(t.Context())
	in := &interruptible{ctx: ctx, r: r}
	go w.Write([]byte("hello"))
	var b [8]byte
	for i, want := range []string{"he", "llo"} {
		if n, err := in.Read(b[:2+6*i]); err != nil || string(b[:n]) != want {
			t.Errorf("read %q, %v", b[:n], err)
		}
	}
	go cancel(ended)
	for range 2 {
		if n, err := in.Read(b[:]); n != 0 || !errors.Is(err, ended) {
			t.Errorf("%d bytes, %v", n, err)
		}
	}
}

func TestFit(t *testing.T) {
	const text = "This is a line of thirty-seven letters\nand more.\n\n  an example, which stays as it is, however long\n\nThe end."
	for width, want := range map[int]string{
		0:  text,
		60: text,
		47: "This is a line of thirty-seven letters and\nmore.\n\n  an example, which stays as it is, however long\n\nThe end.",
		30: "This is a line of thirty-seven\nletters and more.\n\n  an example, which stays as it is, however long\n\nThe end.",
	} {
		if got := (&output{width: width}).fit(text); got != want {
			t.Errorf("on %d columns:\n%s\nwant\n%s", width, got, want)
		}
	}
}

func TestJSONLog(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	a := &app{err: f, logFormat: "json"}
	if err := a.setLog(&cobra.Command{}); err != nil {
		t.Fatal(err)
	}
	a.warn("evil\u009b2J\u202e")
	line, err := os.ReadFile(f.Name())
	var record struct{ Msg string }
	if err == nil {
		err = json.Unmarshal(line, &record)
	}
	if err != nil || record.Msg != "evil\u009b2J\u202e" || strings.ContainsFunc(strings.TrimSuffix(string(line), "\n"), isUnsafe) {
		t.Errorf("%q, %v", line, err)
	}
}
