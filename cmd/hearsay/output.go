package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/term"
)

// output is standard output as commands write it. On a terminal, nothing that came
// from elsewhere can move the cursor or reorder the line.
type output struct {
	*bufio.Writer
	terminal bool
	width    int // columns of the terminal; 0: lines are as long as they are
}

// stdout is to be flushed; what cannot be written is a failure.
func (a *app) stdout() *output {
	o := &output{Writer: bufio.NewWriter(a.out), terminal: isTerminal(a.out)}
	if o.terminal {
		o.width = 80
		if w, _, err := term.GetSize(int(a.out.Fd())); err == nil && w > 0 {
			o.width = w
		}
	}
	return o
}

// print calls f with standard output and flushes it.
func (a *app) print(f func(*output) error) error {
	o := a.stdout()
	if err := f(o); err != nil {
		return err
	}
	return o.Flush()
}

// text returns s as it may be written in running text: line ends stay.
func (o *output) text(s string) string {
	if !o.terminal {
		return s
	}
	return escape(s, true)
}

// line returns s as it may be written on one line.
func (o *output) line(s string) string {
	if !o.terminal {
		return s
	}
	return escape(s, false)
}

// json writes v as one line of JSON.
func (o *output) json(v any) error {
	text, err := marshal(v)
	if err != nil {
		return err
	}
	if o.terminal {
		text = escapeJSON(text)
	}
	_, err = o.WriteString(text + "\n")
	return err
}

// marshal is json.Marshal that leaves <, > and & as they are.
func marshal(v any) (string, error) {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return strings.TrimSuffix(b.String(), "\n"), err
}

// printJSON writes one object and nothing else.
func (a *app) printJSON(v any) error {
	return a.print(func(o *output) error { return o.json(v) })
}

// escape makes control characters, characters that change the direction or the form
// of text, and bytes that are no UTF-8 visible.
func escape(s string, keepLines bool) string {
	if !strings.ContainsFunc(s, isUnsafe) && utf8.ValidString(s) {
		return s
	}
	var b strings.Builder
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, s[0])
		case keepLines && (r == '\n' || r == '\t'), !isUnsafe(r):
			b.WriteString(s[:n])
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case r < 0x100:
			fmt.Fprintf(&b, `\x%02x`, r)
		default:
			fmt.Fprintf(&b, `\u{%x}`, r)
		}
		s = s[n:]
	}
	return b.String()
}

func isUnsafe(r rune) bool {
	return unicode.IsControl(r) || unicode.In(r, unicode.Bidi_Control, unicode.Zl, unicode.Zp)
}

// escapeJSON writes what escape would change as JSON escapes: the value stays.
func escapeJSON(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case r == '\n' || !isUnsafe(r):
			b.WriteRune(r)
		default: // none of them is beyond U+FFFF
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

// table writes rows in columns. A row may be short, and its last cell of any length: it
// goes on below itself where the terminal ends.
func (o *output) table(rows [][]string) error { return o.notedTable(rows, nil) }

// notedTable is table with lines of text under each row, indented.
func (o *output) notedTable(rows, notes [][]string) error {
	var widths []int
	for _, row := range rows {
		for i, cell := range row[:max(0, len(row)-1)] {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for n, row := range rows {
		var line strings.Builder
		for i, cell := range row {
			if i == len(row)-1 {
				cell = o.wrap(cell, utf8.RuneCountInString(line.String()))
			}
			line.WriteString(cell)
			if i < len(row)-1 {
				line.WriteString(strings.Repeat(" ", 2+widths[i]-utf8.RuneCountInString(cell)))
			}
		}
		if _, err := fmt.Fprintln(o, strings.TrimRight(line.String(), " ")); err != nil {
			return err
		}
		if n >= len(notes) {
			continue
		}
		for _, note := range notes[n] {
			if err := o.hanging("    ", note); err != nil {
				return err
			}
		}
	}
	return nil
}

// hanging writes text behind a label, and goes on below itself where the terminal ends.
func (o *output) hanging(label, text string) error {
	_, err := fmt.Fprintln(o, label+o.wrap(text, utf8.RuneCountInString(label)))
	return err
}

// wrap breaks text that starts at a column at its spaces, so that it fits the terminal.
func (o *output) wrap(text string, column int) string {
	if o.width == 0 || column+20 > o.width {
		return text
	}
	var b strings.Builder
	used := 0
	for i, word := range strings.Split(text, " ") {
		n := utf8.RuneCountInString(word)
		switch {
		case i == 0:
		case column+used+1+n > o.width:
			b.WriteString("\n" + strings.Repeat(" ", column))
			used = 0
		default:
			b.WriteByte(' ')
			used++
		}
		b.WriteString(word)
		used += n
	}
	return b.String()
}

// refuseTerminal refuses to write bytes to a terminal.
func (a *app) refuseTerminal(what string) error {
	if isTerminal(a.out) {
		return withHint(fmt.Errorf("%s is not for a terminal", what), "name a FILE, or send it on with > or |")
	}
	return nil
}
