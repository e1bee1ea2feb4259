package feed

import (
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
)

// op is what a change does. Numbers are never reused; zero is invalid.
type op uint8

const (
	opPush   op = 1
	opRemove op = 2
)

// ErrMalformed is wrapped by the error of every change that breaks the encoding, as
// notices of kind replica.Ignored report them.
var ErrMalformed = errors.New("malformed change")

// change is one change of a feed. item aliases the encoded change.
type change struct {
	op   op
	item []byte // of a push
	seq  uint64 // of a remove: the author's update that pushed the item
}

func parseChange(b []byte) (change, error) {
	var c change
	s := cryptobyte.String(b)
	if !s.ReadUint8((*uint8)(&c.op)) {
		return change{}, fmt.Errorf("feed: %w: no bytes", ErrMalformed)
	}
	switch c.op {
	case opPush:
		c.item = s
	case opRemove:
		if !s.ReadUint64(&c.seq) || !s.Empty() || c.seq == 0 {
			return change{}, fmt.Errorf("feed: %w: a remove of %d bytes, or of seq 0", ErrMalformed, len(b))
		}
	default:
		return change{}, fmt.Errorf("feed: %w: op %d", ErrMalformed, c.op)
	}
	return c, nil
}

func encodePush(item []byte) []byte {
	return append(append(make([]byte, 0, Overhead+len(item)), byte(opPush)), item...)
}

func encodeRemove(seq uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{byte(opRemove)}, seq)
}
