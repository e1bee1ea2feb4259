package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// FrameType is what a frame's body is. Numbers are never reused; zero is invalid.
type FrameType uint8

// The frame types. 9 to 31 are reserved; those from 128 on may be skipped, and 128 and
// 129 are those of files, see FrameBase.
const (
	FrameHello  FrameType = 1
	FrameDigest FrameType = 2
	FrameRun    FrameType = 3
	FrameHead   FrameType = 4
	FrameKey    FrameType = 5
	FrameFork   FrameType = 6
	FrameDone   FrameType = 7
	FrameClose  FrameType = 8
	FrameWay    FrameType = 130
)

func (t FrameType) String() string {
	names := [...]string{"", "Hello", "Digest", "Run", "Head", "Key", "Fork", "Done", "Close"}
	switch t {
	case FrameBase:
		return "Base"
	case FrameMark:
		return "Mark"
	case FrameWay:
		return "Way"
	}
	if t == 0 || int(t) >= len(names) {
		return fmt.Sprintf("FrameType(%d)", uint8(t))
	}
	return names[t]
}

// Skippable reports whether a receiver that does not know t may go on.
func (t FrameType) Skippable() bool { return t >= 128 }

// Frame is one message of a conversation.
type Frame struct {
	Type   FrameType
	Handle uint16
	Body   []byte
}

// AppendFrame appends the encoding of f to b. The body must not exceed MaxFrame.
func AppendFrame(b []byte, f Frame) []byte {
	b = append(b, byte(f.Type))
	b = binary.BigEndian.AppendUint16(b, f.Handle)
	b = binary.BigEndian.AppendUint32(b, uint32(len(f.Body)))
	return append(b, f.Body...)
}

// ReadFrame reads one frame. It allocates in proportion to what has arrived, not
// to what is announced. The error is io.EOF only between frames, and wraps
// ErrMalformed when no reader could go on.
func ReadFrame(r io.Reader) (Frame, error) {
	var h [frameHeaderSize]byte
	if _, err := io.ReadFull(r, h[:]); err != nil {
		return Frame{}, err
	}
	f := Frame{Type: FrameType(h[0]), Handle: binary.BigEndian.Uint16(h[1:])}
	n := binary.BigEndian.Uint32(h[3:])
	if f.Type == 0 {
		return Frame{}, malformed("frame type 0")
	}
	if n > MaxFrame {
		return Frame{}, malformed("frame of %d bytes, at most %d", n, MaxFrame)
	}
	body, err := readBody(r, int(n))
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return Frame{}, fmt.Errorf("wire: %v frame of %d bytes is cut short: %w", f.Type, n, io.ErrUnexpectedEOF)
	}
	if err != nil {
		return Frame{}, err
	}
	f.Body = body
	return f, nil
}

// readBody reads n bytes, at first into 64 KiB and then into four times what has
// arrived.
func readBody(r io.Reader, n int) ([]byte, error) {
	const start = 64 << 10
	b := make([]byte, min(n, start))
	for got := 0; ; {
		if _, err := io.ReadFull(r, b[got:]); err != nil {
			return nil, err
		}
		got = len(b)
		if got == n {
			return b, nil
		}
		bigger := make([]byte, min(n, 4*got))
		copy(bigger, b)
		b = bigger
	}
}
