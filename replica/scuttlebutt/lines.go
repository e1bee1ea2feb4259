package scuttlebutt

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"
)

// lineReader splits a stream at newlines. A line that has begun must end within stall.
type lineReader struct {
	r       io.Reader
	conn    interface{ SetReadDeadline(time.Time) error } // nil when r knows no deadlines
	stall   time.Duration
	first   time.Duration // until the first line has come; 0 is for ever
	buf     []byte
	begin   int // of what has not been returned
	scanned int // up to here there is no newline behind begin
	end     int
	lines   int  // returned
	waiting bool // for the line at, by a deadline
	at      int
}

func newLineReader(r io.Reader, first, stall time.Duration) *lineReader {
	l := &lineReader{r: r, first: first, stall: stall, buf: make([]byte, chunk)}
	l.conn, _ = r.(interface{ SetReadDeadline(time.Time) error })
	return l
}

// buffered returns the next line that has already been read, without its newline.
func (l *lineReader) buffered() (line []byte, ok bool) {
	i := bytes.IndexByte(l.buf[l.scanned:l.end], '\n')
	if i < 0 {
		l.scanned = l.end
		return nil, false
	}
	line = l.buf[l.begin : l.scanned+i]
	l.begin = l.scanned + i + 1
	l.scanned = l.begin
	l.lines++
	return line, true
}

// read reads more. What buffered has returned is overwritten. At io.EOF, rest is what
// stands behind the last newline.
func (l *lineReader) read() (rest []byte, err error) {
	if l.begin > 0 {
		l.end = copy(l.buf, l.buf[l.begin:l.end])
		l.scanned -= l.begin
		l.begin = 0
	}
	if l.end > MaxLine {
		return nil, fmt.Errorf("%w %d: %w", ErrMalformed, l.lines+1, errLong)
	}
	if l.end == len(l.buf) {
		l.buf = append(l.buf, make([]byte, len(l.buf))...)
	}
	if err := l.limit(); err != nil {
		return nil, err
	}
	n, err := l.r.Read(l.buf[l.end:])
	l.end += n
	if n > 0 {
		return nil, nil // an error comes again
	}
	if errors.Is(err, io.EOF) {
		return l.buf[:l.end], io.EOF
	}
	return nil, err
}

// limit sets the deadline for what is awaited: none between lines.
func (l *lineReader) limit() error {
	if l.conn == nil {
		return nil
	}
	var within time.Duration
	switch {
	case l.end > 0:
		within = l.stall
	case l.lines == 0:
		within = l.first
	}
	switch {
	case within == 0 && !l.waiting, within > 0 && l.waiting && l.at == l.lines:
		return nil
	case within == 0:
		l.waiting = false
		return l.conn.SetReadDeadline(time.Time{})
	}
	l.waiting, l.at = true, l.lines
	return l.conn.SetReadDeadline(time.Now().Add(within))
}
