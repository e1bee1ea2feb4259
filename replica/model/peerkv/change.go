package peerkv

import (
	"fmt"

	"github.com/hearsaynet/hearsay/replica/model/internal/setting"
)

// ErrBadKey is wrapped by the errors about keys that are empty, too long or not UTF-8.
var ErrBadKey = setting.ErrBadKey

// ErrBadExpiry is wrapped by the errors about times at which no value can expire.
var ErrBadExpiry = setting.ErrBadExpiry

// ErrMalformed is wrapped by the error of every change that breaks the encoding, as
// notices of kind replica.Ignored report them.
var ErrMalformed = setting.ErrMalformed

// change is one change of a key. Its bytes alias the encoded change.
type change = setting.Change

func parseChange(b []byte) (change, error) {
	c, err := setting.Parse(b)
	if err != nil {
		return change{}, fmt.Errorf("peerkv: %w", err)
	}
	return c, nil
}

// encode makes a change, of a key and a time that a user gave.
func encode(c change) ([]byte, error) {
	b, err := setting.Encode(c)
	if err != nil {
		return nil, fmt.Errorf("peerkv: %w", err)
	}
	return b, nil
}
