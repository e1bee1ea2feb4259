package main

import (
	"errors"

	"github.com/hearsaynet/hearsay/sign"
)

// hintFor returns advice that only the command can give, or "".
func hintFor(err error) string {
	if h, ok := errors.AsType[*hinted](err); ok {
		return h.hint
	}
	if errors.Is(err, sign.ErrPassphraseNeeded) {
		return "--passphrase-file FILE gives the passphrase; on a terminal it is asked for"
	}
	return ""
}
