package main

import (
	"errors"

	"github.com/hearsaynet/hearsay/replica/node"
	"github.com/hearsaynet/hearsay/sign"
)

// hintFor returns advice that only the command can give, or "".
func (a *app) hintFor(err error) string {
	if h, ok := errors.AsType[*hinted](err); ok {
		return h.hint
	}
	switch {
	case errors.Is(err, sign.ErrPassphraseNeeded):
		return "--passphrase-file FILE gives the passphrase; on a terminal it is asked for"
	case errors.Is(err, node.ErrNoNode):
		return "hearsay up" + a.dataFlag() + " makes one, and runs it"
	}
	return ""
}
