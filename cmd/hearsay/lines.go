package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
)

// lineReader reads lines of any file in bounded memory.
type lineReader struct {
	r      *bufio.Reader
	most   int // bytes in a line
	number int // of the line that next returned last
}

func newLineReader(r io.Reader, most int) *lineReader {
	return &lineReader{r: bufio.NewReaderSize(r, 64<<10), most: most}
}

var errLineTooLong = errors.New("the line is too long")

// next returns the next line without its end, or io.EOF. After errLineTooLong it
// goes on behind that line. The last line needs no end.
func (l *lineReader) next() ([]byte, error) {
	var line []byte
	long, some := false, false
	for {
		part, err := l.r.ReadSlice('\n')
		if len(part) > 0 && !some {
			some = true
			l.number++
		}
		if long = long || len(line)+len(part) > l.most+1; !long {
			line = append(line, part...)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case err != nil && (!some || !errors.Is(err, io.EOF)):
			return nil, err
		}
		if line = bytes.TrimSuffix(line, []byte("\n")); long || len(line) > l.most {
			return nil, fmt.Errorf("%w: at most %d bytes", errLineTooLong, l.most)
		}
		return line, nil
	}
}

// interruptible is a reader that a context ends, though the one that it reads from blocks.
type interruptible struct {
	ctx context.Context
	r   io.Reader
	buf []byte
}

func (i *interruptible) Read(p []byte) (int, error) {
	if err := context.Cause(i.ctx); err != nil {
		return 0, err // the last read may still be under way
	}
	if len(i.buf) < len(p) {
		i.buf = make([]byte, len(p))
	}
	type result struct {
		n   int
		err error
	}
	got := make(chan result, 1)
	go func() {
		n, err := i.r.Read(i.buf[:len(p)])
		got <- result{n, err}
	}()
	select {
	case <-i.ctx.Done():
		return 0, context.Cause(i.ctx)
	case r := <-got:
		return copy(p, i.buf[:r.n]), r.err
	}
}
