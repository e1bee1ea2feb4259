package main

import (
	"bufio"
	"bytes"
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
