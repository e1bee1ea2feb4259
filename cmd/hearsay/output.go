package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/rivo/uniseg"
	"golang.org/x/term"
)

// output is standard output as commands write it.
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

// text returns s as it is for a pipe, and as a terminal may be given it.
func (o *output) text(s string) string {
	if !o.terminal {
		return s
	}
	return escapeText(s)
}

// json writes v as one line of JSON.
func (o *output) json(v any) error {
	text, err := marshal(v)
	if err != nil {
		return err
	}
	_, err = o.WriteString(escapeJSON(text) + "\n")
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

// table writes rows in columns, of cells that are escaped. A row may be short, and its last cell of any length: it
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
			widths[i] = max(widths[i], columns(cell))
		}
	}
	for n, row := range rows {
		var line strings.Builder
		for i, cell := range row {
			if i == len(row)-1 {
				cell = o.wrap(cell, columns(line.String()))
			}
			line.WriteString(cell)
			if i < len(row)-1 {
				line.WriteString(strings.Repeat(" ", 2+widths[i]-columns(cell)))
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

// columns returns how wide text is on a terminal.
func columns(text string) int { return uniseg.StringWidth(text) }

// hanging writes text behind a label, and goes on below itself where the terminal ends.
func (o *output) hanging(label, text string) error {
	_, err := fmt.Fprintln(o, label+o.wrap(text, columns(label)))
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
		n := columns(word)
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
