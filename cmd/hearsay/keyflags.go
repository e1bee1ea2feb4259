package main

import (
	"github.com/spf13/pflag"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica/node"
)

// keyFlags are where a node finds who is admitted, besides its trusted keys.
func keyFlags(f *pflag.FlagSet, o *node.Options) {
	f.StringVar(&o.Keys.Server, "keys", "", "admit whom the key server at `URL` names, too")
	f.Var(idVar{&o.Keys.Signer}, "keys-signer", "believe the key server's lists only if the key of this `ID` has signed them")
	f.StringVar(&o.Keys.AllowedSigners, "allowed-signers", "", "admit whom this `FILE` names, too (ssh-keygen(1), ALLOWED SIGNERS)")
	f.StringVar(&o.Keys.Principal, "principal", "", "count only the lines of --allowed-signers whose principals match `NAME`")
}

// idVar is a node id, Qm… or SHA256:….
type idVar struct{ id *keys.NodeID }

func (v idVar) Set(s string) (err error) {
	*v.id, err = keys.ParseNodeID(s)
	return err
}

func (v idVar) String() string { return "" }

func (v idVar) Type() string { return "id" }
