package object

import (
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
)

// op is what a write does. Numbers are never reused; zero is invalid.
type op uint8

const (
	opSet    op = 1
	opRemove op = 2
)

// ErrMalformed is wrapped by the error of every change that breaks the encoding, as
// notices of kind replica.Ignored report them.
var ErrMalformed = errors.New("malformed change")

// write is one write of a change. value aliases the encoded change.
type write struct {
	op    op
	names []string
	value []byte // canonical JSON; nothing for remove
}

func parseChange(b []byte) ([]write, error) {
	var writes []write
	for s := cryptobyte.String(b); len(writes) == 0 || !s.Empty(); {
		if len(writes) == MaxOps {
			return nil, fmt.Errorf("object: %w: more than %d writes", ErrMalformed, MaxOps)
		}
		w, err := parseWrite(&s)
		if err != nil {
			return nil, fmt.Errorf("object: %w: write %d: %w", ErrMalformed, len(writes), err)
		}
		writes = append(writes, w)
	}
	return writes, nil
}

func parseWrite(s *cryptobyte.String) (write, error) {
	var w write
	var path, value cryptobyte.String
	if !s.ReadUint8((*uint8)(&w.op)) || !s.ReadUint16LengthPrefixed(&path) || !s.ReadUint24LengthPrefixed(&value) {
		return write{}, errors.New("cut short")
	}
	var err error
	if w.names, err = parseNames(string(path)); err != nil {
		return write{}, err
	}
	w.value = value
	return w, w.check()
}

// parseNames reads names behind their lengths; they share the bytes of path.
func parseNames(path string) ([]string, error) {
	n := 0
	for at := 0; at < len(path); at += 1 + int(path[at]) {
		n++
	}
	if n > MaxDepth {
		return nil, fmt.Errorf("%w of %d names (at most %d)", ErrBadPath, n, MaxDepth)
	}
	names := make([]string, n)
	for i := range names {
		end := 1 + int(path[0])
		if end > len(path) {
			return nil, fmt.Errorf("%w: cut short", ErrBadPath)
		}
		names[i], path = path[1:end], path[end:]
	}
	return names, nil
}

func (w *write) check() error {
	if err := checkPath(w.names); err != nil {
		return err
	}
	switch {
	case w.op == opRemove && len(w.value) > 0:
		return fmt.Errorf("%d bytes after a remove", len(w.value))
	case w.op == opRemove:
		return nil
	case w.op != opSet:
		return fmt.Errorf("op %d", w.op)
	case len(w.names) == 0 && (len(w.value) == 0 || w.value[0] != '{'):
		return fmt.Errorf("%w: the root is an object", ErrBadValue)
	}
	size := 0
	for _, name := range w.names {
		size += len(name) + 1
	}
	return checkValue(w.value, len(w.names), size)
}

// badWrite says which of n writes an error is about.
func badWrite(n, i int, err error) error {
	if n == 1 {
		return err
	}
	return fmt.Errorf("write %d: %w", i, err)
}

// encode makes a change of writes.
func encode(writes []write) ([]byte, error) {
	if len(writes) == 0 || len(writes) > MaxOps {
		return nil, fmt.Errorf("%d writes in one change (1 to %d)", len(writes), MaxOps)
	}
	var b []byte
	for i := range writes {
		w := &writes[i]
		if err := w.check(); err != nil {
			return nil, badWrite(len(writes), i, err)
		}
		if len(w.value) >= 1<<24 {
			return nil, badWrite(len(writes), i, fmt.Errorf("%w of %d bytes", ErrBadValue, len(w.value)))
		}
		b = append(b, byte(w.op))
		at := len(b)
		b = append(b, 0, 0)
		for _, name := range w.names {
			b = append(append(b, byte(len(name))), name...)
		}
		binary.BigEndian.PutUint16(b[at:], uint16(len(b)-at-2))
		n := len(w.value)
		b = append(b, byte(n>>16), byte(n>>8), byte(n))
		b = append(b, w.value...)
	}
	return b, nil
}
