package value

import (
	"errors"
	"fmt"
)

// op is what a change does. Numbers are never reused; zero is invalid.
type op uint8

const opSet op = 1

// ErrMalformed is wrapped by the error of every change that breaks the encoding, as
// notices of kind replica.Ignored report them.
var ErrMalformed = errors.New("malformed change")

// change is one change. value aliases the encoded change.
type change struct {
	op    op
	value []byte
}

func parseChange(b []byte) (change, error) {
	if len(b) == 0 {
		return change{}, fmt.Errorf("value: %w: no bytes", ErrMalformed)
	}
	c := change{op(b[0]), b[1:]}
	if c.op != opSet {
		return change{}, fmt.Errorf("value: %w: op %d", ErrMalformed, c.op)
	}
	return c, nil
}

// SetChange returns the change that sets the value, for programs that sign runs
// themselves.
func SetChange(value []byte) []byte {
	return append(append(make([]byte, 0, 1+len(value)), byte(opSet)), value...)
}
